"""ChangeRequests as a reader sees them: found by name, each with the change that it records.

A ChangeRequest is a container that nobody trusts: what it says is compared with the live object before it is
signed (experience.md §2.2). Here it is only read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from peergate.approval.change import change_digest, change_id
from peergate.cli.kube import ApiError, Cluster, object_path
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.gate.filed import recorded_change
from peergate.model.change import Change
from peergate.model.changerequest import ChangeRequestSpec, ChangeRequestStatus, RequestState
from peergate.model.names import GROUP, VERSION, ChangeId, Digest, JsonObject
from peergate.model.wire import parse_instant

__all__ = [
    "OPERATOR_NAMESPACE",
    "Filed",
    "Malformed",
    "find_request",
    "id_in",
    "is_request_word",
    "list_requests",
    "read_request",
    "request_path",
    "state_of",
]

OPERATOR_NAMESPACE: Final = "peergate-system"
"""Where requests about cluster-scoped objects are, unless the installation uses another one."""

_TYPES: Final = frozenset(
    {"chreq", "changerequest", "changerequests", f"changerequest.{GROUP}", f"changerequests.{GROUP}"}
)
"""What may stand before the slash: what a person types, and what ``kubectl -o name`` prints."""
_ID: Final = re.compile(r"[bcdfghjkmnpqrstvwxz]{20}")
_PAGE: Final = 500
_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403
_DIFFERS: Final = 6
_CONFUSED: Final = 2
_ENDED: Final = frozenset({"Used", "Expired", "Stale"})


@dataclass(frozen=True, slots=True)
class Filed:
    """One ChangeRequest, well-formed, and not trusted."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    annotations: Mapping[str, str]
    created: datetime
    spec: ChangeRequestSpec
    status: ChangeRequestStatus
    change: Change
    """What its spec records."""
    digest: Digest
    """Of that change."""
    id: ChangeId
    """Of that change; a name that is another one proves that somebody else made it (see ``is_named_so``)."""

    @property
    def is_named_so(self) -> bool:
        """Tell whether it has the name that its change has."""
        return self.name == self.id

    @property
    def path(self) -> str:
        """Return its path in the API."""
        return request_path(self.namespace, self.name)

    @property
    def shown(self) -> str:
        """Return ``payments/cr-hbzkqvmtwxcdfgjnprst``, as one reads it."""
        return visible(f"{self.namespace}/{self.name}")

    @property
    def target(self) -> str:
        """Return ``statefulsets payments/db``, as one reads it."""
        ref = self.spec.object
        place = f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name
        resource = f"{ref.resource}/{ref.subresource}" if ref.subresource else ref.resource
        return visible(f"{resource} {place}")


class Malformed(CommandError):
    """What is there under that name is no ChangeRequest that can be read."""


def id_in(word: str) -> ChangeId | None:
    """Return the id that a word names: ``cr-...``, with ``chreq/`` before it, or spoken in groups of five.

    ``None`` for everything else.
    """
    kind, slash, rest = word.rpartition("/")
    if slash and kind not in _TYPES:
        return None
    digits = rest.lower().removeprefix("cr-").replace(" ", "")
    return ChangeId(f"cr-{digits}") if _ID.fullmatch(digits) else None


def is_request_word(word: str) -> bool:
    """Tell whether a word of the command line names a ChangeRequest: an id, or ``NAMESPACE/cr-...``."""
    return id_in(word) is not None or id_in(word.rpartition("/")[2]) is not None


def find_request(cluster: Cluster, word: str) -> Filed:
    """Return the ChangeRequest that a word names.

    Looked for in the namespace that the word (``NAMESPACE/cr-...``) or ``-n`` gives; else in the context's,
    in the operator's, and then in all: its name is the id of a change, and so means the same everywhere.
    Errors: CommandError with exit code 2 for no id, 1 when there is none; Malformed (exit code 6).
    """
    place, name = _place_and_name(word)
    if place or cluster.namespace_given:
        document = cluster.find(request_path(place or cluster.namespace, name))
    else:
        document = _search(cluster, name=name)
    if document is None:
        where = f"in namespace {visible(place or cluster.namespace, limit=80)}"
        where = where if place or cluster.namespace_given else "in any namespace that you may read"
        raise CommandError(
            f"no ChangeRequest {name} {where}; it has ended and was cleared away, or it is elsewhere; "
            "check -n and --context"
        )
    return read_request(document)


def list_requests(cluster: Cluster, *, namespace: str | None, most: int) -> Iterator[JsonObject]:
    """Yield the ChangeRequests of a namespace, or of all (``None``), page by page, at most so many.

    Errors: ApiError.
    """
    path, query = request_path(namespace or "", ""), {"limit": str(_PAGE)}
    count = 0
    while True:
        page = cluster.get(path, query=query)
        for document in page.get("items") or ():
            if count >= most:
                return
            count += 1
            yield document
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            return
        query = {"limit": str(_PAGE), "continue": str(token)}


def read_request(document: JsonObject) -> Filed:
    """Return the ChangeRequest in a document.

    Errors: Malformed (exit code 6) for what the schema does not allow.
    """
    metadata: Mapping[str, Any] = document.get("metadata") or {}
    try:
        spec = ChangeRequestSpec.model_validate(document.get("spec"))
        change = recorded_change(spec)
        digest = change_digest(change)
        return Filed(
            namespace=str(metadata.get("namespace") or ""),
            name=str(metadata.get("name") or ""),
            uid=str(metadata.get("uid") or ""),
            resource_version=str(metadata.get("resourceVersion") or ""),
            annotations=dict(metadata.get("annotations") or {}),
            created=parse_instant(metadata.get("creationTimestamp")),
            spec=spec,
            status=ChangeRequestStatus.model_validate(document.get("status") or {}),
            change=change,
            digest=digest,
            id=change_id(digest),
        )
    except (ValidationError, ValueError, TypeError) as error:
        name = visible(str(metadata.get("name") or "?"), limit=80)
        raise Malformed(
            f"unreadable ChangeRequest {name}; it is not what the operator files; nothing was signed; "
            "ask the agent to send the change again",
            exit_code=_DIFFERS,
            context=str(error),
        ) from error


def request_path(namespace: str, name: str) -> str:
    """Return the path of one ChangeRequest, of a namespace's (no name), or of all (no namespace either)."""
    return object_path(
        group=GROUP, version=VERSION, resource="changerequests", namespace=namespace, name=name
    )


def state_of(filed: Filed, *, now: datetime) -> RequestState:
    """Return where it is in its life, as far as a reader can tell.

    What is over by the clock is over, whether or not the operator has said so yet; a rejection that is in
    force comes before everything.
    """
    rejection = filed.status.rejection
    if rejection is not None and now < rejection.until:
        return "Rejected"
    state = filed.status.state or "Pending"
    if state in _ENDED or now < filed.spec.expires:
        return state
    return "Expired"


def _place_and_name(word: str) -> tuple[str, ChangeId]:
    name = id_in(word)
    if name is not None:
        return "", name
    place, _, rest = word.rpartition("/")
    name = id_in(rest)
    if name is None or not place or "/" in place:
        raise CommandError(
            f"which request?; {visible(word, limit=120)!r} is no ChangeRequest's name; write it like "
            "cr-hbzkqvmtwxcdfgjnprst, as the refusal says it",
            exit_code=_CONFUSED,
        )
    return place, name


def _search(cluster: Cluster, *, name: ChangeId) -> JsonObject | None:
    for namespace in dict.fromkeys((cluster.namespace, OPERATOR_NAMESPACE)):
        found = _readable(cluster, request_path(namespace, name))
        if found is not None:
            return found
    try:
        listed = cluster.get(request_path("", ""), query={"fieldSelector": f"metadata.name={name}"})
    except ApiError as error:
        if error.status in {_FORBIDDEN, _NOT_FOUND}:
            return None
        raise
    items = listed.get("items") or []
    if len(items) > 1:
        places = ", ".join(visible(str(one["metadata"]["namespace"]), limit=64) for one in items[:5])
        raise CommandError(
            f"{len(items)} requests of that name, in {places}; only one of them is the operator's; "
            "say which with -n",
            exit_code=_CONFUSED,
        )
    return items[0] if items else None


def _readable(cluster: Cluster, path: str) -> JsonObject | None:
    try:
        return cluster.find(path)
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return None
        raise
