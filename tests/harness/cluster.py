"""A real kube-apiserver, etcd and kube-controller-manager on loopback: no Docker, no nodes.

Admission, garbage collection, namespace deletion, RBAC and tokens are real; pods stay Pending. Several run
side by side. Whatever ends the owner of a ``Cluster`` (an exception, Ctrl-C, SIGTERM, SIGKILL), no process,
port or file stays (``process.py``).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from tests.harness import components
from tests.harness.audit import AuditEvent, read_audit, wait_for_audit
from tests.harness.binaries import Binaries, find_binaries
from tests.harness.pki import Authority, write_service_account_key
from tests.harness.ports import Port, listens
from tests.harness.process import Child, KeptFolder
from tests.harness.users import Users
from tests.harness.waiting import wait_until
from urllib3.exceptions import HTTPError

__all__ = ["Cluster"]

_READY_SECONDS = 90.0
_STOP_SECONDS = 3.0
_TRIES = 3
_ADDRESS_TAKEN = "address already in use"
_HERE = components.Place()


class Cluster(Users):
    """A development cluster: started by ``with``, gone afterwards.

    ``folder`` must not exist yet; it is removed at the end. ``api_server_flags`` and
    ``controller_manager_flags`` come after our own and so win; what needs the cluster's keys is a function of
    its layout. ``place`` is where its programs run.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        api_server_flags: Sequence[str] | Callable[[components.Layout], Sequence[str]] = (),
        controller_manager_flags: Sequence[str] = (),
        binaries: Binaries | None = None,
        place: components.Place = _HERE,
    ) -> None:
        self._wanted_folder = folder
        self._api_server_flags = api_server_flags
        self.place = place
        self._controller_manager_flags = tuple(controller_manager_flags)
        self._binaries = binaries
        super().__init__()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        self._programs = self._binaries or find_binaries()
        path = self._wanted_folder or Path(tempfile.mkdtemp(prefix="peergate-cluster-"))
        self.kept = stack.enter_context(KeptFolder(path))
        """The cluster's folder; programs started in it end with it."""
        self.folder = path
        (path / "home").mkdir()
        self.layout = components.Layout(
            folder=path,
            authority=(authority := Authority(path / "pki")),
            serving=authority.server("apiserver", addresses=(self.place.address, *self.place.addresses)),
            service_accounts=write_service_account_key(path / "pki"),
        )
        self.certificate_authority = authority.pair.certificate
        stack.callback(self.close_clients)
        self._etcd_port, self.etcd = self._on_free_port(stack, self._run_etcd)
        stack.callback(self._kill, "etcd")
        self._api_port, self.api_server = self._on_free_port(
            stack, self._run_api_server, address=self.place.address
        )
        stack.callback(self._kill, "api_server")
        self.server = f"https://{self.place.address}:{self._api_port}"
        """URL of the API server."""
        self.kubeconfig = self.kubeconfig_for_user("admin", groups=("system:masters",))
        """Of a user whom RBAC does not hold."""
        self.admin = self.client(self.kubeconfig)
        self._controllers_kubeconfig = self.kubeconfig_for_user("system:kube-controller-manager")
        self._until("the API server is ready", self._api_server_ready, child=self.api_server)
        self._run_controller_manager()
        stack.callback(self._kill, "controller_manager")
        self._until(
            "namespace default has its ServiceAccount",
            self._default_account_exists,
            child=self.controller_manager,
        )

    # --- what tests look at ----------------------------------------------------------------------------

    def audit_events(self) -> Iterator[AuditEvent]:
        """Yield what the audit log holds, oldest first."""
        return read_audit(self.layout.audit_log)

    @property
    def etcd_url(self) -> str:
        """Return where etcd answers; by HTTP and JSON, too."""
        return f"http://127.0.0.1:{self._etcd_port}"

    def wait_for_audit(self, wanted: Callable[[AuditEvent], bool], *, within: float = 10.0) -> AuditEvent:
        """Return the first audit event that is wanted; ``TimeoutError`` after ``within`` seconds."""
        return wait_for_audit(self.layout.audit_log, wanted=wanted, within=within)

    # --- faults ----------------------------------------------------------------------------------------

    def stop_api_server(self) -> None:
        """End the API server by SIGTERM; its data stay in etcd.

        SIGKILL follows after three seconds: clients with open watches would hold it for a minute.
        """
        self.api_server.stop(within=_STOP_SECONDS)

    def kill_api_server(self) -> None:
        """End the API server at once (SIGKILL)."""
        self.api_server.kill()

    def start_api_server(self) -> None:
        """Start it again on the same port and data; returns when it is ready."""
        if self.api_server.running:
            return
        self.api_server = self._run_api_server(self._api_port)
        self._until("the API server is ready", self._api_server_ready, child=self.api_server)
        if not self.controller_manager.running:  # it ends itself after long silence
            self._run_controller_manager()

    def restart_api_server(self) -> None:
        """Stop it in order and start it again."""
        self.stop_api_server()
        self.start_api_server()

    def cut_power(self) -> None:
        """End all three at once (SIGKILL), as a machine ends that loses its power."""
        for component in ("api_server", "controller_manager", "etcd"):
            self._kill(component)

    def restore_power(self) -> None:
        """Start all three again on the same data and ports; returns when the API server is ready."""
        self.etcd = self._run_etcd(self._etcd_port)
        self.start_api_server()

    @contextlib.contextmanager
    def pause_etcd(self) -> Iterator[None]:
        """Let etcd stand still: writes and quorum reads hang, watches stay open and silent."""
        self.etcd.pause()
        try:
            yield
        finally:
            self.etcd.resume()

    @contextlib.contextmanager
    def pause_api_server(self) -> Iterator[None]:
        """Let the API server stand still: connections stay open and nothing answers."""
        self.api_server.pause()
        try:
            yield
        finally:
            self.api_server.resume()

    # --- start-up --------------------------------------------------------------------------------------

    def _on_free_port(
        self, stack: contextlib.ExitStack, run: Callable[[int], Child], *, address: str = _HERE.address
    ) -> tuple[int, Child]:
        """Start a program on a port of its own; on another one where somebody was quicker."""
        for _ in range(_TRIES):
            port = stack.enter_context(Port())
            child = run(port.number)
            stack.callback(child.kill)
            if self._listens(child, port=port.number, address=address):
                return port.number, child
            if _ADDRESS_TAKEN not in child.tail(lines=200):
                break
        raise RuntimeError(f"{child.name} ended with {child.exit_status}:\n{child.tail()}")

    def _listens(self, child: Child, *, port: int, address: str) -> bool:
        """Wait until the child listens; false when it ended."""
        wait_until(
            f"{child.name} listens or ends",
            lambda: not child.running or listens(child.pid, port=port, address=address),
            within=_READY_SECONDS,
        )
        return child.running

    def _kill(self, component: str) -> None:
        """End what runs as that component by then: fault tests start it anew."""
        getattr(self, component).kill()

    def _run_etcd(self, port: int) -> Child:
        command = components.etcd_command(self._programs.etcd, layout=self.layout, port=port)
        return self._child(command, log="etcd")

    def _run_api_server(self, port: int) -> Child:
        flags = self._api_server_flags
        command = components.api_server_command(
            self._programs.kube_apiserver,
            layout=self.layout,
            port=port,
            etcd_port=self._etcd_port,
            address=self.place.address,
            extra=tuple(flags(self.layout) if callable(flags) else flags),
        )
        return self._child(command, log="kube-apiserver")

    def _run_controller_manager(self) -> None:
        command = components.controller_manager_command(
            self._programs.kube_controller_manager,
            layout=self.layout,
            kubeconfig=self._controllers_kubeconfig,
            extra=self._controller_manager_flags,
        )
        self.controller_manager = self._child(command, log="kube-controller-manager")

    def _child(self, command: list[str], *, log: str) -> Child:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder / "home")}
        return Child(
            [*self.place.prefix(), *command],
            folder=self.kept,
            log=self.layout.log(log),
            environment=environment,
        )

    def _api_server_ready(self) -> bool:
        return self.admin.request("GET", "/readyz").code == 200

    def _default_account_exists(self) -> bool:
        path = "/api/v1/namespaces/default/serviceaccounts/default"
        return self.admin.request("GET", path).code == 200

    def _until(self, what: str, holds: Callable[[], bool], *, child: Child) -> None:
        """Wait for the condition while the child lives; what it said is in the error."""

        def reached() -> bool:
            with contextlib.suppress(OSError, HTTPError):
                return holds()
            return False

        try:
            wait_until(what, lambda: not child.running or reached(), within=_READY_SECONDS)
        except TimeoutError as error:
            raise RuntimeError(f"{error}; {child.name} says:\n{child.tail()}") from None
        if not child.running:
            raise RuntimeError(f"{child.name} ended with {child.exit_status}:\n{child.tail()}")
