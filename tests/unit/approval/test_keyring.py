"""The keyring: clashes (K6), agents (K7), and that one bad record spoils nothing else."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from tests.support.approvals import MadeKey, approver, make_key

from peergate.approval.keyring import build_keyring
from peergate.model.approver import ApproverSpec, KeyRecord

ED, EC, RSA, SSH = (make_key(kind) for kind in ("ed25519", "ecdsa-p256", "rsa-pkcs1-sha256", "ssh-ed25519"))
OTHER = make_key("ed25519", "other")
ED_AS_SSH = MadeKey("ssh-ed25519", ED.private)
WEAK = KeyRecord.model_validate({"type": "ssh", "publicKey": "ssh-dss AAAA"})
AGENT = {"class": "agent", "owner": "team-x", "kubernetesUsernames": ["system:serviceaccount:a:b"]}

NOT_A_LINE = (
    "Key 1: The key is not one OpenSSH line, without options, that starts with: ssh-ed25519, "
    "ecdsa-sha2-nistp256, ssh-rsa, sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com."
)


def test_an_approver_with_everything():
    ring = build_keyring(
        {
            "alice": approver(
                "alice@example.com",
                ED,
                RSA,
                SSH,
                groups=["sre"],
                kubernetesUsernames=["oidc:alice"],
                revokedBefore="2026-01-01T00:00:00Z",
                disabled=True,
            ),
        },
    )
    alice = ring.approvers["alice@example.com"]
    assert (alice.name, alice.class_, alice.owner, alice.groups) == (
        "alice",
        "human",
        "team-people",
        frozenset({"sre"}),
    )
    assert alice.disabled
    assert alice.revoked_before is not None
    assert [key.public.id for key in alice.keys] == [ED.id, RSA.id, SSH.id]
    assert ring.by_username == {"oidc:alice": alice}
    assert set(ring.by_id) == {ED.id, RSA.id, SSH.id}
    assert ring.by_wire[SSH.public.wire].identity == "alice@example.com"
    assert {length: [key.public.id for key in keys] for length, keys in ring.by_length.items()} == {
        64: [ED.id],
        384: [RSA.id],
    }
    assert ring.problems == {}


def clash(**members: dict[str, Any]) -> dict[str, ApproverSpec]:
    specs = {}
    for name, given in members.items():
        spec = {"identity": f"{name}@example.com", "keys": [make_key("ed25519", name)], **given}
        specs[name] = approver(spec.pop("identity"), *spec.pop("keys"), **spec)
    return specs


CASES = {
    "K6: a key in two Approvers is used for neither": (
        clash(a={"keys": [ED]}, b={"keys": [ED, EC]}, c={}),
        {"a@example.com": 0, "b@example.com": 1, "c@example.com": 1},
        {
            "a": (f"The key {ED.id} is also in Approver b; none of these records is used.",),
            "b": (f"The key {ED.id} is also in Approver a; none of these records is used.",),
        },
    ),
    "K6: a key twice in one Approver is used for neither record": (
        clash(a={"keys": [ED, ED, EC]}),
        {"a@example.com": 1},
        {"a": (f"The key {ED.id} is in more than one record; none of these records is used.",) * 2},
    ),
    "K6: a key under two types is the same key": (
        clash(a={"keys": [ED]}, b={"keys": [ED_AS_SSH]}),
        {"a@example.com": 0, "b@example.com": 0},
        {
            "a": (f"The key {ED.id} is also in Approver b; none of these records is used.",),
            "b": (f"The key {ED.id} is also in Approver a; none of these records is used.",),
        },
    ),
    "K6: an identity of two Approvers is used for neither": (
        clash(a={"identity": "x@example.com"}, b={"identity": "x@example.com"}, c={}),
        {"c@example.com": 1},
        {
            "a": ("The identity x@example.com is also in Approver b; neither is used.",),
            "b": ("The identity x@example.com is also in Approver a; neither is used.",),
        },
    ),
    "K6: a Kubernetes user name of two Approvers is used for neither (A35)": (
        clash(a={"kubernetesUsernames": ["u", "v"]}, b={"kubernetesUsernames": ["u"]}, c={}),
        {"c@example.com": 1},
        {
            "a": ("The Kubernetes user name u is also in Approver b; neither is used.",),
            "b": ("The Kubernetes user name u is also in Approver a; neither is used.",),
        },
    ),
    "K7: an agent without owner is not used": (
        clash(a={**AGENT, "owner": ""}),
        {},
        {"a": ("An approver of class agent needs an owner and at least one Kubernetes user name.",)},
    ),
    "K7: an agent without Kubernetes user name is not used": (
        clash(a={**AGENT, "kubernetesUsernames": []}),
        {},
        {"a": ("An approver of class agent needs an owner and at least one Kubernetes user name.",)},
    ),
    "K7: a complete agent is used": (clash(a=AGENT), {"a@example.com": 1}, {}),
    "K7: a person needs neither": (clash(a={"owner": ""}), {"a@example.com": 1}, {}),
    "a key that fails K1 leaves the others": (
        clash(a={"keys": [WEAK, ED]}),
        {"a@example.com": 1},
        {
            "a": (NOT_A_LINE,),
        },
    ),
    "an Approver whose every key fails is known without keys": (
        clash(a={"keys": [WEAK]}),
        {"a@example.com": 0},
        {
            "a": (NOT_A_LINE,),
        },
    ),
}


@pytest.mark.parametrize(("specs", "keys", "problems"), CASES.values(), ids=CASES)
def test_checks_across_records(
    specs: dict[str, ApproverSpec], keys: dict[str, int], problems: dict[str, tuple[str, ...]]
):
    ring = build_keyring(specs)
    assert {identity: len(found.keys) for identity, found in ring.approvers.items()} == keys
    assert ring.problems == problems
    assert len(ring.by_id) == len(ring.by_wire) == sum(keys.values())


@pytest.mark.parametrize("specs", [case[0] for case in CASES.values()], ids=CASES)
def test_the_order_of_objects_does_not_matter(specs: dict[str, ApproverSpec]):
    rings = [build_keyring(dict(order)) for order in itertools.permutations(specs.items())]
    assert all(ring == rings[0] for ring in rings)


def test_candidates_by_length():
    ring = build_keyring({"a": approver("a", ED, EC, RSA, SSH)})

    def found(length: int, key_id: str = "") -> set[str]:
        return {key.public.id for key in ring.candidates(signature=bytes(length), key_id=key_id)}

    assert found(64) == {ED.id, EC.id}
    assert found(71) == {EC.id}
    assert found(384) == {RSA.id}
    assert found(384, ED.id) == {ED.id, RSA.id}
    assert found(384, SSH.id) == {RSA.id}
    assert build_keyring({}).candidates(signature=b"", key_id="") == ()


def test_building_again_is_quick():
    specs = {f"a{i}": approver(f"a{i}", make_key("ed25519", f"k{i}")) for i in range(200)}
    build_keyring(specs)
    start = time.perf_counter()
    build_keyring(specs)
    assert time.perf_counter() - start < 1
