"""What keeps a node from running here is said in one line; what is built is not kept without end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.harness.node import image, isolation, prepare

TOOLS = ("ip", "mount", "nsenter", "umount", "unshare", "apt-get", "dpkg-deb", "tar")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Give a machine to root, with these programs that all end with that status."""

    def make(*tools: str, status: int = 0) -> None:
        for tool in tools:
            (tmp_path / tool).write_text(f"#!{shutil.which('sh')}\nexit {status}\n")
            (tmp_path / tool).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(os, "geteuid", lambda: 0)

    return make


def test_tools_that_are_not_there_are_named_by_their_packages(machine):
    machine("mount", "umount")
    assert isolation.what_is_missing() == "a local node needs Debian's iproute2, util-linux"


def test_a_machine_without_apt_is_told_so(machine):
    machine(*TOOLS[:-2])
    expected = "a local node needs Debian or one of its kin; missing: dpkg-deb, tar"
    assert isolation.what_is_missing() == expected


def test_a_root_who_may_not_make_namespaces_is_told_so(machine):
    machine(*TOOLS, status=1)
    assert "needs the right to make namespaces" in isolation.what_is_missing()


def test_it_is_said_alone_or_as_an_error(machine, monkeypatch, capsys):
    machine()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    line = "a local node needs root (namespaces, cgroups, mounts): sudo make e2e\n"
    assert prepare.main(["--missing"]) == 0
    assert tuple(capsys.readouterr()) == (line, "")
    assert prepare.main([]) == 1
    assert tuple(capsys.readouterr()) == ("", line)


def test_only_the_newest_images_are_kept(tmp_path):
    kept = image._KEPT_IMAGES
    for number in range(kept + 2):
        (tmp_path / f"{number}.tar").touch()
        os.utime(tmp_path / f"{number}.tar", (number, number))
    image._forget(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{number}.tar" for number in range(2, kept + 2)
    ]


def test_layers_are_kept_for_the_same_bases_until_they_are_too_many(tmp_path, monkeypatch):
    parts = (Path("/cache/one-bookworm-1/linux-amd64"), Path("/cache/two-bookworm-2/linux-amd64"))
    store = image._store(tmp_path, parts=parts)
    store.mkdir()
    (store / "layer").write_bytes(b"x" * 100)
    assert image._store(tmp_path, parts=parts) == store
    assert (store / "layer").exists()
    assert image._store(tmp_path, parts=parts[:1]) != store
    assert not store.exists()
    store.mkdir()
    (store / "layer").write_bytes(b"x" * 100)
    monkeypatch.setattr(image, "_STORE_BYTES", 99)
    assert image._store(tmp_path, parts=parts) == store
    assert not store.exists()
