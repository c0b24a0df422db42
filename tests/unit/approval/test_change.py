"""The name of a change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.approvals import AUDIENCE, BOT, delete_target, pod_target, ref, update_target

from peergate.approval.change import change_digest, change_document, change_id, grouped
from peergate.approval.options import OptionsRefused
from peergate.model.names import ChangeId, Digest

UPDATE = update_target().change("k8s-projection/v1")
DELETE = delete_target().change("k8s-projection/v1")


def test_the_document_of_an_update():
    assert change_document(UPDATE) == {
        "v": 1,
        "audience": AUDIENCE,
        "operation": "UPDATE",
        "object": {
            "group": "apps",
            "version": "v1",
            "resource": "deployments",
            "subresource": "",
            "namespace": "prod",
            "name": "payments-api",
            "uid": "0a6b2a52-6e13-4a5e-8f5b-7b4b7f6a6d90",
        },
        "requester": {"username": BOT.username, "uid": BOT.uid},
        "projection": "k8s-projection/v1",
        "from": "b30b2af51e2c1f065dacc7ba6c67a28f9abec77f3c252118cad3e2c48de4ead2",
        "to": "769eb382736d8d03091a81a9d19087bff6ec28db5bcb243296b88d17e332a61c",
        "options": {},
    }


def test_a_deletion_has_no_to_and_its_options():
    document = change_document(DELETE)
    assert "to" not in document
    assert document["options"] == {"propagationPolicy": "Background"}
    assert pod_target().change("k8s-projection/v1").options == {"minGracePeriodSeconds": 30}


def test_a_known_id():
    digest = change_digest(UPDATE)
    assert len(digest) == 64
    assert change_id(digest) == "cr-jhxnqdhcvbdvpmrjkgdw"


IDS = {
    "zero": (0, "cr-" + "b" * 20),
    "one": (1, "cr-" + "b" * 19 + "c"),
    "eighteen": (18, "cr-" + "b" * 19 + "z"),
    "nineteen": (19, "cr-" + "b" * 18 + "cb"),
    "the highest": (19**20 - 1, "cr-" + "z" * 20),
    "one more, which wraps": (19**20, "cr-" + "b" * 20),
}


@pytest.mark.parametrize(("number", "want"), IDS.values(), ids=IDS)
def test_ids(number: int, want: str):
    assert change_id(Digest(f"{number:064x}")) == want


def test_grouped():
    assert grouped(ChangeId("cr-hbzkqvmtwxcdfgjnprst")) == "hbzkq vmtwx cdfgj nprst"


OTHERS = {
    "another cluster": replace(UPDATE, audience="k8s:other"),
    "another operation": replace(UPDATE, operation="DELETE"),
    **{
        f"another {member}": replace(UPDATE, object=ref(**{member: "x"}))
        for member in ("group", "version", "resource", "subresource", "namespace", "name", "uid")
    },
    "another requester": replace(UPDATE, requester=replace(BOT, username="x")),
    "another account": replace(UPDATE, requester=replace(BOT, uid="x")),
    "another projection": replace(UPDATE, projection="k8s-identity/v1"),
    "another before": replace(UPDATE, from_=Digest("0" * 64)),
    "another after": replace(UPDATE, to=Digest("0" * 64)),
    "no after": replace(UPDATE, to=None),
    "other options": replace(UPDATE, options={"propagationPolicy": "Orphan"}),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_every_member_makes_another_change(change):
    assert change_digest(change) != change_digest(UPDATE)


def test_a_target_says_what_it_is_about():
    with pytest.raises(TypeError):
        update_target(new=None)
    with pytest.raises(TypeError):
        delete_target(new={})
    with pytest.raises(OptionsRefused):
        delete_target(options={"orphanDependents": True}).change("k8s-projection/v1")
