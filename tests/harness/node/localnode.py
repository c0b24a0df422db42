"""A Kubernetes cluster of nodes on this machine: no Docker, no registry, nothing installed.

The control plane is that of the development cluster (``cluster.py``), in the network of the first node;
kubelet, containerd and kube-proxy run in the namespaces of each (``isolation.py``). Needs root.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.harness.binaries import find_node_binaries
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.node.isolation import Isolation
from tests.harness.node.pause import pause_image
from tests.harness.node.runtime import Runtime, api_server_flags
from tests.harness.process import Child, KeptFolder
from tests.harness.waiting import wait_until

__all__ = ["LocalNode"]

_READY_SECONDS = 120.0


class LocalNode:
    """A cluster with nodes of our own: started by ``with``, gone afterwards.

    Whatever ends its owner, no process, mount, namespace, cgroup, address or file stays. The control plane is
    in the network of the first node.
    """

    def __init__(self, *, nodes: int = 1) -> None:
        self._count = nodes

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

    @property
    def machine(self) -> Isolation:
        """Return the first node as a machine."""
        return self._machines[0]

    def _start(self, stack: contextlib.ExitStack) -> None:
        binaries, pause = find_node_binaries(), pause_image()
        self._kube_scheduler = binaries.kube_scheduler
        self._machines = tuple(self._machine(stack, number=number + 1) for number in range(self._count))
        self._start_machines()
        self.cluster = stack.enter_context(
            Cluster(
                place=self.machine.place, api_server_flags=lambda layout: api_server_flags(layout.authority)
            )
        )
        proxy = self.cluster.kubeconfig_for_user("system:kube-proxy")
        self._runtimes = tuple(
            Runtime(machine=machine, authority=self.cluster.layout.authority, binaries=binaries)
            for machine in self._machines
        )
        for runtime in self._runtimes:
            runtime.start_containerd()
        self.load(pause)
        for runtime in self._runtimes:
            username = f"system:node:{runtime.machine.hostname}"
            kubelet = self.cluster.kubeconfig_for_user(username, groups=("system:nodes",))
            runtime.start_kubelet(kubeconfig=kubelet)
            runtime.start_proxy(kubeconfig=proxy)
        self._scheduler_kubeconfig = self.cluster.kubeconfig_for_user("system:kube-scheduler")
        self._start_scheduler()
        stack.callback(self._stop_scheduler)
        self.wait_ready()

    def _machine(self, stack: contextlib.ExitStack, *, number: int) -> Isolation:
        kept = stack.enter_context(KeptFolder(Path(tempfile.mkdtemp(prefix="peergate-node-"))))
        machine = Isolation(kept, number=number)
        stack.callback(machine.end)
        return machine

    def _start_machines(self) -> None:
        for machine in self._machines:
            machine.start()
        for machine in self._machines[1:]:
            self.machine.connect(machine)

    @property
    def machines(self) -> tuple[Isolation, ...]:
        """Return the nodes as machines."""
        return self._machines

    def load(self, image: Path) -> None:
        """Give every node an image, a file of the kind that ``docker save`` writes."""
        for runtime in self._runtimes:
            self._until("containerd answers", runtime.answers, machine=runtime.machine, program="containerd")
            runtime.load(image)

    def wait_ready(self) -> None:
        """Return once every node takes Pods."""
        for machine in self._machines:
            self._until(
                f"{machine.hostname} is ready",
                functools.partial(self._is_ready, machine),
                machine=machine,
                program="kubelet",
            )

    def processes(self, program: str, *, pod: str = "") -> tuple[int, ...]:
        """Return the pids of what runs by that program name; with the uid of a Pod only what runs in it."""
        return tuple(pid for machine in self._machines for pid in machine.processes(program, pod=pod))

    def kill(self, program: str, *, pod: str = "") -> None:
        """End all of these at once (SIGKILL)."""
        for machine in self._machines:
            machine.kill(program, pod=pod)

    def reaches(self, address: str, *, port: int) -> bool:
        """Tell whether a TCP connection from where the API server runs is taken."""
        return self.machine.reaches(address, port=port)

    def cut_power(self) -> None:
        """End the machines at once; what is on their disks stays."""
        self._stop_scheduler()
        self.cluster.cut_power()
        for machine in self._machines:
            machine.end()

    def restore_power(self) -> None:
        """Start them again from their disks; returns when every node is ready, Pods may not be yet."""
        self._start_machines()
        self.cluster.restore_power()
        self._start_scheduler()
        # What the API server knows of a node is from before: only a new report says that it is back.
        before = {machine: self._reported(machine) for machine in self._machines}
        for machine in self._machines:
            self._until(
                f"{machine.hostname} reports again",
                functools.partial(self._reports_anew, machine, since=before[machine]),
                machine=machine,
                program="kubelet",
            )
        self.wait_ready()

    def _reports_anew(self, machine: Isolation, *, since: str) -> bool:
        return self._reported(machine) not in {since, ""}

    def _reported(self, machine: Isolation) -> str:
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{machine.hostname}"
        reply = self.admin.request("GET", path)
        return str(reply.body["spec"]["renewTime"]) if reply.code == 200 else ""

    def _is_ready(self, machine: Isolation) -> bool:
        reply = self.admin.request("GET", f"/api/v1/nodes/{machine.hostname}")
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

    def _until(self, what: str, holds: Callable[[], object], *, machine: Isolation, program: str) -> None:
        try:
            wait_until(what, holds, within=_READY_SECONDS)
        except TimeoutError as error:
            raise RuntimeError(f"{error}; {program} says:\n{machine.log(program)}") from None
