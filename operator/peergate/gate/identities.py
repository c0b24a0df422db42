"""Effects by which an agent would become somebody else (design.md §4, T2, T14, T15): Forbidden everywhere.

Who is whose: another account counts as the agent's own kind only where it is tagged and has the same owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from peergate.approval.projection import unchanged
from peergate.gate.findings import Finding, Situation
from peergate.gate.principal import is_agent_account
from peergate.gate.shape import mapping, sequence, text
from peergate.model.change import Effect
from peergate.model.names import OWNER_ANNOTATION, JsonObject
from peergate.model.review import Review

__all__ = [
    "account_changes",
    "certificates",
    "debug_containers",
    "is_token_request",
    "role_bindings",
    "token_secrets",
    "tokens",
    "workload_account",
]

_TOKEN_SECRET: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type, not a secret
_BOOTSTRAP_SECRET: Final = "bootstrap.kubernetes.io/token"  # noqa: S105 - as above
_SECRET_ACCOUNT: Final = "kubernetes.io/service-account.name"  # noqa: S105 - an annotation key
_TAG_IT: Final = "a person may tag that account as an agent of the same owner."
_DEFAULT: Final = "default"
"""The account of every namespace, which a workload that names none runs as."""
_CREDENTIALS: Final = frozenset({"serviceAccountToken", "podCertificate"})
"""Sources of a projected volume by which a Pod gets its account's credentials."""
_CLIENT_SIGNERS: Final = (
    "kubernetes.io/kube-apiserver-client",
    "kubernetes.io/kube-apiserver-client-kubelet",
)


def account_changes(situation: Situation) -> Finding | None:
    """T15: accounts, their tag and their owner are not an agent's to change or delete."""
    review = situation.review
    if review.resource.group or review.resource.resource != "serviceaccounts" or review.subresource:
        return None
    config = situation.snapshot.config
    if review.operation == "CREATE":
        return _new_account(situation)
    if review.operation == "UPDATE" and _is_unchanged(situation):
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
    before = snapshot.accounts.get((situation.namespace, text(metadata.get("name"))))
    if not tagged and before is not None and before.tagged:
        return Finding(Effect.FORBIDDEN, why="would make an agent's account anew without its tag")
    return None


def is_token_request(review: Review) -> bool:
    """Tell whether this asks for a token of a ServiceAccount (AR30)."""
    resource = review.resource
    return not resource.group and resource.resource == "serviceaccounts" and review.subresource == "token"


def tokens(situation: Situation) -> Finding | None:
    """T2: a token is the account; only one of an agent of the same owner may be asked for."""
    review = situation.review
    if not is_token_request(review):
        return None
    # The request names the live account's uid (AR30): an account made anew under this name is another one.
    known = situation.snapshot.accounts.get((review.namespace, review.name))
    live = text(situation.new_metadata.get("uid"))
    is_known = known is not None and live in {"", known.uid}
    if is_known and _same_kind(situation, review.namespace, review.name):
        return Finding(Effect.HARMLESS)
    return Finding(
        Effect.FORBIDDEN, why="would take a token of an account that is not its own kind", allowed=_TAG_IT
    )


def token_secrets(situation: Situation) -> Finding | None:
    """T2: a Secret can be a token: of the account it names, or of ``system:bootstrap:`` and its groups."""
    review = situation.review
    if (
        review.operation not in {"CREATE", "UPDATE"}
        or review.resource.group
        or review.resource.resource != "secrets"
    ):
        return None
    kind = (review.object or {}).get("type")
    if kind not in (_TOKEN_SECRET, _BOOTSTRAP_SECRET) or _is_unchanged(situation):
        return None
    if kind == _BOOTSTRAP_SECRET:
        return Finding(Effect.FORBIDDEN, why="would make a token for joining the cluster")
    name = text(mapping(situation.new_metadata.get("annotations")).get(_SECRET_ACCOUNT))
    if _same_kind(situation, situation.namespace, name):
        return None
    return Finding(
        Effect.FORBIDDEN, why="would make a token of an account that is not its own kind", allowed=_TAG_IT
    )


def role_bindings(situation: Situation) -> Finding | None:
    """T2: rights may be bound to tagged accounts alone."""
    review = situation.review
    if (
        review.operation not in {"CREATE", "UPDATE"}
        or review.resource.group != "rbac.authorization.k8s.io"
        or review.resource.resource not in {"rolebindings", "clusterrolebindings"}
        or _is_unchanged(situation)
    ):
        return None
    for member in sequence((review.object or {}).get("subjects")):
        subject = mapping(member)
        if subject.get("kind") != "ServiceAccount":
            return Finding(Effect.FORBIDDEN, why="would bind rights to somebody who is not an agent")
        namespace, name = text(subject.get("namespace")) or situation.namespace, text(subject.get("name"))
        if name == _DEFAULT:
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


def workload_account(situation: Situation) -> Finding | None:
    """T2: a Pod acts as its account; one that is not an agent of the same owner is somebody else."""
    review = situation.review
    if review.operation not in {"CREATE", "UPDATE"} or review.subresource or review.object is None:
        return None
    before = {_account_of(spec) for spec in _pod_specs(review.old_object or {})}
    for spec in _pod_specs(review.object):
        name, mounts = _account_of(spec)
        if (name, mounts) in before or (name, True) in before:
            continue
        harmless = name == _DEFAULT or not mounts
        if review.operation == "UPDATE":
            # A new token in an old workload is a new identity, whichever account it is.
            harmless = not mounts or (name == _DEFAULT and (_DEFAULT, True) in before)
        if not harmless and not _same_kind(situation, situation.namespace, name):
            return Finding(
                Effect.FORBIDDEN,
                why="would run a workload as an account that is not its own kind",
                allowed="a workload that runs as default or mounts no token; " + _TAG_IT,
            )
    return None


def certificates(situation: Situation) -> Finding | None:
    """T2: a client certificate is an identity; asking for one, or approving one, is not an agent's."""
    review = situation.review
    if (
        review.resource.group != "certificates.k8s.io"
        or review.resource.resource != "certificatesigningrequests"
        or review.operation == "DELETE"
    ):
        return None
    signer = mapping((review.object or {}).get("spec")).get("signerName")
    if review.subresource or signer in _CLIENT_SIGNERS:
        return Finding(Effect.FORBIDDEN, why="would obtain or approve a client certificate")
    return None


def debug_containers(situation: Situation) -> Finding | None:
    """T14: a container put into a running Pod acts as that Pod's account."""
    review = situation.review
    if (
        review.operation != "UPDATE"
        or review.subresource != "ephemeralcontainers"
        or _is_unchanged(situation)
    ):
        return None
    name, _ = _account_of(mapping((review.object or {}).get("spec")))
    if _same_kind(situation, situation.namespace, name):
        return None
    return Finding(Effect.FORBIDDEN, why="would start a container inside a Pod that is not an agent")


def _same_kind(situation: Situation, namespace: str, name: str) -> bool:
    account = is_agent_account(namespace, name, snapshot=situation.snapshot)
    return account is not None and bool(account.owner) and account.owner == situation.agent.owner


def _is_unchanged(situation: Situation) -> bool:
    review = situation.review
    return (
        review.old_object is not None
        and review.object is not None
        and unchanged(review.old_object, review.object, kind=review.kind)
    )


def _pod_specs(document: JsonObject) -> Iterable[Mapping[str, Any]]:
    """Yield the Pod specs of a Pod, of a PodTemplate, of a workload's template, and of a CronJob's."""
    spec = mapping(document.get("spec"))
    if document.get("kind") == "Pod":
        yield spec
    for holder in (document, spec, mapping(mapping(spec.get("jobTemplate")).get("spec"))):
        inner = mapping(mapping(holder.get("template")).get("spec"))
        if "containers" in inner:
            yield inner


def _account_of(spec: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the account a Pod runs as, and whether it mounts that account's token."""
    name = text(spec.get("serviceAccountName")) or text(spec.get("serviceAccount")) or _DEFAULT
    projected = any(
        not _CREDENTIALS.isdisjoint(mapping(source))
        for volume in sequence(spec.get("volumes"))
        for source in sequence(mapping(mapping(volume).get("projected")).get("sources"))
    )
    return name, projected or spec.get("automountServiceAccountToken") is not False
