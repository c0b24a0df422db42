"""The image that holds a Pod's namespaces, from a few lines of Go: the usual one is in a registry."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.harness.cache import cache_folder, locked, scratch
from tests.harness.gobuild import build
from tests.harness.node.archive import Configuration, write_image
from tests.harness.versions import Suite

__all__ = ["PAUSE", "pause_image"]

PAUSE = "localhost/peergate-pause:1"
_MODULE = Path(__file__).with_name("pause")
_NOBODY = "65535:65535"


def pause_image() -> Path:
    """Return the image's file, building it where it is missing.

    Errors:
        BuildError: there is no Go, or the build fails.
    """
    cache = cache_folder()
    source = (_MODULE / "main.go").read_bytes()
    suite = Suite(
        name="pause",
        version=hashlib.sha256(source).hexdigest()[:12],
        programs=("pause",),
        module=_MODULE,
        packages=("peergate.dev/pause",),
        linker_flags="-s -w",
        base_url="",
    )
    image = cache / suite.folder / "pause.tar"
    if not image.exists():
        with locked(cache):
            build(suite, suite.programs, cache=cache)
            with scratch(cache) as folder:
                (folder / "root").mkdir()
                (cache / suite.folder / "pause").rename(folder / "root" / "pause")
                made = write_image(
                    folder / "pause.tar",
                    name=PAUSE,
                    folder=folder / "root",
                    configuration=Configuration(entrypoint=("/pause",), user=_NOBODY),
                )
                made.rename(image)
    return image
