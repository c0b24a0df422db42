"""The webhook configuration against what was shipped: who is sent to the gate, of what, and where to."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from peergate.cli.doctor.finding import Finding, Theme, fail, names, ok, warn
from peergate.cli.doctor.seen import Seen
from peergate.cli.text import plural, visible
from peergate.gate.principal import Agent, identify
from peergate.model.names import JsonObject
from peergate.model.review import Gate, User
from peergate.settings import Settings
from peergate.shipped.companions import companion_policies
from peergate.shipped.drift import Difference, differences
from peergate.shipped.listed import Listed, listed_in, live_conditions
from peergate.shipped.standing import Standing, compare_companions
from peergate.shipped.webhookconfig import (
    AGENTS_CONDITION,
    Narrowing,
    Wide,
    entry_name,
    exact_condition,
    render,
    service_client_config,
)

__all__ = ["companion_findings", "condition_findings", "configuration_findings", "shipped_configuration"]

_PREFIX: Final = "system:serviceaccount:"
_JUDGING: Final = frozenset(entry_name(gate) for gate in Gate) - {entry_name(Gate.RESOURCES)}
_COSTS: Final[Mapping[str, str]] = {
    "absent": "What it watches over is not guarded.",
    "foreign": "Somebody added it; what it refuses or waits for is not Peergate's.",
    "service": "Reviews go elsewhere; whoever answers there decides.",
    "path": "Reviews go elsewhere; an answer from a wrong path is a failure.",
    "rules": "Requests that it should see may pass unseen.",
    "namespaceSelector": "Namespaces may have fallen out of the gate.",
    "objectSelector": "Objects may have fallen out of the gate; one label is enough to get past (C7).",
    "matchPolicy": "Other API versions of the same object may pass unseen.",
    "matchConditions": "Agents may not be sent to the gate.",
    "failurePolicy": "While no replica answers, agents delete and replace without a peer.",
    "sideEffects": "Dry runs may be refused, or be taken for real.",
    "timeoutSeconds": "The operator's deadline no longer fits: refusals may come too late to be read.",
}
_HARMLESS: Final = frozenset({"foreign", "sideEffects", "timeoutSeconds"})
_MERGED: Final = frozenset({"foreign", "matchConditions", "namespaceSelector", "objectSelector"})
_THREATS: Final[Mapping[str, tuple[str, ...]]] = {
    "namespaceSelector": ("T1", "T3"),
    "matchConditions": ("T1", "T22"),
    "failurePolicy": ("T4", "T17"),
}
_MEND: Final = (
    "run helm upgrade: the chart ships it whole; or else",
    "peergate doctor --fix > fix.yaml; kubectl apply -f fix.yaml",
)


def configuration_findings(seen: Seen) -> list[Finding]:
    """Return what is not as shipped in the live configuration, without the CA bundle and the agents."""
    live, name = seen.configuration, seen.settings.webhook.configuration
    expected = shipped_configuration(seen.settings, live=live)
    if live is None:
        return [
            fail(
                Theme.GATE,
                "webhook",
                f"There is no webhook configuration {name}.",
                allows="Nothing is guarded: agents delete and replace whatever RBAC lets them.",
                mend=_MEND,
                threats=("T1",),
                manifests=(expected,),
            )
        ]
    by_member: defaultdict[str, list[str]] = defaultdict(list)
    for one in differences(live, expected=expected):
        by_member[_level_key(one)].append(one.entry)
    found = [
        _differing(key, entries=entries, live=live, expected=expected)
        for key, entries in sorted(by_member.items())
    ]
    return found or [ok(Theme.GATE, "webhook", f"The webhook configuration {name} is as shipped.")]


def shipped_configuration(settings: Settings, *, live: JsonObject | None) -> JsonObject:
    """Return the configuration as shipped, reached as the live one is, with its CA bundle and its agents."""
    entries = {str(entry.get("name")): entry for entry in (live or {}).get("webhooks") or ()}
    bundle = next(
        (found for entry in entries.values() if (found := (entry.get("clientConfig") or {}).get("caBundle"))),
        None,
    )
    through_service = service_client_config(settings)
    base = _address_of(entries.values())

    def client_config(gate: Gate) -> Mapping[str, Any]:
        reached = {"url": f"{base}/gates/{gate}"} if base else dict(through_service(gate))
        return reached | ({"caBundle": bundle} if bundle else {})

    expected = render(settings, client_config=client_config)
    agents = next(
        (
            condition
            for entry in entries.values()
            for condition in entry.get("matchConditions") or ()
            if condition.get("name") == AGENTS_CONDITION
        ),
        None,
    )
    for entry in expected["webhooks"]:
        if agents is not None and entry["name"] in _JUDGING:
            entry["matchConditions"].append(agents)
    return expected


def _by_patch(live: JsonObject, *, expected: JsonObject) -> tuple[str, ...]:
    """Return the command for what applying a manifest leaves as it is.

    Shape: foreign entries, foreign conditions, and labels in selectors: applying merges these with what is
    there. A JSON patch, from the end, so that what goes first moves nothing that goes later.
    """
    wanted = {entry["name"]: entry for entry in expected["webhooks"]}
    steps: list[JsonObject] = []
    for number, entry in reversed(list(enumerate(live.get("webhooks") or ()))):
        at = f"/webhooks/{number}"
        mine = wanted.get(str(entry.get("name")))
        if mine is None:
            steps.append({"op": "remove", "path": at})
            continue
        known = {condition["name"] for condition in mine["matchConditions"]} | {AGENTS_CONDITION}
        steps += [
            {"op": "remove", "path": f"{at}/matchConditions/{index}"}
            for index, condition in reversed(list(enumerate(entry.get("matchConditions") or ())))
            if condition.get("name") not in known
        ]
        steps += [
            {"op": "replace", "path": f"{at}/{selector}", "value": mine.get(selector, {})}
            for selector in ("namespaceSelector", "objectSelector")
            if (entry.get(selector) or {}) != mine.get(selector, {})
        ]
    if not steps:
        return ()
    name = expected["metadata"]["name"]
    return (f"kubectl patch validatingwebhookconfiguration {name} --type json -p '{json.dumps(steps)}'",)


def condition_findings(seen: Seen) -> list[Finding]:
    """Return whether the conditions ``agents`` list exactly the tagged accounts, in each judging entry."""
    if seen.configuration is None:
        return []
    conditions = {
        name: expression
        for name, expression in live_conditions(seen.configuration).items()
        if name in _JUDGING
    }
    tagged, namespaces = _tagged(seen), _agents_namespaces(seen)
    narrowing = exact_condition(seen.settings, accounts=tagged, namespaces=namespaces)
    wide = sorted(name for name, expression in conditions.items() if expression is None)
    found = []
    if isinstance(narrowing, Wide) or wide:
        why = narrowing.message if isinstance(narrowing, Wide) else f"no condition in {names(wide)}"
        found.append(
            warn(
                Theme.GATE,
                "wide",
                f"The gate is wide: {why}.",
                allows="An outage of the operator stops every service account that is not trusted.",
                mend=(_narrower(narrowing, seen=seen),),
            )
        )
    foreign: list[str] = []
    missing: set[str] = set()
    for name, expression in conditions.items():
        if expression is None:
            continue
        listed = listed_in(expression)
        written = exact_condition(seen.settings, accounts=listed.accounts, namespaces=listed.namespaces)
        if isinstance(written, Wide) or written.expression != expression:
            foreign.append(name)
        missing |= _missing(listed, tagged=tagged, namespaces=namespaces)
    found += _foreign(foreign, seen=seen) if foreign else []
    found += _unlisted(sorted(missing), seen=seen) if missing and not foreign else []
    return found or [
        ok(
            Theme.GATE,
            "agents",
            f"The conditions list exactly the agents: {plural(len(tagged), 'tagged account')},"
            f" {plural(len(namespaces), 'labelled namespace')}.",
        )
    ]


def _narrower(narrowing: Narrowing, *, seen: Seen) -> str:
    if not isinstance(narrowing, Wide):
        return f"kubectl -n {seen.settings.namespace} logs deploy/peergate"
    if narrowing.why == "strict":
        return "name the controllers in agents.trusted; strict mode is wide on purpose"
    return f"label the agents' namespaces: kubectl label namespace NAME {seen.settings.labels.agents}=true"


def companion_findings(seen: Seen) -> list[Finding]:
    """Return how the companion policies stand."""
    expected = companion_policies(seen.settings)
    if not expected:
        return [
            ok(
                Theme.GATE,
                "companions",
                "No companion policies: the settings name no agents by namespace, group or user name.",
            )
        ]
    if seen.companions is None:
        return []
    found = []
    for companion in compare_companions(expected, live=seen.companions):
        if companion.standing is Standing.BOUND:
            continue
        mine = tuple(document for document in expected if _is_of(document, name=companion.name))
        found.append(
            warn(
                Theme.GATE,
                "companions",
                f"The companion policy {companion.name} is {companion.standing.value}: {companion.detail}.",
                allows="What no webhook is asked about, and what happens while it is gone, is not held.",
                mend=("peergate doctor --fix > fix.yaml; kubectl apply -f fix.yaml",),
                threats=("T1", "T3"),
                subjects=(companion.name,),
                manifests=mine,
            )
        )
    return found or [ok(Theme.GATE, "companions", "The companion policies are there, unchanged and bound.")]


def _level_key(one: Difference) -> str:
    """Return what is folded: the member, apart for the entry that everybody meets and nothing rests on."""
    free = one.entry == entry_name(Gate.RESOURCES) and one.member != "foreign"
    return f"{one.member}/free" if free else one.member


def _differing(key: str, *, entries: Sequence[str], live: JsonObject, expected: JsonObject) -> Finding:
    member, _, free = key.partition("/")
    what = {
        "absent": f"{names(entries)} is missing in the webhook configuration.",
        "foreign": f"{visible(names(entries))} in the webhook configuration is not Peergate's.",
    }.get(member, f"{member} of {names(entries)} is not as shipped.")
    make = warn if free or member in _HARMLESS else fail
    patched = _by_patch(live, expected=expected) if member in _MERGED else ()
    return make(
        Theme.GATE,
        "webhook",
        what,
        allows=_COSTS[member],
        mend=(*patched, *(() if member == "foreign" else _MEND)),
        threats=_THREATS.get(member, ("T1",)),
        subjects=tuple(visible(entry) for entry in entries),
        manifests=() if member == "foreign" else (expected,),
    )


def _foreign(entries: list[str], *, seen: Seen) -> list[Finding]:
    return [
        fail(
            Theme.GATE,
            "agents",
            f"The condition agents of {names(entries)} is not one that the operator writes.",
            allows="Whom it leaves out is never sent to the gate.",
            mend=(f"kubectl -n {seen.settings.namespace} rollout restart deploy/peergate",),
            threats=("T1", "T22"),
            subjects=tuple(entries),
        )
    ]


def _unlisted(missing: list[str], *, seen: Seen) -> list[Finding]:
    return [
        fail(
            Theme.GATE,
            "agents",
            f"The conditions do not list {visible(names(missing))}, which the tag says are agents.",
            allows="The gate is not asked about what they do.",
            mend=(f"kubectl -n {seen.settings.namespace} get lease peergate-leader",),
            threats=("T23",),
            subjects=tuple(visible(one) for one in missing),
        )
    ]


def _missing(listed: Listed, *, tagged: frozenset[str], namespaces: frozenset[str]) -> set[str]:
    accounts = {
        username.removeprefix(_PREFIX).replace(":", "/")
        for username in tagged - listed.accounts
        if username.removeprefix(_PREFIX).partition(":")[0] not in listed.namespaces
    }
    return accounts | (namespaces - listed.namespaces)


def _tagged(seen: Seen) -> frozenset[str]:
    """Return the user names of accounts whose own tag counts."""
    found = set()
    for (namespace, name), account in seen.snapshot.accounts.items():
        username = f"{_PREFIX}{namespace}:{name}"
        user = User(username=username, uid=account.uid, groups=frozenset())
        if account.tagged and isinstance(identify(user, snapshot=seen.snapshot), Agent):
            found.add(username)
    return frozenset(found)


def _agents_namespaces(seen: Seen) -> frozenset[str]:
    label = seen.settings.labels.agents
    return frozenset(
        name for name, labels in seen.snapshot.namespaces.items() if labels.get(label) == "true"
    ) - {"kube-system"}


def _address_of(entries: Any) -> str:
    for entry in entries:
        url = str((entry.get("clientConfig") or {}).get("url") or "")
        if "/gates/" in url:
            return url.partition("/gates/")[0]
    return ""


def _is_of(document: JsonObject, *, name: str) -> bool:
    return name in {document["metadata"]["name"], document["spec"].get("policyName")}
