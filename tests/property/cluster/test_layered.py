"""A mapping in layers is what a plain one would be, however it came about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peergate.cluster.layered import Layered

_KEYS = range(12)
_CHANGES = st.lists(
    st.dictionaries(st.sampled_from(_KEYS), st.one_of(st.none(), st.integers(1, 5))), max_size=8
)


@given(changes=_CHANGES, most=st.sampled_from([0, 3, 1_000]))
def test_every_state_is_what_a_dict_would_be_then(changes, most):
    states: list[tuple[Layered[int, int], dict[int, int]]] = [(Layered(most=most), {})]
    for change in changes:
        layered, plain = states[-1]
        after = {key: value for key, value in {**plain, **change}.items() if value is not None}
        states.append((layered.but(change), after))
    for layered, plain in states:
        assert dict(layered) == plain
        assert len(layered) == len(plain)
        assert [layered.get(key) for key in _KEYS] == [plain.get(key) for key in _KEYS]
        assert [layered.get(key, 9) for key in _KEYS] == [plain.get(key, 9) for key in _KEYS]
        assert [key in layered for key in _KEYS] == [key in plain for key in _KEYS]
