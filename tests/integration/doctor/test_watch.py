"""The running operator counts open doors and tells of a new one."""

from __future__ import annotations

import secrets

from tests.harness.waiting import wait_until


def _doors(ward, check):
    return ward.installation.process.metric("peergate_open_doors", check=check, weight="open")


def test_a_right_that_opens_a_door_is_counted_and_told_and_the_gate_stands(ward, place):
    admin = ward.cluster.admin
    wait_until("the agent's open doors are counted", lambda: _doors(ward, "SAR7") >= 1, within=120.0)
    before = _doors(ward, "SAR15")
    name = f"climber-{secrets.token_hex(3)}"
    labels = {"peergate.dev/agent": "true"}
    admin.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name, "namespace": place},
            "rules": [
                {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate"]}
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": place},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "namespace": place, "name": name}],
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": place, "labels": labels},
        },
    )
    wait_until("the new door is counted", lambda: _doors(ward, "SAR15") == before + 1, within=120.0)

    def told():
        path = "/apis/events.k8s.io/v1/namespaces/peergate-system/events"
        return any(
            event["reason"] == "OpenDoor"
            and f"{place}/{name}: SAR15" in event["note"]
            and event["regarding"]["kind"] == "Lease"
            for event in admin.request("GET", path).body["items"]
        )

    wait_until("an Event tells of it", told, within=120.0)
    assert ward.installation.process.metric("peergate_gate_exact") == 1
