"""What is decided already, before anybody is asked to sign."""

from __future__ import annotations

from typing import Final

from peergate.cli.dossier import Dossier
from peergate.cli.output import Output
from peergate.cli.signing import Signatory
from peergate.cli.text import visible
from peergate.cli.when import clock, left
from peergate.errors import CommandError

__all__ = ["already_decided", "until_words"]

_REFUSED: Final = 3
_ENDED: Final = 5


def already_decided(out: Output, dossier: Dossier, *, by: Signatory) -> bool:
    """Tell whether another signature would have no effect, and say so.

    Errors: CommandError for a request that is over: exit code 3 rejected, 5 expired, used or stale.
    """
    part, standing = dossier.filed, dossier.standing
    if part is None:
        return False
    if part.state not in {"Pending", "Approved"}:
        rejection = part.filed.status.rejection
        by_whom = f" by {visible(rejection.by)}" if part.state == "Rejected" and rejection is not None else ""
        raise CommandError(
            f"no effect: decided already; {part.filed.shown} is {part.state.lower()}{by_whom}; nothing was "
            "signed; a change that is still wanted is asked for again by the agent",
            exit_code=_REFUSED if part.state == "Rejected" else _ENDED,
        )
    if standing.complete:
        out.say(f"no effect: decided already: {part.filed.shown} is complete, {until_words(dossier)}")
        return True
    if by.approver.identity in standing.identities:
        out.say(f"no effect: you have signed {part.filed.shown} already; {standing.words}")
        return True
    return False


def until_words(dossier: Dossier) -> str:
    """Return ``the agent may retry until 12:15 (14 min)``."""
    until = dossier.standing.until
    if until is None:
        return "nobody has signed"
    return f"the agent may retry until {clock(until, now=dossier.now)} ({left(until, now=dossier.now)})"
