"""The install gate on a real API server: it passes where the gate guards, and nothing else makes it pass."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import yaml
from tests.harness.peergate import Installation
from tests.harness.waiting import wait_until
from tests.support.chart_hooks import ENTRIES, UNSENT, passed, settings_file
from tests.support.world import conditions

from peergate.cli.flags import Globals
from peergate.cli.hooks.selftest import SelfTest, Stage
from peergate.cli.output import Output
from peergate.errors import CommandError

pytestmark = pytest.mark.cluster

CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"


@pytest.fixture
def running(running_once, stage):
    """An installation that judges the canary; put back by whoever breaks it."""
    cluster = running_once.cluster
    canary = cluster.client(cluster.kubeconfig_for_account("peergate-test-open", "canary"))
    path = "/api/v1/namespaces/peergate-test-open/serviceaccounts/peergate-self-test"

    def judged() -> bool:
        return "gate.peergate.dev" in str(canary.request("DELETE", path, query={"dryRun": "All"}).body)

    wait_until("the canary is judged", judged)
    canary.close()
    wait_until("none but agents are sent", lambda: _is_exact(running_once))
    return running_once


def _is_exact(installation: Installation) -> bool:
    """Tell whether the operator has put its condition back into every entry that judges."""
    live = installation.cluster.admin.request("GET", CONFIGURATION).body
    return None not in conditions(live).values()


def test_it_passes_where_agents_are_known_by_the_tag_alone(stage, running):
    done = stage.run(within="30s", settings=settings_file(running))
    assert (done.status, done.out.splitlines()) == (0, passed(UNSENT)), done.err


@contextlib.contextmanager
def patched(installation: Installation, *operations: dict[str, Any]):
    """Edit the live configuration as whoever may; put it back."""
    admin = installation.cluster.admin
    live = admin.request("GET", CONFIGURATION).body
    admin.kubectl(
        "patch", "validatingwebhookconfiguration", "peergate", "--type=json", "-p", json.dumps(operations)
    ).must()
    try:
        yield
    finally:
        now = admin.request("GET", CONFIGURATION).body
        body = {**live, "metadata": now["metadata"]}
        assert admin.request("PUT", CONFIGURATION, body=body).code == 200


def entry_of(installation: Installation, name: str) -> str:
    hooks = installation.cluster.admin.request("GET", CONFIGURATION).body["webhooks"]
    return f"/webhooks/{[each['name'] for each in hooks].index(f'{name}.gate.peergate.dev')}"


def fails(stage, installation, *, within: str = "2s") -> str:
    done = stage.run(within=within, settings=settings_file(installation))
    assert done.status == 3, done.out + done.err
    assert "error: the gate does not guard; " in done.err
    assert "peergate doctor" in done.err
    return done.out


BROKEN: dict[str, tuple[str, str, Any, str]] = {
    "an entry that looks at labelled objects only": (
        "own",
        "objectSelector",
        {"matchLabels": {"guard": "me"}},
        "own.gate.peergate.dev objectSelector",
    ),
    "an entry that leaves out one namespace of somebody": (
        "namespaced",
        "namespaceSelector",
        {"matchExpressions": [
            {"key": "peergate.dev/protected", "operator": "In", "values": ["true"]},
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]},
        ]},
        "namespaced.gate.peergate.dev namespaceSelector",
    ),
    "an entry without the rule for deletions": (
        "cluster",
        "rules",
        [{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["CREATE"]}],
        "cluster.gate.peergate.dev rules",
    ),
    "an entry that lets through while nobody answers": (
        "own",
        "failurePolicy",
        "Ignore",
        "own.gate.peergate.dev failurePolicy",
    ),
    "a condition that leaves out the canary": (
        "identity",
        "matchConditions",
        [{"name": "not-canary", "expression": "!request.userInfo.username.endsWith(':canary')"}],
        "identity.gate.peergate.dev matchConditions",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("entry", "member", "value", "said"), BROKEN.values(), ids=BROKEN)
def test_an_edited_configuration_fails_it(stage, running, entry, member, value, said):
    path = f"{entry_of(running, entry)}/{member}"
    with patched(running, {"op": "add", "path": path, "value": value}):
        out = fails(stage, running)
    assert f"FAIL  configuration  peergate is not as shipped: {said}" in out


def test_an_entry_that_calls_another_gate_fails_it(stage, running):
    """Each gate has a path of its own; the wrong one refuses or admits by other rules."""
    path = f"{entry_of(running, 'identity')}/clientConfig/url"
    with patched(running, {"op": "replace", "path": path, "value": f"{running.url}/gates/resources"}):
        out = fails(stage, running)
    assert "identity.gate.peergate.dev path" in out
    assert "FAIL  identity       " in out


def test_without_the_configuration_the_canary_is_admitted(stage, running):
    admin = running.cluster.admin
    live = admin.request("GET", CONFIGURATION).body
    assert admin.request("DELETE", CONFIGURATION).code == 200
    try:
        out = fails(stage, running)
    finally:
        for member in ("uid", "resourceVersion", "managedFields", "creationTimestamp", "generation"):
            live["metadata"].pop(member, None)
        admin.apply(live)
    assert "FAIL  configuration  there is no webhook configuration peergate" in out
    for entry in ENTRIES:
        assert f"FAIL  {entry:<13}  peergate-test-open/canary was admitted: the gate does not guard" in out


def test_a_no_of_somebody_else_proves_nothing(stage, running):
    """Whoever wants the test to pass without the gate refuses the canary by a policy, in the gate's words."""
    admin = running.cluster.admin
    live = admin.request("GET", CONFIGURATION).body
    text = (
        'admission webhook "own.gate.peergate.dev" denied the request: NOT APPROVABLE: delete ServiceAccount '
        "peergate-system/peergate-self-test by AI agent peergate-test-open/canary no. request=none "
        "code=NotApprovable approvals=0/1"
    )
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "impostor.example.com"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "resources": ["serviceaccounts", "namespaces"],
                        "operations": ["DELETE"],
                    }
                ]
            },
            "matchConditions": [
                {"name": "canary", "expression": "request.userInfo.username.endsWith(':canary')"}
            ],
            "validations": [{"expression": "false", "message": text, "reason": "Forbidden"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "impostor.example.com"},
        "spec": {"policyName": "impostor.example.com", "validationActions": ["Deny"]},
    }

    def refused_by_the_policy() -> bool:
        path = "/api/v1/namespaces/peergate-test-open/serviceaccounts/peergate-self-test"
        canary = {"Impersonate-User": "system:serviceaccount:peergate-test-open:canary"}
        reply = admin.request("DELETE", path, query={"dryRun": "All"}, headers=canary)
        return "impostor.example.com" in str(reply.body)

    assert admin.request("DELETE", CONFIGURATION).code == 200
    admin.apply(policy, binding)
    try:
        wait_until("the policy is in force", refused_by_the_policy)
        out = fails(stage, running)
    finally:
        for member in ("uid", "resourceVersion", "managedFields", "creationTimestamp", "generation"):
            live["metadata"].pop(member, None)
        admin.apply(live)
        admin.kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "--all").must()
    assert out.count("FAIL") == 5
    assert "was refused otherwise than by this entry" in out


def test_a_gate_that_does_not_answer_fails_it(stage, running):
    running.process.kill()
    try:
        out = fails(stage, running)
    finally:
        running.process.start()
        running.process.wait_ready()
    assert out.count("the API server did not reach the gate: ") == 4


def test_a_pass_that_does_not_go_on_is_none(stage, running):
    """As after an upgrade: who answered was about to stop, and who is left does not answer."""
    test = SelfTest(
        Output(Globals(kubeconfig=str(stage.kubeconfig))),
        settings=running.settings,
        stage=Stage(target="peergate-self-test", open="peergate-test-open", held="peergate-test-held"),
        failure_policy="Fail",
        seconds=0,
        settle_seconds=10,
        pause=lambda _: running.process.kill(),
    )
    try:
        with pytest.raises(CommandError, match="the API server did not reach the gate") as failed:
            test.run()
    finally:
        running.process.start()
        running.process.wait_ready()
    assert failed.value.exit_code == 3


def test_a_canary_without_its_tag_fails_it(stage, running):
    admin = running.cluster.admin
    admin.kubectl(
        "-n", "peergate-test-open", "label", "serviceaccount", "canary", "peergate.dev/agent-"
    ).must()
    out = fails(stage, running, within="1s")
    assert "the canary is no agent: its tag is gone, or agents.trusted names it" in out


def test_it_waits_for_the_tag_and_for_the_replicas(stage, running):
    """As after an installation: the accounts are new, and no replica answers yet."""
    running.process.kill()
    stage.cluster.admin.kubectl("-n", "peergate-test-open", "delete", "serviceaccount", "canary").must()
    stage.make()
    running.process.start()
    done = stage.run(within="60s", settings=settings_file(running))
    assert done.status == 0, done.out + done.err


def test_nothing_is_deleted_and_a_policy_that_only_audits_is_no_failure(stage, running):
    admin = running.cluster.admin
    policy = {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ProtectionPolicy",
        "metadata": {"name": "try-out"},
        "spec": {"mode": "Audit", "rules": [{"resources": [{"apiGroups": ["*"], "resources": ["*"]}]}]},
    }
    admin.apply(policy)
    try:
        assert stage.run(within="20s", settings=settings_file(running)).status == 0
    finally:
        admin.kubectl("delete", "protectionpolicy", "try-out").must()
    assert admin.kubectl("get", "-f", "-", "-o", "name", input=yaml.safe_dump_all(stage.documents)).ok
    filed = admin.request("GET", "/apis/peergate.dev/v1alpha1/changerequests").body["items"]
    assert "canary" not in str([one["spec"]["requester"] for one in filed])


RIGHTS = {
    ("get", "validatingwebhookconfigurations.admissionregistration.k8s.io/peergate", ""): "yes",
    ("create", "serviceaccounts/canary", "token"): "yes",
    ("create", "serviceaccounts/peergate-self-test", "token"): "no",
    ("delete", "validatingwebhookconfigurations.admissionregistration.k8s.io/peergate", ""): "no",
    ("patch", "validatingwebhookconfigurations.admissionregistration.k8s.io/peergate", ""): "no",
    ("delete", "serviceaccounts/peergate-self-test", ""): "no",
    ("create", "serviceaccounts", ""): "no",
    ("get", "secrets/peergate-tls", ""): "no",
    ("impersonate", "serviceaccounts", ""): "no",
}


def test_who_runs_it_may_little(stage, running):
    admin, account = running.cluster.admin, "system:serviceaccount:peergate-system:peergate-self-test"
    found = {
        right: admin.kubectl(
            *("auth", "can-i", right[0], right[1], "-n", "peergate-test-open", "--as", account),
            *(("--subresource", right[2]) if right[2] else ()),
        ).out.split()[0]
        for right in RIGHTS
    }
    assert found == RIGHTS
    # In every other namespace, its own included: nothing at all.
    other = ("create", "serviceaccounts/peergate", "--subresource", "token", "-n", "peergate-system")
    assert admin.kubectl("auth", "can-i", *other, "--as", account).out.split()[0] == "no"
