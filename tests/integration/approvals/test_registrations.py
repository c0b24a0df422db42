"""Who may sign is what the registrations say at the moment of the request, not at that of the signature."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.changes import (
    BACKGROUND,
    DRY_DELETE,
    Desk,
    config_map,
    path_of,
    reported,
    sign,
    slots,
)

from peergate.model.wire import format_instant

_QUICKLY = 10.0
"""Seconds; the format promises 60."""


def away(**delta: float) -> str:
    return format_instant(datetime.now(UTC) + timedelta(**delta))


@pytest.fixture
def path(desk, ground) -> str:
    namespace, name = ground(None), f"r-{secrets.token_hex(4)}"
    path = path_of("configmaps", name, namespace=namespace)
    desk.create(path, config_map(namespace, name))
    return path


def approve(desk, path: str, peer, **how: Any) -> dict[str, Any]:
    """Attach an approval of the deletion; return the object."""
    return dict(desk.attach(path, slots(sign(desk.deletion(path), by=peer, **how))))


def admits(agent, path: str) -> bool:
    return bool(agent.request("DELETE", path, body=DRY_DELETE).code == 200)


def refused_soon(desk, agent, path: str, code: str) -> None:
    """See that the approval that is attached counts no longer, and that the object stays."""
    before = desk.get(path)
    wait_until(
        f"the approval meets {code}",
        lambda: reported(agent.request("DELETE", path, body=DRY_DELETE)) == code,
        within=_QUICKLY,
    )
    reply = agent.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, code)
    assert desk.get(path) == before


def test_an_approver_who_was_removed_a_moment_ago_counts_no_longer(desk, crew, agent, path):
    eve = crew.register("eve-removed")
    approve(desk, path, eve)
    assert admits(agent, path)
    crew.remove(eve)
    refused_soon(desk, agent, path, "UnknownApprover")


def test_a_key_that_was_removed_counts_no_longer_and_the_other_does(desk, crew, agent, path):
    first, second = crew.key("eve-key-1"), crew.key("eve-key-2")
    eve = crew.register("eve-keys", first, second)
    approve(desk, path, eve, key=first)
    assert admits(agent, path)
    crew.change(eve, {"keys": [{"type": second.type, "publicKey": second.public_text}]})
    refused_soon(desk, agent, path, "UnknownApprover")
    approve(desk, path, eve, key=second)
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)


TAKEN_BACK = {
    "an approver who is disabled": ({"disabled": True}, "KeyRevoked"),
    "an approver whose approvals are revoked": ({"revokedBefore": "now"}, "KeyRevoked"),
    "a key that is disabled": ({"key": {"disabled": True}}, "KeyRevoked"),
    "a key whose approvals are revoked": ({"key": {"revokedBefore": "now"}}, "KeyRevoked"),
    "a key whose time is over": ({"key": {"notAfter": "past"}}, "KeyExpired"),
    "a key whose time has not come": ({"key": {"notBefore": "future"}}, "KeyExpired"),
}


@pytest.mark.parametrize(("change", "code"), TAKEN_BACK.values(), ids=TAKEN_BACK.keys())
def test_what_was_taken_back_counts_no_longer(change, code, desk, crew, agent, path):
    key = crew.key(f"taken-{secrets.token_hex(4)}")
    eve = crew.register(f"eve-{secrets.token_hex(4)}", key)
    approve(desk, path, eve)
    assert admits(agent, path)
    moments = {"now": away(seconds=1), "past": away(seconds=-1), "future": away(hours=1)}

    def dated(members: dict[str, Any]) -> dict[str, Any]:
        return {name: moments.get(value, value) for name, value in members.items() if name != "key"}

    record = {"type": key.type, "publicKey": key.public_text, **dated(change.get("key", {}))}
    crew.change(eve, {"keys": [record], **dated(change)})
    refused_soon(desk, agent, path, code)


def test_what_is_signed_after_a_revocation_counts(desk, crew, agent, path):
    eve = crew.register("eve-again")
    crew.change(eve, {"revokedBefore": away(minutes=-5)})
    approve(desk, path, eve, issued=timedelta(minutes=-6))
    refused_soon(desk, agent, path, "KeyRevoked")
    approve(desk, path, eve)
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)


def test_a_key_is_not_registered_twice(desk, crew, agent, path):
    eve = crew.register("eve-one")
    approve(desk, path, eve)
    twin = {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "Approver",
        "metadata": {"name": f"{eve.name}-twin"},
        "spec": {
            "identity": "twin@example.com",
            "class": "human",
            "keys": [{"type": eve.key.type, "publicKey": eve.key.public_text}],
        },
    }
    approvers = "/apis/peergate.dev/v1alpha1/approvers"
    reply = desk.cluster.admin.request("POST", approvers, body=twin)
    assert reply.code == 403
    assert f"is also in Approver {eve.name}" in reply.body["message"]
    assert not desk.there(f"{approvers}/{eve.name}-twin")
    assert agent.request("DELETE", path, body=BACKGROUND).code == 200
    assert not desk.there(path)


def test_an_agent_does_not_approve_for_itself(cluster, crew, peergate, ground):
    name = f"solo-{secrets.token_hex(4)}"
    client = create_account(cluster, "agents", name, owner="team-solo")
    namespace = ground(None)
    peergate.wait_gated(client, namespace=namespace)
    desk = Desk(cluster, client, account=f"agents/{name}", owner="team-solo")
    itself = crew.register("eve-self", kubernetesUsernames=[f"system:serviceaccount:agents:{name}"])
    path = path_of("configmaps", name, namespace=namespace)
    desk.create(path, config_map(namespace, name))
    before = approve(desk, path, itself)
    reply = client.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "SelfApproval")
    assert "APPROVAL NOT INDEPENDENT: delete ConfigMap" in reply.body["message"]
    assert desk.get(path) == before
