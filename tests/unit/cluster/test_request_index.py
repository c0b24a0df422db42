"""What carries approvals is handed on once, each time it changes."""

from __future__ import annotations

from tests.support.records import DELETION, recorded

from peergate.cluster.caches import read_request_record
from peergate.cluster.reflector import Held
from peergate.cluster.request_index import RequestIndex

KEY = ("shop", "cr-1")


def held(*slots, state="Pending"):
    annotations = {f"approval.peergate.dev/v1.{slot}": "e30=" for slot in slots}
    document = recorded(DELETION, annotations=annotations, status={"state": state})
    return Held("1", read_request_record(document))


async def test_what_carries_approvals_is_handed_on_when_it_changes():
    index = RequestIndex(namespace="peergate-system")
    index.note(KEY, None, held())
    index.note(("shop", "cr-2"), None, held("alice"))
    await index.refresh()
    assert [set(one.annotations) for one in index.take_carrying()] == [{"approval.peergate.dev/v1.alice"}]
    assert index.take_carrying() == []
    index.note(KEY, held(), held("bob"))
    index.note(("shop", "cr-2"), held("alice"), None)
    await index.refresh()
    assert [set(one.annotations) for one in index.take_carrying()] == [{"approval.peergate.dev/v1.bob"}]


async def test_what_changes_while_it_is_taken_in_shows_the_next_time():
    index = RequestIndex(namespace="peergate-system")
    index.note(KEY, None, held())
    before = index.counting
    assert KEY not in before
    await index.refresh()
    index.note(KEY, held(), held(state="Used"))
    assert KEY in index.counting
    await index.refresh()
    assert (KEY in index.counting, dict(index.opened), dict(before)) == (False, {}, {})
