"""SSHSIG: form, armor, and the algorithms that are taken (A4, A9)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from tests.support.approvals import SSH_KINDS, MadeKey, make_key

from peergate.approval.envelope import pae
from peergate.approval.sshsig import (
    NAMESPACE,
    armor,
    is_sshsig,
    parse_sshsig,
    signed_data,
    write_sshsig,
)
from peergate.approval.sshwire import wire_mpint, wire_string, wire_u32

PAE = pae(b"{}")
KEY = make_key("ssh-ed25519")
GOOD = KEY.sign(PAE)
ARMORED = armor(GOOD)
BLOB = KEY.ssh_blob(signed_data(PAE))


def sshsig(
    *,
    magic: bytes = b"SSHSIG",
    version: int = 1,
    namespace: str = NAMESPACE,
    reserved: bytes = b"",
    hash_: str = "sha512",
    blob: bytes = BLOB,
    trailing: bytes = b"",
) -> bytes:
    return (
        magic
        + wire_u32(version)
        + b"".join(map(wire_string, (KEY.public.wire, namespace, reserved, hash_, blob)))
        + trailing
    )


def test_the_pieces_are_those_of_the_writer():
    assert sshsig() == GOOD
    assert write_sshsig(KEY.public.wire, BLOB) == GOOD
    parsed = parse_sshsig(GOOD)
    assert (parsed.public_key, parsed.hash, parsed.blob) == (KEY.public.wire, "sha512", BLOB)


def test_signed_data_names_the_hash():
    assert signed_data(PAE, hash="sha256") != signed_data(PAE)
    assert signed_data(PAE).startswith(
        b"SSHSIG" + wire_string(NAMESPACE) + wire_string(b"") + wire_string("sha512")
    )


ARMORS: dict[str, Callable[[bytes], bytes]] = {
    "as written": lambda text: text,
    "without a last line end": lambda text: text.rstrip(b"\n"),
    "with CRLF line ends": lambda text: text.replace(b"\n", b"\r\n"),
    "with one long line": lambda text: (
        b"-----BEGIN SSH SIGNATURE-----\n"
        + b"".join(text.splitlines()[1:-1])
        + b"\n-----END SSH SIGNATURE-----"
    ),
}
LOOSE: dict[str, Callable[[bytes], bytes]] = {
    "a space before it": lambda text: b" " + text,
    "two line ends after it": lambda text: text + b"\n",
    "text after it": lambda text: text + b"x",
    "an empty line in it": lambda text: text.replace(b"\n", b"\n\n", 1),
    "a space in it": lambda text: text.replace(b"\n", b"\n ", 1),
    "no footer": lambda text: text.replace(b"-----END SSH SIGNATURE-----", b""),
    "nothing in it": lambda _: b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----",
    "a character cut from it": lambda text: text.replace(b"U1NI", b"1NI", 1),
    "base64 of the URL-safe alphabet": lambda text: text.replace(b"U1NI", b"-1NI", 1),
}


@pytest.mark.parametrize("spell", ARMORS.values(), ids=ARMORS)
def test_armor(spell: Callable[[bytes], bytes]):
    assert parse_sshsig(spell(ARMORED)) == parse_sshsig(GOOD)
    assert is_sshsig(spell(ARMORED))


@pytest.mark.parametrize("spell", LOOSE.values(), ids=LOOSE)
def test_loose_armor(spell: Callable[[bytes], bytes]):
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is the contract
        parse_sshsig(spell(ARMORED))


NOT_OURS = {
    "another magic": sshsig(magic=b"SSHSIH"),
    "version 2": sshsig(version=2),
    "the namespace of files (A4)": sshsig(namespace="file"),
    "the namespace of git (A4)": sshsig(namespace="git"),
    "a longer namespace": sshsig(namespace=NAMESPACE + "x"),
    "a reserved field that holds something": sshsig(reserved=b"x"),
    "SHA-1 (A9)": sshsig(hash_="sha1"),
    "MD5 (A9)": sshsig(hash_="md5"),
    "SHA-384": sshsig(hash_="sha384"),
    "a hash beyond ASCII": sshsig(hash_="é"),
    "trailing bytes (A9)": sshsig(trailing=b"\x00"),
    "cut": GOOD[:-1],
    "nothing": b"",
    "only the magic": b"SSHSIG",
}


@pytest.mark.parametrize("data", NOT_OURS.values(), ids=NOT_OURS)
def test_not_ours(data: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is the contract
        parse_sshsig(data)


def refused(key: MadeKey, blob: bytes) -> None:
    with pytest.raises((InvalidSignature, ValueError)):
        key.public.verify(signature=write_sshsig(key.public.wire, blob), pae=PAE)


@pytest.mark.parametrize("kind", SSH_KINDS)
def test_blobs_that_are_not_the_key_s(kind: str):
    key = make_key(kind)
    blob = key.ssh_blob(signed_data(PAE))
    algorithm = key.algorithm if kind != "ssh-rsa" else "rsa-sha2-512"
    rest = blob[len(wire_string(algorithm)) :]
    key.public.verify(signature=write_sshsig(key.public.wire, blob), pae=PAE)
    refused(key, blob + b"\x00")
    refused(key, blob[:-1])
    refused(key, b"")
    for other in ("ssh-rsa", "ssh-dss", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "none", ""):
        refused(key, wire_string(other) + rest)


def test_a_key_that_is_not_the_embedded_one():
    other = make_key("ssh-ed25519", "other")
    with pytest.raises(InvalidSignature):
        other.public.verify(signature=GOOD, pae=PAE)


def test_numbers_of_ecdsa_have_one_spelling():
    key = make_key("ssh-ecdsa")
    blob = key.ssh_blob(signed_data(PAE))
    head = wire_string("ecdsa-sha2-nistp256")
    numbers = blob[len(head) + 4 :]
    refused(key, head + wire_string(numbers + b"\x00"))
    length = int.from_bytes(numbers[:4])
    spare = wire_u32(length + 1) + b"\x00" + numbers[4:]
    refused(key, head + wire_string(spare))
    refused(key, head + wire_string(wire_mpint(0) + wire_mpint(0)))


def test_a_hardware_key_signs_application_flags_and_counter():
    key = make_key("sk-ed25519")
    blob = key.ssh_blob(signed_data(PAE), flags=0x05, counter=9)
    assert key.public.verify(signature=write_sshsig(key.public.wire, blob), pae=PAE) == 0x05
    refused(key, blob[:-5] + b"\x01" + blob[-4:])
    refused(key, blob[:-1] + b"\x08")
    software = MadeKey("ssh-ed25519", key.private).ssh_blob(signed_data(PAE))
    refused(
        key, wire_string(key.algorithm) + software[len(wire_string("ssh-ed25519")) :] + b"\x01" + bytes(4)
    )


def test_what_claims_to_be_an_sshsig():
    assert is_sshsig(b"SSHSIG")
    assert not is_sshsig(b"SSHSI")
    assert not is_sshsig(bytes(64))
