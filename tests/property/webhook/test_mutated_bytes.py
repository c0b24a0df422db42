"""Bytes of a real review with something changed in them, through the whole edge with the real decision."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.gate.test_mutated_reviews import REFUSED
from tests.support.edge import make_handler
from tests.support.mutations import gate_of, harmless, mutated_bytes, same_address

from peergate.gate.decide import decide

BODIES = [(json.dumps(document).encode(), document) for document in REFUSED]


async def opens_no_door(data: Any) -> None:
    body, document = data.draw(st.sampled_from(BODIES))
    other = data.draw(mutated_bytes(body))
    answer = await make_handler(decide).answer(other, gate=gate_of(document))
    assert answer.status in {200, 400}
    if answer.status == 400:
        return
    response = json.loads(answer.body)["response"]
    said = json.loads(other)  # of what is said twice the last counts, as everywhere
    assert response["uid"] == said["request"]["uid"]
    assert response["allowed"] in {True, False}
    if response["allowed"] and same_address(said, document):
        assert harmless(said["request"]), other


@given(st.data())
@settings(max_examples=300)
async def test_changed_bytes_open_no_door(data):
    await opens_no_door(data)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=5_000)
async def test_changed_bytes_open_no_door_thoroughly(data):
    await opens_no_door(data)
