"""Build the operator's image from its real Dockerfile where there is neither Docker nor a registry.

Debian's buildah does it (chroot isolation), on two base images made of Debian packages: one with pip to build
in, one with Python and nothing else to run on, so that whatever needs a shell fails. The result waits in the
cache until a file that goes into it changes. Its layers wait there too: after a change of the operator's code
no dependency is installed anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.harness.cache import cache_folder, locked
from tests.harness.node.archive import write_image
from tests.harness.node.debian import unpacked
from tests.harness.process import Child, KeptFolder
from tests.harness.progress import Work

__all__ = ["SOURCE", "ImageError", "build_image"]

SOURCE = Path(__file__).resolve().parents[3]
"""This repository."""
_INPUTS = ("operator", "pyproject.toml", "README.md", "LICENSE", ".dockerignore")
_PYTHON = (
    *("base-files", "netbase", "media-types", "tzdata"),
    *("libc6", "gcc-12-base", "libgcc-s1", "libstdc++6", "zlib1g", "libssl3", "libexpat1", "libffi8"),
    *("libbz2-1.0", "liblzma5", "libsqlite3-0", "libuuid1", "libcrypt1"),
    *("python3-minimal", "python3.11-minimal", "libpython3.11-minimal", "python3.11", "libpython3.11-stdlib"),
)
_BUILDING = (
    *("dash", "coreutils", "findutils", "libacl1", "libattr1", "libgmp10", "libselinux1", "libpcre2-8-0"),
    *("python3.11-venv", "python3-pip-whl", "python3-setuptools-whl", "python3-distutils"),
)
_BUILDAH = (
    *("buildah", "golang-github-containers-common", "libgpgme11", "libassuan0", "libgpg-error0"),
    *("libdevmapper1.02.1", "libseccomp2"),
)
_BASES = {"BUILD_BASE": "localhost/peergate-build-base:1", "RUN_BASE": "localhost/peergate-run-base:1"}
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_BUILD_SECONDS = 900.0
_KEPT_IMAGES = 6  # of branches that are worked on side by side, two versions each
_STORE_BYTES = 2 << 30  # the bases and the dependencies are a quarter of it; each build adds a few MiB
# buildah starts itself again in the chroot, with an environment of its own: libraries that the machine lacks
# must lie where the loader looks. An overlay in a mount namespace of its own puts them there.
_WITH_LIBRARIES = 'mount -t overlay overlay -o "lowerdir=$1:$2" "$2" && shift 2 && exec "$@"'


class ImageError(Exception):
    """The image can't be built here; the text ends with what the tool said last."""


def build_image(name: str, *, source: Path = SOURCE) -> Path:
    """Return the file of an image of that name (with registry and tag), building it where it is missing.

    ``source`` is a folder as this repository is.

    Errors:
        ImageError: the build failed.
        PackagesError: Debian's packages can't be had.
    """
    cache = cache_folder()
    folder = cache / "operator-image"
    path = folder / f"{_digest(name, source=source)}.tar"
    if not path.exists():
        parts = (
            unpacked("buildah", _BUILDAH),
            unpacked("build-base", (*_PYTHON, *_BUILDING)),
            unpacked("run-base", _PYTHON),
        )
        with locked(cache):
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                _build_by_layers(
                    name, parts=parts, path=path, store=_store(cache, parts=parts), source=source
                )
                _forget(folder)
    return path


def _store(cache: Path, *, parts: tuple[Path, ...]) -> Path:
    """Return the folder of the layers that are known for these bases; begun anew where it grew too large."""
    digest = hashlib.sha256("\n".join(part.parent.name for part in parts).encode()).hexdigest()[:12]
    store = cache / f"image-layers-{digest}"
    for other in cache.glob("image-layers-*"):
        if other != store or _size(other) > _STORE_BYTES:
            shutil.rmtree(other)
    return store


def _size(folder: Path) -> int:
    paths = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in paths)


def _forget(folder: Path) -> None:
    """Remove all images but the newest."""
    images = sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for image in images[_KEPT_IMAGES:]:
        image.unlink()


def _digest(name: str, *, source: Path) -> str:
    """Return what names the image's inputs, this module included."""
    sums = hashlib.sha256(name.encode())
    for path in (Path(__file__), *_inputs(source)):
        sums.update(f"{path.name}\0".encode())
        sums.update(path.read_bytes())
    return sums.hexdigest()[:16]


def _inputs(source: Path) -> Iterator[Path]:
    for each in _INPUTS:
        path = source / each
        if path.is_file():
            yield path
            continue
        for below in sorted(path.rglob("*")):
            if below.is_file() and "__pycache__" not in below.parts and ".egg-info" not in str(below):
                yield below


def _build_by_layers(
    name: str, *, parts: tuple[Path, Path, Path], path: Path, store: Path, source: Path
) -> None:
    """Build it on what the store has; on an empty one where that fails: a killed build leaves halves."""
    fresh = not store.exists()
    try:
        _build(name, parts=parts, path=path, store=store, source=source)
    except ImageError:
        shutil.rmtree(store)
        if fresh:
            raise
        _build(name, parts=parts, path=path, store=store, source=source)


def _build(name: str, *, parts: tuple[Path, Path, Path], path: Path, store: Path, source: Path) -> None:
    buildah, build_base, run_base = parts
    store.mkdir(exist_ok=True)
    with (
        KeptFolder(Path(tempfile.mkdtemp(prefix="peergate-image-"))) as kept,
        Work(f"build the image {name}", total=4, unit="steps") as work,
    ):
        run = _Buildah(buildah, kept=kept, store=store)
        shell = build_base / "usr" / "bin" / "sh"
        if not shell.is_symlink():
            shell.symlink_to("dash")  # the package makes the link when it is installed
        for argument, base in zip(_BASES, (build_base, run_base), strict=True):
            known = store / argument
            if not known.exists():
                file = write_image(kept.path / f"{argument}.tar", name=_BASES[argument], folder=base)
                run("pull", f"docker-archive:{file}")
                file.unlink()
                known.touch()
            work.advance()
        arguments = [f"--build-arg={argument}={base}" for argument, base in _BASES.items()]
        run(
            *("build", "--pull-never", "--layers", "--timestamp=0", *arguments, *_mounts(kept.path)),
            *("-f", str(source / "operator" / "Dockerfile"), "-t", name, str(source)),
        )
        work.advance()
        part = path.with_name(f".{secrets.token_hex(4)}")
        try:
            run("push", name, f"docker-archive:{part}:{name}")
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        work.advance()


def _mounts(folder: Path) -> list[str]:
    """Return how pip in the build reaches an index as it does on this machine."""
    configuration = folder / "pip.conf"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    lines = ["[global]"]
    for line in sorted(done.stdout.splitlines()):
        key, _, value = line.partition("=")
        option = key.rsplit(".", 1)[-1]
        if option in {"index-url", "extra-index-url", "trusted-host", "default-timeout"}:
            lines.append(f"{option} = {value.strip(chr(39))}")
    mounts = []
    if Path(_AUTHORITIES).exists():
        lines.append(f"cert = {_AUTHORITIES}")
        mounts.append(f"--volume={_AUTHORITIES}:{_AUTHORITIES}:ro")
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [f"--volume={configuration}:/etc/pip.conf:ro", *mounts]


class _Buildah:
    """Runs buildah with configuration of its own; images and layers are in the store."""

    def __init__(self, root: Path, *, kept: KeptFolder, store: Path) -> None:
        self._kept = kept
        folder = kept.path
        for name in ("run", "tmp"):
            (folder / name).mkdir()
        files = {
            "storage.conf": f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\n'
            f'graphroot = "{store}/storage"\n',
            "registries.conf": "unqualified-search-registries = []\n",
            "containers.conf": "",
            "policy.json": json.dumps({"default": [{"type": "insecureAcceptAnything"}]}),
        }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
        }
        [libraries] = (root / "usr" / "lib").glob("*-linux-gnu")
        self._command = [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _WITH_LIBRARIES, "sh"),
            *(str(libraries), f"/usr/lib/{libraries.name}", str(root / "usr" / "bin" / "buildah")),
        ]

    def __call__(self, verb: str, *arguments: str) -> None:
        policy = ("--signature-policy", str(self._kept.path / "policy.json"))
        command = [*self._command, verb, *policy, *arguments]
        log = self._kept.path / f"{verb}.log"
        child = Child(command, folder=self._kept, log=log, environment=self._environment)
        if child.wait(within=_BUILD_SECONDS) != 0:
            raise ImageError(f"buildah {verb} failed:\n{child.tail(lines=25)}")
