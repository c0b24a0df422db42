"""What the chart makes of its values."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.chart.conftest import CHART
from tests.tools.generate import ROOT

from peergate.control.crds import custom_resource_definitions
from peergate.settings import Settings
from peergate.shipped.companions import companion_policies
from peergate.shipped.webhookconfig import render, service_client_config


def the(documents: list[dict[str, Any]], kind: str, name: str = "peergate") -> dict[str, Any]:
    [found] = [
        document
        for document in documents
        if document["kind"] == kind and document["metadata"]["name"] == name
    ]
    return found


def settings_of(documents: list[dict[str, Any]], name: str = "peergate") -> Settings:
    pods = the(documents, "Deployment", name)["spec"]["template"]
    [volume] = [volume for volume in pods["spec"]["volumes"] if volume["name"] == "settings"]
    [item] = volume["downwardAPI"]["items"]
    assert item["path"] == "settings.yaml"
    assert item["fieldRef"]["fieldPath"] == "metadata.annotations['peergate.dev/settings']"
    text = pods["metadata"]["annotations"]["peergate.dev/settings"]
    return Settings.model_validate(yaml.safe_load(text))


def test_lint_has_nothing_to_say(helm):
    done = helm.run("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


SETTINGS = {
    "all defaults": {},
    "agents by namespace, group and name": {
        "agents": {
            "namespaces": ["bots"],
            "groups": ["peergate.dev:ai-agents", 'quo"ted'],
            "usernames": ["oidc:*@agents.example.com", "a.b+c|d(e)[f]{g}^$\\h"],
            "trusted": ["system:serviceaccount:argocd:controller"],
        }
    },
    "strict": {"agents": {"strict": True}},
    "other labels and times": {
        "labels": {
            "protected": "example.com/guarded",
            "agent": "example.com/bot",
            "agents": "example.com/bots",
        },
        "approvals": {"retryWindow": "0s"},
        "webhook": {"timeoutSeconds": 10},
    },
}


@pytest.mark.parametrize("values", SETTINGS.values(), ids=SETTINGS)
def test_the_webhook_configuration_is_the_operators_own(rendered, values):
    documents = rendered(values)
    settings = settings_of(documents)
    wanted = render(settings, client_config=service_client_config(settings))
    found = the(documents, "ValidatingWebhookConfiguration")
    assert found["webhooks"] == wanted["webhooks"]


@pytest.mark.parametrize("values", SETTINGS.values(), ids=SETTINGS)
def test_the_companion_policies_are_the_operators_own(rendered, values):
    documents = rendered(values)
    wanted = companion_policies(settings_of(documents))
    found = [document for document in documents if "ValidatingAdmissionPolicy" in document["kind"]]
    key = lambda document: (document["kind"], document["metadata"]["name"])  # noqa: E731
    assert sorted(map(key, found)) == sorted(map(key, wanted))
    for document in wanted:
        assert the(documents, *key(document))["spec"] == document["spec"]


def test_companion_policies_are_left_out_when_nobody_wants_them(rendered):
    documents = rendered({"agents": {"groups": ["ai"]}, "companionPolicies": {"enabled": False}})
    assert not any("ValidatingAdmissionPolicy" in document["kind"] for document in documents)


def test_values_reach_the_operator(rendered):
    settings = settings_of(
        rendered(SETTINGS["agents by namespace, group and name"] | {"log": {"level": "debug"}})
    )
    assert settings.agents.namespaces == ("bots",)
    assert settings.agents.usernames[0] == "oidc:*@agents.example.com"
    assert settings.log.level == "debug"
    assert settings.operator_username == "system:serviceaccount:peergate-system:peergate"


def test_client_verification_reaches_the_operator_and_its_key_would_not(rendered):
    asked = {"enabled": True, "caSecret": "clients", "subjects": ["kube-apiserver"]}
    documents = rendered({"webhook": {"clientVerification": asked}})
    found = settings_of(documents).webhook.client_verification
    assert (found.enabled, found.subjects) == (True, ("kube-apiserver",))
    pod = the(documents, "Deployment")["spec"]["template"]["spec"]
    [volume] = [each for each in pod["volumes"] if each["name"] == "client-ca"]
    assert volume["secret"] == {"secretName": "clients", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    [mount] = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "client-ca"]
    assert f"{mount['mountPath']}/ca.crt" == str(found.ca_file)
    assert settings_of(rendered()).webhook.client_verification == Settings().webhook.client_verification


def test_the_configuration_comes_last_and_goes_first_with_argo_cd(rendered):
    def wave(values: dict[str, Any]) -> str:
        found = the(rendered(values), "ValidatingWebhookConfiguration")
        return found["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]

    assert wave({}) == "10"
    assert wave({"webhook": {"annotations": {"argocd.argoproj.io/sync-wave": "3"}}}) == "3"


def test_the_rights_are_those_of_the_manifest(rendered):
    roles = {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    wanted = [
        document
        for document in yaml.safe_load_all((ROOT / "manifests" / "rbac.yaml").read_text(encoding="utf-8"))
        if document["kind"] in roles
    ]
    documents = rendered({"rbac": {"aggregate": False}})
    found = [document for document in documents if document["kind"] in roles]
    key = lambda document: (document["kind"], document["metadata"]["name"])  # noqa: E731
    assert [key(document) for document in sorted(found, key=key)] == sorted(map(key, wanted))
    for document in wanted:
        mine = the(documents, *key(document))
        for member in ("rules", "roleRef", "subjects", "aggregationRule"):
            assert mine.get(member) == document.get(member)
        labels = document["metadata"]["labels"]
        assert labels.items() <= mine["metadata"]["labels"].items()


def test_secrets_are_left_out_when_nobody_wants_them_filed(rendered):
    documents = rendered({"rbac": {"readSecrets": False}})
    assert not any(document["metadata"]["name"] == "peergate-reads-secrets" for document in documents)


def test_another_name_and_namespace_run_through_everything(rendered):
    text = yaml.safe_dump_all(rendered({"fullnameOverride": "guard", "namespaceOverride": "safe"}))
    assert "peergate-system" not in text
    assert "system:serviceaccount:safe:guard" in text
    documents = list(yaml.safe_load_all(text))
    found = {(document["kind"], document["metadata"]["name"]) for document in documents}
    assert not {name for kind, name in found if kind != "CustomResourceDefinition" and "peergate" in name}
    role = the(documents, "ClusterRole", "guard-operator")
    named = [rule["resourceNames"] for rule in role["rules"] if "resourceNames" in rule]
    assert named == [["guard"]]
    settings = settings_of(documents, "guard")
    assert (settings.namespace, settings.service_account, settings.tls.secret) == (
        "safe",
        "guard",
        "guard-tls",
    )
    lease = the(documents, "Role", "guard-operator")
    assert ["peergate-leader"] in [rule.get("resourceNames") for rule in lease["rules"]]


def test_crds_are_the_models_and_stay(rendered):
    found = {
        document["spec"]["names"]["plural"]: document
        for document in rendered()
        if document["kind"] == "CustomResourceDefinition"
    }
    wanted = custom_resource_definitions()
    assert found.keys() == wanted.keys()
    for plural, document in found.items():
        assert document["spec"] == wanted[plural]["spec"]
        assert document["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    without = rendered({"crds": {"enabled": False}})
    assert not any(document["kind"] == "CustomResourceDefinition" for document in without)
    gone = rendered({"crds": {"keep": False}})
    assert not any(
        document["metadata"].get("annotations")
        for document in gone
        if document["kind"] == "CustomResourceDefinition"
    )


def test_the_pod_meets_the_restricted_profile_and_has_no_cpu_limit(rendered):
    pod = the(rendered(), "Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "cpu" not in container["resources"]["limits"]
    assert pod["priorityClassName"] == "system-cluster-critical"


@pytest.mark.parametrize(
    ("image", "want"),
    [
        ({}, "peergate/peergate:0.1.0"),
        ({"tag": "1.2.3"}, "peergate/peergate:1.2.3"),
        ({"tag": "1.2.3", "digest": f"sha256:{'a' * 64}"}, f"peergate/peergate@sha256:{'a' * 64}"),
        ({"registry": "images.example"}, "images.example/peergate/peergate:0.1.0"),
    ],
)
def test_the_image_is_named_by_registry_repository_and_digest_or_tag(rendered, image, want):
    pod = the(rendered({"image": image}), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == want


def test_a_registry_for_all_replaces_the_images_own(rendered):
    pod = the(rendered({"global": {"imageRegistry": "mirror.example"}}), "Deployment")["spec"]["template"][
        "spec"
    ]
    assert pod["containers"][0]["image"] == "mirror.example/peergate/peergate:0.1.0"


def test_other_settings_are_other_pods_and_nothing_else_is(rendered):
    def pods(values: dict[str, Any]) -> Any:
        return the(rendered(values), "Deployment")["spec"]["template"]

    assert pods({}) != pods({"log": {"level": "debug"}})
    assert pods({}) == pods({"replicaCount": 3})


IMPOSSIBLE = {
    "a Secret that nobody named": (
        {"tls": {"mode": "existingSecret"}},
        "name the Secret in tls.existingSecret",
    ),
    "a Secret whose CA nobody knows": (
        {"tls": {"mode": "existingSecret", "existingSecret": "mine"}},
        "give the CA in tls.caBundle",
    ),
    "a Secret beside a certificate of our own": (
        {"tls": {"existingSecret": "mine"}},
        "need tls.mode existingSecret",
    ),
    "an issuer without cert-manager": ({"tls": {"issuerRef": {"name": "ca"}}}, "needs tls.mode certManager"),
    "a budget that lets no node be drained": (
        {"podDisruptionBudget": {"minAvailable": 2}},
        "no node could be drained",
    ),
    "an account that is neither made nor named": ({"serviceAccount": {"create": False}}, "name the account"),
    "one port for two": ({"metrics": {"port": 10250}}, "are the same"),
    "trust in the operator's own account": (
        {"agents": {"trusted": ["system:serviceaccount:peergate-system:peergate"]}},
        "never an agent anyway",
    ),
    "agents in the operator's namespace": ({"agents": {"namespaces": ["peergate-system"]}}, "own namespace"),
    "agents in kube-system": ({"agents": {"namespaces": ["kube-system"]}}, "are never agents"),
    "client certificates of CAs that nobody named": (
        {"webhook": {"clientVerification": {"enabled": True}}},
        "name the Secret with the CAs in webhook.clientVerification.caSecret",
    ),
    "CAs of clients who are not asked": (
        {"webhook": {"clientVerification": {"caSecret": "clients"}}},
        "have no effect: set webhook.clientVerification.enabled",
    ),
    "a value that does not exist": ({"agents": {"namespace": ["bots"]}}, "additional properties 'namespace'"),
    "a number out of range": ({"webhook": {"timeoutSeconds": 31}}, "/webhook/timeoutSeconds"),
    "a trusted name that is no account": ({"agents": {"trusted": ["alice"]}}, "/agents/trusted/0"),
    "a digest that is none": ({"image": {"digest": "latest"}}, "/image/digest"),
}


@pytest.mark.parametrize(("values", "why"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_work_is_refused_in_words(helm, values, why):
    done = helm.run("template", "peergate", str(CHART), "--namespace", "peergate-system", values=values)
    assert done.returncode != 0
    assert why in done.stderr


def test_values_of_other_charts_are_let_through(rendered):
    assert rendered({"global": {"storageClass": "fast"}, "enabled": True})
