"""Debian packages, unpacked into the cache and not installed: nothing of the machine changes.

apt checks them against the signed lists of the machine's own release. What a set is called on disk says which
packages it has, so that another list is another folder.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.harness.cache import cache_folder, locked, scratch
from tests.harness.progress import Work
from tests.harness.versions import system

__all__ = ["PackagesError", "unpacked", "what_is_missing"]

_MERGED = ("bin", "lib", "lib64", "sbin")
_DOWNLOAD_SECONDS = 600.0


class PackagesError(Exception):
    """The packages can't be had here; the text says why in one line, or with the tool's last lines."""


def unpacked(name: str, packages: Sequence[str]) -> Path:
    """Return the folder in which these packages lie as in a root file system.

    Errors:
        PackagesError: this is no Debian, or apt does not reach or know a package.
    """
    cache = cache_folder()
    release = _release()
    digest = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{release}-{digest}" / system()
    if not folder.exists():
        with locked(cache):
            if not folder.exists():  # nobody else has been quicker
                _fetch(packages, into=folder, title=f"unpack {len(packages)} Debian packages for {name}")
    return folder


def what_is_missing() -> str:
    """Return in one line what keeps packages from being had here; empty if nothing is known to."""
    missing = [tool for tool in ("apt-get", "dpkg-deb", "tar") if shutil.which(tool) is None]
    if not _codename() or missing:
        lacks = f"; missing: {', '.join(missing)}" if missing else ""
        return f"needs Debian or one of its kin{lacks}"
    return ""


def _codename() -> str:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "") if sys.platform == "linux" else ""


def _release() -> str:
    if problem := what_is_missing():
        raise PackagesError(problem)
    return _codename()


def _fetch(packages: Sequence[str], *, into: Path, title: str) -> None:
    with Work(title, total=len(packages), unit="packages") as work, scratch(into.parents[1]) as folder:
        archives = folder / "archives"
        archives.mkdir()
        _download(packages, folder=archives, lists=folder / "lists")
        root = folder / "root"
        for name in _MERGED:
            (root / "usr" / name).mkdir(parents=True)
            (root / name).symlink_to(f"usr/{name}")
        for archive in sorted(archives.glob("*.deb")):
            _unpack(archive, root=root)
            work.advance()
        into.parent.mkdir(parents=True, exist_ok=True)
        root.rename(into)


def _download(packages: Sequence[str], *, folder: Path, lists: Path) -> None:
    """Let apt fetch the archives: by the machine's lists, else by fresh ones of our own."""
    # apt would else try to fetch as a user who can't write here, and say so.
    options = ("-q", "-o", "APT::Sandbox::User=root")
    first = _run("apt-get", *options, "download", *packages, folder=folder)
    if first.returncode == 0:
        return
    (lists / "partial").mkdir(parents=True)
    own = (*options, "-o", f"Dir::State::lists={lists}")
    for arguments in (("update",), ("download", *packages)):
        done = _run("apt-get", *own, *arguments, folder=folder)
        if done.returncode != 0:
            raise PackagesError(f"apt-get {arguments[0]} failed:\n{done.stdout[-800:]}")


def _unpack(archive: Path, *, root: Path) -> None:
    # Into what is there: dpkg-deb -x would put folders in the place of the links above.
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as files:
        done = subprocess.run(
            [
                "tar",
                "-x",
                "-C",
                str(root),
                "--keep-directory-symlink",
                "--no-same-owner",
                "--no-overwrite-dir",
            ],
            stdin=files.stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode != 0 or files.returncode != 0:
        raise PackagesError(f"can't unpack {archive.name}: {done.stderr[-400:]}")


def _run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_DOWNLOAD_SECONDS,
        check=False,
    )
