"""One user of a cluster: kubectl, the Python client, and plain requests."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import client as kube
from kubernetes import config as kube_config

__all__ = ["Client", "Reply", "Result"]

_KUBECTL_SECONDS = 120.0
_REQUEST_SECONDS = 40.0  # an API request lives 34 s at most


@dataclass(frozen=True, slots=True)
class Result:
    """What one kubectl call gave."""

    arguments: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Tell whether kubectl ended with 0."""
        return self.status == 0

    def must(self) -> Result:
        """Return itself when kubectl ended with 0.

        Errors:
            RuntimeError: it did not; says what it was called with and its standard error.
        """
        if not self.ok:
            raise RuntimeError(
                f"kubectl {' '.join(self.arguments)} ended with {self.status}: {self.err.strip()}"
            )
        return self

    def json(self) -> Any:
        """Return standard output as JSON; kubectl must have ended with 0."""
        return json.loads(self.must().out)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request to the API server gave."""

    code: int
    body: Any
    """Decoded JSON, else text."""
    headers: Mapping[str, str]


class Client:
    """One user of one cluster, known by a kubeconfig file."""

    def __init__(self, kubeconfig: Path, *, kubectl: Path, home: Path) -> None:
        self.kubeconfig = kubeconfig
        self._kubectl = kubectl
        self._home = home

    @property
    def environment(self) -> dict[str, str]:
        """Return what a program of this user needs: nothing is read from or written to the real home."""
        return {
            "PATH": os.pathsep.join((str(self._kubectl.parent), os.environ.get("PATH", os.defpath))),
            "HOME": str(self._home),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self._home / "cache"),
            "KUBERC": "off",
        }

    def kubectl(
        self,
        *arguments: str,
        input: str | Mapping[str, Any] | list[Any] | None = None,  # noqa: A002 - as subprocess calls it
        within: float = _KUBECTL_SECONDS,
    ) -> Result:
        """Return what kubectl answered; a failure is a result too (see ``Result.must``).

        ``input`` goes to its standard input: text as it is, one object or a list of objects as JSON.
        """
        if isinstance(input, list):
            input = {"apiVersion": "v1", "kind": "List", "items": input}  # noqa: A001 - the same
        if input is not None and not isinstance(input, str):
            input = json.dumps(input)  # noqa: A001 - the same
        done = subprocess.run(
            [str(self._kubectl), *arguments],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=within,
            check=False,
        )
        return Result(arguments=arguments, status=done.returncode, out=done.stdout, err=done.stderr)

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply the objects by server-side apply; they must be accepted."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=list(objects)).must()

    @cached_property
    def api(self) -> kube.ApiClient:
        """Return the Python client; closed by ``close``."""
        api: kube.ApiClient = kube_config.new_client_from_config(  # type: ignore[no-untyped-call]
            str(self.kubeconfig)
        )
        return api

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return the API server's answer to one request, whatever its code; nothing is retried.

        Shape: ``path`` is absolute, as in ``/api/v1/namespaces/shop/pods``; ``body`` becomes JSON unless it
        is text or bytes.
        """
        settings = self.api.configuration
        sent = {"Accept": "application/json", **(headers or {})}
        for credential in settings.auth_settings().values():
            sent.setdefault("Authorization", credential["value"])
        if body is not None:
            sent["Content-Type"] = content_type
            if not isinstance(body, str | bytes):
                body = json.dumps(body)
        answer = self.api.rest_client.pool_manager.request(
            method,
            settings.host + path + (f"?{urlencode(query)}" if query else ""),
            body=body,
            headers=sent,
            retries=False,
            timeout=_REQUEST_SECONDS,
        )
        text = answer.data.decode("utf-8", errors="replace")
        try:
            decoded = json.loads(text)
        except ValueError:
            decoded = text
        return Reply(code=answer.status, body=decoded, headers=dict(answer.headers))

    def close(self) -> None:
        """Close its connections; it opens new ones when used again."""
        api = self.__dict__.pop("api", None)
        if api is not None:
            api.rest_client.pool_manager.clear()
            api.close()
