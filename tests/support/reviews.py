"""Posts reviews to one replica as the API server does; anybody who reaches the port may (T25)."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from typing import Any, Self
from uuid import uuid4

import urllib3
from tests.harness.peergate import PeergateProcess
from tests.support.changes import BACKGROUND, Desk, path_of

from peergate.model.change import Requester

__all__ = ["Caller", "review_of", "trust"]


def review_of(
    requester: Requester, old: Mapping[str, Any], *, new: Mapping[str, Any] | None = None, **members: Any
) -> dict[str, Any]:
    """Return the review of a ConfigMap's deletion by an account, or of its update to ``new``."""
    account = requester.username.split(":")[2]
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    options = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", **BACKGROUND}
    request = {
        "uid": str(uuid4()),
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": old["metadata"]["name"],
        "namespace": old["metadata"]["namespace"],
        "operation": "DELETE" if new is None else "UPDATE",
        "userInfo": {
            "username": requester.username,
            "uid": requester.uid,
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{account}"],
        },
        "object": new,
        "oldObject": old,
        "dryRun": False,
        "options": options if new is None else {"kind": "UpdateOptions"},
        **members,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


class Caller:
    """Somebody who posts reviews of ConfigMaps in the name of a desk's agent; by ``with``."""

    def __init__(self, desk: Desk, *, connections: int = 1) -> None:
        self._http = urllib3.PoolManager(ssl_context=trust(desk), maxsize=connections)
        self._requester = desk.requester

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.clear()

    def post(
        self,
        replica: PeergateProcess,
        old: Mapping[str, Any],
        *,
        new: Mapping[str, Any] | None = None,
        username: str = "",
        uid: str = "",
        **members: Any,
    ) -> dict[str, Any]:
        """Return the response to the deletion of ``old``, or to its update to ``new``."""
        who = Requester(username or self._requester.username, uid or self._requester.uid)
        body = review_of(who, old, new=new, **members)
        url = f"https://127.0.0.1:{replica.port}/gates/namespaced"
        reply = self._http.request("POST", url, json=body, retries=False, timeout=20.0)
        response: dict[str, Any] = json.loads(reply.data)["response"]
        return response


def trust(desk: Desk) -> ssl.SSLContext:
    """Return what a client knows the operator of a desk's cluster by."""
    secret = desk.get(path_of("secrets", "peergate-tls", namespace="peergate-system"))
    authority = base64.b64decode(secret["data"]["ca.crt"]).decode("ascii")
    return ssl.create_default_context(cadata=authority)
