"""Effects by which an agent would become somebody else (design.md §4, T2, T14, T15): Forbidden everywhere.

Who is whose: another account counts as the agent's own kind only where it is tagged and has the same owner.
"""

from __future__ import annotations

from typing import Final

from peergate.gate.findings import Entry, Finding, Situation
from peergate.gate.podspecs import DEFAULT_ACCOUNT, account_of, pod_specs
from peergate.gate.principal import is_agent_account
from peergate.gate.shape import mapping, sequence, text
from peergate.model.change import Effect
from peergate.model.names import OWNER_ANNOTATION

__all__ = [
    "ENTRIES",
    "account_changes",
    "aggregated_roles",
    "certificates",
    "debug_containers",
    "is_same_kind",
    "pod_certificates",
    "role_bindings",
    "token_secrets",
    "tokens",
    "workload_account",
]

_TOKEN_SECRET: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type, not a secret
_BOOTSTRAP_SECRET: Final = "bootstrap.kubernetes.io/token"  # noqa: S105 - as above
_SECRET_ACCOUNT: Final = "kubernetes.io/service-account.name"  # noqa: S105 - an annotation key
_TAG_IT: Final = "a person may tag that account as an agent of the same owner."
_AGGREGATED: Final = "aggregate-to-"
"""In the keys of the labels by which ClusterRoles flow into others, whoever is bound to those."""
_CLIENT_SIGNERS: Final = (
    "kubernetes.io/kube-apiserver-client",
    "kubernetes.io/kube-apiserver-client-kubelet",
)
_MOST_OF_AN_OWNER: Final = 100
"""Tagged accounts up to which an agent may create more of its own owner."""
_MOST_ACCOUNTS: Final = 1_000
_MOST_CHARACTERS: Final = 50_000
"""Of all tagged accounts and of their user names: half of what the exact condition holds (design.md §4)."""


def account_changes(situation: Situation) -> Finding | None:
    """T15: accounts, their tag and their owner are not an agent's to change or delete."""
    review = situation.review
    if review.subresource:
        return None
    config = situation.snapshot.config
    if review.operation == "CREATE":
        return _new_account(situation)
    if review.operation == "UPDATE" and situation.unchanged:
        return None
    if review.operation == "DELETE":
        return Finding(Effect.FORBIDDEN, why="would delete an account")
    changes_tag = any(
        mapping(situation.old_metadata.get(member)).get(key)
        != mapping(situation.new_metadata.get(member)).get(key)
        for member, key in (("labels", config.agent_label), ("annotations", OWNER_ANNOTATION))
    )
    what = "the agent tag" if changes_tag else "an account"
    return Finding(Effect.FORBIDDEN, why=f"would change {what}")


def _new_account(situation: Situation) -> Finding | None:
    """Judge an account that an agent makes: rights are bound to names, and outlive the account of a name."""
    metadata, snapshot = situation.new_metadata, situation.snapshot
    tagged = mapping(metadata.get("labels")).get(snapshot.config.agent_label) == "true"
    owner = mapping(metadata.get("annotations")).get(OWNER_ANNOTATION, "")
    # Also without the tag: it may be an agent by its namespace or in strict mode, or be tagged later.
    if (tagged or owner) and (not owner or owner != situation.agent.owner):
        return Finding(Effect.FORBIDDEN, why="would create an agent that answers to another owner")
    if tagged and metadata.get("ownerReferences"):
        # The garbage collector would delete it when the agent deletes the owner.
        return Finding(Effect.FORBIDDEN, why="would create an agent that goes along with another object")
    if tagged and _are_too_many(situation, owner=owner):
        return Finding(
            Effect.FORBIDDEN,
            why="would create one agent more than agents may create themselves",
            allowed="a person creates it, or deletes agents that are no longer needed.",
        )
    before = snapshot.accounts.get((situation.namespace, text(metadata.get("name"))))
    if not tagged and before is not None and before.tagged:
        return Finding(Effect.FORBIDDEN, why="would make an agent's account anew without its tag")
    return None


def _are_too_many(situation: Situation, *, owner: str) -> bool:
    """Tell whether the tagged accounts are so many that one more must be a person's.

    The webhook's exact condition holds 2,000 names; above that every account is sent to the gate, and an
    outage would stop them all (design.md §4).
    """
    tagged = [
        (len(namespace) + len(name), account.owner)
        for (namespace, name), account in situation.snapshot.accounts.items()
        if account.tagged
    ]
    return (
        len(tagged) >= _MOST_ACCOUNTS
        or sum(length for length, _ in tagged) >= _MOST_CHARACTERS
        or sum(one == owner for _, one in tagged) >= _MOST_OF_AN_OWNER
    )


def tokens(situation: Situation) -> Finding | None:
    """T2: a token is the account; only one of an agent of the same owner may be asked for."""
    review = situation.review
    if review.subresource != "token":
        return None
    # The request names the live account's uid (AR30): an account made anew under this name is another one.
    known = situation.snapshot.accounts.get((review.namespace, review.name))
    live = text(situation.new_metadata.get("uid"))
    is_known = known is not None and live in {"", known.uid}
    if is_known and is_same_kind(situation, review.namespace, review.name):
        return Finding(Effect.HARMLESS)
    return Finding(
        Effect.FORBIDDEN, why="would take a token of an account that is not its own kind", allowed=_TAG_IT
    )


def token_secrets(situation: Situation) -> Finding | None:
    """T2: a Secret can be a token: of the account it names, or of ``system:bootstrap:`` and its groups."""
    kind = (situation.review.object or {}).get("type")
    if kind not in (_TOKEN_SECRET, _BOOTSTRAP_SECRET) or situation.unchanged:
        return None
    if kind == _BOOTSTRAP_SECRET:
        return Finding(Effect.FORBIDDEN, why="would make a token for joining the cluster")
    name = text(mapping(situation.new_metadata.get("annotations")).get(_SECRET_ACCOUNT))
    if is_same_kind(situation, situation.namespace, name):
        return None
    return Finding(
        Effect.FORBIDDEN, why="would make a token of an account that is not its own kind", allowed=_TAG_IT
    )


def role_bindings(situation: Situation) -> Finding | None:
    """T2: rights may be bound to tagged accounts alone."""
    if situation.unchanged:
        return None
    for member in sequence((situation.review.object or {}).get("subjects")):
        subject = mapping(member)
        if subject.get("kind") != "ServiceAccount":
            return Finding(Effect.FORBIDDEN, why="would bind rights to somebody who is not an agent")
        namespace, name = text(subject.get("namespace")) or situation.namespace, text(subject.get("name"))
        if name == DEFAULT_ACCOUNT:
            # Any workload may run as it (workload_account), also when it is no agent's any more.
            return Finding(
                Effect.FORBIDDEN,
                why="would bind rights to a namespace's default account",
                allowed="a binding to an agent's account of another name.",
            )
        if is_agent_account(namespace, name, snapshot=situation.snapshot) is None:
            return Finding(
                Effect.FORBIDDEN,
                why="would bind rights to an account that is not an agent",
                allowed=_TAG_IT,
            )
    return None


def aggregated_roles(situation: Situation) -> Finding | None:
    """T2, DO13: rights in a ClusterRole that flows into others go to whoever is bound to those.

    By the name of the label only; which labels a role collects is the cluster's to say (a stated residual).
    """
    new = situation.review.object or {}
    flows = any(
        _AGGREGATED in key and value == "true"
        for key, value in mapping(situation.new_metadata.get("labels")).items()
    )
    collects = new.get("aggregationRule") != (situation.review.old_object or {}).get("aggregationRule")
    if not (flows or collects) or situation.unchanged:
        return None
    return Finding(
        Effect.FORBIDDEN,
        why="would give rights to everybody who holds an aggregated role",
        allowed="a ClusterRole without aggregation, bound to an agent's account.",
    )


def workload_account(situation: Situation) -> Finding | None:
    """T2: a Pod acts as its account; one that is not an agent of the same owner is somebody else."""
    review = situation.review
    if review.subresource:
        return None
    before = {account_of(spec) for spec in pod_specs(review.old_object or {})}
    for spec in pod_specs(review.object or {}):
        name, mounts = account_of(spec)
        if (name, mounts) in before or (name, True) in before:
            continue
        harmless = name == DEFAULT_ACCOUNT or not mounts
        if review.operation == "UPDATE":
            # A new token in an old workload is a new identity, whichever account it is.
            harmless = not mounts or (name == DEFAULT_ACCOUNT and (DEFAULT_ACCOUNT, True) in before)
        if not harmless and not is_same_kind(situation, situation.namespace, name):
            return Finding(
                Effect.FORBIDDEN,
                why="would run a workload as an account that is not its own kind",
                allowed="a workload that runs as default or mounts no token; " + _TAG_IT,
            )
    return None


def certificates(situation: Situation) -> Finding | None:
    """T2: a client certificate is an identity; asking for one, or approving one, is not an agent's."""
    review = situation.review
    signer = mapping((review.object or {}).get("spec")).get("signerName")
    if review.subresource or signer in _CLIENT_SIGNERS:
        return Finding(Effect.FORBIDDEN, why="would obtain or approve a client certificate")
    return None


def pod_certificates(situation: Situation) -> Finding | None:
    """T2: a PodCertificateRequest asks for the certificate of a Pod, and nobody checks who asks."""
    if situation.review.operation == "UPDATE" and situation.unchanged:
        return None
    return Finding(Effect.FORBIDDEN, why="would obtain or issue the certificate of a Pod")


def debug_containers(situation: Situation) -> Finding | None:
    """T14: a container put into a running Pod acts as that Pod's account."""
    review = situation.review
    if review.subresource != "ephemeralcontainers" or situation.unchanged:
        return None
    name, mounts = account_of(mapping((review.object or {}).get("spec")))
    if not mounts or is_same_kind(situation, situation.namespace, name):
        return None
    return Finding(Effect.FORBIDDEN, why="would start a container inside a Pod that is not an agent")


def is_same_kind(situation: Situation, namespace: str, name: str) -> bool:
    """Tell whether an account is an agent of the requester's own owner."""
    account = is_agent_account(namespace, name, snapshot=situation.snapshot)
    return account is not None and bool(account.owner) and account.owner == situation.agent.owner


_ACCOUNTS: Final = ("", "serviceaccounts")
_BINDINGS: Final = tuple(
    ("rbac.authorization.k8s.io", plural) for plural in ("rolebindings", "clusterrolebindings")
)
_WRITES: Final = ("CREATE", "UPDATE")

ENTRIES: Final = (
    Entry(account_changes, ("CREATE", "UPDATE", "DELETE"), (_ACCOUNTS,), everywhere=True),
    Entry(tokens, ("CREATE",), (_ACCOUNTS,), everywhere=True),
    Entry(token_secrets, _WRITES, (("", "secrets"),), everywhere=True),
    Entry(role_bindings, _WRITES, _BINDINGS, everywhere=True),
    Entry(aggregated_roles, _WRITES, (("rbac.authorization.k8s.io", "clusterroles"),), everywhere=True),
    Entry(workload_account, _WRITES, everywhere=True),
    Entry(certificates, _WRITES, (("certificates.k8s.io", "certificatesigningrequests"),), everywhere=True),
    Entry(pod_certificates, _WRITES, (("certificates.k8s.io", "podcertificaterequests"),), everywhere=True),
    Entry(debug_containers, ("UPDATE",), (("", "pods"),), everywhere=True),
)
