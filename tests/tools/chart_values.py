"""The chart's values: names, defaults, descriptions, bounds. values.yaml, schema and README come from here.

Names are those that people know from other charts (experience.md §3.3). What the operator reads from its
settings file is described there once more, and in the same words: ``peergate.settings``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from tests.tools.alerts import RUNBOOK

__all__ = ["Values"]

_Free = Annotated[dict[str, Any], Field(default_factory=dict)]
_Duration = Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")]
_AccountName = Annotated[str, Field(pattern=r"^system:serviceaccount:[^:]+:[^:]+$")]
_LabelKey = Annotated[str, Field(min_length=1, max_length=317)]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Global(_Section):
    """Shared with other charts of a release."""

    model_config = ConfigDict(extra="allow")

    image_registry: str = ""
    """Registry that replaces every image's own."""
    image_pull_secrets: list[str] = Field(default=[])
    """Names of Secrets for pulling images."""
    common_labels: _Free
    """Labels on every object."""


class Agents(_Section):
    """Who is an agent beyond the ServiceAccounts that carry the tag."""

    namespaces: list[str] = Field(default=[])
    """Every ServiceAccount in these namespaces."""
    groups: list[str] = Field(default=[])
    """Everybody in these groups."""
    usernames: list[str] = Field(default=[])
    """User names; `*` stands for any characters."""
    strict: bool = False
    """Every ServiceAccount outside kube-system and not in `trusted`. An outage then stops all of them."""
    trusted: list[_AccountName] = Field(default=[])
    """User names of ServiceAccounts that are never agents, whatever their tag."""


class Approvals(_Section):
    """How approvals of updates are spent."""

    retry_window: _Duration = "40s"
    """How long a used approval stays good for the identical change; 0s is strictly once."""


class Labels(_Section):
    """Which labels select."""

    agent: _LabelKey = "peergate.dev/agent"
    """On a ServiceAccount: it is an agent."""
    agents: _LabelKey = "peergate.dev/agents"
    """On a Namespace: every ServiceAccount in it is an agent."""
    protected: _LabelKey = "peergate.dev/protected"
    """On a Namespace: what is in it is protected."""


class CompanionPolicies(_Section):
    """Policies inside the API server that hold while the webhook is down (docs/companions.md)."""

    enabled: bool = True
    """Make them where agents are named by namespace, group, user name or strict mode; else there are none."""


class Limits(_Section):
    """What an agent may have open at once."""

    open_requests_per_requester: int = Field(default=100, ge=0)
    """Requests of one agent that wait for a peer; further changes are refused and not filed."""


class ChangeRequests(_Section):
    """How long filed requests live."""

    expire_after: _Duration = "24h"
    """An undecided request ends after this long."""
    delete_after: _Duration = "168h"
    """A request that has ended is cleared away after this long."""


class Image(_Section):
    """The operator's image."""

    registry: str = ""
    """Registry, apart from the repository; empty: whatever the nodes take for it."""
    repository: str = "peergate/peergate"
    """Repository."""
    tag: str = ""
    """Tag; empty: the chart's appVersion."""
    digest: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$")
    """Digest; wins over the tag."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When to pull."""


class RollingUpdate(_Section):
    """One more before one less: no moment without a replica."""

    max_surge: int | str = 1
    """Replicas above the number."""
    max_unavailable: int | str = 0
    """Replicas below the number."""


class UpdateStrategy(_Section):
    """How replicas are replaced."""

    type: Literal["RollingUpdate", "Recreate"] = "RollingUpdate"
    """Kind of replacement; Recreate stops agents meanwhile."""
    rolling_update: RollingUpdate = RollingUpdate()


class PodDisruptionBudget(_Section):
    """Keeps node drains from taking the last replica."""

    enabled: bool = True
    """Make one."""
    min_available: int | str = 1
    """Replicas that stay."""
    unhealthy_pod_eviction_policy: Literal["AlwaysAllow", "IfHealthyBudget"] = "AlwaysAllow"
    """Let a drain take a replica that serves nobody anyway."""


class ClientVerification(_Section):
    """Let nobody but the API server speak to the webhook port (docs/client-verification.md)."""

    enabled: bool = False
    """Ask for a client certificate and close the connection of who has none; the API server needs one."""
    ca_secret: str = ""
    """Secret in the operator's namespace whose `ca.crt` has the CAs, in PEM, that sign the API server's."""
    subjects: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    """Common names of which the certificate must have one; empty: any that those CAs signed."""


class Webhook(_Section):
    """The port that the API server calls. Selectors, conditions and rules are the product, and no values."""

    port: int = Field(default=10250, ge=1, le=65535)
    """The container's port; 10250 is open on most private clusters."""
    timeout_seconds: int = Field(default=5, ge=1, le=30)
    """How long the API server waits; the operator answers half a second earlier."""
    failure_policy: Literal["Fail", "Ignore"] = "Fail"
    """Ignore lets agents through while no replica answers."""
    annotations: _Free
    """On the ValidatingWebhookConfiguration."""
    client_verification: ClientVerification = ClientVerification()


class Tls(_Section):
    """Where the serving certificate comes from."""

    mode: Literal["selfSigned", "certManager", "existingSecret"] = "selfSigned"
    """selfSigned: made and renewed by the operator. certManager: a Certificate. existingSecret: yours."""
    existing_secret: str = ""
    """For existingSecret: a Secret with `tls.crt`, `tls.key` and `ca.crt`."""
    ca_bundle: str = ""
    """For existingSecret: PEM of the CA, base64, as it goes into the webhook configuration."""
    issuer_ref: _Free
    """For certManager: `{kind, name, group}`; empty: a self-signed Issuer of its own."""


class ServiceAccount(_Section):
    """The operator's account."""

    create: bool = True
    """Make it."""
    name: str = ""
    """Its name; empty: the release's full name."""
    annotations: _Free
    """On the account."""


class Rbac(_Section):
    """The operator's rights, and roles for people and agents."""

    create: bool = True
    """Make them."""
    aggregate: bool = True
    """Make ClusterRoles peergate-approver, -viewer, -reader and -agent; the first two add to admin, edit and
    view."""
    read_secrets: bool = True
    """Let the operator read Secrets that an agent was refused to change, so that those requests are filed."""


class Crds(_Section):
    """CustomResourceDefinitions."""

    enabled: bool = True
    """Install and upgrade them with the release."""
    keep: bool = True
    """Leave them, and what they hold, when the release is uninstalled."""


class Monitor(_Section):
    """For the Prometheus operator."""

    enabled: bool = False
    """Make one."""
    interval: _Duration = "30s"
    """How often to scrape."""
    labels: _Free
    """On the monitor, for the Prometheus that selects by them."""


class UninstallHook(_Section):
    """Before `helm uninstall` takes anything away, a Job removes the webhook configuration."""

    enabled: bool = True
    """Run it. Without it Helm removes the configuration along with the rest, in an order of its own."""


class SelfTestHook(_Section):
    """A tagged account must be refused by every entry, an untagged one not even sent."""

    enabled: bool = True
    """Let `helm install` and `helm upgrade` fail where that does not hold; `helm test` runs it anyway."""
    timeout_seconds: int = Field(default=120, ge=10, le=3600)
    """How long it waits for the replicas and for the tag to take effect."""


class Hooks(_Section):
    """What Helm runs beside the release, with accounts that go afterwards; only with `rbac.create`."""

    uninstall: UninstallHook = UninstallHook()
    self_test: SelfTestHook = SelfTestHook()
    resources: dict[str, Any] = Field(
        default={"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    )
    """Of their containers."""


class Metrics(_Section):
    """The plain HTTP port with /livez, /readyz and /metrics."""

    port: int = Field(default=8080, ge=1, le=65535)
    """The container's port."""
    service_monitor: Monitor = Monitor()
    pod_monitor: Monitor = Monitor()


class PrometheusRule(_Section):
    """Alerts, for the Prometheus operator."""

    enabled: bool = False
    """Make one."""
    labels: _Free
    """On the rule, for the Prometheus that selects by them."""
    runbook: str = RUNBOOK
    """Page that alerts point to, each at the section of its name."""
    rules: list[dict[str, Any]] = Field(default=[])
    """More rules."""


class GrafanaDashboard(_Section):
    """A ConfigMap with the dashboard, for Grafana's sidecar."""

    enabled: bool = False
    """Make one."""
    labels: dict[str, Any] = Field(default={"grafana_dashboard": "1"})
    """By which the sidecar finds it."""


class NetworkPolicy(_Section):
    """Who reaches the pods. The API server calls from outside of every pod network."""

    enabled: bool = False
    """Make one: webhook port for everybody, metrics port for the namespaces of `metricsFrom`."""
    metrics_from: _Free
    """Label selector of namespaces that may scrape; empty: all."""


class Log(_Section):
    """What the log shows."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level."""
    format: Literal["json", "text"] = "json"
    """One JSON object a line, or text for people."""


class Values(_Section):
    """The whole of it."""

    global_: Annotated[Global, Field(alias="global")] = Global()
    enabled: bool = True
    """For umbrella charts; this chart itself does not read it."""
    name_override: str = ""
    """Replaces the chart's name in names and labels."""
    fullname_override: str = ""
    """Replaces the full name."""
    namespace_override: str = ""
    """Namespace of the operator; empty: the release's."""
    agents: Agents = Agents()
    approvals: Approvals = Approvals()
    labels: Labels = Labels()
    companion_policies: CompanionPolicies = CompanionPolicies()
    limits: Limits = Limits()
    change_requests: ChangeRequests = ChangeRequests()
    image: Image = Image()
    replica_count: int = Field(default=2, ge=0, le=25)
    """Replicas; all of them serve. With one, agents wait while it is replaced."""
    update_strategy: UpdateStrategy = UpdateStrategy()
    pod_disruption_budget: PodDisruptionBudget = PodDisruptionBudget()
    affinity: _Free
    """Of the pods; empty: rather not two replicas on one node."""
    topology_spread_constraints: list[dict[str, Any]] = Field(default=[])
    """Of the pods."""
    priority_class_name: str = "system-cluster-critical"
    """So that the gate is not preempted by what it guards."""
    resources: dict[str, Any] = Field(
        default={"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
    )
    """Of the container. No CPU limit: throttling would make reviews late."""
    node_selector: _Free
    """Of the pods."""
    tolerations: list[dict[str, Any]] = Field(default=[])
    """Of the pods."""
    pod_labels: _Free
    """On the pods."""
    pod_annotations: _Free
    """On the pods."""
    extra_env: list[dict[str, Any]] = Field(default=[])
    """Environment of the container."""
    extra_volumes: list[dict[str, Any]] = Field(default=[])
    """Of the pods."""
    extra_volume_mounts: list[dict[str, Any]] = Field(default=[])
    """Of the container."""
    extra_objects: list[dict[str, Any] | str] = Field(default=[])
    """More objects of the release; strings are templates."""
    webhook: Webhook = Webhook()
    tls: Tls = Tls()
    service_account: ServiceAccount = ServiceAccount()
    rbac: Rbac = Rbac()
    crds: Crds = Crds()
    hooks: Hooks = Hooks()
    metrics: Metrics = Metrics()
    prometheus_rule: PrometheusRule = PrometheusRule()
    grafana_dashboard: GrafanaDashboard = GrafanaDashboard()
    network_policy: NetworkPolicy = NetworkPolicy()
    log: Log = Log()
