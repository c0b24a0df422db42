"""The users of one cluster: people with certificates, ServiceAccounts with tokens, and what they run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.harness.binaries import Binaries
from tests.harness.clients import Client, Result
from tests.harness.components import Layout
from tests.harness.kubeconfig import write_kubeconfig

__all__ = ["Users"]


class Users:
    """What a cluster offers to those who use it; the cluster itself says where it is."""

    folder: Path
    layout: Layout
    server: str
    certificate_authority: Path
    """File of the certificate that the API server's is signed by."""
    kubeconfig: Path
    admin: Client
    _programs: Binaries

    def __init__(self) -> None:
        self._clients: dict[Path, Client] = {}
        self._lock = threading.Lock()

    def client(self, kubeconfig: Path) -> Client:
        """Return the client of a kubeconfig; the same one each time."""
        with self._lock:
            if kubeconfig not in self._clients:
                self._clients[kubeconfig] = Client(
                    kubeconfig, kubectl=self._programs.kubectl, home=self.folder / "home"
                )
            return self._clients[kubeconfig]

    def kubectl(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        input: str | dict[str, object] | list[object] | None = None,  # noqa: A002 - as subprocess calls it
    ) -> Result:
        """Return what kubectl answered, as the administrator unless a kubeconfig is given."""
        return self.client(kubeconfig or self.kubeconfig).kubectl(*arguments, input=input)

    def token(self, namespace: str, name: str, *, seconds: int = 7200, pod: str = "") -> str:
        """Return a new token of a ServiceAccount (TokenRequest), bound to a Pod of its namespace if named."""
        spec: dict[str, Any] = {"expirationSeconds": seconds}
        if pod:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod}
        answer = self.admin.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": spec,
            },
        )
        if answer.code != 201:
            raise RuntimeError(f"no token for {namespace}/{name}: {answer.body}")
        return str(answer.body["status"]["token"])

    def kubeconfig_for_token(self, token: str, *, path: Path, namespace: str = "default") -> Path:
        """Write a kubeconfig that presents the token; return its path."""
        return write_kubeconfig(
            path,
            server=self.server,
            authority=self.certificate_authority,
            user=token,
            namespace=namespace,
        )

    def kubeconfig_for_account(self, namespace: str, name: str, *, path: Path | None = None) -> Path:
        """Write a kubeconfig with a new token of a ServiceAccount; return its path."""
        return self.kubeconfig_for_token(
            self.token(namespace, name),
            path=path or self.folder / "users" / f"{namespace}.{name}.kubeconfig",
            namespace=namespace,
        )

    def kubeconfig_for_user(
        self, username: str, *, groups: Sequence[str] = (), path: Path | None = None
    ) -> Path:
        """Write a kubeconfig with a client certificate of a person; return its path."""
        file_name = "".join(letter if letter.isalnum() else "-" for letter in username)
        return write_kubeconfig(
            path or self.folder / "users" / f"{file_name}.kubeconfig",
            server=self.server,
            authority=self.certificate_authority,
            user=self.layout.authority.client(file_name, username=username, groups=groups),
        )

    def close_clients(self) -> None:
        """Close their connections."""
        for client in self._clients.values():
            client.close()
