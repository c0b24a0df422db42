"""One request, several reviews: the verdict is the same each time, and an approval is used once."""

from __future__ import annotations

import itertools

from tests.harness.waiting import wait_until
from tests.support.changes import config_map, path_of, sign, slots, use_path
from tests.support.mutator import mutating

MERGE = {"content_type": "application/merge-patch+json"}
RED = {"data": {"colour": "red"}}


def test_a_patch_that_met_a_conflict_is_reviewed_again_and_admitted(desk, agent, namespace, alice, peergate):
    path = path_of("configmaps", "settings", namespace=namespace)
    desk.create(path, config_map(namespace))
    reviews = itertools.count(1)

    def write_between() -> None:
        """Have the object written while the first review is under way: its commit meets a conflict."""
        if next(reviews) == 1:
            desk.attach(path, {"another": "not an approval"})

    def counted() -> int:
        return int(peergate.process.reviews(operation="UPDATE", reason="approved"))

    # A dry run shows when the API server knows the webhook; what it adds is part of what is approved.
    mark = [{"op": "add", "path": "/data/mark", "value": "x"}]
    when = "object.data.colour == 'red'"
    with mutating(desk.cluster, namespace=namespace, when=when, patch=mark, meanwhile=write_between):
        wait_until(
            "the webhook is called", lambda: "mark" in desk.dry_run("PATCH", path, RED, **MERGE)["data"]
        )
        approval = sign(desk.update(path, desk.dry_run("PATCH", path, RED, **MERGE)), by=alice)
        desk.attach(path, slots(approval))
        earlier = counted()
        reply = agent.request("PATCH", path, body=RED, **MERGE)
    assert reply.code == 200, reply.body
    assert next(reviews) == 3, "there was no conflict"
    assert desk.get(path)["data"] == {"colour": "red", "mark": "x"}
    assert desk.there(use_path(approval))
    wait_until("both reviews are counted", lambda: counted() == earlier + 2)
