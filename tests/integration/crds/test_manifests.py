"""The manifests on a real API server: it takes them, and the operator may do what it must and no more."""

from __future__ import annotations

from typing import Any

import pytest
from tests.harness.cluster import Cluster
from tests.tools.generate import ROOT

pytestmark = pytest.mark.cluster

_OPERATOR = "system:serviceaccount:peergate-system:peergate"
_OWN = "peergate-system"
_WEBHOOKS = "admissionregistration.k8s.io/validatingwebhookconfigurations"

# verb, group/resource[/subresource], name, namespace; an empty namespace is all of them
MAY: dict[str, tuple[str, str, str, str]] = {
    "watch namespaces": ("watch", "/namespaces", "", ""),
    "read the uid of kube-system": ("get", "/namespaces", "kube-system", ""),
    "watch accounts": ("watch", "/serviceaccounts", "", ""),
    "look at a pod": ("get", "/pods", "x", "shop"),
    "watch policies": ("watch", "peergate.dev/protectionpolicies", "", ""),
    "write a policy's status": ("patch", "peergate.dev/protectionpolicies/status", "x", ""),
    "file a request anywhere": ("create", "peergate.dev/changerequests", "", "shop"),
    "clear a request away": ("delete", "peergate.dev/changerequests", "x", "shop"),
    "record a use": ("create", "peergate.dev/approvaluses", "", _OWN),
    "post an Event": ("create", "events.k8s.io/events", "", "shop"),
    "read its certificate": ("get", "/secrets", "peergate-tls", _OWN),
    "make its certificate": ("create", "/secrets", "", _OWN),
    "hold its Lease": ("update", "coordination.k8s.io/leases", "peergate-leader", _OWN),
    "list agents in its configuration": ("patch", _WEBHOOKS, "peergate", ""),
    "ask what agents may do": ("create", "authorization.k8s.io/subjectaccessreviews", "", ""),
    "look at what it files": ("get", "apps/deployments", "x", "shop"),
    "look at a Secret that it files": ("get", "/secrets", "x", "shop"),
}
MAY_NOT: dict[str, tuple[str, str, str, str]] = {
    "write a policy": ("patch", "peergate.dev/protectionpolicies", "x", ""),
    "register an approver": ("create", "peergate.dev/approvers", "", ""),
    "change a request": ("patch", "peergate.dev/changerequests", "x", "shop"),
    "change a record of use": ("patch", "peergate.dev/approvaluses", "x", _OWN),
    "record a use elsewhere": ("create", "peergate.dev/approvaluses", "", "shop"),
    "list Secrets": ("list", "/secrets", "", ""),
    "list its own Secrets": ("list", "/secrets", "", _OWN),
    "change another Secret": ("patch", "/secrets", "x", _OWN),
    "make a Secret elsewhere": ("create", "/secrets", "", "shop"),
    "delete a Secret": ("delete", "/secrets", "peergate-tls", _OWN),
    "change a user's object": ("patch", "apps/deployments", "x", "shop"),
    "delete a pod": ("delete", "/pods", "x", "shop"),
    "run a command": ("get", "/pods/exec", "x", "shop"),
    "reach a node": ("get", "/nodes/proxy", "x", ""),
    "mint a token": ("create", "/serviceaccounts/token", "x", "shop"),
    "tag an account": ("patch", "/serviceaccounts", "x", "shop"),
    "label a namespace": ("patch", "/namespaces", "shop", ""),
    "change another configuration": ("patch", _WEBHOOKS, "x", ""),
    "delete its configuration": ("delete", _WEBHOOKS, "peergate", ""),
    "make a configuration": ("create", _WEBHOOKS, "", ""),
    "change a definition": ("patch", "apiextensions.k8s.io/customresourcedefinitions", "x", ""),
    "be somebody else": ("impersonate", "/users", "x", ""),
}


@pytest.fixture(scope="module")
def granted(installed: Cluster) -> Cluster:
    installed.kubectl("apply", "--server-side", "-f", str(ROOT / "manifests" / "rbac.yaml")).must()
    # The aggregated role is filled by a controller.
    installed.kubectl(
        "wait", "clusterrole/peergate-filing", "--for=jsonpath={.rules[0].verbs[0]}=get", "--timeout=30s"
    ).must()
    return installed


@pytest.mark.parametrize("sentence", MAY)
def test_the_operator_may(granted: Cluster, sentence: str) -> None:
    assert _allowed(granted, *MAY[sentence])


@pytest.mark.parametrize("sentence", MAY_NOT)
def test_the_operator_may_not(granted: Cluster, sentence: str) -> None:
    assert not _allowed(granted, *MAY_NOT[sentence])


@pytest.mark.parametrize("file", ["webhook.yaml", "crds"])
def test_kubectl_takes_it_strictly(granted: Cluster, file: str) -> None:
    how = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    done = granted.kubectl("apply", *how, "-f", str(ROOT / "manifests" / file)).must()
    assert done.err == ""


def _allowed(cluster: Cluster, verb: str, what: str, name: str, namespace: str) -> bool:
    group, resource, subresource, *_ = (*what.split("/"), "")
    attributes: dict[str, Any] = {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "name": name,
        "namespace": namespace,
    }
    answer = cluster.admin.request(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        body={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": _OPERATOR,
                "groups": [
                    "system:serviceaccounts",
                    f"system:serviceaccounts:{_OWN}",
                    "system:authenticated",
                ],
                "resourceAttributes": attributes,
            },
        },
    )
    assert answer.code == 201, answer.body
    return bool(answer.body["status"]["allowed"])
