"""The companion policies on a real API server: they refuse agents what they must, and nobody anything else.

The agents here hold every right there is, so that nothing but admission stands in their way.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.harness.clients import Client, Reply
from tests.harness.namespaces import fresh_namespace
from tests.harness.waiting import wait_until
from tests.support.changes import config_map, path_of
from tests.support.companions import (
    ADMISSION,
    COMPANY,
    DRY,
    SEALED,
    SEALED_STRICT,
    STRICT,
    Company,
    policies_for,
    stricter_for,
    webhooks,
)

from peergate.shipped.standing import Standing, compare_companions
from peergate.shipped.webhookconfig import render

pytestmark = pytest.mark.cluster

MERGE = "application/merge-patch+json"
CONFIGURATION = f"{ADMISSION}/validatingwebhookconfigurations/peergate"
PROTECTED, AGENTS = "peergate.dev/protected", "peergate.dev/agents"
NOT_THERE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "never-was",
    "uid": "11111111-2222-4333-8444-555555555555",
}
POD = {
    "automountServiceAccountToken": False,
    "containers": [{"name": "c", "image": "example.invalid/none:1"}],
}
Attack = Callable[[Client, str, dict[str, str]], Reply]
"""By whom, in which namespace, with which query."""


def patch(path: str, body: Any) -> Attack:
    return lambda client, here, query: client.request(
        "PATCH", path.format(here=here), body=body, content_type=MERGE, query=query
    )


def send(method: str, path: str, body: Any = None) -> Attack:
    return lambda client, here, query: client.request(method, path.format(here=here), body=body, query=query)


def labels(**values: str | None) -> dict[str, Any]:
    names = {"protected": PROTECTED, "agents": AGENTS}
    return {"metadata": {"labels": {names[name]: value for name, value in values.items()}}}


def finalize(client: Client, here: str, query: dict[str, str]) -> Reply:
    """PUT the namespace without its label: /finalize takes labels too (AR14)."""
    live = client.request("GET", f"/api/v1/namespaces/{here}").body
    live["metadata"]["labels"].pop(PROTECTED)
    return client.request("PUT", f"/api/v1/namespaces/{here}/finalize", body=live, query=query)


def labelled_namespace(client: Client, here: str, query: dict[str, str]) -> Reply:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{here}-bots"}}
    body["metadata"] |= labels(agents="true")["metadata"]  # type: ignore[operator]
    return client.request("POST", "/api/v1/namespaces", body=body, query=query)


NAMESPACE = "/api/v1/namespaces/{here}"
CONFIGURATIONS = {
    "deleting the webhook configuration": send("DELETE", CONFIGURATION),
    "deleting all of them": send("DELETE", CONFIGURATION.rpartition("/")[0]),
    "emptying it": patch(CONFIGURATION, {"webhooks": None}),
    "making another one": send("POST", CONFIGURATION.rpartition("/")[0], webhooks("Validating")),
    "making one that changes requests": send(
        "POST", f"{ADMISSION}/mutatingwebhookconfigurations", webhooks("Mutating")
    ),
}
LABELS = {
    "unlabelling a protected namespace": patch(NAMESPACE, labels(protected=None)),
    "labelling it otherwise": patch(NAMESPACE, labels(protected="false")),
    "unlabelling through /status": patch(f"{NAMESPACE}/status", labels(protected=None)),
    "unlabelling through /finalize": finalize,
    "making agents of its accounts": patch(NAMESPACE, labels(agents="true")),
    "creating a namespace of agents": labelled_namespace,
    "deleting a namespace of agents": send("DELETE", "/api/v1/namespaces/labelled-bots"),
}
DEFAULT = {**CONFIGURATIONS, **LABELS}


@contextmanager
def everything_runs(_: Company) -> Iterator[None]:
    yield


@contextmanager
def the_webhook_is_stopped(company: Company) -> Iterator[None]:
    process = company.installation.process
    process.stop()
    try:
        yield
    finally:
        process.start()
        process.wait_ready()
        company.installation.wait_gated(company.bots[COMPANY], namespace=company.namespace)


@contextmanager
def its_configuration_is_deleted(company: Company) -> Iterator[None]:
    installation = company.installation
    assert company.admin.request("DELETE", CONFIGURATION).code == 200
    bot = company.bots[COMPANY]
    path = path_of("configmaps", "kube-root-ca.crt", namespace=company.namespace)
    wait_until("no gate is asked", lambda: bot.request("DELETE", path, query=DRY).code == 200)
    company.admin.apply(absent_but_for_its_name())
    try:
        yield
    finally:
        assert company.admin.request("DELETE", CONFIGURATION).code == 200
        company.admin.apply(
            render(
                installation.settings, client_config=lambda gate: {"url": f"{installation.url}/gates/{gate}"}
            )
        )
        installation.wait_gated(bot, namespace=company.namespace)


def absent_but_for_its_name() -> dict[str, Any]:
    """Return a configuration without entries, so that there is something to attack."""
    return {**webhooks("Validating"), "metadata": {"name": "peergate"}}


SITUATIONS = {
    "everything runs": everything_runs,
    "the webhook is stopped": the_webhook_is_stopped,
    "its configuration is deleted": its_configuration_is_deleted,
}


@pytest.fixture(scope="module", autouse=True)
def labelled_bots(company: Company) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "labelled-bots"}}
    company.admin.apply({**body, "metadata": {"name": "labelled-bots", **labels(agents="true")["metadata"]}})


def state(company: Company, here: str) -> Any:
    """Return what the attacks are after."""
    admin = company.admin
    configurations = {
        f"{resource}/{item['metadata']['name']}": (
            item["metadata"]["uid"],
            item.get("spec"),
            # The operator keeps its condition and its CA in them meanwhile.
            [entry["name"] for entry in item.get("webhooks", ())],
        )
        for resource in (
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "mutatingadmissionpolicies",
        )
        for item in admin.request("GET", f"{ADMISSION}/{resource}").body["items"]
    }
    namespaces = {
        item["metadata"]["name"]: (item["metadata"].get("labels"), item["metadata"].get("deletionTimestamp"))
        for item in admin.request("GET", "/api/v1/namespaces").body["items"]
        if item["metadata"]["name"].startswith((here, "labelled-bots"))
    }
    return configurations, namespaces


def refusals(
    company: Company, attacks: dict[str, Attack], *, bot: Client, here: str, dry: bool = False
) -> dict[str, str]:
    """Let the bystander and then the agent attack; return which policy refused the agent what."""
    found = {}
    for what, attack in attacks.items():
        allowed = attack(company.bystander, here, DRY)
        assert allowed.code in {200, 201}, (what, allowed.body)
        reply = attack(bot, here, DRY if dry else {})
        assert reply.code == 403, (what, reply.body)
        assert reply.body["reason"] == "Forbidden", what
        found[what] = str(reply.body["message"]).partition("ValidatingAdmissionPolicy '")[2].partition("'")[0]
    return found


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())
@pytest.mark.parametrize(("where", "suffix"), [(COMPANY, "dev"), (SEALED, "static.k8s.io")])
def test_what_no_approval_may_open_is_refused_when(company, where, suffix, situation):
    with situation(company):
        before = state(company, company.namespace)
        found = refusals(company, DEFAULT, bot=company.bots[where], here=company.namespace)
        assert found == {
            **dict.fromkeys(CONFIGURATIONS, f"admission-configuration.peergate.{suffix}"),
            **dict.fromkeys(LABELS, f"namespace-labels.peergate.{suffix}"),
        }
        assert state(company, company.namespace) == before


POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "metadata": {"name": "mallory"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
            ]
        },
        "validations": [{"expression": "false"}],
    },
}
_NAME = "admission-configuration.peergate.dev"
ALL_KINDS: dict[str, Attack] = {
    "deleting a policy": send("DELETE", f"{ADMISSION}/validatingadmissionpolicies/{_NAME}"),
    "deleting its binding": send("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/{_NAME}"),
    "binding it to nothing": patch(
        f"{ADMISSION}/validatingadmissionpolicybindings/{_NAME}", {"spec": {"policyName": "nothing"}}
    ),
    "making a policy that refuses everybody": send(
        "POST",
        f"{ADMISSION}/validatingadmissionpolicies",
        {**POLICY, "kind": "ValidatingAdmissionPolicy"},
    ),
}


def test_from_files_on_the_control_plane_policies_guard_themselves(company):
    """C4: there the very kinds are covered that no webhook and no policy of the API sees (C2, C3)."""
    before = state(company, company.namespace)
    found = refusals(company, ALL_KINDS, bot=company.bots[SEALED], here=company.namespace)
    assert set(found.values()) == {"admission-configuration.peergate.static.k8s.io"}
    assert state(company, company.namespace) == before
    # As objects of the API they do not: this one would have worked, were it no dry run.
    for what, attack in ALL_KINDS.items():
        assert attack(company.bots[COMPANY], company.namespace, DRY).code in {200, 201}, what


def test_static_policies_are_not_in_the_api_and_their_names_are_taken(company):
    shown = company.admin.request("GET", f"{ADMISSION}/validatingadmissionpolicies").body["items"]
    assert not any(item["metadata"]["name"].endswith(".static.k8s.io") for item in shown)
    body = {**POLICY, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "x.static.k8s.io"}}
    assert company.admin.request("POST", f"{ADMISSION}/validatingadmissionpolicies", body=body).code == 422


OBJECT = "/api/v1/namespaces/{here}/configmaps/thing"
DEPLOYMENT = "/apis/apps/v1/namespaces/{here}/deployments/web"
STRICTER = {
    "an owner": patch(OBJECT, {"metadata": {"ownerReferences": [NOT_THERE]}}),
    "an owner through /status": patch(f"{DEPLOYMENT}/status", {"metadata": {"ownerReferences": [NOT_THERE]}}),
    "dropping a finalizer": patch(OBJECT, {"metadata": {"finalizers": None}}),
    "a rollback by annotation": patch(
        DEPLOYMENT, {"metadata": {"annotations": {"deprecated.deployment.rollback.to": "0"}}}
    ),
    "a token": send(
        "POST",
        "/api/v1/namespaces/{here}/serviceaccounts/default/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    ),
    "an eviction": send(
        "POST",
        "/api/v1/namespaces/{here}/pods/lone/eviction",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "lone"}},
    ),
    "deleting a definition": send(
        "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/approvers.peergate.dev"
    ),
}
METADATA = list(STRICTER)[:4]


@pytest.fixture
def filled(company: Company) -> Iterator[str]:
    """A namespace that nobody protects, with something in it."""
    with fresh_namespace(company.installation.cluster, protected=False) as here:
        template = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        metadata = {"name": "web", "namespace": here}
        company.admin.apply(
            config_map(here, "thing", metadata={"finalizers": ["example.com/wait"]}),
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lone", "namespace": here}, "spec": POD},
        )
        yield here
        company.admin.request(
            "PATCH", OBJECT.format(here=here), body={"metadata": {"finalizers": None}}, content_type=MERGE
        )


def essence(company: Company, here: str) -> Any:
    return {
        path: (
            live["metadata"]["uid"],
            live["metadata"].get("finalizers"),
            live["metadata"].get("annotations"),
        )
        for path in (OBJECT, "/api/v1/namespaces/{here}/pods/lone")
        for live in [company.admin.request("GET", path.format(here=here)).body]
    }


@pytest.mark.parametrize(("where", "suffix"), [(STRICT, "dev"), (SEALED_STRICT, "static.k8s.io")])
def test_the_stricter_policies_refuse(company, filled, where, suffix):
    before = essence(company, filled)
    found = refusals(company, STRICTER, bot=company.bots[where], here=filled)
    assert found == {
        what: f"{'metadata-integrity' if what in METADATA else 'hard-denials'}.peergate.{suffix}"
        for what in STRICTER
    }
    assert essence(company, filled) == before


def annotated(client: Client, here: str, query: dict[str, str]) -> Reply:
    body = {"metadata": {"annotations": {"approval.peergate.dev/v1.a": "x", "team": "a"}}}
    return patch(OBJECT, body)(client, here, query)


ORDINARY: dict[str, Attack] = {
    "data": patch(OBJECT, {"data": {"colour": "red"}}),
    "annotations": annotated,
    "labels": patch(OBJECT, {"metadata": {"labels": {"a": "b"}}}),
    "another finalizer": patch(OBJECT, {"metadata": {"finalizers": ["example.com/wait", "example.com/two"]}}),
    "a scale": patch(f"{DEPLOYMENT}/scale", {"spec": {"replicas": 2}}),
    "an image": patch(
        DEPLOYMENT, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "x:2"}]}}}}
    ),
    "a status": patch(f"{DEPLOYMENT}/status", {"status": {"observedGeneration": 9}}),
    "an annotation of a namespace": patch(NAMESPACE, {"metadata": {"annotations": {"team": "a"}}}),
    "another label of a namespace": patch(NAMESPACE, {"metadata": {"labels": {"team": "a"}}}),
    "a new object": lambda client, here, query: client.request(
        "POST",
        path_of("configmaps", "", namespace=here).rstrip("/"),
        body=config_map(here, "new"),
        query=query,
    ),
    "deleting an object": send("DELETE", OBJECT),
    "a new namespace": lambda client, here, query: client.request(
        "POST",
        "/api/v1/namespaces",
        body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{here}-new"}},
        query=query,
    ),
    "deleting a namespace": send("DELETE", NAMESPACE),
    "reading policies": send("GET", f"{ADMISSION}/validatingadmissionpolicies"),
}


@pytest.mark.parametrize("where", [COMPANY, STRICT, SEALED_STRICT])
def test_ordinary_work_of_agents_goes_through(company, filled, where):
    for what, work in ORDINARY.items():
        query = {} if what == "reading policies" else DRY
        reply = work(company.bots[where], filled, query)
        assert reply.code in {200, 201}, (what, reply.body)


@pytest.mark.parametrize("attacks", [DEFAULT, ALL_KINDS], ids=["by webhooks and labels", "by policies"])
def test_people_and_the_operator_do_what_agents_may_not(company, attacks):
    for what, attack in attacks.items():
        assert attack(company.admin, company.namespace, DRY).code in {200, 201}, what


def test_controllers_go_on_with_what_an_agent_began(company):
    """A Deployment gets its Pods, its deletion takes them along, and a namespace is emptied."""
    bot = company.bots[STRICT]
    name = f"work-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert bot.request("POST", "/api/v1/namespaces", body=body).code == 201
    template = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    path = path_of("deployments", "web", namespace=name, api="apps/v1")
    pods = path_of("pods", "", namespace=name).rstrip("/")
    assert bot.request("POST", path.rpartition("/")[0], body=body).code == 201
    wait_until("it has a Pod", lambda: company.admin.request("GET", pods).body["items"])
    assert bot.request("DELETE", path, query={"propagationPolicy": "Foreground"}).code == 200
    wait_until("it is gone", lambda: company.admin.request("GET", path).code == 404)
    assert company.admin.request("GET", pods).body["items"] == []
    assert bot.request("DELETE", f"/api/v1/namespaces/{name}").code == 200
    wait_until("it is empty", lambda: company.admin.request("GET", f"/api/v1/namespaces/{name}").code == 404)


def live_policies(company: Company) -> list[dict[str, Any]]:
    return [
        item
        for resource in ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
        for item in company.admin.request("GET", f"{ADMISSION}/{resource}").body["items"]
    ]


def test_the_api_server_reads_them_without_a_warning(company):
    def checked() -> bool:
        policies = company.admin.request("GET", f"{ADMISSION}/validatingadmissionpolicies").body["items"]
        return all("typeChecking" in item.get("status", {}) for item in policies)

    wait_until("the policies are checked", checked)
    for item in company.admin.request("GET", f"{ADMISSION}/validatingadmissionpolicies").body["items"]:
        assert item["status"]["typeChecking"] == {}, item["metadata"]["name"]


def test_what_is_live_is_what_was_meant(company):
    live = live_policies(company)
    for expected in (policies_for(COMPANY, STRICT), stricter_for(STRICT)):
        assert {one.standing for one in compare_companions(expected, live=live)} == {Standing.BOUND}
    [changed, *_] = compare_companions(policies_for("others"), live=live)
    assert (changed.standing, changed.detail) == (Standing.CHANGED, "differs in matchConditions")
