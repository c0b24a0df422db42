"""Ask a running ssh-agent for its keys and for signatures; hardware keys (sk-) work through it.

The socket is here, the bytes are ``approval.sshagent``'s. A private key never leaves the agent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from peergate.approval.keys import PublicKey
from peergate.approval.sshagent import (
    LIST_KEYS,
    MAX_REPLY_BYTES,
    AgentKey,
    AgentRefused,
    read_keys,
    read_signature,
    sign_request,
)
from peergate.errors import CommandError
from peergate.model.approver import KeyType
from peergate.model.names import KeyId

__all__ = ["AgentSigner", "SshAgent"]

_LENGTH: Final = 4
_TOUCH_SECONDS: Final = 120.0
"""A signature may wait for a touch or a confirmation."""


class SshAgent:
    """The agent behind ``SSH_AUTH_SOCK``."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path if path is not None else os.environ.get("SSH_AUTH_SOCK", "")

    def keys(self) -> tuple[AgentKey, ...]:
        """Return the keys that can sign approvals, in the agent's order.

        Errors: CommandError when there is no agent or it does not answer as one.
        """
        reply = self._ask(LIST_KEYS)
        try:
            return read_keys(reply)
        except AgentRefused as refused:
            raise _refusal(refused) from refused

    def sign(self, key: PublicKey, *, pae: bytes) -> bytes:
        """Return the SSHSIG over PAE; blocks while the person touches or confirms.

        Errors: CommandError when the agent has not the key, or nobody touched it within two minutes.
        """
        reply = self._ask(sign_request(key, pae=pae))
        try:
            return read_signature(reply, key=key)
        except AgentRefused as refused:
            raise _refusal(refused) from refused

    def _ask(self, request: bytes) -> bytes:
        with self._connected() as channel:
            channel.sendall(request)
            length = int.from_bytes(_exactly(channel, _LENGTH))
            if not 1 <= length <= MAX_REPLY_BYTES:
                raise _refusal(AgentRefused("The ssh-agent broke the protocol."))
            return _exactly(channel, length)

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        if not self._path:
            raise CommandError(
                "no ssh-agent; SSH_AUTH_SOCK is not set; start one (eval $(ssh-agent)) and ssh-add your key",
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(_TOUCH_SECONDS)
            try:
                channel.connect(self._path)
                yield channel
            except OSError as error:
                raise CommandError(
                    "no answer from the ssh-agent; SSH_AUTH_SOCK points nowhere, or it gave up waiting; "
                    "start it again and ssh-add your key",
                    context=str(error),
                ) from error


@dataclass(frozen=True, slots=True)
class AgentSigner:
    """One key of an agent, as something that signs."""

    agent: SshAgent
    public: PublicKey

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key that signs."""
        return self.public.id

    @property
    def key_type(self) -> KeyType:
        """Return the type that the key is registered under."""
        return "ssh"

    def sign(self, pae: bytes) -> bytes:
        """Return the signature over PAE; errors as ``SshAgent.sign``."""
        return self.agent.sign(self.public, pae=pae)


def _exactly(channel: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = channel.recv(count)
        if not part:
            raise _refusal(AgentRefused("The ssh-agent ended the connection."))
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _refusal(refused: AgentRefused) -> CommandError:
    sentence = str(refused).rstrip(".")
    return CommandError(f"no signature from the ssh-agent; {sentence}; see: ssh-add -L")
