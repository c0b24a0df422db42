"""Whose requests the API server sends to which gate: the rendered configuration on a real API server.

The webhook behind it admits and remembers. Requests are by impersonated users, who have exactly the name and
groups of the case, and are dry runs where that is possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.harness.cluster import Cluster
from tests.support.recorder import Recorder, recording
from tests.support.resources import approver, change_request

from peergate.control.crds import custom_resource_definitions
from peergate.settings import AgentSettings, Settings
from peergate.shipped.webhookconfig import (
    AGENTS_FIELD_MANAGER,
    MAX_EXPRESSION,
    MAX_NAMES,
    Exact,
    Wide,
    agents_patch,
    exact_condition,
    render,
)

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("who-is-sent")]

_SA = "system:serviceaccount"
_AGENT = f"{_SA}:team:coder"
_TRUSTED = f"{_SA}:gitops:sync"
SETTINGS = Settings(
    agents=AgentSettings(
        namespaces=("listed-agents",),
        groups=("oidc:ai-agents",),
        usernames=("oidc:bot-*", "a.b+c"),
        trusted=(_TRUSTED, "oidc:bot-trusted"),
    )
)
ACCOUNTS = (_AGENT, _TRUSTED, f"{_SA}:kube-system:tagged", f"{_SA}:kube-system-2:x")
LABELLED = ("labelled-agents",)
_PATH = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"


@dataclass(frozen=True, slots=True)
class World:
    cluster: Cluster
    recorder: Recorder

    def send(self, request: Request, *, user: str, group: str = "") -> set[str]:
        """Send one request; return the gates it arrived at."""
        self.recorder.take()
        headers = {"Impersonate-User": user} | ({"Impersonate-Group": group} if group else {})
        answer = self.cluster.admin.request(
            request.method,
            request.path,
            body=request.body,
            content_type=request.content_type,
            query={} if request.connects else {"dryRun": "All"},
            headers=headers,
        )
        assert request.connects or answer.code in {200, 201}, answer.body
        return {gate for gate, _ in self.recorder.take()}

    def narrow(self, expression: str | None) -> None:
        """Take the exact condition away, and apply this one in its place; return when it is in effect."""
        for wanted in (None, expression) if expression else (None,):
            answer = self.apply(self.patch(wanted), manager=AGENTS_FIELD_MANAGER)
            assert answer.code == 200, answer.body
            self.settle(narrow=wanted is not None)

    def patch(self, expression: str | None) -> dict[str, Any]:
        names = [entry["name"] for entry in self.configuration()["webhooks"]]
        return agents_patch(expression, names=names, configuration="peergate")

    def configuration(self) -> dict[str, Any]:
        answer = self.cluster.admin.request("GET", _PATH)
        assert answer.code == 200
        return dict(answer.body)

    def apply(self, document: Mapping[str, Any], *, manager: str) -> Any:
        return self.cluster.admin.request(
            "PATCH",
            _PATH,
            body=dict(document),
            content_type="application/apply-patch+yaml",
            query={"fieldManager": manager, "force": "true"},
        )

    def settle(self, *, narrow: bool) -> None:
        """Wait until the API server acts on the configuration (C21), as an untagged account shows."""
        for _ in range(600):
            if bool(self.send(CREATE_CONFIGMAP, user=f"{_SA}:team:nobody-in-particular")) is not narrow:
                return
        raise AssertionError("the configuration did not take effect")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    connects: bool = False


def _create(path: str, kind: str, api_version: str = "v1", /, **members: Any) -> Request:
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "new"}, **members}
    return Request("POST", path, body)


def _merge(path: str, body: Mapping[str, Any]) -> Request:
    return Request("PATCH", path, body, "application/merge-patch+json")


_POD = {"containers": [{"name": "c", "image": "registry.k8s.io/pause:3.10"}]}
_TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": _POD}
_OWNER = {"apiVersion": "example.com/v1", "kind": "Unserved", "name": "a", "uid": "a"}
"""Of a kind that is not served, so that the garbage collector leaves it alone."""
_OTHER = {**_OWNER, "name": "b", "uid": "b"}
_ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
CREATE_CONFIGMAP = _create("/api/v1/namespaces/shop/configmaps", "ConfigMap")


def _core(namespace: str, resource: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/{resource}{'/' if name else ''}{name}"


def _group(group: str, namespace: str, resource: str, name: str = "") -> str:
    return f"/apis/{group}/namespaces/{namespace}/{resource}{'/' if name else ''}{name}"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Cluster() as cluster, recording(cluster) as recorder:
        cluster.admin.apply(*custom_resource_definitions().values())
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s").must()
        cluster.admin.apply(*_background())
        for namespace in ("shop", "free", SETTINGS.namespace):
            _fill(cluster, namespace)
        cluster.admin.apply(render(SETTINGS, client_config=recorder.client_config))
        made = World(cluster=cluster, recorder=recorder)
        made.settle(narrow=False)
        yield made


def _background() -> list[dict[str, Any]]:
    """Return namespaces, and every right for everybody: who is sent must not depend on who is allowed."""
    namespaces = {"shop": {"peergate.dev/protected": "true"}, "free": {}, SETTINGS.namespace: {}}
    return [
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            for name, labels in namespaces.items()
        ),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "everybody"},
            "roleRef": {**_ROLE, "name": "cluster-admin"},
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": f"system:{name}"}
                for name in ("authenticated", "unauthenticated")
            ],
        },
    ]


def _fill(cluster: Cluster, namespace: str) -> None:
    """Put into a namespace what the requests change; names are ``old``."""
    for request in (
        _create(_core(namespace, "serviceaccounts"), "ServiceAccount"),
        _create(_core(namespace, "secrets"), "Secret"),
        _create(_core(namespace, "pods"), "Pod", spec={**_POD, "serviceAccountName": "old"}),
        _create(_group("coordination.k8s.io/v1", namespace, "leases"), "Lease", "coordination.k8s.io/v1"),
        _event(namespace),
        _create(
            _group("rbac.authorization.k8s.io/v1", namespace, "rolebindings"),
            "RoleBinding",
            "rbac.authorization.k8s.io/v1",
            roleRef=_ROLE,
        ),
        _deployment(namespace),
    ):
        metadata = {**request.body["metadata"], "name": "old"}
        if request.body["kind"] in {"Lease", "Event"}:
            metadata |= {"ownerReferences": [_OWNER], "finalizers": ["example.com/keep"]}
        body = {**request.body, "metadata": metadata}
        answer = cluster.admin.request("POST", request.path, body=body)
        assert answer.code == 201, answer.body


def _event(namespace: str) -> Request:
    involved = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": "x"}
    return _create(_core(namespace, "events"), "Event", involvedObject=involved)


def _deployment(namespace: str) -> Request:
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": _TEMPLATE}
    return _create(_group("apps/v1", namespace, "deployments"), "Deployment", "apps/v1", spec=spec)


# --- who ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Who:
    user: str
    wide: bool
    exact: bool
    group: str = field(default="")
    """One group besides system:authenticated; empty: those the API server gives a service account."""


WHO: dict[str, Who] = {
    "a tagged account": Who(_AGENT, wide=True, exact=True),
    "a tagged account, impersonated without its groups": Who(_AGENT, wide=True, exact=True, group="x"),
    "an account that is not tagged": Who(f"{_SA}:team:other", wide=True, exact=False),
    "an account whose name goes on": Who(f"{_SA}:team:coder2", wide=True, exact=False),
    "an account whose name is shorter": Who(f"{_SA}:team:code", wide=True, exact=False),
    "the same name in another namespace": Who(f"{_SA}:team2:coder", wide=True, exact=False),
    "a trusted account, although tagged": Who(_TRUSTED, wide=False, exact=False),
    "a trusted account in an agents' group": Who(_TRUSTED, wide=False, exact=False, group="oidc:ai-agents"),
    "an account whose name starts as a trusted one's": Who(f"{_TRUSTED}2", wide=True, exact=False),
    "an account of kube-system, although tagged": Who(f"{_SA}:kube-system:tagged", wide=False, exact=False),
    "a tagged account of kube-system-2": Who(f"{_SA}:kube-system-2:x", wide=True, exact=True),
    "an account in a listed agents' namespace": Who(f"{_SA}:listed-agents:x", wide=True, exact=True),
    "the same without its groups": Who(f"{_SA}:listed-agents:x", wide=True, exact=True, group="x"),
    "an account in a labelled agents' namespace": Who(f"{_SA}:labelled-agents:x", wide=True, exact=True),
    "an account in a namespace whose name goes on": Who(f"{_SA}:listed-agents2:x", wide=True, exact=False),
    "a person in the group of an agents' namespace": Who(
        "alice", wide=True, exact=True, group="system:serviceaccounts:labelled-agents"
    ),
    "a person in the group of another namespace": Who(
        "alice", wide=True, exact=False, group="system:serviceaccounts:team"
    ),
    "a person in an agents' group": Who("alice", wide=True, exact=True, group="oidc:ai-agents"),
    "a person in a group whose name goes on": Who("alice", wide=False, exact=False, group="oidc:ai-agents2"),
    "a person who claims to be the self-test": Who(
        "alice", wide=True, exact=True, group="peergate.dev:self-test"
    ),
    "a name of an agent": Who("oidc:bot-7", wide=True, exact=True),
    "a name that a glob means letter by letter": Who("a.b+c", wide=True, exact=True),
    "a name that a pattern would take for it": Who("axbbc", wide=False, exact=False),
    "a name that only contains an agent's": Who("my-oidc:bot-7", wide=False, exact=False),
    "a trusted name of an agent": Who("oidc:bot-trusted", wide=False, exact=False),
    "a person": Who("alice", wide=False, exact=False),
    "an administrator": Who("alice", wide=False, exact=False, group="system:masters"),
    "a node": Who("system:node:one", wide=False, exact=False, group="system:nodes"),
    "a controller": Who("system:kube-controller-manager", wide=False, exact=False),
    "nobody": Who("system:anonymous", wide=False, exact=False),
    "the operator": Who(SETTINGS.operator_username, wide=False, exact=False),
    "an account whose name starts as the operator's": Who(
        f"{SETTINGS.operator_username}2", wide=True, exact=False
    ),
}


def test_who_is_sent(world: World) -> None:
    """One test for the table: the configuration is one, and waiting for it costs more than the requests."""
    narrowing = exact_condition(SETTINGS, accounts=ACCOUNTS, namespaces=LABELLED)
    assert isinstance(narrowing, Exact)
    for expression in (None, narrowing.expression):
        world.narrow(expression)
        sent = {
            sentence: world.send(CREATE_CONFIGMAP, user=who.user, group=who.group)
            for sentence, who in WHO.items()
        }
        wanted = {
            sentence: {"namespaced"} if (who.wide if expression is None else who.exact) else set()
            for sentence, who in WHO.items()
        }
        assert sent == wanted


# --- what ---------------------------------------------------------------------------------------------------

_IDENTITY_OR = {"shop": {"namespaced"}, "free": {"identity"}, SETTINGS.namespace: {"own"}}
_NOWHERE_ELSE: dict[str, set[str]] = {"shop": {"namespaced"}, "free": set(), SETTINGS.namespace: {"own"}}
_OWN_ONLY: dict[str, set[str]] = {"shop": set(), "free": set(), SETTINGS.namespace: {"own"}}


def _everywhere(what: str, make: Any, wanted: Mapping[str, set[str]]) -> dict[str, tuple[Request, set[str]]]:
    return {f"{what} in {namespace}": (make(namespace), gates) for namespace, gates in wanted.items()}


WHAT: dict[str, tuple[Request, set[str]]] = {
    **_everywhere(
        "creating a ConfigMap", lambda ns: _create(_core(ns, "configmaps"), "ConfigMap"), _NOWHERE_ELSE
    ),
    **_everywhere(
        "creating a Lease",
        lambda ns: _create(_group("coordination.k8s.io/v1", ns, "leases"), "Lease", "coordination.k8s.io/v1"),
        _OWN_ONLY,
    ),
    **_everywhere(
        "renewing a Lease",
        lambda ns: _merge(
            _group("coordination.k8s.io/v1", ns, "leases", "old"),
            {"metadata": {"annotations": {"a": "b"}}, "spec": {"holderIdentity": "x"}},
        ),
        _OWN_ONLY,
    ),
    **_everywhere(
        "labelling a Lease",
        lambda ns: _merge(
            _group("coordination.k8s.io/v1", ns, "leases", "old"), {"metadata": {"labels": {"a": "b"}}}
        ),
        _NOWHERE_ELSE,
    ),
    **_everywhere(
        "giving a Lease another owner",
        lambda ns: _merge(
            _group("coordination.k8s.io/v1", ns, "leases", "old"), {"metadata": {"ownerReferences": [_OTHER]}}
        ),
        _NOWHERE_ELSE,
    ),
    **_everywhere(
        "dropping the owner of an Event",
        lambda ns: _merge(_core(ns, "events", "old"), {"metadata": {"ownerReferences": None}}),
        _NOWHERE_ELSE,
    ),
    **_everywhere(
        "dropping the finalizers of an Event",
        lambda ns: _merge(_core(ns, "events", "old"), {"metadata": {"finalizers": None}}),
        _NOWHERE_ELSE,
    ),
    **_everywhere(
        "counting an Event",
        lambda ns: _merge(_core(ns, "events", "old"), {"count": 2}),
        _OWN_ONLY,
    ),
    **_everywhere(
        "deleting a Lease",
        lambda ns: Request("DELETE", _group("coordination.k8s.io/v1", ns, "leases", "old")),
        _NOWHERE_ELSE,
    ),
    **_everywhere("creating an Event", _event, _OWN_ONLY),
    **_everywhere(
        "deleting an Event", lambda ns: Request("DELETE", _core(ns, "events", "old")), _NOWHERE_ELSE
    ),
    **_everywhere("deleting all Events", lambda ns: Request("DELETE", _core(ns, "events")), _NOWHERE_ELSE),
    **_everywhere(
        "updating an Event by events.k8s.io",
        lambda ns: _merge(
            _group("events.k8s.io/v1", ns, "events", "old"), {"metadata": {"annotations": {"a": "b"}}}
        ),
        _OWN_ONLY,
    ),
    **_everywhere(
        "asking for a token",
        lambda ns: Request(
            "POST",
            _core(ns, "serviceaccounts", "old/token"),
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["x"]}},
        ),
        _IDENTITY_OR,
    ),
    **_everywhere(
        "creating a ServiceAccount",
        lambda ns: _create(_core(ns, "serviceaccounts"), "ServiceAccount"),
        _IDENTITY_OR,
    ),
    **_everywhere(
        "tagging a ServiceAccount",
        lambda ns: _merge(
            _core(ns, "serviceaccounts", "old"), {"metadata": {"labels": {"peergate.dev/agent": None}}}
        ),
        _IDENTITY_OR,
    ),
    **_everywhere(
        "deleting a ServiceAccount",
        lambda ns: Request("DELETE", _core(ns, "serviceaccounts", "old")),
        _IDENTITY_OR,
    ),
    **_everywhere("creating a Secret", lambda ns: _create(_core(ns, "secrets"), "Secret"), _IDENTITY_OR),
    **_everywhere(
        "deleting a Secret", lambda ns: Request("DELETE", _core(ns, "secrets", "old")), _NOWHERE_ELSE
    ),
    **_everywhere(
        "binding a role",
        lambda ns: _create(
            _group("rbac.authorization.k8s.io/v1", ns, "rolebindings"),
            "RoleBinding",
            "rbac.authorization.k8s.io/v1",
            roleRef=_ROLE,
        ),
        _IDENTITY_OR,
    ),
    **_everywhere(
        "creating a Pod",
        lambda ns: _create(_core(ns, "pods"), "Pod", spec={**_POD, "serviceAccountName": "old"}),
        _IDENTITY_OR,
    ),
    **_everywhere("creating a Deployment", _deployment, _IDENTITY_OR),
    **_everywhere(
        "creating a CronJob",
        lambda ns: _create(
            _group("batch/v1", ns, "cronjobs"),
            "CronJob",
            "batch/v1",
            spec={
                "schedule": "0 0 * * *",
                "jobTemplate": {"spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}},
            },
        ),
        _IDENTITY_OR,
    ),
    **_everywhere(
        "scaling a Deployment",
        lambda ns: _merge(_group("apps/v1", ns, "deployments", "old/scale"), {"spec": {"replicas": 1}}),
        _NOWHERE_ELSE,
    ),
    **_everywhere(
        "changing a Deployment by its status",
        lambda ns: _merge(
            _group("apps/v1", ns, "deployments", "old/status"), {"metadata": {"labels": {"x": "y"}}}
        ),
        _NOWHERE_ELSE,
    ),
    **_everywhere(
        "adding an ephemeral container",
        lambda ns: Request(
            "PATCH",
            _core(ns, "pods", "old/ephemeralcontainers"),
            {"spec": {"ephemeralContainers": [{"name": "e", "image": "registry.k8s.io/pause:3.10"}]}},
            "application/strategic-merge-patch+json",
        ),
        _IDENTITY_OR,
    ),
    **_everywhere(
        "running a command in a Pod",
        lambda ns: Request("POST", f"{_core(ns, 'pods', 'old/exec')}?command=id&stdout=true", connects=True),
        _IDENTITY_OR,
    ),
    **_everywhere(
        "reaching a Pod's port",
        lambda ns: Request("GET", _core(ns, "pods", "old/proxy/x"), connects=True),
        _IDENTITY_OR,
    ),
    **_everywhere(
        "evicting a Pod",
        lambda ns: Request(
            "POST",
            _core(ns, "pods", "old/eviction"),
            {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "old", "namespace": ns}},
        ),
        _NOWHERE_ELSE,
    ),
    **_everywhere(
        "asking what a namespace's reader may do",
        lambda ns: _create(
            _group("authorization.k8s.io/v1", ns, "localsubjectaccessreviews"),
            "LocalSubjectAccessReview",
            "authorization.k8s.io/v1",
            metadata={"namespace": ns},
            spec={"user": "x", "resourceAttributes": {"namespace": ns, "verb": "get", "resource": "pods"}},
        ),
        {"shop": set(), "free": set(), SETTINGS.namespace: set()},
    ),
    "asking what it may do": (
        _create(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "SelfSubjectAccessReview",
            "authorization.k8s.io/v1",
            metadata={},
            spec={"resourceAttributes": {"verb": "get", "resource": "pods"}},
        ),
        set(),
    ),
    "taking the label from a namespace": (
        _merge("/api/v1/namespaces/shop", {"metadata": {"labels": {"peergate.dev/protected": None}}}),
        {"cluster"},
    ),
    "taking the label from a namespace by its status": (
        _merge("/api/v1/namespaces/shop/status", {"metadata": {"labels": {"peergate.dev/protected": None}}}),
        {"cluster"},
    ),
    "deleting a namespace": (Request("DELETE", "/api/v1/namespaces/shop"), {"cluster"}),
    "labelling the operator's namespace": (
        _merge(f"/api/v1/namespaces/{SETTINGS.namespace}", {"metadata": {"labels": {"a": "b"}}}),
        {"cluster"},
    ),
    "creating a ClusterRole": (
        _create(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRole", "rbac.authorization.k8s.io/v1"
        ),
        {"cluster"},
    ),
    "deleting a definition of ours": (
        Request("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/approvers.peergate.dev"),
        {"cluster"},
    ),
    "registering an approver": (
        Request("POST", "/apis/peergate.dev/v1alpha1/approvers", approver()),
        {"cluster", "resources"},
    ),
    "filing a request": (
        Request("POST", _group("peergate.dev/v1alpha1", "shop", "changerequests"), change_request()),
        {"namespaced", "resources"},
    ),
    "filing a request where nothing is protected": (
        Request("POST", _group("peergate.dev/v1alpha1", "free", "changerequests"), change_request()),
        {"resources"},
    ),
}


def test_what_an_agent_sends(world: World) -> None:
    narrowing = exact_condition(SETTINGS, accounts=ACCOUNTS)
    assert isinstance(narrowing, Exact)
    world.narrow(narrowing.expression)
    sent = {sentence: world.send(request, user=_AGENT) for sentence, (request, _) in WHAT.items()}
    assert sent == {sentence: gates for sentence, (_, gates) in WHAT.items()}


def test_our_own_resources_are_looked_at_for_everybody_else_too(world: World) -> None:
    request, _ = WHAT["registering an approver"]
    assert world.send(request, user="alice") == {"resources"}
    assert world.send(request, user=f"{_SA}:kube-system:deployer") == set()
    assert world.send(request, user=SETTINGS.operator_username) == set()


# --- how many -----------------------------------------------------------------------------------------------


def test_two_thousand_names(world: World) -> None:
    """As many as are listed at most, of a realistic length; a person with many groups is not held up."""
    accounts = [
        f"{_SA}:team-{number:04d}-agents:coding-assistant-{number:06d}-prod" for number in range(MAX_NAMES)
    ]
    narrowing = exact_condition(SETTINGS, accounts=accounts, namespaces=LABELLED)
    assert isinstance(narrowing, Exact)
    world.narrow(narrowing.expression)
    assert world.send(CREATE_CONFIGMAP, user=accounts[0]) == {"namespaced"}
    assert world.send(CREATE_CONFIGMAP, user=accounts[-1]) == {"namespaced"}
    assert world.send(CREATE_CONFIGMAP, user=f"{_SA}:team-0000-agents:x") == set()
    busy = world.cluster.kubeconfig_for_user("busy", groups=[f"oidc:group-{number}" for number in range(500)])
    world.recorder.take()
    answer = world.cluster.client(busy).request(
        "POST", CREATE_CONFIGMAP.path, body=CREATE_CONFIGMAP.body, query={"dryRun": "All"}
    )
    assert answer.code == 201, answer.body
    assert world.recorder.take() == []


def test_the_longest_names_fill_the_expression(world: World) -> None:
    """One name more than is let through, and the API server would refuse the whole condition."""
    accounts = [f"{_SA}:{'n' * 57}{number:06d}:{'a' * 253}" for number in range(400)]
    fitting = max(
        number
        for number in range(400)
        if isinstance(exact_condition(SETTINGS, accounts=accounts[:number]), Exact)
    )
    longest = exact_condition(SETTINGS, accounts=accounts[:fitting])
    assert isinstance(longest, Exact)
    world.narrow(longest.expression)
    wide = exact_condition(SETTINGS, accounts=accounts[: fitting + 1])
    assert isinstance(wide, Wide)
    assert wide.why == "length"
    room = MAX_EXPRESSION - len(longest.expression)
    document = world.patch(f'{longest.expression} || "{"x" * room}" == ""')
    answer = world.apply(document, manager=AGENTS_FIELD_MANAGER)
    assert answer.code == 422
    assert "exceeds limit" in answer.body["message"]


# --- whose field it is --------------------------------------------------------------------------------------


def test_the_condition_is_the_operators_and_the_rest_the_charts(world: World) -> None:
    judging = {"namespaced", "cluster", "own", "identity"}
    world.narrow('request.userInfo.username == "somebody"')
    before = world.configuration()
    shipped = render(SETTINGS, client_config=world.recorder.client_config)
    # The chart is installed again: it knows nothing of the condition, which stays, last and in place.
    assert world.apply(shipped, manager="chart").code == 200
    after = world.configuration()
    assert [entry["name"] for entry in after["webhooks"]] == [entry["name"] for entry in before["webhooks"]]
    for entry in after["webhooks"]:
        names = [condition["name"] for condition in entry["matchConditions"]]
        gate = entry["name"].partition(".")[0]
        assert names[-1:] == (["agents"] if gate in judging else ["not-kube-system"])
        assert names.count("agents") == (gate in judging)
    # Applying the same again changes nothing, so replicas that do it don't wake every API server.
    generation = after["metadata"]["generation"]
    again = world.patch('request.userInfo.username == "somebody"')
    assert world.apply(again, manager=AGENTS_FIELD_MANAGER).code == 200
    assert world.configuration()["metadata"]["generation"] == generation
    # Applying without it takes away the condition and nothing else.
    world.narrow(None)
    assert _without_defaults(world.configuration()["webhooks"]) == shipped["webhooks"]


def test_an_entry_that_is_not_there_is_refused(world: World) -> None:
    """Why the names are asked for: the API server would have to make the entry, and lacks the rest of it."""
    document = agents_patch("true", names=["own.gate.peergate.dev"], configuration="peergate")
    document["webhooks"][0]["name"] = "gone.gate.peergate.dev"
    answer = world.apply(document, manager=AGENTS_FIELD_MANAGER)
    assert answer.code == 422
    assert "clientConfig" in answer.body["message"]


def _without_defaults(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            name: value
            for name, value in entry.items()
            if name != "objectSelector" and (name != "namespaceSelector" or value)
        }
        for entry in entries
    ]
