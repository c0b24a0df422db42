"""Get what ``make e2e`` needs before a test's time counts: programs, packages, images. Or say what lacks.

``python -m tests.harness.node.prepare``; exit code 1 with one line where no cluster with nodes can run. With
``--missing`` it only says that line on standard output, or nothing; exit code 0.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.harness.binaries import BinariesError, find_binaries, find_helm, find_node_binaries
from tests.harness.cache import cache_folder
from tests.harness.gobuild import BuildError
from tests.harness.node import backend, kind
from tests.harness.node.debian import PackagesError
from tests.harness.node.image import ImageError, build_image
from tests.harness.node.pause import pause_image
from tests.harness.node.runtime import node_packages

__all__ = ["IMAGE", "main", "operator_image"]

_PROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
_VERSION = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]
IMAGE = f"docker.io/peergate/peergate:{_VERSION}"
"""As a node calls what the chart's default values name."""


def operator_image() -> Path:
    """Return the file of the operator's image."""
    if backend.chosen() == "node":
        return build_image(IMAGE)
    folder = cache_folder() / "operator-image"
    folder.mkdir(parents=True, exist_ok=True)
    return kind.build_image(IMAGE, path=folder / "by-engine.tar")


def main(arguments: Sequence[str] = ()) -> int:
    """Get everything, or say what is missing."""
    missing = backend.what_is_missing()
    if "--missing" in arguments:
        sys.stdout.write(f"{missing}\n" if missing else "")
        return 0
    if missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    try:
        find_binaries()
        find_helm()
        if backend.chosen() == "node":
            find_node_binaries()
            node_packages()
        pause_image()
        operator_image()
    except (BinariesError, BuildError, ImageError, PackagesError, kind.KindError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
