"""Faults of a real installation are found, and what is printed mends them."""

from __future__ import annotations

import secrets
import shlex

import pytest
import yaml
from tests.harness.namespaces import fresh_namespace
from tests.harness.waiting import wait_until

_CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"

_QUICK = ("--no-canary", "--max-reviews", "1")
"""Without the questions about rights, which take most of the time."""


def _of(report, check):
    return [finding for finding in report["findings"] if finding["check"] == check]


def _levels(report, check):
    return [finding["level"] for finding in _of(report, check)]


@pytest.fixture
def configuration(ward):
    """The webhook configuration; it is as it was after the test, and the operator knows it."""
    admin = ward.cluster.admin
    live = admin.request("GET", _CONFIGURATION).body
    yield live
    admin.request("DELETE", _CONFIGURATION)
    for member in ("uid", "resourceVersion", "managedFields", "creationTimestamp", "generation"):
        live["metadata"].pop(member, None)
    admin.apply(live)


def _judged(ward):
    """Tell whether the gate judges the agent again, after the API server saw the configuration."""
    with fresh_namespace(ward.cluster, protected=True) as name:
        client = ward.cluster.client(ward.cluster.kubeconfig_for_account("agents", "demo-agent"))
        ward.installation.wait_gated(client, namespace=name)


def _fix(ward, *arguments, kind):
    """Return the manifests of a kind that --fix prints; the API server takes all that it prints."""
    done = ward.run("doctor", "--fix", *arguments)
    ward.cluster.admin.kubectl("apply", "--dry-run=server", "-f", "-", input=done.out).must()
    return [one for one in yaml.safe_load_all(done.out) if one and one["kind"].startswith(kind)]


def test_an_installation_as_it_should_be_has_no_fault(ward, place):
    report = ward.report()
    gate = [finding for finding in report["findings"] if finding["theme"] == "gate"]
    assert {finding["level"] for finding in gate if finding["check"] != "replicas"} == {"ok"}
    assert {"webhook", "agents", "certificate", "leader", "clock", "canary"} <= {
        finding["check"] for finding in gate
    }
    [canary] = [one for one in _of(report, "canary") if "was refused by the gate" in one["what"]]
    assert ward.agent in canary["subjects"]
    assert place in report["protectedNamespaces"]


def test_the_keys_of_the_document_stay(ward):
    report = ward.report(*_QUICK)
    assert list(report) == [
        "apiVersion",
        "kind",
        "time",
        "settings",
        "agents",
        "protectedNamespaces",
        "unread",
        "summary",
        "findings",
    ]
    assert (report["apiVersion"], report["kind"]) == ("cli.peergate.dev/v1", "DoctorReport")
    assert all(
        list(finding)
        == ["level", "theme", "check", "what", "allows", "mend", "threats", "subjects", "givenBy"]
        for finding in report["findings"]
    )
    done = ward.run("doctor", *_QUICK, "-o", "yaml")
    assert yaml.safe_load(done.out)["kind"] == "DoctorReport"


def test_a_spoilt_configuration_is_found_and_mended_by_what_is_printed(ward, place, configuration):
    for number, entry in enumerate(configuration["webhooks"]):
        if entry["name"] == "namespaced.gate.peergate.dev":
            path = f"/webhooks/{number}"
    foreign = {"name": "never", "expression": "false"}
    patch = [
        {"op": "add", "path": f"{path}/matchConditions/0", "value": foreign},
        {"op": "replace", "path": f"{path}/failurePolicy", "value": "Ignore"},
        {"op": "add", "path": f"{path}/objectSelector", "value": {"matchLabels": {"guard": "me"}}},
    ]
    ward.cluster.admin.kubectl(
        "patch", "validatingwebhookconfiguration", "peergate", "--type=json", "-p", yaml.safe_dump(patch)
    ).must()
    found = _of(ward.report(*_QUICK), "webhook")
    assert {finding["what"].split()[0] for finding in found} == {
        "failurePolicy",
        "matchConditions",
        "objectSelector",
    }
    assert {finding["level"] for finding in found} == {"fail"}
    [command] = {one for finding in found for one in finding["mend"] if one.startswith("kubectl patch")}
    ward.cluster.admin.kubectl(*shlex.split(command)[1:]).must()
    [manifest] = _fix(ward, *_QUICK, kind="ValidatingWebhookConfiguration")
    ward.cluster.admin.kubectl("apply", "-f", "-", input=manifest).must()
    report = ward.report(*_QUICK)
    assert _levels(report, "webhook") == ["ok"]
    assert _levels(report, "agents") == ["ok"]


def test_without_the_configuration_the_canary_is_admitted_and_what_is_printed_brings_it_back(
    ward, place, configuration
):
    client = ward.cluster.client(ward.cluster.kubeconfig_for_account("agents", "demo-agent"))
    ward.cluster.admin.request("DELETE", _CONFIGURATION)
    target = f"/api/v1/namespaces/{place}/configmaps/kube-root-ca.crt"
    wait_until(
        "the API server knows that the gate is gone",
        lambda: client.request("DELETE", target, query={"dryRun": "All"}).code == 200,
    )
    report = ward.report("-n", place)
    assert _levels(report, "webhook") == ["fail"]
    assert "fail" in _levels(report, "canary")
    assert ward.cluster.admin.request("GET", target).code == 200
    [manifest] = _fix(ward, *_QUICK, kind="ValidatingWebhookConfiguration")
    # A development cluster reaches the gate by an address; that nobody can know once it is gone.
    for entry in manifest["webhooks"]:
        entry["clientConfig"] = next(
            one["clientConfig"] for one in configuration["webhooks"] if one["name"] == entry["name"]
        )
    ward.cluster.admin.kubectl("apply", "-f", "-", input=manifest).must()
    _judged(ward)
    assert "fail" not in _levels(ward.report(), "canary")


def test_a_tag_that_the_gate_does_not_list_is_found(ward, place):
    name = f"late-{secrets.token_hex(3)}"
    ward.installation.process.pause()
    try:
        ward.cluster.admin.apply(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": name, "namespace": place, "labels": {"peergate.dev/agent": "true"}},
            }
        )
        report = ward.report(*_QUICK)
    finally:
        ward.installation.process.resume()
    [finding] = _of(report, "agents")
    assert (finding["level"], finding["subjects"]) == ("fail", [f"{place}/{name}"])
    [owner] = _of(report, "owner")
    assert f"{place}/{name}" in owner["subjects"]
    wait_until("it is listed", lambda: _levels(ward.report(*_QUICK), "agents") == ["ok"], within=60.0)


def test_a_stopped_gate_is_found(ward, place):
    ward.installation.process.pause()
    try:
        report = ward.report("--request-timeout", "40s")
    finally:
        ward.installation.process.resume()
    [finding] = [one for one in _of(report, "canary") if one["level"] == "fail"]
    assert "The gate did not answer" in finding["what"]
    _judged(ward)


def test_a_missing_companion_policy_is_found_and_printed(ward, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump({"agents": {"groups": ["ai-agents"]}}), encoding="utf-8")
    options = (*_QUICK, "--config", str(settings))
    assert set(_levels(ward.report(*options), "companions")) == {"warn"}
    manifests = _fix(ward, *options, kind="ValidatingAdmissionPolicy")
    try:
        ward.cluster.admin.kubectl("apply", "-f", "-", input=manifests).must()
        assert _levels(ward.report(*options), "companions") == ["ok"]
    finally:
        ward.cluster.admin.kubectl("delete", "-f", "-", input=manifests).must()


def _pod(namespace, *, account, labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "looks", "namespace": namespace, "labels": labels},
        "spec": {
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": "example.com/c"}],
        },
    }


def _account(namespace, name):
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}}


@pytest.mark.parametrize("labels", [{"kagenti.io/type": "agent"}, {"agents.x-k8s.io/sandbox": "s"}], ids=str)
def test_an_account_that_looks_like_an_agent_is_found(ward, labels):
    with fresh_namespace(ward.cluster, protected=False) as name:
        ward.cluster.admin.apply(_account(name, "untagged"), _pod(name, account="untagged", labels=labels))
        [finding] = ward.findings(*_QUICK, about=f"{name}/untagged")
        assert (finding["check"], finding["level"]) == ("look-alikes", "warn")
        ward.cluster.admin.kubectl(*finding["mend"][0].split()[1:]).must()
        assert "look-alikes" not in {one["check"] for one in ward.findings(*_QUICK, about=f"{name}/untagged")}


def test_a_default_account_with_rights_is_found_and_mended_by_what_is_printed(ward, place):
    ward.cluster.admin.kubectl(
        "create",
        "rolebinding",
        "workloads",
        "-n",
        place,
        "--clusterrole=edit",
        f"--serviceaccount={place}:default",
    ).must()
    [finding] = ward.findings(*_QUICK, about=f"{place}/default")
    assert (finding["check"], finding["level"]) == ("default", "fail")
    manifests = [
        one for one in _fix(ward, *_QUICK, kind="RoleBinding") if one["metadata"].get("namespace") == place
    ]
    ward.cluster.admin.kubectl("apply", "-f", "-", input=manifests).must()
    assert ward.findings(*_QUICK, about=f"{place}/default") == []


def test_a_tag_without_effect_fails(ward):
    name = f"idle-{secrets.token_hex(3)}"
    body = _account("kube-system", name)
    body["metadata"]["labels"] = {"peergate.dev/agent": "true"}
    ward.cluster.admin.apply(body)
    try:
        [finding] = ward.findings(*_QUICK, about=f"kube-system/{name}")
    finally:
        ward.cluster.admin.request("DELETE", f"/api/v1/namespaces/kube-system/serviceaccounts/{name}")
    assert (finding["check"], finding["level"]) == ("tags", "fail")


_SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def test_objects_that_decide_from_elsewhere_are_found(ward):
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "applications.argoproj.io",
            "annotations": {"api-approved.kubernetes.io": "test"},
        },
        "spec": {
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": {"plural": "applications", "kind": "Application"},
            "versions": [
                {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _SCHEMA}}
            ],
        },
    }
    admin = ward.cluster.admin
    admin.apply(crd)
    try:
        admin.kubectl("wait", "--for=condition=Established", "crd/applications.argoproj.io").must()
        with fresh_namespace(ward.cluster, protected=False) as name:
            application = {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": "shop", "namespace": name},
            }
            wait_until(
                "Applications are served",
                lambda: admin.kubectl("apply", "--server-side", "-f", "-", input=application).ok,
            )
            [finding] = ward.findings(*_QUICK, about=name, check="deciders")
            assert "applications.argoproj.io" in finding["what"]
            admin.kubectl(*finding["mend"][0].split()[1:]).must()
            assert ward.findings(*_QUICK, about=name, check="deciders") == []
    finally:
        admin.kubectl("delete", "crd", "applications.argoproj.io").must()


def test_an_api_server_that_is_gone_is_an_error_and_no_finding(ward, tmp_path):
    file = tmp_path / "kubeconfig"
    document = yaml.safe_load(ward.cluster.kubeconfig.read_text(encoding="utf-8"))
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = ward.run("doctor", kubeconfig=file)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: no answer from the cluster; can't reach https://127.0.0.1:1;")


def test_who_may_not_read_accounts_is_told_so(ward):
    done = ward.run("doctor", kubeconfig=ward.cluster.kubeconfig_for_user("nobody-special"))
    assert (done.status, done.out) == (1, "")
    assert "the doctor is for administrators" in done.err
