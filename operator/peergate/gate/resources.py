"""The form of Peergate's own resources, checked for everybody who writes them (design.md §4, fifth entry).

People get a clear sentence instead of an object that is useless later. This entry fails open: keys and
policies are checked again at use, and agents are refused by the other entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import ValidationError

from peergate.approval.keyring import Keyring, build_keyring
from peergate.gate.findings import metadata_of
from peergate.gate.policies import compile_policy
from peergate.gate.rejection import rejection_problem
from peergate.gate.snapshot import Snapshot
from peergate.gate.wording import TEXT_BYTES, tidy
from peergate.model.approver import ApproverSpec
from peergate.model.decision import Allow, Code, Decision, Deny, Details, State
from peergate.model.names import GROUP
from peergate.model.review import Review

__all__ = ["check"]

_CHECKED: Final = frozenset({"CREATE", "UPDATE"})


def check(*, review: Review, snapshot: Snapshot) -> Decision:
    """Admit a well-formed resource of ours; refuse one that could not be used, saying why."""
    if review.resource.group != GROUP or review.operation not in _CHECKED or review.object is None:
        return Allow(reason="not-agent")
    if metadata_of(review.object).get("deletionTimestamp"):
        return Allow(reason="not-agent")
    problem = _problem(review, snapshot=snapshot)
    if not problem:
        return Allow(reason="not-agent")
    metadata = metadata_of(review.object)
    return Deny(
        code=Code.NOT_APPROVABLE,
        state=State.BARRED,
        message=tidy(f"{review.kind.kind} {metadata.get('name', '')} would not work: {problem}")[:TEXT_BYTES],
        details=Details(name=str(metadata.get("name", "")), group=GROUP, kind=review.kind.kind),
    )


def _problem(review: Review, *, snapshot: Snapshot) -> str:
    document = review.object or {}
    match (review.resource.resource, review.subresource):
        case ("approvers", ""):
            return _approver_problem(review, snapshot=snapshot)
        case ("protectionpolicies", ""):
            return compile_policy(document).problem
        case ("changerequests", "status"):
            return rejection_problem(review, snapshot=snapshot)
        case _:
            return ""


def _approver_problem(review: Review, *, snapshot: Snapshot) -> str:
    """Return what is wrong with an Approver: by itself (K1-K5, K7), and beside the others (K6)."""
    document = review.object or {}
    name = str(metadata_of(document).get("name", ""))
    try:
        spec = ApproverSpec.model_validate(document.get("spec"))
    except ValidationError as error:
        first = error.errors()[0]
        return f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    alone = build_keyring({name: spec})
    problems = list(alone.problems.get(name, ()))
    problems += _clashes(alone, name=name, snapshot=snapshot)
    return " ".join(problems)


def _clashes(alone: Keyring, *, name: str, snapshot: Snapshot) -> Iterable[str]:
    """Yield what an Approver shares with another one, which would make both unusable (K6)."""
    known = snapshot.keyring
    for approver in alone.approvers.values():
        other = known.approvers.get(approver.identity)
        if other is not None and other.name != name:
            yield f"The identity is also in Approver {other.name}."
        for username in sorted(approver.kubernetes_usernames):
            holder = known.by_username.get(username)
            if holder is not None and holder.name != name:
                yield f"The Kubernetes user name {username} is also in Approver {holder.name}."
        for key in approver.keys:
            registered = known.by_wire.get(key.public.wire)
            if registered is not None and known.approvers[registered.identity].name != name:
                holder = known.approvers[registered.identity]
                yield f"The key {key.public.id} is also in Approver {holder.name}."
