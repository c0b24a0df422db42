"""The caches the gate decides from: namespaces, accounts, policies, approvers, filed requests.

Each keeps the few members that count. What can't be read is kept at its strictest (a policy) or left out (an
approver, a ChangeRequest), never guessed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias, get_args

import orjson
from pydantic import ValidationError

from peergate.cluster.client import Client
from peergate.cluster.endpoints import APPROVERS, CHANGE_REQUESTS, NAMESPACES, POLICIES, SERVICE_ACCOUNTS
from peergate.cluster.reflector import Departure, Reflector, Source, Timing
from peergate.gate.filed import FiledRequest, read_request, recorded_change
from peergate.gate.policies import CompiledPolicy, compile_policy
from peergate.gate.selectors import Labels
from peergate.gate.snapshot import Account
from peergate.model.approver import ApproverSpec
from peergate.model.change import Change
from peergate.model.changerequest import RequestState
from peergate.model.lifecycle import ENDED
from peergate.model.names import OWNER_ANNOTATION, JsonObject
from peergate.settings import LabelSettings

__all__ = [
    "AnyReflector",
    "ApproverRecord",
    "Caches",
    "EndedRequest",
    "PolicyRecord",
    "RequestRecord",
    "StatusSeen",
    "read_account",
    "read_approver",
    "read_policy",
    "read_request_record",
]

AnyReflector: TypeAlias = Reflector[Any]
"""A reflector, whatever it holds; for what treats all of them alike."""


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """An object's status as it is in the cluster, so that it is written only when it changes."""

    generation: int
    encoded: bytes
    """JSON of ``status``; bytes, since thousands of these are held and few are read."""

    def decoded(self) -> JsonObject:
        """Return the status."""
        status: JsonObject = orjson.loads(self.encoded)
        return status


@dataclass(frozen=True, slots=True)
class ApproverRecord:
    """One Approver."""

    spec: ApproverSpec | None
    """``None`` for one that can't be read: nobody is trusted by halves."""
    problem: str
    """Why it can't be read."""
    status: StatusSeen


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One ProtectionPolicy."""

    compiled: CompiledPolicy
    status: StatusSeen


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One ChangeRequest that counts: it is open, or carries approvals or a rejection."""

    filed: FiledRequest
    change: Change
    owner: str
    rules: tuple[str, ...]
    filed_at: datetime
    resource_version: str
    status: StatusSeen


@dataclass(frozen=True, slots=True)
class EndedRequest:
    """One ChangeRequest that has ended and carries nothing: only its state is kept, one object a state."""

    state: RequestState


_ENDED: Final = {state: EndedRequest(state) for state in get_args(RequestState)}


class Caches:
    """The five reflectors."""

    def __init__(
        self,
        client: Client,
        *,
        labels: LabelSettings,
        on_change: Callable[[], None],
        on_account_gone: Callable[[Departure[Account]], None],
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        timing = timing or Timing()

        def labels_of(document: JsonObject) -> Labels:
            return document["metadata"].get("labels") or {}

        def account_of(document: JsonObject) -> Account:
            return read_account(document, agent_label=labels.agent)

        self.namespaces: Reflector[Labels] = Reflector(
            client,
            Source(NAMESPACES, labels_of, metadata_only=True),
            on_change=on_change,
            timing=timing,
            clock=clock,
        )
        self.accounts: Reflector[Account] = Reflector(
            client,
            Source(SERVICE_ACCOUNTS, account_of, metadata_only=True),
            on_change=on_change,
            on_departure=on_account_gone,
            timing=timing,
            clock=clock,
        )
        self.policies: Reflector[PolicyRecord] = Reflector(
            client, Source(POLICIES, read_policy), on_change=on_change, timing=timing, clock=clock
        )
        self.approvers: Reflector[ApproverRecord] = Reflector(
            client, Source(APPROVERS, read_approver), on_change=on_change, timing=timing, clock=clock
        )
        self.requests: Reflector[RequestRecord | EndedRequest] = Reflector(
            client,
            Source(CHANGE_REQUESTS, read_request_record),
            on_change=on_change,
            timing=timing,
            clock=clock,
        )

    def all(self) -> Iterable[AnyReflector]:
        """Return every reflector, in a fixed order."""
        return self.namespaces, self.accounts, self.policies, self.approvers, self.requests


def read_account(document: JsonObject, *, agent_label: str) -> Account:
    """Return what counts of a ServiceAccount, from its metadata alone."""
    metadata = document["metadata"]
    return Account(
        uid=metadata.get("uid") or "",
        tagged=(metadata.get("labels") or {}).get(agent_label) == "true",
        owner=(metadata.get("annotations") or {}).get(OWNER_ANNOTATION, ""),
    )


def read_policy(document: JsonObject) -> PolicyRecord:
    """Return a ProtectionPolicy, compiled, with the status it carries."""
    return PolicyRecord(compiled=compile_policy(document), status=_status(document))


def read_approver(document: JsonObject) -> ApproverRecord:
    """Return an Approver with the status it carries."""
    try:
        spec, problem = ApproverSpec.model_validate(document.get("spec")), ""
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(("spec", *(str(part) for part in first["loc"])))
        spec, problem = None, f"{where}: {first['msg']}"
    return ApproverRecord(spec=spec, problem=problem, status=_status(document))


def read_request_record(document: JsonObject) -> RequestRecord | EndedRequest | None:
    """Return what is kept of a ChangeRequest; of one that ended and carries nothing, its state alone."""
    read = read_request(document)
    if read is None:
        return None
    spec, filed = read
    if filed.state in ENDED and not filed.annotations and filed.rejection is None:
        return _ENDED[filed.state]
    return RequestRecord(
        filed=filed,
        change=recorded_change(spec),
        owner=sys.intern(spec.requester.owner),
        rules=tuple(map(sys.intern, spec.rules)),
        filed_at=spec.filed_at,
        resource_version=document["metadata"].get("resourceVersion") or "",
        status=_status(document),
    )


def _status(document: JsonObject) -> StatusSeen:
    return StatusSeen(
        generation=document["metadata"].get("generation") or 0,
        # Copied: what orjson returns occupies four kilobytes, however short it is.
        encoded=bytes(memoryview(orjson.dumps(document.get("status") or {}))),
    )
