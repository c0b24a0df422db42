"""What the gate will be given for the real request: the review, and a snapshot read live.

Built from what the approver's own credentials fetch, so that the gate's own functions can judge it.
"""

from __future__ import annotations

from peergate.cli.asker import Asker
from peergate.cli.kube import Cluster, object_path
from peergate.cli.targets import Target
from peergate.cli.trust import audience_of, load_keyring, load_policies
from peergate.gate.findings import Situation
from peergate.gate.principal import Agent
from peergate.gate.snapshot import Account, Snapshot, gate_config
from peergate.model.names import AGENT_LABEL, OWNER_ANNOTATION, PROTECTED_LABEL, JsonObject
from peergate.model.review import Gate, Resource, Review, User
from peergate.settings import Settings

__all__ = ["situation_of"]


def situation_of(
    cluster: Cluster,
    *,
    target: Target,
    wanted: JsonObject | None,
    asker: Asker,
    options: JsonObject | None,
) -> tuple[Situation, bool, str]:
    """Return what the gate will be given, whether it guards the object, and why no policy could be read.

    Errors: CommandError, when the cluster, its approvers or the namespace can't be read.
    """
    policies, problem = load_policies(cluster)
    labels, protected = _labels(cluster, target)
    snapshot = Snapshot(
        config=gate_config(Settings()),
        audience=audience_of(cluster),
        keyring=load_keyring(cluster),
        policies=policies,
        accounts=_accounts(cluster, target=target, asker=asker, update=wanted is not None),
        namespaces={target.namespace or target.name: labels},
    )
    situation = Situation(
        review=_review(target, wanted=wanted, asker=asker, options=options),
        agent=Agent(tag="label", owner=asker.owner, display=asker.requester.username),
        snapshot=snapshot,
    )
    return situation, protected, problem


def _review(target: Target, *, wanted: JsonObject | None, asker: Asker, options: JsonObject | None) -> Review:
    """Return the review the API server will send for the real request."""
    kind = target.resource.kind
    return Review(
        gate=Gate.NAMESPACED if target.resource.namespaced else Gate.CLUSTER,
        uid="-",
        operation="DELETE" if wanted is None else "UPDATE",
        kind=target.kind,
        resource=Resource(group=kind.group, version=kind.version, resource=target.resource.plural),
        subresource=target.subresource,
        name=target.name,
        namespace=target.namespace,
        user=User(username=asker.requester.username, uid=asker.requester.uid, groups=frozenset()),
        object=wanted,
        old_object=target.live,
        options=options,
        dry_run=False,
    )


def _labels(cluster: Cluster, target: Target) -> tuple[dict[str, str], bool]:
    """Return the labels that decide about protection, and whether the gate guards the object."""
    kind = target.resource.kind
    if not target.namespace:
        labels = dict(target.object["metadata"].get("labels") or {})
        is_namespace = (kind.group, kind.kind) == ("", "Namespace")
        return labels, not is_namespace or labels.get(PROTECTED_LABEL) == "true"
    path = object_path(group="", version="v1", resource="namespaces", namespace="", name=target.namespace)
    labels = dict(cluster.get(path)["metadata"].get("labels") or {})
    return labels, labels.get(PROTECTED_LABEL) == "true"


def _accounts(
    cluster: Cluster,
    *,
    target: Target,
    asker: Asker,
    update: bool,
) -> dict[tuple[str, str], Account]:
    """Return the accounts that the gate's rules about identities look at.

    The requester's, and for an update those of the namespace, since a workload may change its account.
    """
    accounts: dict[tuple[str, str], Account] = {}
    if update and target.namespace:
        path = object_path(group="", version="v1", resource="serviceaccounts", namespace=target.namespace)
        for item in cluster.get(path).get("items") or []:
            metadata = item["metadata"]
            accounts[target.namespace, metadata["name"]] = Account(
                uid=metadata["uid"],
                tagged=(metadata.get("labels") or {}).get(AGENT_LABEL) == "true",
                owner=(metadata.get("annotations") or {}).get(OWNER_ANNOTATION, ""),
            )
    name = User(username=asker.requester.username, uid="", groups=frozenset()).service_account
    if name is not None:
        accounts[name] = Account(uid=asker.requester.uid, tagged=True, owner=asker.owner)
    return accounts
