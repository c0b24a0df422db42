"""The chart on a real API server: every mix of values is taken, and a release lives and goes.

Pods do not run here, for want of nodes: the operator is a process with the chart's account and settings.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.harness.cluster import Cluster
from tests.harness.peergate import PeergateProcess
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.cluster

NAMESPACE = "peergate-system"
FOREIGN = {"ServiceMonitor", "PodMonitor", "Issuer", "Certificate"}
"""Kinds of other products, whose definitions this cluster does not have."""

MATRIX: dict[str, dict[str, Any]] = {
    "all defaults": {},
    "a certificate by cert-manager": {"tls": {"mode": "certManager"}},
    "a certificate of one's own": {
        "tls": {
            "mode": "existingSecret",
            "existingSecret": "mine",
            "caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0t",
        }
    },
    "agents by namespace": {"agents": {"namespaces": ["bots", "more-bots"]}},
    "agents by group and name": {"agents": {"groups": ["ai"], "usernames": ["oidc:*@agents.example.com"]}},
    "strict": {"agents": {"strict": True, "trusted": ["system:serviceaccount:argocd:controller"]}},
    "one replica": {"replicaCount": 1},
    "three replicas": {"replicaCount": 3, "podDisruptionBudget": {"minAvailable": 2}},
    "everything optional": {
        "replicaCount": 3,
        "networkPolicy": {"enabled": True, "metricsFrom": {"matchLabels": {"team": "monitoring"}}},
        "metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
        "global": {"commonLabels": {"team": "platform"}, "imagePullSecrets": ["registry"]},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "podLabels": {"tier": "guard"},
        "podAnnotations": {"note": "guard"},
        "serviceAccount": {"annotations": {"note": "guard"}},
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraVolumes": [{"name": "extra", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "peergate"}},
            }
        ],
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": NAMESPACE}},
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-two'}}",
        ],
        "webhook": {
            "annotations": {"note": "guard"},
            "failurePolicy": "Ignore",
            "timeoutSeconds": 10,
            "clientVerification": {"enabled": True, "caSecret": "clients", "subjects": ["kube-apiserver"]},
        },
    },
    "nothing optional": {
        "rbac": {"create": False, "aggregate": False},
        "crds": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False, "name": "default"},
    },
}


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A cluster of its own: the release's gate must not stand in the way of other tests."""
    with Cluster() as running:
        running.kubectl("create", "namespace", NAMESPACE).must()
        running.kubectl(
            "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"
        ).must()
        yield running


@pytest.fixture
def release(helm, own):
    """Helm on that cluster; what a test leaves is taken away. Hooks are Pods, for which there is no node."""

    def run(*arguments: str, values: dict[str, Any] | None = None) -> str:
        place = ("--kubeconfig", str(own.kubeconfig), "-n", NAMESPACE)
        done = helm.run(*arguments, "--no-hooks", *place, values=values)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    with contextlib.suppress(AssertionError):
        run("uninstall", "peergate", "--ignore-not-found")
    own.kubectl("delete", "crd", "--all", "--wait").must()


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_the_api_server_takes_it(rendered, own, values):
    documents = [document for document in rendered(values) if document["kind"] not in FOREIGN]
    own.kubectl(
        "apply", "--server-side", "--dry-run=server", "-f", "-", input=yaml.safe_dump_all(documents)
    ).must()


def test_the_api_server_takes_what_the_hooks_make(hooks, own):
    documents = hooks(MATRIX["everything optional"] | {"agents": {"strict": True}})
    spaces = [document for document in documents if document["kind"] == "Namespace"]
    own.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(spaces)).must()
    try:
        own.kubectl(
            "create",
            "--dry-run=server",
            "-f",
            "-",
            input=yaml.safe_dump_all([one for one in documents if one["kind"] not in {"Namespace", "Pod"}]),
        ).must()
        [pod] = [document for document in documents if document["kind"] == "Pod"]
        # Its account is not there, as the rest was a dry run; the restricted profile is what counts here.
        pod["spec"]["serviceAccountName"] = "default"
        own.kubectl("create", "--dry-run=server", "-f", "-", input=yaml.safe_dump_all([pod])).must()
    finally:
        own.kubectl("delete", "--wait=false", "-f", "-", input=yaml.safe_dump_all(spaces)).must()


@pytest.mark.parametrize(
    "values", [MATRIX["all defaults"], MATRIX["everything optional"]], ids=["default", "full"]
)
def test_the_pod_is_admitted_under_the_restricted_profile(rendered, own, values):
    [deployment] = [document for document in rendered(values) if document["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"] | {"name": "guard", "namespace": NAMESPACE},
        "spec": template["spec"] | {"serviceAccountName": "default"},
    }
    own.kubectl("create", "--dry-run=server", "-f", "-", input=pod).must()


def configuration(own: Cluster) -> dict[str, Any]:
    return own.kubectl("get", "validatingwebhookconfiguration", "peergate", "-o", "json").json()


def names_of_conditions(own: Cluster) -> list[list[str]]:
    return [[each["name"] for each in hook["matchConditions"]] for hook in configuration(own)["webhooks"]]


@contextlib.contextmanager
def operator_of_the_release(own: Cluster) -> Iterator[PeergateProcess]:
    """Run the operator as the chart would: its account, its settings."""
    deployment = own.kubectl("-n", NAMESPACE, "get", "deployment", "peergate", "-o", "json").json()
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    kubeconfig = own.kubeconfig_for_account(NAMESPACE, "peergate", path=own.folder / "operator.kubeconfig")
    with contextlib.ExitStack() as stack:
        process = PeergateProcess(
            own,
            name="operator",
            kubeconfig=kubeconfig,
            settings=yaml.safe_load(annotations["peergate.dev/settings"]),
            stack=stack,
        )
        process.start()
        process.wait_ready()
        yield process


EXACT = ["not-operator", "not-noise", "wide", "agents"]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("--server-side=true", id="as Helm 4 applies"),
        pytest.param("--server-side=false", id="as Helm 3 merges", marks=pytest.mark.slow),
    ],
)
def test_a_release_is_installed_upgraded_rolled_back_and_taken_away(release, chart, own, way):
    notes = release("install", "peergate", chart, way)
    assert "No approver comes with it" in notes
    assert "kubectl delete validatingwebhookconfiguration peergate" in notes
    with operator_of_the_release(own):
        wait_until(
            "the operator has made the gate exact",
            lambda: names_of_conditions(own) == [*[EXACT] * 4, ["not-operator", "not-kube-system"]],
            within=30,
        )
        wait_until(
            "the operator has put its CA in",
            lambda: all("caBundle" in hook["clientConfig"] for hook in configuration(own)["webhooks"]),
            within=30,
        )
        before = configuration(own)["webhooks"]
    # Nobody is there to put anything back: what an upgrade takes away stays away.
    release("upgrade", "peergate", chart, way, values={"webhook": {"timeoutSeconds": 7}})
    after = configuration(own)["webhooks"]
    assert after == [hook | {"timeoutSeconds": 7} for hook in before]
    release("rollback", "peergate", "1", way)
    assert configuration(own)["webhooks"] == before
    release("uninstall", "peergate")
    assert own.kubectl("get", "validatingwebhookconfiguration", "-o", "name").must().out == ""
    kept = own.kubectl("get", "crd", "-o", "name").must().out.split()
    assert len(kept) == 4, "definitions stay, and what they hold"
    release("install", "peergate", chart, way)
    assert len(configuration(own)["webhooks"]) == 5


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"replicaCount": 1}, "WARNING: 1 replica"),
        ({"webhook": {"failurePolicy": "Ignore"}}, "WARNING: failurePolicy Ignore"),
        ({"agents": {"strict": True}}, "WARNING: strict mode"),
        ({"podDisruptionBudget": {"enabled": False}}, "WARNING: no PodDisruptionBudget"),
        (
            {"webhook": {"clientVerification": {"enabled": True, "caSecret": "api-server"}}},
            "until the API server shows a certificate of these CAs\n(api-server), agents are refused",
        ),
        ({"rbac": {"create": False}}, "WARNING: without rbac.create there are no hooks"),
    ],
)
def test_the_notes_warn(release, chart, values, warning):
    notes = release("install", "peergate", chart, "--dry-run=client", values=values)
    assert warning in notes
