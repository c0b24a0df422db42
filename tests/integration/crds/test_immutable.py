"""What was filed stays as it was filed, whatever kind of request tries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tests.harness.cluster import Cluster
from tests.support.resources import approval_use, change_request, changed, path_of

pytestmark = pytest.mark.cluster

_MERGE = "application/merge-patch+json"
_JSON = "application/json-patch+json"
_APPLY = "application/apply-patch+yaml"

_REQUEST = change_request(
    operation="UPDATE",
    effect="Replace",
    to="b" * 64,
    patch=[{"op": "add", "path": "/data/x", "value": {"member": {"inner": 1}, "list": [1]}}],
)
_USE = approval_use()


@dataclass(frozen=True, slots=True)
class Step:
    content_type: str
    body: Any
    method: str = "PATCH"
    subresource: str = ""


def _put(document: dict[str, Any]) -> Step:
    return Step("application/json", document, method="PUT")


def _replace(pointer: str, value: Any) -> Step:
    return Step(_JSON, [{"op": "replace", "path": pointer, "value": value}])


ATTACKS: dict[str, tuple[dict[str, Any], Sequence[Step]]] = {
    "a merge patch": (_REQUEST, [Step(_MERGE, {"spec": {"summary": "harmless"}})]),
    "a JSON patch": (_REQUEST, [_replace("/spec/object/name", "other")]),
    "a PUT": (_REQUEST, [_put(changed(_REQUEST, "spec", "effect", to="Delete"))]),
    "a PUT without spec": (_REQUEST, [_put(changed(_REQUEST, "spec", to=None))]),
    "a forced apply": (
        _REQUEST,
        [Step(_APPLY, json.dumps(changed(_REQUEST, "spec", "summary", to="harmless")))],
    ),
    "the status subresource": (
        _REQUEST,
        [Step(_MERGE, {"spec": {"summary": "harmless"}}, subresource="/status")],
    ),
    "spec taken away and put back": (
        _REQUEST,
        [
            Step(_JSON, [{"op": "remove", "path": "/spec"}]),
            Step(
                _JSON, [{"op": "add", "path": "/spec", "value": {**_REQUEST["spec"], "summary": "harmless"}}]
            ),
        ],
    ),
    "spec made null and put back": (
        _REQUEST,
        [Step(_MERGE, {"spec": None}), Step(_MERGE, {"spec": {**_REQUEST["spec"], "summary": "harmless"}})],
    ),
    "a member of the patch's value renamed": (
        _REQUEST,
        [_replace("/spec/patch/0/value/member", {"other": 1})],
    ),
    "the patch's value replaced by one of the same size": (
        _REQUEST,
        [_replace("/spec/patch/0/value", {"nember": {"inner": 1}, "mist": [1]})],
    ),
    "an option renamed": (_REQUEST, [_replace("/spec/options", {"gracePeriod": 30, "policy": "Background"})]),
    "an option taken away": (_REQUEST, [Step(_JSON, [{"op": "remove", "path": "/spec/options"}])]),
    "the patch taken away": (_REQUEST, [Step(_JSON, [{"op": "remove", "path": "/spec/patch"}])]),
    "a member added that may be absent": (change_request(), [Step(_MERGE, {"spec": {"complete": False}})]),
    "another life for a record of use": (_USE, [Step(_MERGE, {"spec": {"expires": "2020-01-01T00:00:00Z"}})]),
    "a record of use emptied and filled again": (
        _USE,
        [
            Step(_JSON, [{"op": "remove", "path": "/spec"}]),
            Step(_JSON, [{"op": "add", "path": "/spec", "value": {**_USE["spec"], "change": "d" * 64}}]),
        ],
    ),
}


@pytest.fixture
def stored(installed: Cluster, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    document = request.param
    answer = installed.admin.request("POST", path_of(document), body=document)
    assert answer.code == 201, answer.body
    yield answer.body
    installed.admin.request("DELETE", path_of(document, named=True))


@pytest.mark.parametrize(
    ("stored", "steps"),
    [pytest.param(*case, id=sentence) for sentence, case in ATTACKS.items()],
    indirect=["stored"],
)
def test_spec_stays(installed: Cluster, stored: dict[str, Any], steps: Sequence[Step]) -> None:
    for step in steps:
        _send(installed, stored, step)
    now = installed.admin.request("GET", path_of(stored, named=True)).body
    assert now["spec"] == stored["spec"]
    assert now["metadata"]["uid"] == stored["metadata"]["uid"]


@pytest.mark.parametrize("stored", [_REQUEST], indirect=True, ids=["request"])
def test_the_refusal_says_why(installed: Cluster, stored: dict[str, Any]) -> None:
    answer = _send(installed, stored, Step(_MERGE, {"spec": {"summary": "harmless"}}))
    assert answer.code == 422
    assert "spec never changes" in answer.body["message"]


@pytest.mark.parametrize("stored", [_REQUEST], indirect=True, ids=["request"])
def test_metadata_and_status_may_change(installed: Cluster, stored: dict[str, Any]) -> None:
    for step in (
        Step(_MERGE, {"metadata": {"annotations": {"approval.peergate.dev/v1.alice": "{}"}}}),
        Step(_MERGE, {"status": {"state": "Pending", "progress": "0/1"}}, subresource="/status"),
    ):
        assert _send(installed, stored, step).code == 200


_REJECTION = {"by": "alice", "reason": "no", "at": "2026-11-23T12:00:00Z", "until": "2026-11-24T12:00:00Z"}

UNREJECTING: dict[str, Sequence[Step]] = {
    "another word": [Step(_MERGE, {"status": {"rejection": {"reason": "yes"}}}, subresource="/status")],
    "another end": [
        Step(_MERGE, {"status": {"rejection": {"until": "2026-11-23T12:00:01Z"}}}, subresource="/status")
    ],
    "no rejection": [Step(_MERGE, {"status": {"rejection": None}}, subresource="/status")],
    "no status": [Step(_MERGE, {"status": None}, subresource="/status")],
    "taken away and put back": [
        Step(_JSON, [{"op": "remove", "path": "/status/rejection"}], subresource="/status"),
        Step(
            _JSON,
            [{"op": "add", "path": "/status/rejection", "value": {**_REJECTION, "by": "bob"}}],
            subresource="/status",
        ),
    ],
}


@pytest.mark.parametrize("stored", [_REQUEST], indirect=True, ids=["request"])
@pytest.mark.parametrize("sentence", UNREJECTING)
def test_a_rejection_is_set_once(installed: Cluster, stored: dict[str, Any], sentence: str) -> None:
    set_once = Step(_MERGE, {"status": {"rejection": _REJECTION}}, subresource="/status")
    assert _send(installed, stored, set_once).code == 200
    for step in UNREJECTING[sentence]:
        answer = _send(installed, stored, step)
        assert answer.code == 422 or sentence == "taken away and put back"
    now = installed.admin.request("GET", path_of(stored, named=True)).body
    assert now["status"]["rejection"] == _REJECTION
    other = Step(_MERGE, {"status": {"state": "Rejected"}}, subresource="/status")
    assert _send(installed, stored, other).code == 200


@pytest.mark.parametrize("stored", [_REQUEST], indirect=True, ids=["request"])
def test_a_rejection_ends_after_it_began(installed: Cluster, stored: dict[str, Any]) -> None:
    rejection = {**_REJECTION, "until": _REJECTION["at"]}
    answer = _send(
        installed, stored, Step(_MERGE, {"status": {"rejection": rejection}}, subresource="/status")
    )
    assert answer.code == 422
    assert "until is not after at" in answer.body["message"]


def _send(cluster: Cluster, stored: dict[str, Any], step: Step) -> Any:
    body = step.body
    if step.method == "PUT":
        body = {
            **body,
            "metadata": {**body["metadata"], "resourceVersion": stored["metadata"]["resourceVersion"]},
        }
    query = {"force": "true", "fieldManager": "attacker"} if step.content_type == _APPLY else None
    return cluster.admin.request(
        step.method,
        path_of(stored, named=True) + step.subresource,
        body=body,
        content_type=step.content_type,
        query=query,
    )
