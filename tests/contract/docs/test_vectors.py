"""The vectors in the specification are what the code computes."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.documents import in_code, section, table

from peergate.approval.canonical import NotCanonical, canonical_bytes
from peergate.approval.envelope import pae
from peergate.approval.projection import digest, project_delete, project_update
from peergate.approval.statement import parse_statement
from peergate.model.review import Kind

DEPLOYMENT = Kind(group="apps", version="v1", kind="Deployment")
STATEMENT = section("approval-format.md", "3")
EXAMPLE = section("approval-format.md", "5.5")
BLOCKS = re.findall(r"^```json\n(.*?)\n```", EXAMPLE, re.MULTILINE | re.DOTALL)
WORKED = {row[0]: in_code(row[2]) for row in table(EXAMPLE, head="#")}
CANONICAL = [
    (in_code(row[0])[0], row)
    for row in table(section("approval-format.md", "5.3"), head="Input")
    if row[1] != "refused"
]
PAYLOAD = re.findall(r"^```json\n(.*?)\n```", STATEMENT, re.MULTILINE | re.DOTALL)[0].encode()
# RFC 8032 section 7.1, TEST 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")


def deployment(**changes):
    document = json.loads(BLOCKS[0])
    document["metadata"] |= changes.pop("metadata", {})
    document["spec"] |= changes.pop("spec", {})
    return document | changes


def with_image(image):
    document = deployment()
    document["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return document


def removed(document, **kwargs):
    return digest(project_delete(document, kind=DEPLOYMENT, projection="k8s-projection/v1", **kwargs))


def replaced(old, new):
    before, after = project_update(old, new, kind=DEPLOYMENT)
    return [digest(before), digest(after)]


def test_the_payload_is_the_one_described():
    assert f"({len(PAYLOAD)} bytes, SHA-256 `{hashlib.sha256(PAYLOAD).hexdigest()}`)" in STATEMENT
    assert parse_statement(PAYLOAD).predicate.approver == "alice@example.com"


def test_the_bytes_to_sign_are_the_ones_described():
    signed = pae(PAYLOAD)
    assert f"PAE: {len(signed)} bytes, SHA-256 `{hashlib.sha256(signed).hexdigest()}`" in STATEMENT


def test_the_signature_is_the_one_of_the_public_test_key():
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    wire = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw
    name = base64.b64encode(hashlib.sha256(wire).digest()).decode().rstrip("=")
    assert f"id `SHA256:{name}`" in STATEMENT
    assert f"`{base64.b64encode(key.sign(pae(PAYLOAD))).decode()}`" in STATEMENT


@pytest.mark.parametrize(("text", "row"), CANONICAL, ids=[row[2] for _, row in CANONICAL])
def test_canonical_bytes(text, row):
    written = canonical_bytes(json.loads(text))
    assert hashlib.sha256(written).hexdigest() == in_code(row[2])[0]
    if row[1].startswith("`"):
        assert written.decode() == in_code(row[1])[0]


@pytest.mark.parametrize(
    "value", [18446744073709551616, -9223372036854775809, float("inf"), float("nan"), "\ud800"]
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(NotCanonical):
        canonical_bytes(value)


def test_the_worked_example_has_these_bytes():
    projected = project_delete(deployment(), kind=DEPLOYMENT, projection="k8s-projection/v1")
    assert canonical_bytes(projected).decode() == BLOCKS[1]
    assert f"Canonical bytes ({len(BLOCKS[1].encode())})" in EXAMPLE


def test_the_worked_digests():
    plain, other = deployment(), with_image("payments-api:1.5")
    ending = deployment(
        metadata={
            "finalizers": ["example.com/drain", "foregroundDeletion"],
            "deletionTimestamp": "2026-11-23T12:00:00Z",
            "generation": 8,
        }
    )
    without_null = deployment()
    del without_null["spec"]["template"]["metadata"]["creationTimestamp"]
    status = {"observedGeneration": 7, "replicas": 0}
    ignoring = {"ignore": ("/spec/replicas",)}
    assert {
        "W1": [removed(plain)],
        "W2": [removed(ending)],
        "W3": [replaced(ending, ending)[0]],
        "W4": [replaced(plain, other)[1]],
        "W5": replaced(plain, other | {"status": status}),
        "W6": [removed(plain, **ignoring)],
        "W7": [digest(project_delete(plain, kind=DEPLOYMENT, projection="k8s-identity/v1"))],
    } == {
        "W1": WORKED["W1"][-1:],
        "W2": WORKED["W1"][-1:],
        "W3": WORKED["W3"],
        "W4": WORKED["W4"],
        "W5": WORKED["W5"],
        "W6": WORKED["W6"],
        "W7": WORKED["W7"],
    }
    assert removed(without_null) == replaced(plain, plain)[0] == removed(plain)
    assert removed(deployment(spec={"replicas": 5}), **ignoring) == removed(plain, **ignoring)
