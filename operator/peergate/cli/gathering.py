"""Gather a dossier: what a change is, what it does, what stands around it, who may decide it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from peergate.approval.statement import Statement
from peergate.cli.asker import find_asker
from peergate.cli.consequences import Consequence, Tier, of_delete, of_update
from peergate.cli.diff import Difference, differences
from peergate.cli.dossier import Dossier, FiledPart, Place, Reviewed
from peergate.cli.filed_change import recompute
from peergate.cli.history import History, history_of
from peergate.cli.independence import independence_problem
from peergate.cli.kube import Cluster
from peergate.cli.look_around import look_around
from peergate.cli.manifest import read_manifest
from peergate.cli.masked_patch import differences_of_masked
from peergate.cli.origin import origin_of
from peergate.cli.pending import Pending, delete_options_of, pending_delete, pending_replace
from peergate.cli.request import Request, delete_options
from peergate.cli.requests import Filed, find_request, state_of
from peergate.cli.signing import Signatory
from peergate.cli.standing import annotations_of, standing_of
from peergate.cli.targets import find_pod, find_target
from peergate.cli.text import visible
from peergate.cli.when import clock
from peergate.cli.whoami import Me, who_am_i
from peergate.gate.shape import mapping, sequence

__all__ = ["direct_dossier", "filed_dossier"]

_SHOWN: Final = 5


def direct_dossier(
    cluster: Cluster, *, request: Request, statement: Statement | None, now: datetime
) -> Dossier:
    """Return what is known of ``delete TYPE/NAME`` or ``replace -f FILE``; a statement gives who and how.

    Errors: CommandError, as the look-ups give them.
    """
    if statement is None:
        name, uid = request.requester, request.requester_uid
        options = delete_options(request)
    else:
        wanted = statement.predicate.requester
        name, uid = wanted.username, wanted.uid
        options = delete_options_of(statement)
    if request.words[0] in {"delete", "evict"}:
        find = find_pod if request.words[0] == "evict" else find_target
        target = find(cluster, words=request.words[1:])
        asker = find_asker(cluster, name=name, uid=uid)
        pending = pending_delete(cluster, target=target, asker=asker, options=options)
    else:
        manifest = read_manifest(request.file or "-")
        asker = find_asker(cluster, name=name, uid=uid)
        pending = pending_replace(cluster, manifest=manifest, asker=asker)
    return _dossier(cluster, pending, now=now)


def filed_dossier(
    cluster: Cluster,
    word: str,
    *,
    now: datetime,
    file: str | None = None,
    history: bool = True,
    ask_me: bool = False,
) -> Dossier:
    """Return what is known of a ChangeRequest; a manifest stands in for a patch that is not whole.

    Errors: CommandError, as ``find_request`` and ``recompute`` give them.
    """
    filed = find_request(cluster, word)
    manifest = None if file is None else read_manifest(file)
    again = recompute(cluster, filed=filed, manifest=manifest)
    part = FiledPart(
        filed=filed,
        state=state_of(filed, now=now),
        differs=again.differs,
        drift=(
            *_other_owner(filed, owner=again.pending.asker.owner),
            *_writers(again.pending, since=filed.spec.filed_at, drifted=again.drifted, now=now),
        ),
        whole=again.whole,
        history=history_of(cluster, filed=filed, now=now) if history else History(),
        origin=origin_of(cluster, filed),
    )
    me = who_am_i(cluster, keyring=again.pending.snapshot.keyring) if ask_me else None
    return _dossier(cluster, again.pending, now=now, part=part, me=me)


def _dossier(
    cluster: Cluster, pending: Pending, *, now: datetime, part: FiledPart | None = None, me: Me | None = None
) -> Dossier:
    carriers = [annotations_of(pending.target.object)]
    if part is not None:
        carriers.append(part.filed.annotations)
    may_not = ""
    if me is not None and me.approver is not None:
        may_not = _problem(pending, Signatory(approver=me.approver, key=None), now=now)
    return Dossier(
        reviewed=_reviewed(cluster, pending, part=part),
        place=Place(cluster=cluster.name, context=cluster.context),
        now=now,
        standing=standing_of(pending, carriers=carriers, now=now),
        me=me,
        may_not=may_not,
        others_may_not=tuple(_excluded(pending, me=me, now=now)),
        filed=part,
    )


def _reviewed(cluster: Cluster, pending: Pending, *, part: FiledPart | None) -> Reviewed:
    target = pending.target
    around = look_around(cluster, target=target, wanted=_wanted(pending))
    if pending.change.operation == "DELETE":
        consequence = of_delete(
            kind=target.resource.kind,
            live=target.object,
            cascade=str(pending.change.options.get("propagationPolicy", "")),
            around=around,
        )
        return Reviewed(pending=pending, consequence=consequence, found=(), around=around)
    found = _differences(pending, filed=None if part is None or part.whole else part.filed)
    if part is not None and not part.whole and not found:
        consequence = Consequence(Tier.IRREVERSIBLE, "what it changes is not filed")
    else:
        consequence = of_update(kind=target.kind, live=target.live, found=found)
    return Reviewed(pending=pending, consequence=consequence, found=found, around=around)


def _wanted(pending: Pending) -> dict[str, object] | None:
    if pending.change.operation == "DELETE":
        return None
    return pending.target.live if pending.wanted is None else pending.wanted


def _differences(pending: Pending, *, filed: Filed | None) -> tuple[Difference, ...]:
    """Return how before and after differ; of a patch that is not whole, what it says."""
    if filed is None:
        return differences(pending.before, pending.after or {})
    return differences_of_masked(pending.before, filed.spec.patch or ())


def _writers(pending: Pending, *, since: datetime, drifted: bool, now: datetime) -> Iterable[str]:
    """Yield who has written to the object since, by the field managers' own names (F5: no evidence).

    Times are whole seconds: what was written in the second of filing came after it if the object drifted.
    """
    found: dict[str, datetime] = {}
    for field in sequence(mapping(pending.target.object.get("metadata")).get("managedFields")):
        try:
            when = datetime.fromisoformat(str(mapping(field).get("time")))
        except ValueError:
            continue
        if when.tzinfo is not None and (when > since or (drifted and when == since)):
            part = f", its {field['subresource']}" if mapping(field).get("subresource") else ""
            name = visible(f"{mapping(field).get('manager')}{part}", limit=120)
            found[name] = max(when, found.get(name, when))
    for name, when in sorted(found.items(), key=lambda one: one[1]):
        yield f"written to by {name} at {clock(when, now=now)}"


def _other_owner(filed: Filed, *, owner: str) -> Iterable[str]:
    before = filed.spec.requester.owner
    if before != owner:
        shown = visible(owner, limit=253) or "nobody"
        yield f"the requester's owner is now {shown}, and was {visible(before, limit=253) or 'nobody'}"


def _problem(pending: Pending, signatory: Signatory, *, now: datetime) -> str:
    return independence_problem(signatory, asker=pending.asker, rules=pending.match.enforced, now=now)


def _excluded(pending: Pending, *, me: Me | None, now: datetime) -> Iterable[str]:
    """Yield the registered approvers who may not sign, each with why; the reader is told apart."""
    own = None if me is None or me.approver is None else me.approver.identity
    keyring = pending.snapshot.keyring
    reasons = [
        reason
        for identity, approver in sorted(keyring.approvers.items())
        if identity != own and (reason := _problem(pending, Signatory(approver=approver, key=None), now=now))
    ]
    yield from reasons[:_SHOWN]
    if len(reasons) > _SHOWN:
        yield f"and {len(reasons) - _SHOWN} more"
