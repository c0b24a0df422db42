"""Where the cluster's programs are looked for, and in which order they are got."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import binaries
from tests.harness.binaries import BinariesError, find_binaries, find_helm
from tests.harness.cache import cache_folder
from tests.harness.versions import ETCD, HELM, HELM_3, KUBERNETES

UNREACHABLE = "http://127.0.0.1:1"
SUITES = (replace(ETCD, base_url=UNREACHABLE), replace(KUBERNETES, base_url=UNREACHABLE))
PROGRAMS = {"etcd": ETCD, **dict.fromkeys(KUBERNETES.programs, KUBERNETES)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PEERGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return tmp_path / "cache"


def put(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_kubebuilder_assets_come_first_and_the_cache_fills_the_gaps(cache, tmp_path, monkeypatch) -> None:
    for name, suite in PROGRAMS.items():
        put(cache / suite.folder, name)
    assets = put(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    found = find_binaries(suites=SUITES)
    assert found.etcd == assets / "etcd"
    assert found.kube_apiserver == assets / "kube-apiserver"
    assert found.kube_controller_manager == cache / KUBERNETES.folder / "kube-controller-manager"
    assert found.kubectl == assets / "kubectl"


def test_helm_is_looked_for_only_when_asked(cache, tmp_path, monkeypatch) -> None:
    assets = put(tmp_path / "assets", *PROGRAMS)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    find_binaries(suites=SUITES)
    put(cache / HELM.folder, "helm")
    assert find_helm(suite=replace(HELM, base_url=UNREACHABLE)) == cache / HELM.folder / "helm"


def test_one_helm_is_never_taken_for_the_other(cache, tmp_path, monkeypatch) -> None:
    assets = put(tmp_path / "assets", "helm")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    put(cache / HELM_3.folder, "helm")
    assert find_helm(suite=HELM) == assets / "helm"
    assert find_helm(suite=HELM_3) == cache / HELM_3.folder / "helm"


@pytest.mark.parametrize("no_download", ["1", "0"])
def test_one_line_says_what_to_install(no_download, cache, monkeypatch) -> None:
    monkeypatch.setenv("PEERGATE_NO_DOWNLOAD", no_download)
    with pytest.raises(BinariesError) as caught:
        find_binaries(suites=SUITES)
    why = "PEERGATE_NO_DOWNLOAD is set" if no_download == "1" else "127.0.0.1 is not reachable"
    assert why in str(caught.value)
    assert "install Go 1.26.0 or newer, or set KUBEBUILDER_ASSETS to a folder with " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_failed_build_leaves_nothing_and_shows_what_go_said(cache, tmp_path, monkeypatch) -> None:
    go = put(tmp_path / "bin", "go") / "go"
    go.write_text("#!/bin/sh\necho compiling\necho 'no such module' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(go.parent))
    monkeypatch.setenv("PEERGATE_NO_DOWNLOAD", "1")
    with pytest.raises(BinariesError, match="no such module"):
        find_binaries(suites=SUITES)
    assert list(cache.iterdir()) == []


def test_what_is_missing_is_built_once_by_many_processes(cache, tmp_path, monkeypatch) -> None:
    go = put(tmp_path / "bin", "go") / "go"
    # Stands in for the compiler: notes its call, writes the file named after -o.
    go.write_text(
        f"#!/bin/sh\necho run >> {tmp_path}/calls\n"
        'while [ "$1" != -o ]; do shift; done\necho "#!/bin/sh" > "$2"\n'
    )
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PEERGATE_NO_DOWNLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(binaries.__file__).parents[2]))
    command = [sys.executable, "-m", "tests.harness.binaries"]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(3)
    ]
    outputs = {process.communicate()[0].decode() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(outputs) == 1
    assert (tmp_path / "calls").read_text().count("run") == len(PROGRAMS)


@pytest.mark.parametrize(
    ("environment", "want"),
    [
        ({"PEERGATE_CACHE": "/named", "XDG_CACHE_HOME": "/xdg"}, "/named"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/peergate"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/peergate"),
    ],
)
def test_the_cache_lies_where_the_environment_says(environment, want, monkeypatch) -> None:
    for name in ("PEERGATE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(want)
