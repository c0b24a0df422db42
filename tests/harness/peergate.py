"""Peergate in front of a development cluster: its resources, its processes, what they count."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import urllib3
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.harness.balancer import Balancer
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.ports import Port
from tests.harness.process import Child
from tests.harness.waiting import wait_until

from peergate.model.review import Gate
from peergate.settings import Settings
from peergate.shipped.webhookconfig import render

__all__ = ["Installation", "PeergateProcess", "wait_gated"]

_REPOSITORY = Path(__file__).resolve().parents[2]
_MANIFESTS = _REPOSITORY / "manifests"
_READY_SECONDS = 60.0
_DENIED = 403


class PeergateProcess:
    """One replica of the operator, as a process of its own, on ports that stay the same over restarts."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        name: str,
        kubeconfig: Path,
        settings: Mapping[str, Any],
        stack: contextlib.ExitStack,
    ) -> None:
        self.name = name
        self.port = stack.enter_context(Port()).number
        """Of the webhook."""
        self.health_port = stack.enter_context(Port()).number
        """Of ``/readyz`` and ``/metrics``."""
        self.log = cluster.folder / f"{name}.log"
        self._cluster = cluster
        self.kubeconfig = kubeconfig
        """Of the operator's own account."""
        self._http = urllib3.PoolManager(retries=False, timeout=5.0)
        self._settings = cluster.folder / f"{name}.yaml"
        document = _merged(
            dict(settings),
            {
                "webhook": {"host": "127.0.0.1", "port": self.port},
                "metrics": {"host": "127.0.0.1", "port": self.health_port},
            },
        )
        self._settings.write_text(yaml.safe_dump(document), encoding="utf-8")
        self._child: Child | None = None
        self.more_environment: Mapping[str, str] = {}
        """What it is started with besides; counts from the next start on."""
        stack.callback(self._http.clear)
        stack.callback(self.kill)

    @property
    def pid(self) -> int:
        """Return the process id; 0 when it does not run."""
        return self._child.pid if self.running and self._child else 0

    @property
    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Start the process; does not wait."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._cluster.folder / "home"),
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": str(_REPOSITORY / "operator"),
            **self.more_environment,
        }
        command = [sys.executable, "-m", "peergate", "run", "--config", str(self._settings)]
        self._child = Child(command, folder=self._cluster.kept, log=self.log, environment=environment)

    def wait_ready(self, *, within: float = _READY_SECONDS) -> None:
        """Return once ``/readyz`` says yes.

        Errors:
            RuntimeError: the process ended; with the end of its log.
            TimeoutError: not ready in time; with what is missing.
        """
        answer = "no answer"

        def ready() -> bool:
            nonlocal answer
            if not self.running:
                raise RuntimeError(f"{self.name} ended with {self.exit_status}:\n{self.tail()}")
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                reply = self._http.request("GET", self._url("/readyz?verbose"))
                answer = reply.data.decode()
                return reply.status == 200
            return False

        try:
            wait_until(f"{self.name} is ready", ready, within=within)
        except TimeoutError as error:
            raise TimeoutError(f"{error}:\n{answer}\n{self.tail()}") from None

    @property
    def exit_status(self) -> int | None:
        """Return how it ended; ``None`` while it runs or before it was started."""
        return self._child.exit_status if self._child else None

    def stop(self) -> int:
        """End it in order (SIGTERM); return its exit status."""
        return self._child.stop() if self._child else 0

    def kill(self) -> None:
        """End it at once (SIGKILL); harmless when it does not run."""
        if self._child is not None:
            self._child.kill()

    def restart(self) -> None:
        """End it in order and start it again on the same ports; returns when it is ready."""
        self.stop()
        self.start()
        self.wait_ready()

    def pause(self) -> None:
        """Let it stand still (SIGSTOP): connections stay open and nothing answers."""
        if self._child is not None:
            self._child.pause()

    def resume(self) -> None:
        """Let it go on."""
        if self._child is not None:
            self._child.resume()

    def tail(self, *, lines: int = 25) -> str:
        """Return the last lines of its log."""
        return self._child.tail(lines=lines) if self._child else ""

    def log_lines(self) -> list[dict[str, Any]]:
        """Return its log, each line decoded; lines that are no JSON are left out."""
        found = []
        for line in self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else ():
            with contextlib.suppress(ValueError):
                document = json.loads(line)
                if isinstance(document, dict):
                    found.append(document)
        return found

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that carry these labels; 0 when there is none."""
        text = self._http.request("GET", self._url("/metrics")).data.decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def reviews(self, **labels: str) -> int:
        """Return how many reviews it has answered, of the gate, decision ... that the labels say."""
        return int(self.metric("peergate_reviews_total", **labels))

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.health_port}{path}"


class Installation:
    """Peergate, installed and running: by ``with``; afterwards its processes are gone.

    ``settings`` are merged over those of a development cluster. With more than one replica the API server
    reaches them through a balancer, as through a Service.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        settings: Mapping[str, Any] | None = None,
        replicas: int = 1,
    ) -> None:
        self.cluster = cluster
        self._document = _merged(
            {
                "approvals": {"retryWindow": "2s"},
                # One agent plays in all of a worker's tests.
                "limits": {"openRequestsPerRequester": 1000},
                "tls": {"mode": "selfSigned", "names": ["127.0.0.1", "localhost"]},
            },
            settings or {},
        )
        self.settings = Settings.model_validate(self._document)
        self._count = replicas

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def process(self) -> PeergateProcess:
        """Return the first replica."""
        return self.replicas[0]

    def wait_gated(self, client: Client, *, namespace: str) -> None:
        """Return once the gate judges this user's changes in a protected namespace."""
        wait_gated(client, namespace=namespace)

    def _start(self, stack: contextlib.ExitStack) -> None:
        admin = self.cluster.admin
        admin.kubectl("apply", "--server-side", "-f", str(_MANIFESTS / "crds")).must()
        admin.kubectl(
            "wait", "--for=condition=Established", "--timeout=30s", "-f", str(_MANIFESTS / "crds")
        ).must()
        admin.kubectl("apply", "--server-side", "-f", str(_MANIFESTS / "rbac.yaml")).must()
        kubeconfig = self.cluster.kubeconfig_for_account(
            self.settings.namespace, self.settings.service_account
        )
        self.replicas = tuple(
            PeergateProcess(
                self.cluster,
                name=f"peergate-{number}",
                kubeconfig=kubeconfig,
                settings=self._document,
                stack=stack,
            )
            for number in range(self._count)
        )
        port = self.replicas[0].port
        if self._count > 1:
            port = stack.enter_context(Balancer([replica.port for replica in self.replicas])).port
        self.url = f"https://127.0.0.1:{port}"
        """Base of the gates' URLs."""
        admin.apply(render(self.settings, client_config=self._client_config))
        for replica in self.replicas:
            replica.start()
        for replica in self.replicas:
            replica.wait_ready()
        wait_until("the webhook configuration has its CA", self._has_authority)

    def _client_config(self, gate: Gate) -> dict[str, str]:
        return {"url": f"{self.url}/gates/{gate}"}

    def _has_authority(self) -> bool:
        name = self.settings.webhook.configuration
        path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{name}"
        entries = self.cluster.admin.request("GET", path).body.get("webhooks", [])
        return bool(entries) and all(entry["clientConfig"].get("caBundle") for entry in entries)


def wait_gated(client: Client, *, namespace: str) -> None:
    """Return once the gate judges this user's changes in a protected namespace.

    A tag takes effect when the operator has listed the account and the API server has seen the list. The
    probe is a dry run, which leaves nothing behind.
    """
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"

    def judged() -> bool:
        reply = client.request("DELETE", path, query={"dryRun": "All"})
        return reply.code == _DENIED and "gate.peergate.dev" in str(reply.body)

    wait_until(f"{client.kubeconfig.name} is judged in {namespace}", judged)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``over`` on top, objects merged member by member."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(below, value)
        else:
            merged[name] = value
    return merged
