"""The table of rights that lead round the gate, and what follows from holding one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from peergate.gate.access import Right
from peergate.gate.doors import (
    DOORS,
    EVERYTHING,
    Weight,
    held_doors,
    named_rights,
    part_of,
    rights_asked,
    weight_of,
)

_FACTS = Path(__file__).resolve().parents[3] / "docs" / "kubernetes-facts.md"
_RBAC = "rbac.authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"
_DOORS = {door.id: door for door in DOORS}


def test_the_table_has_every_check_of_the_documents():
    listed = re.findall(r"^\| (SAR\d+) \|", _FACTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert [door.id for door in DOORS] == listed


def test_no_right_is_asked_twice():
    for namespace in ("", "shop"):
        asked = [right for door in DOORS for right in rights_asked(door, namespace=namespace)]
        assert len(asked) == len(set(asked))


def test_every_right_belongs_to_its_check():
    for door in DOORS:
        for right in (*rights_asked(door), *rights_asked(door, namespace="shop")):
            assert held_doors([right]) == {door.id: (right,)}
            assert part_of(door, right=right).weight in Weight


@pytest.mark.parametrize("check", ["SAR1", "SAR13", "SAR14", "SAR17"])
def test_cluster_scoped_things_are_not_asked_about_in_a_namespace(check):
    assert rights_asked(_DOORS[check], namespace="shop") == ()


def test_texts_are_sentences_that_end():
    for door in DOORS:
        for text in (door.allows, *(ask.allows for ask in door.asks if ask.allows)):
            assert text.endswith(".")
            assert text[0].isupper()


def test_single_objects_that_open_doors_belong_to_a_check():
    found = [held_doors([right]) for right in named_rights(configuration="peergate")]
    assert [list(one) for one in found] == [["SAR1"], ["SAR1"], ["SAR1"], ["SAR2"]]


def test_who_holds_everything_fails_every_check():
    assert held_doors([EVERYTHING, Right("get", "", "secrets")]) == {door.id: (EVERYTHING,) for door in DOORS}


def test_what_is_not_in_the_table_opens_nothing():
    assert held_doors([Right("get", "", "pods"), Right("list", "apps", "deployments")]) == {}


HELD = {
    "deleting the gate is open: no webhook is asked": (
        Right("delete", "admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        {"SAR1"},
        Weight.OPEN,
    ),
    "impersonating in one namespace is open": (
        Right("impersonate", "", "serviceaccounts", "shop"),
        {"SAR2"},
        Weight.OPEN,
    ),
    "half of constrained impersonation opens nothing": (
        Right("impersonate:user-info", _AUTHENTICATION, "users"),
        {"SAR3"},
        Weight.SHUT,
    ),
    "the other half opens nothing either": (
        Right("impersonate-on:user-info:delete", "*", "*"),
        {"SAR4"},
        Weight.SHUT,
    ),
    "both halves are open": (
        Right("impersonate:user-info", _AUTHENTICATION, "users"),
        {"SAR3", "SAR4"},
        Weight.OPEN,
    ),
    "reading Secrets is open": (Right("list", "", "secrets", "shop"), {"SAR7"}, Weight.OPEN),
    "creating Secrets is shut": (Right("create", "", "secrets"), {"SAR7"}, Weight.SHUT),
    "the kubelet's proxy is open": (Right("get", "", "nodes/proxy"), {"SAR10"}, Weight.OPEN),
    "the proxy of services is shut": (Right("get", "", "services/proxy"), {"SAR10"}, Weight.SHUT),
    "binding roles is open": (Right("bind", _RBAC, "roles", "shop"), {"SAR15"}, Weight.OPEN),
    "creating workloads is work": (Right("create", "", "pods", "shop"), {"SAR8"}, Weight.WORK),
    "PUT is work": (Right("update", "apps", "deployments"), {"SAR19"}, Weight.WORK),
}


@pytest.mark.parametrize(("right", "failed", "expected"), HELD.values(), ids=HELD)
def test_how_grave_it_is(right, failed, expected):
    [check] = held_doors([right])
    assert weight_of(_DOORS[check], right=right, failed=failed) is expected
