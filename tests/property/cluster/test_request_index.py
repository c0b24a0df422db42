"""What is kept as requests change is what going through all of them would give."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.support.gate import NOW
from tests.support.records import BOT, DELETION, recorded

from peergate.cluster.caches import RequestRecord, read_request_record
from peergate.cluster.reflector import Held
from peergate.cluster.request_index import RequestIndex
from peergate.gate.rejected import rejections_by_object
from peergate.model.changerequest import Rejection
from peergate.model.wire import format_instant

_NO = Rejection(by="bob", reason="no", at=NOW, until=NOW + timedelta(hours=1))
_WEB, _DB = DELETION.object, replace(DELETION.object, name="db", uid="u2")


def _held(state, *, is_rejected, subject, requester, uid):
    change = replace(DELETION, object=subject, requester=requester)
    status = {"state": state} if state else {}
    if is_rejected:
        instants = {"at": format_instant(_NO.at), "until": format_instant(_NO.until)}
        status["rejection"] = {"by": "bob", "reason": "no", **instants}
    document = recorded(change, status=status)
    document["metadata"]["uid"] = uid
    key = document["metadata"]["namespace"], document["metadata"]["name"]
    return key, Held(uid, read_request_record(document))


_HELD = st.builds(
    _held,
    st.sampled_from([None, "Pending", "Approved", "Used", "Rejected"]),
    is_rejected=st.booleans(),
    subject=st.sampled_from([_WEB, _DB]),
    requester=st.sampled_from([BOT, replace(BOT, uid="another")]),
    uid=st.sampled_from(["1", "2"]),
)
_STEP = st.one_of(st.just("refresh"), _HELD, st.tuples(_HELD.map(lambda held: held[0]), st.none()))


@given(steps=st.lists(_STEP, max_size=25))
def test_the_index_is_what_all_requests_together_say(steps):
    asyncio.run(_check(steps))


async def _check(steps):
    index, held = RequestIndex(namespace="peergate-system"), {}
    for step in (*steps, "refresh"):
        if step == "refresh":
            await index.refresh()
            _compare(index, held)
            continue
        key, after = step
        index.note(key, held.get(key), after)
        held.pop(key, None)
        if after is not None:
            held[key] = after


def _compare(index, held):
    counting = {key: one.value.filed for key, one in held.items() if isinstance(one.value, RequestRecord)}
    opened = Counter(
        filed.requester
        for filed in counting.values()
        if filed.rejection is None and filed.state not in {"Used", "Rejected", "Expired", "Stale"}
    )
    assert dict(index.counting) == counting
    assert dict(index.opened) == opened
    assert dict(index.rejections) == rejections_by_object(counting, namespace="peergate-system")
