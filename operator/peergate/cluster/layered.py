"""A mapping that never changes, and of which the next state is made without a copy of it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar, overload

__all__ = ["Layered"]

_K = TypeVar("_K")
_V = TypeVar("_V")
_D = TypeVar("_D")

_OVER_MOST: Final = 1_000
"""Entries that lie over the base; above that a new base is made, which takes milliseconds for tens of
thousands of entries."""
_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class Layered(Mapping[_K, _V]):
    """A base that is shared from state to state, and over it the little that changed since."""

    __slots__ = ("_base", "_most", "_over")

    def __init__(
        self,
        base: Mapping[_K, _V] = _NOTHING,
        *,
        over: Mapping[_K, _V | None] = _NOTHING,
        most: int = _OVER_MOST,
    ) -> None:
        """Take both as they are: neither may change any more. ``None`` over a key takes it away.

        ``most``: so many entries lie over the base at most.
        """
        self._base = base
        self._over = over
        self._most = most

    def but(self, changes: Mapping[_K, _V | None]) -> Layered[_K, _V]:
        """Return it with these entries in place of what it has; ``None`` takes one away."""
        if not changes:
            return self
        over = {**self._over, **changes}
        if len(over) <= self._most:
            return Layered(self._base, over=over, most=self._most)
        base: dict[_K, Any] = {**self._base, **over}
        for key in [key for key, value in over.items() if value is None]:
            del base[key]
        return Layered(base, most=self._most)

    def __getitem__(self, key: _K) -> _V:
        if key in self._over:
            value = self._over[key]
            if value is None:
                raise KeyError(key)
            return value
        return self._base[key]

    @overload
    def get(self, key: _K, /) -> _V | None: ...

    @overload
    def get(self, key: _K, /, default: _V | _D) -> _V | _D: ...

    def get(self, key: _K, /, default: _V | _D | None = None) -> _V | _D | None:
        """Return the entry, else ``default``; this is what reviews call, and nothing is raised for it."""
        if key in self._over:
            value = self._over[key]
            return default if value is None else value
        return self._base.get(key, default)

    def __iter__(self) -> Iterator[_K]:
        yield from (key for key in self._base if key not in self._over)
        yield from (key for key, value in self._over.items() if value is not None)

    def __len__(self) -> int:
        return len(self._base) + sum(
            (value is not None) - (key in self._base) for key, value in self._over.items()
        )
