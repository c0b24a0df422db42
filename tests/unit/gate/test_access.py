"""What the authorizer is asked, and how its answer is read."""

from __future__ import annotations

import pytest

from peergate.gate.access import Right, Subject, account_subject, is_allowed, review_of


def test_an_account_is_asked_about_as_its_token_shows_it():
    subject = account_subject("ops", "bot", uid="u-1")
    right = Right(verb="create", group="", resource="pods/exec", namespace="shop")
    assert review_of(right, subject=subject) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "verb": "create",
                "resource": "pods",
                "subresource": "exec",
                "namespace": "shop",
            },
            "user": "system:serviceaccount:ops:bot",
            "uid": "u-1",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:ops", "system:authenticated"],
        },
    }


def test_a_group_is_asked_about_without_a_user():
    spec = review_of(Right("get", "apps", "deployments"), subject=Subject("", groups=("ai",)))["spec"]
    assert spec == {
        "resourceAttributes": {"verb": "get", "group": "apps", "resource": "deployments"},
        "groups": ["ai"],
    }


def test_a_single_object_is_asked_about_by_its_name():
    spec = review_of(Right("get", "", "secrets", "shop", "db"), subject=Subject("u"))["spec"]
    assert spec["resourceAttributes"]["name"] == "db"


ANSWERS = {
    "a yes is a yes": ({"status": {"allowed": True}}, True),
    "a no is a no": ({"status": {"allowed": False, "denied": True}}, False),
    "no status is a no": ({}, False),
    "a word is a no": ({"status": {"allowed": "true"}}, False),
    "a status of another shape is a no": ({"status": "allowed"}, False),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer(answer, expected):
    assert is_allowed(answer) is expected
