"""Delete options: the normalised form, and what a signed statement covers (V21)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.approvals import LEDGER_POD, PAYMENTS_API

from peergate.approval.options import OptionsRefused, check_delete_options, delete_options


def pod(**spec: Any) -> dict[str, Any]:
    return {**LEDGER_POD, "spec": {**LEDGER_POD["spec"], **spec}}


NORMALISED = {
    "no options": (None, None, {}),
    "only what says what they are": ({"kind": "DeleteOptions", "apiVersion": "v1"}, None, {}),
    "a policy": ({"propagationPolicy": "Orphan"}, None, {"propagationPolicy": "Orphan"}),
    "what only narrows": ({"dryRun": ["All"], "preconditions": {"uid": "x"}}, None, {}),
    "nulls": ({"propagationPolicy": None, "orphanDependents": None, "gracePeriodSeconds": None}, None, {}),
    "the unsafe deletion, switched off": (
        {"ignoreStoreReadErrorWithClusterBreakingPotential": False},
        None,
        {},
    ),
    "a grace period of something else than a Pod": ({"gracePeriodSeconds": 0}, None, {}),
    "a Pod's own grace": (None, LEDGER_POD, {"minGracePeriodSeconds": 30}),
    "a Pod's own grace, given as null": (
        {"gracePeriodSeconds": None},
        LEDGER_POD,
        {"minGracePeriodSeconds": 30},
    ),
    "a Pod's given grace": ({"gracePeriodSeconds": 5}, LEDGER_POD, {"minGracePeriodSeconds": 5}),
    "a forced deletion": ({"gracePeriodSeconds": 0}, LEDGER_POD, {"minGracePeriodSeconds": 0}),
    "a Pod on no node": (None, pod(nodeName=""), {"minGracePeriodSeconds": 0}),
    "a Pod that is over": (None, LEDGER_POD | {"status": {"phase": "Failed"}}, {"minGracePeriodSeconds": 0}),
    "a Pod that was": (None, LEDGER_POD | {"status": {"phase": "Succeeded"}}, {"minGracePeriodSeconds": 0}),
    "a Pod with an impossible phase": (
        None,
        LEDGER_POD | {"status": {"phase": []}},
        {"minGracePeriodSeconds": 30},
    ),
    "a Pod without status": (None, LEDGER_POD | {"status": None}, {"minGracePeriodSeconds": 30}),
    "a Pod without a grace": (None, pod(terminationGracePeriodSeconds=None), {"minGracePeriodSeconds": 0}),
}
REFUSED = {
    "orphanDependents": ({"orphanDependents": False}, None),
    "the unsafe deletion (A49)": ({"ignoreStoreReadErrorWithClusterBreakingPotential": True}, None),
    "an unknown member": ({"fieldValidation": "Strict"}, None),
    "an unknown policy": ({"propagationPolicy": "Slowly"}, None),
    "a policy of another type": ({"propagationPolicy": ["Orphan"]}, None),
    "options that are no object": ([], None),
    "a negative grace": ({"gracePeriodSeconds": -1}, LEDGER_POD),
    "a grace that is true": ({"gracePeriodSeconds": True}, LEDGER_POD),
    "a grace that is text": ({"gracePeriodSeconds": "5"}, LEDGER_POD),
    "a grace beyond 32 bits": ({"gracePeriodSeconds": 2**31}, LEDGER_POD),
    "a Pod with an impossible grace": (None, pod(terminationGracePeriodSeconds="x")),
}


@pytest.mark.parametrize(("options", "pod", "want"), NORMALISED.values(), ids=NORMALISED)
def test_normalised(options, pod, want):
    assert delete_options(options, pod=pod) == want


@pytest.mark.parametrize(("options", "pod"), REFUSED.values(), ids=REFUSED)
def test_refused(options, pod):
    with pytest.raises(OptionsRefused):
        delete_options(options, pod=pod)


def finalized(*finalizers: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"finalizers": list(finalizers), **metadata}}


COVERED = {
    "the signed policy": (
        {"propagationPolicy": "Foreground"},
        {"propagationPolicy": "Foreground"},
        PAYMENTS_API,
    ),
    "a grace period of something else than a Pod, whatever it is": (
        {},
        {"gracePeriodSeconds": -1},
        PAYMENTS_API,
    ),
    "no policy, as signed": ({}, None, PAYMENTS_API),
    "no policy on an object that is already going": (
        {},
        None,
        finalized("foregroundDeletion", deletionTimestamp="2026-11-23T12:00:00Z"),
    ),
    "a policy despite a finalizer that would choose": (
        {"propagationPolicy": "Background"},
        {"propagationPolicy": "Background"},
        finalized("orphan"),
    ),
    "an object without metadata": ({}, None, {}),
    "finalizers of impossible kinds": ({}, None, {"metadata": {"finalizers": [{}, 7]}}),
    "finalizers of an impossible shape": ({}, None, {"metadata": {"finalizers": "orphan"}}),
    "the Pod's own grace": ({}, None, LEDGER_POD),
    "more than the Pod's own grace": ({}, {"gracePeriodSeconds": 31}, LEDGER_POD),
    "exactly the signed grace": ({"minGracePeriodSeconds": 5}, {"gracePeriodSeconds": 5}, LEDGER_POD),
    "a forced deletion that was signed": (
        {"minGracePeriodSeconds": 0},
        {"gracePeriodSeconds": 0},
        LEDGER_POD,
    ),
}
NOT_COVERED = {
    "another policy": ({"propagationPolicy": "Foreground"}, {"propagationPolicy": "Orphan"}, PAYMENTS_API),
    "a policy where none was signed": ({}, {"propagationPolicy": "Orphan"}, PAYMENTS_API),
    "no policy where one was signed": ({"propagationPolicy": "Orphan"}, None, PAYMENTS_API),
    "no policy, and foregroundDeletion would choose": ({}, None, finalized("foregroundDeletion")),
    "no policy, and orphan would choose": ({}, None, finalized("a", "orphan")),
    "less than the Pod's own grace": ({}, {"gracePeriodSeconds": 29}, LEDGER_POD),
    "less than the signed grace": ({"minGracePeriodSeconds": 5}, {"gracePeriodSeconds": 4}, LEDGER_POD),
    "the Pod's own grace where more was signed": ({"minGracePeriodSeconds": 60}, None, LEDGER_POD),
}


@pytest.mark.parametrize(("signed", "options", "old"), COVERED.values(), ids=COVERED)
def test_covered(signed, options, old):
    check_delete_options(signed, options=options, old=old, is_pod=old is LEDGER_POD)


@pytest.mark.parametrize(("signed", "options", "old"), NOT_COVERED.values(), ids=NOT_COVERED)
def test_not_covered(signed, options, old):
    with pytest.raises(OptionsRefused):
        check_delete_options(signed, options=options, old=old, is_pod=old is LEDGER_POD)
