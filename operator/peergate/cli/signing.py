"""Find the key to sign with: a private key file, a key in ssh-agent, or one that somebody else holds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from peergate.approval.keyring import Keyring, RegisteredApprover, RegisteredKey
from peergate.approval.keys import KeyProblem, PublicKey, read_public_key
from peergate.approval.sign import ApprovalSigner, PassphraseNeeded, load_private_key
from peergate.cli.manifest import read_bytes
from peergate.cli.public_keys import records_of_file
from peergate.cli.ssh_agent import AgentSigner, SshAgent
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.approver import KeyRecord, KeyType

__all__ = ["Signatory", "find_signatory", "find_signer"]

_TRIES: Final = 3
_REFUSED: Final = 3


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signs, with which registered key."""

    approver: RegisteredApprover
    key: RegisteredKey | None
    """``None`` when a key service signs and has not said with which key."""


def find_signer(key: str, *, keyring: Keyring) -> ApprovalSigner:
    """Return what signs with the key that ``--key`` names.

    Shape: ``agent`` (the one registered key in it), a ``.pub`` file (that key in the agent), else a private
        key file, whose passphrase is asked for on the terminal.
    Errors: CommandError with exit code 2 when it can't be used.
    """
    if key == "agent":
        return _registered_in_agent(keyring)
    content = read_bytes(_expanded(key), what="key")
    if b"PRIVATE KEY" not in content:
        return _from_agent(key)
    return _from_file(content, path=key, keyring=keyring)


def find_signatory(
    keyring: Keyring,
    *,
    signer: ApprovalSigner | None,
    identity: str | None,
) -> Signatory:
    """Return the registered approver who signs.

    Errors: CommandError with exit code 3: the key is not registered, or belongs to another identity than
        ``--approver`` says; exit code 2 when neither is given.
    """
    if signer is None:
        if identity is None:
            raise CommandError(
                "who signs?; add --key PATH, or --approver IDENTITY for a key service", exit_code=2
            )
        return Signatory(approver=_named(keyring, identity), key=None)
    registered = keyring.by_id.get(signer.key_id)
    if registered is None:
        problems = (text for texts in keyring.problems.values() for text in texts if signer.key_id in text)
        problem = next(problems, f"{signer.key_id} is not registered")
        raise CommandError(
            f"this key counts for nobody; {visible(problem.rstrip('.'))}; "
            "register it: peergate approver create NAME --identity ... --key FILE.pub",
            exit_code=_REFUSED,
        )
    if identity is not None and identity != registered.identity:
        raise CommandError(
            f"another's key; {signer.key_id} belongs to {visible(registered.identity)}; "
            "correct --approver or --key",
            exit_code=_REFUSED,
        )
    return Signatory(approver=keyring.approvers[registered.identity], key=registered)


def _named(keyring: Keyring, identity: str) -> RegisteredApprover:
    found = keyring.approvers.get(identity)
    if found is None:
        raise CommandError(
            f"no approver {visible(identity)}; no Approver has that identity; see: kubectl get approvers",
            exit_code=_REFUSED,
        )
    return found


def _registered_in_agent(keyring: Keyring) -> AgentSigner:
    agent = SshAgent()
    held = agent.keys()
    usable = [key.public for key in held if key.public.id in keyring.by_id]
    if len(usable) == 1:
        return AgentSigner(agent=agent, public=usable[0])
    if usable:
        raise CommandError(
            f"which key?; the ssh-agent holds {len(usable)} registered keys; name one: --key ~/.ssh/KEY.pub",
            exit_code=2,
        )
    raise CommandError(
        f"no registered key; of the {len(held)} in the ssh-agent none belongs to an approver; "
        "ssh-add yours, or register it: peergate approver create",
        exit_code=_REFUSED,
    )


def _from_agent(path: str) -> AgentSigner:
    public = _public(path)
    if public.type != "ssh":
        raise CommandError(
            f"{visible(path)} is a public key; a PEM key is signed with from its private file, or by a key "
            "service with --print-payload",
            exit_code=2,
        )
    agent = SshAgent()
    held = agent.keys()
    if public.id not in {key.public.id for key in held}:
        raise CommandError(
            f"the ssh-agent has not this key; {visible(path)} is {public.id}; ssh-add it",
            exit_code=2,
        )
    return AgentSigner(agent=agent, public=public)


def _public(path: str) -> PublicKey:
    (record, *_) = records_of_file(_expanded(path), rsa="pkcs1")
    return read_public_key(KeyRecord.model_validate(record))


def _from_file(content: bytes, *, path: str, keyring: Keyring) -> ApprovalSigner:
    passphrase: bytes | None = None
    for _ in range(_TRIES):
        try:
            signer = load_private_key(content, passphrase)
            registered = keyring.by_id.get(signer.key_id)
            wanted: KeyType = signer.key_type if registered is None else registered.public.type
            return (
                signer
                if wanted == signer.key_type
                else load_private_key(content, passphrase, key_type=wanted)
            )
        except PassphraseNeeded:
            held = _held_for(path) if passphrase is None else None
            if held is not None:
                return held
            text = click.prompt(f"Passphrase of {visible(path)}", hide_input=True, err=True)
            passphrase = str(text).encode()
        except KeyProblem as problem:
            raise CommandError(
                f"unusable key; {visible(path)}: {str(problem).rstrip('.')}; with ssh-agent: --key agent",
                exit_code=2,
            ) from problem
    raise CommandError(f"no passphrase; {visible(path)} stays locked; try again", exit_code=2)


def _held_for(path: str) -> AgentSigner | None:
    """Return the agent's key of a locked file, as ssh would take it; the .pub beside the file names it."""
    if not os.environ.get("SSH_AUTH_SOCK") or not Path(_expanded(f"{path}.pub")).exists():
        return None
    public = _public(f"{path}.pub")
    agent = SshAgent()
    held = agent.keys()
    return AgentSigner(agent=agent, public=public) if public.id in {key.public.id for key in held} else None


def _expanded(path: str) -> str:
    return path if path == "-" else str(Path(path).expanduser())
