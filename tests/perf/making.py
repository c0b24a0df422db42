"""Objects in numbers, made by an administrator over several connections."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tests.harness.clients import Client
from tests.harness.progress import Work

__all__ = ["CONNECTIONS", "at_once", "make"]

CONNECTIONS = 8
_SLICE = 500

_T = TypeVar("_T")


def make(admin: Client, objects: Iterable[tuple[str, Any]], *, what: str, total: int) -> None:
    """Make every object, given as the path of its collection and its body; show how far it is.

    Errors: RuntimeError for the first that is not made.
    """

    def post(one: tuple[str, Any]) -> None:
        path, body = one
        reply = admin.request("POST", path, body=body)
        if reply.code != 201:
            raise RuntimeError(f"not made: {reply.body}")

    at_once(post, objects, what=what, total=total)


def at_once(do: Callable[[_T], None], those: Iterable[_T], *, what: str, total: int) -> None:
    """Do it to each of them, several at once, and show how far it is; each is asked for when it is needed."""
    waiting = iter(those)
    with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool, Work(what, total=total) as work:
        while some := list(itertools.islice(waiting, _SLICE)):
            for _ in pool.map(do, some):
                work.advance()
