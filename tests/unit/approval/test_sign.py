"""Private keys in files, and signatures made elsewhere."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.support.approvals import PEM_KINDS, make_key

from peergate.approval.envelope import pae
from peergate.approval.keys import KeyProblem
from peergate.approval.sign import ExternalSignature, PassphraseNeeded, load_private_key, public_line
from peergate.approval.sshwire import wire_string, wire_u32

PAE = pae(b"{}")
SOFT = (*PEM_KINDS, "ssh-ed25519", "ssh-ecdsa", "ssh-rsa")
USUAL = {"rsa-pss-sha256": "rsa-pkcs1-sha256"}


@pytest.mark.parametrize("kind", SOFT)
def test_every_kind_of_file_signs(kind: str):
    key = make_key(kind)
    signer = load_private_key(key.private_text)
    assert signer.key_type == USUAL.get(kind, key.type)
    assert signer.key_id == key.id
    signer.public.verify(signature=signer.sign(PAE), pae=PAE)
    assert signer.public_line == public_line(key.public)
    openssh = key.private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert signer.public_line == openssh


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256", "rsa-pss-sha256"])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.OpenSSH])
def test_a_file_may_sign_as_another_type_it_is_registered_under(kind: str, form: PrivateFormat):
    key = make_key(kind)
    data = key.private.private_bytes(Encoding.PEM, form, NoEncryption())
    for type_ in (kind, "ssh"):
        signer = load_private_key(data, key_type=type_)
        assert signer.key_type == type_
        signer.public.verify(signature=signer.sign(PAE), pae=PAE)


def encrypted(kind: str) -> bytes:
    return make_key(kind).private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )


@pytest.mark.parametrize("kind", PEM_KINDS)
def test_an_encrypted_pem_signs_with_its_passphrase(kind: str):
    signer = load_private_key(encrypted(kind), b"secret")
    signer.public.verify(signature=signer.sign(PAE), pae=PAE)


@pytest.mark.parametrize("passphrase", [None, b"", b"wrong"])
def test_a_missing_or_wrong_passphrase_is_asked_for_again(passphrase: bytes | None):
    with pytest.raises(PassphraseNeeded):
        load_private_key(encrypted("ed25519"), passphrase)


@pytest.mark.parametrize("kind", ["ed25519", "ssh-ed25519"])
def test_a_passphrase_that_is_not_needed_does_no_harm(kind: str):
    assert load_private_key(make_key(kind).private_text, b"unneeded").key_id == make_key(kind).id


def openssh_with(*, cipher: str) -> bytes:
    """Return an OpenSSH private key file that says it is encrypted in some way."""
    data = (
        b"openssh-key-v1\x00"
        + wire_string(cipher)
        + wire_string("bcrypt")
        + wire_string(wire_string(bytes(16)) + wire_u32(16))
        + wire_u32(1)
        + wire_string(make_key("ssh-ed25519").public.wire)
        + wire_string(bytes(160))
    )
    text = b64encode(data).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n".encode()


def test_an_encrypted_openssh_key_asks_for_its_passphrase():
    with pytest.raises(PassphraseNeeded):
        load_private_key(openssh_with(cipher="aes256-ctr"))


def test_an_encryption_that_cannot_be_read_points_at_ssh_agent():
    with pytest.raises(KeyProblem, match="ssh-agent"):
        load_private_key(openssh_with(cipher="chacha20-poly1305@openssh.com"), b"secret")


UNUSABLE = {
    "no key": (b"junk", "no private key"),
    "nothing": (b"", "no private key"),
    "a public key": (make_key("ed25519").public_text.encode(), "no private key"),
    "an Ed448 key": (
        ed448.Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "neither",
    ),
    "a key on P-384": (
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        "no key of the type ecdsa-p256",
    ),
    "an RSA key of 2,048 bits": (
        rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        "has 2048 bits",
    ),
}


@pytest.mark.parametrize(("data", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_files(data: bytes, says: str):
    with pytest.raises(KeyProblem, match=says):
        load_private_key(data)


def test_a_key_does_not_sign_as_a_type_it_is_not():
    with pytest.raises(KeyProblem, match="no key of the type"):
        load_private_key(make_key("ed25519").private_text, key_type="ecdsa-p256")


@pytest.mark.parametrize("kind", [*SOFT, "sk-ed25519", "sk-ecdsa"])
def test_a_signature_made_elsewhere_is_taken_if_it_verifies(kind: str):
    key = make_key(kind)
    made = ExternalSignature(public=key.public, signature=key.sign(PAE))
    assert made.sign(PAE) == made.signature
    assert (made.key_id, made.key_type) == (key.id, key.type)
    with pytest.raises(KeyProblem, match=r"not by key SHA256:"):
        made.sign(PAE + b" ")
    with pytest.raises(KeyProblem):
        ExternalSignature(public=key.public, signature=b"").sign(PAE)
