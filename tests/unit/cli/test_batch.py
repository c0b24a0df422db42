"""Several requests are approved in one go only where they are the same change to things of one kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.pendings import dossier_of, pending_of

from peergate.approval.change import grouped
from peergate.cli.batch import batch_lines, check_batch
from peergate.cli.consequences import Tier
from peergate.cli.diff import Difference, Sign
from peergate.cli.dossier import Dossier
from peergate.errors import CommandError
from peergate.gate.policies import BASELINE, BUILT_IN
from peergate.model.change import Requester
from peergate.model.review import Kind

DEPLOYMENT = Kind("apps", "v1", "Deployment")
BACKGROUND = {"propagationPolicy": "Background"}
SET = (Difference(Sign.CHANGED, ("spec", "replicas"), 1, 2),)
UNSET = (Difference(Sign.CHANGED, ("spec", "replicas"), 1, 3),)


def usual(name: str = "a", **how: object) -> Dossier:
    given = {"kind": DEPLOYMENT, "options": BACKGROUND, **how}
    kind = given.pop("kind")
    return dossier_of(pending_of(kind, name, **given))


MAKE: dict[str, tuple[Callable[[], Dossier], str]] = {
    "another agent": (
        lambda: usual("b", requester=Requester("system:serviceaccount:agents:two", "b7a2c1d0")),
        "the requester",
    ),
    "another account of the same name": (
        lambda: usual("b", requester=Requester("system:serviceaccount:agents:bot", "other")),
        "the requester",
    ),
    "another rule": (lambda: usual("b", rules=(BASELINE,)), "the rule"),
    "one more rule": (lambda: usual("b", rules=(BASELINE, BUILT_IN)), "the rule"),
    "an update among deletions": (lambda: usual("b", operation="UPDATE"), "the operation"),
    "an eviction among deletions": (lambda: usual("b", subresource="eviction"), "the operation"),
    "another propagation": (lambda: usual("b", options={"propagationPolicy": "Orphan"}), "the operation"),
    "a shorter grace": (
        lambda: usual("b", options={**BACKGROUND, "minGracePeriodSeconds": 0}),
        "the operation",
    ),
    "another kind": (lambda: usual("b", kind=Kind("apps", "v1", "StatefulSet")), "the kind"),
    "a kind of that name in another group": (
        lambda: usual("b", kind=Kind("example.com", "v1", "Deployment")),
        "the kind",
    ),
    "another difference": (lambda: dossier_of(usual("b").reviewed.pending, found=SET), "the difference"),
    "a worse end": (lambda: dossier_of(usual("b").reviewed.pending, tier=Tier.REVERSIBLE), "what happens"),
    "another end": (lambda: dossier_of(usual("b").reviewed.pending, what="stops 4 pods"), "what happens"),
}


@pytest.mark.parametrize("sentence", MAKE)
@pytest.mark.parametrize("place", [1, 2])
def test_not_with(sentence, place):
    make, what = MAKE[sentence]
    together = [usual("a"), usual("c"), usual("d")]
    together[place] = make()
    with pytest.raises(CommandError) as caught:
        check_batch(together)
    assert str(caught.value.user_message) == (
        f"not alike; {what} differs between these requests; approve them one by one"
    )
    assert caught.value.exit_code == 2


def test_updates_with_the_same_difference_go_together():
    check_batch([dossier_of(usual(name, operation="UPDATE").reviewed.pending, found=SET) for name in "ab"])
    other = dossier_of(usual("c", operation="UPDATE").reviewed.pending, found=UNSET)
    with pytest.raises(CommandError, match="the difference differs"):
        check_batch([dossier_of(usual("a", operation="UPDATE").reviewed.pending, found=SET), other])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_cannot_be_undone_is_approved_alone(place):
    together = [usual("a"), usual("b"), usual("c")]
    together[place] = dossier_of(together[place].reviewed.pending, tier=Tier.IRREVERSIBLE)
    with pytest.raises(CommandError, match="never together; one of these can't be undone"):
        check_batch(together)


def test_twenty_go_together_and_one_more_does_not():
    many = [usual(f"n{number}") for number in range(21)]
    check_batch(many[:20])
    with pytest.raises(CommandError, match="too many; 21 requests, 20 at most"):
        check_batch(many)


def test_each_is_named_by_its_own_id_and_object():
    first, second = usual("a"), usual("b\x1b[2J")
    assert batch_lines([first, second]) == [
        "The same for 2 objects, one signature each:",
        f"  {grouped(first.reviewed.pending.id)}  Deployment shop/a",
        f"  {grouped(second.reviewed.pending.id)}  Deployment shop/b\\x1b[2J",
    ]


def test_a_long_name_is_cut_and_says_so():
    [_, line] = batch_lines([usual("n" * 100)])
    assert line.endswith("... (+66 characters)")


def test_a_namespace_elsewhere_is_no_difference():
    check_batch([usual("a"), usual("b", namespace="other")])
