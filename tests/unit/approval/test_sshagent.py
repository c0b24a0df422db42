"""The bytes that go to an ssh-agent and come back."""

from __future__ import annotations

import pytest
from tests.support.approvals import SSH_KINDS, make_key

from peergate.approval.envelope import pae
from peergate.approval.sshagent import LIST_KEYS, AgentRefused, read_keys, read_signature, sign_request
from peergate.approval.sshsig import signed_data
from peergate.approval.sshwire import wire_string, wire_u32

PAE = pae(b"{}")


def listing(*wires: bytes) -> bytes:
    return (
        b"\x0c" + wire_u32(len(wires)) + b"".join(wire_string(wire) + wire_string("c\xe9") for wire in wires)
    )


def test_the_list_request():
    assert wire_string(b"\x0b") == LIST_KEYS


@pytest.mark.parametrize("kind", SSH_KINDS)
def test_a_key_of_the_agent_signs(kind: str):
    key = make_key(kind)
    (found,) = read_keys(listing(key.public.wire))
    assert found.public == key.public
    assert found.comment == "cé"
    flags = 4 if kind == "ssh-rsa" else 0
    assert sign_request(found.public, pae=PAE) == wire_string(
        b"\x0d" + wire_string(key.public.wire) + wire_string(signed_data(PAE)) + wire_u32(flags),
    )
    answer = b"\x0e" + wire_string(key.ssh_blob(signed_data(PAE)))
    found.public.verify(signature=read_signature(answer, key=found.public), pae=PAE)


def test_keys_that_cannot_sign_approvals_are_left_out():
    certificate = wire_string("ssh-ed25519-cert-v01@openssh.com") + wire_string("x")
    huge = wire_string("ssh-rsa") + wire_string(b"x" * 5000)
    mine = make_key("ssh-ed25519").public
    found = read_keys(listing(certificate, b"", b"\xff" * 9, huge, mine.wire))
    assert [key.public for key in found] == [mine]
    assert read_keys(listing()) == ()


NO_LIST = {
    "a failure": b"\x05",
    "nothing": b"",
    "a list that is cut": listing(b"x")[:-1],
    "a list with more behind it": listing() + b"x",
    "a list that says more than it holds": b"\x0c" + wire_u32(2**32 - 1),
}
NO_SIGNATURE = {
    "a failure": b"\x05",
    "nothing": b"",
    "a signature that is cut": b"\x0e\x00",
    "a signature with more behind it": b"\x0e" + wire_string("x") + b"x",
}


@pytest.mark.parametrize("reply", NO_LIST.values(), ids=NO_LIST)
def test_no_list(reply: bytes):
    with pytest.raises(AgentRefused):
        read_keys(reply)


@pytest.mark.parametrize("reply", NO_SIGNATURE.values(), ids=NO_SIGNATURE)
def test_no_signature(reply: bytes):
    with pytest.raises(AgentRefused):
        read_signature(reply, key=make_key("ssh-ed25519").public)
