"""A review and a cluster that are only imagined, so that a policy can be tried without one.

The requester counts as an agent and the namespace as protected; of the rest only what the command line says
is there: no other accounts, no approvers, no filed requests.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from peergate.approval.keyring import build_keyring
from peergate.cli.discovery import ApiResource
from peergate.cli.flags import Globals
from peergate.cli.known_types import known_kind, known_type
from peergate.cli.manifest import kind_of, read_documents, read_manifest
from peergate.cli.targets import named
from peergate.cli.text import visible
from peergate.errors import CommandError, InputError
from peergate.gate.policies import PolicyIndex
from peergate.gate.snapshot import Account, GateConfig, Snapshot, gate_config
from peergate.model.names import PROTECTED_LABEL, JsonObject
from peergate.model.review import Gate, Resource, Review, User, parse_review
from peergate.settings import Settings

__all__ = ["Imagined", "imagined_review", "imagined_snapshot"]

_UID: Final = "00000000-0000-4000-8000-000000000000"
_VERBS: Final = {"delete": "DELETE", "replace": "UPDATE", "create": "CREATE"}


@dataclass(frozen=True, slots=True)
class Imagined:
    """What the command line says about the request."""

    review: str | None
    request: str | None
    file: str | None
    live: str | None
    labels: str
    namespace_labels: str
    owner: str


def imagined_review(imagined: Imagined, *, flags: Globals) -> Review:
    """Return the review to be judged.

    Errors: CommandError with exit code 2 for what can't be meant.
    """
    if (imagined.review is None) == (imagined.request is None):
        raise CommandError(
            "which request?; give one of --review FILE and --request 'delete TYPE/NAME'", exit_code=2
        )
    if imagined.review is not None:
        return _from_file(imagined.review, flags=flags)
    return _from_words(imagined, flags=flags)


def imagined_snapshot(imagined: Imagined, *, review: Review, policies: PolicyIndex) -> Snapshot:
    """Return the cluster in which the review's requester is an agent and its namespace is protected."""
    config = gate_config(Settings())
    account = review.user.service_account
    namespace = review.namespace or review.name
    return Snapshot(
        config=config if account is not None else _also_agent(config, username=review.user.username),
        audience="k8s:imagined",
        keyring=build_keyring({}),
        policies=policies,
        accounts={}
        if account is None
        else {account: Account(uid=review.user.uid, tagged=True, owner=imagined.owner)},
        namespaces={
            namespace: {
                "kubernetes.io/metadata.name": namespace,
                **_labels(imagined.namespace_labels, flag="--namespace-labels"),
                PROTECTED_LABEL: "true",
            }
        },
    )


def _also_agent(config: GateConfig, *, username: str) -> GateConfig:
    pattern = re.compile(re.escape(username))
    return dataclasses.replace(config, agents=dataclasses.replace(config.agents, usernames=(pattern,)))


def _from_file(path: str, *, flags: Globals) -> Review:
    documents = read_documents(path, what="review")
    if len(documents) != 1:
        raise CommandError(
            f"{len(documents)} documents in {visible(path)}; one review is tried at a time; split the file",
            exit_code=2,
        )
    try:
        found = parse_review(documents[0], gate=Gate.NAMESPACED)
    except InputError as error:
        raise CommandError(
            f"no review; {error.user_message}; give an AdmissionReview of admission.k8s.io/v1", exit_code=2
        ) from error
    if not found.user.uid:
        # As impersonated by whoever recorded it; without a uid the requester would be refused unheard.
        found = dataclasses.replace(found, user=dataclasses.replace(found.user, uid=_UID))
    if flags.as_user:
        found = dataclasses.replace(found, user=_user(flags))
    return dataclasses.replace(found, gate=_gate_of(found))


def _gate_of(review: Review) -> Gate:
    """Return the entry that the API server would send it to."""
    if review.resource.resource == "namespaces" or not review.namespace:
        return Gate.CLUSTER
    return Gate.OWN if review.namespace == Settings().namespace else Gate.NAMESPACED


def _from_words(imagined: Imagined, *, flags: Globals) -> Review:
    verb, *rest = (imagined.request or "").split() or [""]
    operation = _VERBS.get(verb)
    if operation is None:
        raise CommandError(
            f"which request?; {visible(verb, limit=80)!r} is none of delete, replace, create; write it like "
            "--request 'delete deploy/web'",
            exit_code=2,
        )
    given = None if imagined.file is None else read_manifest(imagined.file)
    if given is None and operation != "DELETE":
        raise CommandError(f"{verb} needs the object; what becomes of it matters; add -f FILE", exit_code=2)
    if rest:
        kind_name, name = named(rest)
        resource = known_type(kind_name)
    elif given is not None:
        resource, name = known_kind(kind_of(given)), str(given["metadata"]["name"])
    else:
        raise CommandError("which object?; write it like --request 'delete deploy/web'", exit_code=2)
    namespace = _namespace(given, flags=flags) if resource.namespaced else ""
    body = _object(given, imagined=imagined, resource=resource, name=name, namespace=namespace)
    live = None if imagined.live is None else read_manifest(imagined.live)
    old = (
        _object(live, imagined=imagined, resource=resource, name=name, namespace=namespace)
        if live is not None
        else _bare(body)
        if operation == "UPDATE"
        else body
    )
    review = Review(
        gate=Gate.NAMESPACED,
        uid="-",
        operation=operation,
        kind=resource.kind,
        resource=Resource(group=resource.kind.group, version=resource.kind.version, resource=resource.plural),
        subresource="",
        name=name,
        namespace=namespace or (name if resource.plural == "namespaces" else ""),
        user=_user(flags),
        object=None if operation == "DELETE" else body,
        old_object=None if operation == "CREATE" else old,
        options={"propagationPolicy": "Background"} if operation == "DELETE" else None,
        dry_run=False,
    )
    return dataclasses.replace(review, gate=_gate_of(review))


def _user(flags: Globals) -> User:
    if not flags.as_user:
        raise CommandError(
            "who asks?; say it with --as USER, like system:serviceaccount:agents:bot", exit_code=2
        )
    return User(username=flags.as_user, uid=_UID, groups=frozenset(flags.as_groups))


def _namespace(given: JsonObject | None, *, flags: Globals) -> str:
    stated = (given or {}).get("metadata", {}).get("namespace")
    if stated and flags.namespace and stated != flags.namespace:
        raise CommandError(
            f"two namespaces; the manifest says {visible(str(stated), limit=80)}, -n says "
            f"{visible(flags.namespace, limit=80)}; correct one of them",
            exit_code=2,
        )
    return str(stated or flags.namespace or "default")


def _object(
    given: JsonObject | None, *, imagined: Imagined, resource: ApiResource, name: str, namespace: str
) -> JsonObject:
    """Return the object with what every stored one has."""
    metadata = dict((given or {}).get("metadata") or {})
    if metadata.get("name", name) != name:
        raise CommandError(
            f"two names; the manifest says {visible(str(metadata['name']), limit=80)}, the request says "
            f"{visible(name, limit=80)}; correct one of them",
            exit_code=2,
        )
    labels = {**(metadata.get("labels") or {}), **_labels(imagined.labels, flag="--labels")}
    if resource.plural == "namespaces":
        labels |= {**_labels(imagined.namespace_labels, flag="--namespace-labels"), PROTECTED_LABEL: "true"}
    return {
        "apiVersion": resource.kind.api_version,
        "kind": resource.kind.kind,
        **(given or {}),
        "metadata": {
            "uid": _UID,
            **metadata,
            "name": name,
            **({"namespace": namespace} if namespace else {}),
            **({"labels": labels} if labels else {}),
        },
    }


def _bare(body: JsonObject) -> JsonObject:
    """Return the object without its content: where nothing is known of it as it is, all of it changes."""
    return {member: body[member] for member in ("apiVersion", "kind", "metadata")}


def _labels(text: str, *, flag: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise CommandError(
                f"wrong {flag}; {visible(part, limit=80)!r} is not KEY=VALUE; write it like tier=db",
                exit_code=2,
            )
        found[key.strip()] = value.strip()
    return found
