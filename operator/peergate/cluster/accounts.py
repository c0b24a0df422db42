"""Live look-ups of ServiceAccounts that the cache does not know, or knows otherwise.

Anybody who reaches the webhook's port can name accounts at will (kubernetes-facts.md T25), so look-ups of one
account are shared, all together are bounded, and an answer holds for a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from peergate.cluster.caches import read_account
from peergate.cluster.client import Client
from peergate.cluster.endpoints import SERVICE_ACCOUNTS
from peergate.errors import Unavailable
from peergate.gate.snapshot import Account

__all__ = ["AccountFinder"]

_DEADLINE_SECONDS: Final = 2.0
"""Waiting included; well below the webhook's own deadline."""
_AT_ONCE: Final = 8
_WAITING_MOST: Final = 256
_HOLDS_SECONDS: Final = 1.0
"""How long an answer is good for, also "no such account" and a failure."""
_REMEMBERED_MOST: Final = 1024


@dataclass(slots=True)
class _Answer:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    until: float = float("-inf")
    account: Account | None = None
    failure: Unavailable | None = None


class AccountFinder:
    """Asks the API server for single accounts."""

    def __init__(
        self,
        client: Client,
        *,
        agent_label: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._agent_label = agent_label
        self._clock = clock
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._answers: dict[tuple[str, str], _Answer] = {}

    async def find(self, namespace: str, name: str) -> Account | None:
        """Return the live account, ``None`` if there is none.

        Errors: Unavailable, within two seconds; also when too many look-ups are waiting already.
        """
        if self._waiting >= _WAITING_MOST:
            raise Unavailable("too many accounts are being looked up")
        self._waiting += 1
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await self._ask_once(namespace, name)
        except TimeoutError as error:
            raise Unavailable("the account could not be looked up in time") from error
        finally:
            self._waiting -= 1

    async def _ask_once(self, namespace: str, name: str) -> Account | None:
        self._forget()
        answer = self._answers.setdefault((namespace, name), _Answer())
        async with answer.lock:
            if answer.until <= self._clock():
                await self._ask(answer, namespace=namespace, name=name)
        if answer.failure is not None:
            raise Unavailable(answer.failure.user_message, context=answer.failure.context)
        return answer.account

    async def _ask(self, answer: _Answer, *, namespace: str, name: str) -> None:
        answer.account, answer.failure = None, None
        async with self._slots:
            try:
                document = await self._client.get(
                    SERVICE_ACCOUNTS,
                    namespace=namespace,
                    name=name,
                    metadata_only=True,
                    deadline=_DEADLINE_SECONDS,
                )
            except Unavailable as error:
                answer.failure = error
            else:
                if document is not None:
                    answer.account = read_account(document, agent_label=self._agent_label)
        answer.until = self._clock() + _HOLDS_SECONDS

    def _forget(self) -> None:
        """Drop old answers, oldest first, where nobody waits for them."""
        while len(self._answers) >= _REMEMBERED_MOST:
            key = next(iter(self._answers))
            if self._answers[key].lock.locked():
                return
            del self._answers[key]
