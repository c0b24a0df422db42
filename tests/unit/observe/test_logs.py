"""Log lines: their exact members, and what they never hold."""

from __future__ import annotations

import io
import json
import logging
import warnings

import pytest
from tests.support.edge import UID, claim, request_of
from tests.support.gate import AGENT_UID

from peergate.errors import Unavailable
from peergate.model.change import Effect
from peergate.model.decision import Allow, Code, Deny, Facts, Hold, NotCounted, State
from peergate.model.names import ChangeId
from peergate.model.review import Gate, Review, parse_review
from peergate.observe.logs import DECISION_FIELDS, DecisionLog, configure_logging
from peergate.observe.verdict import verdict_of
from peergate.settings import LogSettings

FACTS = Facts(
    agent_tag="label",
    owner="team-platform",
    effect=Effect.DELETE,
    rules=("prod/0", "prod/1"),
    change_id=ChangeId("cr-hbzkqvmtwxcdfgjnprst"),
    counted=(claim(1),),
    not_counted=(NotCounted("v1.bob", Code.EXPIRED, "approval.peergate.dev/v1.bob"),),
)


def review_of(**changes: object) -> Review:
    document = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": request_of(**changes),
    }
    return parse_review(document, gate=Gate.NAMESPACED)


def line_of(decision, *, settings: LogSettings | None = None, **changes: object) -> str:
    stream = io.StringIO()
    log = DecisionLog(settings or LogSettings(), stream=stream)
    log.write(review_of(**changes), verdict_of(decision), seconds=0.0012345)
    log.flush()
    return stream.getvalue()


def fail_with(error: Exception) -> None:
    raise error


@pytest.fixture
def configured():
    """Give a function that sends all logging to a stream; put everything back afterwards."""
    root = logging.getLogger()
    names = ("aiohttp", "asyncio", "kopf", "kubernetes", "urllib3")
    before = (root.level, root.handlers[:], {name: logging.getLogger(name).level for name in names})
    stream = io.StringIO()

    def configure(**settings: str) -> io.StringIO:
        configure_logging(LogSettings(**settings), stream=stream)
        return stream

    yield configure
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_decision_has_exactly_these_members():
    line = json.loads(line_of(Deny(Code.EXPIRED, State.EXPIRED, "text", facts=FACTS)))
    assert tuple(line) == DECISION_FIELDS
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "msg": "decision",
        "request_uid": UID,
        "gate": "namespaced",
        "operation": "DELETE",
        "group": "",
        "version": "v1",
        "kind": "ConfigMap",
        "resource": "configmaps",
        "subresource": "",
        "namespace": "shop",
        "name": "limits",
        "object_uid": "1a2b3c4d-0000-4000-8000-00000000000a",
        "user": "system:serviceaccount:agents:bot",
        "user_uid": AGENT_UID,
        "agent_tag": "label",
        "owner": "team-platform",
        "effect": "Delete",
        "decision": "deny",
        "state": "expired",
        "code": "Expired",
        "rule": "prod/0,prod/1",
        "change": "cr-hbzkqvmtwxcdfgjnprst",
        "approvers": ["peer1@example.com"],
        "payloads": [claim(1).payload],
        "not_counted": ["v1.bob:Expired"],
        "command": "",
        "dry_run": False,
        "duration_ms": 1.234,
    }


def test_an_item_of_a_collection_is_named_by_its_object():
    assert json.loads(line_of(Allow("harmless"), name=""))["name"] == "limits"


LEVELS = {
    "an admission": (Allow("approved"), "info"),
    "a request of somebody else": (Allow("not-agent"), "info"),
    "a refusal": (Deny(Code.APPROVAL_MISSING, State.PENDING, ""), "info"),
    "a hold": (Hold(Deny(Code.APPROVAL_MISSING, State.PENDING, "")), "info"),
    "what can never be approved": (Deny(Code.NOT_APPROVABLE, State.BARRED, ""), "warning"),
    "a guard that could not decide": (Deny(Code.INTERNAL_ERROR, State.UNAVAILABLE, ""), "error"),
}


@pytest.mark.parametrize("case", LEVELS)
def test_the_level_of(case):
    decision, level = LEVELS[case]
    assert json.loads(line_of(decision))["level"] == level
    quiet = line_of(decision, settings=LogSettings(level="warning"))
    assert bool(quiet) == (level != "info")


HOSTILE = {
    "a line break in a name": {"name": "a\nts=1"},
    "control characters in a user name": {"userInfo": {"username": "a\x1b[2J\x00\u2028b"}},
    "a lone surrogate": {"name": "\ud800"},
    "a user name of a megabyte": {"userInfo": {"username": "u" * (1 << 20)}},
    "metadata that is no object": {"name": "", "oldObject": {"metadata": []}},
    "a uid that is no text": {"oldObject": {"metadata": {"uid": {}}}},
}


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("case", HOSTILE)
def test_one_decision_is_one_short_line_whatever(case, form):
    line = line_of(Allow("not-agent"), settings=LogSettings(format=form), **HOSTILE[case])
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert len(line) < 2000
    assert line[:-1].isprintable()


def test_no_content_of_an_object_is_logged():
    old = request_of()["oldObject"] | {"data": {"password": "hunter2"}}
    line = line_of(Deny(Code.EXPIRED, State.EXPIRED, "hunter2", facts=FACTS), oldObject=old)
    assert "hunter2" not in line


def test_people_read_a_line_of_text():
    line = line_of(Allow("approved", facts=FACTS), settings=LogSettings(format="text"))
    assert " info    decision request_uid=" in line
    assert "approvers=peer1@example.com" in line
    assert "subresource=" not in line


def test_every_logger_writes_json(configured):
    stream = configured()
    logging.getLogger("kopf.objects").warning(
        "handled %s",
        "it",
        extra={"k8s_ref": {"kind": "Approver", "name": "alice", "namespace": None, "uid": "u", "x": 1}},
    )
    line = json.loads(stream.getvalue())
    assert line.pop("ts")
    assert line == {
        "level": "warning",
        "msg": "handled it",
        "logger": "kopf.objects",
        "object": {"kind": "Approver", "name": "alice", "uid": "u"},
    }


def test_a_line_for_every_event_is_no_line(configured):
    stream = configured()
    logging.getLogger("kopf.objects").info("Handler succeeded.")
    assert not stream.getvalue()


def test_an_error_shows_where_and_not_with_what(configured):
    stream = configured()
    try:
        fail_with(ValueError("wrong value\ninput: hunter2"))
    except ValueError:
        logging.getLogger("peergate.x").exception("it broke")
    line = json.loads(stream.getvalue())
    assert line["error"] == "ValueError: wrong value"
    assert any("test_an_error_shows" in frame for frame in line["trace"])
    assert "hunter2" not in stream.getvalue()


def test_our_own_errors_show_their_context(configured):
    stream = configured(format="text")
    try:
        fail_with(Unavailable("no answer", context="GET approvers: refused"))
    except Unavailable:
        logging.getLogger("peergate.x").exception("it broke")
    assert "error=Unavailable: no answer (GET approvers: refused)" in stream.getvalue()


def test_other_libraries_never_tell_debug_detail(configured):
    stream = configured(level="debug")
    for name in ("kopf.objects", "kubernetes.client.rest", "aiohttp.access", "asyncio", "urllib3.connection"):
        logging.getLogger(name).debug("response body: secret")
    logging.getLogger("peergate.x").debug("fine")
    assert [json.loads(line)["msg"] for line in stream.getvalue().splitlines()] == ["fine"]


def test_warnings_are_logged(configured):
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert json.loads(stream.getvalue())["logger"] == "py.warnings"
