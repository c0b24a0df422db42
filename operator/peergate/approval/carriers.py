"""Where approvals are carried: annotations under the reserved prefix (approval-format.md §1.2 to §1.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from peergate.approval.envelope import MAX_ENVELOPE_BYTES
from peergate.model.decision import Code
from peergate.model.names import APPROVAL_KEY_PREFIX, APPROVAL_SLOT_PREFIX

__all__ = ["MAX_SLOTS", "Carried", "Collected", "collect", "reserved_key_problem", "slot_of"]

MAX_SLOTS: Final = 8
"""Approvals on one carrier: what eight approvers need; bounds the work of one review (A13)."""
_SLOT: Final = re.compile(re.escape(APPROVAL_SLOT_PREFIX) + r"([a-z0-9](?:[-a-z0-9]{0,30}[a-z0-9])?)")


@dataclass(frozen=True, slots=True)
class Carried:
    """One approval as it was found; not looked at yet."""

    slot: str
    """Never part of a verdict."""
    annotation: str
    """The full annotation key."""
    value: str


@dataclass(frozen=True, slots=True)
class Collected:
    """What the carriers of one review hold."""

    approvals: tuple[Carried, ...] = ()
    """Equal values once, in the order of carriers and then of slots."""
    problem: Code | None = None
    """``TooManyApprovals`` when a carrier has more than 8: then nothing on any of them is read."""


def slot_of(annotation: str) -> str | None:
    """Return the slot that an annotation key names, ``None`` if it is no approval's key."""
    found = _SLOT.fullmatch(annotation)
    return None if found is None else found[1]


def collect(*carriers: Mapping[str, Any] | None) -> Collected:
    """Return the approvals on some carriers, given by their ``metadata.annotations`` (V6).

    Order is for diagnostics only. Equal payloads in different envelopes are the caller's to merge.
    """
    found: dict[str, Carried] = {}
    for carrier in carriers:
        slots = _slots(carrier)
        if len(slots) > MAX_SLOTS:
            return Collected(problem=Code.TOO_MANY_APPROVALS)
        for annotation, slot in sorted(slots.items()):
            value = _read(carrier)[annotation]
            found.setdefault(value, Carried(slot=slot, annotation=annotation, value=value))
    return Collected(approvals=tuple(found.values()))


def reserved_key_problem(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Code | None:
    """Return why an otherwise harmless update of annotations must be refused, ``None`` if it need not.

    Given both ``metadata.annotations``. Looks only at reserved keys that the update adds or changes; their
    values are not verified yet.
    Source: approval-format.md §1.4, V5.
    """
    before, after = _read(old), _read(new)
    touched = {
        annotation: value
        for annotation, value in after.items()
        if annotation.startswith(APPROVAL_KEY_PREFIX) and before.get(annotation) != value
    }
    if any(slot_of(annotation) is None for annotation in touched):
        return Code.APPROVAL_MALFORMED
    if any(len(str(value).encode(errors="surrogatepass")) > MAX_ENVELOPE_BYTES for value in touched.values()):
        return Code.APPROVAL_TOO_LARGE
    if len(_slots(after)) > MAX_SLOTS and any(annotation not in before for annotation in touched):
        return Code.TOO_MANY_APPROVALS
    return None


def _read(annotations: object) -> Mapping[str, Any]:
    return annotations if isinstance(annotations, Mapping) else {}


def _slots(annotations: object) -> dict[str, str]:
    slots = {}
    for annotation, value in _read(annotations).items():
        slot = slot_of(annotation)
        if slot is not None and isinstance(value, str):
            slots[annotation] = slot
    return slots
