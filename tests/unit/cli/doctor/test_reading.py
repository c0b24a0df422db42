"""Reading is bounded, and what can't be read is noted."""

from __future__ import annotations

from peergate.cli.doctor.reading import Reader
from peergate.cli.doctor.surroundings import read_deciders, read_look_alikes
from peergate.cli.kube import ApiError


class Api:
    """An API server with collections of so many objects, and a list of calls."""

    def __init__(self, collections, *, forbidden=()):
        self._collections = collections
        self._forbidden = forbidden
        self.calls = []

    def get(self, path, *, query=None, **_):
        query = query or {}
        self.calls.append((path, query.get("labelSelector", ""), query.get("continue", "")))
        if path in self._forbidden:
            raise ApiError("no", status=403, message="you may not\nreally")
        if path not in self._collections:
            raise ApiError("no", status=404, message="there is none")
        found = self._collections[path]
        if callable(found):
            found = found(query)
        if isinstance(found, dict):
            return found
        start = int(query.get("continue") or 0)
        limit = int(query["limit"])
        rest = len(found) > start + limit
        metadata = {"continue": str(start + limit)} if rest else {}
        return {"metadata": metadata, "items": found[start : start + limit]}


def test_pages_are_put_together():
    api = Api({"/x": list(range(1200))})
    assert Reader(api).all("/x") == list(range(1200))
    assert [call[2] for call in api.calls] == ["", "500", "1000"]


def test_never_more_than_so_many_pages():
    reader = Reader(Api({"/x": list(range(5000))}))
    assert len(reader.all("/x", pages=2) or ()) == 1000
    assert reader.cut == ["/x"]


def test_what_is_not_served_is_empty_and_no_trouble():
    reader = Reader(Api({}))
    assert (reader.all("/x"), reader.get("/y"), reader.unreadable) == ([], None, {})


def test_what_may_not_be_read_is_noted():
    reader = Reader(Api({}, forbidden=("/x",)))
    assert (reader.all("/x"), reader.get("/x")) == (None, None)
    assert reader.unreadable == {"/x": "you may not\\x0areally"}


def _pod(name, **labels):
    return {"metadata": {"name": name, "uid": name, "labels": labels}}


def test_pods_are_found_by_each_label_and_by_any_key_of_the_sandbox_group():
    pods = [
        _pod("a", **{"kagenti.io/type": "agent"}),
        _pod("b", **{"agents.x-k8s.io/claim": "c", "ai-agent": "true"}),
        _pod("c", app="web"),
    ]

    def listed(query):
        key, _, value = query.get("labelSelector", "").partition("=")
        items = [
            pod
            for pod in pods
            if not key
            or (pod["metadata"]["labels"].get(key) == value if value else key in pod["metadata"]["labels"])
        ]
        return {"items": items}

    found = read_look_alikes(Reader(Api({"/api/v1/pods": listed})))
    assert sorted(pod["metadata"]["name"] for pod in found or ()) == ["a", "b"]


def test_pods_that_may_not_be_read():
    assert read_look_alikes(Reader(Api({}, forbidden=("/api/v1/pods",)))) is None


def _group(name, version):
    return {"name": name, "preferredVersion": {"version": version}}


def test_what_decides_elsewhere_is_read_where_it_is_served():
    definition = {
        "spec": {
            "group": "db.example.com",
            "claimNames": {"plural": "databases"},
            "versions": [{"name": "v0"}, {"name": "v1", "served": True}],
        }
    }
    without = {"spec": {"group": "x.example.com", "versions": [{"name": "v1", "served": True}]}}
    api = Api(
        {
            "/apis": {
                "groups": [
                    _group("argoproj.io", "v1alpha1"),
                    _group("apiextensions.crossplane.io", "v1"),
                    _group("apps", "v1"),
                ]
            },
            "/apis/argoproj.io/v1alpha1/applications": ["application"],
            "/apis/apiextensions.crossplane.io/v1/compositeresourcedefinitions": [definition, without],
            "/apis/db.example.com/v1/databases": ["database"],
        }
    )
    assert read_deciders(Reader(api)) == {
        "applications.argoproj.io": ["application"],
        "applicationsets.argoproj.io": [],
        "databases.db.example.com": ["database"],
    }
