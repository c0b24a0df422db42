"""B1, B2, B8, B9, B11, B13, B14, B15: an approval is used again, elsewhere, later or by somebody else."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import (
    BACKGROUND,
    SLOT,
    Desk,
    config_map,
    path_of,
    reported,
    sign,
    slots,
    use_path,
)

from peergate.model.wire import parse_instant

MERGE = {"content_type": "application/merge-patch+json"}
RED, BLUE = {"data": {"colour": "red"}}, {"data": {"colour": "blue"}}


def settings(namespace: str, name: str = "settings") -> str:
    return path_of("configmaps", name, namespace=namespace)


def approve_red(desk: Desk, path: str, peer) -> str:
    """Attach an approval of the object's turning red; return the approval."""
    approval = sign(desk.update(path, desk.dry_run("PATCH", path, RED, **MERGE)), by=peer)
    desk.attach(path, slots(approval))
    return approval


def turn(client, path: str, colour: dict[str, Any], **how: Any):
    return client.request("PATCH", path, body=colour, **MERGE, **how)


def used_at(desk: Desk, approval: str) -> datetime:
    return parse_instant(desk.get(use_path(approval))["metadata"]["creationTimestamp"])


@pytest.fixture
def window(peergate) -> timedelta:
    """How long the identical change may be repeated."""
    return peergate.settings.approvals.retry_window


def test_a_change_back_does_not_revive_the_approval(desk, agent, namespace, alice, window):
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    approval = approve_red(desk, path, alice)
    assert turn(agent, path, RED).code == 200
    assert turn(desk.cluster.admin, path, BLUE).code == 200
    used = used_at(desk, approval)
    wait_until("the retry window is over", lambda: datetime.now(UTC) > used + window)
    before = desk.get(path)
    assert before["data"] == {"colour": "blue"}
    assert before["metadata"]["annotations"] == {f"{SLOT}s0": approval}
    replay = turn(agent, path, RED)
    assert (replay.code, reported(replay)) == (403, "AlreadyUsed")
    assert "APPROVAL USED: update ConfigMap" in replay.body["message"]
    dry = turn(agent, path, RED, query={"dryRun": "All"})
    assert (dry.code, reported(dry)) == (403, "AlreadyUsed")
    assert desk.get(path) == before
    again = approve_red(desk, path, alice)
    assert turn(agent, path, RED).code == 200
    assert desk.get(path)["data"] == {"colour": "red"}
    assert desk.there(use_path(again))


def test_the_same_approval_in_other_clothes_is_the_same_approval(desk, agent, namespace, alice, window):
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    approval = approve_red(desk, path, alice)
    assert turn(agent, path, RED).code == 200
    assert turn(desk.cluster.admin, path, BLUE).code == 200
    used = used_at(desk, approval)
    wait_until("the retry window is over", lambda: datetime.now(UTC) > used + window)
    # Envelopes are malleable (A11): white space and key hints are nobody's signature.
    clothes = {
        "s0": None,
        "other": approval.replace(":", " : "),
        "another": approval.replace('"keyid"', '"x"'),
    }
    annotations = {SLOT + slot: value for slot, value in clothes.items()}
    assert agent.request("PATCH", path, body={"metadata": {"annotations": annotations}}, **MERGE).code == 200
    before = desk.get(path)
    replay = turn(agent, path, RED)
    assert (replay.code, reported(replay)) == (403, "AlreadyUsed")
    assert desk.get(path) == before


def test_inside_the_window_the_identical_change_is_one_and_the_same(desk, agent, namespace, alice, window):
    for number in range(10):
        path = settings(namespace, f"s{number}")
        desk.create(path, config_map(namespace, f"s{number}"))
        approval = approve_red(desk, path, alice)
        assert turn(agent, path, RED).code == 200
        record = desk.get(use_path(approval))
        assert turn(desk.cluster.admin, path, BLUE).code == 200
        reply = turn(agent, path, RED)
        if datetime.now(UTC) - used_at(desk, approval) > window:
            continue  # this machine was too slow to be inside
        assert reply.code == 200, reply.body
        assert desk.get(path)["data"] == {"colour": "red"}
        assert desk.get(use_path(approval)) == record
        return
    pytest.fail("no try was quick enough to be inside the window")


def test_inside_the_window_another_change_is_not_covered(desk, agent, namespace, alice):
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    approve_red(desk, path, alice)
    assert turn(agent, path, RED).code == 200
    before = desk.get(path)
    reply = turn(agent, path, {"data": {"colour": "green"}})
    assert (reply.code, reported(reply)) == (403, "ObjectChanged")
    assert desk.get(path) == before


def test_on_another_object(desk, agent, namespace, unprotected_namespace, alice):
    """B1: the same content under another name, and under the same name in another namespace."""
    path, other = settings(namespace), settings(namespace, "other")
    desk.create(path, config_map(namespace))
    desk.create(other, config_map(namespace, "other"))
    before = desk.attach(other, slots(sign(desk.deletion(path), by=alice)))
    reply = agent.request("DELETE", other, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "WrongObject")
    assert desk.get(other) == before
    elsewhere = settings(unprotected_namespace)
    desk.create(elsewhere, config_map(unprotected_namespace))
    before = desk.attach(path, slots(sign(desk.deletion(elsewhere), by=alice)))
    reply = agent.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "WrongObject")
    assert desk.get(path) == before


def test_on_an_object_that_was_made_anew_under_its_name(desk, agent, namespace, alice):
    """B2: the uid is bound."""
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    deletion = sign(desk.deletion(path), by=alice)
    update = sign(desk.update(path, desk.dry_run("PATCH", path, RED, **MERGE)), by=alice)
    assert desk.cluster.admin.request("DELETE", path).code == 200
    desk.create(path, config_map(namespace))
    before = desk.attach(path, slots(deletion, update))
    for reply in (agent.request("DELETE", path, body=BACKGROUND), turn(agent, path, RED)):
        assert (reply.code, reported(reply)) == (403, "ObjectReplaced")
    assert desk.get(path) == before


def test_by_another_agent_of_the_same_owner(cluster, desk, agent, namespace, alice, peergate):
    """B8: annotations are public."""
    name = f"twin-{secrets.token_hex(4)}"
    twin = create_account(cluster, "agents", name, owner="team-platform")
    peergate.wait_gated(twin, namespace=namespace)
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    before = desk.attach(path, slots(sign(desk.deletion(path), by=alice)))
    reply = twin.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "WrongRequester")
    assert desk.get(path) == before
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)


def test_by_an_account_that_was_made_anew_under_its_name(cluster, namespace, alice, peergate):
    """B9: the uid of the account is bound."""
    name = f"again-{secrets.token_hex(4)}"
    first = create_account(cluster, "agents", name, owner="team-platform")
    peergate.wait_gated(first, namespace=namespace)
    desk = Desk(cluster, first, account=f"agents/{name}", owner="team-platform")
    path = settings(namespace)
    desk.create(path, config_map(namespace))
    before = desk.attach(path, slots(sign(desk.deletion(path), by=alice)))
    account = path_of("serviceaccounts", name, namespace="agents")
    assert cluster.admin.request("DELETE", account).code == 200
    folder = cluster.folder / "users" / f"{name}-again.kubeconfig"
    second = create_account(cluster, "agents", name, owner="team-platform", kubeconfig=folder)
    wait_until(
        "the gate knows the new account",
        lambda: (
            reported(second.request("DELETE", path, body={**BACKGROUND, "dryRun": ["All"]}))
            == "WrongRequester"
        ),
    )
    reply = second.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "WrongRequester")
    assert desk.get(path) == before


def test_on_the_replica_sets_that_a_deployment_copies_its_annotations_to(desk, agent, namespace, alice):
    """B15: the copy is there, and names another object."""
    api = "apps/v1"
    path = path_of("deployments", "web", namespace=namespace, api=api)
    desk.create(path, deployment())
    wait_until("it has a ReplicaSet", lambda: len(replica_sets(desk, namespace)) == 1)
    wait_until("it is numbered", lambda: "annotations" in desk.get(path)["metadata"])
    approval = sign(desk.deletion(path), by=alice)
    desk.attach(path, slots(approval))
    wait_until(
        "the controller has copied it",
        lambda: approval in replica_sets(desk, namespace)[0]["metadata"]["annotations"].values(),
    )
    (copied,) = replica_sets(desk, namespace)
    child = path_of("replicasets", copied["metadata"]["name"], namespace=namespace, api=api)
    reply = agent.request("DELETE", child, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "WrongObject")
    assert desk.get(child)["metadata"]["uid"] == copied["metadata"]["uid"]
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)


def replica_sets(desk: Desk, namespace: str) -> list[dict[str, Any]]:
    return list(desk.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets")["items"])


def deployment() -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "example.invalid/none:1"}]},
            },
        },
    }
