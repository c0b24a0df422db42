"""A Kubernetes cluster of one node on this machine: no Docker, no registry, nothing installed.

The control plane is that of the development cluster (``cluster.py``), in the network of the node; kubelet,
containerd and kube-proxy run in the node's namespaces (``isolation.py``). Needs root.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.harness.binaries import find_node_binaries
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.node.isolation import HOSTNAME, Isolation
from tests.harness.node.pause import pause_image
from tests.harness.node.runtime import Runtime, api_server_flags
from tests.harness.process import Child, KeptFolder
from tests.harness.waiting import wait_until

__all__ = ["LocalNode"]

_READY_SECONDS = 120.0


class LocalNode:
    """A cluster with a node: started by ``with``, gone afterwards.

    Whatever ends its owner, no process, mount, namespace, cgroup, address or file stays.
    """

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def admin(self) -> Client:
        """Return a user whom RBAC does not hold."""
        return self.cluster.admin

    def _start(self, stack: contextlib.ExitStack) -> None:
        binaries, pause = find_node_binaries(), pause_image()
        self._kube_scheduler = binaries.kube_scheduler
        kept = stack.enter_context(KeptFolder(Path(tempfile.mkdtemp(prefix="peergate-node-"))))
        self.machine = Isolation(kept)
        stack.callback(self.machine.end)
        self.machine.start()
        self.cluster = stack.enter_context(
            Cluster(
                place=self.machine.place, api_server_flags=lambda layout: api_server_flags(layout.authority)
            )
        )
        self.runtime = Runtime(
            machine=self.machine, authority=self.cluster.layout.authority, binaries=binaries
        )
        self.runtime.start_containerd()
        self._until("containerd answers", self.runtime.answers, program="containerd")
        self.load(pause)
        kubelet = self.cluster.kubeconfig_for_user(f"system:node:{HOSTNAME}", groups=("system:nodes",))
        self.runtime.start_kubelet(kubeconfig=kubelet)
        self.runtime.start_proxy(kubeconfig=self.cluster.kubeconfig_for_user("system:kube-proxy"))
        self._scheduler_kubeconfig = self.cluster.kubeconfig_for_user("system:kube-scheduler")
        self._start_scheduler()
        stack.callback(self._stop_scheduler)
        self.wait_ready()

    def load(self, image: Path) -> None:
        """Give the node an image, a file of the kind that ``docker save`` writes."""
        self.runtime.load(image)

    def wait_ready(self) -> None:
        """Return once the node takes Pods."""
        self._until("the node is ready", self._is_ready, program="kubelet")

    def processes(self, program: str, *, pod: str = "") -> tuple[int, ...]:
        """Return the pids of what runs by that program name; with the uid of a Pod only what runs in it."""
        return self.machine.processes(program, pod=pod)

    def kill(self, program: str, *, pod: str = "") -> None:
        """End all of these at once (SIGKILL)."""
        self.machine.kill(program, pod=pod)

    def reaches(self, address: str, *, port: int) -> bool:
        """Tell whether a TCP connection from where the API server runs is taken."""
        return self.machine.reaches(address, port=port)

    def cut_power(self) -> None:
        """End the whole machine at once; what is on its disk stays."""
        self._stop_scheduler()
        self.cluster.cut_power()
        self.machine.end()

    def restore_power(self) -> None:
        """Start it again from its disk; returns when the node is ready, Pods may not be yet."""
        self.machine.start()
        self.cluster.restore_power()
        self._start_scheduler()
        self._until("containerd answers", self.runtime.answers, program="containerd")
        # What the API server knows of the node is from before: only a new report says that it is back.
        before = self._reported()
        self._until("the node reports again", lambda: self._reported() not in {before, ""}, program="kubelet")
        self.wait_ready()

    def _reported(self) -> str:
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{HOSTNAME}"
        reply = self.admin.request("GET", path)
        return str(reply.body["spec"]["renewTime"]) if reply.code == 200 else ""

    def _is_ready(self) -> bool:
        reply = self.admin.request("GET", f"/api/v1/nodes/{HOSTNAME}")
        if reply.code != 200:
            return False
        conditions = reply.body["status"].get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _start_scheduler(self) -> None:
        configuration = str(self._scheduler_kubeconfig)
        command = [
            *self.machine.place.prefix(),
            str(self._kube_scheduler),
            f"--kubeconfig={configuration}",
            f"--authentication-kubeconfig={configuration}",
            f"--authorization-kubeconfig={configuration}",
            "--leader-elect=false",
            "--secure-port=0",
        ]
        self._scheduler = Child(
            command,
            folder=self.cluster.kept,
            log=self.cluster.layout.log("kube-scheduler"),
            environment=self.admin.environment,
        )

    def _stop_scheduler(self) -> None:
        self._scheduler.kill()

    def _until(self, what: str, holds: Callable[[], object], *, program: str) -> None:
        try:
            wait_until(what, holds, within=_READY_SECONDS)
        except TimeoutError as error:
            raise RuntimeError(f"{error}; {program} says:\n{self.machine.log(program)}") from None
