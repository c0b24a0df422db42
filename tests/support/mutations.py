"""Reviews with something changed in them, and what no change of them may bring about.

What is harmless is said here a second time, in other words than the gate's own, so that one can judge the
other.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tests.support.gate import AGENT_UID

from peergate.model.review import Gate

__all__ = ["RECORDED", "as_agent", "gate_of", "harmless", "mutated", "mutated_bytes", "same_address"]

RECORDED: Sequence[dict[str, Any]] = tuple(
    json.loads(line)
    for line in (Path(__file__).parents[1] / "fixtures" / "admission_reviews.jsonl").read_text().splitlines()
)
APPROVAL = "approval.peergate.dev/"
BOUND = ("name", "namespace", "uid", "labels", "annotations", "finalizers", "ownerReferences")
"""Of metadata, what is somebody's will (approval-format.md §5.1)."""

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def as_agent(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded review as if the agent of ``tests.support.gate`` had sent the request."""
    review = copy.deepcopy(dict(document))
    review["request"]["userInfo"] = {
        "username": "system:serviceaccount:agents:bot",
        "uid": AGENT_UID,
        "groups": ["system:serviceaccounts", "system:serviceaccounts:agents", "system:authenticated"],
    }
    return review


def gate_of(document: Mapping[str, Any]) -> Gate:
    """Return the gate through which a recorded review of a protected namespace would have come."""
    request = document["request"]
    namespaced = bool(request.get("namespace")) and request["resource"]["resource"] != "namespaces"
    return Gate.NAMESPACED if namespaced else Gate.CLUSTER


def same_address(one: Any, other: Any) -> bool:
    """Tell whether two reviews come from the same agent and are sent to the same place."""

    def address(document: Any) -> Any:
        request = document["request"]
        user = request["userInfo"]
        return (
            document.get("apiVersion"),
            document.get("kind"),
            user.get("username"),
            user.get("uid"),
            request.get("operation"),
            request.get("kind"),
            request.get("resource"),
            request.get("subResource") or "",
            request.get("namespace") or "",
        )

    try:
        return bool(address(one) == address(other))
    except (KeyError, TypeError, AttributeError):
        return False


def harmless(request: Mapping[str, Any]) -> bool:
    """Tell whether a request provably changes nothing: an UPDATE to what is there already.

    Approvals, and what every write changes by itself, do not count.
    """
    old, new = request.get("oldObject"), request.get("object")
    return (
        request.get("operation") == "UPDATE"
        and isinstance(old, dict)
        and isinstance(new, dict)
        and _will(old) == _will(new)
    )


def _will(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        kept = {key: value for key, value in annotations.items() if not key.startswith(APPROVAL)}
        metadata = {**metadata, "annotations": kept}
    will = {member: metadata[member] for member in BOUND if metadata.get(member) not in (None, {}, [], "")}
    # Kind and version are the request's (§5.1 rule 1); a null in a template's metadata is an older server's.
    rest = {
        member: value
        for member, value in document.items()
        if member not in ("metadata", "apiVersion", "kind")
    }
    return json.dumps([will, _without_nulls(rest)], sort_keys=True)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_nulls(
            {k: v for k, v in item.items() if (k, v) != ("creationTimestamp", None)}
            if key == "metadata" and isinstance(item, dict)
            else item
        )
        for key, item in value.items()
    }


@st.composite
def mutated(draw: Any, document: Mapping[str, Any], roots: Sequence[str]) -> dict[str, Any]:
    """Draw a copy of a review in which one to three things below these members of the request differ.

    A thing is set to anything, removed, doubled, exchanged for something else of the same review; or it gets
    an approval that is none.
    """
    review = copy.deepcopy(dict(document))
    request = review["request"]
    if (
        isinstance(request.get("oldObject"), dict)
        and isinstance(request.get("object"), dict)
        and draw(st.booleans())
    ):
        # Nothing is changed but what is drawn below: so every member is once the only one that differs.
        request["object"] = copy.deepcopy(request["oldObject"])
    for _ in range(draw(st.integers(1, 3))):
        parent, key = _place(draw, request, roots)
        how = draw(st.sampled_from(["set", "remove", "double", "exchange", "annotate"]))
        if how == "remove":
            del parent[key]
        elif how == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        elif how == "exchange":
            other, there = _place(draw, request, roots)
            parent[key] = copy.deepcopy(other[there])
        elif how == "annotate":
            _annotate(draw, request)
        else:
            parent[key] = draw(values)
    return review


def _place(draw: Any, request: dict[str, Any], roots: Sequence[str]) -> tuple[Any, Any]:
    """Walk down from one of the roots, and stop somewhere."""
    present = [root for root in roots if root in request]
    parent: Any = request
    key: Any = draw(st.sampled_from(present)) if present else roots[0]
    request.setdefault(key, None)
    while isinstance(parent[key], dict | list) and parent[key] and draw(st.integers(0, 4)):
        parent = parent[key]
        key = draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
    return parent, key


def _annotate(draw: Any, request: dict[str, Any]) -> None:
    for member in ("object", "oldObject"):
        document = request.get(member)
        if isinstance(document, dict) and isinstance(document.get("metadata"), dict):
            annotations = document["metadata"].get("annotations")
            annotations = dict(annotations) if isinstance(annotations, dict) else {}
            annotations[f"{APPROVAL}v1.{draw(st.sampled_from(['a', 'b']))}"] = draw(st.text(max_size=40))
            document["metadata"]["annotations"] = annotations


@st.composite
def mutated_bytes(draw: Any, body: bytes) -> bytes:
    """Draw a copy of some bytes in which one to three things differ: flipped, cut, doubled, said twice."""
    found = bytearray(body)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        span = draw(st.integers(1, 200))
        match draw(st.sampled_from(["flip", "cut", "double", "insert", "say again"])):
            case "flip" if found:
                found[at] = draw(st.integers(0, 255))
            case "cut":
                del found[at : at + span]
            case "double":
                found[at:at] = found[at : at + span]
            case "insert":
                found[at:at] = draw(st.binary(max_size=20))
            case _:
                member = draw(
                    st.sampled_from(["object", "oldObject", "operation", "options", "dryRun", "uid"])
                )
                said = json.dumps({member: draw(values)})[1:-1].encode()
                start = found.find(b'"request": {')
                ahead = draw(st.booleans())
                if start >= 0 and ahead:
                    found[start + 12 : start + 12] = said + b", "
                elif found.endswith(b"}}"):
                    found[-2:-2] = b", " + said
    return bytes(found)
