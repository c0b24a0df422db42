"""What two worlds are asked in turn, through their API servers and straight at their operators' ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple

import orjson
from tests.harness.process import resident_mib
from tests.perf.client import Call, Load, call
from tests.perf.stored import Collection, prepare
from tests.perf.world import GATE_PATH
from tests.support.changes import Desk, Peer, reported
from tests.support.requests_of import wait_filed
from tests.support.reviews import review_of, trust
from tests.support.world import World, world

__all__ = [
    "API",
    "ARRIVE_A_SECOND",
    "OPERATOR",
    "REQUESTS",
    "Ask",
    "Scene",
    "Side",
    "again",
    "arriving",
    "connected",
    "longest_waits",
    "make_scene",
    "make_side",
    "turns_of",
]

API, OPERATOR = "API server", "operator"
"""Who is asked."""
REQUESTS = {
    "a bystander's delete": 200,
    "an agent's delete, refused": 403,
    "an agent's delete, admitted": 200,
}
"""What is asked, and the code of the API server's answer."""
_BYSTANDER, _REFUSED, _ADMITTED = REQUESTS
ARRIVE_A_SECOND = 20
_PAUSE_SECONDS = 0.005
"""Between the answer to one review and the next one, where the longest wait is looked for."""
_STRETCH_SECONDS = 5.0


class Ask(NamedTuple):
    """One of the things that are asked in every round."""

    way: str
    request: str
    arm: str


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two worlds, and how it is asked."""

    name: str
    here: World
    stored: Collection
    approver: Peer

    @property
    def mib(self) -> float:
        """Return the operator's resident memory."""
        return resident_mib(self.here.process.pid)


@dataclass(frozen=True, slots=True)
class Scene:
    """What one world is asked in a number of rounds; all that is to be deleted is there."""

    side: Side
    paths: Mapping[tuple[str, str], Sequence[str]]
    """Of the object that each round asks the API server about, by request and arm."""
    reviews: Mapping[str, Call]
    """What the operator is asked, by request."""


def make_side(stack: ExitStack, *, name: str, namespaces: int) -> Side:
    here = stack.enter_context(world())
    stored = prepare(here, namespaces=namespaces)
    here.cluster.controller_manager.pause()
    stack.callback(here.cluster.controller_manager.resume)
    return Side(name=name, here=here, stored=stored, approver=here.crew.register("alice"))


def make_scene(side: Side, *, rounds: int) -> Scene:
    """Have one change refused and filed and others approved; return them with their reviews."""
    here = side.here
    refused, admitted = here.victim(), here.approved(here.victim(), side.approver)
    deletion = here.desk.deletion(refused)
    here.wait_judged()
    reply = here.delete(here.agent, refused)
    if reported(reply) != "ApprovalMissing":
        raise RuntimeError(f"not refused for want of an approval: {reply.code} {reply.body}")
    wait_filed(here.desk, deletion)
    bystander = Desk(here.cluster, here.bystander, account="workers/bystander", owner="").requester
    asked = {
        _BYSTANDER: (refused, bystander),
        _REFUSED: (refused, here.desk.requester),
        _ADMITTED: (admitted, here.desk.requester),
    }
    reviews = {}
    for request, (path, requester) in asked.items():
        document = review_of(requester, here.desk.get(path))
        uid, allowed = document["request"]["uid"], request != _REFUSED
        reviews[request] = call(orjson.dumps(document), path=GATE_PATH, uid=uid, allowed=allowed)
    paths = {}
    for arm in (side.name, again(side.name)):
        paths[_BYSTANDER, arm] = [here.victim() for _ in range(rounds)]
        paths[_REFUSED, arm] = [refused] * rounds
        paths[_ADMITTED, arm] = [here.approved(here.victim(), side.approver) for _ in range(rounds)]
    return Scene(side=side, paths=paths, reviews=reviews)


def again(arm: str) -> str:
    return f"{arm}, again"


@contextmanager
def connected(runner: asyncio.Runner, scenes: Sequence[Scene]) -> Iterator[Sequence[Load]]:
    """Give one connection to each operator."""
    with ExitStack() as stack:
        loads = []
        for here in (scene.side.here for scene in scenes):
            connecting = Load.connect(here.process.port, tls=trust(here.desk), connections=1)
            loads.append(runner.run(connecting))
            stack.callback(loads[-1].close)
        yield loads


def turns_of(
    runner: asyncio.Runner, scenes: Sequence[Scene], loads: Sequence[Load]
) -> dict[Ask, Callable[[int], float]]:
    """Return all that is asked in every round."""
    turns: dict[Ask, Callable[[int], float]] = {}
    for scene, load in zip(scenes, loads, strict=True):
        for (request, arm), paths in scene.paths.items():
            turns[Ask(API, request, arm)] = _through(scene.side, request, paths)
            turns[Ask(OPERATOR, request, arm)] = _straight(runner, load, scene.reviews[request])
    return turns


def _through(side: Side, request: str, paths: Sequence[str]) -> Callable[[int], float]:
    here, code = side.here, REQUESTS[request]
    client = here.bystander if request == _BYSTANDER else here.agent

    def take(number: int) -> float:
        started = time.perf_counter()
        reply = here.delete(client, paths[number])
        seconds = time.perf_counter() - started
        if reply.code != code:
            raise RuntimeError(f"{request}, {side.name}: {reply.code} {reply.body}")
        return seconds

    return take


def _straight(runner: asyncio.Runner, load: Load, one: Call) -> Callable[[int], float]:
    def take(_: int) -> float:
        return runner.run(load.send([one])).latencies[0]

    return take


@contextmanager
def arriving(side: Side) -> Iterator[None]:
    """Have new requests filed at a steady pace."""
    ended = Event()

    def file() -> None:
        due = time.monotonic()
        for path, body in side.stored.coming():
            due += 1 / ARRIVE_A_SECOND
            if ended.wait(max(0.0, due - time.monotonic())):
                return
            reply = side.here.admin.request("POST", path, body=body)
            if reply.code != 201:
                raise RuntimeError(f"not filed: {reply.body}")

    with ThreadPoolExecutor(max_workers=1) as pool:
        filing = pool.submit(file)
        try:
            yield
        finally:
            ended.set()
        filing.result()


def longest_waits(
    runner: asyncio.Runner, scenes: Sequence[Scene], loads: Sequence[Load], *, stretches: int
) -> dict[str, float]:
    """Return the longest that a review had to wait in each world, in milliseconds; they take turns."""
    longest = {scene.side.name: 0.0 for scene in scenes}
    for _ in range(stretches):
        for scene, load in zip(scenes, loads, strict=True):
            wait = runner.run(_longest_wait(load, scene.reviews[_REFUSED]))
            longest[scene.side.name] = max(longest[scene.side.name], wait)
    return longest


async def _longest_wait(load: Load, one: Call) -> float:
    """Send a review again and again for a stretch; return the most milliseconds that one took."""
    loop, longest = asyncio.get_running_loop(), 0.0
    ends = loop.time() + _STRETCH_SECONDS
    while loop.time() < ends:
        longest = max(longest, *(await load.send([one])).latencies)
        await asyncio.sleep(_PAUSE_SECONDS)
    return 1000 * longest
