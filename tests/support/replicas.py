"""Asks the replicas of a release one by one what they would say to a review, through their Pods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.harness.clients import Client
from tests.harness.node.release import NAMESPACE, Release

from peergate.model.change import Requester

__all__ = ["answer_of", "answers", "images", "recorded_reviews", "versions"]

_RECORDED = Path(__file__).resolve().parents[1] / "fixtures" / "admission_reviews.jsonl"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def images(release: Release) -> dict[str, str]:
    """Return the tag of the image that each replica runs, by the name of its Pod; only those that serve."""
    return {
        pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"].rpartition(":")[2]
        for pod in release.pods()
        if "deletionTimestamp" not in pod["metadata"]
        and any(one["ready"] for one in pod["status"].get("containerStatuses", ()))
    }


def versions(release: Release) -> list[str]:
    """Return the versions that serve, in order."""
    return sorted(images(release).values())


def answer_of(admin: Client, pod: str, review: Mapping[str, Any], *, gate: str = "namespaced") -> Any:
    """Return a replica's response to a review; it comes through the API server, as a person posts it."""
    path = f"{_PODS}/https:{pod}:10250/proxy/gates/{gate}"
    reply = admin.request("POST", path, body=review)
    assert reply.code == 200, reply.body
    return reply.body["response"]


def answers(release: Release, review: Mapping[str, Any], *, gate: str = "namespaced") -> list[Any]:
    """Return what the replicas say, each different answer once."""
    found: list[Any] = []
    for pod in images(release):
        answer = answer_of(release.cluster.admin, pod, review, gate=gate)
        if answer not in found:
            found.append(answer)
    return found


def recorded_reviews(requester: Requester) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the recorded reviews with their gate, as dry runs of one account."""
    namespace = requester.username.split(":")[2]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    for line in _RECORDED.read_text(encoding="utf-8").splitlines():
        review = json.loads(line)
        asked = review["request"]
        asked["userInfo"] = {"username": requester.username, "uid": requester.uid, "groups": groups}
        asked["dryRun"] = True
        is_namespaced = bool(asked.get("namespace")) and asked["resource"]["resource"] != "namespaces"
        yield ("namespaced" if is_namespaced else "cluster"), review
