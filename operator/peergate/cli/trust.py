"""What the cluster trusts and asks for: registered approvers and protection policies, read live."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from peergate.approval.keyring import Keyring, build_keyring
from peergate.cli.kube import ApiError, Cluster
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.gate.policies import PolicyIndex, compile_policy
from peergate.model.approver import ApproverSpec
from peergate.model.names import API_VERSION

__all__ = ["audience_of", "load_keyring", "load_policies"]

_APPROVERS: Final = f"/apis/{API_VERSION}/approvers"
_POLICIES: Final = f"/apis/{API_VERSION}/protectionpolicies"
_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403


def audience_of(cluster: Cluster) -> str:
    """Return which cluster this is, as approvals name it: ``k8s:`` and the uid of namespace kube-system.

    Errors: CommandError; without it an approval could hold elsewhere.
    """
    found = cluster.get("/api/v1/namespaces/kube-system")
    return f"k8s:{found['metadata']['uid']}"


def load_keyring(cluster: Cluster) -> Keyring:
    """Return the registered approvers with their usable keys; an Approver that breaks the schema has none.

    Errors: CommandError when they can't be read.
    """
    try:
        items = cluster.get(_APPROVERS).get("items") or []
    except ApiError as error:
        if error.status == _NOT_FOUND:
            raise CommandError(
                "Peergate is not installed; this cluster has no Approvers; check --context, or install it",
            ) from error
        if error.status != _FORBIDDEN:
            raise
        raise CommandError(
            f"can't read the registered approvers; {error.message}; ask for the role peergate-approver",
        ) from error
    specs: dict[str, ApproverSpec] = {}
    for item in items:
        try:
            specs[item["metadata"]["name"]] = ApproverSpec.model_validate(item.get("spec"))
        except ValidationError:
            continue
    return build_keyring(specs)


def load_policies(cluster: Cluster) -> tuple[PolicyIndex, str]:
    """Return the policies, and why they could not be read (empty: they could)."""
    try:
        items = cluster.get(_POLICIES).get("items") or []
    except ApiError as error:
        return PolicyIndex(), visible(error.message, limit=200)
    return PolicyIndex.build(compile_policy(item) for item in items), ""
