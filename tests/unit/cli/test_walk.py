"""A walk over many kinds has bounds, and says what it has not seen."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from peergate.cli.discovery import ApiResource
from peergate.cli.kube import ApiError
from peergate.cli.walk import Bounds, list_pages, look_through
from peergate.errors import CommandError
from peergate.model.review import Kind


class _Server:
    """Collections by plural, in pages; counts what it is asked."""

    def __init__(self, **collections: int | Exception) -> None:
        self._collections = collections
        self._lock = threading.Lock()
        self.asked: list[dict[str, str]] = []
        self.at_once = 0
        self.most_at_once = 0

    def get(self, path: str, *, query: dict[str, str], **_: object) -> dict[str, Any]:
        with self._lock:
            self.asked.append(query)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._page(path.rpartition("/")[2], query)
        finally:
            with self._lock:
                self.at_once -= 1

    def _page(self, plural: str, query: dict[str, str]) -> dict[str, Any]:
        size = self._collections[plural]
        if isinstance(size, Exception):
            raise size
        start = int(query.get("continue", "0"))
        stop = min(size, start + int(query["limit"]))
        more = {"continue": str(stop), "remainingItemCount": size - stop} if stop < size else {}
        items = [{"metadata": {"name": f"{plural}-{number}"}} for number in range(start, stop)]
        return {"items": items, "metadata": more}


def _resources(*plurals: str) -> list[ApiResource]:
    return [
        ApiResource(kind=Kind("", "v1", name), plural=name, singular="", short=(), namespaced=True)
        for name in plurals
    ]


def _error(status: int) -> ApiError:
    return ApiError("no", status=status, message="no")


def test_every_page_is_read():
    server = _Server(pods=3456, services=3)
    found = look_through(server, _resources("pods", "services"), namespace="shop")
    assert [len(one.metadata) for one in found.listings] == [3456, 3]
    assert (found.seen, found.missed, found.unreadable) == (3459, 0, ())
    assert len(server.asked) == 3


def test_the_bound_on_objects_holds_and_what_is_left_is_counted():
    server = _Server(pods=25_000)
    found = look_through(server, _resources("pods"), namespace="shop", bounds=Bounds(objects=1000))
    assert (found.seen, found.missed, found.hidden) == (1000, 24_000, ("pods",))
    assert len(server.asked) == 1


def test_what_is_under_way_does_not_starve_the_rest():
    plurals = [f"kind{number}" for number in range(60)]
    server = _Server(**dict.fromkeys(plurals, 5))
    found = look_through(server, _resources(*plurals), namespace="")
    assert (found.seen, found.missed) == (300, 0)


def test_the_bound_is_one_for_all_kinds_together():
    plurals = [f"kind{number}" for number in range(30)]
    server = _Server(**dict.fromkeys(plurals, 100))
    found = look_through(server, _resources(*plurals), namespace="", bounds=Bounds(objects=500, at_once=1))
    assert (found.seen, found.missed) == (500, 25)


def test_no_more_requests_at_once_than_allowed():
    plurals = [f"kind{number}" for number in range(40)]
    server = _Server(**dict.fromkeys(plurals, 1))
    look_through(server, _resources(*plurals), namespace="", bounds=Bounds(at_once=3))
    assert server.most_at_once <= 3


def test_when_the_time_is_up_nothing_more_is_asked():
    server = _Server(pods=5)
    found = look_through(server, _resources("pods"), namespace="", bounds=Bounds(seconds=0))
    assert (found.seen, found.missed, server.asked) == (0, 1, [])


UNREADABLE = {
    "forbidden": (_error(403), ("pods",)),
    "an API that is down": (_error(503), ("pods",)),
    "an API that does not answer": (CommandError("no answer"), ("pods",)),
    "gone, so nothing is missed": (_error(404), ()),
    "not to be listed": (_error(405), ()),
}


@pytest.mark.parametrize("sentence", UNREADABLE)
def test_what_may_not_be_read_is_named(sentence):
    error, unreadable = UNREADABLE[sentence]
    found = look_through(_Server(pods=error, services=2), _resources("pods", "services"), namespace="")
    assert (found.unreadable, found.seen) == (unreadable, 2)


def test_whole_objects_are_read_up_to_a_bound():
    unseen: list[str] = []
    items = list_pages(_Server(pods=1200), "/x/pods", most=1000, unseen=unseen, what="pods")
    assert (len(items), unseen) == (1000, ["all pods"])


@pytest.mark.parametrize("sentence", UNREADABLE)
def test_a_list_that_can_t_be_read_is_named(sentence):
    error, unreadable = UNREADABLE[sentence]
    unseen: list[str] = []
    assert list_pages(_Server(pods=error), "/x/pods", most=10, unseen=unseen, what="pods") == []
    assert tuple(unseen) == unreadable
