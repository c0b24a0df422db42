"""Asking is bounded in number and in time, and says what was left."""

from __future__ import annotations

import threading

import pytest

from peergate.cli.doctor.asking import Asker, Question
from peergate.errors import CommandError
from peergate.gate.access import Right, Subject


class Api:
    """An API server that allows what is about Secrets, and counts."""

    def __init__(self, *, fails: bool = False) -> None:
        self._fails = fails
        self._lock = threading.Lock()
        self.calls = 0

    def create(self, path, body):
        assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        if self._fails:
            raise CommandError("no answer from the cluster")
        with self._lock:
            self.calls += 1
        return {"status": {"allowed": body["spec"]["resourceAttributes"]["resource"] == "secrets"}}


def _questions(count):
    return [
        Question(Subject(username=f"u{number}"), Right("get", "", "secrets" if number % 2 else "pods"))
        for number in range(count)
    ]


def _asker(api, *, most=10_000, seconds=60.0, progress=lambda _done, _planned: None):
    return Asker(api, most=most, seconds=seconds, progress=progress)


def test_all_are_asked_and_the_yes_come_back():
    api, questions, told = Api(), _questions(450), []
    asker = _asker(api, progress=lambda done, planned: told.append((done, planned)))
    assert asker.ask(questions) == set(questions[1::2])
    assert (asker.asked, asker.unasked, api.calls) == (450, 0, 450)
    assert told == [(200, 450), (400, 450), (450, 450)]


def test_never_more_than_so_many():
    api = Api()
    asker = _asker(api, most=100)
    asker.ask(_questions(70))
    asker.ask(_questions(70))
    assert (api.calls, asker.asked, asker.unasked) == (100, 100, 40)


def test_never_longer_than_so_long():
    api = Api()
    asker = _asker(api, seconds=0.0)
    assert asker.ask(_questions(5)) == set()
    assert (api.calls, asker.unasked) == (0, 5)


def test_a_cluster_that_does_not_answer_ends_it():
    with pytest.raises(CommandError):
        _asker(Api(fails=True)).ask(_questions(5))
