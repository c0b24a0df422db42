"""Where the API server serves each resource that Peergate reads or writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from peergate.model.names import GROUP, VERSION

__all__ = [
    "APPROVAL_USES",
    "APPROVERS",
    "CHANGE_REQUESTS",
    "EVENTS",
    "LEASES",
    "NAMESPACES",
    "PODS",
    "POLICIES",
    "POLICY_BINDINGS",
    "SECRETS",
    "SERVICE_ACCOUNTS",
    "SUBJECT_ACCESS_REVIEWS",
    "VALIDATING_POLICIES",
    "WEBHOOK_CONFIGURATIONS",
    "Endpoint",
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One resource of one API version."""

    group: str
    """Empty for the core group."""
    version: str
    resource: str
    """The plural."""

    @property
    def api_version(self) -> str:
        """Return ``v1`` or ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL's path: of one object, or of the collection where ``name`` is empty.

        Shape: every part is percent-encoded, so that no name can leave its place.
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.resource)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/" + "/".join(quote(part, safe="") for part in parts)


NAMESPACES: Final = Endpoint("", "v1", "namespaces")
SERVICE_ACCOUNTS: Final = Endpoint("", "v1", "serviceaccounts")
PODS: Final = Endpoint("", "v1", "pods")
SECRETS: Final = Endpoint("", "v1", "secrets")
SUBJECT_ACCESS_REVIEWS: Final = Endpoint("authorization.k8s.io", "v1", "subjectaccessreviews")
LEASES: Final = Endpoint("coordination.k8s.io", "v1", "leases")
EVENTS: Final = Endpoint("events.k8s.io", "v1", "events")
WEBHOOK_CONFIGURATIONS: Final = Endpoint(
    "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"
)
VALIDATING_POLICIES: Final = Endpoint("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
POLICY_BINDINGS: Final = Endpoint("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings")
POLICIES: Final = Endpoint(GROUP, VERSION, "protectionpolicies")
APPROVERS: Final = Endpoint(GROUP, VERSION, "approvers")
CHANGE_REQUESTS: Final = Endpoint(GROUP, VERSION, "changerequests")
APPROVAL_USES: Final = Endpoint(GROUP, VERSION, "approvaluses")
