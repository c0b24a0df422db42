"""Projections: the worked example W1 to W7, and each rule of what is bound."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.support.approvals import DEPLOYMENT, DROP, PAYMENTS_API, put

from peergate.approval.canonical import MAX_DEPTH, NotCanonical, canonical_bytes
from peergate.approval.pointers import PointerProblem
from peergate.approval.projection import digest, project_delete, project_update, unchanged
from peergate.model.review import Kind

W1 = "b30b2af51e2c1f065dacc7ba6c67a28f9abec77f3c252118cad3e2c48de4ead2"
CANONICAL = (
    b'{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":'
    b'{"deployment.kubernetes.io/revision":"7"},"finalizers":["example.com/drain"],'
    b'"labels":{"app":"payments-api"},"name":"payments-api","namespace":"prod",'
    b'"uid":"0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90"},"spec":{"replicas":3,"selector":'
    b'{"matchLabels":{"app":"payments-api"}},"template":{"metadata":{"labels":{"app":"payments-api"}},'
    b'"spec":{"containers":[{"image":"payments-api:1.4","name":"api"}]}}}}'
)
IMAGE = "spec.template.spec.containers.0.image"


def example(**changes: Any) -> dict[str, Any]:
    """Return the worked example; members by dotted path with ``__`` for the dot."""
    result = copy.deepcopy(PAYMENTS_API)
    for path, value in changes.items():
        put(result, path.replace("__", "."), value)
    return result


def delete(obj: dict[str, Any], **how: Any) -> str:
    return digest(project_delete(obj, kind=DEPLOYMENT, **{"projection": "k8s-projection/v1", **how}))


def update(old: dict[str, Any], new: dict[str, Any], **how: Any) -> tuple[str, str]:
    before, after = project_update(old, new, kind=DEPLOYMENT, **how)
    return digest(before), digest(after)


TERMINATING = example(
    metadata__finalizers=["example.com/drain", "foregroundDeletion"],
    metadata__deletionTimestamp="2026-11-23T12:00:00Z",
    metadata__generation=8,
)
NEW_IMAGE = example(
    spec__template__spec__containers__0__image="payments-api:1.5",
    metadata__generation=8,
)


def test_w1_canonical_bytes():
    projected = project_delete(PAYMENTS_API, kind=DEPLOYMENT, projection="k8s-projection/v1")
    assert canonical_bytes(projected) == CANONICAL
    assert len(CANONICAL) == 462
    assert digest(projected) == W1


def test_w1_both_scopes_with_and_without_the_null():
    bare = example(spec__template__metadata__creationTimestamp=DROP)
    assert {delete(PAYMENTS_API), delete(bare), *update(PAYMENTS_API, bare)} == {W1}


def test_w2_a_deletion_that_began_equals_w1():
    assert delete(TERMINATING) == W1


def test_w3_an_update_binds_all_finalizers():
    assert update(PAYMENTS_API, TERMINATING) == (
        W1,
        "cd5fb466b5fe172f13c5dd55c9acae2d6a8baa9f994ac786771424a2bccbc50e",
    )


def test_w4_the_new_image():
    assert update(PAYMENTS_API, NEW_IMAGE) == (
        W1,
        "769eb382736d8d03091a81a9d19087bff6ec28db5bcb243296b88d17e332a61c",
    )


def test_w5_a_status_that_differs_is_bound_in_both():
    new = {**NEW_IMAGE, "status": {"observedGeneration": 7, "replicas": 0}}
    assert update(PAYMENTS_API, new) == (
        "30061a351085caade139fa56526254967b2938d0a204629563a80293c3806e92",
        "c9c11582f7f7a49b99bb75b5010091679f2b592b87984e28c1556481038197c7",
    )


@pytest.mark.parametrize("replicas", [3, 5])
def test_w6_an_ignored_pointer_is_not_bound(replicas: int):
    assert (
        delete(example(spec__replicas=replicas), ignore=("/spec/replicas",))
        == "bae5858a2ff639e856559ed6cec32c52e4e2945ae237c9eb4a488f7b9368a438"
    )


def test_w7_the_identity():
    assert (
        delete(NEW_IMAGE, projection="k8s-identity/v1")
        == "2302421d8ada64b1c14fe817fe24c3db06ce887b7679f2fe801ec619207be954"
    )


SAME = {
    "another resource version": example(metadata__resourceVersion="9"),
    "another generation": example(metadata__generation=9),
    "other managed fields": example(metadata__managedFields=DROP),
    "another approval": example(metadata__annotations={"deployment.kubernetes.io/revision": "7"}),
    "an empty member of metadata": example(metadata__ownerReferences=[]),
    "a null member of metadata": example(metadata__ownerReferences=None),
    "apiVersion and kind of the object itself": example(apiVersion="x", kind="Y"),
    "the null of an older server": example(metadata__creationTimestamp=None),
}
DIFFERENT = {
    "a label": example(metadata__labels={"app": "x"}),
    "an annotation": example(metadata__annotations={}),
    "a label that is false, which the API server never stores": example(metadata__labels=False),
    "a finalizer": example(metadata__finalizers=[]),
    "an owner": example(metadata__ownerReferences=[{"kind": "Job"}]),
    "the order of a list": example(metadata__finalizers=["a", "example.com/drain"]),
    "a top-level member": example(immutable=True),
    "a null anywhere else": example(spec__template__metadata__labels=None),
    "a creationTimestamp that is not null": example(spec__template__metadata__creationTimestamp="x"),
    "a null creationTimestamp that is not metadata's": example(spec__creationTimestamp=None),
}


@pytest.mark.parametrize("obj", SAME.values(), ids=SAME)
def test_never_bound(obj: dict[str, Any]):
    assert delete(obj) == W1
    assert update(PAYMENTS_API, obj) == (W1, W1)
    assert unchanged(PAYMENTS_API, obj, kind=DEPLOYMENT)


@pytest.mark.parametrize("obj", DIFFERENT.values(), ids=DIFFERENT)
def test_bound(obj: dict[str, Any]):
    assert delete(obj) != W1
    assert update(PAYMENTS_API, obj)[1] != W1
    assert not unchanged(PAYMENTS_API, obj, kind=DEPLOYMENT)


STATUSES = {
    "a status that appears": (DROP, {}),
    "a status that becomes null": (DROP, None),
    "a status that goes": ({}, DROP),
    "a truth that becomes a number": ({"ready": True}, {"ready": 1}),
}


@pytest.mark.parametrize(("old", "new"), STATUSES.values(), ids=STATUSES)
def test_a_status_that_differs_is_a_change(old: object, new: object):
    assert not unchanged(example(status=old), example(status=new), kind=DEPLOYMENT)


def test_finalizers_of_an_impossible_kind_are_kept_as_they_are():
    obj = example(metadata__finalizers=[{}, "orphan", 7])
    projected = project_delete(obj, kind=DEPLOYMENT, projection="k8s-projection/v1")
    assert projected["metadata"]["finalizers"] == [{}, 7]


def test_an_object_with_nothing_but_approvals_has_no_annotations():
    approved = example(
        metadata__annotations={"approval.peergate.dev/v1.a": "x", "approval.peergate.dev/": "y"}
    )
    assert delete(approved) == delete(example(metadata__annotations={}))
    assert unchanged(example(metadata__annotations=DROP), approved, kind=DEPLOYMENT)


def test_equal_status_is_not_bound():
    assert unchanged(example(status=DROP), example(status=DROP), kind=DEPLOYMENT)
    assert update(example(status={"a": 1}), NEW_IMAGE | {"status": {"a": 1.0}})[0] == W1


def test_a_finalizer_of_the_deletion_is_bound_by_an_update_only():
    orphaned = example(metadata__finalizers=["orphan"])
    plain = example(metadata__finalizers=[])
    assert delete(orphaned) == delete(plain)
    assert not unchanged(orphaned, plain, kind=DEPLOYMENT)


def test_the_review_s_objects_stay_as_they_are():
    old, new = copy.deepcopy(PAYMENTS_API), copy.deepcopy(NEW_IMAGE)
    project_delete(old, kind=DEPLOYMENT, projection="k8s-projection/v1", ignore=("/spec/replicas",))
    project_update(old, new, kind=DEPLOYMENT, ignore=("/spec/template/spec/containers",))
    assert (old, new) == (PAYMENTS_API, NEW_IMAGE)


def test_a_core_kind_at_cluster_scope():
    projected = project_delete(
        {"metadata": {"name": "prod", "namespace": "", "uid": "u"}},
        kind=Kind("", "v1", "Namespace"),
        projection="k8s-projection/v1",
    )
    assert projected == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "uid": "u"}}


def deep(levels: int) -> dict[str, Any]:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return {"metadata": {"name": "a"}, "spec": value}


IMPOSSIBLE = {
    "no metadata": {"spec": {}},
    "metadata that is no object": {"metadata": []},
    "annotations that are no object": {"metadata": {"annotations": ["x"]}},
    "finalizers that are no list": {"metadata": {"finalizers": "orphan"}},
    "nesting without end": deep(50_000),
    "one level too many": deep(MAX_DEPTH),
}


@pytest.mark.parametrize("obj", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_objects_have_no_canonical_form(obj: dict[str, Any]):
    with pytest.raises(NotCanonical):
        project_delete(obj, kind=DEPLOYMENT, projection="k8s-projection/v1")


def test_the_deepest_object_that_is_projected():
    obj = deep(MAX_DEPTH - 1)
    assert project_delete(obj, kind=DEPLOYMENT, projection="k8s-projection/v1")["spec"] == obj["spec"]


def test_an_array_element_is_never_left_unbound():
    with pytest.raises(PointerProblem):
        delete(PAYMENTS_API, ignore=("/spec/template/spec/containers/0",))
