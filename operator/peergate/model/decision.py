"""What the gate answers: a closed union, and the vocabulary of its refusals.

``Allow``, ``Deny`` and ``Hold`` are the only decisions; whatever is not ``Allow`` denies. Codes are those of
approval-format.md §7, states those of experience.md §1.4; codes are never renamed or reused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from peergate.model.change import Change, Effect
from peergate.model.names import ChangeId, Digest

__all__ = [
    "NO_FACTS",
    "STATE_OF",
    "STATUS_REASON_OF",
    "Allow",
    "AllowReason",
    "Cause",
    "Claim",
    "Code",
    "Decision",
    "Deny",
    "Details",
    "Facts",
    "Filing",
    "Hold",
    "NotCounted",
    "NotFiled",
    "State",
]


class Code(StrEnum):
    """Why a change is refused: for programs and audit (approval-format.md §7, in its order)."""

    REVIEW_MALFORMED = "ReviewMalformed"
    NOT_APPROVABLE = "NotApprovable"
    REQUESTER_UNVERIFIED = "RequesterUnverified"
    KEYRING_UNAVAILABLE = "KeyringUnavailable"
    LOOKUP_FAILED = "LookupFailed"
    OBJECT_NOT_CANONICAL = "ObjectNotCanonical"
    OBJECT_TOO_LARGE = "ObjectTooLarge"
    APPROVAL_MISSING = "ApprovalMissing"
    TOO_MANY_APPROVALS = "TooManyApprovals"
    APPROVAL_TOO_LARGE = "ApprovalTooLarge"
    APPROVAL_MALFORMED = "ApprovalMalformed"
    UNSUPPORTED_TYPE = "UnsupportedType"
    UNKNOWN_APPROVER = "UnknownApprover"
    SIGNATURE_INVALID = "SignatureInvalid"
    USER_PRESENCE_MISSING = "UserPresenceMissing"
    APPROVER_MISMATCH = "ApproverMismatch"
    WRONG_CLUSTER = "WrongCluster"
    WRONG_OPERATION = "WrongOperation"
    WRONG_OBJECT = "WrongObject"
    WRONG_VERSION = "WrongVersion"
    OBJECT_REPLACED = "ObjectReplaced"
    WRONG_REQUESTER = "WrongRequester"
    PROJECTION_NOT_ALLOWED = "ProjectionNotAllowed"
    IGNORE_NOT_ALLOWED = "IgnoreNotAllowed"
    OBJECT_CHANGED = "ObjectChanged"
    CHANGE_DIFFERS = "ChangeDiffers"
    OPTIONS_DIFFER = "OptionsDiffer"
    NOT_YET_VALID = "NotYetValid"
    EXPIRED = "Expired"
    LIFETIME_TOO_LONG = "LifetimeTooLong"
    KEY_REVOKED = "KeyRevoked"
    KEY_EXPIRED = "KeyExpired"
    CHANGE_REJECTED = "ChangeRejected"
    POLICY_CHANGED = "PolicyChanged"
    SELF_APPROVAL = "SelfApproval"
    SAME_OWNER = "SameOwner"
    APPROVER_NOT_ELIGIBLE = "ApproverNotEligible"
    QUORUM_NOT_MET = "QuorumNotMet"
    ALREADY_USED = "AlreadyUsed"
    LEDGER_UNAVAILABLE = "LedgerUnavailable"
    CLOCKS_DISAGREE = "ClocksDisagree"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    INTERNAL_ERROR = "InternalError"


class State(StrEnum):
    """The codes grouped for readers: text, logs, metric label ``reason`` and JSON (experience.md §1.4)."""

    PENDING = "pending"
    QUORUM = "quorum"
    REJECTED = "rejected"
    EXPIRED = "expired"
    STALE = "stale"
    USED = "used"
    SELF = "self"
    INVALID = "invalid"
    BARRED = "barred"
    UNAVAILABLE = "unavailable"
    DRY_RUN = "dry-run"


_CODES_OF: Final[Mapping[State, tuple[Code, ...]]] = {
    State.PENDING: (Code.APPROVAL_MISSING,),
    State.QUORUM: (Code.QUORUM_NOT_MET,),
    State.REJECTED: (Code.CHANGE_REJECTED,),
    State.EXPIRED: (Code.EXPIRED, Code.KEY_EXPIRED, Code.KEY_REVOKED),
    State.STALE: (
        Code.OBJECT_CHANGED,
        Code.CHANGE_DIFFERS,
        Code.OBJECT_REPLACED,
        Code.OPTIONS_DIFFER,
        Code.POLICY_CHANGED,
        Code.WRONG_CLUSTER,
        Code.WRONG_OPERATION,
        Code.WRONG_OBJECT,
        Code.WRONG_VERSION,
        Code.WRONG_REQUESTER,
    ),
    State.USED: (Code.ALREADY_USED,),
    State.SELF: (Code.SELF_APPROVAL, Code.SAME_OWNER, Code.APPROVER_NOT_ELIGIBLE),
    State.INVALID: (
        Code.UNKNOWN_APPROVER,
        Code.SIGNATURE_INVALID,
        Code.USER_PRESENCE_MISSING,
        Code.APPROVER_MISMATCH,
        Code.APPROVAL_MALFORMED,
        Code.APPROVAL_TOO_LARGE,
        Code.TOO_MANY_APPROVALS,
        Code.UNSUPPORTED_TYPE,
        Code.PROJECTION_NOT_ALLOWED,
        Code.IGNORE_NOT_ALLOWED,
        Code.NOT_YET_VALID,
        Code.LIFETIME_TOO_LONG,
    ),
    State.BARRED: (
        Code.NOT_APPROVABLE,
        Code.REQUESTER_UNVERIFIED,
        Code.REVIEW_MALFORMED,
        Code.OBJECT_NOT_CANONICAL,
        Code.OBJECT_TOO_LARGE,
    ),
    State.UNAVAILABLE: (
        Code.KEYRING_UNAVAILABLE,
        Code.LOOKUP_FAILED,
        Code.LEDGER_UNAVAILABLE,
        Code.CLOCKS_DISAGREE,
        Code.INTERNAL_ERROR,
        Code.DEADLINE_EXCEEDED,
    ),
}

STATE_OF: Final[Mapping[Code, State]] = MappingProxyType(
    {code: state for state, codes in _CODES_OF.items() for code in codes},
)
"""The one table from codes to states."""

STATUS_REASON_OF: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.PENDING: "ApprovalRequired",
        State.QUORUM: "ApprovalQuorumNotMet",
        State.REJECTED: "ApprovalRejected",
        State.EXPIRED: "ApprovalExpired",
        State.STALE: "ApprovalStale",
        State.USED: "ApprovalUsed",
        State.SELF: "ApprovalNotIndependent",
        State.INVALID: "ApprovalInvalid",
        State.BARRED: "NotApprovable",
        State.UNAVAILABLE: "GuardUnavailable",
        State.DRY_RUN: "ApprovalRequired",
    },
)
"""``status.reason``, which kubectl prints in parentheses; also the Event's reason."""

AllowReason = Literal[
    "approved",
    "harmless",
    "exempt",
    "not-agent",
    "unprotected",
    "audit",
    "warn",
]
"""Why a change is admitted: the metric label of experience.md §3.5."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One approval that counted: what the ledger records a use of."""

    payload: Digest
    """SHA-256 of the signed payload: its identity (approval-format.md §9 rule 1)."""
    slot: str
    approver: str
    key_id: str
    expires: str
    """``YYYY-MM-DDThh:mm:ssZ``, as signed."""
    key_type: str = ""
    """For the metric of checked approvals; empty when not known."""


@dataclass(frozen=True, slots=True)
class NotCounted:
    """One approval that was found and did not count."""

    slot: str
    code: Code
    annotation: str
    """The full annotation key, for ``details.causes[].field``."""
    approver: str = ""
    """The verified signer, empty as long as none is known."""
    payload: Digest | None = None
    key_type: str = ""
    """Of the verified key, empty as long as none is known."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of ``status.details.causes``."""

    reason: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Details:
    """``status.details``: the same facts for programs (experience.md §1.4)."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    retry_after_seconds: int = 0
    """0: the member is left out."""
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out on the way: for the log line, the audit annotations and the ledger."""

    agent_tag: str = ""
    """How the agent was recognised: label, namespace, group, username, strict or unknown."""
    owner: str = ""
    effect: Effect | None = None
    rules: tuple[str, ...] = ()
    """``<policy>/<index>``, ``built-in`` or ``baseline``, sorted."""
    change: Change | None = None
    change_digest: Digest | None = None
    change_id: ChangeId | None = None
    counted: tuple[Claim, ...] = ()
    not_counted: tuple[NotCounted, ...] = ()
    note: str = ""
    """A short word on the effect, from the fixed list of experience.md §1.4."""
    command: str = ""
    """Of a CONNECT what it asks for, as the agent wrote it: printable, at most 512 characters."""


NO_FACTS: Final = Facts()
"""Nothing was looked for: of who is no agent."""

NotFiled = Literal["limit", "queue", "rights"]
"""Why a refused change is not filed: its requester has too many open ones, this replica has too much to file,
the operator may not look at such objects."""


@dataclass(frozen=True, slots=True)
class Filing:
    """Where a refused change is filed, or is going to be: what the refusal tells its reader to wait for."""

    namespace: str
    filed_at: datetime
    expires: datetime
    uid: str = ""
    """Of the open ChangeRequest that says to be about this change; empty where there is none yet."""


@dataclass(frozen=True, slots=True)
class Allow:
    """Admit. ``facts.counted`` of an UPDATE must be claimed in the ledger before this is answered."""

    reason: AllowReason
    facts: Facts = NO_FACTS
    warnings: tuple[str, ...] = ()
    code: Code | None = None
    """In the modes Warn and Audit, what would have been refused."""


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse, with a text that obeys experience.md §1.4."""

    code: Code
    state: State
    message: str
    details: Details = field(default_factory=Details)
    facts: Facts = NO_FACTS
    warnings: tuple[str, ...] = ()
    filing: Filing | None = None
    """Set where this change is to be filed after the answer."""
    not_filed: NotFiled | None = None
    """Set where it would be, but for a limit."""

    @property
    def http_code(self) -> int:
        """Return ``status.code``: 403 a decision, 503 the guard could not decide."""
        return 503 if self.state is State.UNAVAILABLE else 403

    @property
    def status_reason(self) -> str:
        """Return ``status.reason``."""
        return STATUS_REASON_OF[self.state]


@dataclass(frozen=True, slots=True)
class Hold:
    """Refuse for now with 429, so that an unmodified client waits and repeats (experience.md §1.3)."""

    refusal: Deny
    retry_after_seconds: int = 5


Decision: TypeAlias = Allow | Deny | Hold
