"""Whether a ChangeRequest tells of its change as the operator would: its line for lists, and its effect.

Nobody signs these words, but people act on what a list says; a request that tells another story than its
change was tampered with.
"""

from __future__ import annotations

import re
from typing import Final

from peergate.approval.canonical import NotCanonical, TooLarge
from peergate.cli.pending import Pending
from peergate.cli.requests import Filed
from peergate.gate.record import Draft, NotAsReviewed, spec_of
from peergate.model.decision import Facts, Filing

__all__ = ["retold_otherwise"]

_NOTE: Final = re.compile(r" \([a-z0-9 ]{1,40}\)")
"""A word on the effect, which the operator takes from the request itself: of a collection, say."""


def retold_otherwise(filed: Filed, *, pending: Pending) -> tuple[str, ...]:
    """Return in which words the request differs from what the operator would write, each as a clause.

    Only where the content is bound: what an identity binds may change, and then other words are right.
    """
    if pending.change.projection != "k8s-projection/v1":
        return ()
    draft = Draft(
        change=pending.change,
        facts=Facts(
            owner=filed.spec.requester.owner,
            effect=pending.finding.effect,
            rules=tuple(filed.spec.rules),
            note=pending.finding.note,
        ),
        filing=Filing(namespace=filed.namespace, filed_at=filed.spec.filed_at, expires=filed.spec.expires),
        wanted=pending.wanted,
    )
    try:
        told = str(spec_of(draft, pending.target.live)["summary"])
    except (NotAsReviewed, NotCanonical, TooLarge):
        return ("the operator would not have filed this",)
    if _plain(told) != _plain(filed.spec.summary):
        return ("its summary tells of another change",)
    return ()


def _plain(summary: str) -> str:
    return _NOTE.sub("", summary, count=1)
