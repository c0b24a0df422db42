"""Puts one refused change into the API server as a ChangeRequest, once it has looked for itself.

Whoever reaches the webhook's port can post a review (T25), so nothing is filed that the API server does not
confirm: the object is there as the change binds it, and so is the requester's account. Creation is
create-only; what exists under the name already is compared, since anybody with rights may have been first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ValidationError

from peergate.approval.canonical import NotCanonical, TooLarge, canonically_equal
from peergate.approval.carriers import slot_of
from peergate.cluster.client import Client, Miss, NotAllowed
from peergate.cluster.endpoints import CHANGE_REQUESTS, SERVICE_ACCOUNTS, Endpoint
from peergate.errors import Unavailable
from peergate.gate.filed import FiledRequest, read_filed_request
from peergate.gate.record import Draft, NotAsReviewed, live_subresource, spec_of
from peergate.model.changerequest import ChangeRequestSpec
from peergate.model.names import API_VERSION, APPROVAL_SLOT_PREFIX, JsonObject
from peergate.model.review import User

__all__ = ["NotFiledError", "Registry"]

_DEADLINE_SECONDS: Final = 3.0
_ROUNDS: Final = 5
"""Of create, compare and take away: two replicas that meet need three, and a status may be written in
between."""


class NotFiledError(Exception):
    """This change can't be filed, however often it is tried."""

    def __init__(self, cause: Literal["rights", "unverified"]) -> None:
        super().__init__(cause)
        self.cause: Final = cause


class Registry:
    """The ChangeRequests of a cluster, for writing."""

    def __init__(self, client: Client, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock

    async def file(self, draft: Draft, *, carried: dict[str, str]) -> str:
        """Return the uid of the open ChangeRequest that says exactly this, creating it where needed.

        One that has ended makes way for a new one, and so does one that says something else under this name;
        a rejection in force stays. ``carried`` holds the approvals that were on what was taken away, until
        they are on what stands there now; give the same one to every try.
        Errors: NotFiledError; Unavailable.
        """
        await self._check_account(draft)
        spec = await self._spec(draft)
        namespace = draft.filing.namespace
        name = str(draft.facts.change_id)
        for _ in range(_ROUNDS):
            body: JsonObject = {
                "apiVersion": API_VERSION,
                "kind": "ChangeRequest",
                "metadata": {"name": name, "namespace": namespace, "annotations": {**carried}},
                "spec": spec,
            }
            made = await self._client.create(
                CHANGE_REQUESTS, namespace=namespace, body=body, deadline=_DEADLINE_SECONDS
            )
            if isinstance(made, dict):
                return str(made["metadata"]["uid"])
            if made is Miss.ABSENT:
                raise NotFiledError("unverified")
            there = await self._client.get(
                CHANGE_REQUESTS, namespace=namespace, name=name, deadline=_DEADLINE_SECONDS
            )
            if there is None:
                continue
            filed = read_filed_request(there)
            if filed is not None and self._stays(filed, there=there, spec=spec, draft=draft, carried=carried):
                return filed.uid
            await self._take_away(there, kept=self._kept(filed, draft=draft), carried=carried)
        raise Unavailable("a ChangeRequest was in the way", context=f"{namespace}/{name}")

    async def _take_away(
        self, there: JsonObject, *, kept: Mapping[str, str], carried: dict[str, str]
    ) -> None:
        """Delete a request as it was read, and carry what is to be kept; carried too if no answer comes."""
        before = {**carried}
        carried.update(kept)
        metadata = there["metadata"]
        miss = await self._client.delete(
            CHANGE_REQUESTS,
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            # Just as it was read: what is signed meanwhile is a conflict, and the next round sees it.
            resource_version=metadata["resourceVersion"],
            deadline=_DEADLINE_SECONDS,
        )
        if miss is not None:  # it has changed, or is gone by another's hand: that one knows what was on it
            carried.clear()
            carried.update(before)

    async def _check_account(self, draft: Draft) -> None:
        """Look for the requester's account; a name that is no account's can't be looked up."""
        requester = draft.change.requester
        account = User(username=requester.username, uid=requester.uid, groups=frozenset()).service_account
        if account is None:
            return
        namespace, name = account
        live = await self._client.get(
            SERVICE_ACCOUNTS, namespace=namespace, name=name, metadata_only=True, deadline=_DEADLINE_SECONDS
        )
        if live is None or live["metadata"].get("uid") != requester.uid:
            raise NotFiledError("unverified")

    async def _spec(self, draft: Draft) -> JsonObject:
        target = draft.change.object
        try:
            live = await self._client.get(
                Endpoint(target.group, target.version, target.resource),
                namespace=target.namespace,
                name=target.name,
                subresource=live_subresource(draft.change),
                deadline=_DEADLINE_SECONDS,
            )
        except NotAllowed as error:
            raise NotFiledError("rights") from error
        if live is None:
            raise NotFiledError("unverified")
        try:
            # In a thread: comparing two objects of a megabyte takes longer than a review may wait.
            return await asyncio.to_thread(spec_of, draft, live)
        except (NotAsReviewed, NotCanonical, TooLarge, RecursionError) as error:
            raise NotFiledError("unverified") from error

    def _stays(
        self,
        filed: FiledRequest,
        *,
        there: JsonObject,
        spec: JsonObject,
        draft: Draft,
        carried: Mapping[str, str],
    ) -> bool:
        if filed.change != draft.facts.change_digest:
            return False
        if filed.is_rejected(now=self._clock()):
            return True
        # Between taking away and creating another replica may be first, and know nothing of what was signed.
        has_all = carried.keys() <= filed.annotations.keys()
        return has_all and filed.is_open(now=self._clock()) and _says_the_same(there.get("spec"), spec)

    def _kept(self, filed: FiledRequest | None, *, draft: Draft) -> dict[str, str]:
        """Return the approvals that go over to the new object, of an open request.

        Those that counted; and where it is this very change, those that came since the verdict too, which
        nobody has judged yet. What did not count stays behind.
        """
        if filed is None or not filed.is_open(now=self._clock()):
            return {}
        facts = draft.facts
        kept = {f"{APPROVAL_SLOT_PREFIX}{claim.slot}" for claim in facts.counted}
        if filed.change == facts.change_digest:
            unjudged = filed.annotations.keys() - {one.annotation for one in facts.not_counted}
            kept |= {key for key in unjudged if slot_of(key) is not None}
        return {key: value for key, value in filed.annotations.items() if key in kept}


def _says_the_same(one: Any, other: Any) -> bool:
    """Compare two specs, but for the times and the requester's Pod, of which an agent may have many.

    Defaults that the schema adds are no difference, and neither is what a later version says besides.
    """
    try:
        return canonically_equal(_comparable(one), _comparable(other))
    except (ValidationError, NotCanonical):
        return False


def _comparable(spec: Any) -> JsonObject:
    read = ChangeRequestSpec.of_any_version(spec)
    return read.model_dump(
        mode="json", by_alias=True, exclude={"filed_at": True, "expires": True, "requester": {"pod"}}
    )
