"""Every kind of key and signature once, from the signature to the object that is gone."""

from __future__ import annotations

import secrets

import pytest
from tests.support.approvals import KINDS
from tests.support.changes import BACKGROUND, config_map, path_of, reported, sign, slots


@pytest.fixture(scope="module")
def polyglot(crew):
    """Somebody with a key of every kind."""
    return crew.register("polyglot", *(crew.key("polyglot", kind=kind) for kind in KINDS))


FORMS = {**{kind: (kind, False) for kind in KINDS}, "ecdsa-p256 as r and s": ("ecdsa-p256", True)}


@pytest.mark.parametrize(("kind", "raw"), FORMS.values(), ids=FORMS.keys())
def test_a_signature_admits(kind, raw, desk, agent, crew, polyglot, ground):
    namespace, name = ground(None), f"k-{secrets.token_hex(4)}"
    path = path_of("configmaps", name, namespace=namespace)
    desk.create(path, config_map(namespace, name))
    key = crew.key("polyglot", kind=kind)
    change = desk.deletion(path)
    other = sign(change, by=polyglot, key=crew.key("nobody", kind=kind), raw_ecdsa=raw)
    before = desk.attach(path, slots(other))
    reply = agent.request("DELETE", path, body=BACKGROUND)
    assert (reply.code, reported(reply)) == (403, "UnknownApprover")
    assert desk.get(path) == before
    desk.attach(path, slots(sign(change, by=polyglot, key=key, raw_ecdsa=raw)))
    reply = agent.request("DELETE", path, body=BACKGROUND)
    assert reply.code == 200, reply.body
    assert not desk.there(path)
