"""The change that a ChangeRequest records, computed anew from the live object, and whether the two agree.

Nothing is believed: the live object is read with the reader's own credentials, the stored patch is applied to
it, and both digests and the id are made again (experience.md §2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from peergate.approval.canonical import NotCanonical, TooLarge
from peergate.approval.options import OptionsRefused
from peergate.approval.patches import PatchProblem, apply_patch
from peergate.approval.target import Target as Reviewed
from peergate.cli.asker import Asker, NoSuchAccount, find_asker
from peergate.cli.dry_run import dry_run
from peergate.cli.kube import Cluster
from peergate.cli.pending import Pending, delete_options_from, pending_change, pending_unseen
from peergate.cli.requests import Filed
from peergate.cli.retold import retold_otherwise
from peergate.cli.targets import Target, read_ref
from peergate.cli.text import visible
from peergate.cli.trust import audience_of
from peergate.errors import CommandError
from peergate.model.change import Change, Effect
from peergate.model.names import JsonObject

__all__ = [
    "Recomputed",
    "check_agrees",
    "is_incomplete",
    "recompute",
    "what_differs",
    "why_incomplete",
]

_ENDED: Final = 5
_DIFFERS: Final = 6
_CONFUSED: Final = 2


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A filed change as it really is now."""

    pending: Pending
    differs: tuple[str, ...]
    """In what the live object and the request do not agree, each one clause; none: they agree."""
    drifted: bool
    """Whether the object is another than when the request was filed."""
    whole: bool = True
    """False: what the object becomes is known in part only, and can't be signed."""


def recompute(cluster: Cluster, *, filed: Filed, manifest: JsonObject | None) -> Recomputed:
    """Return the change anew; a manifest stands in for a patch that is masked or cut.

    Errors: CommandError: exit code 5 when the object or the requester is gone or another one by now, 6 when
        the request is for another cluster, has a name that is not its own, or its patch does not fit the
        object; else as ``pending_change``.
    """
    audience = _check_container(cluster, filed=filed)
    target = read_ref(cluster, filed.change.object)
    asker = _asker(cluster, filed=filed)
    if filed.change.operation == "UPDATE" and manifest is None and is_incomplete(filed):
        return _in_part(cluster, filed=filed, target=target, asker=asker, audience=audience)
    wanted = _wanted(cluster, filed=filed, target=target, manifest=manifest)
    options = delete_options_from(filed.change.options) if wanted is None else None
    live = _change_now(target, wanted=wanted, asker=asker, options=options, filed=filed, audience=audience)
    differs = what_differs(filed.change, live)
    try:
        pending = pending_change(cluster, target=target, wanted=wanted, asker=asker, options=options)
    except CommandError as error:
        if differs:
            raise _disagrees(filed, differs) from error
        raise
    differs = what_differs(filed.change, pending.change)
    return Recomputed(
        pending=pending,
        differs=differs or retold_otherwise(filed, pending=pending),
        drifted=live.from_ != filed.change.from_,
    )


def is_incomplete(filed: Filed) -> bool:
    """Tell whether what an update makes of the object is not, or not wholly, in its request."""
    return not filed.spec.complete or filed.spec.patch is None


def why_incomplete(filed: Filed) -> str:
    """Return why the patch is not whole, in words."""
    ref = filed.change.object
    secret = (ref.group, ref.resource) == ("", "secrets")
    return "values of Secrets are never filed" if secret else "it is too large to be filed"


def check_agrees(filed: Filed, *, differs: tuple[str, ...], whole: bool) -> None:
    """Refuse what is not exactly what the request says, or is not known whole.

    Errors: CommandError with exit code 6 that says what differs, 2 when a manifest is needed.
    """
    if differs:
        raise _disagrees(filed, differs)
    if not whole:
        raise CommandError(
            f"incomplete; {filed.shown} holds no whole patch ({why_incomplete(filed)}); get the "
            "manifest from whoever runs the agent, and add -f FILE",
            exit_code=_CONFUSED,
        )


def what_differs(filed: Change, live: Change) -> tuple[str, ...]:
    """Return in what two changes differ, each member in words; none: they are the same one."""
    pairs: tuple[tuple[str, object, object], ...] = (
        ("it is for another cluster", filed.audience, live.audience),
        ("it is another operation", filed.operation, live.operation),
        ("it is about another object", filed.object, live.object),
        ("another account asks", filed.requester, live.requester),
        ("the rules bind this kind in another way now", filed.projection, live.projection),
        ("the object has changed since it was filed", filed.from_, live.from_),
        ("its patch does not give the object that it names", filed.to, live.to),
        ("the delete options are others", dict(filed.options), dict(live.options)),
    )
    found = tuple(words for words, one, other in pairs if one != other)
    # Where the object changed, what the patch makes of it says nothing about the patch.
    return found[:1] if filed.from_ != live.from_ and len(found) == 2 else found  # noqa: PLR2004 - from and to


def _disagrees(filed: Filed, differs: tuple[str, ...]) -> CommandError:
    return CommandError(
        f"what is filed is not what is there; {filed.shown}: {'; '.join(differs)}; nothing was signed; "
        "the agent sends the change again, which files what is true now",
        exit_code=_DIFFERS,
    )


def _check_container(cluster: Cluster, *, filed: Filed) -> str:
    audience = audience_of(cluster)
    if filed.change.audience != audience:
        raise CommandError(
            f"another cluster; {filed.shown} is about {visible(filed.change.audience, limit=80)}, this is "
            f"{audience}; nothing was signed; check --context",
            exit_code=_DIFFERS,
        )
    if not filed.is_named_so:
        raise CommandError(
            f"not what its name says; {filed.shown} records the change {filed.id}, so the operator has not "
            "filed it, or it was tampered with; nothing was signed; tell whoever runs Peergate",
            exit_code=_DIFFERS,
        )
    return audience


def _asker(cluster: Cluster, *, filed: Filed) -> Asker:
    wanted = filed.change.requester
    try:
        return find_asker(cluster, name=wanted.username, uid=wanted.uid)
    except NoSuchAccount as error:
        raise CommandError(
            f"the requester is gone; {visible(wanted.username)} does not exist any more, and nobody else can "
            "use an approval; nothing to decide",
            exit_code=_ENDED,
        ) from error


def _wanted(
    cluster: Cluster, *, filed: Filed, target: Target, manifest: JsonObject | None
) -> JsonObject | None:
    """Return the object as it would be: from the manifest if one is given, else from the patch."""
    if filed.change.operation == "DELETE":
        if manifest is not None:
            raise CommandError(f"{filed.shown} is a deletion; leave out -f", exit_code=_CONFUSED)
        return None
    if manifest is not None:
        return dry_run(cluster, target=target, manifest=manifest)
    try:
        return apply_patch(target.live, filed.spec.patch or ())
    except PatchProblem as problem:
        raise CommandError(
            f"what is filed is not what is there; {filed.shown}: its patch does not fit the object "
            f"({problem}), which has changed since, or the request was tampered with; nothing was signed; "
            "the agent sends the change again",
            exit_code=_DIFFERS,
        ) from problem


def _in_part(cluster: Cluster, *, filed: Filed, target: Target, asker: Asker, audience: str) -> Recomputed:
    """Return what can be said of an update whose outcome is not filed: all but what it becomes."""
    before = _change_now(
        target, wanted=target.live, asker=asker, options=None, filed=filed, audience=audience
    ).from_
    status = any(step.get("path", "").startswith("/status") for step in filed.spec.patch or ())
    # Where the status is part of it, what is bound before the change can't be told without the outcome.
    drifted = before != filed.change.from_ and not status
    pending = pending_unseen(
        cluster, target=target, asker=asker, change=filed.change, effect=Effect(filed.spec.effect)
    )
    return Recomputed(
        pending=pending,
        differs=("the object has changed since it was filed",) if drifted else (),
        drifted=drifted,
        whole=False,
    )


def _change_now(
    target: Target,
    *,
    wanted: JsonObject | None,
    asker: Asker,
    options: Mapping[str, object] | None,
    filed: Filed,
    audience: str,
) -> Change:
    reviewed = Reviewed(
        audience=audience,
        operation=filed.change.operation,
        object=target.ref,
        requester=asker.requester,
        requester_owner=asker.owner,
        kind=target.kind,
        old=target.live,
        new=wanted,
        options=None if options is None else dict(options),
    )
    try:
        return reviewed.change(filed.change.projection)
    except (NotCanonical, TooLarge, OptionsRefused) as error:
        raise CommandError(
            f"not approvable; {visible(str(error))}; no signature covers this", exit_code=3
        ) from error
