"""Public key files and ssh's allowed_signers become key records that hold, or a clear refusal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from peergate.cli.public_keys import checked_id, records_of_allowed_signers, records_of_file
from peergate.errors import CommandError

_NAMESPACE = "peer-approval@peergate.dev"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name, options in {
        "ed": ("-t", "ed25519"),
        "ec": ("-t", "ecdsa", "-b", "256"),
        "p384": ("-t", "ecdsa", "-b", "384"),
        "small": ("-t", "rsa", "-b", "2048"),
    }.items():
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", name, "-f", folder / name, *options], check=True)
    for name, options in {
        "ed25519": ("-algorithm", "ed25519"),
        "p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
        "weak": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        "ed448": ("-algorithm", "ed448"),
    }.items():
        private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        subprocess.run(["openssl", "genpkey", *options, "-out", private], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return folder


def _line(path: Path) -> str:
    return " ".join(path.read_text().split()[:2])


def test_an_openssh_line_is_of_type_ssh_with_its_comment(keys):
    (record,) = records_of_file(str(keys / "ed.pub"), rsa="pkcs1")
    assert record == {"type": "ssh", "publicKey": _line(keys / "ed.pub"), "comment": "ed"}
    shown = subprocess.run(["ssh-keygen", "-lf", keys / "ed.pub"], capture_output=True, text=True, check=True)
    assert checked_id(record, where="ed.pub") == shown.stdout.split()[1]


PEM_TYPES = {
    ("ed25519", "pkcs1"): "ed25519",
    ("p256", "pkcs1"): "ecdsa-p256",
    ("rsa", "pkcs1"): "rsa-pkcs1-sha256",
    ("rsa", "pss"): "rsa-pss-sha256",
}


@pytest.mark.parametrize(("name", "rsa"), PEM_TYPES)
def test_a_pem_says_its_type(keys, name, rsa):
    (record,) = records_of_file(str(keys / f"{name}.pub.pem"), rsa=rsa)
    assert record["type"] == PEM_TYPES[name, rsa]


REFUSED = {
    "a private key": ("ed", "is a private key"),
    "a private key in PEM": ("ed25519.pem", "is a private key"),
    "an RSA key of 2048 bits": ("small.pub", "has 2048 bits; 3072 to 4096"),
    "an RSA key of 2048 bits in PEM": ("weak.pub.pem", "has 2048 bits; 3072 to 4096"),
    "another curve": ("p384.pub", "starts with"),
    "another algorithm": ("ed448.pub.pem", "Only Ed25519, ECDSA P-256 and RSA"),
    "a file that is not there": ("nothing", "No such file"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_refused_says_why(keys, sentence):
    name, why = REFUSED[sentence]
    with pytest.raises(CommandError) as refused:
        records_of_file(str(keys / name), rsa="pkcs1")
    assert why in refused.value.user_message
    assert refused.value.exit_code in {2, 3}


def _signers(folder: Path, *lines: str) -> str:
    path = folder / "allowed_signers"
    path.write_text("# who may sign\n\n" + "\n".join(lines) + "\n")
    return str(path)


def test_allowed_signers_gives_the_keys_of_one_identity(keys, tmp_path):
    ed, ec = _line(keys / "ed.pub"), _line(keys / "ec.pub")
    path = _signers(
        tmp_path,
        f"bob@example.com {ec}",
        f'alice@example.com,al@example.com namespaces="git,{_NAMESPACE}",valid-after="20260101Z",'
        f'valid-before="20270101120000Z" {ed} laptop',
        f'alice@example.com namespaces="git" {ec}',
    )
    assert records_of_allowed_signers(path, identity="alice@example.com") == [
        {
            "type": "ssh",
            "publicKey": ed,
            "comment": "laptop",
            "notBefore": "2026-01-01T00:00:00Z",
            "notAfter": "2027-01-01T12:00:00Z",
        },
    ]


def test_patterns_and_their_negation_work_as_in_ssh(keys, tmp_path):
    ed = _line(keys / "ed.pub")
    path = _signers(tmp_path, f"*@example.com,!eve@example.com {ed}")
    assert len(records_of_allowed_signers(path, identity="alice@example.com")) == 1
    with pytest.raises(CommandError, match="no key for eve"):
        records_of_allowed_signers(path, identity="eve@example.com")


BAD_LINES = {
    "a certificate authority": ("alice cert-authority {key}", "cert-authority"),
    "an unknown option": ("alice surprise=1 {key}", "unknown option"),
    "no key": ("alice ssh-ed25519", "no key of a kind"),
    "a broken time": ('alice valid-after="soon" {key}', "unreadable time"),
}


@pytest.mark.parametrize("sentence", BAD_LINES)
def test_a_line_that_is_not_understood_is_refused(keys, tmp_path, sentence):
    line, why = BAD_LINES[sentence]
    path = _signers(tmp_path, line.format(key=_line(keys / "ed.pub")))
    with pytest.raises(CommandError, match=why):
        records_of_allowed_signers(path, identity="alice")
