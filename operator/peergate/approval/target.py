"""The change under review, as approvals are held against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from peergate.approval.options import delete_options
from peergate.approval.projection import digest, project_delete, project_update
from peergate.model.change import Change, ObjectRef, Projection, Requester, SignedOperation
from peergate.model.names import Digest, JsonObject
from peergate.model.review import Kind

__all__ = ["Digests", "Target", "Terms"]


@dataclass(frozen=True, slots=True)
class Digests:
    """Of the object as it is, and for an UPDATE as it would be."""

    from_: Digest
    to: Digest | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the governing policies say about approvals of this change."""

    max_ttl: timedelta
    """The smallest of all matching rules."""
    projections: frozenset[Projection]
    """Allowed for the kind: ``k8s-projection/v1``, or ``k8s-identity/v1`` for a DELETE of identityKinds."""
    ignore: frozenset[str] = frozenset()
    """Pointers that every matching rule lists, literally."""
    policies: Mapping[str, Digest] = field(default_factory=dict)
    """Governing policies: name to ``k8s-projection/v1`` DELETE digest."""


@dataclass(frozen=True, slots=True)
class Target:
    """One change under review.

    Digests are computed when first asked for and kept, one pair for each projection and ignore list.
    """

    audience: str
    operation: SignedOperation
    """An eviction is a DELETE with ``object.subresource`` ``eviction``."""
    object: ObjectRef
    """From ``request.resource``, ``request.subResource`` and the metadata of ``old`` (§6.1)."""
    requester: Requester
    requester_owner: str
    """Empty if unknown."""
    kind: Kind
    """Of ``old``: ``request.kind``; of an eviction, the Pod's."""
    old: JsonObject
    """As it is; of an eviction, the Pod."""
    new: JsonObject | None = None
    """As it would be; ``None`` for a DELETE."""
    options: JsonObject | None = None
    """``request.options`` of a DELETE; of an eviction its ``deleteOptions``."""
    _digests: dict[tuple[Projection, tuple[str, ...]], Digests] = field(
        default_factory=dict,
        compare=False,
        repr=False,
    )

    def __post_init__(self) -> None:
        if (self.operation == "UPDATE") != (self.new is not None):
            raise TypeError("an UPDATE has a new object, a DELETE has none")

    @property
    def is_pod(self) -> bool:
        """Tell whether a grace period counts: core/v1 Pods only (§6.2 rule 3)."""
        return (self.object.group, self.object.version, self.object.resource) == ("", "v1", "pods")

    def digests(self, projection: Projection, *, ignore: tuple[str, ...] = ()) -> Digests:
        """Return the digests that an approval with this projection and ignore list must name (V20).

        Errors: NotCanonical, TooLarge; PointerProblem if a pointer names an array element.
        """
        key = (projection, ignore)
        if key not in self._digests:
            self._digests[key] = self._compute(projection, ignore=ignore)
        return self._digests[key]

    def change(self, projection: Projection) -> Change:
        """Return the change as it is named and filed.

        Errors: as ``digests``; OptionsRefused for delete options that no approval covers.
        """
        digests = self.digests(projection)
        options: Mapping[str, str | int] = {}
        if self.operation == "DELETE":
            options = delete_options(self.options, pod=self.old if self.is_pod else None)
        return Change(
            audience=self.audience,
            operation=self.operation,
            object=self.object,
            requester=self.requester,
            projection=projection,
            from_=digests.from_,
            to=digests.to,
            options=options,
        )

    def _compute(self, projection: Projection, *, ignore: tuple[str, ...]) -> Digests:
        if self.new is None:
            projected = project_delete(self.old, kind=self.kind, projection=projection, ignore=ignore)
            return Digests(from_=digest(projected), to=None)
        before, after = project_update(self.old, self.new, kind=self.kind, ignore=ignore)
        return Digests(from_=digest(before), to=digest(after))
