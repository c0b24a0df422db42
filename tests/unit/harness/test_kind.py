"""What kind, Docker and Podman are told, and when they are chosen: programs that take notes act for them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.harness.node import backend, isolation, kind, prepare
from tests.harness.node.localnode import LocalNode

ROOT = Path(__file__).resolve().parents[3]
BASH, PROVIDER = shutil.which("bash"), "KIND_EXPERIMENTAL_PROVIDER"
IMAGE = "docker.io/peergate/peergate:1"


class Bench:
    """A folder that is all of PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"

    def put(self, program: str, *, status: int = 0, out: str = "") -> None:
        """Put a program there that notes its arguments, says something and ends with this status."""
        path = self.folder / program
        path.write_text(
            f"#!{BASH}\n"
            f'echo {program} "$@" ${{{PROVIDER}:+by ${PROVIDER}}} >> {self.notes}\n'
            f"printf '%s\\n' '{out}'\nexit {status}\n"
        )
        path.chmod(0o755)

    def noted(self) -> list[str]:
        """Return what was run, one line each, without the questions whether it answers."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line for line in lines if not line.endswith(" info")]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PEERGATE_E2E", raising=False)
    monkeypatch.delenv("PEERGATE_E2E_KUBERNETES", raising=False)
    return Bench(tmp_path)


CHOICES = {
    "nothing there": ({}, "", "node"),
    "kind alone": ({"kind": 0}, "", "node"),
    "kind and a docker without a daemon": ({"kind": 0, "docker": 1}, "", "node"),
    "docker without kind": ({"docker": 0}, "", "node"),
    "kind and docker": ({"kind": 0, "docker": 0}, "", "kind"),
    "kind and podman": ({"kind": 0, "podman": 0}, "", "kind"),
    "a docker without a daemon, but podman": ({"kind": 0, "docker": 1, "podman": 0}, "", "kind"),
    "both, and a node of our own is wished for": ({"kind": 0, "docker": 0}, "node", "node"),
    "nothing, and kind is wished for": ({}, "kind", "kind"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_with_these_programs_the_choice_is_right(case, bench, monkeypatch):
    programs, wish, expected = CHOICES[case]
    for program, status in programs.items():
        bench.put(program, status=status)
    if wish:
        monkeypatch.setenv("PEERGATE_E2E", wish)
    assert backend.chosen() == expected


def test_what_is_chosen_is_started(bench):
    assert isinstance(backend.start(), LocalNode)
    bench.put("kind")
    bench.put("docker")
    assert isinstance(backend.start(), kind.KindNodes)


MISSING = {
    "kind is not there": ({"PEERGATE_E2E": "kind"}, (), "kind is not on PATH (release v0.33.0)"),
    "no engine answers": ({"PEERGATE_E2E": "kind"}, ("kind",), "kind needs a Docker or Podman that answers"),
    "a word that is neither": ({"PEERGATE_E2E": "kvm"}, (), "PEERGATE_E2E=kvm is neither kind nor node"),
    "a version that kind has not": (
        {"PEERGATE_E2E": "kind", "PEERGATE_E2E_KUBERNETES": "1.20"},
        ("kind",),
        "PEERGATE_E2E_KUBERNETES=1.20 is none of 1.37, 1.36, 1.35, 1.34",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_one_line_says_that(case, bench, monkeypatch, capsys):
    environment, programs, line = MISSING[case]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for program in programs:
        bench.put(program)
    assert prepare.main(["--missing"]) == 0
    assert capsys.readouterr().out == f"{line}\n"


def test_a_node_of_our_own_says_what_it_lacks_itself(bench):
    assert backend.what_is_missing() == isolation.what_is_missing() != ""


def test_versions_are_chosen_by_their_minor_and_pinned(bench, monkeypatch):
    newest, *older = kind.VERSIONS
    assert kind.node_image() == f"kindest/node:{kind.VERSIONS[newest]}"
    monkeypatch.setenv("PEERGATE_E2E_KUBERNETES", older[0])
    assert kind.node_image() == f"kindest/node:{kind.VERSIONS[older[0]]}"
    for minor, image in kind.VERSIONS.items():
        tag, _, digest = image.partition("@sha256:")
        assert tag.startswith(f"v{minor}.")
        assert len(bytes.fromhex(digest)) == 32


def test_the_image_is_built_by_the_engine_from_the_file_that_ships(bench, tmp_path):
    bench.put("podman")
    kind.build_image(IMAGE, path=tmp_path / "image.tar")
    assert bench.noted() == [
        f"podman build -f {ROOT}/operator/Dockerfile -t {IMAGE} {ROOT}",
        f"podman save -o {tmp_path}/image.tar {IMAGE}",
    ]


def test_a_failure_says_what_the_program_said(bench, tmp_path):
    bench.put("docker", out="no space left")
    (tmp_path / "docker").write_text((tmp_path / "docker").read_text().replace("exit 0", '[ "$1" = info ]'))
    with pytest.raises(kind.KindError, match=r"^docker build -f ended with 1: no space left$"):
        kind.build_image(IMAGE, path=tmp_path / "image.tar")


@pytest.fixture
def nodes(bench):
    bench.put("kind")
    bench.put("docker")
    made = kind.KindNodes()
    made._nodes = (f"{made._name}-control-plane", f"{made._name}-worker")
    return made


def test_images_are_loaded_as_files(nodes, bench, tmp_path):
    nodes.load(tmp_path / "image.tar")
    assert bench.noted() == [
        f"kind load image-archive {tmp_path}/image.tar --name {nodes._name} by docker",
    ]


def test_power_is_cut_for_all_nodes(nodes, bench):
    nodes.cut_power()
    assert bench.noted() == [f"docker kill {nodes._name}-control-plane {nodes._name}-worker"]


def test_an_address_is_tried_from_where_the_api_server_is(nodes, bench):
    bench.put("docker", out="taken")
    assert nodes.reaches("10.96.0.7", port=443)
    bench.put("docker")
    assert not nodes.reaches("10.96.0.7", port=443)
    assert all(f"exec {nodes._name}-control-plane" in line for line in bench.noted())
    assert all("/dev/tcp/10.96.0.7/443" in line for line in bench.noted())


def test_a_cluster_that_does_not_come_up_is_deleted(bench, monkeypatch):
    bench.put("docker")
    bench.put("kind", status=1)
    script = bench.folder / "kind"
    script.write_text(script.read_text().replace("exit 1", '[ "$1" != create ]'))
    monkeypatch.setenv("PATH", f"{bench.folder}:/usr/bin:/bin")
    made = kind.KindNodes()
    with pytest.raises(kind.KindError):
        made.__enter__()
    create, delete = bench.noted()
    assert create.startswith(
        f"kind create cluster --name {made._name} --image {kind.node_image()}"
        f" --config {ROOT}/tests/e2e/kind.yaml --kubeconfig "
    )
    assert delete == f"kind delete cluster --name {made._name} by docker"


def test_processes_are_found_by_name_and_pod(nodes, monkeypatch):
    """The script that runs on a node, on this machine in its place."""
    monkeypatch.undo()
    monkeypatch.setattr(
        kind,
        "_run",
        lambda *command, **_: subprocess.run(command[3:], capture_output=True, text=True, check=True).stdout,
    )
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert process.pid in nodes.processes("sleep")
            assert nodes.processes("sleep", pod="3e9c3b0e-0000-4000-8000-000000000000") == ()
            nodes.kill("no-such-program")
            assert process.poll() is None
        finally:
            process.kill()


def test_the_configuration_has_two_nodes_for_pods_and_leaves_the_version_to_the_image():
    document = yaml.safe_load((ROOT / "tests" / "e2e" / "kind.yaml").read_text(encoding="utf-8"))
    roles = [node["role"] for node in document["nodes"]]
    assert (document["kind"], document["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert roles == ["control-plane", "worker", "worker"]
    assert "image" not in json.dumps(document)
