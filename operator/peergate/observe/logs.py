"""Log lines: one JSON object a line, one line per decision (experience.md §3.6).

Never objects, patches, Secret data or signatures. A line about a decision has exactly the members of
``DECISION_FIELDS``; what a client chose is cut to a bounded length.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Literal, TextIO

import orjson

from peergate.errors import PeergateError
from peergate.model.decision import State
from peergate.model.review import Review
from peergate.observe.verdict import Verdict
from peergate.settings import LogSettings

__all__ = ["DECISION_FIELDS", "DecisionLog", "JsonFormatter", "TextFormatter", "configure_logging"]

DECISION_FIELDS: Final = (
    *("ts", "level", "msg", "request_uid", "gate", "operation"),
    *("group", "version", "kind", "resource", "subresource", "namespace", "name", "object_uid"),
    *("user", "user_uid", "agent_tag", "owner"),
    *("effect", "decision", "state", "code", "rule", "change"),
    *("approvers", "payloads", "not_counted", "command", "dry_run", "duration_ms"),
)

_Level = Literal["debug", "info", "warning", "error"]
_LEVELS: Final[Mapping[_Level, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_OTHERS: Final = ("aiohttp", "asyncio", "kopf", "kubernetes", "urllib3")
"""Their debug lines hold response bodies and patches, so they never go below info."""
_CHATTY: Final = ("kopf.objects",)
"""One line for every event it looks at; only warnings are worth a line."""
_MAX_TEXT: Final = 512
_MAX_FRAMES: Final = 12
_LATE_CONTROL: Final = re.compile(r"[\x80-\x9f\u2028\u2029]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class DecisionLog:
    """Writes the line of every decision.

    Beside the standard library's loggers, not through them: making a record costs several times as much as
    the line. One line is one write, so lines of both never mix.
    """

    def __init__(self, settings: LogSettings, *, stream: TextIO | None = None) -> None:
        """Write to a stream, standard error if none is given."""
        self._stream: Final = stream if stream is not None else sys.stderr
        self._least: Final = _LEVELS[settings.level]
        self._render: Final = _as_json if settings.format == "json" else _as_text

    def write(self, review: Review, verdict: Verdict, *, seconds: float) -> None:
        """Write one line.

        Level: error for a guard that could not decide, warning for what can never be approved, else info.
        Errors: OSError when the stream can't take it.
        """
        level = _level_of(verdict)
        if _LEVELS[level] < self._least:
            return
        line = self._render(time.time(), level, _fields(review, verdict, seconds=seconds))
        self._stream.write(line + "\n")

    def flush(self) -> None:
        """Send what was written on its way. Errors: OSError when the stream can't take it."""
        self._stream.flush()


def configure_logging(settings: LogSettings, *, stream: TextIO | None = None) -> None:
    """Send every logger's lines to one stream, standard error if none is given.

    Replaces what was configured before. Loggers of other libraries are never more talkative than info.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    level = _LEVELS[settings.level]
    root.setLevel(level)
    for name in _OTHERS:
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)


class JsonFormatter(logging.Formatter):
    """Write a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        return _as_json(record.created, record.levelname.lower(), _members(record))


class TextFormatter(logging.Formatter):
    """Write a record as one line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end; empty members are left out."""
        return _as_text(record.created, record.levelname.lower(), _members(record))


def _as_json(created: float, level: str, members: Mapping[str, object]) -> str:
    return orjson.dumps({"ts": _timestamp(created), "level": level, **members}).decode()


def _as_text(created: float, level: str, members: Mapping[str, object]) -> str:
    shown = {name: value for name, value in members.items() if name != "msg" and value not in ("", [], {})}
    rest = " ".join(f"{name}={_shown(value)}" for name, value in shown.items())
    return f"{_timestamp(created)} {level:7} {_shown(members['msg'])} {rest}".rstrip()


def _level_of(verdict: Verdict) -> _Level:
    if verdict.reason == State.UNAVAILABLE:
        return "error"
    return "warning" if verdict.reason == State.BARRED else "info"


def _fields(review: Review, verdict: Verdict, *, seconds: float) -> dict[str, object]:
    facts = verdict.facts
    metadata = (review.subject or {}).get("metadata")
    found = metadata if isinstance(metadata, dict) else {}
    return {
        "msg": "decision",
        "request_uid": review.uid,
        "gate": review.gate,
        "operation": _cut(review.operation),
        "group": _cut(review.resource.group),
        "version": _cut(review.resource.version),
        "kind": _cut(review.kind.kind),
        "resource": _cut(review.resource.resource),
        "subresource": _cut(review.subresource),
        "namespace": _cut(review.namespace),
        "name": _cut(review.name or found.get("name")),
        "object_uid": _cut(found.get("uid")),
        "user": _cut(review.user.username),
        "user_uid": _cut(review.user.uid),
        "agent_tag": facts.agent_tag,
        "owner": _cut(facts.owner),
        "effect": facts.effect or "",
        "decision": verdict.word,
        "state": verdict.reason,
        "code": verdict.code,
        "rule": ",".join(facts.rules),
        "change": facts.change_id or "",
        "approvers": [claim.approver for claim in facts.counted],
        "payloads": [claim.payload for claim in facts.counted],
        "not_counted": [f"{refused.slot}:{refused.code}" for refused in facts.not_counted],
        "command": facts.command,
        "dry_run": review.dry_run,
        "duration_ms": round(seconds * 1000, 3),
    }


def _members(record: logging.LogRecord) -> Mapping[str, object]:
    members: dict[str, object] = {
        "msg": _cut(record.getMessage(), limit=4 * _MAX_TEXT),
        "logger": record.name,
    }
    reference = getattr(record, "k8s_ref", None)
    if isinstance(reference, dict):  # kopf's: which object a line is about
        parts = ((key, _cut(reference.get(key))) for key in ("kind", "namespace", "name", "uid"))
        members["object"] = {key: value for key, value in parts if value}
    if record.exc_info:
        members |= _error(record.exc_info)
    return members


def _error(
    info: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
) -> dict[str, object]:
    error = info[1]
    if error is None:
        return {}
    text = str(error) if isinstance(error, PeergateError) else str(error).partition("\n")[0]
    # Only the first line of a foreign text: what follows may show the value that was wrong.
    frames = traceback.extract_tb(info[2])[-_MAX_FRAMES:]
    return {
        "error": f"{type(error).__name__}: {_cut(text)}",
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _cut(value: object, *, limit: int = _MAX_TEXT) -> str:
    """Return bounded text that UTF-8 can hold; what is no text becomes empty."""
    if not isinstance(value, str):
        return ""
    text = value if len(value) <= limit else f"{value[:limit]}..."
    # JSON escapes ASCII's control characters; the others would be lines of their own to some readers.
    return text if text.isascii() else _LATE_CONTROL.sub("?", text.encode("utf-8", "replace").decode())


def _shown(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return _CONTROL.sub("?", text)


def _timestamp(created: float) -> str:
    return f"{_second(int(created))}.{int(created % 1 * 1000):03d}Z"


@functools.lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
