"""A cluster with Peergate and all companion policies, and agents that RBAC does not hold at all.

Four namespaces of agents: for ``company-bots`` the default policies are in force, for ``strict-bots`` those
and the stricter ones; for ``sealed-bots`` and ``sealed-strict-bots`` the same as files that the API server
reads from its disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.peergate import Installation
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until

from peergate.settings import AgentSettings, Settings
from peergate.shipped.companions import companion_policies, static_manifests, stricter_policies

__all__ = [
    "ADMISSION",
    "COMPANY",
    "DRY",
    "SEALED",
    "SEALED_STRICT",
    "STRICT",
    "Company",
    "company_with_policies",
    "policies_for",
    "stricter_for",
    "unheld",
    "webhooks",
]

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
COMPANY, STRICT = "company-bots", "strict-bots"
SEALED, SEALED_STRICT = "sealed-bots", "sealed-strict-bots"
DRY = {"dryRun": "All"}


@dataclass(frozen=True, slots=True)
class Company:
    """Who is there."""

    installation: Installation
    bots: dict[str, Client]
    """Agents, by the namespace they live in."""
    bystander: Client
    """Somebody with the same rights who is no agent."""
    namespace: str
    """A protected namespace."""

    @property
    def admin(self) -> Client:
        return self.installation.cluster.admin


@contextmanager
def company_with_policies(folder: Path) -> Iterator[Company]:
    """Start the cluster; ``folder`` is where its static manifests lie."""
    everywhere = (COMPANY, STRICT, SEALED, SEALED_STRICT)
    settings = {"agents": {"namespaces": list(everywhere)}, "webhook": {"drainSeconds": 0}}
    with (
        Cluster(api_server_flags=[f"--admission-control-config-file={static_admission(folder)}"]) as cluster,
        fresh_namespace(cluster, protected=True) as namespace,
        Installation(cluster, settings=settings) as installation,
    ):
        bots = {where: unheld(cluster, where, "bot") for where in everywhere}
        cluster.admin.apply(*policies_for(COMPANY, STRICT), *stricter_for(STRICT))
        made = Company(installation, bots, unheld(cluster, "workers", "bystander"), namespace)
        for bot in bots.values():
            wait_until("the policies are in force", lambda bot=bot: refused_everything(bot))
            installation.wait_gated(bot, namespace=namespace)
        yield made


def settings_for(*namespaces: str) -> Settings:
    return Settings(agents=AgentSettings(namespaces=namespaces))


def policies_for(*namespaces: str) -> tuple[dict[str, Any], ...]:
    """Return the default policies for agents of these namespaces."""
    return companion_policies(settings_for(*namespaces))


def stricter_for(*namespaces: str) -> tuple[dict[str, Any], ...]:
    """Return the stricter policies for agents of these namespaces."""
    return stricter_policies(settings_for(*namespaces))


def static_admission(folder: Path) -> Path:
    """Write what docs/companions.md tells a platform team to write; return the file for the API server."""
    manifests = folder / "policies"
    manifests.mkdir()
    documents = static_manifests((*policies_for(SEALED, SEALED_STRICT), *stricter_for(SEALED_STRICT)))
    (manifests / "companions.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "ValidatingAdmissionPolicy",
                "configuration": {
                    "apiVersion": "apiserver.config.k8s.io/v1",
                    "kind": "ValidatingAdmissionPolicyConfiguration",
                    "staticManifestsDir": str(manifests),
                },
            }
        ],
    }
    path = folder / "admission.yaml"
    path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return path


def unheld(cluster: Cluster, namespace: str, name: str) -> Client:
    """Return an account that RBAC does not hold: every verb on everything."""
    client = create_account(cluster, namespace, name)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"everything-{namespace}-{name}"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
    }
    cluster.admin.apply(binding)
    return client


def refused_everything(bot: Client) -> bool:
    """Tell whether the policies are in force: dry runs of what each of them refuses."""
    probe = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "probe"}}
    probe["metadata"]["labels"] = {"peergate.dev/agents": "true"}  # type: ignore[index]
    answers = [
        bot.request(
            "POST", f"{ADMISSION}/validatingwebhookconfigurations", body=webhooks("Validating"), query=DRY
        ),
        bot.request("POST", "/api/v1/namespaces", body=probe, query=DRY),
    ]
    return all("ValidatingAdmissionPolicy" in str(answer.body) for answer in answers)


def webhooks(kind: str) -> dict[str, Any]:
    """Return a configuration that calls no webhook."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "mallory"},
    }
