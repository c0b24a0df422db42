"""The Pod of a request is looked up as a Pod and as nothing else, whatever its name says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from peergate.cli.origin import origin_of

NAMES = {
    "a proxy of a Pod that answers what it likes": ("evil/proxy/x", "evil%2Fproxy%2Fx"),
    "another resource": ("../secrets/db", "..%2Fsecrets%2Fdb"),
    "a query": ("bot?watch=1", "bot%3Fwatch%3D1"),
}


@pytest.mark.parametrize(("name", "asked"), NAMES.values(), ids=NAMES.keys())
def test_a_name_is_one_step_of_the_path(name, asked):
    paths: list[str] = []

    def find(path: str) -> Any:
        paths.append(path)

    requester = SimpleNamespace(username="system:serviceaccount:agents:bot", pod=name)
    filed = SimpleNamespace(spec=SimpleNamespace(requester=requester))
    origin = origin_of(SimpleNamespace(find=find), filed)  # type: ignore[arg-type]
    assert paths == [f"/api/v1/namespaces/agents/pods/{asked}"]
    assert origin is not None
    assert origin.images == ()
