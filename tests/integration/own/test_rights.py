"""The operator's rights are applied more than once: at every upgrade, and by whoever keeps them in Git."""

from __future__ import annotations

from pathlib import Path

from tests.harness.waiting import wait_until
from tests.support.changes import path_of

RIGHTS = Path(__file__).parents[3] / "manifests" / "rbac.yaml"
FILING = path_of("clusterroles", "peergate-filing", api="rbac.authorization.k8s.io/v1")


def test_they_can_be_applied_again_and_what_the_cluster_filled_in_stays(peergate, admin):
    def rules():
        return admin.request("GET", FILING).body.get("rules")

    wait_until("the cluster has gathered the rules", rules)
    before = rules()
    admin.kubectl("apply", "--server-side", "-f", str(RIGHTS)).must()
    assert rules() == before
