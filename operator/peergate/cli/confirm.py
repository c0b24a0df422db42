"""Ask before signing, the slower the more is at stake (experience.md §2.3).

Without a terminal nobody is asked; the caller then proves what was read with the change's id, which commits
to the content.
"""

from __future__ import annotations

import sys
import termios
from dataclasses import dataclass

import click

from peergate.cli.consequences import Tier
from peergate.cli.text import visible
from peergate.errors import CommandError

__all__ = ["Consent", "check_expected", "obtain"]

_DEFAULT_REASON = "reviewed"
_LONGEST_REASON = 512


@dataclass(frozen=True, slots=True)
class Consent:
    """What the command line says about asking."""

    yes: bool
    expect: str | None
    reason: str | None
    approver_class: str
    """``human`` or ``agent``."""
    unattended: str
    """The command that needs no terminal, to be shown."""


def check_expected(expect: str | None, *, change_id: str) -> None:
    """Refuse when the change that was reviewed elsewhere is not the one that is there now.

    Errors: CommandError with exit code 6.
    """
    if expect is None:
        return
    wanted = expect.replace(" ", "").lower()
    wanted = wanted if wanted.startswith("cr-") else f"cr-{wanted}"
    if wanted != change_id:
        raise CommandError(
            f"what was shown is not what is there; --expect says {visible(wanted, limit=60)}, "
            f"this is {change_id}; nothing was signed; review it again",
            exit_code=6,
        )


def obtain(*, tier: Tier, typed: str, consent: Consent, count: int = 1) -> str:
    """Return the reason, once the approver has said yes.

    ``typed`` is what has to be typed for an irreversible change, ``<kind>/<name>``; of several changes it is
    their ``count``.
    Errors: CommandError with exit code 2 when nobody can be asked and ``--yes --expect`` does not cover it, 3
        when the answer is no. ``click.Abort`` on Ctrl-C or end of input.
    """
    reason = _checked(consent.reason)
    if consent.yes:
        return _unattended(tier, reason=reason, consent=consent)
    if not sys.stdin.isatty():
        if tier is Tier.IRREVERSIBLE and consent.approver_class != "agent":
            raise CommandError(
                "no terminal; an irreversible change is signed by a person at a terminal; run it there",
                exit_code=2,
            )
        raise CommandError(
            f"no terminal to ask on; nothing was signed; if this is right: {consent.unattended}",
            exit_code=2,
        )
    # What was typed ahead, or pasted, must not answer a question that was not there yet.
    termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    if tier is not Tier.REVERSIBLE and not reason:
        reason = _checked(click.prompt("Reason", err=True))
    if tier is Tier.IRREVERSIBLE:
        answer = click.prompt(f"This can't be undone. Type {visible(typed)} to sign", err=True)
        if answer.strip() != typed:
            raise CommandError("not signed; what was typed is not its name; nothing was changed", exit_code=3)
    elif count > 1:
        answer = click.prompt(f"{count} signatures. Type how many to sign them", err=True)
        if answer.strip() != str(count):
            raise CommandError("not signed; that is another number; nothing was changed", exit_code=3)
    elif not click.confirm("Sign?", default=False, err=True):
        raise CommandError("not signed; the answer was no; nothing was changed", exit_code=3)
    return reason or _DEFAULT_REASON


def _unattended(tier: Tier, *, reason: str, consent: Consent) -> str:
    if consent.expect is None:
        raise CommandError(
            "--yes alone signs nothing; say which change you reviewed; if it is this one: "
            f"{consent.unattended}",
            exit_code=2,
        )
    if tier is Tier.IRREVERSIBLE and consent.approver_class != "agent":
        raise CommandError(
            "--yes is not for a person's irreversible change; that is signed at a terminal; run it there, "
            "without --yes",
            exit_code=2,
        )
    if tier is not Tier.REVERSIBLE and not reason:
        raise CommandError(
            f"no reason; a {tier} change needs one; add --reason '...'",
            exit_code=2,
        )
    return reason or _DEFAULT_REASON


def _checked(reason: str | None) -> str:
    text = (reason or "").strip()
    if len(text) > _LONGEST_REASON:
        raise CommandError(
            f"the reason is too long; {_LONGEST_REASON} characters fit; shorten it",
            exit_code=2,
        )
    if visible(text) != text:
        raise CommandError(
            "the reason holds invisible characters; approvals are plain one-line text; type it again",
            exit_code=2,
        )
    return text
