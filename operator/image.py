"""Make a folder of installed packages ready for an image: a launcher, compiled modules, nothing unread.

``python image.py /opt/peergate``, run by the Dockerfile's first stage; standard library only. ``FOLDER/lib``
holds what pip installed; ``FOLDER/bin`` and the compiled modules are made here. The same input gives the same
bytes.
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main", "prepare"]

_SOURCES_OF_EXTENSIONS = frozenset({".c", ".h", ".pxd", ".pyi", ".pyx"})
_SCRATCH = frozenset({"__pycache__", "bin"})
# Thousands of modules that nothing of ours imports; compiled they would be a third of the image. They work as
# sources too.
_UNUSED = re.compile(r"/kubernetes/(aio/)?client/(api|models)/")
# -I: neither the environment nor the current folder nor a user's folder adds a module. The shebang is read by
# the kernel, so no shell is needed.
_LAUNCHER = """#!{interpreter} -I
import sys

sys.path.insert(0, "{lib}")

from peergate.__main__ import main

main()
"""


def prepare(folder: Path, *, interpreter: str = "/usr/bin/python3") -> None:
    """Write the launcher, prune and compile.

    Args:
        folder: what the image will have at the same path.
        interpreter: of the image, not of this build.
    """
    lib = folder / "lib"
    _prune(lib)
    # Unchecked: the sources' times, which differ from build to build, play no part, and nothing is looked
    # up at start.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    workers = os.cpu_count() or 1
    if not compileall.compile_dir(lib, rx=_UNUSED, quiet=1, workers=workers, invalidation_mode=mode):
        raise RuntimeError("a module does not compile")
    scripts = folder / "bin"
    scripts.mkdir(exist_ok=True)
    launcher = scripts / "peergate"
    launcher.write_text(_LAUNCHER.format(interpreter=interpreter, lib=lib), encoding="utf-8")
    for path in (folder, *folder.rglob("*")):
        executable = path.is_dir() or path == launcher
        path.chmod(0o755 if executable else 0o644)


def _prune(lib: Path) -> None:
    """Take away what no import reads: sources of extensions, type stubs, scripts, what pip compiled."""
    for path in sorted(lib.rglob("*")):
        if path.is_dir() and path.name in _SCRATCH and (path.name != "bin" or path.parent == lib):
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in _SOURCES_OF_EXTENSIONS:
            path.unlink()


def main(arguments: Sequence[str]) -> int:
    """Prepare the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--interpreter", default="/usr/bin/python3")
    options = parser.parse_args(arguments)
    prepare(options.folder, interpreter=options.interpreter)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
