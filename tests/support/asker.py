"""Ask one replica as the API server asks, past it and past what stands in front of them all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import urllib3
from tests.harness.peergate import PeergateProcess
from tests.support.reviews import review_of, trust
from tests.support.world import World

__all__ = ["GATE", "Asker", "again"]

GATE = "/gates/namespaced"
"""Path of the gate that reviews of namespaced objects go through."""


def again(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a review of the request with a uid of its own."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {**request, "uid": str(uuid4())},
    }


class Asker:
    """Asks one replica about a deletion by the agent, as the API server asks: anybody may (T25)."""

    def __init__(self, pair: World, path: str) -> None:
        self.tls = trust(pair.desk)
        """What trusts the replicas."""
        self._http = urllib3.PoolManager(ssl_context=self.tls)
        review = review_of(pair.desk.requester, pair.desk.get(path), dryRun=True)
        self.request: dict[str, Any] = review["request"]
        """The request of a review; ``again`` gives it a uid of its own."""

    def ask(self, replica: PeergateProcess) -> str:
        """Return ``allowed``, or the code of the refusal."""
        review = again(self.request)
        url = f"https://127.0.0.1:{replica.port}{GATE}"
        reply = self._http.request("POST", url, json=review, retries=False, timeout=10.0)
        response = json.loads(reply.data)["response"]
        return "allowed" if response["allowed"] else response["status"]["details"]["causes"][0]["reason"]

    def close(self) -> None:
        self._http.clear()
