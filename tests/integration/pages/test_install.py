"""docs/install.md: every command, in the page's order, from an empty cluster to an empty one."""

from __future__ import annotations

import pytest
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.cluster


@pytest.mark.slow
def test_install_from_the_first_command_to_the_last(stage):
    page = stage.page("install.md")
    [notes] = page.run("helm")
    assert "No approver comes with it" in notes
    applied = page.run("bundle")[0]
    assert (
        "validatingwebhookconfiguration.admissionregistration.k8s.io/peergate serverside-applied" in applied
    )
    stage.reconnect()
    stage.wait(403)
    certificate, webhook = page.run("tls")
    assert "kind: Certificate" in certificate
    assert webhook.count("caBundle") == 5
    page.run("first")
    judged, *_ = page.run("policy")
    assert judged.startswith("allow (audit)\n")
    found, refused, _ = page.run("guards", status={0: 3, 1: 1})
    assert "canary" in found
    assert "NOT APPROVABLE" in refused
    assert "code=RequesterUnverified" in refused
    [managers] = page.run("manager")
    assert {"peergate-agents", "peergate-ca"} <= set(managers.split())
    page.run("away")
    assert stage.cluster.kubectl("get", "validatingwebhookconfiguration", "-o", "name").must().out == ""
    wait_until(
        "nothing of it is left",
        lambda: (
            stage.cluster.kubectl("get", "crd", "-o", "name").must().out == ""
            and not stage.cluster.kubectl("get", "namespace", "peergate-system").ok
        ),
        within=60,
    )
    assert stage.answer()[0] == 200
    page.finish()
