"""Read a whole cluster once, for every check there is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from peergate.approval.keyring import build_keyring
from peergate.cli.doctor.installed import CONFIGURATIONS, find_configuration, find_settings
from peergate.cli.doctor.rbac import Rbac
from peergate.cli.doctor.reading import Reader
from peergate.cli.doctor.seen import Seen
from peergate.cli.doctor.surroundings import read_deciders, read_look_alikes
from peergate.cli.when import date_of
from peergate.errors import CommandError
from peergate.gate.policies import PolicyIndex
from peergate.gate.snapshot import Account, Snapshot, gate_config
from peergate.model.names import API_VERSION, OWNER_ANNOTATION, JsonObject
from peergate.settings import Settings

__all__ = ["read_cluster"]

_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_LEASE: Final = "peergate-leader"


def read_cluster(reader: Reader, *, config: Path | None) -> Seen:
    """Return what the caller may see of a cluster.

    Errors: CommandError when it doesn't answer, or even namespaces and accounts can't be read.
    """
    configurations = reader.all(CONFIGURATIONS) or ()
    live = find_configuration(configurations, name=Settings().webhook.configuration)
    settings, where = find_settings(reader, file=config, configuration=live)
    live = find_configuration(configurations, name=settings.webhook.configuration)
    namespaces = _namespaces(reader)
    accounts = _accounts(reader, agent_label=settings.labels.agent)
    if namespaces is None or accounts is None:
        said = next(iter(reader.unreadable.values()), "")
        raise CommandError(
            f"can't read namespaces and accounts; {said}; the doctor is for administrators: "
            "use another --context"
        )
    own = f"/namespaces/{settings.namespace}"
    policies = reader.all(f"{_ADMISSION}/validatingadmissionpolicies")
    bindings = reader.all(f"{_ADMISSION}/validatingadmissionpolicybindings")
    rbac = _rbac(reader)
    lease = reader.get(f"/apis/coordination.k8s.io/v1{own}/leases/{_LEASE}")
    server_time, now = date_of(reader.cluster.date), datetime.now(UTC)
    return Seen(
        settings=settings,
        settings_from=where,
        snapshot=Snapshot(
            config=gate_config(settings),
            audience="",
            keyring=build_keyring({}),
            policies=PolicyIndex(),
            accounts=accounts,
            namespaces=namespaces,
        ),
        now=now,
        server_time=server_time,
        rbac=rbac,
        configuration=live,
        companions=None if policies is None or bindings is None else [*policies, *bindings],
        mutating=reader.all(f"{_ADMISSION}/mutatingwebhookconfigurations"),
        mutating_policies=reader.all(f"{_ADMISSION}/mutatingadmissionpolicies"),
        policies=reader.all(f"/apis/{API_VERSION}/protectionpolicies"),
        approvers=reader.all(f"/apis/{API_VERSION}/approvers"),
        deployments=reader.all(f"/apis/apps/v1{own}/deployments"),
        endpoint_slices=reader.all(f"/apis/discovery.k8s.io/v1{own}/endpointslices"),
        budgets=reader.all(f"/apis/policy/v1{own}/poddisruptionbudgets"),
        lease=lease,
        api_services=reader.all("/apis/apiregistration.k8s.io/v1/apiservices"),
        look_alikes=read_look_alikes(reader),
        deciders=read_deciders(reader),
        unreadable=reader.unreadable,
        cut=reader.cut,
    )


def _namespaces(reader: Reader) -> Mapping[str, Mapping[str, str]] | None:
    """Return the labels of every namespace that is there to stay."""
    items = reader.all("/api/v1/namespaces", metadata_only=True)
    if items is None:
        return None
    return {
        _name(item): dict(_metadata(item).get("labels") or {})
        for item in items
        if not _metadata(item).get("deletionTimestamp")
    }


def _accounts(reader: Reader, *, agent_label: str) -> Mapping[tuple[str, str], Account] | None:
    """Return every ServiceAccount as the gate keeps it."""
    items = reader.all("/api/v1/serviceaccounts", metadata_only=True)
    if items is None:
        return None
    return {
        (str(_metadata(item).get("namespace", "")), _name(item)): Account(
            uid=str(_metadata(item).get("uid", "")),
            tagged=(_metadata(item).get("labels") or {}).get(agent_label) == "true",
            owner=str((_metadata(item).get("annotations") or {}).get(OWNER_ANNOTATION, "")),
        )
        for item in items
    }


def _rbac(reader: Reader) -> Rbac | None:
    """Return roles and bindings; ``None`` if one kind of them can't be read."""
    kinds = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
    found = [reader.all(f"{_RBAC}/{kind}") for kind in kinds]
    if any(items is None for items in found):
        return None
    roles, cluster_roles, bindings, cluster_bindings = (items or [] for items in found)
    return Rbac(
        roles=roles, cluster_roles=cluster_roles, bindings=bindings, cluster_bindings=cluster_bindings
    )


def _metadata(item: JsonObject) -> Mapping[str, Any]:
    found: Mapping[str, Any] = item.get("metadata") or {}
    return found


def _name(item: JsonObject) -> str:
    return str(_metadata(item).get("name", ""))
