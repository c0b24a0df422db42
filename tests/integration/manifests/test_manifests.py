"""Every file of ``manifests/`` on a real API server: taken without a warning, and as its comments say."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import yaml
from tests.harness.clients import Client, Reply
from tests.harness.waiting import wait_until
from tests.integration.manifests.conftest import AFTER, BEFORE, MANIFESTS, NOT_OF_A_CLUSTER, ON_DISK
from tests.support.changes import BACKGROUND, Desk, config_map, path_of, reported, sign, slots, wait_rule
from tests.support.cli import run

pytestmark = pytest.mark.cluster

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DRY = {"dryRun": "All"}
MERGE = {"content_type": "application/merge-patch+json"}
POLICIES = "/apis/peergate.dev/v1alpha1/protectionpolicies"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text(encoding="utf-8")))


def test_no_file_is_left_out():
    there = {str(path.relative_to(MANIFESTS)) for path in MANIFESTS.rglob("*") if path.is_file()}
    assert there == {*BEFORE, *AFTER, *ON_DISK, *NOT_OF_A_CLUSTER}


def test_kubectl_and_the_api_server_warn_of_nothing(place):
    assert {name: said for name, said in place.warnings.items() if said} == {}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (document["kind"], document["metadata"]["name"])
        for file in AFTER
        for document in documents(file)
        if document["apiVersion"].startswith("peergate.dev/")
    ],
)
def test_what_has_a_condition_is_ready(place, kind, name):
    place.cluster.kubectl("wait", f"{kind}/{name}", "--for=condition=Ready", "--timeout=30s").must()
    status = place.cluster.kubectl("get", kind, name, "-o", "json").json()["status"]
    [ready] = [one for one in status["conditions"] if one["type"] == "Ready"]
    assert ready["reason"] == "Valid", ready


def test_what_the_bundle_names_is_there(place):
    found = place.cluster.kubectl("get", "-f", str(MANIFESTS / "install.yaml"), "-o", "json").json()["items"]
    assert list(map(_named, found)) == list(map(_named, documents("install.yaml")))
    # Else Helm would take them for a release of its own.
    assert [one for one in found if "app.kubernetes.io/managed-by" in one["metadata"].get("labels", {})] == []


def _named(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def test_applying_the_bundle_again_keeps_what_the_operator_wrote(place):
    how = ("apply", "--server-side", "--dry-run=server", "-o", "json", "-f", str(MANIFESTS / "install.yaml"))
    items = place.cluster.kubectl(*how).json()["items"]
    [configuration] = [one for one in items if one["kind"] == "ValidatingWebhookConfiguration"]
    conditions = [[one["name"] for one in hook["matchConditions"]] for hook in configuration["webhooks"]]
    assert conditions[:4] == [["not-operator", "not-noise", "wide", "agents"]] * 4
    assert all(hook["clientConfig"]["caBundle"] for hook in configuration["webhooks"])


# --- policies, offline: which verdict, under which rules --------------------------------------------

TRIALS = {
    "production, in Audit: a deletion is admitted, and told": (
        "policy", "environment=production", "delete cm/a", "allow", ["production/0"],
    ),
    "production: data would take a hardware key as well": (
        "policy", "environment=production", "delete sts/db", "allow", ["production/0", "production/1"],
    ),
    "payments: a ConfigMap takes two people": (
        "policy-payments", "team=payments", "delete cm/a", "deny", ["payments/0"],
    ),
    "payments: data takes somebody of the team besides": (
        "policy-payments", "team=payments", "delete pvc/a", "deny", ["payments/0", "payments/1"],
    ),
    "payments: Events are left out": (
        "policy-payments", "team=payments", "delete event/a", "allow", [],
    ),
    "platform: a Pod is left out": (
        "policy-platform", "team=platform", "delete pod/a", "allow", [],
    ),
    "platform: a ConfigMap takes a peer": (
        "policy-platform", "team=platform", "delete cm/a", "deny", ["platform/0"],
    ),
    "platform: a Deployment takes a person": (
        "policy-platform", "team=platform", "delete deploy/a", "deny", ["platform/0", "platform/1"],
    ),
    "startup, in Audit: a deletion is admitted, and told": (
        "policy-startup", "team=startup", "delete deploy/a", "allow", ["startup/0"],
    ),
    "a team's policy is not another's": (
        "policy-startup", "team=payments", "delete deploy/a", "deny", ["built-in"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", TRIALS)
def test_policy_test_agrees_with_the_comments(sentence):
    file, labels, request, verdict, rules = TRIALS[sentence]
    done = run(
        "policy", "test", str(MANIFESTS / f"{file}.example.yaml"), "--request", request, "-n", "shop",
        "--namespace-labels", labels, "--as", "system:serviceaccount:agents:bot",
        "--expect", verdict, "-o", "json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert [rule["name"] for rule in done.json()["rules"]] == rules


# --- policies, live ---------------------------------------------------------------------------------


@contextlib.contextmanager
def namespace_of(place, team: str) -> Iterator[str]:
    name = f"{team}-{secrets.token_hex(4)}"
    labels = {"peergate.dev/protected": "true", "team": team}
    place.cluster.admin.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    )
    account = path_of("serviceaccounts", "default", namespace=name)
    wait_until("it has its account", lambda: place.cluster.admin.request("GET", account).code == 200)
    try:
        yield name
    finally:
        place.cluster.admin.request("DELETE", f"/api/v1/namespaces/{name}")


def delete(client: Client, path: str) -> Reply:
    return client.request("DELETE", path, body=BACKGROUND)


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.code, str(reply.body.get("message", ""))


def deployment(namespace: str, name: str = "web") -> dict[str, Any]:
    labels = {"app": name}
    # Without a token: into a pod that has another account's, no policy opens a connection.
    spec = {
        "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "example.invalid/none:1"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def test_payments_takes_two_people_of_different_owners_and_holds_the_client(place, desk, crew):
    team = {"groups": ["payments"], "owner": "team-payments"}
    erin, frank = crew.register("erin", **team), crew.register("frank", **team)
    gina = crew.register("gina", groups=["sre"], owner="team-sre")
    with namespace_of(place, "payments") as namespace:
        wait_rule(desk, namespace, "payments/0")
        path = path_of("configmaps", "settings", namespace=namespace)
        desk.create(path, config_map(namespace))
        code, text = refusal(delete(place.demo, path))
        assert code == 429, "held: the client waits"
        assert "approvals=0/2 rule=payments/0" in text
        change = desk.deletion(path)
        desk.attach(path, slots(sign(change, by=erin), sign(change, by=frank)))
        assert "state=quorum code=QuorumNotMet" in refusal(delete(place.demo, path))[1], (
            "one owner is one voice"
        )
        desk.attach(path, slots(sign(change, by=erin), sign(change, by=gina)))
        assert delete(place.demo, path).code == 200
        assert not desk.there(path)


def test_payments_wants_the_team_where_data_goes_and_short_lives_and_no_collections(place, desk, crew):
    kim = crew.register("kim", groups=["payments"], owner="team-payments")
    lee = crew.register("lee", groups=["sre"], owner="team-sre")
    max_ = crew.register("max", groups=["sre"], owner="team-other")
    with namespace_of(place, "payments") as namespace:
        wait_rule(desk, namespace, "payments/0")
        path = path_of("persistentvolumeclaims", "data", namespace=namespace)
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        desk.create(
            path,
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data"},
                "spec": claim,
            },
        )
        change = desk.deletion(path)
        five = {"ttl": timedelta(minutes=5)}
        desk.attach(path, slots(sign(change, by=lee, **five), sign(change, by=max_, **five)))
        assert delete(place.demo, path).code in {403, 429}
        desk.attach(path, slots(sign(change, by=kim, ttl=timedelta(minutes=6)), sign(change, by=lee, **five)))
        text = refusal(delete(place.demo, path))[1]
        assert "LifetimeTooLong" in text, text
        reply = place.demo.request("DELETE", path.rpartition("/")[0], body=BACKGROUND)
        assert (reply.code, reported(reply)) == (403, "NotApprovable")
        assert desk.there(path)
        desk.attach(path, slots(sign(change, by=kim, **five), sign(change, by=lee, **five)))
        assert delete(place.demo, path).code == 200


def test_platform_lets_agents_do_what_autoscalers_and_restarts_do(place, desk, crew):
    with namespace_of(place, "platform") as namespace:
        wait_rule(desk, namespace, "platform/0")
        path = path_of("deployments", "web", namespace=namespace, api="apps/v1")
        desk.create(path, deployment(namespace))
        demo = place.demo
        demo.kubectl("-n", namespace, "scale", "deployment/web", "--replicas=2").must()
        demo.kubectl("-n", namespace, "rollout", "restart", "deployment/web").must()
        demo.kubectl("-n", namespace, "autoscale", "deployment/web", "--max=4", "--cpu=80%").must()
        wait_until("there are Pods", lambda: _pods(place, namespace))
        pod = _pods(place, namespace)[0]
        assert demo.request("POST", f"{pod}/portforward?ports=80").code != 403
        assert reported(demo.request("POST", f"{pod}/exec?command=id")) == "NotApprovable"
        assert demo.request("DELETE", pod).code == 200
        zero = demo.request("PATCH", f"{path}/scale", body={"spec": {"replicas": 0}}, **MERGE)
        assert zero.code == 429, "scaling to zero is a deletion"
        image = [
            {
                "op": "replace",
                "path": "/spec/template/spec/containers/0/image",
                "value": "example.invalid/x:2",
            }
        ]
        assert demo.request("PATCH", path, body=image, content_type="application/json-patch+json").code == 429
        assert desk.get(path)["spec"]["replicas"] == 2


def test_platform_counts_a_reviewing_agent_but_wants_a_person_for_what_nothing_brings_back(place, desk, crew):
    robot = crew.register(
        "robot", **{"class": "agent"}, owner="team-robots",
        kubernetesUsernames=[f"system:serviceaccount:agents:{secrets.token_hex(4)}"],
    )  # fmt: skip
    person = crew.register("person")
    with namespace_of(place, "platform") as namespace:
        wait_rule(desk, namespace, "platform/0")
        settings = path_of("configmaps", "settings", namespace=namespace)
        desk.create(settings, config_map(namespace))
        desk.attach(settings, slots(sign(desk.deletion(settings), by=robot)))
        assert delete(place.demo, settings).code == 200
        path = path_of("deployments", "web", namespace=namespace, api="apps/v1")
        desk.create(path, deployment(namespace))
        # What the controller writes into its status must not come between signing and deleting.
        wait_until(
            "its controller has seen it",
            lambda: desk.get(path).get("status", {}).get("unavailableReplicas") == 3,
        )
        desk.attach(path, slots(sign(desk.deletion(path), by=robot)))
        assert "QuorumNotMet" in refusal(delete(place.demo, path))[1]
        desk.attach(path, slots(sign(desk.deletion(path), by=person)))
        assert delete(place.demo, path).code == 200


def test_platform_guards_a_kind_of_the_whole_cluster(place, desk):
    path = path_of("ingressclasses", f"front-{secrets.token_hex(3)}", api="networking.k8s.io/v1")
    name = path.rpartition("/")[2]
    made = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name}}
    desk.create(path, {**made, "spec": {"controller": "example.com/front"}})
    try:
        wait_until("it is guarded", lambda: place.demo.request("DELETE", path, query=DRY).code == 403)
        assert "rule=platform/" in refusal(place.demo.request("DELETE", path, query=DRY))[1]
    finally:
        place.cluster.admin.request("DELETE", path)


def _pods(place, namespace: str) -> list[str]:
    listed = place.cluster.admin.request("GET", f"/api/v1/namespaces/{namespace}/pods").body["items"]
    return [path_of("pods", pod["metadata"]["name"], namespace=namespace) for pod in listed]


def test_startup_goes_from_audit_through_warn_to_enforce_by_the_commands_of_its_comment(place, desk):
    text = (MANIFESTS / "policy-startup.example.yaml").read_text(encoding="utf-8")
    commands = {mode: f"""-p '{{"spec":{{"mode":"{mode}"}}}}'""" for mode in ("Warn", "Enforce")}
    assert all(f"kubectl patch ppol startup --type=merge {end}" in text for end in commands.values())
    with namespace_of(place, "startup") as namespace:

        def attempt(name: str) -> Any:
            path = path_of("configmaps", name, namespace=namespace)
            desk.create(path, config_map(namespace, name))
            return place.demo.kubectl("-n", namespace, "delete", "configmap", name, "--dry-run=server")

        def switch(mode: str) -> None:
            body = f'{{"spec":{{"mode":"{mode}"}}}}'
            place.cluster.kubectl("patch", "ppol", "startup", "--type=merge", "-p", body).must()

        path = path_of("configmaps", "kube-root-ca.crt", namespace=namespace)
        wait_until("its policy counts", lambda: place.demo.request("DELETE", path, query=DRY).code == 200)
        audit = attempt("one")
        assert (audit.status, audit.err) == (0, "")
        logged = lambda: [  # noqa: E731
            line
            for line in place.installation.process.log_lines()
            if line.get("namespace") == namespace and line.get("name") == "one"
        ]
        wait_until("it is logged", logged)
        assert (logged()[-1]["decision"], logged()[-1]["code"]) == ("allow", "ApprovalMissing")
        try:
            switch("Warn")
            wait_until(
                "it warns", lambda: "startup/0" in str(place.demo.request("DELETE", path, query=DRY).headers)
            )
            assert "Warning: peergate: would need approval: rule startup/0, 0/1" in attempt("two").err
            switch("Enforce")
            wait_until("it refuses", lambda: place.demo.request("DELETE", path, query=DRY).code == 403)
            assert "APPROVAL REQUIRED (dry run)" in attempt("three").err
            replaced = place.demo.request(
                "PATCH",
                path_of("configmaps", "three", namespace=namespace),
                body={"data": {"a": "b"}},
                **MERGE,
            )
            assert replaced.code == 200, "what is replaced is left to the agent"
        finally:
            switch("Audit")


# --- the agent --------------------------------------------------------------------------------------

MAY = {
    "see its requests": ("watch", "changerequests.peergate.dev", "shop"),
    "annotate its requests": ("patch", "changerequests.peergate.dev/cr-x", "shop"),
    "delete a ConfigMap": ("delete", "configmaps/a", "shop"),
    "annotate a Deployment": ("patch", "deployments.apps/web", "shop"),
    "read logs": ("get", "pods/log", "shop"),
}
MAY_NOT = {
    "file a request by itself": ("create", "changerequests.peergate.dev", "shop"),
    "remove a request": ("delete", "changerequests.peergate.dev/cr-x", "shop"),
    "write a request's status": ("patch", "changerequests.peergate.dev/cr-x --subresource=status", "shop"),
    "see requests elsewhere": ("list", "changerequests.peergate.dev", "default"),
    "read a Secret": ("get", "secrets/a", "shop"),
    "delete a collection": ("deletecollection", "configmaps", "shop"),
    "run a command": ("create", "pods/exec", "shop"),
    "mint a token": ("create", "serviceaccounts/token", "ai-agents"),
    "change an account": ("patch", "serviceaccounts/sre-bot", "ai-agents"),
    "bind a role": ("create", "rolebindings.rbac.authorization.k8s.io", "shop"),
    "register an approver": ("create", "approvers.peergate.dev", "shop"),
    "write a policy": ("patch", "protectionpolicies.peergate.dev/production", "shop"),
    "unlabel the namespace": ("patch", "namespaces/shop", "shop"),
    "remove the gate": (
        "delete",
        "validatingwebhookconfigurations.admissionregistration.k8s.io/peergate",
        "shop",
    ),
    "work elsewhere": ("delete", "configmaps/a", "default"),
}


@pytest.mark.parametrize("sentence", [*MAY, *MAY_NOT])
def test_the_agent_of_the_example_may_do_its_work_and_not_more(place, sentence):
    verb, what, namespace = {**MAY, **MAY_NOT}[sentence]
    words = what.split()
    if words[0] in {"pods/log", "pods/exec", "serviceaccounts/token"}:
        resource, _, sub = words[0].partition("/")
        words = [resource, f"--subresource={sub}"]
    asked = place.sre_bot.kubectl("auth", "can-i", verb, *words, "-n", namespace, "-q")
    assert asked.ok is (sentence in MAY), asked.err


def test_the_doctor_finds_no_door_that_the_agent_of_the_example_holds(place):
    kubeconfig = place.cluster.kubeconfig
    done = run("doctor", "--no-canary", "-o", "json", kubeconfig=kubeconfig)
    held = [
        found
        for found in done.json()["findings"]
        if found["level"] in {"fail", "warn"} and "ai-agents/sre-bot" in json.dumps(found)
    ]
    assert held == []


def test_the_agent_of_the_example_is_refused_says_why_waits_and_goes_through(place, crew):
    nora = crew.register("nora")
    bot, admin = place.sre_bot, place.cluster.admin
    name = f"settings-{secrets.token_hex(3)}"
    path = path_of("configmaps", name, namespace="shop")
    admin.apply(config_map("shop", name))
    wait_until(
        "it is judged",
        lambda: "gate.peergate.dev" in str(bot.request("DELETE", path, query=DRY).body),
        within=30,
    )
    refused = bot.kubectl("-n", "shop", "delete", "configmap", name)
    assert "APPROVAL REQUIRED (pending 0/1)" in refused.err
    request = refused.err.partition("request=shop/")[2].split()[0]
    wait_until("it is filed", lambda: bot.kubectl("-n", "shop", "get", "chreq", request).ok)
    why = ("-n", "shop", "annotate", f"chreq/{request}", "peergate.dev/reason=tidying up")
    bot.kubectl(*why).must()
    desk = Desk(place.cluster, bot, account="ai-agents/sre-bot", owner="team-platform")
    envelope = sign(desk.deletion(path), by=nora)
    attach = f"approval.peergate.dev/v1.nora={envelope}"
    bot.kubectl("-n", "shop", "annotate", f"chreq/{request}", attach).must()
    bot.kubectl("-n", "shop", "wait", "--for=condition=Decided", f"chreq/{request}").must()
    bot.kubectl("-n", "shop", "delete", "configmap", name).must()


# --- companions: as objects, and as files of the API server -----------------------------------------

COMPANIONS = {
    "admission-configuration": lambda probe: probe.request(
        "POST",
        f"{ADMISSION}/mutatingwebhookconfigurations",
        body={
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "mallory"},
        },
        query=DRY,
    ),
    "namespace-labels": lambda probe: probe.request(
        "PATCH",
        "/api/v1/namespaces/shop",
        body={"metadata": {"labels": {"peergate.dev/protected": None}}},
        query=DRY,
        **MERGE,
    ),
    "metadata-integrity": lambda probe: probe.request(
        "PATCH",
        "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
        body={
            "metadata": {
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": secrets.token_hex(8)}
                ]
            }
        },
        query=DRY,
        **MERGE,
    ),
    "hard-denials": lambda probe: probe.request(
        "POST",
        "/api/v1/namespaces/default/serviceaccounts/default/token",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        query=DRY,
    ),
}


@pytest.mark.parametrize("name", COMPANIONS)
def test_each_companion_policy_refuses_as_an_object_and_as_a_file(place, name):
    wanted = {f"{name}.peergate.dev", f"{name}.peergate.static.k8s.io"}

    def failed() -> set[str]:
        reply = COMPANIONS[name](place.probe)
        audit = reply.headers.get("Audit-Id") or reply.headers.get("Audit-ID")
        assert audit, reply.headers
        event = place.cluster.wait_for_audit(lambda event: event.raw["auditID"] == audit)
        noted = event.annotations.get("validation.policy.admission.k8s.io/validation_failure", "[]")
        return {one["policy"] for one in json.loads(noted)} if reply.code == 403 else set()

    wait_until(f"{name} refuses twice over", lambda: failed() == wanted)
