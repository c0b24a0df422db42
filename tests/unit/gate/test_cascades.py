"""What takes its content along: one sentence, one row."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gate import changed, found, review, thing

from peergate.model.change import Effect


def schema(**properties: Any) -> dict[str, Any]:
    return {"openAPIV3Schema": {"type": "object", "properties": properties}}


def version(name: str = "v1", **members: Any) -> dict[str, Any]:
    return {"name": name, "served": True, "storage": True, "schema": schema(a={"type": "string"}), **members}


def definition(*versions: Any, **spec: Any) -> dict[str, Any]:
    return thing(
        "CustomResourceDefinition",
        "widgets.example.com",
        spec={"group": "example.com", "versions": list(versions or (version(),)), **spec},
    )


CRD = definition()
KEEPING = {"a": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
API = thing("APIService", "v1.example.com", spec={"group": "example.com", "version": "v1"})
NAMESPACE = thing("Namespace", "shop", labels={"peergate.dev/protected": "true"})
HOLDS, SPOILS = (Effect.DELETE, "with all it holds"), (Effect.DELETE, "spoils its objects")
REPLACE, DELETE = (Effect.REPLACE, ""), (Effect.DELETE, "")


def to(new: dict[str, Any], *, old: dict[str, Any] = CRD) -> Any:
    return review("UPDATE", old=old, new=new)


CASES = {
    "a Namespace goes with all it holds (T9)": (review("DELETE", old=NAMESPACE), HOLDS),
    "so does a CRD (T6)": (review("DELETE", old=CRD), HOLDS),
    "also as one of a collection (T6)": (review("DELETE", old=CRD, collection=True), HOLDS),
    "an APIService is a Delete (T19)": (review("DELETE", old=API), DELETE),
    "a StorageClass is a Delete (DO2)": (review("DELETE", old=thing("StorageClass")), DELETE),
    "a PersistentVolume is a Delete (DO2)": (review("DELETE", old=thing("PersistentVolume")), DELETE),
    "a Namespace finalized is a Delete (T9)": (
        review(
            "UPDATE",
            old=changed(NAMESPACE, "spec", to={"finalizers": ["kubernetes"]}),
            new=changed(NAMESPACE, "spec", to={"finalizers": []}),
            subresource="finalize",
        ),
        HOLDS,
    ),
    "a Namespace's status is a Delete (T9)": (
        review(
            "UPDATE",
            old=NAMESPACE,
            new=changed(NAMESPACE, "status", to={"phase": "Terminating"}),
            subresource="status",
        ),
        HOLDS,
    ),
    "one that changes nothing is harmless": (
        review("UPDATE", old=NAMESPACE, new=NAMESPACE, subresource="status"),
        (Effect.HARMLESS, ""),
    ),
    "a Namespace's annotation is a Replace": (
        to(changed(NAMESPACE, "metadata", "annotations", to={"a": "b"}), old=NAMESPACE),
        REPLACE,
    ),
    "a version that is served no more is a Delete (T6)": (to(definition(version(served=False))), SPOILS),
    "a version that is gone is a Delete (T6)": (
        to(CRD, old=definition(version(), version("v2"))),
        SPOILS,
    ),
    "also one that was not served, as objects may be stored in it (T6)": (
        to(CRD, old=definition(version(), version("v0", served=False))),
        SPOILS,
    ),
    "another conversion is a Delete (T6)": (to(definition(conversion={"strategy": "Webhook"})), SPOILS),
    "a schema that prunes is a Delete (T6)": (
        to(definition(version(schema=schema(b={"type": "string"})))),
        SPOILS,
    ),
    "a member of another type is a Delete (T6)": (
        to(definition(version(schema=schema(a={"type": "integer"})))),
        SPOILS,
    ),
    "unknown members kept no more are a Delete (T6)": (
        to(
            definition(version(schema=schema(a={"type": "object"}))),
            old=definition(version(schema=schema(**KEEPING))),
        ),
        SPOILS,
    ),
    "nor by the old member (T6)": (to(CRD, old=definition(preserveUnknownFields=True)), SPOILS),
    "a new member is a Replace": (
        to(definition(version(schema=schema(a={"type": "string"}, b={"type": "string"})))),
        REPLACE,
    ),
    "a new version is a Replace": (to(definition(version(), version("v2"))), REPLACE),
    "another description is a Replace": (
        to(
            definition(version(schema=schema(a={"type": "string", "description": "new"}))),
            old=definition(version(schema=schema(a={"type": "string", "description": "old"}))),
        ),
        REPLACE,
    ),
    "a shape that is none is a Replace": (to(definition("x"), old=definition("x", y=1)), REPLACE),
    "an APIService that is served elsewhere is a Delete (T19)": (
        to(changed(API, "spec", "service", to={"name": "mine"}), old=API),
        HOLDS,
    ),
    "its labels are a Replace": (to(changed(API, "metadata", "labels", to={"a": "b"}), old=API), REPLACE),
}


@pytest.mark.parametrize(("subject", "want"), CASES.values(), ids=CASES.keys())
def test_cascade(subject, want):
    finding = found(subject)
    assert (finding.effect, finding.note) == want
