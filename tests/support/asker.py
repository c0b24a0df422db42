"""Ask one replica as the API server asks, past it and past what stands in front of them all."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import urllib3
from tests.harness.peergate import PeergateProcess
from tests.support.changes import BACKGROUND, path_of
from tests.support.world import World

__all__ = ["GATE", "Asker", "review_of"]

GATE = "/gates/namespaced"
"""Path of the gate that reviews of namespaced objects go through."""


def review_of(request: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a review of the request with a uid of its own; ``changes`` are members of the request."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {**request, "uid": str(uuid4()), **changes},
    }


class Asker:
    """Asks one replica about a deletion by the agent, as the API server asks: anybody may (T25)."""

    def __init__(self, pair: World, path: str) -> None:
        secret = pair.desk.get(path_of("secrets", "peergate-tls", namespace="peergate-system"))
        authority = base64.b64decode(secret["data"]["ca.crt"]).decode("ascii")
        self.tls = ssl.create_default_context(cadata=authority)
        """What trusts the replicas."""
        self._http = urllib3.PoolManager(ssl_context=self.tls)
        requester = pair.desk.requester
        namespace = requester.username.split(":")[2]
        resource = {"group": "", "version": "v1", "resource": "configmaps"}
        kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
        old = pair.desk.get(path)
        self.request = {
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": old["metadata"]["name"],
            "namespace": old["metadata"]["namespace"],
            "operation": "DELETE",
            "userInfo": {
                "username": requester.username,
                "uid": requester.uid,
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"],
            },
            "object": None,
            "oldObject": old,
            "dryRun": True,
            "options": {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", **BACKGROUND},
        }
        """The request of a review, but for its uid."""

    def ask(self, replica: PeergateProcess) -> str:
        """Return ``allowed``, or the code of the refusal."""
        review = review_of(self.request)
        url = f"https://127.0.0.1:{replica.port}{GATE}"
        reply = self._http.request("POST", url, json=review, retries=False, timeout=10.0)
        response = json.loads(reply.data)["response"]
        return "allowed" if response["allowed"] else response["status"]["details"]["causes"][0]["reason"]

    def close(self) -> None:
        self._http.clear()
