"""The types that every cluster has, for commands that ask no cluster."""

from __future__ import annotations

import shlex
from functools import cache
from typing import Final

from peergate.cli.discovery import ApiResource
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.review import Kind

__all__ = ["kind_named", "known_kind", "known_type", "typed"]

_NAMESPACED: Final = """
v1                        ConfigMap                 configmaps                cm
v1                        Endpoints                 endpoints                 ep
v1                        Event                     events                    ev
v1                        LimitRange                limitranges               limits
v1                        PersistentVolumeClaim     persistentvolumeclaims    pvc
v1                        Pod                       pods                      po
v1                        ReplicationController     replicationcontrollers    rc
v1                        ResourceQuota             resourcequotas            quota
v1                        Secret                    secrets
v1                        Service                   services                  svc
v1                        ServiceAccount            serviceaccounts           sa
apps/v1                   DaemonSet                 daemonsets                ds
apps/v1                   Deployment                deployments               deploy
apps/v1                   ReplicaSet                replicasets               rs
apps/v1                   StatefulSet               statefulsets              sts
autoscaling/v2            HorizontalPodAutoscaler   horizontalpodautoscalers  hpa
batch/v1                  CronJob                   cronjobs                  cj
batch/v1                  Job                       jobs
coordination.k8s.io/v1    Lease                     leases
discovery.k8s.io/v1       EndpointSlice             endpointslices
networking.k8s.io/v1      Ingress                   ingresses                 ing
networking.k8s.io/v1      NetworkPolicy             networkpolicies           netpol
policy/v1                 PodDisruptionBudget       poddisruptionbudgets      pdb
rbac.authorization.k8s.io/v1  Role                  roles
rbac.authorization.k8s.io/v1  RoleBinding           rolebindings
"""
_CLUSTER_WIDE: Final = """
v1                        Namespace                 namespaces                ns
v1                        Node                      nodes                     no
v1                        PersistentVolume          persistentvolumes         pv
apiextensions.k8s.io/v1   CustomResourceDefinition  customresourcedefinitions crd
apiregistration.k8s.io/v1 APIService                apiservices
rbac.authorization.k8s.io/v1  ClusterRole           clusterroles
rbac.authorization.k8s.io/v1  ClusterRoleBinding    clusterrolebindings
scheduling.k8s.io/v1      PriorityClass             priorityclasses           pc
storage.k8s.io/v1         StorageClass              storageclasses            sc
"""


def known_type(name: str) -> ApiResource:
    """Return the resource that a TYPE means: a built-in one, or ``PLURAL.VERSION.GROUP`` as it is.

    What is named in full counts as namespaced, and its plural stands for its kind, which no rule looks at.
    Errors: CommandError with exit code 2 for another name.
    """
    wanted, _, rest = name.lower().partition(".")
    for resource in _table():
        kind = resource.kind
        if resource.is_called(wanted) and rest in {"", kind.group, f"{kind.version}.{kind.group}"}:
            return resource
    version, _, group = rest.partition(".")
    if not (wanted and version.startswith("v") and "." in group):
        raise CommandError(
            f"unknown type {visible(name, limit=80)!r}; no cluster is asked; write "
            "PLURAL.VERSION.GROUP, like certificates.v1.cert-manager.io",
            exit_code=2,
        )
    return ApiResource(
        kind=Kind(group=group, version=version, kind=wanted),
        plural=wanted,
        singular=wanted,
        short=(),
        namespaced=True,
    )


def known_kind(kind: Kind) -> ApiResource:
    """Return the built-in resource of a manifest's kind.

    Errors: CommandError with exit code 2 for any other: only a cluster knows its plural, which rules name.
    """
    for resource in _table():
        if resource.kind == kind:
            return resource
    shown = visible(f"{kind.api_version} {kind.kind}", limit=120)
    raise CommandError(
        f"unknown kind {shown}; no cluster is asked; name it as well, like "
        "--request 'delete certificates.v1.cert-manager.io/web'",
        exit_code=2,
    )


def kind_named(*, group: str, resource: str) -> str:
    """Return the kind of a built-in resource, ``Deployment`` of ``deployments``; empty for any other."""
    for one in _table():
        if (one.kind.group, one.plural) == (group, resource):
            return one.kind.kind
    return ""


def typed(*, group: str, resource: str, name: str) -> str:
    """Return ``statefulset/db`` or ``certificates.cert-manager.io/web``, quoted for a shell."""
    kind = kind_named(group=group, resource=resource).lower()
    words = kind or (f"{resource}.{group}" if group else resource)
    return visible(shlex.quote(f"{words}/{name}"), limit=1024)


@cache
def _table() -> tuple[ApiResource, ...]:
    found: list[ApiResource] = []
    for namespaced, table in ((True, _NAMESPACED), (False, _CLUSTER_WIDE)):
        for line in table.split("\n"):
            if not line:
                continue
            api_version, kind, plural, *short = line.split()
            group, _, version = api_version.rpartition("/")
            found.append(
                ApiResource(
                    kind=Kind(group=group, version=version, kind=kind),
                    plural=plural,
                    singular=kind.lower(),
                    short=tuple(short),
                    namespaced=namespaced,
                )
            )
    return tuple(found)
