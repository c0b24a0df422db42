"""Delete options: which of them an approval binds, and how (approval-format.md §6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from peergate.approval.projection import DELETION_FINALIZERS
from peergate.model.names import JsonObject

__all__ = ["PROPAGATION_POLICIES", "OptionsRefused", "check_delete_options", "delete_options"]

PROPAGATION_POLICIES: Final = ("Background", "Foreground", "Orphan")

_IGNORED: Final = frozenset({"apiVersion", "kind", "dryRun", "preconditions", "gracePeriodSeconds"})
"""The first two say what the object is; the next two only narrow; grace is bound for Pods, below."""
_UNSAFE: Final = "ignoreStoreReadErrorWithClusterBreakingPotential"
_OVER: Final = ("Succeeded", "Failed")
_MAX_GRACE: Final = 2**31 - 1


class OptionsRefused(ValueError):
    """Options that no approval covers, or not this one; the text says which, for people."""


def delete_options(options: JsonObject | None, *, pod: JsonObject | None) -> Mapping[str, str | int]:
    """Return the options of a deletion in the form that the change id and a statement hold.

    Shape: ``propagationPolicy`` if the request has one; for core/v1 Pods (``pod`` given)
    ``minGracePeriodSeconds``, the grace this deletion gives. Of an eviction, the ``deleteOptions``.
    Errors: OptionsRefused for ``orphanDependents``, the unsafe deletion (A49), unknown members and values
        that can't be compared.
    Source: approval-format.md §6.2 rules 2 and 3.
    """
    if not isinstance(options, dict | None):
        raise OptionsRefused("the delete options are no object")
    given = {name: value for name, value in (options or {}).items() if value is not None}
    policy = given.pop("propagationPolicy", None)
    unsafe = given.pop(_UNSAFE, False)
    if unsafe is not False:
        raise OptionsRefused("a deletion that skips reading the object can't be approved")
    unknown = given.keys() - _IGNORED
    if unknown:
        raise OptionsRefused(f"the delete option {min(unknown)} can't be approved")
    normalised: dict[str, str | int] = {}
    if policy is not None:
        if policy not in PROPAGATION_POLICIES:
            raise OptionsRefused("the propagation policy is unknown")
        normalised["propagationPolicy"] = policy
    if pod is not None:
        grace = given.get("gracePeriodSeconds")
        normalised["minGracePeriodSeconds"] = (
            _default_grace(pod) if grace is None else _seconds(grace, what="the grace period")
        )
    return normalised


def check_delete_options(
    signed: Mapping[str, str | int],
    *,
    options: JsonObject | None,
    old: JsonObject,
    is_pod: bool,
) -> None:
    """Check that a deletion's options are those that a statement covers (V21).

    Forced deletion needs ``minGracePeriodSeconds: 0`` signed (A23). ``old`` is the object to be deleted.
    Errors: OptionsRefused.
    """
    asked = delete_options(options, pod=old if is_pod else None)
    if asked.get("propagationPolicy") != signed.get("propagationPolicy"):
        raise OptionsRefused("the propagation policy is not the signed one")
    metadata = _object(old.get("metadata"))
    if "propagationPolicy" not in asked and not metadata.get("deletionTimestamp"):
        # With no policy in the request, such a finalizer would choose one that nobody signed.
        finalizers = metadata.get("finalizers")
        if isinstance(finalizers, list) and any(name in DELETION_FINALIZERS for name in finalizers):
            raise OptionsRefused("a finalizer of the object would choose the propagation policy")
    if is_pod and asked["minGracePeriodSeconds"] < signed.get("minGracePeriodSeconds", _default_grace(old)):  # type: ignore[operator]
        raise OptionsRefused("the grace period is shorter than the signed one")


def _default_grace(pod: JsonObject) -> int:
    """Return the grace that a Pod's deletion has when the request names none (*d* of §6.2)."""
    spec, status = _object(pod.get("spec")), _object(pod.get("status"))
    if not spec.get("nodeName") or status.get("phase") in _OVER:
        return 0
    return _seconds(
        spec.get("terminationGracePeriodSeconds") or 0, what="the Pod's terminationGracePeriodSeconds"
    )


def _seconds(value: object, *, what: str) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_GRACE:
        raise OptionsRefused(f"{what} is no number of seconds from 0 to {_MAX_GRACE}")
    return value


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
