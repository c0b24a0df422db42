"""The public names: labels, annotations, API group, and the identifiers' types.

These words are part of the interface (design.md §2); which label selects what is a setting with these
defaults.
"""

from __future__ import annotations

from typing import Any, Final, NewType, TypeAlias

__all__ = [
    "AGENTS_LABEL",
    "AGENT_LABEL",
    "API_VERSION",
    "APPROVAL_KEY_PREFIX",
    "APPROVAL_SLOT_PREFIX",
    "GROUP",
    "OWNER_ANNOTATION",
    "POD_NAME",
    "PROTECTED_LABEL",
    "REASON_ANNOTATION",
    "SELF_TEST_GROUP",
    "TICKET_ANNOTATION",
    "VERSION",
    "ChangeId",
    "Digest",
    "JsonObject",
    "KeyId",
]

GROUP: Final = "peergate.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

AGENT_LABEL: Final = "peergate.dev/agent"
"""On a ServiceAccount, value ``"true"``: this account is an AI agent."""
AGENTS_LABEL: Final = "peergate.dev/agents"
"""On a Namespace, value ``"true"``: every ServiceAccount in it is an AI agent."""
PROTECTED_LABEL: Final = "peergate.dev/protected"
"""On a Namespace, value ``"true"``: agents' changes in it need approval."""
OWNER_ANNOTATION: Final = "peergate.dev/owner"
"""On an agent's ServiceAccount: who answers for it; used for separation of duties."""
REASON_ANNOTATION: Final = "peergate.dev/reason"
TICKET_ANNOTATION: Final = "peergate.dev/ticket"

APPROVAL_KEY_PREFIX: Final = "approval.peergate.dev/"
"""Reserved: a key under it that is no approval slot is never read (approval-format.md §1.2)."""
APPROVAL_SLOT_PREFIX: Final = "approval.peergate.dev/v1."

POD_NAME: Final = r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?"
"""Expression for the whole name of a Pod, of at most 253 characters."""

SELF_TEST_GROUP: Final = "peergate.dev:self-test"
"""Who claims this group is an agent, whatever else is known: the operator's own must-deny review does.

A claim can only make its bearer an agent, so it opens nothing.
"""

ChangeId = NewType("ChangeId", str)
"""``cr-`` and 20 consonants, named by the content of the change (design.md §2)."""
Digest = NewType("Digest", str)
"""SHA-256, 64 lower-case hexadecimal digits."""
KeyId = NewType("KeyId", str)
"""``SHA256:`` and unpadded base64, as ``ssh-keygen -lf`` prints it (approval-format.md K5)."""

JsonObject: TypeAlias = dict[str, Any]
"""A decoded JSON object; never changed once decoded."""
