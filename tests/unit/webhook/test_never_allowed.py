"""Where the decision denies, no bytes whatever lead to an admission."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.support.edge import always, denial, make_handler, request_of, review_body

import peergate
from peergate.model.review import Gate

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def admitted(body: bytes) -> bool:
    return re.search(rb'"allowed"\s*:\s*true', body) is not None


def test_an_admission_is_written_in_one_line_of_the_code_base():
    source = Path(peergate.__file__).parent
    lines = [
        line
        for file in sorted(source.rglob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"""["']?allowed["']?\]?\s*[:=]\s*(True|true)""", line) and "``" not in line
    ]
    assert len(lines) == 1, lines


@given(st.binary(max_size=400))
async def test_any_bytes(body):
    answer = await make_handler(always(denial())).answer(body, gate=Gate.OWN)
    assert answer.status == 400
    assert not admitted(answer.body)


@given(st.sampled_from(sorted(request_of())), JSON)
async def test_any_value_of_any_member(member, value):
    body = review_body(**{member: value})
    answer = await make_handler(always(denial())).answer(body, gate=Gate.OWN)
    assert answer.status in {200, 400}
    assert not admitted(answer.body)
    if answer.status == 200:
        assert json.loads(answer.body)["response"]["allowed"] is False


@given(st.data())
async def test_any_flipped_byte(data):
    body = bytearray(review_body())
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    answer = await make_handler(always(denial())).answer(bytes(body), gate=Gate.OWN)
    assert not admitted(answer.body)
