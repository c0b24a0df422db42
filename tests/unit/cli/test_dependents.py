"""What the garbage collector takes along, from metadata alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from peergate.cli.dependents import dependents_of
from peergate.cli.discovery import ApiResource
from peergate.cli.surroundings import Branch
from peergate.cli.walk import Found, Listing
from peergate.model.review import Kind


def _resource(kind: str) -> ApiResource:
    return ApiResource(
        kind=Kind("", "v1", kind), plural=f"{kind.lower()}s", singular="", short=(), namespaced=True
    )


@dataclass(frozen=True, slots=True)
class Case:
    objects: dict[str, list[tuple[str, tuple[str, ...]]]]
    """By kind: name (which is the uid as well) and the uids of owners."""
    counts: dict[str, int]
    tree: tuple[Branch, ...] = ()
    kept: int = 0
    extra: list[object] = field(default_factory=list)


CASES = {
    "nothing names it as owner": Case({"Pod": [("p", ("other",)), ("q", ())]}, {}),
    "owners of owners": Case(
        {"ReplicaSet": [("rs", ("root",))], "Pod": [("a", ("rs",)), ("b", ("rs",))]},
        {"Pod": 2, "ReplicaSet": 1},
        (Branch("ReplicaSet", 1, ("rs",), (Branch("Pod", 2, ("a", "b")),)),),
    ),
    "only the first names of many are kept": Case(
        {"Pod": [(f"p{number}", ("root",)) for number in range(5)]},
        {"Pod": 5},
        (Branch("Pod", 5, ("p0", "p1", "p2")),),
    ),
    "another owner that stays keeps it": Case({"Pod": [("a", ("root", "stays"))]}, {}, kept=1),
    "another owner that goes as well does not": Case(
        {"ReplicaSet": [("rs", ("root",))], "Pod": [("a", ("root", "rs"))]},
        {"Pod": 1, "ReplicaSet": 1},
        (Branch("Pod", 1, ("a",)), Branch("ReplicaSet", 1, ("rs",))),
    ),
    "a circle of owners ends": Case(
        {"Pod": [("a", ("root",)), ("root", ("a",))]}, {"Pod": 1}, (Branch("Pod", 1, ("a",)),)
    ),
    "names are made visible": Case(
        {"Pod": [("a\x1b[2J", ("root",))]}, {"Pod": 1}, (Branch("Pod", 1, ("a\\x1b[2J",)),)
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_what_goes_with_the_owner(sentence):
    case = CASES[sentence]
    listings = tuple(
        Listing(
            _resource(kind),
            tuple(
                {"uid": name, "name": name, "ownerReferences": [{"uid": owner} for owner in owners]}
                for name, owners in objects
            ),
        )
        for kind, objects in case.objects.items()
    )
    owned = dependents_of("root", found=Found(listings))
    assert (dict(owned.counts), owned.tree, owned.kept) == (case.counts, case.tree, case.kept)


def test_metadata_of_an_odd_shape_owns_nothing():
    odd = ({"ownerReferences": "x"}, {"ownerReferences": [7, {"uid": None}]}, {})
    assert dependents_of("root", found=Found((Listing(_resource("Pod"), odd),))).counts == {}


def test_a_chain_is_followed_only_so_far():
    objects = tuple(
        {"uid": f"n{number + 1}", "name": f"n{number + 1}", "ownerReferences": [{"uid": f"n{number}"}]}
        for number in range(40)
    )
    owned = dependents_of("n0", found=Found((Listing(_resource("Pod"), objects),)))
    depth, branches = 0, owned.tree
    while branches:
        depth, branches = depth + 1, branches[0].below
    assert (dict(owned.counts), depth) == ({"Pod": 40}, 16)
