"""Helm's hooks as people meet them: the install gate, ``helm test``, the way out; Pods of our own image."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from tests.harness.node.release import NAMESPACE, HelmError
from tests.support.world import CONFIGURATION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

PROOF = [
    "ok    configuration  peergate is as shipped",
    *(
        f"ok    {entry:<13}  a tagged account is refused, an untagged one is not sent"
        for entry in ("namespaced", "cluster", "own", "identity")
    ),
    "the gate guards: 4 of 4 entries",
]
OF_HOOKS = (
    "namespaces,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,jobs,pods",
    "-A",
    "-l",
    "app.kubernetes.io/name=peergate-hook",
    "-o",
    "name",
)


def left_by_hooks(release) -> list[str]:
    return release.cluster.admin.kubectl("get", *OF_HOOKS).must().out.split()


def log_of_the_test(release) -> str:
    return release.cluster.admin.kubectl("-n", NAMESPACE, "logs", "pod/peergate-self-test").must().out


def proof_in(said: str) -> list[str]:
    return [line for line in said.splitlines() if line in PROOF]


def test_helm_test_shows_that_the_gate_guards_and_leaves_nothing(release):
    said = release.helm("test", "peergate", "--logs", "--timeout=180s")
    assert proof_in(said) == PROOF, said
    assert left_by_hooks(release) == []


@contextlib.contextmanager
def edited(release) -> Iterator[None]:
    """Have one entry look at objects of a label only, as somebody might who wants one thing let through."""
    admin = release.cluster.admin
    hooks = admin.request("GET", CONFIGURATION).body["webhooks"]
    own = [hook["name"] for hook in hooks].index("own.gate.peergate.dev")
    path = f"/webhooks/{own}/objectSelector"

    def patch(value: dict[str, object]) -> None:
        operation = [{"op": "add", "path": path, "value": value}]
        admin.kubectl(
            "patch", "validatingwebhookconfiguration", "peergate", "--type=json", "-p", json.dumps(operation)
        ).must()

    patch({"matchLabels": {"guard": "me"}})
    try:
        yield
    finally:
        patch({})


@contextlib.contextmanager
def without_replicas(release) -> Iterator[None]:
    release.kill()
    try:
        yield
    finally:
        release.start()
        release.wait_ready()


BROKEN = {
    "an entry was edited": (
        edited,
        "configuration",
        "peergate is not as shipped: own.gate.peergate.dev objectSelector",
    ),
    "no replica is there": (without_replicas, "own", "the API server did not reach the gate: "),
}


@pytest.mark.parametrize(("broken", "name", "why"), BROKEN.values(), ids=BROKEN)
def test_helm_test_fails_where_the_gate_does_not_guard(release, broken, name, why):
    quick = {"hooks": {"selfTest": {"enabled": False, "timeoutSeconds": 10}}}
    release.upgrade(values=quick)
    with broken(release):
        with pytest.raises(HelmError):
            release.helm("test", "peergate", "--timeout=120s")
        log = log_of_the_test(release)
        assert f"FAIL  {name:<13}  {why}" in log
        assert "error: the gate does not guard; " in log
        assert left_by_hooks(release) == ["pod/peergate-self-test"], "it can say why; nobody has rights by it"
    said = release.helm("test", "peergate", "--logs", "--timeout=180s")
    assert proof_in(said) == PROOF
    assert left_by_hooks(release) == []


def test_an_upgrade_that_would_leave_the_gate_open_to_somebody_fails(town, release):
    """The settings trust the canary, as a settings file that trusts too much would."""
    values = {
        "agents": {"trusted": ["system:serviceaccount:peergate-test-open:canary"]},
        "hooks": {"selfTest": {"enabled": True, "timeoutSeconds": 20}},
    }
    with pytest.raises(HelmError):
        release.upgrade(values=values)
    assert "FAIL  settings       the canary is no agent" in log_of_the_test(release)
    release.roll_back()
    release.wait_ready()
    path = town.victim()
    assert town.delete(town.agent, path).code == 403
    assert town.desk.there(path)


def test_client_verification_that_the_api_server_does_not_pass_fails_closed_and_the_upgrade_says_so(
    town, release
):
    admin, path = release.cluster.admin, town.victim()
    authority = release.cluster.layout.authority.pair.certificate
    admin.kubectl(
        "-n", NAMESPACE, "create", "secret", "generic", "clients", f"--from-file=ca.crt={authority}"
    ).must()
    asked = {"enabled": True, "caSecret": "clients", "subjects": ["kube-apiserver-webhooks"]}
    values = {
        "webhook": {"clientVerification": asked},
        "hooks": {"selfTest": {"enabled": True, "timeoutSeconds": 10}},
    }
    with pytest.raises(HelmError):
        release.upgrade(values=values)
    release.wait_ready()  # their own proof comes through the port all the same
    assert "the API server did not reach the gate: " in log_of_the_test(release)
    reply = town.agent.request("DELETE", path)
    assert (reply.code, "failed calling webhook" in str(reply.body)) == (500, True)
    assert town.desk.there(path)
    assert town.bystander.request("DELETE", path, query={"dryRun": "All"}).code == 200
    release.roll_back()
    release.wait_ready()
    town.wait_judged()
    admin.kubectl("-n", NAMESPACE, "delete", "secret/clients", "pod/peergate-self-test", "--now").must()


def deletions(release) -> list[tuple[str, str]]:
    """Return who deleted what of the release, in order."""
    wanted = {"validatingwebhookconfigurations", "deployments", "services", "clusterrolebindings"}
    return [
        (event.username.rpartition(":")[2], event.resource)
        for event in release.cluster.audit_events()
        if event.verb == "delete"
        and event.resource in wanted
        and event.name in {"peergate", "peergate-operator"}
    ]


def test_uninstalling_takes_the_gate_first_also_where_no_replica_works(town, release):
    """A test that failed may have left its Pod; it is nobody's, and no part of the release."""
    release.cluster.admin.kubectl(
        "-n", NAMESPACE, "delete", "pod/peergate-self-test", "--ignore-not-found"
    ).must()
    path = town.victim()
    release.kill()
    reply = town.agent.request("DELETE", path)
    assert reply.code == 500
    assert "failed calling webhook" in str(reply.body), "the gate is closed by now"
    before = len(deletions(release))
    release.uninstall()
    found = deletions(release)[before:]
    assert found[0] == ("peergate-uninstall", "validatingwebhookconfigurations")
    assert ("admin", "deployments") in found[1:]
    assert left_by_hooks(release) == []
    assert release.cluster.admin.request("GET", CONFIGURATION).code == 404
    # Whoever has the rights deletes what was protected; nothing waits for a gate that is gone.
    for client in (town.agent, town.bystander, release.cluster.admin):
        victim = path if client is town.agent else town.victim()
        assert client.request("DELETE", victim).code == 200
    # And again, with the install gate: Helm is content only when the gate guards.
    release.values["hooks"] = {"selfTest": {"enabled": True}}
    try:
        release.install()
    finally:
        release.values["hooks"] = {"selfTest": {"enabled": False}}
    assert left_by_hooks(release) == []
    town.wait_judged()
    path = town.victim()
    assert town.delete(town.agent, path).code == 403
    assert town.desk.there(path)
