"""Builds the snapshot that the gate decides from: once per burst of events, never inside a review."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import nlargest
from types import MappingProxyType
from typing import Final

from peergate.approval.keyring import Keyring, build_keyring
from peergate.approval.signed import open_ahead
from peergate.cluster.accounts import AccountFinder
from peergate.cluster.caches import AnyReflector, Caches
from peergate.cluster.client import Client
from peergate.cluster.pods import PodFinder
from peergate.cluster.reflector import Departure, Key, Timing
from peergate.cluster.request_index import RequestIndex
from peergate.errors import Unavailable
from peergate.gate.connections import wanted_pod
from peergate.gate.filed import FiledRequest
from peergate.gate.policies import PolicyIndex
from peergate.gate.principal import unknown_account
from peergate.gate.snapshot import Account, Backlog, Snapshot, gate_config
from peergate.model.approver import ApproverSpec
from peergate.model.review import Review
from peergate.settings import Settings

__all__ = ["Snapshots"]

_log = logging.getLogger(__name__)

_STALE_SECONDS: Final = 60.0
"""A cache that has not heard from the API server for longer does not count (approval-format.md V3)."""
_DEPARTED_SECONDS: Final = 120.0
"""How long the uid of a deleted account is remembered: its tokens work ten seconds more (I2)."""
_DEPARTED_MOST: Final = 10_000
"""Above that the oldest are forgotten, which refuses them."""
_BURST_SECONDS: Final = 0.05
"""Events that come within this time are one burst."""
_BUILD_SHARE: Final = 10
"""Building takes at most one part in ten of the time, however fast events come."""
_KUBE_SYSTEM: Final = ("", "kube-system")
_OPENED_AHEAD: Final = 64
"""Requests whose approvals are opened ahead of any review at one time, the newest first."""


class Snapshots:
    """The ``SnapshotSource`` over the caches."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._events = asyncio.Event()
        self._changed_at: float | None = None
        """When something changed that no snapshot shows yet."""
        self._departed: deque[tuple[float, str]] = deque(maxlen=_DEPARTED_MOST)
        self._listeners: list[Callable[[], None]] = []
        self._copied: dict[str, int] = {}
        self._trusted: dict[str, tuple[str, int]] = {}
        self._ruling: dict[str, object] = {}
        self._opened_with: Keyring | None = None
        self._accounts = AccountFinder(client, agent_label=settings.labels.agent, clock=clock)
        self._pods = PodFinder(client)
        self.caches = Caches(
            client,
            labels=settings.labels,
            on_change=self._on_change,
            on_account_gone=self._on_account_gone,
            timing=timing,
            clock=clock,
        )
        self._current = Snapshot(
            config=gate_config(settings),
            audience="",
            keyring=build_keyring({}),
            policies=PolicyIndex(),
            stale=tuple(cache.name for cache in self.caches.all()),
        )
        self._requests = RequestIndex(namespace=self._current.config.namespace)
        self.caches.requests.follow(self._requests.note)

    @property
    def synced(self) -> bool:
        """Tell whether every cache has been listed and a snapshot of them was built."""
        return bool(self._current.audience) and all(cache.synced for cache in self.caches.all())

    def ages(self) -> dict[str, float]:
        """Return for each resource the seconds since the API server was last heard."""
        return {cache.name: cache.age() for cache in self.caches.all()}

    def knows_approver(self, name: str, *, uid: str, generation: int) -> bool:
        """Tell whether the keyring of the last snapshot was made of this very state of an Approver."""
        return self._trusted.get(name) == (uid, generation)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called after each new snapshot; it must be quick and must not raise."""
        self._listeners.append(listener)

    def tell_backlog(self, backlog: Backlog) -> None:
        """Have this and every later snapshot say what was refused here and is not yet seen filed."""
        self._current = replace(self._current, backlog=backlog)

    def snapshot(self) -> Snapshot:
        """Return what is known now, marked with what is stale."""
        stale = self._stale()
        if stale != self._current.stale:
            self._current = replace(self._current, stale=stale)
        return self._current

    async def look_up(self, review: Review, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with what only live GETs can tell: the requester's account, then the Pod.

        An account that doesn't exist leaves the snapshot as it is, so that its name counts as an agent's
        (design.md §2). Never raises.
        """
        try:
            snapshot = await self._with_account(review, snapshot)
            pod = wanted_pod(review, snapshot=snapshot)
            if pod is not None:
                snapshot = replace(snapshot, pod=await self._pods.find(*pod))
        except Unavailable as error:
            _log.warning("a look-up failed: %s", error)
            return replace(snapshot, lookup_failed=True)
        return snapshot

    async def _with_account(self, review: Review, snapshot: Snapshot) -> Snapshot:
        key = unknown_account(review.user, snapshot=snapshot)
        account = None if key is None else await self._accounts.find(*key)
        if key is None or account is None:
            return snapshot
        return replace(snapshot, accounts=_OneMore(snapshot.accounts, key=key, account=account))

    async def run(self) -> None:
        """Keep the caches and the snapshot current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for cache in self.caches.all():
                group.create_task(cache.run(), name=f"cache of {cache.name}")
            group.create_task(self._build_for_ever(), name="snapshot builder")

    async def _build_for_ever(self) -> None:
        rest = _BURST_SECONDS
        while True:
            await self._wait_for_events()
            await asyncio.sleep(rest)
            self._events.clear()
            began = self._clock()
            await self._build()
            self._changed_at = began if self._events.is_set() else None
            rest = max(_BURST_SECONDS, (_BUILD_SHARE - 1) * (self._clock() - began))
            for listener in self._listeners:
                listener()
            await self._open_ahead()

    async def _open_ahead(self) -> None:
        """Open the approvals on requests that are new to this snapshot, or were opened with other keys."""
        keyring = self._current.keyring
        requests: Iterable[FiledRequest] = self._requests.take_carrying()
        if keyring is not self._opened_with:
            self._opened_with, requests = keyring, self._current.requests.values()
        if requests:
            await asyncio.to_thread(_open_newest, requests, keyring=keyring)

    async def _wait_for_events(self) -> None:
        expires = self._departed[0][0] - self._clock() if self._departed else None
        try:
            async with asyncio.timeout(expires):
                await self._events.wait()
        except TimeoutError:
            return

    async def _build(self) -> None:
        """Make the next snapshot out of what changed, so that reviews go on meanwhile."""
        await self._requests.refresh()
        # The last to wait for, so that it is in force when ``knows_approver`` says so.
        keyring = await self._next_keyring()
        caches, now = self.caches, self._clock()
        while self._departed and self._departed[0][0] <= now:
            self._departed.popleft()
        kube_system = caches.namespaces.get(_KUBE_SYSTEM)
        base = self._current
        self._current = replace(
            base,
            audience=f"k8s:{kube_system.uid}" if kube_system is not None else "",
            keyring=keyring,
            policies=self._next_policies(),
            accounts=(
                MappingProxyType(caches.accounts.values()) if self._moved(caches.accounts) else base.accounts
            ),
            departed=frozenset(uid for _, uid in self._departed),
            namespaces=(
                MappingProxyType({name: labels for (_, name), labels in caches.namespaces.values().items()})
                if self._moved(caches.namespaces)
                else base.namespaces
            ),
            requests=self._requests.counting,
            rejections=self._requests.rejections,
            open_requests=self._requests.opened,
            stale=self._stale(),
        )

    async def _next_keyring(self) -> Keyring:
        if not self._moved(self.caches.approvers):
            return self._current.keyring
        held = self.caches.approvers.items()
        trusted = {
            name: (approver.uid, approver.value.status.generation) for (_, name), approver in held.items()
        }
        if trusted == self._trusted:
            return self._current.keyring
        specs: dict[str, ApproverSpec] = {
            name: approver.value.spec
            for (_, name), approver in held.items()
            if approver.value.spec is not None
        }
        keyring = await asyncio.to_thread(build_keyring, specs)
        self._trusted = trusted
        return keyring

    def _next_policies(self) -> PolicyIndex:
        if not self._moved(self.caches.policies):
            return self._current.policies
        compiled = {name: record.compiled for (_, name), record in self.caches.policies.values().items()}
        ruling: dict[str, object] = {name: policy.digest or policy for name, policy in compiled.items()}
        if ruling == self._ruling:
            return self._current.policies
        self._ruling = ruling
        return PolicyIndex.build(compiled.values())

    def _moved(self, cache: AnyReflector) -> bool:
        """Tell whether the cache changed since this was last asked."""
        before = self._copied.get(cache.name)
        self._copied[cache.name] = cache.changes
        return before != cache.changes

    def _stale(self) -> tuple[str, ...]:
        stale = tuple(cache.name for cache in self.caches.all() if cache.age() > _STALE_SECONDS)
        if not stale and self._changed_at is not None and self._clock() - self._changed_at > _STALE_SECONDS:
            return ("snapshot",)
        return stale

    def _on_change(self) -> None:
        if self._changed_at is None:
            self._changed_at = self._clock()
        self._events.set()

    def _on_account_gone(self, departure: Departure[Account]) -> None:
        namespace, _ = departure.key
        if not (departure.held.value.tagged or self._holds_agents(namespace)):
            self._departed.append((self._clock() + _DEPARTED_SECONDS, departure.held.uid))

    def _holds_agents(self, namespace: str) -> bool:
        """Tell whether the label makes agents of a namespace's accounts, or did in the last snapshot.

        The namespace may be gone, and even be there again without the label, before its accounts are missed.
        """
        live = self.caches.namespaces.get(("", namespace))
        seen = (live.value if live is not None else {}, self._current.namespaces.get(namespace, {}))
        return any(labels.get(self._current.config.agents_label) == "true" for labels in seen)


def _open_newest(requests: Iterable[FiledRequest], *, keyring: Keyring) -> None:
    carrying = (filed for filed in requests if filed.annotations)
    for filed in nlargest(_OPENED_AHEAD, carrying, key=lambda filed: filed.created):
        open_ahead(filed.annotations, keyring=keyring)


class _OneMore(Mapping[Key, Account]):
    """The accounts of a snapshot with one put over them, without copying ten thousand."""

    __slots__ = ("_account", "_base", "_key")

    def __init__(self, base: Mapping[Key, Account], *, key: Key, account: Account) -> None:
        self._base = base
        self._key = key
        self._account = account

    def __getitem__(self, key: Key) -> Account:
        return self._account if key == self._key else self._base[key]

    def __iter__(self) -> Iterator[Key]:
        yield self._key
        yield from (key for key in self._base if key != self._key)

    def __len__(self) -> int:
        return len(self._base) + (self._key not in self._base)
