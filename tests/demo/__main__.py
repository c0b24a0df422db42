"""The whole story on a real API server: ``make demo``.

Every command that is shown is run, every output is what came back, and every claim is checked against the
cluster. The exit code is 0 only if all of them hold.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tests.demo.crook import forged_approval
from tests.demo.stage import Actor, Outcome, Stage
from tests.harness.cluster import Cluster
from tests.harness.peergate import Installation
from tests.harness.scenario import set_up, write_ssh_key
from tests.harness.waiting import wait_until

_REQUESTER = "system:serviceaccount:agents:demo-agent"
_SERVER_SET = ("resourceVersion", "uid", "creationTimestamp", "managedFields", "generation", "annotations")


class Story:
    """The seven scenes."""

    def __init__(self, stage: Stage, installation: Installation, folder: Path) -> None:
        self._stage = stage
        self._installation = installation
        self._cluster = installation.cluster
        self._folder = folder
        self.admin = self._actor("admin", self._cluster.admin.kubeconfig)
        self.agent = self._actor("agent", folder / "agent.kubeconfig")
        self.alice = self._actor("alice", folder / "alice.kubeconfig")
        self.bystander = self._actor("bystander", folder / "bystander.kubeconfig")

    def play(self) -> None:
        """Play all scenes in order."""
        self._refused()
        self._signed()
        self._admitted()
        self._replayed()
        self._replaced()
        self._around()
        self._others()

    def _refused(self) -> None:
        self._stage.act("1. The agent deletes a database: refused")
        self._stage.tell("demo-agent has the rights of an operator: RBAC lets it delete anything in shop.")
        before = self._uid("statefulsets", "db")
        outcome = self._stage.run(self.agent, "kubectl", "-n", "shop", "delete", "statefulset", "db")
        self._stage.check(
            "the delete is refused, with a next step", _refused_with(outcome, "ApprovalMissing")
        )
        self._stage.check("db is still the same object", self._uid("statefulsets", "db") == before != "")

    def _signed(self) -> None:
        self._stage.act("2. Alice reviews this change and signs it")
        self._saved = self._live("statefulsets", "db")
        outcome = self._stage.type(
            self.alice,
            "peergate",
            "-n",
            "shop",
            "approve",
            "delete",
            "statefulset/db",
            "--requester",
            _REQUESTER,
            "--key",
            "alice",
            "--reason",
            "CHG-1: moves to the new cluster",
            "--out",
            "db.approval",
            answers=[("[y/N]", "y")],
        )
        self._stage.check("Alice saw the consequences and signed", outcome.status == 0)
        self._stage.check("the approval is a file of its own", (self._folder / "db.approval").exists())

    def _admitted(self) -> None:
        self._stage.act("3. The agent attaches the approval and repeats: admitted")
        self._stage.run(self.agent, "peergate", "-n", "shop", "attach", "-f", "db.approval", "statefulset/db")
        outcome = self._stage.run(self.agent, "kubectl", "-n", "shop", "delete", "statefulset", "db")
        self._stage.check("the delete is admitted", outcome.status == 0)
        wait_until("db is gone", lambda: self._uid("statefulsets", "db") == "")
        self._stage.check("db is gone", self._uid("statefulsets", "db") == "")

    def _replayed(self) -> None:
        self._stage.act("4. The object is created again: the replay is refused")
        self._write("db.yaml", _creatable(self._saved))
        self._stage.run(self.admin, "kubectl", "apply", "-f", "db.yaml")
        self._stage.run(self.agent, "peergate", "-n", "shop", "attach", "-f", "db.approval", "statefulset/db")
        self._stage.tell("The tool says so at once. The agent annotates by hand, and tries.")
        self._annotate("statefulset db", slot="alice", file="db.approval")
        outcome = self._stage.run(self.agent, "kubectl", "-n", "shop", "delete", "statefulset", "db")
        self._stage.check("the replay is refused: another uid", _refused_with(outcome, "ObjectReplaced"))
        self._stage.check("the new db is there", self._uid("statefulsets", "db") != "")

    def _replaced(self) -> None:
        self._stage.act("5. Replacing: what was signed, once, and nothing else")
        before = self._live("configmaps", "settings")
        wanted = _creatable(before)
        wanted["data"]["checkout"] = "closed"
        self._write("settings.yaml", wanted)
        other = copy.deepcopy(wanted)
        other["data"]["currency"] = "EUR "
        self._write("settings-and-one-byte.yaml", other)
        self._write("settings-as-before.yaml", _creatable(before))
        signed = self._stage.type(
            self.alice,
            "peergate",
            "-n",
            "shop",
            "approve",
            "replace",
            "-f",
            "settings.yaml",
            "--requester",
            _REQUESTER,
            "--key",
            "alice",
            "--reason",
            "CHG-2: close the checkout",
            "--out",
            "settings.approval",
            answers=[("[y/N]", "y")],
        )
        self._stage.check("Alice saw the difference and signed", signed.status == 0)
        attach = ("peergate", "-n", "shop", "attach", "-f", "settings.approval", "configmap/settings")
        self._stage.run(self.agent, *attach)
        outcome = self._stage.run(self.agent, "kubectl", "replace", "-f", "settings-and-one-byte.yaml")
        self._stage.check("one more byte than was signed is refused", _refused_with(outcome, "ChangeDiffers"))
        outcome = self._stage.run(self.agent, "kubectl", "replace", "-f", "settings.yaml")
        self._stage.check("what was signed is admitted", outcome.status == 0)
        self._stage.check(
            "the checkout is closed",
            self._live("configmaps", "settings")["data"] == {"currency": "EUR", "checkout": "closed"},
        )
        self._stage.tell("An admin reverts it. The agent has a copy of the approval, and tries it again.")
        self._stage.run(self.admin, "kubectl", "replace", "-f", "settings-as-before.yaml")
        self._stage.run(self.agent, *attach)
        window = self._installation.settings.approvals.retry_window.total_seconds()
        self._stage.tell(f"(the retry window of this cluster, {window:g} s, passes)")
        time.sleep(window + 1)
        outcome = self._stage.run(self.agent, "kubectl", "replace", "-f", "settings.yaml")
        self._stage.check("the second use is refused", _refused_with(outcome, "AlreadyUsed"))
        self._stage.check(
            "the checkout is open",
            self._live("configmaps", "settings")["data"]["checkout"] == "open",
        )

    def _around(self) -> None:
        self._stage.act("6. The agent looks for a way around")
        before = self._uid("deployments", "web")
        self._stage.tell(
            "It signs for itself, with a key of its own and with carol-bot's, an agent of its own owner."
        )
        write_ssh_key(self._folder / "my-own-key", comment="me")
        approve = ("peergate", "-n", "shop", "approve", "delete", "deployment/web", "--requester", _REQUESTER)
        outcome = self._stage.run(self.agent, *approve, "--key", "my-own-key", "--reason", "mine")
        self._stage.check("the tool does not sign for somebody unknown", outcome.status == 3)
        outcome = self._stage.run(self.agent, *approve, "--key", "carol-bot", "--reason", "ours")
        self._stage.check("nor for an agent of the same owner", outcome.status == 3)
        self._stage.tell("So it makes the approvals by hand, with correct signatures.")
        for key, code in (("my-own-key", "UnknownApprover"), ("carol-bot", "SameOwner")):
            value = forged_approval(self._cluster, key=self._folder / key, requester=_REQUESTER)
            (self._folder / "forged.approval").write_text(value, encoding="utf-8")
            self._annotate("deployment web", slot="forged", file="forged.approval")
            outcome = self._stage.run(self.agent, "kubectl", "-n", "shop", "delete", "deployment", "web")
            self._stage.check(f"the gate refuses: {code}", _refused_with(outcome, code))
        self._stage.tell("It registers its key.")
        patch = {"spec": {"keys": [{"type": "ssh", "publicKey": self._public_key("my-own-key")}]}}
        outcome = self._stage.run(
            self.agent,
            "kubectl",
            "patch",
            "approver",
            "alice",
            "--type=merge",
            "-p",
            json.dumps(patch),
        )
        self._stage.check("the Approver is closed to agents", _refused_with(outcome, "NotApprovable"))
        self._stage.check("web is untouched", self._uid("deployments", "web") == before != "")

    def _others(self) -> None:
        self._stage.act("7. Everybody else works as ever, gate or no gate")
        process = self._installation.process
        self._stage.run(self.admin, "kubectl", "-n", "shop", "create", "configmap", "scratch-1")
        self._stage.run(self.admin, "kubectl", "-n", "shop", "create", "configmap", "scratch-2")
        before = process.reviews()
        one = self._stage.run(self.bystander, "kubectl", "-n", "shop", "delete", "configmap", "scratch-1")
        two = self._stage.run(self.admin, "kubectl", "-n", "shop", "delete", "configmap", "scratch-2")
        self._stage.check("a bystander and an admin delete in shop", one.status == two.status == 0)
        self._stage.tell(f"Reviews that the gate has answered: {before} before, {process.reviews()} after.")
        self._stage.check("they never even meet the gate", process.reviews() == before)
        self._stage.tell("The gate is stopped.")
        process.kill()
        outcome = self._stage.run(self.agent, "kubectl", "-n", "shop", "delete", "deployment", "web")
        self._stage.check("the agent is refused while the gate is down", outcome.status != 0)
        outcome = self._stage.run(
            self.bystander,
            "kubectl",
            "-n",
            "shop",
            "scale",
            "deployment",
            "web",
            "--replicas=2",
        )
        self._stage.check("the bystander works on", outcome.status == 0)
        began = time.monotonic()
        process.start()
        process.wait_ready()
        self._stage.tell(f"The gate is back after {time.monotonic() - began:.1f} s.")
        outcome = self._stage.run(self.agent, "kubectl", "-n", "shop", "delete", "deployment", "web")
        self._stage.check("and refuses by its own word", "The object is unchanged." in outcome.output)
        self._stage.check("web is still there", self._uid("deployments", "web") != "")

    def _annotate(self, target: str, *, slot: str, file: str) -> None:
        key = f"approval.peergate.dev/v1.{slot}"
        self._stage.shell(self.agent, f'kubectl -n shop annotate {target} --overwrite {key}="$(cat {file})"')

    def _actor(self, name: str, kubeconfig: Path) -> Actor:
        client = self._cluster.client(kubeconfig)
        tools = os.pathsep.join(
            (str(Path(sys.executable).parent), client.environment.get("PATH", os.defpath))
        )
        environment = {**client.environment, "PATH": tools, "KUBECONFIG": str(kubeconfig), "LANG": "C.UTF-8"}
        return Actor(name=name, environment=environment, folder=self._folder)

    def _live(self, resource: str, name: str) -> dict[str, Any]:
        prefix = "/api/v1" if resource == "configmaps" else "/apis/apps/v1"
        reply = self._cluster.admin.request("GET", f"{prefix}/namespaces/shop/{resource}/{name}")
        return reply.body if reply.code == 200 else {}

    def _uid(self, resource: str, name: str) -> str:
        return str(self._live(resource, name).get("metadata", {}).get("uid", ""))

    def _public_key(self, name: str) -> str:
        return (self._folder / f"{name}.pub").read_text(encoding="utf-8").strip()

    def _write(self, name: str, document: dict[str, Any]) -> None:
        (self._folder / name).write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _refused_with(outcome: Outcome, code: str) -> bool:
    return outcome.status != 0 and f"code={code}" in outcome.output


def _creatable(document: dict[str, Any]) -> dict[str, Any]:
    """Return an object as a manifest: without what the server sets."""
    metadata = {name: value for name, value in document["metadata"].items() if name not in _SERVER_SET}
    return {
        **{name: value for name, value in copy.deepcopy(document).items() if name != "status"},
        "metadata": metadata,
    }


@contextlib.contextmanager
def _on_a_cluster(stage: Stage) -> Iterator[Story]:
    began = time.monotonic()
    stage.tell("Starting a Kubernetes API server, etcd and a controller manager, with Peergate in front ...")
    with (
        tempfile.TemporaryDirectory(prefix="peergate-demo-") as folder,
        Cluster() as cluster,
        Installation(cluster) as installation,
    ):
        set_up(installation, folder=Path(folder))
        stage.tell(f"Ready after {time.monotonic() - began:.0f} s: nothing here is simulated.")
        yield Story(stage, installation, Path(folder))


def main() -> int:
    """Play the story; return the exit code."""
    stage = Stage()
    with _on_a_cluster(stage) as story:
        story.play()
    return stage.finish()


if __name__ == "__main__":
    sys.exit(main())
