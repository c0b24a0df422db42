"""An agent with the rights of ``agent create`` can ask, wait and attach (experience.md §1.1)."""

from __future__ import annotations

import pytest
from tests.integration.waiting.conftest import Seat
from tests.support.changes import Desk, id_of, sign
from tests.support.requests_of import request_path, wait_filed, wait_state
from tests.support.world import MERGE, victim

from peergate.model.names import APPROVAL_SLOT_PREFIX


@pytest.fixture
def made(peergate, alice_seat, cluster, namespace, tmp_path):
    """An agent made for this namespace, at its prompt, and where its changes are computed."""
    file = tmp_path / "coder.kubeconfig"
    done = alice_seat.run(
        "-n", namespace, "agent", "create", "coder", "--owner", "team-coders",
        "--profile", "operator", "--kubeconfig-out", str(file),
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "The gate knows the account." in done.err
    client = cluster.client(file)
    return Seat(file), Desk(cluster, client, account=f"{namespace}/coder", owner="team-coders"), client


def test_it_asks_gives_its_reason_and_attaches_what_a_peer_signed(made, admin, alice, namespace):
    seat, desk, client = made
    path = victim(admin, namespace)
    typed = f"configmap/{path.rpartition('/')[2]}"
    change = desk.deletion(path)
    asked = seat.run("-n", namespace, "request", "delete", typed, "--reason", "CHG-9: it is empty")
    assert (asked.status, asked.out) == (0, f"{namespace}/{id_of(change)}\n"), asked.err
    filed = wait_filed(desk, change)
    assert filed["metadata"]["annotations"]["peergate.dev/reason"] == "CHG-9: it is empty"
    value = sign(change, by=alice)
    body = {"metadata": {"annotations": {f"{APPROVAL_SLOT_PREFIX}alice": value}}}
    assert admin.request("PATCH", request_path(change), body=body, content_type=MERGE).code == 200
    wait_state(desk, request_path(change), "Approved")
    assert seat.run("-n", namespace, "wait", id_of(change)).status == 0
    assert seat.run("-n", namespace, "attach", id_of(change), typed).status == 0
    assert seat.run("-n", namespace, "list", "--mine").out.splitlines()[1].split()[5] == "Approved"
    again = seat.run("-n", namespace, "request", "delete", typed, "--reason", "CHG-9: it is empty")
    assert "no approval is needed, or one that fits is there already" in again.err
    assert client.kubectl("-n", namespace, "delete", typed).ok
    assert not desk.there(path)


def test_it_may_attach_what_was_signed_offline(made, admin, alice, namespace, tmp_path):
    seat, desk, client = made
    path = victim(admin, namespace)
    typed = f"configmap/{path.rpartition('/')[2]}"
    change = desk.deletion(path)
    (tmp_path / "approval.json").write_text(sign(change, by=alice))
    done = seat.run("-n", namespace, "attach", "-f", str(tmp_path / "approval.json"), typed)
    assert done.status == 0, done.err
    assert client.kubectl("-n", namespace, "delete", typed).ok
