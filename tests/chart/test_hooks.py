"""What the chart's hooks may, whom their Pods are kept apart from, and when they run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.chart.conftest import CHART

from peergate.cli.hooks.command import self_test
from peergate.settings import Settings
from peergate.shipped.companions import companion_policies

Documents = list[dict[str, Any]]


def of(documents: Documents, *kinds: str) -> Documents:
    return [document for document in documents if document["kind"] in kinds]


def pods(documents: Documents) -> Documents:
    templates = [job["spec"]["template"] for job in of(documents, "Job", "Deployment")]
    return [*of(documents, "Pod"), *templates]


def subjects(documents: Documents) -> set[tuple[str, str]]:
    return {
        (subject["namespace"], subject["name"])
        for binding in of(documents, "RoleBinding", "ClusterRoleBinding")
        for subject in binding["subjects"]
    }


EVERYTHING = {"agents": {"strict": True}, "hooks": {"selfTest": {"timeoutSeconds": 30}}}

RIGHTS = {
    # Remove the gate, and see that it is gone; unbind what would keep an agent from it.
    ("ClusterRole", "peergate-uninstall"): [
        ("validatingwebhookconfigurations", ["peergate"], ["get", "delete"]),
        ("validatingadmissionpolicybindings", ["admission-configuration.peergate.dev"], ["delete"]),
    ],
    # Compare the live configuration with the shipped one.
    ("ClusterRole", "peergate-self-test"): [("validatingwebhookconfigurations", ["peergate"], ["get"])],
    # Act as the two accounts of the test.
    ("Role", "peergate-self-test"): [
        ("serviceaccounts", ["canary", "bystander"], ["get"]),
        ("serviceaccounts/token", ["canary", "bystander"], ["create"]),
    ],
    # What the two try, by names that only the test uses.
    ("ClusterRole", "peergate-self-test-accounts"): [
        ("serviceaccounts", ["peergate-self-test"], ["delete"]),
        ("namespaces", ["peergate-test-open"], ["delete"]),
    ],
}
"""Every right of a hook, and why."""


def test_each_right_is_listed_here_and_is_on_named_objects(hooks):
    found = {
        (role["kind"], role["metadata"]["name"]): [
            (*rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in role["rules"]
        ]
        for role in of(hooks(EVERYTHING), "Role", "ClusterRole")
    }
    assert found == RIGHTS


def test_each_right_says_why():
    for name in ("uninstall.yaml", "selftest.yaml"):
        lines = [
            line.strip() for line in (CHART / "templates" / name).read_text(encoding="utf-8").splitlines()
        ]
        rules = [number for number, line in enumerate(lines) if line.startswith("- apiGroups:")]
        assert rules
        assert all(lines[number - 1].startswith("#") for number in rules), name


def test_only_accounts_that_go_with_the_hook_are_bound(hooks, rendered):
    documents = hooks(EVERYTHING)
    made = {
        (account["metadata"]["namespace"], account["metadata"]["name"])
        for account in of(documents, "ServiceAccount")
    }
    assert subjects(documents) <= made
    assert made.isdisjoint(subjects(rendered(EVERYTHING))), "the release itself binds nothing to them"


def test_whatever_may_something_goes_also_where_its_hook_failed(hooks):
    for document in hooks(EVERYTHING):
        annotations = document["metadata"]["annotations"]
        runs = document["kind"] in {"Job", "Pod"}
        assert annotations["helm.sh/hook-delete-policy"].split(",") == [
            "before-hook-creation",
            "hook-succeeded",
            *([] if runs else ["hook-failed"]),
        ]
        assert (annotations["helm.sh/hook-weight"] == "0") is runs, "who runs comes last"


def test_no_selector_of_the_release_reaches_a_pod_of_a_hook(hooks, rendered):
    release = rendered({"networkPolicy": {"enabled": True}, "metrics": {"podMonitor": {"enabled": True}}})
    selectors = [
        *(each["spec"]["selector"] for each in of(release, "Service")),
        *(
            each["spec"]["selector"]["matchLabels"]
            for each in of(release, "Deployment", "PodDisruptionBudget")
        ),
        *(each["spec"]["selector"]["matchLabels"] for each in of(release, "PodMonitor")),
        *(each["spec"]["podSelector"]["matchLabels"] for each in of(release, "NetworkPolicy")),
    ]
    assert len(selectors) == 5
    for pod in pods(hooks()):
        for selector in selectors:
            assert not selector.items() <= pod["metadata"]["labels"].items()


def test_their_pods_are_as_confined_as_the_operators(hooks, rendered):
    values = {
        "image": {"registry": "images.example", "pullPolicy": "Always"},
        "global": {"imagePullSecrets": ["registry"]},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "priorityClassName": "guard",
    }
    [wanted] = pods(rendered(values))
    found = pods(hooks(values))
    assert len(found) == 2
    for pod in found:
        for member in ("imagePullSecrets", "nodeSelector", "tolerations", "priorityClassName"):
            assert pod["spec"][member] == wanted["spec"][member]
        security = dict(wanted["spec"]["securityContext"])
        assert pod["spec"]["securityContext"] == {k: v for k, v in security.items() if k != "fsGroup"}
        [container], [operators] = pod["spec"]["containers"], wanted["spec"]["containers"]
        for member in ("image", "imagePullPolicy", "securityContext"):
            assert container[member] == operators[member]
        assert "command" not in container
        assert pod["spec"]["restartPolicy"] == "Never"


EVENTS = {
    "by default": ({}, {"pre-delete", "post-install", "post-upgrade", "test"}),
    "without the install gate": ({"hooks": {"selfTest": {"enabled": False}}}, {"pre-delete", "test"}),
    "without the way out": (
        {"hooks": {"uninstall": {"enabled": False}}},
        {"post-install", "post-upgrade", "test"},
    ),
    "without rights": ({"rbac": {"create": False}}, set()),
}


@pytest.mark.parametrize(("values", "events"), EVENTS.values(), ids=EVENTS)
def test_when_they_run(hooks, values, events):
    found = {
        event
        for document in hooks(values)
        for event in document["metadata"]["annotations"]["helm.sh/hook"].split(",")
    }
    assert found == events


def test_the_policy_that_is_unbound_is_the_one_that_keeps_agents_from_the_gate(hooks):
    settings = Settings.model_validate({"agents": {"strict": True}})
    names = {document["metadata"]["name"] for document in companion_policies(settings)}
    [job] = of(hooks(EVERYTHING), "Job")
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[-2:] == ["--binding", "admission-configuration.peergate.dev"]
    assert arguments[-1] in names
    without = of(hooks({"agents": {"strict": True}, "companionPolicies": {"enabled": False}}), "Job")
    assert "--binding" not in without[0]["spec"]["template"]["spec"]["containers"][0]["args"]


def test_the_self_test_outlasts_what_drains(hooks):
    """The command's default, which the chart leaves alone."""
    [pod] = of(hooks(), "Pod")
    assert "--settle" not in pod["spec"]["containers"][0]["args"]
    [settle] = [option for option in self_test.params if option.name == "settle"]
    assert settle.default > timedelta(seconds=Settings().webhook.drain_seconds)
    values = {"hooks": {"selfTest": {"timeoutSeconds": 30}}}
    assert of(hooks(values), "Pod")[0]["spec"]["activeDeadlineSeconds"] > 30 + settle.default.total_seconds()


def test_names_fit_however_long_the_release_is_called(hooks):
    documents = hooks({"fullnameOverride": "a" * 80})
    assert max(len(document["metadata"]["name"]) for document in of(documents, "Namespace", "Job")) <= 63
    tagged = [one for one in of(documents, "ServiceAccount") if one["metadata"]["name"] == "canary"]
    assert tagged[0]["metadata"]["labels"]["peergate.dev/agent"] == "true"


def test_labels_of_ones_own_are_the_canarys_and_its_namespaces(hooks):
    documents = hooks({"labels": {"agent": "example.com/bot", "protected": "example.com/guarded"}})
    [canary] = [one for one in documents if one["metadata"]["name"] == "canary"]
    assert canary["metadata"]["labels"]["example.com/bot"] == "true"
    held = [one for one in of(documents, "Namespace") if one["metadata"]["name"].endswith("-held")]
    assert held[0]["metadata"]["labels"]["example.com/guarded"] == "true"
