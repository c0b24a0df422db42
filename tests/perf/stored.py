"""ChangeRequests in numbers, as the operator files them: what many agents asked for, of many objects.

Every agent of a namespace asks for a change of every object in it: half of the objects are to be deleted,
half to be updated. The agents' accounts are gone, as those of finished tasks are; their requests are open.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from tests.harness.clients import Client
from tests.harness.waiting import wait_until
from tests.perf.etcd import Store
from tests.perf.making import CONNECTIONS, at_once, make
from tests.support.changes import config_map, id_of, path_of
from tests.support.world import World

from peergate.gate.record import Draft, spec_of
from peergate.model.change import Change, Effect, Requester
from peergate.model.decision import Facts, Filing

__all__ = ["Collection", "namespaces_for", "prepare"]

_REQUESTERS = 50
"""Agents of a namespace."""
_OBJECTS = 20
"""Objects of a namespace."""
_ENTRIES = 20
_CHANGED = 6
_OWNER = "team-platform"
_RULES = ("built-in",)
_PATIENCE_SECONDS = 600.0
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def namespaces_for(requests: int) -> int:
    """Return how many namespaces it takes to hold so many requests."""
    return requests // (_OBJECTS * _REQUESTERS)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What can be asked of one object, and the spec that this is filed as."""

    change: Change
    spec: Mapping[str, Any]

    def by(self, number: int) -> dict[str, Any]:
        """Return the ChangeRequest of this change by the agent of that number."""
        namespace = self.change.object.namespace
        username = f"system:serviceaccount:agents-{namespace}:task-{number}"
        requester = Requester(username=username, uid=str(uuid5(NAMESPACE_URL, username)))
        who = {"username": requester.username, "uid": requester.uid, "owner": _OWNER}
        return {
            "apiVersion": "peergate.dev/v1alpha1",
            "kind": "ChangeRequest",
            "metadata": {
                "name": id_of(dataclasses.replace(self.change, requester=requester)),
                "namespace": namespace,
            },
            "spec": {**self.spec, "requester": who},
        }


class Collection:
    """The ChangeRequests that one world can hold."""

    def __init__(self, here: World, asked: Sequence[_Asked], *, namespaces: Sequence[str]) -> None:
        self._here = here
        self._asked = asked
        self._namespaces = namespaces
        self._next = 0

    def coming(self) -> Iterator[tuple[str, Any]]:
        """Yield the path of the collection and the body of ever new ones, from namespace to namespace."""
        while True:
            number, self._next = self._next, self._next + 1
            for asked in self._asked:
                body = asked.by(number)
                yield _collection(body["metadata"]["namespace"]), body

    def fill(self, count: int) -> None:
        """Store so many of them, and return once the operator knows them all.

        The first one of each object is made, and gets its status from the operator. For the other agents it
        is copied in etcd: to make it takes an API server twelve milliseconds of processor time.
        """
        first = len(self._asked)
        make(self._here.admin, itertools.islice(self.coming(), first), what="first requests", total=first)
        self._wait_known(first)
        for namespace in self._namespaces:
            wait_until(
                f"the requests in {namespace} have a status",
                lambda namespace=namespace: all(_states(self._here.admin, namespace)),  # type: ignore[misc]
                within=_PATIENCE_SECONDS,
            )
        with Store(self._here.cluster.etcd_url, connections=CONNECTIONS) as store:
            copies = self._copies(store, agents=range(1, count // first))
            at_once(lambda one: store.put(*one), copies, what="their copies", total=count - first)
        self._next = count // first
        self._wait_known(count)

    def _copies(self, store: Store, *, agents: Iterable[int]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what is stored for other agents: it differs in who asks, and so in name and uid."""
        for asked in self._asked:
            stored = store.get(_key(asked.by(0)))
            for number in agents:
                copy = asked.by(number)
                yield (
                    _key(copy),
                    {
                        **stored,
                        "metadata": {
                            **stored["metadata"],
                            "name": copy["metadata"]["name"],
                            "uid": str(uuid4()),
                        },
                        "spec": {**stored["spec"], "requester": copy["spec"]["requester"]},
                    },
                )

    def _wait_known(self, count: int) -> None:
        process = self._here.process
        wait_until(
            "the operator counts every request",
            lambda: process.metric("peergate_change_requests") >= count,
            within=_PATIENCE_SECONDS,
        )


def _collection(namespace: str) -> str:
    return f"/apis/peergate.dev/v1alpha1/namespaces/{namespace}/changerequests"


def _states(admin: Client, namespace: str) -> list[str]:
    query = {"includeObject": "None"}
    table = admin.request("GET", _collection(namespace), query=query, headers={"Accept": _TABLE}).body
    column = [one["name"] for one in table["columnDefinitions"]].index("State")
    return [row["cells"][column] for row in table["rows"]]


def _key(request: Mapping[str, Any]) -> str:
    metadata = request["metadata"]
    return f"/registry/peergate.dev/changerequests/{metadata['namespace']}/{metadata['name']}"


def prepare(here: World, *, namespaces: int) -> Collection:
    """Make the namespaces and the objects that requests are about; return what can be asked for."""
    names = [f"team-{number}" for number in range(namespaces)]
    spaces = (("/api/v1/namespaces", _namespace(name)) for name in names)
    make(here.admin, spaces, what="namespaces", total=namespaces)
    paths = [
        path_of("configmaps", f"settings-{number}", namespace=name)
        for number in range(_OBJECTS)
        for name in names
    ]
    objects = ((path.rpartition("/")[0], _settings(path)) for path in paths)
    make(here.admin, objects, what="objects", total=len(paths))
    asked = [_asked(here, path, deletes=bool(number // namespaces % 2)) for number, path in enumerate(paths)]
    return Collection(here, asked, namespaces=names)


def _namespace(name: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"peergate.dev/protected": "true"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _settings(path: str) -> dict[str, Any]:
    parts = path.split("/")
    return {
        **config_map(parts[4], parts[6]),
        "data": {f"setting-{number}": f"value {number}: {'x' * 40}" for number in range(_ENTRIES)},
    }


def _asked(here: World, path: str, *, deletes: bool) -> _Asked:
    live = here.desk.get(path)
    changed = {f"setting-{number}": f"another value {number}: {'y' * 40}" for number in range(_CHANGED)}
    wanted = None if deletes else {**live, "data": {**live["data"], **changed}}
    change = here.desk.deletion(path) if wanted is None else here.desk.update(path, wanted)
    now = datetime.now(UTC).replace(microsecond=0)
    draft = Draft(
        change=change,
        facts=Facts(
            owner=_OWNER,
            effect=Effect.REPLACE if wanted else Effect.DELETE,
            rules=_RULES,
            change=change,
            change_id=id_of(change),
        ),
        filing=Filing(namespace=change.object.namespace, filed_at=now, expires=now + timedelta(hours=24)),
        wanted=wanted,
    )
    return _Asked(change=change, spec=spec_of(draft, live))
