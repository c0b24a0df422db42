"""Which rules a change meets, and what those rules allow an approval to be (design.md §3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from peergate.approval.verify import Terms
from peergate.gate.exempt import only_exempt_differs
from peergate.gate.findings import Situation
from peergate.gate.policies import CompiledRule, covers
from peergate.gate.selectors import matches
from peergate.gate.shape import mapping
from peergate.model.change import Effect, Projection
from peergate.model.names import Digest
from peergate.model.review import Gate

__all__ = ["Match", "match_rules"]

_MAX_TTL: Final = timedelta(hours=24)
"""The hard cap on an approval's life, whatever a policy says (design.md §3)."""


@dataclass(frozen=True, slots=True)
class Match:
    """The rules that apply to one change, and their sum."""

    enforced: tuple[CompiledRule, ...]
    """Every one must be satisfied; sorted by name."""
    watched: tuple[CompiledRule, ...]
    """Rules of policies in mode Warn or Audit."""
    exempted: bool
    """Some rule matched, and every one that did exempts what changes."""
    projection: Projection
    terms: Terms
    hold: timedelta

    @property
    def rules(self) -> tuple[CompiledRule, ...]:
        """Return all of them."""
        return self.enforced + self.watched


def match_rules(situation: Situation, *, effect: Effect) -> Match:
    """Return the rules that a Delete or Replace meets."""
    candidates = [rule for rule in _candidates(situation, effect=effect) if _selects(rule, situation)]
    if effect is Effect.REPLACE:
        candidates += _left_behind(situation)
    left = [rule for rule in candidates if not _exempts(rule, situation, effect=effect)]
    enforced = tuple(sorted((rule for rule in left if rule.mode == "Enforce"), key=_by_name))
    watched = tuple(sorted((rule for rule in left if rule.mode != "Enforce"), key=_by_name))
    # Where Enforce rules apply, they alone say what an approval must look like: a policy that only watches
    # changes no verdict.
    deciding = enforced or watched
    projection = _projection(deciding, situation)
    return Match(
        enforced=enforced,
        watched=watched,
        exempted=bool(candidates) and not left,
        projection=projection,
        terms=Terms(
            max_ttl=min((rule.rule.max_ttl for rule in deciding), default=_MAX_TTL),
            projections=frozenset({projection}),
            ignore=_ignorable(deciding),
            policies=_policy_digests(deciding, situation),
        ),
        hold=max((rule.rule.hold for rule in enforced), default=timedelta(0)),
    )


def _by_name(rule: CompiledRule) -> str:
    return rule.name


def _candidates(situation: Situation, *, effect: Effect) -> tuple[CompiledRule, ...]:
    review, snapshot = situation.review, situation.snapshot
    operation: Literal["Delete", "Replace"] = "Delete" if effect is Effect.DELETE else "Replace"
    group, resource = review.resource.group, review.resource.resource
    if review.gate is Gate.CLUSTER:
        protected = group != "" or resource != "namespaces" or _is_protected_namespace(situation)
        return snapshot.policies.cluster(
            operation=operation, group=group, resource=resource, baseline=protected
        )
    namespace = situation.namespace
    return snapshot.policies.namespaced(
        namespace=namespace,
        labels=snapshot.namespaces.get(namespace, {}),
        operation=operation,
        group=group,
        resource=resource,
    )


def _is_protected_namespace(situation: Situation) -> bool:
    label = situation.snapshot.config.protected_label
    live = situation.snapshot.namespaces.get(str(situation.old_metadata.get("name", "")), {})
    return "true" in (mapping(situation.old_metadata.get("labels")).get(label), live.get(label))


def _selects(rule: CompiledRule, situation: Situation) -> bool:
    """Tell whether the rule's object selector matches the OLD object; where labels are unknown it matches."""
    if situation.review.subresource in {"scale", "eviction"} or situation.review.old_object is None:
        return True
    return matches(rule.rule.selector, mapping(situation.old_metadata.get("labels")))


def _left_behind(situation: Situation) -> list[CompiledRule]:
    """Return the rules for deletions alone that this update would take the object out of reach of."""
    old, new = (
        mapping(metadata.get("labels")) for metadata in (situation.old_metadata, situation.new_metadata)
    )
    if old == new:
        return []
    return [
        rule
        for rule in _candidates(situation, effect=Effect.DELETE)
        if "Replace" not in rule.rule.operations
        and matches(rule.rule.selector, old)
        and not matches(rule.rule.selector, new)
    ]


def _exempts(rule: CompiledRule, situation: Situation, *, effect: Effect) -> bool:
    """Tell whether everything that this update changes is exempt under the rule (never for a Delete)."""
    review = situation.review
    if (
        effect is not Effect.REPLACE
        or not rule.rule.exempt
        or review.old_object is None
        or review.object is None
    ):
        return False
    return only_exempt_differs(
        review.old_object,
        review.object,
        kind=review.kind,
        pointers=rule.rule.exempt,
        closed_labels=situation.snapshot.policies.selected_label_keys,
    )


def _projection(rules: Iterable[CompiledRule], situation: Situation) -> Projection:
    """Return how the object is bound: by identity only where every matching rule lists its kind (§5.2)."""
    resource = situation.review.resource
    if situation.operation != "DELETE":
        return "k8s-projection/v1"
    by_identity = all(
        covers(rule.rule.identity_kinds, group=resource.group, resource=resource.resource) for rule in rules
    )
    return "k8s-identity/v1" if by_identity else "k8s-projection/v1"


def _ignorable(rules: Iterable[CompiledRule]) -> frozenset[str]:
    """Return the pointers that every matching rule lets an approval leave unbound (§5.4)."""
    lists = [frozenset(rule.rule.ignore) for rule in rules]
    return frozenset.intersection(*lists) if lists else frozenset()


def _policy_digests(rules: Iterable[CompiledRule], situation: Situation) -> dict[str, Digest]:
    digests = situation.snapshot.policies.digests
    names = {rule.name.rsplit("/", 1)[0] for rule in rules}
    return {name: digests[name] for name in names if name in digests}
