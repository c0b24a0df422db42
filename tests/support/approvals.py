"""Keys, approvers, changes and signed approvals for tests.

Keys are generated at run time and kept for the process; nothing here is ever committed as a file. Everything
is valid by default; every member can be overridden.
"""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from peergate.approval.envelope import PAYLOAD_TYPE, pae
from peergate.approval.keyring import Keyring, build_keyring
from peergate.approval.keys import PublicKey, read_public_key
from peergate.approval.primitives import PSS_PADDING
from peergate.approval.sshsig import signed_data, write_sshsig
from peergate.approval.sshwire import wire_mpint, wire_string, wire_u32
from peergate.approval.statement import PREDICATE_TYPE, STATEMENT_TYPE
from peergate.approval.target import Target, Terms
from peergate.model.approver import ApproverSpec, KeyRecord
from peergate.model.change import Change, ObjectRef, Requester
from peergate.model.names import Digest
from peergate.model.review import Kind
from peergate.model.wire import format_instant

PEM_KINDS = ("ed25519", "ecdsa-p256", "rsa-pkcs1-sha256", "rsa-pss-sha256")
SSH_KINDS = ("ssh-ed25519", "ssh-ecdsa", "ssh-rsa", "sk-ed25519", "sk-ecdsa")
KINDS = (*PEM_KINDS, *SSH_KINDS)
"""Every kind of key there is; the last two are synthesised hardware keys."""

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
AUDIENCE = "k8s:6f2c0d8e-7c42-4a58-9a0a-2d7b5d0c8f11"
ALICE = "alice@example.com"
BOT = Requester(
    username="system:serviceaccount:agents:refactor-bot",
    uid="b7a2c1d0-3f0e-4a4b-9c9c-5d1f0a9be201",
)
DEPLOYMENT = Kind("apps", "v1", "Deployment")
PAYMENTS_API: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "payments-api",
        "namespace": "prod",
        "uid": "0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90",
        "resourceVersion": "48211",
        "generation": 7,
        "creationTimestamp": "2026-11-02T09:14:55Z",
        "labels": {"app": "payments-api"},
        "annotations": {"deployment.kubernetes.io/revision": "7", "approval.peergate.dev/v1.alice": "{}"},
        "finalizers": ["example.com/drain"],
        "managedFields": [{"manager": "kubectl", "operation": "Update"}],
    },
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "payments-api"}},
        "template": {
            "metadata": {"creationTimestamp": None, "labels": {"app": "payments-api"}},
            "spec": {"containers": [{"name": "api", "image": "payments-api:1.4"}]},
        },
    },
    "status": {"observedGeneration": 7, "replicas": 3},
}
"""The worked example of the format."""
POD_KIND = Kind("", "v1", "Pod")
LEDGER_POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "ledger-0", "namespace": "prod", "uid": "5e0c6f1a-1111-4222-8333-944445555666"},
    "spec": {"nodeName": "node-1", "terminationGracePeriodSeconds": 30},
    "status": {"phase": "Running"},
}

DROP = object()
"""As a value of a change: the member is removed."""
SK_APPLICATION = b"ssh:"

VECTOR_PAYLOAD = (
    b'{"_type":"https://in-toto.io/Statement/v1",'
    b'"subject":[{"name":"apps/v1/deployments/prod/payments-api",'
    b'"digest":{"sha256":"b30b2af51e2c1f065dacc7ba6c67a28f9abec77f3c252118cad3e2c48de4ead2"}}],'
    b'"predicateType":"https://peergate.dev/peer-approval/v1",'
    b'"predicate":{"audience":"k8s:6f2c0d8e-7c42-4a58-9a0a-2d7b5d0c8f11","operation":"UPDATE",'
    b'"object":{"group":"apps","version":"v1","resource":"deployments","subresource":"",'
    b'"namespace":"prod","name":"payments-api","uid":"0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90"},'
    b'"requester":{"username":"system:serviceaccount:agents:refactor-bot",'
    b'"uid":"b7a2c1d0-3f0e-4a4b-9c9c-5d1f0a9be201"},"approver":"alice@example.com",'
    b'"projection":"k8s-projection/v1",'
    b'"from":{"sha256":"b30b2af51e2c1f065dacc7ba6c67a28f9abec77f3c252118cad3e2c48de4ead2"},'
    b'"to":{"sha256":"769eb382736d8d03091a81a9d19087bff6ec28db5bcb243296b88d17e332a61c"},"ignore":[],'
    b'"options":{},"issuedAt":"2026-11-23T11:50:00Z","expires":"2026-11-23T12:05:00Z",'
    b'"nonce":"q83vEjRWeJCrze8SNFZ4kA","reason":"CHG-10423: image 1.4 to 1.5, diff reviewed"}}'
)
"""The payload of the format's own vector; its key is RFC 8032 section 7.1 TEST 1."""
VECTOR_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
VECTOR_SIG = "4r7b20FCAtB5voo5VMc8JbPTsH9WY9HR/LAxjSO9lKiZQIyNMiFtMgGy3skRotdseA3ga1XKa179dGk1vid0Dg=="


@dataclass(frozen=True)
class MadeKey:
    """One generated key with its private half."""

    kind: str
    private: Any

    @property
    def type(self) -> str:
        return "ssh" if self.kind in SSH_KINDS else self.kind

    @property
    def algorithm(self) -> str:
        return {
            "ssh-ed25519": "ssh-ed25519",
            "ssh-ecdsa": "ecdsa-sha2-nistp256",
            "ssh-rsa": "ssh-rsa",
            "sk-ed25519": "sk-ssh-ed25519@openssh.com",
            "sk-ecdsa": "sk-ecdsa-sha2-nistp256@openssh.com",
        }[self.kind]

    @property
    def public_text(self) -> str:
        """Return what a key record's publicKey holds."""
        public = self.private.public_key()
        if self.kind.startswith("sk-"):
            return f"{self.algorithm} {_b64(self._sk_wire())} hardware"
        if self.type == "ssh":
            return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " laptop"
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def public(self) -> PublicKey:
        return read_public_key(self.record())

    @property
    def id(self) -> str:
        return self.public.id

    @property
    def private_text(self) -> bytes:
        """Return the private key as a file holds it (not for hardware keys)."""
        form = PrivateFormat.OpenSSH if self.type == "ssh" else PrivateFormat.PKCS8
        return self.private.private_bytes(Encoding.PEM, form, NoEncryption())

    def record(self, **members: Any) -> KeyRecord:
        """Return a key record, members by their wire names."""
        return KeyRecord.model_validate({"type": self.type, "publicKey": self.public_text, **members})

    def sign(
        self,
        message: bytes,
        *,
        flags: int = 0x01,
        counter: int = 7,
        hash_: str = "sha512",
        rsa_hash: str = "rsa-sha2-512",
    ) -> bytes:
        """Return the signature over PAE, as it goes into an envelope."""
        if self.type == "ssh":
            data = signed_data(message, hash=hash_)
            blob = self.ssh_blob(data, flags=flags, counter=counter, rsa_hash=rsa_hash)
            return write_sshsig(self.public.wire, blob, hash=hash_)
        if self.kind == "ed25519":
            return self.private.sign(message)
        if self.kind == "ecdsa-p256":
            return self.private.sign(message, ec.ECDSA(SHA256()))
        padding = PSS_PADDING if self.kind == "rsa-pss-sha256" else PKCS1v15()
        return self.private.sign(message, padding, SHA256())

    def ssh_blob(self, data: bytes, *, flags: int = 0x01, counter: int = 7, rsa_hash: str = "rsa-sha2-512"):
        """Return the inner signature of an SSHSIG; of hardware keys as a token would make it."""
        if self.kind == "ssh-rsa":
            hash_ = SHA512() if rsa_hash == "rsa-sha2-512" else SHA256()
            return wire_string(rsa_hash) + wire_string(self.private.sign(data, PKCS1v15(), hash_))
        tail = b""
        if self.kind.startswith("sk-"):
            tail = bytes([flags]) + wire_u32(counter)
            data = sha256(SK_APPLICATION).digest() + tail + sha256(data).digest()
        if self.kind in {"ssh-ed25519", "sk-ed25519"}:
            raw = self.private.sign(data)
        else:
            raw = b"".join(map(wire_mpint, decode_dss_signature(self.private.sign(data, ec.ECDSA(SHA256())))))
        return wire_string(self.algorithm) + wire_string(raw) + tail

    def _sk_wire(self) -> bytes:
        public = self.private.public_key()
        if self.kind == "sk-ed25519":
            middle = wire_string(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
        else:
            point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            middle = wire_string("nistp256") + wire_string(point)
        return wire_string(self.algorithm) + middle + wire_string(SK_APPLICATION)


@lru_cache(maxsize=256)
def make_key(kind: str, name: str = "") -> MadeKey:
    """Return a key of a kind; the same for the same name, within one process."""
    if kind.endswith("ed25519"):
        return MadeKey(kind, ed25519.Ed25519PrivateKey.generate())
    if "ecdsa" in kind:
        return MadeKey(kind, ec.generate_private_key(ec.SECP256R1()))
    return MadeKey(kind, rsa.generate_private_key(public_exponent=65537, key_size=3072))


def approver(identity: str = ALICE, /, *keys: MadeKey | KeyRecord, **members: Any) -> ApproverSpec:
    """Return an Approver's spec: a human with one Ed25519 key unless said otherwise."""
    records = [key.record() if isinstance(key, MadeKey) else key for key in keys or (make_key("ed25519"),)]
    return ApproverSpec.model_validate(
        {"identity": identity, "class": "human", "owner": "team-people", "keys": records, **members},
    )


def keyring(*specs: ApproverSpec) -> Keyring:
    """Return a keyring; the objects are named after the identities' first words."""
    return build_keyring({f"{spec.identity.split('@')[0]}-{i}": spec for i, spec in enumerate(specs)})


def ref(**members: str) -> ObjectRef:
    """Return the worked example's identity."""
    metadata = PAYMENTS_API["metadata"]
    return ObjectRef(
        **{
            "group": "apps",
            "version": "v1",
            "resource": "deployments",
            "subresource": "",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            **members,
        },
    )


def update_target(**members: Any) -> Target:
    """Return the worked example's update: image 1.4 to 1.5 by the bot."""
    new = copy.deepcopy(PAYMENTS_API)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "payments-api:1.5"
    new["metadata"]["generation"] = 8
    return Target(
        **{
            "audience": AUDIENCE,
            "operation": "UPDATE",
            "object": ref(),
            "requester": BOT,
            "requester_owner": "team-platform",
            "kind": DEPLOYMENT,
            "old": copy.deepcopy(PAYMENTS_API),
            "new": new,
            **members,
        },
    )


def delete_target(**members: Any) -> Target:
    """Return the deletion of the worked example, in the background."""
    return update_target(
        **{
            "operation": "DELETE",
            "new": None,
            "options": {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"},
            **members,
        },
    )


def pod_target(**members: Any) -> Target:
    """Return the deletion of a running Pod without options."""
    metadata = LEDGER_POD["metadata"]
    return delete_target(
        **{
            "object": ref(
                group="",
                resource="pods",
                namespace=metadata["namespace"],
                name=metadata["name"],
                uid=metadata["uid"],
            ),
            "kind": POD_KIND,
            "old": copy.deepcopy(LEDGER_POD),
            "options": None,
            **members,
        },
    )


def terms(**members: Any) -> Terms:
    """Return what policy says by default."""
    return Terms(
        **{
            "max_ttl": timedelta(minutes=15),
            "projections": frozenset({"k8s-projection/v1"}),
            **members,
        },
    )


def statement(
    change: Change,
    *,
    approver: str = ALICE,
    now: datetime = NOW,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the statement that approves a change, as a document.

    ``changes``: dotted path of a member (``predicate.requester.uid``, ``subject.0.name``) to its value, or
    ``DROP``.
    """
    document: dict[str, Any] = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": change.object.subject_name, "digest": {"sha256": change.from_}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "audience": change.audience,
            "operation": change.operation,
            "object": {
                member: getattr(change.object, member)
                for member in ("group", "version", "resource", "subresource", "namespace", "name", "uid")
            },
            "requester": {"username": change.requester.username, "uid": change.requester.uid},
            "approver": approver,
            "projection": change.projection,
            "from": {"sha256": change.from_},
            **({"to": {"sha256": change.to}} if change.to else {}),
            "ignore": [],
            "options": dict(change.options),
            "issuedAt": format_instant(now - timedelta(minutes=5)),
            "expires": format_instant(now + timedelta(minutes=10)),
            "nonce": "q83vEjRWeJCrze8SNFZ4kA",
            "reason": "CHG-10423: diff reviewed",
        },
    }
    for path, value in (changes or {}).items():
        put(document, path, value)
    return document


def put(document: Any, path: str, value: Any) -> None:
    """Set or drop one member of a document, by dotted path."""
    *parents, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    for step in parents:
        document = document[step]
    if value is DROP:
        del document[last]
    else:
        document[last] = value


def envelope(payload: bytes, signature: bytes, **members: Any) -> str:
    """Return an envelope as text; unlike the product's own, it may be wrong."""
    return json.dumps(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": _b64(payload),
            "signatures": [{"sig": _b64(signature)}],
            **members,
        },
    )


def sign_document(document: object, *, key: MadeKey, keyid: str | None = None, **how: Any) -> str:
    """Return the envelope of a statement given as a document, or as bytes."""
    payload = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    signature = key.sign(pae(payload), **how)
    entry = {"sig": _b64(signature), **({} if keyid is None else {"keyid": keyid})}
    return envelope(payload, signature, signatures=[entry])


def approve(
    target: Target | Change,
    *,
    key: MadeKey | None = None,
    approver: str = ALICE,
    now: datetime = NOW,
    changes: Mapping[str, Any] | None = None,
    **how: Any,
) -> str:
    """Return a valid approval of a target or a change, as an annotation's value.

    ``how`` goes to the key: ``flags``, ``counter``, ``hash_``, ``rsa_hash``; and ``keyid``.
    """
    change = target if isinstance(target, Change) else target.change("k8s-projection/v1")
    document = statement(change, approver=approver, now=now, changes=changes)
    return sign_document(document, key=key or make_key("ed25519"), **how)


def hex_of(payload: bytes) -> Digest:
    """Return the SHA-256 of a payload: the identity of an approval."""
    return Digest(sha256(payload).hexdigest())


def _b64(data: bytes) -> str:
    return b64encode(data).decode()
