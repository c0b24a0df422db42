"""Write container images as files that ``ctr images import``, ``docker load`` and buildah read: no daemon, no
registry.

Shape: a docker-archive, which is a tar of ``manifest.json``, the image's configuration and its layers, each
named by its SHA-256. The same input gives the same bytes.
"""  # fmt: skip

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.harness.versions import system

__all__ = ["Configuration", "write_image"]

_EPOCH = "1970-01-01T00:00:00Z"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a container of the image runs."""

    entrypoint: tuple[str, ...] = ()
    user: str = ""


def write_image(
    path: Path, *, name: str, folder: Path, configuration: Configuration = Configuration()
) -> Path:
    """Write an image of one layer, which holds the folder; return ``path``.

    Args:
        path: written anew.
        name: with registry and tag, as nodes look it up.
        folder: becomes the root folder; everything in it is owned by root.
        configuration: what runs in it.
    """
    layer = path.with_name(f"{path.name}.layer")
    try:
        _pack(folder, path=layer)
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        described = _described(digest, configuration=configuration)
        identity = hashlib.sha256(described).hexdigest()
        manifest = [
            {"Config": f"{identity}.json", "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]},
        ]
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as image:
            _add(image, f"{identity}.json", described)
            _add(image, "manifest.json", json.dumps(manifest).encode())
            entry = tarfile.TarInfo(f"{digest}/layer.tar")
            entry.size = layer.stat().st_size
            with layer.open("rb") as file:
                image.addfile(entry, file)
    finally:
        layer.unlink(missing_ok=True)
    return path


def _described(digest: str, *, configuration: Configuration) -> bytes:
    document = {
        "architecture": system().split("-")[1],
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "Env": [_PATH],
            "Entrypoint": list(configuration.entrypoint) or None,
            "User": configuration.user,
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": _EPOCH}],
    }
    return json.dumps(document, sort_keys=True).encode()


def _pack(folder: Path, *, path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as layer:
        for entry in _entries(folder):
            layer.add(entry, arcname=entry.relative_to(folder), recursive=False, filter=_plain)


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what is in it, in an order that does not depend on the file system; links are not followed."""
    for top, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted((*files, *folders)):
            yield Path(top) / name


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _add(image: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    image.addfile(entry, io.BytesIO(content))
