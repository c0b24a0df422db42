"""The running operator counts open doors and tells of a new one."""

from __future__ import annotations

import secrets

import pytest
from tests.harness.waiting import wait_until


def _doors(ward, check):
    return ward.installation.process.metric("peergate_open_doors", check=check, weight="open")


@pytest.mark.slow
def test_a_right_that_opens_a_door_is_counted_and_told_and_the_gate_stands(ward, place):
    admin = ward.cluster.admin
    wait_until("the agent's open doors are counted", lambda: _doors(ward, "SAR7") >= 1, within=120.0)
    name = f"climber-{secrets.token_hex(3)}"
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [group], "resources": ["clusterroles"], "verbs": ["escalate"]}]
    subject = {"kind": "ServiceAccount", "namespace": place, "name": name}
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": name}
    admin.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": rules,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": reference,
            "subjects": [subject],
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": place, "labels": {"peergate.dev/agent": "true"}},
        },
    )

    def told():
        path = "/apis/events.k8s.io/v1/namespaces/peergate-system/events"
        return any(
            event["reason"] == "OpenDoor"
            and f"{place}/{name}: SAR15" in event["note"]
            and event["regarding"]["kind"] == "Lease"
            for event in admin.request("GET", path).body["items"]
        )

    wait_until("an Event tells of it", told, within=180.0)
    assert _doors(ward, "SAR15") >= 1
    assert ward.installation.process.metric("peergate_gate_exact") == 1
    # The clocks are one here; an HTTP date is cut to whole seconds.
    assert -0.5 < ward.installation.process.metric("peergate_clock_skew_seconds") < 5
