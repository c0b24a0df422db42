"""Approvals made without our tools: jq, ssh-keygen and the openssl command line."""

from __future__ import annotations

import copy
import json
from hashlib import sha256
from pathlib import Path

import pytest
from tests.support.approvals import (
    ALICE,
    DEPLOYMENT,
    NOW,
    PAYMENTS_API,
    VECTOR_PAYLOAD,
    approver,
    keyring,
    put,
    terms,
    update_target,
)
from tests.support.tools import attempt, run

from peergate.approval.canonical import canonical_bytes
from peergate.approval.envelope import pae, write_envelope
from peergate.approval.projection import project_delete
from peergate.approval.sign import load_private_key
from peergate.approval.verify import Verified, verify_approval
from peergate.model.approver import KeyRecord

PSS = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32")
GENERATE = {
    "ed25519": ("-algorithm", "ED25519"),
    "ecdsa-p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa-pkcs1-sha256": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "rsa-pss-sha256": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
}
SIGN = {
    "ed25519": ("pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "pae.bin", "-out", "sig"),
    "ecdsa-p256": ("dgst", "-sha256", "-sign", "key.pem", "-out", "sig", "pae.bin"),
    "rsa-pkcs1-sha256": ("dgst", "-sha256", "-sign", "key.pem", "-out", "sig", "pae.bin"),
    "rsa-pss-sha256": ("dgst", "-sha256", "-sign", "key.pem", *PSS, "-out", "sig", "pae.bin"),
}
CHECK = {
    "ed25519": (
        "pkeyutl", "-verify", "-pubin", "-inkey", "key.pub", "-rawin", "-in", "pae.bin", "-sigfile", "sig",
    ),
    "ecdsa-p256": ("dgst", "-sha256", "-verify", "key.pub", "-signature", "sig", "pae.bin"),
    "rsa-pkcs1-sha256": ("dgst", "-sha256", "-verify", "key.pub", "-signature", "sig", "pae.bin"),
    "rsa-pss-sha256": ("dgst", "-sha256", "-verify", "key.pub", *PSS, "-signature", "sig", "pae.bin"),
}  # fmt: skip


@pytest.fixture(params=GENERATE)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a kind of key, with a pair of it and the bytes to sign in the folder."""
    run("openssl", "genpkey", *GENERATE[request.param], "-out", "key.pem", cwd=tmp_path)
    run("openssl", "pkey", "-in", "key.pem", "-pubout", "-out", "key.pub", cwd=tmp_path)
    (tmp_path / "pae.bin").write_bytes(pae(VECTOR_PAYLOAD))
    return request.param


def test_what_openssl_signs_is_an_approval(tmp_path: Path, kind: str):
    run("openssl", *SIGN[kind], cwd=tmp_path)
    record = KeyRecord.model_validate({"type": kind, "publicKey": (tmp_path / "key.pub").read_text()})
    verdict = verify_approval(
        write_envelope(VECTOR_PAYLOAD, (tmp_path / "sig").read_bytes()),
        slot="alice",
        target=update_target(),
        keyring=keyring(approver(ALICE, record)),
        terms=terms(),
        now=NOW,
    )
    assert isinstance(verdict, Verified)


def test_what_we_sign_openssl_verifies(tmp_path: Path, kind: str):
    signer = load_private_key((tmp_path / "key.pem").read_bytes(), key_type=kind)  # type: ignore[arg-type]
    signature = signer.sign(pae(VECTOR_PAYLOAD))
    (tmp_path / "sig").write_bytes(signature)
    run("openssl", *CHECK[kind], cwd=tmp_path)
    (tmp_path / "pae.bin").write_bytes(pae(VECTOR_PAYLOAD) + b" ")
    assert attempt("openssl", *CHECK[kind], cwd=tmp_path).returncode != 0


def test_an_encrypted_pem_of_openssl_signs(tmp_path: Path):
    run(
        "openssl",
        "genpkey",
        "-algorithm",
        "ED25519",
        "-aes256",
        "-pass",
        "pass:secret",
        "-out",
        "key.pem",
        cwd=tmp_path,
    )
    signer = load_private_key((tmp_path / "key.pem").read_bytes(), b"secret")
    signer.public.verify(signature=signer.sign(b"x"), pae=b"x")


FILTER = r"""
def keep: with_entries(select(.value | . != null and . != {} and . != [] and . != ""));
if any(.. | numbers; . != floor or fabs > 9007199254740991) then error("number") else . end
| (.metadata | {name, namespace, uid, labels, ownerReferences, finalizers: ((.finalizers // []) - $gc),
    annotations: ((.annotations // {}) | with_entries(
      select(.key | startswith("approval.peergate.dev/") | not)))} | keep) as $m
| del(.metadata, .status)
| walk(if type == "object" and (.metadata | type) == "object" and .metadata.creationTimestamp == null
       then del(.metadata.creationTimestamp) else . end) | .metadata = $m
"""
OBJECTS = {
    "the worked example": {},
    "one that is being deleted": {
        "metadata.finalizers": ["foregroundDeletion", "example.com/drain", "orphan"]
    },
    "one with owners and nulls": {
        "metadata.ownerReferences": [{"uid": "x", "controller": True}],
        "metadata.creationTimestamp": None,
        "metadata.labels": None,
        "spec.paused": None,
    },
    "one with escapes": {"spec.note": 'tab\t, quote ", backslash \\, slash /'},
}


@pytest.mark.parametrize("changes", OBJECTS.values(), ids=OBJECTS)
def test_jq_computes_our_digests(changes: dict[str, object]):
    obj = copy.deepcopy(PAYMENTS_API)
    for path, value in changes.items():
        put(obj, path, value)
    deletion = '["foregroundDeletion","orphan"]'
    printed = run("jq", "-cSj", "--argjson", "gc", deletion, FILTER, data=json.dumps(obj).encode())
    projected = project_delete(obj, kind=DEPLOYMENT, projection="k8s-projection/v1")
    assert printed == canonical_bytes(projected)
    (first, _) = run("openssl", "dgst", "-sha256", "-r", data=printed).split(b" ", 1)
    assert first.decode() == sha256(printed).hexdigest()
