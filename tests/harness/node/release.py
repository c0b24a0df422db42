"""Peergate as people install it: a Helm release on a node, reached through its Service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.harness.binaries import find_helm
from tests.harness.clients import Client
from tests.harness.node.backend import Nodes
from tests.harness.peergate import wait_gated
from tests.harness.users import Users
from tests.harness.waiting import wait_until

from peergate.settings import Settings

__all__ = ["CHART", "NAMESPACE", "HelmError", "Release"]

NAMESPACE = "peergate-system"
_NAME = "peergate"
CHART = Path(__file__).resolve().parents[3] / "charts" / "peergate"
_HELM_SECONDS = 240.0
_DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{_NAME}"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class HelmError(Exception):
    """Helm ended with an error; the text is what it said."""


class Release:
    """One release of the chart; ``values`` are those of its first installation."""

    def __init__(
        self, node: Nodes, *, values: Mapping[str, Any], chart: Path = CHART, helm: Path | None = None
    ) -> None:
        """Take another chart than this repository's, and another Helm."""
        self.node = node
        self.values = dict(values)
        self._chart = chart
        self._helm = helm or find_helm()

    @property
    def cluster(self) -> Users:
        """Return the cluster it is in."""
        return self.node.cluster

    @property
    def process(self) -> Self:
        """Return what counts, ends and starts as one replica does: all of them."""
        return self

    @property
    def settings(self) -> Settings:
        """Return what its replicas read."""
        template = self.node.admin.request("GET", _DEPLOYMENT).body["spec"]["template"]
        text = template["metadata"]["annotations"]["peergate.dev/settings"]
        return Settings.model_validate(yaml.safe_load(text))

    def install(self) -> str:
        """Install it and wait; return the notes."""
        return self.helm(
            *("install", _NAME, str(self._chart), "--create-namespace", "--wait", "--timeout=180s"),
            values=self.values,
        )

    def upgrade(self, *arguments: str, values: Mapping[str, Any] | None = None, wait: bool = True) -> str:
        """Upgrade it to this repository's chart, the first installation's values with these on top.

        Waits until it is ready, unless told otherwise.
        """
        wanted = {**self.values, **(values or {})}
        waiting = ("--wait",) if wait else ()
        return self.helm("upgrade", _NAME, str(CHART), *waiting, "--timeout=180s", *arguments, values=wanted)

    def roll_back(self, *arguments: str) -> None:
        """Go back to the revision before, or to the one that is named, and wait."""
        self.helm("rollback", _NAME, *arguments, "--wait", "--timeout=180s")

    def uninstall(self) -> None:
        """Take it away; returns when its last replica has drained."""
        self.helm("uninstall", _NAME, "--wait", "--timeout=120s")
        wait_until("no replica is left", lambda: not self.pods(), within=120.0)

    def helm(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Return what Helm said. Errors: HelmError."""
        given = () if values is None else ("--values", "-")
        done = subprocess.run(
            [str(self._helm), *arguments, *given, "--namespace", NAMESPACE],
            input=None if values is None else json.dumps(values),
            env=self.node.admin.environment,
            capture_output=True,
            text=True,
            timeout=_HELM_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise HelmError(f"helm {arguments[0]}: {done.stderr}\n{self.describe()}")
        return done.stdout

    def wait_gated(self, client: Client, *, namespace: str) -> None:
        """Return once the gate judges this user's changes in a protected namespace."""
        wait_gated(client, namespace=namespace)

    def pods(self) -> list[dict[str, Any]]:
        """Return its Pods."""
        reply = self.node.admin.request(
            "GET", _PODS, query={"labelSelector": "app.kubernetes.io/name=peergate"}
        )
        return list(reply.body["items"])

    def ready(self) -> bool:
        """Tell whether every wanted replica is ready and none other is left, not even one that drains."""
        body = self.node.admin.request("GET", _DEPLOYMENT).body
        wanted, status = body["spec"]["replicas"], body["status"]
        counts = {status.get(each, 0) for each in ("replicas", "updatedReplicas", "readyReplicas")}
        seen = status["observedGeneration"] == body["metadata"]["generation"]
        return bool(counts == {wanted} and seen and len(self.pods()) == wanted)

    def reachable(self) -> bool:
        """Tell whether its Service leads to it: kube-proxy learns of a ready Pod a little later."""
        body = self.node.admin.request("GET", f"/api/v1/namespaces/{NAMESPACE}/services/{_NAME}").body
        return self.node.reaches(body["spec"]["clusterIP"], port=443)

    def wait_ready(self) -> None:
        """Return once it is ready and reachable.

        Errors:
            TimeoutError: with what its Pods are in.
        """
        try:
            wait_until("the release is ready", self.ready, within=240.0)
            wait_until("its Service leads to it", self.reachable)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.describe()}") from None

    def kill(self) -> None:
        """Leave no replica."""
        self._scale(0)
        wait_until("no replica is left", lambda: not self.pods(), within=120.0)

    def start(self) -> None:
        """Let there be as many replicas as installed; does not wait."""
        self._scale(int(self.values.get("replicaCount", 2)))

    def kill_replica(self, pod: Mapping[str, Any]) -> None:
        """End the process of one replica at once (SIGKILL); kubelet starts it anew in the same Pod."""
        self.node.kill("python3", pod=pod["metadata"]["uid"])

    def reviews(self) -> int:
        """Return how many reviews its replicas have answered."""
        total = 0.0
        for pod in self.pods():
            path = f"{_PODS}/{pod['metadata']['name']}:8080/proxy/metrics"
            text = str(self.node.admin.request("GET", path).body)
            total += sum(
                sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == "peergate_reviews_total"
            )
        return int(total)

    def describe(self) -> str:
        """Return what people look at when it does not come up."""
        said = [
            self.node.admin.kubectl("-n", NAMESPACE, *words).out
            for words in (
                ("get", "pods", "-o", "wide"),
                ("get", "events", "--sort-by=.lastTimestamp"),
                ("logs", "-l", "app.kubernetes.io/name=peergate", "--tail=20", "--prefix"),
            )
        ]
        return "\n".join(said)

    def _scale(self, replicas: int) -> None:
        self.node.admin.kubectl(
            "-n", NAMESPACE, "scale", f"deployment/{_NAME}", f"--replicas={replicas}"
        ).must()
