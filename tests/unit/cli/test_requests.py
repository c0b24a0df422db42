"""ChangeRequests are found by name, in the one place or in all, and read whole or not at all."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.fake_cluster import FakeCluster
from tests.support.requests import request_document

from peergate.cli.requests import (
    Malformed,
    find_request,
    id_in,
    is_request_word,
    list_requests,
    read_request,
    state_of,
)
from peergate.errors import CommandError

_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_ROOT = "/apis/peergate.dev/v1alpha1"

WORDS = {
    "the name": ("cr-hbzkqvmtwxcdfgjnprst", "cr-hbzkqvmtwxcdfgjnprst"),
    "as it is spoken": ("hbzkq vmtwx cdfgj nprst", "cr-hbzkqvmtwxcdfgjnprst"),
    "with its type": ("chreq/cr-hbzkqvmtwxcdfgjnprst", "cr-hbzkqvmtwxcdfgjnprst"),
    "as kubectl prints it": ("changerequest.peergate.dev/cr-hbzkqvmtwxcdfgjnprst", "cr-hbzkqvmtwxcdfgjnprst"),
    "in capitals": ("CR-HBZKQVMTWXCDFGJNPRST", "cr-hbzkqvmtwxcdfgjnprst"),
    "another object": ("statefulset/db", None),
    "a letter that no id has": ("cr-abzkqvmtwxcdfgjnprst", None),
    "too short": ("cr-hbzkq", None),
    "a path": ("cr-hbzkqvmtwxcdfgjnprst/../x", None),
}


@pytest.mark.parametrize("sentence", WORDS)
def test_which_words_name_a_request(sentence):
    word, expected = WORDS[sentence]
    assert id_in(word) == expected
    assert is_request_word(word) is (expected is not None)


def test_a_namespace_may_stand_before_the_name():
    assert is_request_word("shop/cr-hbzkqvmtwxcdfgjnprst")


def _cluster(*documents: dict[str, Any], given: bool = False, **objects: Any) -> FakeCluster:
    paths = {
        f"{_ROOT}/namespaces/{one['metadata']['namespace']}/changerequests/{one['metadata']['name']}": one
        for one in documents
    }
    cluster = FakeCluster({f"{_ROOT}/changerequests": {"items": []}, **paths, **objects})
    cluster.namespace_given = given
    return cluster


def test_it_is_found_in_the_contexts_namespace_and_records_its_change():
    document = request_document()
    filed = find_request(_cluster(document), document["metadata"]["name"])
    assert filed.is_named_so
    assert (filed.namespace, filed.target) == ("shop", "statefulsets shop/db")
    assert filed.change.operation == "DELETE"


def test_it_is_found_in_the_operators_namespace():
    document = request_document(place="peergate-system")
    assert find_request(_cluster(document), document["metadata"]["name"]).namespace == "peergate-system"


def test_it_is_found_anywhere_by_its_name():
    document = request_document(place="payments")
    cluster = _cluster(**{f"{_ROOT}/changerequests": {"items": [document]}})
    assert find_request(cluster, document["metadata"]["name"]).namespace == "payments"


def test_two_of_one_name_are_not_guessed_between():
    documents = [request_document(place=place) for place in ("a", "b")]
    cluster = _cluster(**{f"{_ROOT}/changerequests": {"items": documents}})
    with pytest.raises(CommandError, match="2 requests of that name, in a, b"):
        find_request(cluster, documents[0]["metadata"]["name"])


def test_where_a_namespace_is_given_no_other_is_looked_at():
    document = request_document(place="payments")
    name = document["metadata"]["name"]
    cluster = _cluster(document, given=True, **{f"{_ROOT}/changerequests": {"items": [document]}})
    with pytest.raises(CommandError, match=r"no ChangeRequest cr-\w+ in namespace shop"):
        find_request(cluster, name)
    assert find_request(cluster, f"payments/{name}").namespace == "payments"


def test_what_is_no_name_is_a_usage_error():
    with pytest.raises(CommandError, match="is no ChangeRequest's name") as caught:
        find_request(_cluster(), "a/b/cr-hbzkqvmtwxcdfgjnprst")
    assert caught.value.exit_code == 2


def test_a_request_that_breaks_the_schema_is_not_read():
    document = request_document()
    document["spec"]["from"] = "short"
    with pytest.raises(Malformed) as caught:
        read_request(document)
    assert caught.value.exit_code == 6


def test_a_name_of_another_change_shows():
    document = request_document()
    document["spec"]["object"]["name"] = "other"
    assert not read_request(document).is_named_so


def test_lists_are_read_page_by_page_and_bounded():
    document = request_document()
    cluster = _cluster(**{f"{_ROOT}/changerequests": {"items": [document] * 5}})
    assert len(list(list_requests(cluster, namespace=None, most=3))) == 3


def _rejection(until: datetime) -> dict[str, Any]:
    return {
        "by": "alice@example.com",
        "reason": "no",
        "at": "2026-11-23T11:00:00Z",
        "until": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }


STATES = {
    "nothing said yet is pending": ({}, timedelta(hours=1), "Pending"),
    "what the operator says": ({"state": "Approved"}, timedelta(hours=1), "Approved"),
    "past its end it has expired, said or not": ({"state": "Pending"}, -timedelta(seconds=1), "Expired"),
    "used stays used": ({"state": "Used"}, -timedelta(hours=1), "Used"),
    "a rejection in force comes first": (
        {"state": "Approved", "rejection": _rejection(_NOW + timedelta(hours=1))},
        timedelta(hours=1),
        "Rejected",
    ),
    "a rejection that has lapsed": (
        {"state": "Pending", "rejection": _rejection(_NOW - timedelta(minutes=1))},
        timedelta(hours=1),
        "Pending",
    ),
}


@pytest.mark.parametrize("sentence", STATES)
def test_where_it_is_in_its_life(sentence):
    status, left, expected = STATES[sentence]
    filed = read_request(request_document(status=status))
    filed = dataclasses.replace(filed, spec=filed.spec.model_copy(update={"expires": _NOW + left}))
    assert state_of(filed, now=_NOW) == expected
