"""A release lives: everything that happens to one, under callers who never pause.

Counted in each test: an agent's deletion that nobody approved (it is refused with its code, always), one that
a peer approved, and a bystander's. Wrong answers are none, ever. Calls of who is no agent never fail. Agents'
calls fail only where a replica is torn out of its work.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest
from tests.demo.__main__ import Story
from tests.demo.stage import Stage
from tests.harness.node.pause import PAUSE
from tests.harness.node.release import NAMESPACE, HelmError
from tests.harness.scenario import set_up
from tests.harness.waiting import wait_until
from tests.support.changes import DRY_DELETE
from tests.support.load import under_load
from tests.support.world import CONFIGURATION, conditions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/peergate-tls"


def test_the_release_is_as_the_chart_says(release):
    pods = release.pods()
    assert len(pods) == 2
    for pod in pods:
        assert pod["status"]["phase"] == "Running"
        [status] = pod["status"]["containerStatuses"]
        assert status["ready"]
        assert status["restartCount"] == 0 or status["lastState"], "restarts have a reason"
    hooks = release.cluster.admin.request("GET", CONFIGURATION).body["webhooks"]
    assert all(hook["clientConfig"]["service"]["name"] == "peergate" for hook in hooks)
    assert all(hook["clientConfig"]["caBundle"] for hook in hooks)


def test_the_story_of_the_demo_holds_through_services_and_pods(release):
    stage = Stage()
    with tempfile.TemporaryDirectory(prefix="peergate-e2e-") as folder:
        set_up(release, folder=Path(folder), image=PAUSE)
        admin = release.cluster.admin
        admin.kubectl("-n", "shop", "rollout", "status", "deployment/web", "--timeout=60s").must()
        admin.kubectl("-n", "shop", "rollout", "status", "statefulset/db", "--timeout=60s").must()
        Story(stage, release, Path(folder)).play()
        assert stage.finish() == 0
    admin.kubectl("delete", "namespace", "shop", "sandbox", "--wait=false").must()
    admin.kubectl("delete", "protectionpolicy,approver", "--all").must()


def test_a_rolling_restart_fails_no_call_and_answers_none_wrongly(town, release):
    before = {pod["metadata"]["uid"] for pod in release.pods()}
    with under_load(town):
        release.cluster.admin.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/peergate").must()
        release.wait_ready()
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in release.pods())


def test_an_upgrade_fails_no_call_and_keeps_who_is_judged(town, release):
    before = conditions(town.configuration())
    with under_load(town):
        release.upgrade(values={"log": {"level": "debug"}})
        assert conditions(town.configuration()) == before
        release.roll_back()
        assert conditions(town.configuration()) == before
    release.wait_ready()


def test_an_upgrade_to_an_image_that_is_nowhere_leaves_the_old_one_at_work(town, release):
    with under_load(town):
        with pytest.raises(HelmError):
            release.upgrade("--timeout=15s", values={"image": {"tag": "none"}})
        assert sum(pod["status"]["containerStatuses"][0]["ready"] for pod in release.pods()) == 2
        release.roll_back()
    release.wait_ready()


def test_a_replica_that_is_killed_comes_back_and_nothing_gets_past(town, release):
    with under_load(town, torn=True):
        for pod in release.pods():
            before = restarts(release, pod)
            release.kill_replica(pod)
            wait_until("it was started anew", lambda pod=pod, before=before: restarts(release, pod) > before)
            release.wait_ready()


def restarts(release, pod) -> int:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}"
    [status] = release.cluster.admin.request("GET", path).body["status"]["containerStatuses"]
    return int(status["restartCount"])


def test_a_deleted_certificate_is_made_anew_and_no_call_fails(town, release):
    before = town.desk.get(SECRET)
    with under_load(town):
        assert release.cluster.admin.request("DELETE", SECRET).code == 200
        wait_until("there is a certificate again", lambda: town.desk.there(SECRET))
        # A replica that starts now has only what is in the cluster: it serves with the new one.
        release.cluster.admin.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/peergate").must()
        release.wait_ready()
    assert town.desk.get(SECRET)["metadata"]["uid"] != before["metadata"]["uid"]


@pytest.mark.parametrize("program", ["kubelet", "kube-proxy", "containerd"])
def test_a_killed_program_of_the_node_fails_no_call(town, release, program):
    node = release.node
    before = set(node.processes(program))
    assert before
    with under_load(town):
        node.kill(program)
        wait_until("it runs again", lambda: set(node.processes(program)) - before)
    node.wait_ready()


def test_after_a_power_cut_the_gate_is_closed_until_it_judges_again(town, release):
    path = town.victim()
    release.node.cut_power()
    release.node.restore_power()
    began = time.monotonic()
    answers = set()

    def judged() -> bool:
        reply = town.agent.request("DELETE", path, body=DRY_DELETE)
        answers.add(reply.code)
        return reply.code == 403 and "gate.peergate.dev" in str(reply.body)

    wait_until("the agent is judged again", judged, within=120.0)
    print(f"judged again {time.monotonic() - began:.1f} s after the node was back; meanwhile: {answers}")
    assert 200 not in answers
    assert town.desk.there(path)
    assert town.delete(town.bystander, path).code == 200
    release.wait_ready()


def test_it_comes_off_without_anybodys_approval_and_goes_on_again(town, release):
    path = town.victim()
    kept = release.cluster.admin.kubectl("get", "approvers", "-o", "name").must().out
    release.uninstall()
    left = release.cluster.admin.kubectl(
        "-n", NAMESPACE, "get", "deployments,services,pods,configmaps,serviceaccounts,leases", "-o", "name"
    )
    names = [name for name in left.must().out.split() if "peergate" in name]
    assert [name for name in names if not name.startswith("lease")] == []
    hooks = release.cluster.admin.kubectl("get", "validatingwebhookconfigurations", "-o", "name").must().out
    assert "peergate" not in hooks
    assert town.delete(town.agent, path).code == 200, "without a gate an agent is what its rights make it"
    assert release.cluster.admin.kubectl("get", "approvers", "-o", "name").must().out == kept
    release.install()
    town.wait_judged()
    path = town.victim()
    assert town.delete(town.agent, path).code == 403
    assert town.desk.there(path)
