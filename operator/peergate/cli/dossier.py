"""Everything that is known about one change before it is decided: gathered once, then shown and signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from peergate.cli.consequences import Consequence
from peergate.cli.diff import Difference, render
from peergate.cli.history import History
from peergate.cli.origin import Origin
from peergate.cli.pending import Pending
from peergate.cli.requests import Filed
from peergate.cli.standing import Standing
from peergate.cli.surroundings import Surroundings
from peergate.cli.whoami import Me
from peergate.model.changerequest import RequestState
from peergate.model.names import REASON_ANNOTATION, TICKET_ANNOTATION, Digest

__all__ = ["Dossier", "FiledPart", "Place", "Reviewed", "SignedBy"]


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster this is."""

    cluster: str
    context: str


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Who is about to sign, and for how long."""

    identity: str
    class_: str
    owner: str
    key_id: str
    key_comment: str
    now: datetime
    ttl: timedelta


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A change with what it does."""

    pending: Pending
    consequence: Consequence
    found: tuple[Difference, ...]
    around: Surroundings

    @property
    def display(self) -> Digest:
        """Return the SHA-256 of what the approver is shown (approval-format.md §3).

        Of a deletion: of the counts, in canonical JSON. Of an update: of the lines of the difference.
        """
        if self.pending.change.operation == "DELETE":
            return self.around.digest
        lines = "".join(f"{line}\n" for line in render(self.found))
        return Digest(sha256(lines.encode("utf-8", "surrogatepass")).hexdigest())


@dataclass(frozen=True, slots=True)
class FiledPart:
    """What only a filed change has."""

    filed: Filed
    state: RequestState
    differs: tuple[str, ...]
    """In what it does not agree with the live object; none: it does."""
    drift: tuple[str, ...]
    """What happened to object and requester since it was filed, each in words."""
    whole: bool
    """False: what the object becomes is not filed whole."""
    history: History
    origin: Origin | None = None
    """The Pod that it is said to have come from."""

    @property
    def reason(self) -> str:
        """Return what the agent says it wants this for; nobody has checked it."""
        return str(self.filed.annotations.get(REASON_ANNOTATION) or "")

    @property
    def ticket(self) -> str:
        """Return the ticket the agent names; nobody has checked it."""
        return str(self.filed.annotations.get(TICKET_ANNOTATION) or "")


@dataclass(frozen=True, slots=True)
class Dossier:
    """One change, and all that an approver reads of it."""

    reviewed: Reviewed
    place: Place
    now: datetime
    standing: Standing
    by: SignedBy | None = None
    """``None`` when nobody is about to sign."""
    me: Me | None = None
    may_not: str = ""
    """Why the user at the prompt may not sign; empty: may, or is not known."""
    others_may_not: tuple[str, ...] = ()
    """Registered approvers who may not sign this, each with why."""
    filed: FiledPart | None = None
