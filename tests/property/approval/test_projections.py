"""P6: reserved annotations are never projected; any change of a projected member changes the digest."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.approvals import DEPLOYMENT, PAYMENTS_API

from peergate.approval.canonical import canonically_equal
from peergate.approval.projection import digest, project_delete, project_update, unchanged

NAMES = st.text(st.sampled_from("abcdef"), min_size=1, max_size=3)
LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
SPECS = st.dictionaries(NAMES, VALUES, max_size=4)
RESERVED = st.dictionaries(
    st.text(max_size=20).map(lambda tail: f"approval.peergate.dev/{tail}"),
    st.text(max_size=10),
    max_size=3,
)
IDENTITY = "k8s-identity/v1"
WHOLE = "k8s-projection/v1"


def with_spec(spec: Any) -> dict[str, Any]:
    return {**PAYMENTS_API, "spec": spec}


@given(SPECS, RESERVED)
def test_p6_reserved_annotations_leave_projections_unchanged(spec: Any, reserved: dict[str, str]):
    plain, approved = with_spec(spec), copy.deepcopy(with_spec(spec))
    approved["metadata"]["annotations"].update(reserved)
    for projection in (WHOLE, IDENTITY):
        assert digest(project_delete(plain, kind=DEPLOYMENT, projection=projection)) == digest(
            project_delete(approved, kind=DEPLOYMENT, projection=projection),
        )
    assert unchanged(plain, approved, kind=DEPLOYMENT)


@given(SPECS, SPECS)
def test_p6_another_spec_has_another_digest(one: Any, other: Any):
    same = canonically_equal(one, other)
    first, second = (
        digest(project_delete(with_spec(spec), kind=DEPLOYMENT, projection=WHOLE)) for spec in (one, other)
    )
    assert (first == second) is same
    assert unchanged(with_spec(one), with_spec(other), kind=DEPLOYMENT) is same


@given(st.sampled_from(["name", "namespace", "uid", "labels", "ownerReferences", "finalizers"]), VALUES)
def test_p6_another_bound_member_of_metadata_has_another_digest(member: str, value: Any):
    assume(value not in (None, "", [], {}))
    assume(not canonically_equal(value, PAYMENTS_API["metadata"].get(member)))
    assume(member != "finalizers" or (isinstance(value, list) and all(isinstance(v, str) for v in value)))
    changed = copy.deepcopy(PAYMENTS_API)
    changed["metadata"][member] = value
    before, after = project_update(PAYMENTS_API, changed, kind=DEPLOYMENT)
    assert digest(before) != digest(after)


@given(st.none() | SPECS, st.none() | SPECS)
def test_p6_status_is_bound_exactly_when_it_differs(one: Any, other: Any):
    before, after = project_update(
        {**PAYMENTS_API, "status": one}, {**PAYMENTS_API, "status": other}, kind=DEPLOYMENT
    )
    differs = not canonically_equal(one, other)
    assert ("status" in before, "status" in after) == (differs, differs)


@given(SPECS)
def test_projecting_changes_nothing_and_is_idempotent(spec: Any):
    obj = with_spec(spec)
    kept = copy.deepcopy(obj)
    projected = project_delete(obj, kind=DEPLOYMENT, projection=WHOLE)
    assert obj == kept
    assert project_delete(projected, kind=DEPLOYMENT, projection=WHOLE) == projected
