"""An AdmissionReview as a value: what is wrong with it is named, its values are never quoted."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from peergate.errors import InputError
from peergate.model.review import Gate, Kind, Resource, Review, User, parse_review

DOCUMENT: dict[str, Any] = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "705ab4f5",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "subResource": "scale",
        "name": "web",
        "namespace": "shop",
        "operation": "UPDATE",
        "userInfo": {"username": "system:serviceaccount:agents:bot", "uid": "u", "groups": ["a", "b"]},
        "object": {"new": 1},
        "oldObject": {"old": 1},
        "options": {"kind": "UpdateOptions"},
        "dryRun": True,
    },
}


def without(*path: str, to: Any = ...) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    parent: Any = document
    for step in path[:-1]:
        parent = parent[step]
    if to is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = to
    return document


def test_every_member_is_read():
    assert parse_review(DOCUMENT, gate=Gate.NAMESPACED) == Review(
        gate=Gate.NAMESPACED,
        uid="705ab4f5",
        operation="UPDATE",
        kind=Kind("apps", "v1", "Deployment"),
        resource=Resource("apps", "v1", "deployments"),
        subresource="scale",
        name="web",
        namespace="shop",
        user=User("system:serviceaccount:agents:bot", "u", frozenset({"a", "b"})),
        object={"new": 1},
        old_object={"old": 1},
        options={"kind": "UpdateOptions"},
        dry_run=True,
    )


EMPTY = {
    ("name",): "name",
    ("namespace",): "namespace",
    ("subResource",): "subresource",
    ("object",): "object",
    ("oldObject",): "old_object",
    ("options",): "options",
    ("dryRun",): "dry_run",
}


@pytest.mark.parametrize(("path", "attribute"), EMPTY.items(), ids=EMPTY.values())
def test_absent_and_null_mean_the_same(path, attribute):
    absent = parse_review(without("request", *path), gate=Gate.OWN)
    null = parse_review(without("request", *path, to=None), gate=Gate.OWN)
    assert absent == null
    assert not getattr(absent, attribute)


def test_a_user_without_uid_and_groups_has_none():
    review = parse_review(
        without("request", "userInfo", to={"username": "jane", "groups": None}), gate=Gate.OWN
    )
    assert review.user == User("jane", "", frozenset())


def test_what_kubernetes_adds_is_ignored():
    assert parse_review(without("request", "novelty", to=1), gate=Gate.NAMESPACED) == parse_review(
        DOCUMENT,
        gate=Gate.NAMESPACED,
    )


WRONG = {
    "review is not an object": [],
    "the kind is not AdmissionReview": without("kind", to="Review"),
    "the apiVersion is not admission.k8s.io/v1": without("apiVersion", to="admission.k8s.io/v1beta1"),
    "request is not an object": without("request"),
    "request.uid is empty": without("request", "uid"),
    "request.uid is not a string": without("request", "uid", to=7),
    "request.kind is not an object": without("request", "kind", to="Deployment"),
    "request.kind.group is not a string": without("request", "kind", "group", to=[]),
    "request.resource is not an object": without("request", "resource"),
    "request.resource.resource is not a string": without("request", "resource", "resource", to={}),
    "request.operation is not a string": without("request", "operation", to=1),
    "request.subResource is not a string": without("request", "subResource", to=1),
    "request.name is not a string": without("request", "name", to=1),
    "request.namespace is not a string": without("request", "namespace", to=1),
    "request.userInfo is not an object": without("request", "userInfo"),
    "request.userInfo.username is not a string": without("request", "userInfo", "username", to=1),
    "request.userInfo.groups is not a list of strings": without("request", "userInfo", "groups", to=[1]),
    "request.object is not an object": without("request", "object", to=[]),
    "request.oldObject is not an object": without("request", "oldObject", to="x"),
    "request.options is not an object": without("request", "options", to=1),
    "request.dryRun is not a boolean": without("request", "dryRun", to=1),
}


@pytest.mark.parametrize(("problem", "document"), WRONG.items(), ids=WRONG.keys())
def test_what_is_wrong_is_named(problem, document):
    with pytest.raises(InputError) as caught:
        parse_review(document, gate=Gate.NAMESPACED)
    assert caught.value.user_message == problem


ACCOUNTS = {
    "system:serviceaccount:agents:bot": ("agents", "bot"),
    "system:serviceaccount:agents": None,
    "system:serviceaccount:agents:bot:x": None,
    "system:node:agents:bot": None,
    "serviceaccount:system:agents:bot": None,
    "jane": None,
}


@pytest.mark.parametrize(("username", "want"), ACCOUNTS.items())
def test_service_account(username, want):
    assert User(username, "", frozenset()).service_account == want


def test_an_api_version_has_no_slash_in_the_core_group():
    assert Kind("", "v1", "Pod").api_version == "v1"
    assert Kind("apps", "v1", "Deployment").api_version == "apps/v1"


def test_a_nameless_deletion_is_an_item_of_a_collection():
    def is_item(operation, name):
        document = without("request", "operation", to=operation)
        document["request"]["name"] = name
        return parse_review(document, gate=Gate.NAMESPACED).is_collection_item

    assert is_item("DELETE", "")
    assert not is_item("DELETE", "web")
    assert not is_item("CREATE", "")


def test_the_subject_is_what_is_there_else_what_is_to_be():
    assert parse_review(DOCUMENT, gate=Gate.OWN).subject == {"old": 1}
    assert parse_review(without("request", "oldObject"), gate=Gate.OWN).subject == {"new": 1}


POD = "authentication.kubernetes.io/pod-name"
EXTRAS = {
    "a token's Pod is kept": ({POD: ["bot-7d9f.0"]}, "bot-7d9f.0"),
    "other members are not": ({"authentication.kubernetes.io/node-name": ["n"]}, ""),
    "two Pods are none": ({POD: ["a", "b"]}, ""),
    "a name that no Pod has is none": ({POD: ["../../secrets/x"]}, ""),
    "a name with a line feed is none": ({POD: ["bot\n"]}, ""),
    "a name that is too long is none": ({POD: ["a" * 254]}, ""),
    "a text is none": ({POD: "bot"}, ""),
    "a number is none": ({POD: [7]}, ""),
    "no object at all is none": ("bot", ""),
}


@pytest.mark.parametrize(("extra", "pod"), EXTRAS.values(), ids=EXTRAS.keys())
def test_of_what_else_the_api_server_says_of_a_user(extra, pod):
    document = without("request", "userInfo", "extra", to=extra)
    assert parse_review(document, gate=Gate.NAMESPACED).user.pod == pod
