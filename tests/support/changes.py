"""What a peer works with on a live cluster: keys, registrations, a desk where changes are computed.

Changes are computed and signed by the product's own code through ``approval``, as any tool of a peer does
it: from a GET and, for updates, from the answer of a server-side dry run. Every member of a signed change can
be told to lie.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from tests.harness.clients import Client, Reply
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.waiting import wait_until
from tests.support.approvals import MadeKey, make_key

from peergate.approval.change import change_digest, change_id
from peergate.approval.envelope import pae, parse_envelope, write_envelope
from peergate.approval.projection import digest, project_delete
from peergate.approval.sign import load_private_key
from peergate.approval.statement import write_statement
from peergate.approval.target import Target
from peergate.model.change import Change, ObjectRef, Projection, Requester
from peergate.model.names import ChangeId, Digest
from peergate.model.review import Kind
from peergate.model.use import use_name

__all__ = [
    "BACKGROUND",
    "DRY_DELETE",
    "SLOT",
    "Crew",
    "Desk",
    "Peer",
    "config_map",
    "guarded",
    "id_of",
    "path_of",
    "policy",
    "reported",
    "sign",
    "slots",
    "use_path",
    "wait_rule",
]

BACKGROUND = {"propagationPolicy": "Background"}
"""What kubectl sends with a deletion."""
DRY_DELETE = {**BACKGROUND, "dryRun": ["All"]}
"""The same as a dry run; in the body, because the API server reads no query where there is one."""
SLOT = "approval.peergate.dev/v1."
_APPROVERS = "/apis/peergate.dev/v1alpha1/approvers"
_POLICIES = "/apis/peergate.dev/v1alpha1/protectionpolicies"
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<resource>[^/]+)/(?P<name>[^/]+)(?:/(?P<subresource>[^/]+))?"
)
_BY_IDENTITY = {
    ("", "pods"),
    ("", "secrets"),
    ("batch", "jobs"),
    ("coordination.k8s.io", "leases"),
}


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who is registered as an approver."""

    name: str
    """Of the Approver object."""
    identity: str
    key: MadeKey


class Crew:
    """The approvers that a run of tests registers; ``close`` takes them away again.

    Names, identities and keys are new for every crew, so that several share a cluster.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._admin = desk.cluster.admin
        self._mark = secrets.token_hex(4)
        self._stack = contextlib.ExitStack()
        self._namespace = ""

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._namespace = stack.enter_context(fresh_namespace(self._desk.cluster, protected=True))
            self._admin.apply(config_map(self._namespace, "probe"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def key(self, name: str, *, kind: str = "ssh-ed25519") -> MadeKey:
        """Return a key of this crew, made when first asked for."""
        return make_key(kind, f"{name}-{self._mark}")

    def register(self, name: str, *keys: MadeKey | Mapping[str, Any], **spec: Any) -> Peer:
        """Register a person (unless told otherwise) and return them once their first key counts.

        A key may be a record with members of its own. Spec members go by their names on the wire.
        """
        peer = self.enlist(name, *keys, **spec)
        self._wait_known(peer)
        return peer

    def enlist(self, name: str, *keys: MadeKey | Mapping[str, Any], **spec: Any) -> Peer:
        """Do as ``register`` without waiting: who is disabled, or has no key that counts, never shows."""
        own = f"{name}-{self._mark}"
        records = [
            {"type": key.type, "publicKey": key.public_text} if isinstance(key, MadeKey) else dict(key)
            for key in keys or (self.key(name),)
        ]
        body: dict[str, Any] = {
            "apiVersion": "peergate.dev/v1alpha1",
            "kind": "Approver",
            "metadata": {"name": own},
            "spec": {
                "identity": f"{own}@example.com",
                "class": "human",
                "owner": f"team-{own}",
                "keys": records,
                **spec,
            },
        }
        made = self._admin.request("POST", _APPROVERS, body=body)
        assert made.code == 201, made.body
        self._stack.callback(self._admin.request, "DELETE", f"{_APPROVERS}/{own}")
        first = next((key for key in keys if isinstance(key, MadeKey)), self.key(name))
        return Peer(name=own, identity=body["spec"]["identity"], key=first)

    def change(self, peer: Peer, patch: Mapping[str, Any]) -> None:
        """Merge into the spec of somebody's registration."""
        body = {"spec": dict(patch)}
        done = self._admin.request(
            "PATCH", f"{_APPROVERS}/{peer.name}", body=body, content_type="application/merge-patch+json"
        )
        assert done.code == 200, done.body

    def remove(self, peer: Peer) -> None:
        """Take somebody's registration away."""
        assert self._admin.request("DELETE", f"{_APPROVERS}/{peer.name}").code == 200

    def _wait_known(self, peer: Peer) -> None:
        path = path_of("configmaps", "probe", namespace=self._namespace)
        value = sign(self._desk.deletion(path), by=peer)
        self._desk.attach(path, {"probe": value})
        desk = self._desk
        wait_until(
            f"the gate knows {peer.name}",
            lambda: "UnknownApprover" not in reported(desk.agent.request("DELETE", path, body=DRY_DELETE)),
        )


class Desk:
    """Reads a cluster as a person and says what a change of one agent would be.

    The agent is the client whose requests are judged, under the account it has.
    """

    def __init__(self, cluster: Cluster, agent: Client, *, account: str, owner: str) -> None:
        self.cluster = cluster
        self.agent = agent
        self._owner = owner
        namespace, name = account.split("/")
        uid = self.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")["metadata"]["uid"]
        self.requester = Requester(username=f"system:serviceaccount:{namespace}:{name}", uid=uid)
        self.audience = f"k8s:{self.get('/api/v1/namespaces/kube-system')['metadata']['uid']}"

    def get(self, path: str) -> dict[str, Any]:
        """Return an object that must be there."""
        reply = self.cluster.admin.request("GET", path)
        assert reply.code == 200, reply.body
        return dict(reply.body)

    def there(self, path: str) -> bool:
        """Tell whether there is such an object."""
        return self.cluster.admin.request("GET", path).code == 200

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object in the collection that ``path`` names; return it."""
        reply = self.cluster.admin.request("POST", path.rpartition("/")[0], body=body)
        assert reply.code == 201, reply.body
        return dict(reply.body)

    def deletion(
        self,
        path: str,
        *,
        options: Mapping[str, Any] = BACKGROUND,
        projection: Projection | None = None,
        ignore: tuple[str, ...] = (),
    ) -> Change:
        """Return the deletion of the object at ``path`` as it is now, with the options of the request.

        What ``ignore`` points at is left out of the digest; the approval has to say so too.
        """
        old = self.get(path)
        ref = _ref(path, old)
        by_identity = (ref.group, ref.resource) in _BY_IDENTITY
        usual: Projection = "k8s-identity/v1" if by_identity else "k8s-projection/v1"
        target = self._target(ref, old=old, options=dict(options))
        change = target.change(projection or usual)
        if ignore:
            digests = target.digests(change.projection, ignore=ignore)
            change = dataclasses.replace(change, from_=digests.from_)
        return change

    def eviction(self, path: str, *, options: Mapping[str, Any] | None = None) -> Change:
        """Return the eviction of the Pod at ``path``, with the ``deleteOptions`` of its body."""
        pod = self.get(path)
        ref = dataclasses.replace(_ref(path, pod), subresource="eviction")
        return self._target(ref, old=pod, options=dict(options or {})).change("k8s-identity/v1")

    def update(self, path: str, new: Mapping[str, Any]) -> Change:
        """Return the update of the object at ``path`` to what a dry run answered."""
        old = self.get(path)
        return self._target(_ref(path, old), old=old, new=dict(new)).change("k8s-projection/v1")

    def dry_run(self, method: str, path: str, body: Any, **how: Any) -> dict[str, Any]:
        """Return what the object would be after a request, asked as a person."""
        reply = self.cluster.admin.request(method, path, body=body, query={"dryRun": "All"}, **how)
        assert reply.code == 200, reply.body
        return dict(reply.body)

    def attach(
        self, path: str, envelopes: Mapping[str, str], *, client: Client | None = None
    ) -> dict[str, Any]:
        """Put approvals on the object, by slot, as a person if nobody else is named; return it."""
        annotations = {SLOT + slot: value for slot, value in envelopes.items()}
        reply = (client or self.cluster.admin).request(
            "PATCH",
            path,
            body={"metadata": {"annotations": annotations}},
            content_type="application/merge-patch+json",
        )
        assert reply.code == 200, reply.body
        return dict(reply.body)

    def _target(self, ref: ObjectRef, *, old: dict[str, Any], **members: Any) -> Target:
        group, _, version = str(old["apiVersion"]).rpartition("/")
        return Target(
            audience=self.audience,
            operation="UPDATE" if "new" in members else "DELETE",
            object=ref,
            requester=self.requester,
            requester_owner=self._owner,
            kind=Kind(group=group, version=version, kind=old["kind"]),
            old=old,
            **members,
        )


def sign(
    change: Change,
    *,
    by: Peer,
    key: MadeKey | None = None,
    identity: str = "",
    issued: timedelta = timedelta(0),
    ttl: timedelta = timedelta(minutes=10),
    ignore: Sequence[str] = (),
    policy: Mapping[str, Any] | None = None,
    raw_ecdsa: bool = False,
    **lies: Any,
) -> str:
    """Return an approval of the change, signed now; ``lies`` are members of the change that it misstates.

    ``issued`` is counted from now. ``policy`` is a ProtectionPolicy object that the approval is bound to.
    ``raw_ecdsa`` writes r || s in place of DER.
    """
    key = key or by.key
    issued_at = datetime.now(UTC).replace(microsecond=0) + issued
    bound = None
    if policy is not None:
        kind = Kind("peergate.dev", "v1alpha1", "ProtectionPolicy")
        projected = project_delete(dict(policy), kind=kind, projection="k8s-projection/v1")
        bound = (policy["metadata"]["name"], digest(projected))
    payload = write_statement(
        dataclasses.replace(change, **lies),
        approver=identity or by.identity,
        issued_at=issued_at,
        expires=issued_at + ttl,
        nonce=secrets.token_bytes(16),
        reason="CHG-1: looked at",
        ignore=ignore,
        policy=bound,
    )
    if key.kind.startswith("sk-"):  # a token's private half is in no file
        signature = key.sign(pae(payload))
    else:
        signature = load_private_key(key.private_text, key_type=key.public.type).sign(pae(payload))
    if raw_ecdsa:
        signature = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
    return write_envelope(payload, signature, key.public.id)


def use_path(envelope: str, *, namespace: str = "peergate-system") -> str:
    """Return where the use of an approval is recorded."""
    payload = hashlib.sha256(parse_envelope(envelope).payload).hexdigest()
    name = use_name(Digest(payload))
    return path_of("approvaluses", name, namespace=namespace, api="peergate.dev/v1alpha1")


def slots(*values: str) -> dict[str, str]:
    """Return approvals by slots ``s0``, ``s1`` and so on."""
    return {f"s{number}": value for number, value in enumerate(values)}


def id_of(change: Change) -> ChangeId:
    """Return the name that a change has."""
    return change_id(change_digest(change))


def path_of(resource: str, name: str, *, namespace: str = "", api: str = "v1") -> str:
    """Return the API path of an object; ``api`` as in ``apps/v1``."""
    root = "/apis" if "/" in api else "/api"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}/{api}{scope}/{resource}/{name}"


def config_map(namespace: str, name: str = "settings", **members: Any) -> dict[str, Any]:
    """Return a ConfigMap with one entry."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **members.pop("metadata", {})},
        "data": {"colour": "blue"},
        **members,
    }


def reported(reply: Reply) -> str:
    """Return the code that a refusal reports; empty when the request was not refused by a gate."""
    match reply.body:
        case {"kind": "Status", "details": {"causes": [{"reason": reason}, *_]}}:
            return str(reason)
    return ""


def policy(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """Return a ProtectionPolicy that selects this one namespace by the label that every namespace has."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ProtectionPolicy",
        "metadata": {"name": name},
        "spec": {"namespaces": {"selector": selector}, "rules": [{}], **copy.deepcopy(spec)},
    }


@contextlib.contextmanager
def guarded(desk: Desk, *specs: Mapping[str, Any], wait: bool = True) -> Iterator[tuple[str, list[str]]]:
    """Yield a fresh protected namespace with policies that select it alone, and the policies' names.

    Returns once the gate goes by the first policy, which must refuse a deletion without approval. It is made
    last: a watch keeps the order, so by then the gate knows the others too.
    """
    admin = desk.cluster.admin
    with fresh_namespace(desk.cluster, protected=True) as namespace, contextlib.ExitStack() as stack:
        names = [f"{namespace}-{number}" for number in range(len(specs))]
        for name, spec in reversed(list(zip(names, specs, strict=True))):
            made = admin.request("POST", _POLICIES, body=policy(name, namespace, **spec))
            assert made.code == 201, made.body
            stack.callback(admin.request, "DELETE", f"{_POLICIES}/{name}")
        if wait:
            wait_rule(desk, namespace, f"{names[0]}/0")
        yield namespace, names


def wait_rule(desk: Desk, namespace: str, rule: str) -> None:
    """Return once a deletion in the namespace is refused under this rule, as a dry run shows."""
    desk.cluster.admin.apply(config_map(namespace, "probe"))
    path = path_of("configmaps", "probe", namespace=namespace)

    def ruled() -> bool:
        reply = desk.agent.request("DELETE", path, body=DRY_DELETE)
        return reply.code == 403 and f" rule={rule}" in json.dumps(reply.body)

    wait_until(f"rule {rule} counts in {namespace}", ruled)


def _ref(path: str, live: Mapping[str, Any]) -> ObjectRef:
    found = _PATH.fullmatch(path)
    assert found is not None, path
    named = {name: value or "" for name, value in found.groupdict().items()}
    metadata = live["metadata"]
    named["namespace"] = metadata.get("namespace", "")
    return ObjectRef(**{**named, "name": metadata["name"], "uid": metadata["uid"]})
