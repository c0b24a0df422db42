"""What the chart's hooks consist of, put into a cluster without nodes; their commands run as processes."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.harness.binaries import find_helm
from tests.harness.cluster import Cluster
from tests.harness.peergate import Installation
from tests.harness.waiting import wait_until
from tests.support.cli import Done, run

__all__ = ["ENTRIES", "NAMESPACE", "UNSENT", "Hook", "hook_documents", "passed", "settings_file"]

ENTRIES = ("namespaced", "cluster", "own", "identity")
"""Those that judge agents, in the order of the test's lines."""
UNSENT = "a tagged account is refused, an untagged one is not sent"
"""What a line says where agents are known by more than being an account."""

NAMESPACE = "peergate-system"
_CHART = Path(__file__).resolve().parents[2] / "charts" / "peergate"
_EVENTS = "helm.sh/hook"


@cache
def _rendered(values: str) -> str:
    done = subprocess.run(
        [str(find_helm()), "template", "peergate", str(_CHART), "--namespace", NAMESPACE, "--values", "-"],
        input=values,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
    )
    return done.stdout


def hook_documents(event: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return what the chart makes for an event (``test``, ``pre-delete`` ...), in Helm's order."""
    found = []
    for document in yaml.safe_load_all(_rendered(json.dumps(dict(values or {})))):
        annotations = ((document or {}).get("metadata") or {}).get("annotations") or {}
        if event in annotations.get(_EVENTS, "").split(","):
            found.append((int(annotations["helm.sh/hook-weight"]), document))
    return [document for _, document in sorted(found, key=lambda pair: pair[0])]


class Hook:
    """One hook's accounts and rights, in the cluster by ``with``; what its Pod would run, run here."""

    def __init__(self, cluster: Cluster, event: str, values: Mapping[str, Any] | None = None) -> None:
        self.cluster = cluster
        documents = hook_documents(event, values)
        self.documents = [one for one in documents if one["kind"] not in {"Job", "Pod"}]
        [runner] = [one for one in documents if one["kind"] in {"Job", "Pod"}]
        self.pod: dict[str, Any] = (
            runner["spec"] if runner["kind"] == "Pod" else runner["spec"]["template"]["spec"]
        )

    @contextlib.contextmanager
    def made(self) -> Iterator[None]:
        """Make them, and take them away again."""
        self.make()
        try:
            yield
        finally:
            self.cluster.admin.kubectl(
                "delete", "--ignore-not-found", "-f", "-", input=yaml.safe_dump_all(self.documents)
            ).must()

    def make(self) -> None:
        """Make them, as they are in the chart."""
        self.cluster.admin.apply(*self.documents)

    @property
    def kubeconfig(self) -> Path:
        """Return a kubeconfig of the account that the Pod runs as."""
        return self.cluster.kubeconfig_for_account(NAMESPACE, self.pod["serviceAccountName"])

    def run(self, *, within: str, settings: Path | None = None, more: Sequence[str] = ()) -> Done:
        """Run what the Pod's container would, with its own account; later arguments win.

        No replica of before drains here, so the self-test need not wait for that.
        """
        [container] = self.pod["containers"]
        words = [str(settings) if word.startswith("/etc/") else word for word in container["args"]]
        settle = ("--settle", "0s") if "self-test" in words else ()
        return run(*words, "--within", within, *settle, *more, kubeconfig=self.kubeconfig)

    def wait_unbound(self, verb: str, resource: str, name: str) -> None:
        """Return once the account has not this right (any more)."""
        account = f"system:serviceaccount:{NAMESPACE}:{self.pod['serviceAccountName']}"
        wait_until(
            f"{account} may not {verb} {resource}/{name}",
            lambda: (
                not self.cluster.admin.kubectl(
                    "auth", "can-i", verb, f"{resource}/{name}", "--as", account
                ).ok
            ),
        )


def passed(said: str) -> list[str]:
    """Return the lines of a self-test that passed, each entry with this text."""
    return [
        "ok    configuration  peergate is as shipped",
        *(f"ok    {entry:<13}  {said}" for entry in ENTRIES),
        "the gate guards: 4 of 4 entries",
    ]


def settings_file(installation: Installation) -> Path:
    """Return the settings that an installation's first replica reads."""
    return installation.cluster.folder / f"{installation.process.name}.yaml"
