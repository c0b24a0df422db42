"""The change an approver is asked about, recomputed from the live object as the gate will compute it.

A digest that was handed over is never signed (experience.md §2.2): both come from what the approver's own
credentials fetched, through the same functions that judge the real request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from peergate.approval.canonical import NotCanonical, TooLarge
from peergate.approval.change import change_digest, change_id
from peergate.approval.keyring import Keyring
from peergate.approval.options import OptionsRefused
from peergate.approval.projection import project_delete, project_update
from peergate.approval.statement import Statement
from peergate.approval.verify import Target as Reviewed
from peergate.approval.verify import Terms
from peergate.cli.asker import Asker
from peergate.cli.discovery import resource_of_kind
from peergate.cli.dry_run import dry_run
from peergate.cli.kube import Cluster
from peergate.cli.manifest import kind_of
from peergate.cli.situation import situation_of
from peergate.cli.targets import Target, read_target
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.gate.effects import finding_for
from peergate.gate.findings import Finding, Situation
from peergate.gate.matching import Match, match_rules
from peergate.gate.snapshot import Snapshot
from peergate.model.change import Change, Effect, Requester
from peergate.model.names import ChangeId, Digest, JsonObject

__all__ = [
    "Pending",
    "delete_options_from",
    "delete_options_of",
    "pending_change",
    "pending_delete",
    "pending_replace",
    "pending_unseen",
    "standing",
]


@dataclass(frozen=True, slots=True)
class Pending:
    """One exact change, not yet approved."""

    target: Target
    wanted: JsonObject | None
    """The object as it would be; ``None`` for a deletion."""
    asker: Asker
    change: Change
    digest: Digest
    id: ChangeId
    finding: Finding
    match: Match
    before: JsonObject
    """What ``from`` is the digest of."""
    after: JsonObject | None
    """What ``to`` is the digest of."""
    reviewed: Reviewed
    """The change as the verifier sees it."""
    snapshot: Snapshot
    protected: bool
    """Whether the gate guards this object at all."""
    unseen: tuple[str, ...]
    """What the approver may not read and had to be assumed."""


def pending_delete(
    cluster: Cluster,
    *,
    target: Target,
    asker: Asker,
    options: JsonObject,
) -> Pending:
    """Return the deletion of a live object with these DeleteOptions.

    Errors: CommandError when something needed can't be read, or no approval can cover it (exit code 3).
    """
    return pending_change(cluster, target=target, wanted=None, asker=asker, options=options)


def delete_options_of(statement: Statement) -> JsonObject:
    """Return the DeleteOptions of a request that uses exactly what the statement allows."""
    return delete_options_from(statement.predicate.options)


def delete_options_from(bound: Mapping[str, str | int]) -> JsonObject:
    """Return the DeleteOptions of a request that uses exactly what is bound."""
    names = (("propagationPolicy", "propagationPolicy"), ("minGracePeriodSeconds", "gracePeriodSeconds"))
    return {name: bound[member] for member, name in names if member in bound}


def pending_replace(
    cluster: Cluster,
    *,
    manifest: JsonObject,
    asker: Asker,
) -> Pending:
    """Return the replacement of a live object by the manifest, as the server would store it.

    A server-side dry run fills in defaults and runs the mutating webhooks, as the real request will.
    Errors: CommandError as above; also when there is no such object (a creation needs no approval), and with
        exit code 6 when it changes while this looks.
    """
    kind = kind_of(manifest)
    resource = resource_of_kind(cluster, kind)
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace") or cluster.namespace
    if resource.namespaced and namespace != cluster.namespace and cluster.namespace_given:
        raise CommandError(
            f"two namespaces; the manifest says {visible(str(namespace), limit=80)}, -n says "
            f"{visible(cluster.namespace, limit=80)}; correct one of them",
            exit_code=2,
        )
    target = read_target(cluster, resource=resource, name=metadata["name"], namespace=str(namespace))
    wanted = dry_run(cluster, target=target, manifest=manifest)
    return pending_change(cluster, target=target, wanted=wanted, asker=asker, options=None)


def pending_change(
    cluster: Cluster,
    *,
    target: Target,
    wanted: JsonObject | None,
    asker: Asker,
    options: JsonObject | None,
) -> Pending:
    """Return the change of a live object into the wanted one (``None``: its deletion, with these options).

    Errors: CommandError with exit code 2 when it needs no approval, 3 when none can cover it, 1 when what
        decides can't be read.
    """
    situation, protected, problem = situation_of(
        cluster, target=target, wanted=wanted, asker=asker, options=options
    )
    finding = finding_for(situation)
    if finding.effect is Effect.HARMLESS:
        raise CommandError(
            f"nothing to approve; {target.shown} would stay as it is; the agent needs no approval for this",
            exit_code=2,
        )
    if finding.effect is Effect.FORBIDDEN:
        raise CommandError(
            f"not approvable; the request {finding.why}; {finding.allowed or 'no signature covers this'}",
            exit_code=3,
        )
    match = match_rules(situation, effect=finding.effect)
    if not match.rules:
        raise CommandError(
            f"nothing to approve; no rule guards {target.shown}; the agent needs no approval for this",
            exit_code=2,
        )
    reviewed = _reviewed(situation, target=target)
    try:
        return _computed(
            target=target,
            wanted=wanted,
            asker=asker,
            finding=finding,
            match=match,
            reviewed=reviewed,
            snapshot=situation.snapshot,
            protected=protected and bool(match.enforced),
            unseen=(f"the policies ({problem}); the built-in rule is assumed",) if problem else (),
        )
    except (NotCanonical, TooLarge, OptionsRefused) as error:
        raise CommandError(
            f"not approvable; {visible(str(error))}; no signature covers this",
            exit_code=3,
        ) from error


def pending_unseen(
    cluster: Cluster, *, target: Target, asker: Asker, change: Change, effect: Effect
) -> Pending:
    """Return an update of which only the digests are known: to be shown, never to be signed.

    Errors: CommandError when something that decides can't be read.
    """
    situation, protected, problem = situation_of(
        cluster, target=target, wanted=target.live, asker=asker, options=None
    )
    match = match_rules(situation, effect=effect)
    before, _ = project_update(target.live, target.live, kind=target.kind)
    full = change_digest(change)
    return Pending(
        target=target,
        wanted=None,
        asker=asker,
        change=change,
        digest=full,
        id=change_id(full),
        finding=Finding(effect),
        match=match,
        before=before,
        after=None,
        reviewed=_reviewed(situation, target=target),
        snapshot=situation.snapshot,
        protected=protected and bool(match.enforced),
        unseen=(f"the policies ({problem}); the built-in rule is assumed",) if problem else (),
    )


def standing(cluster: Cluster, *, target: Target, asker: Asker) -> tuple[Reviewed, Terms, Keyring]:
    """Return what an approval of a replacement can be held against when what it becomes is not known.

    The object stands for its own replacement, so that of the digests only ``from`` can be judged.
    """
    situation, _, _ = situation_of(cluster, target=target, wanted=target.live, asker=asker, options=None)
    match = match_rules(situation, effect=Effect.REPLACE)
    return _reviewed(situation, target=target), match.terms, situation.snapshot.keyring


def _computed(
    *,
    target: Target,
    wanted: JsonObject | None,
    asker: Asker,
    finding: Finding,
    match: Match,
    reviewed: Reviewed,
    snapshot: Snapshot,
    protected: bool,
    unseen: tuple[str, ...],
) -> Pending:
    kind = target.kind
    change = reviewed.change(match.projection)
    before: JsonObject
    after: JsonObject | None
    if wanted is None:
        before, after = project_delete(target.live, kind=kind, projection=match.projection), None
    else:
        before, after = project_update(target.live, wanted, kind=kind)
    full = change_digest(change)
    return Pending(
        target=target,
        wanted=wanted,
        asker=asker,
        change=change,
        digest=full,
        id=change_id(full),
        finding=finding,
        match=match,
        before=before,
        after=after,
        reviewed=reviewed,
        snapshot=snapshot,
        protected=protected,
        unseen=unseen,
    )


def _reviewed(situation: Situation, *, target: Target) -> Reviewed:
    review = situation.review
    return Reviewed(
        audience=situation.snapshot.audience,
        operation="DELETE" if review.operation == "DELETE" else "UPDATE",
        object=target.ref,
        requester=Requester(username=review.user.username, uid=review.user.uid),
        requester_owner=situation.agent.owner,
        kind=review.kind,
        old=target.live,
        new=review.object,
        options=review.options,
    )
