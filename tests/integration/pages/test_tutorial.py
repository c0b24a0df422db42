"""docs/tutorial.md: every command in its order, at a terminal where Alice is asked."""

from __future__ import annotations

import time

import pytest
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.cluster

SIGNED = {"Reason": "CHG-1: looked at", "Sign?": "y"}


@pytest.mark.slow
def test_the_first_ten_minutes_by_hand(stage):
    page = stage.page("tutorial.md", over=". .dev/env")
    page.run("start")
    _, tagged, ours = page.run("there")
    assert "demo-agent" in tagged
    assert "protectionpolicy.peergate.dev/default" in ours
    _, refusal = page.run("refused", status={1: 1})
    assert "request=shop/cr-" in refusal
    page.run("free")
    wait_until(
        "it is filed", lambda: stage.cluster.kubectl("-n", "shop", "get", "chreq", "-o", "name").must().out
    )
    _, listed, _, shown, signed = page.run("sign", answers=SIGNED)
    assert "cr-" in listed
    assert "DELETE StatefulSet shop/db - DISRUPTIVE" in shown
    assert "complete; the agent may retry until" in signed
    stage.cluster.kubectl(
        "-n", "shop", "wait", "chreq", "--all", "--for=condition=Approved", "--timeout=30s"
    ).must()
    [gone] = page.run("repeat")
    assert gone.startswith('statefulset.apps "db" deleted')
    cheats = page.run("cheat", status=dict.fromkeys(range(5), 1))
    assert "APPROVAL REQUIRED" in cheats[0]
    assert "NOT APPROVABLE" in cheats[1]
    assert "NOT APPROVABLE" in cheats[2]
    assert "(scale to 0)" in cheats[4]
    [sibling] = page.run("sibling", status={0: 3})
    assert "SameOwner" in sibling
    _, refused, *_, replaced = page.run("update", status={1: 1}, answers={"Sign?": "y"})
    assert "APPROVAL REQUIRED" in refused
    assert "replaced" in replaced
    # For who reads it takes longer than the retry window; a program has to wait for its end.
    over = time.monotonic() + 3
    wait_until("the retry window is over", lambda: time.monotonic() > over)
    *_, spent = page.run("spent", status={2: 1})
    assert "APPROVAL USED" in spent
    logged, uses, conditions = page.run("recorded")
    assert len(logged.splitlines()) == 3
    assert "use-" in uses
    assert conditions.endswith("agents")
    page.run("stop")
    page.finish()
