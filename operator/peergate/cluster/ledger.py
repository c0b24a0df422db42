"""The uses of approvals of updates: create-only records that every replica races for (approval-format.md §9).

The API server decides a race: of several creations of one name exactly one succeeds. Nothing is ever changed
here; what ran out is swept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from peergate.cluster.client import Client, Miss
from peergate.cluster.endpoints import APPROVAL_USES
from peergate.errors import Unavailable
from peergate.model.change import Requester
from peergate.model.decision import Claim
from peergate.model.names import API_VERSION, Digest, JsonObject
from peergate.model.use import ApprovalUseSpec, use_name
from peergate.model.wire import parse_instant

__all__ = ["ApiLedger", "is_repeat", "sweep"]

_DEADLINE_SECONDS: Final = 3.0
_SKEW: Final = timedelta(seconds=60)
_KEPT: Final = timedelta(hours=24)
"""A record outlives its approval by this (§9 rule 6): were it gone when clocks that all ran ahead are set
right, the approval would count once more."""
_SWEPT_MOST: Final = 500
"""Records removed in one sweep; the rest waits for the next."""


class ApiLedger:
    """The ``Ledger`` kept as ApprovalUse objects in the operator's namespace."""

    def __init__(self, client: Client, *, namespace: str, retry_window: timedelta) -> None:
        self._client = client
        self._namespace = namespace
        self._retry_window = retry_window

    async def spent(
        self,
        claims: Sequence[Claim],
        *,
        change: Digest,
        requester: Requester,
        now: datetime,
    ) -> Mapping[Digest, datetime]:
        """Return when each of these approvals was spent, leaving out repeats inside the retry window.

        Reads only, so a dry run may ask too (rule 4). Errors: Unavailable.
        """
        records = await self._read_all([claim.payload for claim in claims])
        return self._spent_of(records, change=change, requester=requester, now=now)

    async def claim(
        self,
        claims: Sequence[Claim],
        *,
        change: Digest,
        requester: Requester,
        request_uid: str,
        now: datetime,
    ) -> Mapping[Digest, datetime]:
        """Record a use of every one of these approvals; return those that another use got to first.

        Rule 2: 201 is a first use, 409 is read again under rule 3, anything else is Unavailable. Records
        made before another one failed stay: the approval is then spent, never spent twice.
        """
        approvers = sorted({claim.approver for claim in claims})
        bodies = [
            _record(
                claim,
                namespace=self._namespace,
                change=change,
                requester=requester,
                approvers=approvers,
                request_uid=request_uid,
            )
            for claim in claims
        ]
        answers = await asyncio.gather(
            *(
                self._client.create(
                    APPROVAL_USES, namespace=self._namespace, body=body, deadline=_DEADLINE_SECONDS
                )
                for body in bodies
            )
        )
        if Miss.ABSENT in answers:
            raise Unavailable("the ledger's resource or namespace is missing")
        taken = [
            claim.payload for claim, answer in zip(claims, answers, strict=True) if answer is Miss.CONFLICT
        ]
        records = await self._read_all(taken)
        if len(records) != len(taken):
            raise Unavailable("a record of the ledger went away while it was read")
        return self._spent_of(records, change=change, requester=requester, now=now)

    async def _read_all(self, payloads: Sequence[Digest]) -> dict[Digest, JsonObject]:
        answers = await asyncio.gather(
            *(
                self._client.get(
                    APPROVAL_USES,
                    namespace=self._namespace,
                    name=use_name(payload),
                    deadline=_DEADLINE_SECONDS,
                )
                for payload in payloads
            )
        )
        return {
            payload: answer
            for payload, answer in zip(payloads, answers, strict=True)
            if isinstance(answer, dict)
        }

    def _spent_of(
        self,
        records: Mapping[Digest, JsonObject],
        *,
        change: Digest,
        requester: Requester,
        now: datetime,
    ) -> Mapping[Digest, datetime]:
        spent: dict[Digest, datetime] = {}
        for payload, record in records.items():
            created = _created(record)
            if not is_repeat(
                record,
                change=change,
                requester=requester,
                age=now - created,
                window=self._retry_window,
            ):
                spent[payload] = created
        return MappingProxyType(spent)


def is_repeat(
    record: JsonObject,
    *,
    change: Digest,
    requester: Requester,
    age: timedelta,
    window: timedelta,
) -> bool:
    """Tell whether a record is of this very change, so that it is no obstacle to it (§9 rule 3).

    The change's digest stands for operation, object, ``from`` and ``to`` as well as the requester. A record
    that can't be read is an obstacle. A window of 0 is strictly once.
    """
    try:
        spec = ApprovalUseSpec.of_any_version(record.get("spec"))
    except ValidationError:
        return False
    return (
        window > timedelta(0)
        and -_SKEW <= age <= window
        and spec.change == change
        and (spec.requester.username, spec.requester.uid) == (requester.username, requester.uid)
    )


async def sweep(client: Client, *, namespace: str, now: datetime) -> int:
    """Delete records whose approval expired more than a day ago; return how many went.

    At most 500 in one go. A record that can't be read stays. Errors: Unavailable.
    """
    gone = 0
    async for page, _ in client.list_pages(APPROVAL_USES, namespace=namespace):
        for record in page:
            if gone >= _SWEPT_MOST:
                return gone
            if _ran_out(record, now=now):
                metadata = record["metadata"]
                await client.delete(
                    APPROVAL_USES, namespace=namespace, name=metadata["name"], uid=metadata["uid"]
                )
                gone += 1
    return gone


def _ran_out(record: JsonObject, *, now: datetime) -> bool:
    try:
        return parse_instant((record.get("spec") or {}).get("expires")) + _KEPT < now
    except ValueError:
        return False


def _created(record: JsonObject) -> datetime:
    try:
        return parse_instant(record["metadata"].get("creationTimestamp"))
    except ValueError as error:
        raise Unavailable("a record of the ledger has no readable time") from error


def _record(
    claim: Claim,
    *,
    namespace: str,
    change: Digest,
    requester: Requester,
    approvers: Sequence[str],
    request_uid: str,
) -> JsonObject:
    return {
        "apiVersion": API_VERSION,
        "kind": "ApprovalUse",
        "metadata": {"name": use_name(claim.payload), "namespace": namespace},
        "spec": {
            "change": change,
            "requester": {"username": requester.username, "uid": requester.uid},
            "approvers": list(approvers),
            "requestUID": request_uid,
            "expires": claim.expires,
        },
    }
