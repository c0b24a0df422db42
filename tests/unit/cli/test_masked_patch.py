"""A masked patch shows which members change, and no value that it does not hold."""

from __future__ import annotations

from peergate.cli.diff import render
from peergate.cli.masked_patch import differences_of_masked

_LIVE = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "creds", "labels": {"a": "1"}},
    "data": {"password": "aHVudGVyMg==", "user": "Ym9i", "a/b": "eA=="},
}


def test_members_are_named_and_values_are_not():
    patch = [
        {"op": "add", "path": "/data/token"},
        {"op": "replace", "path": "/data/password"},
        {"op": "remove", "path": "/data/user"},
        {"op": "remove", "path": "/data/a~1b"},
        {"op": "replace", "path": "/metadata/labels/a", "value": "2"},
        {"op": "test", "path": "/data/other"},
    ]
    assert render(differences_of_masked(_LIVE, patch)) == [
        "- data[a/b]: hidden (1 byte)",
        "- data.user: hidden (3 bytes)",
        "~ data.password: hidden (7 bytes) -> another value, not filed",
        '~ metadata.labels.a: "1" -> "2"',
        "+ data.token: another value, not filed",
    ]


def test_a_patch_of_an_odd_shape_shows_what_it_names():
    patch = [
        {"op": "replace", "path": "", "value": {"x": 1}},
        {"op": "remove", "path": "/nowhere/9"},
        {"op": "explode", "path": "/data"},
        {},
    ]
    first, *rest = render(differences_of_masked(_LIVE, patch))
    assert first == "- nowhere[9]: null"
    shown = rest[0] + "".join(line.strip() for line in rest[1:])
    assert shown.startswith("~ [(everything)]: ")
    assert shown.endswith('-> {"x": 1}')
    assert "hidden (7 bytes)" in shown
    assert "aHVudGVy" not in shown
