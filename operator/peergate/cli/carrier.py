"""Put an approval into a free slot of a carrier: the object it is about, or the ChangeRequest.

One annotation is written and nothing else; an approval of somebody else is never overwritten, not even one
that arrives at the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from peergate.approval.carriers import MAX_SLOTS, slot_of
from peergate.cli.envelopes import Approval, Malformed, read_value, slot_for
from peergate.cli.kube import ApiError, Cluster
from peergate.cli.output import Output
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import APPROVAL_SLOT_PREFIX, JsonObject

__all__ = ["Carrier", "carry"]

_REFUSED: Final = 3
_CONFLICT: Final = 409
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Carrier:
    """What an approval is put on."""

    path: str
    live: JsonObject
    shown: str
    """As one reads it."""
    quoted: str
    """``TYPE/NAME`` for a command that somebody copies."""
    idle: frozenset[str] = frozenset()
    """Slots whose content does not count, to be taken when no other is free."""
    appends: bool = False
    """Take a free slot as long as there is one. On a ChangeRequest only a person may overwrite other bytes
    (design.md §3), and what the requester put there in advance must not be in anybody's way."""


def carry(
    out: Output,
    *,
    cluster: Cluster,
    carrier: Carrier,
    approval: Approval,
    slot: str | None,
) -> str:
    """Put the approval on the carrier and return the key of the annotation.

    Errors: CommandError with exit code 3 when eight others are there, or the slot that was asked for is
        another approver's.
    """
    live = carrier.live
    for _ in range(_TRIES):
        annotations = live["metadata"].get("annotations") or {}
        key = APPROVAL_SLOT_PREFIX + (slot or _choose(annotations, approval=approval, carrier=carrier))
        _check_room(carrier, annotations=annotations, key=key)
        if annotations.get(key) == approval.value:
            out.say(f"{carrier.shown} carries this approval already ({key})")
            return key
        # The version makes the server refuse when somebody else wrote in between: look again, then choose.
        metadata = {
            "annotations": {key: approval.value},
            "resourceVersion": live["metadata"]["resourceVersion"],
        }
        try:
            cluster.patch(carrier.path, {"metadata": metadata})
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            live = cluster.get(carrier.path)
            continue
        verb = "replaced the approval" if key in annotations else "attached the approval"
        who = visible(approval.statement.predicate.approver)
        out.say(f"{out.good(verb)} of {who} to {carrier.shown} ({key}); nothing else changed")
        return key
    raise CommandError(
        f"{carrier.shown} is written to all the time; the approval is not on it; run the command again"
    )


def _check_room(carrier: Carrier, *, annotations: dict[str, Any], key: str) -> None:
    occupied = [name for name in annotations if slot_of(name) is not None and name != key]
    if key not in annotations and len(occupied) >= MAX_SLOTS:
        raise CommandError(
            f"no room; {carrier.shown} carries {MAX_SLOTS} approvals already; remove one: "
            f"kubectl annotate {carrier.quoted} {visible(occupied[0])}-",
            exit_code=_REFUSED,
        )


def _choose(annotations: dict[str, Any], *, approval: Approval, carrier: Carrier) -> str:
    """Return the approver's slot, or one beside it when somebody else's approval is in there."""
    base = slot_for(_approver(approval))
    slots = [base, *(f"{base[:29]}-{number}" for number in range(2, MAX_SLOTS + 2))]
    held = {slot: annotations.get(APPROVAL_SLOT_PREFIX + slot) for slot in slots}
    same = [slot for slot in slots if held[slot] == approval.value]
    free = [slot for slot in slots if held[slot] is None]
    own = [slot for slot in slots if _approver_of(held[slot]) in {"", _approver(approval)}]
    full = sum(slot_of(name) is not None for name in annotations) >= MAX_SLOTS
    if same:
        return same[0]
    if carrier.appends:
        idle = sorted(slot for slot in carrier.idle if APPROVAL_SLOT_PREFIX + slot in annotations)
        return (_idle(annotations) or own or idle or free)[0] if full else free[0]
    usable = [slot for slot in slots if slot in own or slot in free]
    return usable[0] if usable else base


def _idle(annotations: dict[str, Any]) -> list[str]:
    """Return the slots whose content is no approval at all."""
    found = ((slot_of(name), value) for name, value in annotations.items())
    return [slot for slot, value in found if slot is not None and not _approver_of(value)]


def _approver(approval: Approval) -> str:
    return approval.statement.predicate.approver


def _approver_of(value: object) -> str | None:
    """Return whose approval it says to be; empty for what is none, ``None`` for an empty slot."""
    if value is None:
        return None
    try:
        return _approver(read_value(str(value)))
    except Malformed:
        return ""
