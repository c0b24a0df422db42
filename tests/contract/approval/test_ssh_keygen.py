"""``ssh-keygen -Y`` and this package: what one signs the other verifies, and both refuse the same bytes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from tests.support.approvals import VECTOR_PAYLOAD, make_key
from tests.support.tools import attempt, run

from peergate.approval.base64strict import decode_base64
from peergate.approval.envelope import pae
from peergate.approval.keys import KeyProblem, PublicKey, read_public_key
from peergate.approval.sign import PassphraseNeeded, load_private_key
from peergate.approval.sshsig import NAMESPACE, armor
from peergate.model.approver import KeyRecord

PAE = pae(VECTOR_PAYLOAD)
KINDS = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa": ("-t", "ecdsa", "-b", "256"),
    "rsa": ("-t", "rsa", "-b", "3072"),
}
SYNTHESISED = ("sk-ed25519", "sk-ecdsa")


def generate(folder: Path, *, kind: str, passphrase: str = "") -> Path:
    path = folder / f"id_{kind}"
    run("ssh-keygen", "-q", *KINDS[kind], "-N", passphrase, "-C", "laptop", "-f", path)
    return path


def read(path: Path) -> PublicKey:
    return read_public_key(KeyRecord(type="ssh", public_key=path.with_suffix(".pub").read_text()))


def theirs(folder: Path, *, line: str, signature: bytes) -> bool:
    """Tell whether ``ssh-keygen -Y verify`` takes an armored signature."""
    allowed, sig = folder / "allowed", folder / "sig"
    allowed.write_text(f"alice@example.com {line}\n")
    sig.write_bytes(signature)
    done = attempt(
        "ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-f", allowed, "-I", "alice@example.com", "-s", sig,
        data=PAE,
    )  # fmt: skip
    return done.returncode == 0


def ours(key: PublicKey, signature: bytes) -> bool:
    try:
        key.verify(signature=signature, pae=PAE)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hash_", ["sha256", "sha512"])
def test_we_verify_what_ssh_keygen_signs(tmp_path: Path, kind: str, hash_: str):
    path = generate(tmp_path, kind=kind)
    signature = run(
        "ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-O", f"hashalg={hash_}", "-f", path, data=PAE
    )
    assert ours(read(path), signature)
    body = b"".join(signature.splitlines()[1:-1]).decode()
    assert ours(read(path), decode_base64(body))


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_keygen_verifies_what_we_sign(tmp_path: Path, kind: str):
    path = generate(tmp_path, kind=kind)
    signer = load_private_key(path.read_bytes())
    signature = armor(signer.sign(PAE))
    assert theirs(tmp_path, line=signer.public_line, signature=signature)
    assert ours(signer.public, signature)


def test_the_bytes_of_an_ed25519_signature_are_the_same(tmp_path: Path):
    path = generate(tmp_path, kind="ed25519")
    signature = run("ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", path, data=PAE)
    assert armor(load_private_key(path.read_bytes()).sign(PAE)) == signature


@pytest.mark.parametrize("kind", SYNTHESISED)
def test_ssh_keygen_verifies_hardware_signatures_that_we_make(tmp_path: Path, kind: str):
    key = make_key(kind)
    assert theirs(tmp_path, line=key.public_text, signature=armor(key.sign(PAE)))


@pytest.mark.parametrize("kind", SYNTHESISED)
def test_ssh_keygen_does_not_look_for_a_touch_so_we_must(tmp_path: Path, kind: str):
    key = make_key(kind)
    untouched = armor(key.sign(PAE, flags=0))
    assert theirs(tmp_path, line=key.public_text, signature=untouched)
    assert key.public.verify(signature=untouched, pae=PAE) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_key_ids_are_those_of_ssh_keygen(tmp_path: Path, kind: str):
    path = generate(tmp_path, kind=kind)
    assert run("ssh-keygen", "-lf", path).decode().split()[1] == read(path).id


@pytest.mark.parametrize("namespace", ["file", "git", "peer-approval@peergate.dev "])
def test_a_signature_for_another_namespace_is_refused(tmp_path: Path, namespace: str):
    path = generate(tmp_path, kind="ed25519")
    signature = run("ssh-keygen", "-Y", "sign", "-n", namespace, "-f", path, data=PAE)
    assert not ours(read(path), signature)


VERSION_BYTE = 9
"""The one place of disagreement: OpenSSH also takes version 0, which nobody writes; we take 1 only."""


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-ecdsa", "ssh-rsa", *SYNTHESISED])
def test_both_judge_mutated_signatures_alike(tmp_path: Path, kind: str):
    key = make_key(kind)
    good = key.sign(PAE)
    # Every region: magic, version, key, namespace, hash, inner algorithm, inner signature, flags, counter.
    spread = range(0, len(good), max(1, len(good) // 24))
    verdicts = {}
    for position in sorted({*spread, VERSION_BYTE, *range(len(good) - 6, len(good))}):
        mutated = bytearray(good)
        mutated[position] ^= 0x01
        signature = armor(bytes(mutated))
        mine = ours(key.public, signature)
        verdicts[position] = (mine, theirs(tmp_path, line=key.public_text, signature=signature))
    assert verdicts.pop(VERSION_BYTE) == (False, True)
    assert set(verdicts.values()) == {(False, False)}


@pytest.mark.parametrize("change", [b"\x00", b"\xff" * 4], ids=["one byte", "four bytes"])
def test_both_refuse_trailing_bytes(tmp_path: Path, change: bytes):
    key = make_key("ssh-ed25519")
    signature = armor(key.sign(PAE) + change)
    assert not ours(key.public, signature)
    assert not theirs(tmp_path, line=key.public_text, signature=signature)


def test_an_encrypted_key_file_asks_for_its_passphrase(tmp_path: Path):
    path = generate(tmp_path, kind="ed25519", passphrase="correct horse")
    with pytest.raises(PassphraseNeeded):
        load_private_key(path.read_bytes())


def test_an_encrypted_key_file_is_read_or_the_refusal_names_the_way_that_works(tmp_path: Path):
    """Reading OpenSSH's own encryption takes the package bcrypt, which may be there or not."""
    path = generate(tmp_path, kind="ed25519", passphrase="correct horse")
    data = path.read_bytes()
    if find_spec("bcrypt") is None:
        with pytest.raises(KeyProblem, match="add it to ssh-agent"):
            load_private_key(data, b"correct horse")
    else:
        assert load_private_key(data, b"correct horse").key_id == read(path).id
        with pytest.raises(PassphraseNeeded):
            load_private_key(data, b"wrong")
