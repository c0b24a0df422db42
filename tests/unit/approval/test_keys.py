"""Registration of keys: K1 to K5, and the kinds of signature."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.approvals import (
    KINDS,
    PEM_KINDS,
    SSH_KINDS,
    VECTOR_KEY,
    VECTOR_PAYLOAD,
    VECTOR_SIG,
    make_key,
)

from peergate.approval.envelope import pae
from peergate.approval.keys import KeyProblem, key_id, read_public_key
from peergate.approval.material import check_ecdsa, check_ed25519, check_rsa
from peergate.approval.sshwire import wire_mpint, wire_string
from peergate.model.approver import KeyRecord

P = 2**255 - 19
MESSAGE = pae(b"{}")


def read(type_: str, text: str, **members: Any):
    return read_public_key(KeyRecord.model_validate({"type": type_, "publicKey": text, **members}))


def pem(key: Any) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def pem_of(der: bytes) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"


def der(key: Any) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def line(name: str, *parts: bytes) -> str:
    wire = wire_string(name) + b"".join(parts)
    return f"{name} {b64encode(wire).decode()}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_signs_and_verifies(kind: str):
    key = make_key(kind)
    signature = key.sign(MESSAGE)
    assert key.public.verify(signature=signature, pae=MESSAGE) == (1 if kind.startswith("sk-") else 0)
    assert key.public.is_hardware is kind.startswith("sk-")
    with pytest.raises((InvalidSignature, ValueError)):
        key.public.verify(signature=signature, pae=MESSAGE + b" ")


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_takes_an_empty_or_a_cut_signature(kind: str):
    key = make_key(kind)
    for signature in (b"", key.sign(MESSAGE)[:-1], key.sign(MESSAGE) + b"\x00"):
        with pytest.raises((InvalidSignature, ValueError)):
            key.public.verify(signature=signature, pae=MESSAGE)


def test_ecdsa_takes_64_bytes_and_strict_der():
    key = make_key("ecdsa-p256")
    r, s = decode_dss_signature(key.sign(MESSAGE))
    raw = r.to_bytes(32) + s.to_bytes(32)
    key.public.verify(signature=raw, pae=MESSAGE)
    key.public.verify(signature=encode_dss_signature(r, s), pae=MESSAGE)


DER_SPELLINGS = {
    "a long length": lambda der: b"\x30\x81" + der[1:],
    "a padded number": lambda der: bytes([0x30, der[1] + 1, 2, der[3] + 1, 0]) + der[4:],
    "trailing bytes": lambda der: der + b"\x00",
    "an indefinite length": lambda der: b"\x30\x80" + der[2:] + b"\x00\x00",
    "negative numbers": lambda _: bytes.fromhex("30060201ff0201ff"),
    "zeros": lambda _: bytes.fromhex("3006020100020100"),
}


@pytest.mark.parametrize("spell", DER_SPELLINGS.values(), ids=DER_SPELLINGS)
def test_ecdsa_refuses_other_spellings(spell):
    key = make_key("ecdsa-p256")
    with pytest.raises((InvalidSignature, ValueError)):
        key.public.verify(signature=spell(key.sign(MESSAGE)), pae=MESSAGE)


def test_the_vector_verifies():

    public = ed25519.Ed25519PublicKey.from_public_bytes(VECTOR_KEY)
    key = read("ed25519", pem(public))
    assert key.id == "SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8"
    key.verify(signature=b64decode(VECTOR_SIG), pae=pae(VECTOR_PAYLOAD))


@pytest.mark.parametrize(
    ("pem_kind", "ssh_kind"),
    [("ed25519", "ssh-ed25519"), ("ecdsa-p256", "ssh-ecdsa"), ("rsa-pss-sha256", "ssh-rsa")],
)
def test_k5_one_key_has_one_id_whatever_its_type(pem_kind: str, ssh_kind: str):
    private = make_key(pem_kind).private
    ssh = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert read("ssh", ssh).id == make_key(pem_kind).public.id
    assert read("ssh", ssh).wire == make_key(pem_kind).public.wire
    assert ssh_kind in SSH_KINDS


def test_k5_the_id_that_a_record_gives_must_be_the_key_s():
    key = make_key("ed25519")
    assert read("ed25519", key.public_text, id=key.id).id == key.id == key_id(key.public.wire)
    with pytest.raises(KeyProblem, match="the key's id is SHA256:"):
        read("ed25519", key.public_text, id="SHA256:other")


TAKEN = {
    "a PEM with CRLF line ends": ("ed25519", make_key("ed25519").public_text.replace("\n", "\r\n")),
    "a PEM without a last line end": ("ed25519", make_key("ed25519").public_text.strip()),
    "an OpenSSH line with a comment": ("ssh", make_key("ssh-ed25519").public_text + " alice's laptop\n"),
    "an OpenSSH line without": ("ssh", " ".join(make_key("ssh-ed25519").public_text.split()[:2])),
}


@pytest.mark.parametrize(("type_", "text"), TAKEN.values(), ids=TAKEN)
def test_taken(type_: str, text: str):
    read(type_, text)


ED = make_key("ed25519")
EC = make_key("ecdsa-p256")
SSH = make_key("ssh-ed25519")
ED_RAW = ED.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
POINT = EC.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
RSA_2048 = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
RSA_E3 = rsa.RSAPublicNumbers(
    3, make_key("rsa-pkcs1-sha256").private.public_key().public_numbers().n
).public_key()
P384 = ec.generate_private_key(ec.SECP384R1()).public_key()
PRIVATE_PEM = ED.private_text.decode()

K1 = {
    "two PEM blocks": ("ed25519", ED.public_text * 2, "exactly one PEM block"),
    "text before the PEM block": ("ed25519", "x\n" + ED.public_text, "exactly one PEM block"),
    "a private key": ("ed25519", PRIVATE_PEM, "exactly one PEM block"),
    "an OpenSSH line for a PEM type": ("ed25519", SSH.public_text, "exactly one PEM block"),
    "a PEM of junk": ("ed25519", pem_of(b"junk"), "can be read"),
    "a PEM of bad base64": (
        "ed25519",
        "-----BEGIN PUBLIC KEY-----\nMCow=\n-----END PUBLIC KEY-----",
        "can be read",
    ),
    "a PEM with trailing data": ("ed25519", pem_of(der(ED.private.public_key()) + b"\x00"), "can be read"),
    "an Ed25519 key as ECDSA (A1)": ("ecdsa-p256", ED.public_text, "no key of the type ecdsa-p256"),
    "an ECDSA key as Ed25519": ("ed25519", EC.public_text, "no key of the type ed25519"),
    "an ECDSA key as RSA": ("rsa-pss-sha256", EC.public_text, "no key of the type rsa-pss-sha256"),
    "an Ed448 key": ("ed25519", pem(ed448.Ed448PrivateKey.generate().public_key()), "no key of the type"),
    "a key on P-384": ("ecdsa-p256", pem(P384), "no key of the type ecdsa-p256"),
    "a compressed point": (
        "ecdsa-p256",
        pem_of(
            bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
            + EC.private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        ),
        "usual encoding",
    ),
    "an OpenSSH line with options": ("ssh", f'from="*" {SSH.public_text}', "without options"),
    "two OpenSSH lines": ("ssh", f"{SSH.public_text}\n{SSH.public_text}", "without options"),
    "a PEM for type ssh": ("ssh", ED.public_text, "without options"),
    "a certificate": (
        "ssh",
        SSH.public_text.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"),
        "without options",
    ),
    "a passkey": (
        "ssh",
        SSH.public_text.replace("ssh-ed25519", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"),
        "without options",
    ),
    "a DSA key": ("ssh", "ssh-dss AAAA", "without options"),
    "a line that names another kind": (
        "ssh",
        SSH.public_text.replace("ssh-ed25519", "ssh-rsa", 1),
        "another kind of key",
    ),
    "a line with bad base64": ("ssh", "ssh-ed25519 AAAA=", "no well-formed key"),
    "a line without key": ("ssh", "ssh-ed25519", "no well-formed key"),
    "a line with trailing data": (
        "ssh",
        line("ssh-ed25519", wire_string(ED_RAW), b"\x00"),
        "no well-formed key",
    ),
    "an sk- key without application": (
        "ssh",
        line("sk-ssh-ed25519@openssh.com", wire_string(ED_RAW)),
        "no well-formed key",
    ),
    "an Ed25519 key of 31 bytes": ("ssh", line("ssh-ed25519", wire_string(ED_RAW[1:])), "has 32 bytes"),
}
K2 = {
    "2,048 bits": ("rsa-pkcs1-sha256", pem(RSA_2048), "has 2048 bits"),
    "2,048 bits as OpenSSH": (
        "ssh",
        RSA_2048.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
        "has 2048 bits",
    ),
    "the exponent 3": ("rsa-pss-sha256", pem(RSA_E3), "exponent 3"),
    "4,097 bits": ("ssh", line("ssh-rsa", wire_mpint(65537), wire_mpint(2**4096 + 1)), "has 4097 bits"),
    "an even modulus": ("ssh", line("ssh-rsa", wire_mpint(65537), wire_mpint(2**3072)), "even modulus"),
    "a negative modulus": (
        "ssh",
        line("ssh-rsa", wire_mpint(65537), wire_string(b"\xff" * 384)),
        "no well-formed key",
    ),
    "a modulus that is not in its shortest form": (
        "ssh",
        line("ssh-rsa", wire_mpint(65537), wire_string(b"\x00\x00\x81" + b"\x01" * 383)),
        "no well-formed",
    ),
}
OFF_CURVE = POINT[:-1] + bytes([POINT[-1] ^ 1])
K3 = {
    "a point off the curve": (
        "ssh",
        line("ecdsa-sha2-nistp256", wire_string("nistp256"), wire_string(OFF_CURVE)),
        "not on the curve",
    ),
    "the point at infinity": (
        "ssh",
        line("ecdsa-sha2-nistp256", wire_string("nistp256"), wire_string(b"\x00")),
        "no uncompressed",
    ),
    "a compressed point": (
        "ssh",
        line("ecdsa-sha2-nistp256", wire_string("nistp256"), wire_string(b"\x02" + POINT[1:33])),
        "no uncompressed",
    ),
    "a hybrid point": (
        "ssh",
        line("ecdsa-sha2-nistp256", wire_string("nistp256"), wire_string(b"\x06" + POINT[1:])),
        "no uncompressed",
    ),
    "another curve inside": (
        "ssh",
        line("ecdsa-sha2-nistp256", wire_string("nistp384"), wire_string(POINT)),
        "not on the curve",
    ),
    "a PEM off the curve": (
        "ecdsa-p256",
        pem_of(bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + OFF_CURVE),
        "can be read",
    ),
}


@pytest.mark.parametrize(("type_", "text", "says"), K1.values(), ids=K1)
def test_k1_exactly_one_key_of_the_type(type_: str, text: str, says: str):
    with pytest.raises(KeyProblem, match=says):
        read(type_, text)


@pytest.mark.parametrize(("type_", "text", "says"), K2.values(), ids=K2)
def test_k2_rsa(type_: str, text: str, says: str):
    with pytest.raises(KeyProblem, match=says):
        read(type_, text)


@pytest.mark.parametrize(("type_", "text", "says"), K3.values(), ids=K3)
def test_k3_points_of_p256(type_: str, text: str, says: str):
    with pytest.raises(KeyProblem, match=says):
        read(type_, text)


Y8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
SMALL_ORDER = [
    (y + sign).to_bytes(32, "little") for y in (0, 1, P - 1, Y8, P - Y8, P, P + 1) for sign in (0, 1 << 255)
]


@pytest.mark.parametrize("encoded", SMALL_ORDER, ids=bytes.hex)
@pytest.mark.parametrize("name", ["ssh-ed25519", "sk-ssh-ed25519@openssh.com"])
def test_k4_all_fourteen_encodings_of_small_order_are_refused(encoded: bytes, name: str):
    assert len(set(SMALL_ORDER)) == 14
    with pytest.raises(KeyProblem, match=r"small order|out of range"):
        read("ssh", line(name, wire_string(encoded), wire_string("ssh:")))


def test_k4_holds_for_pem_too():
    spki = bytes.fromhex("302a300506032b6570032100")
    with pytest.raises(KeyProblem, match="small order"):
        read("ed25519", pem_of(spki + (1).to_bytes(32, "little")))


K4 = {
    "a coordinate of p": (P.to_bytes(32, "little"), "out of range"),
    "the highest coordinate": (b"\xff" * 32, "out of range"),
    "no point of the curve": ((2).to_bytes(32, "little"), "no point"),
    "no point of the curve, with the sign set": ((2 + (1 << 255)).to_bytes(32, "little"), "no point"),
}


@pytest.mark.parametrize(("encoded", "says"), K4.values(), ids=K4)
def test_k4_coordinates(encoded: bytes, says: str):
    with pytest.raises(KeyProblem, match=says):
        check_ed25519(encoded)


def test_a_small_order_key_would_have_verified_anything():
    """Why K4 is there: the library takes the key, and one signature then fits any message (A10)."""
    key = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    forged = (1).to_bytes(32, "little") + bytes(32)
    key.verify(forged, b"one message")
    key.verify(forged, b"another message")


def test_the_bounds_of_rsa_are_inclusive():
    for bits in (3072, 4096):
        assert check_rsa(modulus=2**bits - 1, exponent=65537).key_size == bits
    for bits in (3071, 4097):
        with pytest.raises(KeyProblem):
            check_rsa(modulus=2**bits - 1, exponent=65537)


def test_a_good_point_is_taken():
    assert check_ecdsa(POINT).curve.name == "secp256r1"
    assert set(PEM_KINDS) < set(KINDS)
