"""Callers who ask without a pause, and what came of each call."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Self

from tests.harness.clients import Reply
from tests.harness.waiting import wait_until
from tests.support.changes import DRY_DELETE, Peer, path_of, reported, sign, slots
from tests.support.world import MERGE, World, victim

__all__ = ["Load", "callers", "in_a_word", "under_load", "updater"]

_CALLS = 20


class Load:
    """Callers who repeat themselves in threads of their own until the block ends."""

    def __init__(self, calls: dict[str, Callable[[], str]], *, threads: int = 2) -> None:
        self.seen: dict[str, Counter[str]] = {name: Counter() for name in calls}
        """What came of each call, by caller: a word that the call makes up."""
        self._ended = threading.Event()
        self._problems: list[Exception] = []
        self._threads = [
            threading.Thread(target=self._run, args=(name, call))
            for name, call in calls.items()
            for _ in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        assert self._problems == []

    def _run(self, name: str, call: Callable[[], str]) -> None:
        try:
            while not self._ended.is_set():
                self.seen[name][call()] += 1
        except Exception as error:  # noqa: BLE001 - reported where the load ends
            self._problems.append(error)

    def reaches(self, count: int) -> None:
        """Return once every caller has been answered this many times more."""
        wanted = {name: seen.total() + count for name, seen in self.seen.items()}
        wait_until(
            "the load goes on",
            lambda: all(self.seen[name].total() >= least for name, least in wanted.items()),
        )


def in_a_word(reply: Reply) -> str:
    if reply.code == 500 and "failed calling webhook" in str(reply.body):
        return "failed"
    return reported(reply) or str(reply.code)


def callers(pair: World, approved: str) -> dict[str, Callable[[], str]]:
    probe = path_of("configmaps", "probe", namespace=pair.namespace)

    def bystander() -> str:
        path = victim(pair.bystander, pair.namespace)
        return in_a_word(pair.delete(pair.bystander, path))

    return {
        "refused": lambda: in_a_word(pair.agent.request("DELETE", probe, body=DRY_DELETE)),
        "admitted": lambda: in_a_word(pair.agent.request("DELETE", approved, body=DRY_DELETE)),
        "bystander": bystander,
    }


def updater(town: World, by: Peer) -> Callable[[], str]:
    """Return a caller whose every update is signed just before: each of them is recorded as used."""
    path, colours = town.victim(), itertools.cycle(("red", "blue"))

    def updated() -> str:
        wanted = {"data": {"colour": next(colours)}}
        new = town.desk.dry_run("PATCH", path, wanted, content_type=MERGE)
        town.desk.attach(path, slots(sign(town.desk.update(path, new), by=by)))
        return in_a_word(town.agent.request("PATCH", path, body=wanted, content_type=MERGE))

    return updated


@contextlib.contextmanager
def under_load(town: World, *, torn: bool = False, updates: bool = False) -> Iterator[Load]:
    """Let everybody call meanwhile; ``torn`` says that calls to the gate may fail, and be refused for it.

    With ``updates`` there are approved updates as well, which are admitted and written.
    """
    with contextlib.ExitStack() as stack:
        alice = town.crew.register("alice")
        stack.callback(town.crew.remove, alice)
        more = {"updated": updater(town, alice)} if updates else {}
        yield from _loaded(town, town.approved(town.victim(), alice), more=more, torn=torn)


def _loaded(town: World, approved: str, *, more: dict[str, Callable[[], str]], torn: bool) -> Iterator[Load]:

    def admitted() -> bool:
        replies = [town.agent.request("DELETE", approved, body=DRY_DELETE).code for _ in range(8)]
        return replies == [200] * 8

    wait_until("every replica knows alice", admitted)
    with Load({**callers(town, approved), **more}, threads=1) as load:
        load.reaches(_CALLS)
        yield load
        load.reaches(_CALLS)
    print({name: dict(seen) for name, seen in load.seen.items()})
    fault = {"failed"} if torn else set()
    assert set(load.seen["refused"]) - fault == {"ApprovalMissing"}
    for name in ("admitted", *more):
        assert set(load.seen[name]) - fault == {"200"}
    assert set(load.seen["bystander"]) == {"200"}
