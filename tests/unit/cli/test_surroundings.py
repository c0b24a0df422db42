"""What a blast radius adds up to, and what its digest depends on."""

from __future__ import annotations

import dataclasses

import pytest

from peergate.cli.blast import blast_lines
from peergate.cli.surroundings import Branch, Surroundings, Volume, total_size

SIZES = {
    "the same unit": (["40Gi", "40Gi", "40Gi"], "120Gi"),
    "no unit": (["5", "6"], "11"),
    "different units": (["1Gi", "512Mi"], "1Gi, 512Mi"),
    "not a whole number": (["1.5Gi"], "1.5Gi"),
    "text that acts on a terminal": (["\x1b[2J"], "\\x1b[2J"),
    "none": ([], ""),
}


@pytest.mark.parametrize("sentence", SIZES)
def test_sizes_are_added_where_they_can_be(sentence):
    sizes, expected = SIZES[sentence]
    assert total_size(sizes) == expected


def test_the_digest_is_that_of_the_counts_and_of_nothing_else():
    base = Surroundings(scope="owned", counts={"Pod": 3})
    assert base.digest == dataclasses.replace(base, tree=(Branch("Pod", 3, ("a",)),)).digest
    others = (
        dataclasses.replace(base, counts={"Pod": 4}),
        dataclasses.replace(base, volumes=(Volume("a", "1Gi", "Delete"),)),
        dataclasses.replace(base, missed=1),
        dataclasses.replace(base, unseen=("secrets",)),
    )
    assert len({base.digest, *(one.digest for one in others)}) == 5


LINES = {
    "what it owns goes": (
        Surroundings(
            scope="owned",
            counts={"Pod": 4, "ReplicaSet": 1},
            tree=(Branch("ReplicaSet", 1, ("rs",), (Branch("Pod", 4, ("a", "b", "c")),)),),
        ),
        ["5 objects that it owns go too:", "  1 ReplicaSet: rs", "    4 Pod: a, b, c and 1 more"],
    ),
    "nothing": (Surroundings(scope="owned"), ["owns nothing"]),
    "nothing that may be seen": (
        Surroundings(scope="owned", unseen=("pods", "secrets")),
        ["owns nothing, as far as can be seen", "PARTIAL: may not list pods, secrets."],
    ),
    "a namespace": (
        Surroundings(scope="inside", counts={"Pod": 2, "Service": 9}, missed=7),
        [
            "goes too: 9 Service, 2 Pod",
            "PARTIAL: at least 7 more objects not looked at (the walk is bounded).",
        ],
    ),
    "the objects of a kind": (
        Surroundings(scope="instances", counts={"Ledger": 3}, places={"a": 2, "b": 1}),
        ["goes too: 3 Ledger", "in namespaces a (2), b (1)"],
    ),
    "volumes by what becomes of them": (
        Surroundings(
            volumes=(Volume("a", "1Gi", "Delete"), Volume("b", "2Gi", ""), Volume("c", "3Gi", "Delete"))
        ),
        [
            "2 volume claims, 4Gi, reclaim Delete: a, c",
            "1 volume claim, 2Gi, reclaim unknown: b",
        ],
    ),
    "who depends on it": (
        Surroundings(idle=("web",), budgets=("web (minAvailable 1)",), scalers=("web (1 to 3 pods)",)),
        [
            "left without a pod: Service web",
            "disruption budget web (minAvailable 1): it does not stop this",
            "autoscaler web (1 to 3 pods) acts on it",
        ],
    ),
}


@pytest.mark.parametrize("sentence", LINES)
def test_the_lines_of_a_blast_radius(sentence):
    around, expected = LINES[sentence]
    assert blast_lines(around, stays=False, deleted=True) == expected
