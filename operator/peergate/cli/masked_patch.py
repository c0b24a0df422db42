"""What can be shown of an update whose patch is masked: which members change, without what they become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from peergate.cli.diff import ORDER, Difference, Sign
from peergate.cli.masking import NotFiled, masked
from peergate.model.names import JsonObject

__all__ = ["differences_of_masked"]

_SIGNS: Final = {"remove": Sign.REMOVED, "replace": Sign.CHANGED, "add": Sign.ADDED}


def differences_of_masked(before: JsonObject, patch: Iterable[Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Return the members that the patch touches, removed ones first.

    The present values come from the live object, masked; a value that was not filed is called that. Never
    raises: a step that fits nothing is shown as it is named.
    """
    shown = masked(before)
    found = []
    for step in patch:
        sign = _SIGNS.get(str(step.get("op")))
        if sign is None:
            continue
        tokens = [
            token.replace("~1", "/").replace("~0", "~") for token in str(step.get("path")).split("/")[1:]
        ]
        new = step.get("value", NotFiled())
        found.append(
            Difference(
                sign,
                tuple(_part(token) for token in tokens) or ("(everything)",),
                old=None if sign is Sign.ADDED else _at(shown, tokens),
                new=None if sign is Sign.REMOVED else new,
            )
        )
    return tuple(sorted(found, key=lambda one: (ORDER[one.sign], one.path)))


def _part(token: str) -> str:
    return f"[{token}]" if token.isdigit() else token


def _at(document: Any, tokens: Iterable[str]) -> Any:
    for token in tokens:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list) and token.isdigit() and int(token) < len(document):
            document = document[int(token)]
        else:
            return None
    return document
