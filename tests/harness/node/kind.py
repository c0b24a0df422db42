"""A cluster of kind's nodes, where kind and Docker or Podman are: the same tests as on a node of our own.

``PEERGATE_E2E_KUBERNETES`` chooses the version (``1.36``), the newest by default. Node images belong to one
release of kind and are pinned by the digests of its release notes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tests.harness.binaries import find_binaries
from tests.harness.clients import Client
from tests.harness.joined import JoinedCluster
from tests.harness.node.pause import pause_image
from tests.harness.process import KeptFolder
from tests.harness.waiting import wait_until

__all__ = [
    "RELEASE",
    "VERSIONS",
    "KindError",
    "KindNodes",
    "build_image",
    "engine",
    "node_image",
    "what_is_missing",
]

RELEASE = "v0.33.0"
"""Of kind, whose images these are."""
VERSIONS: Mapping[str, str] = MappingProxyType(
    {
        "1.37": "v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5",
        "1.36": "v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
        "1.35": "v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0",
        "1.34": "v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d",
    }
)
"""Node images by minor version, newest first."""

_VARIABLE = "PEERGATE_E2E_KUBERNETES"
_REPOSITORY = Path(__file__).resolve().parents[3]
_CONFIGURATION = _REPOSITORY / "tests" / "e2e" / "kind.yaml"
_ANSWER_SECONDS = 20.0
_COMMAND_SECONDS = 900.0
_READY_SECONDS = 180.0
# Pids of a program, in one Pod or in all; starts no process for each that is looked at. The cgroup driver
# writes a Pod's uid with dashes or with underscores.
_FIND = """
for entry in /proc/[0-9]*; do
  IFS= read -r -d '' first < "$entry/cmdline" || continue
  IFS= read -r -d '' groups < "$entry/cgroup"
  if [ "${first##*/}" = "$1" ] && { [[ $groups = *"$2"* ]] || [[ $groups = *"$3"* ]]; }; then
    echo "${entry##*/}"
  fi
done 2> /dev/null
true
"""


class KindError(RuntimeError):
    """A command failed; the text ends with what it said last."""


def engine() -> str:
    """Return ``docker`` or ``podman``, the first that answers; empty if neither does."""
    for program in ("docker", "podman"):
        if shutil.which(program) is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    [program, "info"], capture_output=True, timeout=_ANSWER_SECONDS, check=False
                )
                if done.returncode == 0:
                    return program
    return ""


def what_is_missing() -> str:
    """Return in one line what keeps kind from running here; empty if nothing does."""
    if shutil.which("kind") is None:
        return f"kind is not on PATH (release {RELEASE})"
    return "" if engine() else "kind needs a Docker or Podman that answers"


def node_image() -> str:
    """Return the image of the chosen version. Errors: ValueError, with the versions there are."""
    wanted = os.environ.get(_VARIABLE) or next(iter(VERSIONS))
    if wanted not in VERSIONS:
        raise ValueError(f"{_VARIABLE}={wanted} is none of {', '.join(VERSIONS)}")
    return f"kindest/node:{VERSIONS[wanted]}"


def build_image(name: str, *, path: Path, source: Path = _REPOSITORY) -> Path:
    """Let the engine build the operator's image as the Dockerfile stands; return ``path``, which has it."""
    builder = engine()
    dockerfile = str(source / "operator" / "Dockerfile")
    _run(builder, "build", "-f", dockerfile, "-t", name, str(source))
    _run(builder, "save", "-o", str(path), name)
    return path


class KindNodes:
    """A cluster of kind: made by ``with``, deleted afterwards."""

    def __init__(self) -> None:
        self._engine = engine()
        self._name = f"peergate-{secrets.token_hex(3)}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            kept = stack.enter_context(KeptFolder(Path(tempfile.mkdtemp(prefix="peergate-kind-"))))
            kubeconfig = kept.path / "admin.kubeconfig"
            stack.callback(self._kind, "delete", "cluster", "--name", self._name)
            self._kind(
                *("create", "cluster", "--name", self._name, "--image", node_image()),
                *("--config", str(_CONFIGURATION), "--kubeconfig", str(kubeconfig), "--wait", "180s"),
            )
            self.cluster = JoinedCluster(kubeconfig, folder=kept.path, binaries=find_binaries())
            stack.callback(self.cluster.close_clients)
            self._nodes = tuple(self._kind("get", "nodes", "--name", self._name).split())
            self.load(pause_image())
            self.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def admin(self) -> Client:
        """Return a user whom RBAC does not hold."""
        return self.cluster.admin

    def load(self, image: Path) -> None:
        """Give every node an image."""
        self._kind("load", "image-archive", str(image), "--name", self._name)

    def wait_ready(self) -> None:
        """Return once every node takes Pods."""
        ready = ("wait", "--for=condition=Ready", "node", "--all", "--timeout=5s")
        wait_until(
            "every node is ready", lambda: self.admin.kubectl(*ready).status == 0, within=_READY_SECONDS
        )

    def processes(self, program: str, *, pod: str = "") -> tuple[int, ...]:
        """Return the pids of that program, as its node sees them; with a Pod's uid only those in it."""
        return tuple(pid for node in self._nodes for pid in self._find(node, program, pod=pod))

    def kill(self, program: str, *, pod: str = "") -> None:
        """End all of these at once (SIGKILL)."""
        for node in self._nodes:
            if pids := self._find(node, program, pod=pod):
                self._on(node, f"kill -9 {shlex.join(map(str, pids))} || true")

    def reaches(self, address: str, *, port: int) -> bool:
        """Tell whether a TCP connection from the control plane's node is taken."""
        [node] = [each for each in self._nodes if each.endswith("-control-plane")]
        script = f"timeout 2 bash -c '< /dev/tcp/{address}/{port}' && echo taken || true"
        return self._on(node, script).strip() == "taken"

    def cut_power(self) -> None:
        """End every node at once."""
        _run(self._engine, "kill", *self._nodes)

    def restore_power(self) -> None:
        """Start them again; returns when every node reports anew and is ready."""
        _run(self._engine, "start", *self._nodes)
        wait_until("the API server answers", self._answers, within=_READY_SECONDS)
        before = self._reported()
        wait_until(
            "every node reports again",
            lambda: all(self._reported().get(node, "") != then for node, then in before.items()),
            within=_READY_SECONDS,
        )
        self.wait_ready()

    def _answers(self) -> bool:
        return self.admin.kubectl("get", "--raw", "/readyz").status == 0

    def _reported(self) -> dict[str, str]:
        body = self.admin.request(
            "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        ).body
        return {each["metadata"]["name"]: each["spec"]["renewTime"] for each in body["items"]}

    def _find(self, node: str, program: str, *, pod: str) -> list[int]:
        other = pod.replace("-", "_")
        return [int(pid) for pid in self._on(node, _FIND, program, pod, other).split()]

    def _on(self, node: str, script: str, *arguments: str) -> str:
        return _run(self._engine, "exec", node, "bash", "-c", script, "bash", *arguments)

    def _kind(self, *arguments: str) -> str:
        return _run("kind", *arguments, environment={"KIND_EXPERIMENTAL_PROVIDER": self._engine})


def _run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = f"{done.stdout}{done.stderr}".strip()
        raise KindError(f"{shlex.join(command[:3])} ended with {done.returncode}: {said[-800:]}")
    return done.stdout
