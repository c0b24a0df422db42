"""Get what ``make e2e`` needs before a test's time counts: programs, packages, images. Or say what lacks.

``python -m tests.harness.node.prepare``; exit code 1 with one line where no cluster with nodes can run. With
``--missing`` it only says that line on standard output, or nothing; exit code 0.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.binaries import BinariesError, find_binaries, find_helm, find_node_binaries
from tests.harness.cache import cache_folder
from tests.harness.gobuild import BuildError
from tests.harness.node import backend, kind, previous
from tests.harness.node.debian import PackagesError
from tests.harness.node.image import SOURCE, ImageError, build_image
from tests.harness.node.pause import pause_image
from tests.harness.node.previous import previous_source
from tests.harness.node.runtime import node_packages
from tests.harness.versions import HELM_3

__all__ = ["IMAGE", "Version", "main", "operator_image", "previous_version"]

_PROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
_VERSION = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]
IMAGE = f"docker.io/peergate/peergate:{_VERSION}"
"""As a node calls what the chart's default values name."""


@dataclass(frozen=True, slots=True)
class Version:
    """Another version of the product."""

    chart: Path
    image: Path
    """Its file."""


def operator_image() -> Path:
    """Return the file of the operator's image."""
    return _image(IMAGE, source=SOURCE)


def previous_version(folder: Path) -> Version:
    """Make the version before this one, its source in an empty folder.

    Errors: RuntimeError, and those of building.
    """
    source = previous_source(folder, version=_VERSION)
    image = _image(f"docker.io/peergate/peergate:{previous.VERSION}", source=source)
    return Version(chart=source / "charts" / "peergate", image=image)


def _image(name: str, *, source: Path) -> Path:
    if backend.chosen() == "node":
        return build_image(name, source=source)
    folder = cache_folder() / "operator-image"
    folder.mkdir(parents=True, exist_ok=True)
    return kind.build_image(name, path=folder / f"by-engine-{name.rpartition(':')[2]}.tar", source=source)


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
        find_helm(suite=HELM_3)
        if backend.chosen() == "node":
            find_node_binaries()
            node_packages()
        pause_image()
        operator_image()
        with tempfile.TemporaryDirectory(prefix="peergate-previous-") as folder:
            previous_version(Path(folder))
    except (BinariesError, BuildError, ImageError, PackagesError, kind.KindError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
