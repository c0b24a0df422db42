"""A refusal is read from its text, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from peergate.cli.kube import ApiError
from peergate.cli.refusals import refusal_in

FRONT = 'admission webhook "namespaced.gate.peergate.dev" denied the request: '
TEXT = (
    "APPROVAL REQUIRED (pending 0/1): delete Pod shop/a by AI agent ops/bot waits for a peer signature. "
    "The object is unchanged.\nThis is a deliberate external approval boundary, not a fault.\n"
    "request=shop/cr-hbzkqvmtwxcdfgjnprst state=pending code=ApprovalMissing approvals=0/1 rule=prod/0\n"
    "Wait: kubectl -n shop wait --for=condition=Decided chreq/cr-hbzkqvmtwxcdfgjnprst"
)


def _error(message: str, *, status: int = 403) -> ApiError:
    return ApiError("the cluster refused it", status=status, message=message)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_state_and_request_are_read_from_the_third_line(status):
    found = refusal_in(_error(FRONT + TEXT, status=status))
    assert found is not None
    assert (found.state, found.place) == ("pending", ("shop", "cr-hbzkqvmtwxcdfgjnprst"))
    assert found.lines[0].startswith("APPROVAL REQUIRED (pending 0/1): delete Pod")
    assert found.facts["rule"] == "prod/0"


def test_without_a_request_there_is_no_place():
    found = refusal_in(_error(FRONT + TEXT.replace("shop/cr-hbzkqvmtwxcdfgjnprst", "none")))
    assert found is not None
    assert found.place is None


def test_a_gate_that_is_starting_has_no_state():
    text = "GUARD UNAVAILABLE: the gate is starting. The object is unchanged.\nNext: repeat it"
    found = refusal_in(_error(FRONT + text, status=503))
    assert found is not None
    assert (found.state, found.place) == ("", None)


OTHERS = {
    "missing rights": _error('pods "a" is forbidden: User "x" cannot delete resource "pods"'),
    "another webhook": _error('admission webhook "policy.example.com" denied the request: ' + TEXT),
    "a webhook that calls itself like ours somewhere else": _error(
        'admission webhook "namespaced.gate.peergate.dev.example.com" denied the request: ' + TEXT
    ),
    "our text in the middle of another": _error("x " + FRONT + TEXT),
    "another status": _error(FRONT + TEXT, status=422),
}


@pytest.mark.parametrize("sentence", OTHERS)
def test_another_answer_is_no_refusal_of_the_gate(sentence):
    assert refusal_in(OTHERS[sentence]) is None
