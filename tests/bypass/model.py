"""What a case of the suite is: an id, what is there, an attack, and what one sees when it has worked.

A case is written against any cluster with a gate. It knows two arms: the *guarded* one, where the agent
attacks in a protected namespace, and the *control* one, where the administrator carries out the very same
attack in a namespace that nobody protects. Only a check that is seen to fail there proves anything here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.harness.clients import Client

__all__ = [
    "MERGE",
    "Act",
    "Answer",
    "Arm",
    "Arrange",
    "Case",
    "Look",
    "Place",
    "refused_by",
]

MERGE = "application/merge-patch+json"

_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request')
_FAILED = re.compile(r'failed calling webhook "([^"]+)"')
_POLICY = re.compile(r"(?:Validating|Mutating)AdmissionPolicy '([^']+)'")
_RIGHTS = ('is forbidden: User "', "attempting to grant RBAC permissions not currently held")

KINDS: Mapping[str, tuple[str, bool]] = {
    "APIService": ("apiservices", False),
    "CertificateSigningRequest": ("certificatesigningrequests", False),
    "ClusterRole": ("clusterroles", False),
    "ClusterRoleBinding": ("clusterrolebindings", False),
    "ConfigMap": ("configmaps", True),
    "ControllerRevision": ("controllerrevisions", True),
    "CronJob": ("cronjobs", True),
    "CustomResourceDefinition": ("customresourcedefinitions", False),
    "DaemonSet": ("daemonsets", True),
    "Deployment": ("deployments", True),
    "DeviceTaintRule": ("devicetaintrules", False),
    "EndpointSlice": ("endpointslices", True),
    "Endpoints": ("endpoints", True),
    "Event": ("events", True),
    "HorizontalPodAutoscaler": ("horizontalpodautoscalers", True),
    "Ingress": ("ingresses", True),
    "Job": ("jobs", True),
    "Lease": ("leases", True),
    "LimitRange": ("limitranges", True),
    "MutatingWebhookConfiguration": ("mutatingwebhookconfigurations", False),
    "Namespace": ("namespaces", False),
    "NetworkPolicy": ("networkpolicies", True),
    "Node": ("nodes", False),
    "PersistentVolume": ("persistentvolumes", False),
    "PersistentVolumeClaim": ("persistentvolumeclaims", True),
    "Pod": ("pods", True),
    "PodCertificateRequest": ("podcertificaterequests", True),
    "PodDisruptionBudget": ("poddisruptionbudgets", True),
    "PriorityClass": ("priorityclasses", False),
    "ReplicaSet": ("replicasets", True),
    "ReplicationController": ("replicationcontrollers", True),
    "ResourceQuota": ("resourcequotas", True),
    "Role": ("roles", True),
    "RoleBinding": ("rolebindings", True),
    "Secret": ("secrets", True),
    "Service": ("services", True),
    "ServiceAccount": ("serviceaccounts", True),
    "StatefulSet": ("statefulsets", True),
    "StorageClass": ("storageclasses", False),
    "ValidatingAdmissionPolicy": ("validatingadmissionpolicies", False),
    "ValidatingAdmissionPolicyBinding": ("validatingadmissionpolicybindings", False),
    "VolumeAttachment": ("volumeattachments", False),
    "ValidatingWebhookConfiguration": ("validatingwebhookconfigurations", False),
}
"""Plural and whether it is namespaced."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the suite knows of the cluster."""

    label: tuple[str, str]
    """Label of a protected namespace."""
    agent: str
    """User name of the agent."""
    gate_namespace: str
    configuration: str
    """Name of the gate's ValidatingWebhookConfiguration."""

    @property
    def account(self) -> tuple[str, str] | None:
        """Return namespace and name of the agent's ServiceAccount; ``None`` where it is none."""
        parts = self.agent.split(":")
        return (parts[2], parts[3]) if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4 else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request or command of the attacker got."""

    ok: bool
    text: str


@dataclass(slots=True)
class Arm:
    """One of the two places where a case happens."""

    admin: Client
    actor: Client
    """Who attacks: the agent, in the control arm the administrator."""
    namespace: str
    name: str
    """Of the case's objects; no other case or arm has it."""
    place: Place
    guarded: bool
    answers: list[Answer] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    """What one step of a case leaves for the next."""
    endings: list[Callable[[], object]] = field(default_factory=list)
    """What takes away again what the namespace's end does not."""
    shared: dict[str, Any] = field(default_factory=dict)
    """What all cases of one run may share; its own endings stand under ``endings``."""

    # --- names and paths ---

    def fill(self, text: str) -> str:
        """Put the arm's names into ``{ns}``, ``{name}``, ``{label}`` and so on.

        ``{gate}`` is the gate's own namespace and ``{configuration}`` the name of its webhook configuration;
        in the control arm they are the arm's namespace and name. ``{group}`` is that of ``custom_object``.
        """
        names = {
            "ns": self.namespace,
            "name": self.name,
            "gate": self.place.gate_namespace if self.guarded else self.namespace,
            "configuration": self.place.configuration if self.guarded else self.name,
            "group": self.shared.get("group", ""),
            "label": self.place.label[0],
        }
        return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), text)

    def path(self, kind: str, name: str = "", *, api: str = "v1", namespace: str = "") -> str:
        """Return the API path of an object of a kind; of the arm's own name and namespace unless told."""
        plural, namespaced = KINDS[kind]
        root = "/apis" if "/" in api else "/api"
        scope = f"/namespaces/{namespace or self.namespace}" if namespaced else ""
        return f"{root}/{api}{scope}/{plural}/{name or self.name}"

    # --- what the administrator does ---

    def make(self, body: Mapping[str, Any]) -> str:
        """Create an object as administrator, under the arm's name unless it has one; return its path."""
        document = json.loads(self.fill(json.dumps(body)))
        metadata = document.setdefault("metadata", {})
        metadata.setdefault("name", self.name)
        path = self.path(
            document["kind"],
            metadata["name"],
            api=document["apiVersion"],
            namespace=metadata.get("namespace", ""),
        )
        reply = self.admin.request("POST", path.rpartition("/")[0], body=document)
        if reply.code != 201:
            raise RuntimeError(f"can't arrange {path}: {reply.body}")
        if "/namespaces/" not in path or metadata.get("namespace"):
            self.endings.append(lambda: self.admin.request("DELETE", path))
        if metadata.get("finalizers"):
            self.endings.append(lambda: self.unfinalize(path))
        return path

    def end(self) -> None:
        """Take away what the namespace's end does not; what is gone is fine."""
        for ending in reversed(self.endings):
            ending()

    def unfinalize(self, path: str) -> None:
        """Let an object go that waits for somebody."""
        self.admin.request("PATCH", path, body={"metadata": {"finalizers": None}}, content_type=MERGE)

    def live(self, path: str) -> Any:
        """Return an object or a list as it is; ``None`` where there is none."""
        path, _, query = path.partition("?")
        reply = self.admin.request(
            "GET", path, query=dict(part.split("=", 1) for part in query.split("&") if part)
        )
        return reply.body if reply.code == 200 else None

    # --- what the attacker does ---

    def kubectl(self, *words: str, given: Any = None) -> Answer:
        """Run kubectl as the attacker."""
        done = self.actor.kubectl(*words, input=given, within=60)
        return self._remember(Answer(ok=done.ok, text=f"{done.out}\n{done.err}".strip()))

    def request(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """Send one request as the attacker; return the decoded body."""
        reply = self.actor.request(method, path, body=body, **how)
        text = reply.body.get("message", "") if isinstance(reply.body, dict) else str(reply.body)
        self._remember(Answer(ok=reply.code < 400, text=str(text)))
        return reply.body

    def _remember(self, answer: Answer) -> Answer:
        self.answers.append(answer)
        return answer


Arrange: TypeAlias = Callable[[Arm], tuple[str, ...]]
"""Put there what is attacked; return the paths of what must stay as it is. A path with ``?`` is a list: its
objects must stay the same ones."""
Act: TypeAlias = Callable[[Arm], object]
Look: TypeAlias = Callable[[Arm], bool]


@dataclass(frozen=True, slots=True)
class Case:
    """One attack; or, where ``harmless``, one piece of ordinary work."""

    ids: str
    """Separated by blanks: T of kubernetes-facts.md §5.1, DO of §5.2, U of §6."""
    name: str
    attack: Act
    arrange: Arrange
    worked: Look | None = None
    """Whether the attack has got what it wanted; ``None``: what was arranged is not as it was."""
    control: bool = True
    """Whether the control arm can show it: false where no namespace makes a difference and nobody but the
    agent can play its part."""
    applies: Callable[[Arm], str] = lambda _: ""
    """Why the case can't be tried in this cluster; empty where it can."""
    harmless: bool = False


def refused_by(answers: list[Answer]) -> str:
    """Return what stood in the way, in words; empty where nothing says so."""
    for answer in reversed(answers):
        # Also of a command that calls itself done: "kubectl cordon" ends with 0 when it was refused.
        for pattern, what in (
            (_WEBHOOK, "webhook"),
            (_FAILED, "webhook that did not answer"),
            (_POLICY, "policy"),
        ):
            if found := pattern.search(answer.text):
                return f"{what} {found[1]}"
        if any(part in answer.text for part in _RIGHTS):
            return "RBAC"
    return ""
