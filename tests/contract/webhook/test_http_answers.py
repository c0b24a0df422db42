"""Whatever comes over HTTP has one exact answer, and none of them admits."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from tests.support.edge import UID, always, http, parts, review_body, serve

from peergate.model.decision import Allow

LIMIT = 1 << 20
GOOD = review_body()
REVIEW = json.loads(GOOD)
MALFORMED = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"' + UID.encode() + b'",'
    b'"allowed":false,"status":{"status":"Failure","message":"NOT APPROVABLE: a request of an AI agent came '
    b"as a review that cannot be read. The object is unchanged.\\nThis is a deliberate external approval "
    b"boundary, not a fault; other verbs, tools and agent identities reach the same review.\\n"
    b"state=barred code=ReviewMalformed\\nNext: no peer signature covers this; a person with cluster rights "
    b'does it, or the task ends here.","reason":"NotApprovable","details":{},"code":403},'
    b'"auditAnnotations":{"decision":"deny","code":"ReviewMalformed"}}}'
)
NOT_JSON = b"the body is not JSON\n"
NO_UID = b"the review has no readable request.uid\n"
NO_GATE = b"no gate has this path\n"
ONLY_POST = b"reviews are posted\n"
ONLY_JSON = b"a review is application/json\n"


def changed(**members: object) -> bytes:
    return json.dumps(REVIEW | members).encode()


def requested(**members: object) -> bytes:
    return changed(request=REVIEW["request"] | members)


BODIES: dict[str, tuple[bytes, int, bytes]] = {
    "an empty body": (b"", 400, b"the body is empty\n"),
    "text": (b"hello", 400, NOT_JSON),
    "half a document": (GOOD[: len(GOOD) // 2], 400, NOT_JSON),
    "two documents": (GOOD + GOOD, 400, NOT_JSON),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, 400, NOT_JSON),
    "UTF-16": (GOOD.decode().encode("utf-16"), 400, NOT_JSON),
    "bytes that are no UTF-8": (GOOD.replace(b"limits", b"\xff\xfe"), 400, NOT_JSON),
    "NaN": (GOOD.replace(b'"1"', b"NaN"), 400, NOT_JSON),
    "NaN beside a wide integer": (GOOD.replace(b'"1"', b"[NaN, 12345678901234567890]"), 400, NOT_JSON),
    "infinity beside a wide integer": (
        GOOD.replace(b'"1"', b"[-Infinity, 12345678901234567890]"),
        400,
        NOT_JSON,
    ),
    "a number that overflows": (GOOD.replace(b'"1"', b"1e999"), 400, NOT_JSON),
    "a number that overflows beside a wide integer": (
        GOOD.replace(b'"1"', b"[1e999, 12345678901234567890]"),
        400,
        NOT_JSON,
    ),
    "an integer of 5000 digits": (GOOD.replace(b'"1"', b"9" * 5000), 400, NOT_JSON),
    "a lone surrogate": (GOOD.replace(b"limits", b"\\ud800"), 400, NOT_JSON),
    "a lone surrogate beside a wide integer": (
        GOOD.replace(b"limits", b"\\ud800").replace(b'"1"', b"12345678901234567890"),
        400,
        NOT_JSON,
    ),
    "nesting of 2000 lists": (b"[" * 2000 + b"]" * 2000, 400, NOT_JSON),
    "nesting of 2000 lists beside a wide integer": (
        b"[12345678901234567890," + b"[" * 2000 + b"]" * 2001,
        400,
        b"the body is nested too deeply\n",
    ),
    "a list": (b"[]", 400, NO_UID),
    "a number": (b"1", 400, NO_UID),
    "null": (b"null", 400, NO_UID),
    "no request": (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', 400, NO_UID),
    "a null request": (changed(request=None), 400, NO_UID),
    "a list for the request": (changed(request=[]), 400, NO_UID),
    "an empty uid": (requested(uid=""), 400, NO_UID),
    "a number for the uid": (requested(uid=7), 400, NO_UID),
    "a uid of 129 characters": (requested(uid="u" * 129), 400, NO_UID),
    "a uid with a line break": (requested(uid="a\nb"), 400, NO_UID),
    "another kind": (changed(kind="TokenReview"), 200, MALFORMED),
    "another apiVersion": (changed(apiVersion="admission.k8s.io/v1beta1"), 200, MALFORMED),
    "no apiVersion": (changed(apiVersion=None), 200, MALFORMED),
    "text for dryRun": (requested(dryRun="false"), 200, MALFORMED),
    "a list for the object": (requested(object=[]), 200, MALFORMED),
    "text for the old object": (requested(oldObject="{}"), 200, MALFORMED),
    "a number for the operation": (requested(operation=1), 200, MALFORMED),
    "no kind": (requested(kind=None), 200, MALFORMED),
    "text for the user": (requested(userInfo="admin"), 200, MALFORMED),
    "an object for the groups": (requested(userInfo={"groups": {}}), 200, MALFORMED),
    "a number among the groups": (requested(userInfo={"groups": [1]}), 200, MALFORMED),
    "a repeated request, the last one null": (GOOD[:-1] + b',"request":null}', 400, NO_UID),
    "a body one byte above the limit": (
        GOOD.ljust(LIMIT + 1),
        413,
        b"the body is larger than 1048576 bytes\n",
    ),
}


@pytest.mark.parametrize("case", BODIES)
async def test_a_body_that_is_no_review_is_refused(case):
    body, status, want = BODIES[case]
    # The decision would admit, so that nothing but the edge can refuse.
    async with serve(always(Allow("not-agent")), max_body_bytes=LIMIT) as served:
        answer = parts(await served.exchange(http(body)))
        assert (answer[0], answer[2]) == (status, want)
        assert served.errors("body") == 1


@dataclass(frozen=True)
class Wrong:
    path: str = "/gates/own"
    method: str = "POST"
    content_type: str | None = "application/json"
    headers: tuple[str, ...] = ()
    status: int = 404
    body: bytes = NO_GATE


REQUESTS: dict[str, Wrong] = {
    "the root": Wrong("/"),
    "the folder of the gates": Wrong("/gates"),
    "no gate's name": Wrong("/gates/"),
    "an unknown gate": Wrong("/gates/other"),
    "a gate in another case": Wrong("/gates/Own"),
    "a slash at the end": Wrong("/gates/own/"),
    "two slashes at the start": Wrong("//gates/own"),
    "two slashes within": Wrong("/gates//own"),
    "an encoded slash": Wrong("/gates%2fown"),
    "an encoded letter": Wrong("/gates/%6fwn"),
    "a step up": Wrong("/gates/x/../own"),
    "a dot": Wrong("/gates/./own"),
    "something after the gate": Wrong("/gates/own/x"),
    "a parameter in the path": Wrong("/gates/own;x=1"),
    "a fragment": Wrong("/gates/own#x"),
    "a whole URL": Wrong("https://edge/gates/own"),
    "GET": Wrong(method="GET", status=405, body=ONLY_POST),
    "PUT": Wrong(method="PUT", status=405, body=ONLY_POST),
    "DELETE": Wrong(method="DELETE", status=405, body=ONLY_POST),
    "OPTIONS": Wrong(method="OPTIONS", status=405, body=ONLY_POST),
    "no content type": Wrong(content_type=None, status=415, body=ONLY_JSON),
    "text": Wrong(content_type="text/plain", status=415, body=ONLY_JSON),
    "YAML": Wrong(content_type="application/yaml", status=415, body=ONLY_JSON),
    "JSON in another encoding": Wrong(
        content_type="application/json; charset=utf-16", status=415, body=ONLY_JSON
    ),
    "a compressed body": Wrong(
        headers=("Content-Encoding: gzip",), status=415, body=b"a review is not compressed\n"
    ),
}


@pytest.mark.parametrize("case", REQUESTS)
async def test_a_wrong_request_is_no_review(case):
    wrong = REQUESTS[case]
    async with serve(always(Allow("not-agent"))) as served:
        sent = http(
            GOOD,
            path=wrong.path,
            method=wrong.method,
            content_type=wrong.content_type,
            headers=wrong.headers,
        )
        status, headers, body = parts(await served.exchange(sent))
        assert (status, body) == (wrong.status, wrong.body)
        assert headers.get("allow") == ("POST" if status == 405 else None)


NO_HTTP: dict[str, bytes] = {
    "no HTTP at all": b"hello\r\n\r\n",
    "two lengths": http(GOOD, headers=("Content-Length: 3",)),
    "a length and chunks": http(GOOD, headers=("Transfer-Encoding: chunked", "Content-Length: 3")),
    "a negative length": http(GOOD, length=-1),
    "a line of 10,000 characters": http(GOOD, path="/gates/own?" + "x" * 10_000),
    "a header of 10,000 characters": http(GOOD, headers=("X: " + "x" * 10_000,)),
    "200 headers": http(GOOD, headers=tuple(f"X-{number}: 1" for number in range(200))),
}


@pytest.mark.parametrize("case", NO_HTTP)
async def test_what_is_no_http_request_is_refused(case):
    async with serve(always(Allow("not-agent"))) as served:
        status, headers, body = parts(await served.exchange(NO_HTTP[case]))
        assert (status, headers["connection"], body) == (400, "close", b"no HTTP request\n")
        assert served.errors("body") == 1


PATHS_THAT_SERVE = [f"/gates/{gate}" for gate in ("namespaced", "cluster", "own", "identity", "resources")]


@pytest.mark.parametrize("path", [*PATHS_THAT_SERVE, "/gates/own?timeout=5s"])
async def test_a_gate_answers_on_its_path(path):
    async with serve(always(Allow("not-agent"))) as served:
        status, headers, body = parts(await served.exchange(http(GOOD, path=path)))
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(body)["response"] == {
            "uid": UID,
            "allowed": True,
            "auditAnnotations": {"decision": "skip"},
        }


async def test_a_body_of_exactly_the_limit_is_read():
    async with serve(always(Allow("not-agent"))) as served:
        status, _, _ = parts(await served.exchange(http(GOOD.ljust(8 << 20))))
        assert status == 200
        status, _, body = parts(await served.exchange(http(GOOD.ljust((8 << 20) + 1))))
        assert (status, body) == (413, b"the body is larger than 8388608 bytes\n")


async def test_a_chunked_body_is_read():
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
    async with serve(always(Allow("not-agent"))) as served:
        status, _, _ = parts(
            await served.exchange(http(chunked, headers=("Transfer-Encoding: chunked",))),
        )
        assert status == 200


async def test_a_connection_serves_many_reviews():
    async with serve(always(Allow("not-agent"))) as served, served.connection() as (reader, writer):
        for number in range(20):
            writer.write(http(review_body(uid=f"uid-{number}"), close=False))
            _, headers, _ = parts(await reader.readuntil(b"\r\n\r\n"))
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            assert body["response"]["uid"] == f"uid-{number}"
