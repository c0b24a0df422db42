"""P1, P4, P7, P10: what can be changed in an approval, and what can't."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.approvals import (
    ALICE,
    KINDS,
    NOW,
    MadeKey,
    approve,
    approver,
    delete_target,
    envelope,
    keyring,
    make_key,
    sign_document,
    statement,
    terms,
    update_target,
)

from peergate.approval.keyring import Keyring
from peergate.approval.sshsig import armor
from peergate.approval.verify import Refused, Verified, verify_approval

TARGETS = {"UPDATE": update_target(), "DELETE": delete_target()}
CHANGES = {operation: target.change("k8s-projection/v1") for operation, target in TARGETS.items()}
KIND = st.sampled_from(KINDS)
SLOW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=150)


def judge(value: str, ring: Keyring, *, operation: str = "UPDATE", slot: str = "a") -> Verified | Refused:
    return verify_approval(value, slot=slot, target=TARGETS[operation], keyring=ring, terms=terms(), now=NOW)


def alone(kind: str) -> Keyring:
    return keyring(approver(ALICE, make_key(kind)))


GOOD = {kind: approve(CHANGES["UPDATE"], key=make_key(kind)) for kind in KINDS}
ARMORED = {
    kind: envelope(
        b64decode(json.loads(GOOD[kind])["payload"]),
        armor(b64decode(json.loads(GOOD[kind])["signatures"][0]["sig"])),
    )
    for kind in KINDS
    if make_key(kind).type == "ssh"
}


@SLOW
@given(KIND, st.sampled_from(["payload", "payloadType", "sig"]), st.integers(0, 10_000), st.integers(1, 255))
def test_p1_a_changed_byte_of_what_is_signed_is_refused(kind: str, part: str, position: int, change: int):
    document = json.loads(GOOD[kind])
    holder = document["signatures"][0] if part == "sig" else document
    if part == "payloadType":
        text = holder[part]
        position %= len(text)
        # Within JSON's own text a character stands for the byte.
        holder[part] = text[:position] + chr(ord(text[position]) ^ change) + text[position + 1 :]
    else:
        data = bytearray(b64decode(holder[part]))
        data[position % len(data)] ^= change
        holder[part] = b64encode(data).decode()
    assert isinstance(judge(json.dumps(document), alone(kind)), Refused)


@SLOW
@given(st.sampled_from([*GOOD.values(), *ARMORED.values()]), st.integers(0, 10_000), st.integers(1, 127))
def test_p1_any_other_changed_byte_leaves_payload_and_signer_as_they_are(
    value: str, position: int, change: int
):
    position %= len(value)
    mutated = value[:position] + chr(ord(value[position]) ^ change) + value[position + 1 :]
    ring = keyring(
        *(approver(f"{kind}@example.com", make_key(kind)) for kind in KINDS if kind != "ed25519"),
        approver(ALICE, make_key("ed25519")),
    )
    before, after = judge(value, ring), judge(mutated, ring)
    if isinstance(after, Verified):
        assert isinstance(before, Verified)
        assert (after.payload, after.approver, after.key) == (before.payload, before.approver, before.key)


@SLOW
@given(
    st.permutations(KINDS),
    st.permutations(range(4)),
    st.sampled_from(KINDS),
    st.text(max_size=32),
)
def test_p4_slot_order_of_keys_and_order_of_approvers_decide_nothing(
    kinds: list[str], order: list[int], kind: str, slot: str
):
    groups: dict[int, list[Any]] = {}
    for position, one in enumerate(KINDS):
        groups.setdefault(position % 4, []).append(make_key(one))
    shuffled = {
        number: sorted(keys, key=lambda key: kinds.index(key.kind)) for number, keys in groups.items()
    }
    plain = keyring(*(approver(f"a{number}", *groups[number]) for number in range(4)))
    other = keyring(*(approver(f"a{number}", *shuffled[number]) for number in order))
    value = approve(CHANGES["UPDATE"], key=make_key(kind), approver=f"a{KINDS.index(kind) % 4}")
    one, two = judge(value, plain), judge(value, other, slot=slot)
    assert isinstance(one, Verified)
    assert isinstance(two, Verified)
    assert (one.payload, one.approver.identity, one.key.public.id) == (
        two.payload,
        two.approver.identity,
        two.key.public.id,
    )
    refused = [judge(value, ring, operation="DELETE", slot=slot) for ring in (plain, other)]
    assert refused[0] == refused[1]


def paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every object in a document."""
    if isinstance(document, dict):
        return [path, *(p for name, item in document.items() for p in paths(item, (*path, name)))]
    if isinstance(document, list):
        return [p for index, item in enumerate(document) for p in paths(item, (*path, index))]
    return []


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


OPERATION = st.sampled_from(sorted(CHANGES))


@SLOW
@given(OPERATION, st.data(), st.text(max_size=8), st.none() | st.integers() | st.text(max_size=4))
def test_p7_an_unknown_member_anywhere_is_refused(
    operation: str, data: st.DataObject, name: str, value: object
):
    document = statement(CHANGES[operation])
    holder = at(document, data.draw(st.sampled_from(paths(document))))
    known = {"policy", "display", "propagationPolicy", "minGracePeriodSeconds", "to", *holder}
    if name in known or any(0xD800 <= ord(character) <= 0xDFFF for character in name + str(value)):
        return
    holder[name] = value
    verdict = judge(sign_document(document, key=make_key("ed25519")), alone("ed25519"), operation=operation)
    assert isinstance(verdict, Refused)
    assert verdict.step == 13


@SLOW
@given(OPERATION, st.data(), st.booleans())
def test_p7_a_duplicate_member_anywhere_is_refused(operation: str, data: st.DataObject, escaped: bool):
    document = statement(CHANGES[operation])
    options = [path for path in paths(document) if at(document, path)]
    holder = at(document, data.draw(st.sampled_from(options)))
    name = data.draw(st.sampled_from(sorted(holder)))
    value = json.dumps(holder[name])
    holder["@@"] = 0
    spelt = "".join(f"\\u{ord(character):04x}" for character in name) if escaped else name
    payload = json.dumps(document).replace('"@@": 0', f'"{spelt}": {value}')
    verdict = judge(
        sign_document(payload.encode(), key=make_key("ed25519")), alone("ed25519"), operation=operation
    )
    assert isinstance(verdict, Refused)
    assert verdict.step == 13


def family(kind: str) -> str:
    return next(name for name in ("ed25519", "ecdsa", "rsa") if name in kind)


@SLOW
@given(KIND, KIND, st.booleans())
def test_p10_a_signature_never_verifies_under_a_record_of_another_type(
    signed_as: str, registered_as: str, hinted: bool
):
    """Where the kind of key fits, it is the very same private key, registered under the other type."""
    key, other = make_key(signed_as), make_key(registered_as)
    if family(signed_as) == family(registered_as):
        other = MadeKey(registered_as, key.private)
    hint = {"keyid": other.id} if hinted else {}
    verdict = judge(approve(CHANGES["UPDATE"], key=key, **hint), keyring(approver(ALICE, other)))
    if signed_as == registered_as:
        assert isinstance(verdict, Verified)
    else:
        assert isinstance(verdict, Refused)
        assert verdict.step == 11


@SLOW
@given(st.text() | st.dictionaries(st.text(max_size=12), st.text(max_size=8)).map(json.dumps))
def test_verifying_never_raises_on_any_value(value: str):
    assert isinstance(judge(value, alone("ed25519")), Refused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@SLOW
@given(OPERATION, st.data(), JSON)
def test_verifying_never_raises_on_any_signed_member(operation: str, data: st.DataObject, value: object):
    document = statement(CHANGES[operation])
    holder = at(
        document, data.draw(st.sampled_from([path for path in paths(document) if at(document, path)]))
    )
    holder[data.draw(st.sampled_from(sorted(holder)))] = value
    judge(sign_document(document, key=make_key("ed25519")), alone("ed25519"), operation=operation)
