"""Who depends on pods that go, and who brings an object back."""

from __future__ import annotations

import pytest

from peergate.cli.traffic import Pods, autoscalers, balancers, budgets, idle_services, managers_of

_WEB = {"app": "web"}


def _service(name, selector, **spec):
    return {"metadata": {"name": name, "uid": name}, "spec": {"selector": selector, **spec}}


SERVICES = {
    "its last pods go": (Pods(going=(_WEB,)), _service("web", _WEB), ("web",)),
    "a pod stays": (Pods(going=(_WEB,), staying=({"app": "web", "v": "2"},)), _service("web", _WEB), ()),
    "it selects others": (Pods(going=(_WEB,)), _service("db", {"app": "db"}), ()),
    "it selects nothing": (Pods(going=(_WEB,)), _service("outside", {}), ()),
    "it goes as well": (Pods(going=(_WEB,)), _service("gone", _WEB), ()),
    "of an odd shape": (Pods(going=(_WEB,)), {"metadata": [], "spec": {"selector": "x"}}, ()),
}


@pytest.mark.parametrize("sentence", SERVICES)
def test_services_that_lose_their_last_pod(sentence):
    pods, service, expected = SERVICES[sentence]
    assert idle_services([service], pods=pods, gone={"gone"}) == expected


def test_external_addresses_that_go():
    ingress = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}, {"hostname": "lb.example.com"}]}}
    services = [
        {**_service("a", {}, type="LoadBalancer"), "status": ingress},
        _service("b", {}, type="LoadBalancer"),
        _service("c", {}, type="ClusterIP"),
    ]
    assert balancers(services, gone={"a", "c"}) == ("a (192.0.2.7, lb.example.com)",)


def test_budgets_over_pods_that_go():
    found = [
        {"metadata": {"name": "web"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": _WEB}}},
        {"metadata": {"name": "db"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
        {"metadata": {"name": "odd"}, "spec": {"selector": {"matchLabels": "x"}}},
    ]
    assert budgets(found, pods=Pods(going=(_WEB,))) == ("web (minAvailable 2)",)


def test_autoscalers_of_what_goes():
    found = [
        {
            "metadata": {"name": name},
            "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": kind, "name": "web"}},
        }
        for name, kind in (("a", "Deployment"), ("b", "StatefulSet"))
    ]
    assert autoscalers(found, named={("Deployment", "web")}) == ("a (1 to 9 pods)",)


MANAGERS = {
    "nobody": ({}, ()),
    "Argo CD": (
        {"annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/x"}},
        ("Argo CD application shop: it makes it again, or undoes the change, if it syncs",),
    ),
    "Flux": (
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
        ("Flux Kustomization apps: it makes it again, or undoes the change, when it reconciles",),
    ),
    "Helm, with a name that acts on terminals": (
        {"annotations": {"meta.helm.sh/release-name": "web\x1b[2J"}},
        ("Helm release web\\x1b[2J: the next upgrade or rollback writes it again",),
    ),
}


@pytest.mark.parametrize("sentence", MANAGERS)
def test_who_brings_an_object_back(sentence):
    metadata, expected = MANAGERS[sentence]
    assert managers_of({"metadata": metadata}) == expected
