"""ChangeRequest documents for tests without a cluster, and what a command line says."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from tests.support.fake_cluster import FakeCluster

from peergate.approval.change import change_digest, change_id
from peergate.approval.patches import make_patch
from peergate.approval.projection import project_update
from peergate.approval.target import Target
from peergate.cli.request import Request
from peergate.gate.filed import recorded_change
from peergate.gate.record import Draft, spec_of
from peergate.model.change import Change, Effect, ObjectRef, Requester
from peergate.model.changerequest import ChangeRequestSpec
from peergate.model.decision import Facts, Filing
from peergate.model.review import Kind

__all__ = ["direct_request", "filed_change", "request_document", "summary_of"]

_NOTHING: Any = {field.name: None for field in dataclasses.fields(Request)}


def direct_request(words: str, *, options: dict[str, Any] | None = None, file: str | None = None) -> Request:
    """Return what ``approve delete WORDS`` says, or ``approve replace -f FILE`` where a file is given."""
    given = options or {}
    return Request(
        **{
            **_NOTHING,
            "words": ("replace",) if file else ("delete", words),
            "file": file,
            "requester": "agents/bot",
            "requester_uid": "",
            "cascade": given.get("propagationPolicy", "none").lower(),
            "grace_period": given.get("gracePeriodSeconds"),
            "yes": False,
            "dry_run": False,
            "attach": False,
            "print_payload": False,
        }
    )


def summary_of(change: Change, live: dict[str, Any], wanted: dict[str, Any] | None) -> str:
    """Return the line that the operator writes about a change."""
    now = datetime.now(UTC)
    effect = Effect.DELETE if wanted is None else Effect.REPLACE
    draft = Draft(
        change=change,
        facts=Facts(effect=effect),
        filing=Filing(namespace="", filed_at=now, expires=now),
        wanted=wanted,
    )
    return str(spec_of(draft, live)["summary"])


def filed_change(
    cluster: FakeCluster,
    place: str,
    *,
    wanted: dict[str, Any] | None = None,
    subresource: str = "",
    options: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the ChangeRequest of a change of the agent ``agents/bot``, as the operator files it.

    ``place`` is ``GROUP/VERSION/RESOURCE/NAMESPACE/NAME``; ``spec`` overrides members, and the name stays the
    one of the change that the overridden spec records.
    """
    group, version, resource, namespace, name = ("/" * (4 - place.count("/")) + place).split("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    path = f"{root}{scope}/{resource}/{name}" + ("/scale" if subresource == "scale" else "")
    live = cluster.get(path)
    api_group, _, api_version = live["apiVersion"].rpartition("/")
    kind = Kind(api_group, api_version, live["kind"])
    change = Target(
        audience=f"k8s:{cluster.get('/api/v1/namespaces/kube-system')['metadata']['uid']}",
        operation="DELETE" if wanted is None else "UPDATE",
        object=ObjectRef(group, version, resource, subresource, namespace, name, live["metadata"]["uid"]),
        requester=Requester("system:serviceaccount:agents:bot", "b7a2c1d0-3f0e-4a4b-9c9c-5d1f0a9be201"),
        requester_owner="team-platform",
        kind=kind,
        old=live,
        new=wanted,
        options=None if wanted is not None else dict(options or {}),
    ).change((spec or {}).get("projection", "k8s-projection/v1"))
    patch = {} if wanted is None else {"patch": make_patch(*project_update(live, wanted, kind=kind))}
    return request_document(
        place=namespace or "peergate-system",
        operation=change.operation,
        object=dataclasses.asdict(change.object),
        options=dict(change.options),
        effect="Delete" if wanted is None else "Replace",
        summary=summary_of(change, live, wanted),
        **{
            "projection": change.projection,
            "from": change.from_,
            **({} if change.to is None else {"to": change.to}),
            **patch,
            **(spec or {}),
        },
    )


def request_document(
    *, place: str = "shop", status: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """Return a ChangeRequest about a StatefulSet's deletion, named by its change; ``spec`` overrides."""
    full: dict[str, Any] = {
        "audience": "k8s:6f2c0d8e-7c42-4a58-9a0a-2d7b5d0c8f11",
        "operation": "DELETE",
        "object": {
            "group": "apps",
            "version": "v1",
            "resource": "statefulsets",
            "subresource": "",
            "namespace": "shop",
            "name": "db",
            "uid": "0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90",
        },
        "requester": {
            "username": "system:serviceaccount:agents:bot",
            "uid": "b7a2c1d0-3f0e-4a4b-9c9c-5d1f0a9be201",
            "owner": "team-platform",
        },
        "projection": "k8s-projection/v1",
        "from": "0" * 64,
        "options": {"propagationPolicy": "Background"},
        "effect": "Delete",
        "rules": ["built-in"],
        "summary": "delete StatefulSet shop/db",
        "filedAt": "2026-11-23T11:30:00Z",
        "expires": "2026-11-24T11:30:00Z",
        **spec,
    }
    change = recorded_change(ChangeRequestSpec.model_validate(full))
    return {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ChangeRequest",
        "metadata": {
            "name": change_id(change_digest(change)),
            "namespace": place,
            "uid": "9e0e6f0e-1111-4a4b-9c9c-5d1f0a9be201",
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-23T11:30:00Z",
        },
        "spec": full,
        **({} if status is None else {"status": status}),
    }
