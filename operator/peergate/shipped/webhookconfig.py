"""The webhook configuration: its five entries from one template, and the condition that makes it exact.

What decides here decides inside the API server, before the gate is asked: whoever a condition leaves out is
never reviewed. So every condition is true when unsure (kubernetes-facts.md C9, T22), and all of them are
ANDed: losing one only widens the gate. Nothing here talks to a cluster.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal, TypeAlias

from peergate.model.names import SELF_TEST_GROUP, JsonObject
from peergate.model.review import Gate
from peergate.settings import Settings
from peergate.shipped.template import fill, literal, username_pattern

__all__ = [
    "AGENTS_CONDITION",
    "AGENTS_FIELD_MANAGER",
    "JUDGING",
    "MAX_EXPRESSION",
    "MAX_NAMES",
    "ClientConfig",
    "Exact",
    "Narrowing",
    "Wide",
    "agents_patch",
    "entry_name",
    "exact_condition",
    "render",
    "service_client_config",
    "template",
    "url_client_config",
]

AGENTS_CONDITION: Final = "agents"
"""Name of the exact condition in each entry that judges agents."""
AGENTS_FIELD_MANAGER: Final = "peergate-agents"
"""Field manager of the exact condition, and of nothing else."""
MAX_NAMES: Final = 2_000
"""More tagged accounts than this are not listed; the gate stays wide."""
MAX_EXPRESSION: Final = 100_000
"""Code points: what CEL's parser takes in one expression (observed, Kubernetes 1.37). About 290 accounts with
the longest possible names fill it, 2,000 with names of 46 characters (``<namespace>:<name>``) do."""

_EXEMPT_NAMESPACE: Final = "kube-system"
_ACCOUNT_PREFIX: Final = "system:serviceaccount:"
_GROUP_PREFIX: Final = "system:serviceaccounts:"
JUDGING: Final = (Gate.NAMESPACED, Gate.CLUSTER, Gate.OWN, Gate.IDENTITY)
"""The gates that judge agents; the fifth looks at the form of Peergate's own resources, for everybody."""

ClientConfig: TypeAlias = Callable[[Gate], Mapping[str, Any]]
"""How the API server reaches a gate: a ``WebhookClientConfig``."""


@dataclass(frozen=True, slots=True)
class Exact:
    """The condition can be added: only agents are sent."""

    expression: str
    """CEL."""


@dataclass(frozen=True, slots=True)
class Wide:
    """The condition is left out: everybody who could be an agent is sent."""

    why: Literal["strict", "names", "length"]
    message: str
    """For people: an Event, ``doctor``."""


Narrowing: TypeAlias = Exact | Wide


def entry_name(gate: Gate) -> str:
    """Return the name of a gate's entry: ``namespaced.gate.peergate.dev``."""
    return f"{gate}.gate.peergate.dev"


def template() -> str:
    """Return the template of the configuration.

    Shape: YAML in which every ``$placeholder`` stands for one JSON literal; ``$username_patterns`` is a list
    of anchored RE2 patterns, ``$client_config_<gate>`` an object.
    """
    return resources.files("peergate.shipped").joinpath("gates.yaml").read_text(encoding="utf-8")


def render(settings: Settings, *, client_config: ClientConfig) -> JsonObject:
    """Return the ValidatingWebhookConfiguration of these settings, without the exact condition."""
    values: dict[str, object] = {
        "configuration": settings.webhook.configuration,
        "namespace": settings.namespace,
        "operator_username": settings.operator_username,
        "protected_label": settings.labels.protected,
        "timeout_seconds": settings.webhook.timeout_seconds,
        "trusted": settings.agents.trusted,
        "groups": settings.agents.groups,
        "username_patterns": [username_pattern(glob) for glob in settings.agents.usernames],
        **{f"client_config_{gate}": dict(client_config(gate)) for gate in Gate},
    }
    return fill(template(), values)


def service_client_config(settings: Settings, *, ca_bundle: bytes | None = None) -> ClientConfig:
    """Return how the API server reaches the gates through the Service, port 443.

    Shape: ``ca_bundle`` is PEM; without one the operator puts it in.
    """

    def of(gate: Gate) -> Mapping[str, Any]:
        service = {
            "namespace": settings.namespace,
            "name": settings.service,
            "path": f"/gates/{gate}",
            "port": 443,
        }
        return {"service": service} | _bundle(ca_bundle)

    return of


def url_client_config(base: str, *, ca_bundle: bytes) -> ClientConfig:
    """Return how an API server that can't resolve Services reaches the gates, below a base URL.

    Shape: ``base`` as in ``https://127.0.0.1:10250``; ``ca_bundle`` is PEM.
    """

    def of(gate: Gate) -> Mapping[str, Any]:
        return {"url": f"{base.rstrip('/')}/gates/{gate}"} | _bundle(ca_bundle)

    return of


def exact_condition(
    settings: Settings,
    *,
    accounts: Iterable[str],
    namespaces: Iterable[str] = (),
) -> Narrowing:
    """Return the condition under which a request is an agent's, or why there is none.

    Shape: ``accounts`` are the user names of tagged ServiceAccounts, ``namespaces`` the names of labelled
    namespaces; neither their order nor duplicates matter. Accounts that are exempt, or in an agents'
    namespace anyway, are not listed. A listed one stands in the expression as ``"<namespace>:<name>"``.

    Limits: ``MAX_NAMES`` accounts, ``MAX_EXPRESSION`` code points.

    Errors:
        ValueError: one of the accounts is not the user name of a ServiceAccount.

    Source: design.md §4, condition 4. It costs people and controllers next to nothing: what is compared with
    long lists starts as a service account's name or group does.
    """
    agents = settings.agents
    if agents.strict:
        return Wide("strict", "strict mode: every service account that is not trusted is reviewed")
    agents_namespaces = sorted({*agents.namespaces, *namespaces} - {_EXEMPT_NAMESPACE})
    listed = sorted(_listed(accounts, trusted=agents.trusted, namespaces=frozenset(agents_namespaces)))
    if len(listed) > MAX_NAMES:
        return Wide(
            "names", f"{len(listed)} tagged accounts are more than the {MAX_NAMES} that can be listed"
        )
    username, groups = "request.userInfo.username", "request.userInfo.groups"
    spaces = literal(agents_namespaces)
    expression = (
        f"!has({username}) || !has({groups})"
        f' || ({username}.startsWith("{_ACCOUNT_PREFIX}")'
        f" && ({username}.substring({len(_ACCOUNT_PREFIX)}) in {literal(listed)}"
        f' || {username}.split(":")[2] in {spaces}))'
        f" || {groups}.exists(group, group in {literal(sorted({*agents.groups, SELF_TEST_GROUP}))}"
        f' || (group.startsWith("{_GROUP_PREFIX}") && group.substring({len(_GROUP_PREFIX)}) in {spaces}))'
    )
    if agents.usernames:
        patterns = [username_pattern(glob) for glob in sorted(set(agents.usernames))]
        expression += f" || {literal(patterns)}.exists(pattern, {username}.matches(pattern))"
    if len(expression) > MAX_EXPRESSION:
        return Wide(
            "length",
            f"the condition for {len(listed)} tagged accounts has {len(expression)} characters,"
            f" more than the {MAX_EXPRESSION} that the API server takes",
        )
    return Exact(expression)


def agents_patch(expression: str | None, *, names: Iterable[str], configuration: str) -> JsonObject:
    """Return what to apply as ``AGENTS_FIELD_MANAGER`` so that the condition is this one, or is gone.

    Shape: for server-side apply; it owns the condition and nothing else. ``names`` are the entries that the
    live configuration has, in its order: an entry that is not there would be made, and refused for want of
    all the rest; another order would reorder the list. Entries that don't judge agents are left out.
    ``None`` takes the condition away.
    """
    judging = frozenset(entry_name(gate) for gate in JUDGING)
    conditions = [{"name": AGENTS_CONDITION, "expression": expression}]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": configuration},
        "webhooks": [
            {"name": name, "matchConditions": conditions}
            for name in names
            if name in judging and expression is not None
        ],
    }


def _listed(accounts: Iterable[str], *, trusted: Iterable[str], namespaces: frozenset[str]) -> set[str]:
    exempt = frozenset(trusted)
    listed = set()
    for username in accounts:
        namespace, separator, name = username.removeprefix(_ACCOUNT_PREFIX).partition(":")
        if not username.startswith(_ACCOUNT_PREFIX) or not separator or not namespace or not name:
            raise ValueError("an account is no user name of a ServiceAccount")
        if username not in exempt and namespace != _EXEMPT_NAMESPACE and namespace not in namespaces:
            listed.add(f"{namespace}:{name}")
    return listed


def _bundle(ca_bundle: bytes | None) -> dict[str, str]:
    return {} if ca_bundle is None else {"caBundle": base64.b64encode(ca_bundle).decode("ascii")}
