"""Create an agent: tagged account, rights, and a kubeconfig once the gate knows the account."""

from __future__ import annotations

import base64
import os
import re
import shlex
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from peergate.cli.agent_rights import LEFT_OUT, rules_of
from peergate.cli.kube import ApiError, Cluster, connect, object_path
from peergate.cli.output import Output
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import AGENT_LABEL, OWNER_ANNOTATION, JsonObject

__all__ = ["Enlistment", "enlist"]

_MANAGER: Final = {"fieldManager": "peergate-cli", "force": "true"}
_RBAC: Final = "rbac.authorization.k8s.io"
_CONFIGURATION: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"
_WAIT_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.5
_SHORTEST: Final = timedelta(minutes=10)
"""The API server refuses shorter tokens."""
_PENDING: Final = 4
_NAMESPACES: Final = re.compile(r'\.split\(":"\)\[2\] in \[([^\]]*)\]')


@dataclass(frozen=True, slots=True)
class Enlistment:
    """What the command line says about an agent."""

    name: str
    owner: str
    profile: str
    places: tuple[str, ...]
    everywhere: bool
    ttl: timedelta
    file: Path


def enlist(out: Output, *, enlistment: Enlistment) -> None:
    """Create or renew the agent and write its kubeconfig.

    Errors: CommandError: exit code 2 when the file exists, its folder does not, or the account is something
        else, 4 when the gate has not listed the account in time; then no credentials were made.
    """
    if enlistment.ttl < _SHORTEST:
        raise CommandError("too short a life; tokens live 10m at least; raise --ttl", exit_code=2)
    if enlistment.file.exists():
        raise CommandError(
            f"{visible(str(enlistment.file))} exists; it is not overwritten; choose another --kubeconfig-out",
            exit_code=2,
        )
    if not enlistment.file.parent.is_dir():
        # Found out now: later there would be an account, and nothing to use it with.
        raise CommandError(
            f"no folder {visible(str(enlistment.file.parent))} for the kubeconfig; nothing was created; "
            "make it, or choose another --kubeconfig-out",
            exit_code=2,
        )
    cluster = connect(out)
    namespace = cluster.namespace
    places = enlistment.places or (namespace,)
    for place in dict.fromkeys((namespace, *places)):
        _check_namespace(cluster, place)
    _account(cluster, enlistment=enlistment, namespace=namespace)
    _rights(cluster, enlistment=enlistment, namespace=namespace, places=places)
    out.say(
        f"{out.good('agent')} {namespace}/{enlistment.name}, owner {visible(enlistment.owner)}: tagged, "
        f"{enlistment.profile} in {'every namespace' if enlistment.everywhere else ', '.join(places)}"
    )
    out.say("Left out on purpose:")
    out.lines(f"  - {line}" for line in LEFT_OUT)
    _wait_listed(out, cluster=cluster, namespace=namespace, name=enlistment.name)
    token, ends = _token(cluster, enlistment=enlistment, namespace=namespace)
    _write(
        enlistment.file,
        _kubeconfig(cluster, token=token, user=f"{namespace}-{enlistment.name}", namespace=places[0]),
    )
    out.data(str(enlistment.file))
    out.say(f"Its token ends {visible(ends)}; run this again, with another file, for a fresh one.")
    out.hint("Next:", f"kubectl --kubeconfig {shlex.quote(str(enlistment.file))} auth whoami")


def _check_namespace(cluster: Cluster, name: str) -> None:
    path = object_path(group="", version="v1", resource="namespaces", namespace="", name=name)
    if cluster.find(path) is None:
        shown = visible(name, limit=80)
        raise CommandError(
            f"no namespace {shown}; the agent would have no place; kubectl create namespace {shown}"
        )


def _account(cluster: Cluster, *, enlistment: Enlistment, namespace: str) -> None:
    path = object_path(
        group="", version="v1", resource="serviceaccounts", namespace=namespace, name=enlistment.name
    )
    live = cluster.find(path)
    if live is not None:
        labels = live["metadata"].get("labels") or {}
        owner = (live["metadata"].get("annotations") or {}).get(OWNER_ANNOTATION, "")
        if labels.get(AGENT_LABEL) != "true" or owner != enlistment.owner:
            raise CommandError(
                f"ServiceAccount {namespace}/{visible(enlistment.name)} exists and is no agent of "
                f"{visible(enlistment.owner)}; it was left as it is; choose another name",
                exit_code=2,
            )
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": enlistment.name,
            "namespace": namespace,
            "labels": {AGENT_LABEL: "true"},
            "annotations": {OWNER_ANNOTATION: enlistment.owner},
        },
    }
    _apply(cluster, path, body)


def _rights(
    cluster: Cluster,
    *,
    enlistment: Enlistment,
    namespace: str,
    places: tuple[str, ...],
) -> None:
    name = f"agent-{namespace}-{enlistment.name}"
    subject = {"kind": "ServiceAccount", "name": enlistment.name, "namespace": namespace}
    rules = rules_of(enlistment.profile)
    if enlistment.everywhere:
        _bind(cluster, name=name, rules=rules, subject=subject, place="")
        return
    for place in dict.fromkeys(places):
        _bind(cluster, name=name, rules=rules, subject=subject, place=place)


def _bind(cluster: Cluster, *, name: str, rules: list[JsonObject], subject: JsonObject, place: str) -> None:
    role_kind = "Role" if place else "ClusterRole"
    metadata: JsonObject = {"name": name, **({"namespace": place} if place else {})}
    role = {"apiVersion": f"{_RBAC}/v1", "kind": role_kind, "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{role_kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": name},
        "subjects": [subject],
    }
    for body in (role, binding):
        resource = f"{str(body['kind']).lower()}s"
        path = object_path(group=_RBAC, version="v1", resource=resource, namespace=place, name=name)
        _apply(cluster, path, body)


def _apply(cluster: Cluster, path: str, body: JsonObject) -> None:
    cluster.patch(path, body, kind="application/apply-patch+yaml", query=_MANAGER)


def _wait_listed(out: Output, *, cluster: Cluster, namespace: str, name: str) -> None:
    """Wait until the gate's exact condition names the account; without one the gate is wide and covers it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            configuration = cluster.find(_CONFIGURATION)
        except ApiError as error:
            out.say(f"Warning: can't see whether the gate has listed it; {error.message}")
            return
        if configuration is None:
            out.say(
                "Warning: Peergate is not installed in this cluster; nothing guards against this agent yet."
            )
            return
        waiting = _not_listing(configuration, namespace=namespace, name=name)
        if not waiting:
            out.say("The gate knows the account.")
            return
        if time.monotonic() > deadline:
            raise CommandError(
                f"the gate has not listed the account after {_WAIT_SECONDS:.0f} s ({', '.join(waiting)}); no "
                "credentials were made; check that the operator runs, then run this again",
                exit_code=_PENDING,
            )
        time.sleep(_POLL_SECONDS)


def _not_listing(configuration: JsonObject, *, namespace: str, name: str) -> list[str]:
    """Return the entries whose ``agents`` condition leaves the account out; without one, none is left out."""
    return [
        visible(str(entry.get("name", "")), limit=80)
        for entry in configuration.get("webhooks") or ()
        for condition in entry.get("matchConditions") or ()
        if condition.get("name") == "agents"
        and not _names(str(condition.get("expression", "")), namespace=namespace, name=name)
    ]


def _names(expression: str, *, namespace: str, name: str) -> bool:
    """Tell whether the condition names the account, or its namespace as one of agents.

    Shape: accounts stand in it as ``"<namespace>:<name>"``, namespaces in the list that the name's third part
    is looked up in. One that is always true leaves nobody out.
    """
    if expression.strip() == "true" or f'"{namespace}:{name}"' in expression:
        return True
    spaces = _NAMESPACES.search(expression)
    return spaces is not None and f'"{namespace}"' in spaces[1]


def _token(cluster: Cluster, *, enlistment: Enlistment, namespace: str) -> tuple[str, str]:
    path = object_path(
        group="", version="v1", resource="serviceaccounts", namespace=namespace, name=enlistment.name
    )
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": int(enlistment.ttl.total_seconds())},
    }
    status = cluster.create(f"{path}/token", body)["status"]
    return str(status["token"]), str(status["expirationTimestamp"])


def _kubeconfig(cluster: Cluster, *, token: str, user: str, namespace: str) -> JsonObject:
    access = cluster.access
    server: JsonObject = {"server": access.server}
    if access.authority:
        server["certificate-authority-data"] = base64.b64encode(access.authority).decode("ascii")
    if not access.verified:
        server["insecure-skip-tls-verify"] = True
    if access.server_name:
        server["tls-server-name"] = access.server_name
    name = cluster.name or "cluster"
    context = {"cluster": name, "user": user, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": server}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": user, "context": context}],
        "current-context": user,
    }


def _write(file: Path, document: JsonObject) -> None:
    import yaml  # noqa: PLC0415 - help and completion start without it

    try:
        # Created for its owner alone before anything is in it.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            yaml.safe_dump(document, stream, sort_keys=False)
    except OSError as error:
        raise CommandError(
            f"can't write {visible(str(file))}; {error.strerror}; choose another --kubeconfig-out"
        ) from error
