"""A filed change at a terminal: slower the more is at stake, and never unread (experience.md §2.2, §2.3)."""

from __future__ import annotations

import pytest
from tests.integration.cli.filing import Desktop

_SLOT = "approval.peergate.dev/v1."


@pytest.fixture
def desk(scene, namespace) -> Desktop:
    return Desktop(scene, namespace)


def _words(desk, person, *requests):
    names = [request.name for request in requests]
    return ("-n", desk.namespace, "approve", *names, "--key", str(person.key))


def _slots(desk, request):
    return sorted(key.removeprefix(_SLOT) for key in desk.annotations(request) if key.startswith(_SLOT))


def _green(live):
    live["data"].update(colour="green")


def test_an_irreversible_request_is_signed_by_typing_its_name(desk, scene, alice):
    request = desk.file_deletion(desk.secret("creds", a="b"))
    for typed, status in (("yes", 3), ("secret/creds", 0)):
        with scene.terminal(*_words(desk, alice, request)) as terminal:
            terminal.expect("Reason: ")
            terminal.type("CHG-7 wanted")
            terminal.expect("Type secret/creds to sign: ")
            terminal.type(typed)
            done = terminal.end()
        assert (done.status, done.out) == (status, "")
        assert _slots(desk, request) == ([alice.name] if status == 0 else [])


def test_two_of_three_sign_at_two_terminals_at_once(desk, scene, register):
    desk.policy(approvals={"required": 2, "minHumans": 1})
    request = desk.file_update(desk.config_map("settings", colour="blue"), _green)
    ann, ben, _ = (register(name, "--owner", f"team-{name}") for name in ("ann", "ben", "cat"))
    with (
        scene.terminal(*_words(desk, ann, request)) as first,
        scene.terminal(*_words(desk, ben, request)) as second,
    ):
        for terminal in (first, second):
            terminal.expect("Sign? [y/N]: ")
        for terminal in (first, second):
            assert "0/2; waiting for 2 more (human)" in terminal.screen
            terminal.type("y")
        ends = [terminal.end() for terminal in (first, second)]
    assert [done.status for done in ends] == [0, 0]
    assert _slots(desk, request) == sorted([ann.name, ben.name])
    # Whoever is last sees that it is complete; at the same moment both may be.
    assert any("the agent may retry until" in done.err for done in ends)


def test_a_long_difference_is_signed_only_by_who_has_seen_its_end(desk, scene, alice):
    path = desk.config_map("long", colour="blue")
    request = desk.file_update(
        path, lambda live: live["data"].update({f"key{number:03}": "x" for number in range(150)})
    )
    with scene.terminal(*_words(desk, alice, request)) as terminal:
        terminal.expect("-- page 1 of ")
        assert "+ data.key149" not in terminal.screen
        terminal.type("q")
        done = terminal.end()
    assert (done.status, done.out) == (3, "")
    assert "the difference was not read to its end" in done.err
    assert _slots(desk, request) == []
    with scene.terminal(*_words(desk, alice, request)) as terminal:
        for page in range(1, 7):
            terminal.expect(f"-- page {page} of ")
            terminal.type("")
        terminal.expect("+ data.key149")
        terminal.expect("Sign? [y/N]: ")
        terminal.type("y")
        assert terminal.end().status == 0
    assert _slots(desk, request) == [alice.name]
    cut = scene.run("-n", desk.namespace, "show", request.name).out
    assert "+ data.key149" in cut


def test_of_several_their_count_is_typed(desk, scene, alice):
    requests = [desk.file_update(desk.config_map(f"c{n}", colour="blue"), _green) for n in range(2)]
    for typed, status in (("y", 3), ("2", 0)):
        with scene.terminal(*_words(desk, alice, *requests)) as terminal:
            terminal.expect("2 signatures. Type how many to sign them: ")
            terminal.type(typed)
            assert terminal.end().status == status
    assert [_slots(desk, request) for request in requests] == [[alice.name], [alice.name]]


def test_ctrl_c_puts_nothing_on_a_request(desk, scene, alice):
    request = desk.file_update(desk.config_map("settings", colour="blue"), _green)
    with scene.terminal(*_words(desk, alice, request)) as terminal:
        terminal.expect("Sign? [y/N]: ")
        terminal.interrupt()
        done = terminal.end()
    assert done.status == 130
    assert "interrupted; nothing was signed or sent" in done.err
    assert _slots(desk, request) == []
