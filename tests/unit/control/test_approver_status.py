"""An Approver says which of its keys can't be used, and why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.approvals import make_key
from tests.support.gate import NOW

from peergate.approval.keyring import build_keyring
from peergate.cluster.caches import read_approver
from peergate.control.approvers import approver_status
from peergate.model.wire import format_instant

GOOD = make_key("ssh-ed25519", "good").record().model_dump(by_alias=True, mode="json", exclude_none=True)
BAD = {"type": "ssh", "publicKey": "ssh-ed25519 AAAA"}
ENDED = {**GOOD, "notAfter": format_instant(NOW - timedelta(days=1))}


def status(*keys, now=NOW, others=None, **spec):
    document = {
        "metadata": {"name": "alice", "generation": 2},
        "spec": {"identity": "alice@example.com", "class": "human", "keys": list(keys), **spec},
    }
    record = read_approver(document)
    specs = {"alice": record.spec} if record.spec is not None else {}
    return approver_status("alice", record, keyring=build_keyring(specs | (others or {})), now=now)


CASES = {
    "a good key is enough": (status(GOOD), "True", "Valid", 1),
    "a bad key beside a good one is told": (status(GOOD, BAD), "True", "SomeKeysUnusable", 1),
    "a bad key alone is not enough": (status(BAD), "False", "NoUsableKey", 0),
    "an expired key is not enough": (status(ENDED), "False", "NoUsableKey", 1),
    "a disabled key is not enough": (status({**GOOD, "disabled": True}), "False", "NoUsableKey", 1),
    "a disabled approver is not ready": (status(GOOD, disabled=True), "False", "Disabled", 1),
    "an unknown member makes it invalid": (status(GOOD, colour="red"), "False", "Invalid", 0),
    "an agent without owner is not used": (status(GOOD, **{"class": "agent"}), "False", "NoUsableKey", 0),
    "an identity used twice is used by neither": (
        status(
            GOOD,
            others={
                "other": read_approver(
                    {
                        "metadata": {},
                        "spec": {
                            "identity": "alice@example.com",
                            "class": "human",
                            "keys": [make_key("ssh-ed25519", "else").record().model_dump(by_alias=True)],
                        },
                    }
                ).spec
            },
        ),
        "False",
        "NoUsableKey",
        0,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_approver_is_ready_or_says_why_not(case):
    found, ready, reason, fingerprints = case
    [condition] = found["conditions"]
    assert (condition["status"], condition["reason"]) == (ready, reason)
    assert len(found["fingerprints"]) == fingerprints
    assert bool(condition["message"]) == (reason != "Valid")
    assert condition["observedGeneration"] == 2
