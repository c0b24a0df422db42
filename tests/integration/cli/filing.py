"""ChangeRequests as the operator files them, for tests of the command line without an operator."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.changes import Desk, path_of, policy
from tests.support.filed import filed
from tests.support.requests import summary_of

from peergate.approval.patches import make_patch
from peergate.approval.projection import project_update
from peergate.model.change import Change
from peergate.model.names import JsonObject
from peergate.model.review import Kind

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Scene

__all__ = ["Desktop", "FiledRequest"]

_MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class FiledRequest:
    """One that was filed."""

    name: str
    namespace: str
    change: Change


class Desktop:
    """Makes objects in one namespace and files changes of them."""

    def __init__(self, scene: Scene, namespace: str) -> None:
        self._scene = scene
        self._admin = scene.cluster.admin
        self.namespace = namespace

    def config_map(self, name: str, **data: str) -> str:
        """Make a ConfigMap; return its path."""
        return self._make("ConfigMap", "configmaps", name, data=data)

    def secret(self, name: str, **values: str) -> str:
        """Make a Secret; return its path."""
        return self._make("Secret", "secrets", name, stringData=values)

    def account(self, name: str) -> str:
        """Make an agent's ServiceAccount; return its path."""
        metadata = {
            "labels": {"peergate.dev/agent": "true"},
            "annotations": {"peergate.dev/owner": "team-platform"},
        }
        return self._make("ServiceAccount", "serviceaccounts", name, metadata=metadata)

    def _make(self, kind: str, resource: str, name: str, **members: Any) -> str:
        metadata = {"name": name, "namespace": self.namespace, **members.pop("metadata", {})}
        self._admin.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, **members})
        return path_of(resource, name, namespace=self.namespace)

    def get(self, path: str) -> dict[str, Any]:
        """Return an object that must be there."""
        reply = self._admin.request("GET", path)
        assert reply.code == 200, reply.body
        return dict(reply.body)

    def bare(self, path: str) -> dict[str, Any]:
        """Return an object as one would keep it in a file."""
        live = self.get(path)
        metadata = live["metadata"]
        for member in ("managedFields", "resourceVersion", "uid", "creationTimestamp"):
            metadata.pop(member, None)
        return live

    def merge(self, path: str, body: Mapping[str, Any]) -> None:
        """Change an object."""
        reply = self._admin.request("PATCH", path, body=body, content_type=_MERGE)
        assert reply.code == 200, reply.body

    def dry_run(self, path: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return what the object would be."""
        wanted = copy.deepcopy(self.get(path))
        change(wanted)
        reply = self._admin.request("PUT", path, body=wanted, query={"dryRun": "All"})
        assert reply.code == 200, reply.body
        return dict(reply.body)

    def file_update(
        self,
        path: str,
        wanted: Callable[[dict[str, Any]], object] | dict[str, Any],
        *,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> FiledRequest:
        """File an update; ``spec`` overrides what is written."""
        live = self.get(path)
        new = self.dry_run(path, wanted) if callable(wanted) else wanted
        group, _, version = live["apiVersion"].rpartition("/")
        patch = make_patch(*project_update(live, new, kind=Kind(group, version, live["kind"])))
        desk = self._desk()
        change = desk.update(path, new)
        spec.setdefault("summary", summary_of(change, live, new))
        return self._file(desk, change, annotations, patch=spec.pop("patch", patch), **spec)

    def file_deletion(
        self,
        path: str,
        *,
        account: str = "",
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> FiledRequest:
        """File a deletion; ``spec`` overrides what is written."""
        desk = self._desk(account)
        change = desk.deletion(path)
        spec.setdefault("summary", summary_of(change, self.get(path), None))
        return self._file(desk, change, annotations, **spec)

    def _desk(self, account: str = "") -> Desk:
        return Desk(
            self._scene.cluster, self._admin, account=account or self._scene.agent, owner="team-platform"
        )

    def _file(
        self, desk: Desk, change: Change, annotations: Mapping[str, str] | None, **spec: Any
    ) -> FiledRequest:
        made = filed(desk, change, **spec)
        request = FiledRequest(
            name=made["metadata"]["name"], namespace=made["metadata"]["namespace"], change=change
        )
        if annotations:
            self.merge(self._path(request), {"metadata": {"annotations": dict(annotations)}})
        return request

    def _path(self, request: FiledRequest) -> str:
        api = "peergate.dev/v1alpha1"
        return path_of("changerequests", request.name, namespace=request.namespace, api=api)

    def read(self, request: FiledRequest) -> JsonObject:
        """Return the ChangeRequest as it is now."""
        return self.get(self._path(request))

    def annotations(self, request: FiledRequest) -> Mapping[str, str]:
        """Return its annotations."""
        return dict(self.read(request)["metadata"].get("annotations") or {})

    def policy(self, **rule: Any) -> None:
        """Put a policy over the namespace; it goes with the cluster, and selects nothing else."""
        name = f"cli-{secrets.token_hex(4)}"
        self._admin.apply(policy(name, self.namespace, rules=[rule]))

    def reader_of_requests(self, *resources: str) -> str:
        """Return a user who may read what every approver reads, and in the namespace only these resources."""
        user, place = f"reader-{secrets.token_hex(4)}", self.namespace
        kubectl = self._scene.cluster.kubectl
        rules = (
            ("approvers.peergate.dev,protectionpolicies.peergate.dev,namespaces,serviceaccounts", "get,list"),
            ("changerequests.peergate.dev", "get,list,patch"),
        )
        for number, (names, verbs) in enumerate(rules):
            role = f"{user}-{number}"
            kubectl("create", "clusterrole", role, f"--resource={names}", f"--verb={verbs}").must()
            kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", f"--user={user}").must()
        if resources:
            names = ",".join(resources)
            kubectl("-n", place, "create", "role", user, f"--resource={names}", "--verb=get,list").must()
            kubectl("-n", place, "create", "rolebinding", user, f"--role={user}", f"--user={user}").must()
        return user
