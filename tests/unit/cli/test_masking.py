"""Secret values are never shown, nor anything from which they could be guessed (experience.md §2.4)."""

from __future__ import annotations

import base64
import json

from peergate.cli.diff import differences, render
from peergate.cli.masking import LAST_APPLIED, Hidden, masked


def _secret(annotations=None, **values):
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "creds", **({"annotations": annotations} if annotations else {})},
        "data": data,
    }


def test_the_length_is_that_of_the_decoded_value():
    shown = masked(_secret(password="hunter2"))
    assert shown["data"]["password"] == Hidden(content="aHVudGVyMg==", size=7)
    assert repr(shown["data"]["password"]) == "hidden (7 bytes)"


def test_the_difference_of_two_secrets_names_keys_and_lengths_only():
    lines = render(differences(_secret(a="one", b="two"), _secret(b="three", c="x")))
    assert lines == [
        "- data.a: hidden (3 bytes)",
        "~ data.b: hidden (3 bytes) -> hidden (5 bytes)",
        "+ data.c: hidden (1 byte)",
    ]


def test_kubectls_copy_of_a_secret_is_masked_whatever_kind_it_claims():
    for kind in ("Secret", "ConfigMap"):
        copy = json.dumps({"kind": kind, "stringData": {"password": "hunter2"}, "data": {"k": "c2VjcmV0"}})
        changed = json.dumps({"kind": kind, "stringData": {"password": "hunter3"}, "data": {"k": "c2VjcmV1"}})
        old, new = _secret({LAST_APPLIED: copy}), _secret({LAST_APPLIED: changed})
        text = "\n".join(render(differences(old, new)))
        assert "hunter" not in text
        assert "c2VjcmV" not in text
        assert f"[{LAST_APPLIED}].stringData.password: hidden (7 bytes) -> hidden (7 bytes)" in text.replace(
            "\n    ", ""
        )


def test_an_unreadable_copy_in_a_secret_is_hidden_whole():
    old, new = _secret({LAST_APPLIED: "password: hunter2"}), _secret({LAST_APPLIED: "password: hunter3"})
    assert "hunter" not in "\n".join(render(differences(old, new)))


def test_a_secret_within_another_kinds_copy_is_masked():
    document = {
        "kind": "ConfigMap",
        "metadata": {
            "annotations": {LAST_APPLIED: json.dumps({"kind": "Secret", "data": {"k": "c2VjcmV0"}})},
        },
    }
    assert "c2VjcmV0" not in repr(masked(document))


def test_masking_leaves_the_object_itself_alone():
    secret = _secret({LAST_APPLIED: "{}"}, a="one")
    before = json.dumps(secret)
    masked(secret)
    assert json.dumps(secret) == before
