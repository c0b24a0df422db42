"""A long difference is read to its end, or nothing is signed."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
import tty

import click
import pytest

from peergate.cli.flags import Globals
from peergate.cli.output import Output
from peergate.cli.paging import print_screen
from peergate.cli.screen import Screen
from peergate.errors import CommandError

ROWS = 22
"""Lines of a page where the terminal does not say how long it is."""


class Terminal(io.StringIO):
    """What a person types; and a terminal it is, or not."""

    def __init__(self, typed: str, *, is_terminal: bool) -> None:
        super().__init__(typed)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def screen(lines: int) -> Screen:
    return Screen(
        headline=("DELETE ConfigMap shop/web",),
        warnings=("WARNING: look",),
        before=("before",),
        difference=tuple(f"line {number}" for number in range(1, lines + 1)),
        after=("after",),
    )


@pytest.fixture
def shown(monkeypatch, capsys):
    """Print a screen to somebody who types; return what is seen on stderr, and what was refused."""

    def show(lines: int, *, typed: str = "", asks: bool = True, is_terminal: bool = True):
        monkeypatch.setattr("sys.stdin", Terminal(typed, is_terminal=is_terminal))
        problem = None
        try:
            print_screen(Output(Globals(color="never")), screen(lines), asks=asks)
        except (CommandError, click.Abort) as error:
            problem = error
        captured = capsys.readouterr()
        assert captured.out == "".join(line for line in captured.out if line == "\n")
        return captured.err, problem

    return show


def whole(lines: int) -> str:
    difference = "".join(f"line {number}\n" for number in range(1, lines + 1))
    return f"DELETE ConfigMap shop/web\nWARNING: look\n\nbefore\n{difference}after\n\n"


AT_ONCE = {
    "a difference of a hundred lines": (100, {}),
    "a long one that nobody is asked about": (300, {"asks": False}),
    "a long one that no terminal reads": (300, {"is_terminal": False}),
    "none at all": (0, {}),
}


@pytest.mark.parametrize(("lines", "how"), AT_ONCE.values(), ids=AT_ONCE)
def test_is_shown_at_once(lines, how, shown):
    assert shown(lines, **how) == (whole(lines), None)


def test_a_longer_one_is_shown_page_by_page_to_its_end(shown):
    text, problem = shown(101, typed="\n" * 4)
    assert problem is None
    pages = [f"-- page {number} of 5; Enter for the next, q to stop --" for number in range(1, 5)]
    assert all(page in text for page in pages)
    assert "-- page 5" not in text
    seen = [word for word in text.replace("-- ", "\n").splitlines() if word.startswith("line ")]
    assert seen == [f"line {number}" for number in range(1, 102)]
    assert text.index(f"line {ROWS}\n") < text.index("-- page 1 of 5") < text.index(f"line {ROWS + 1}\n")
    assert text.endswith("after\n\n")


STOPS = ("q\n", " Q \n", "quit\n")


@pytest.mark.parametrize("typed", STOPS)
def test_who_stops_before_the_end_signs_nothing(typed, shown):
    text, problem = shown(101, typed=f"\n{typed}")
    assert isinstance(problem, CommandError)
    assert problem.exit_code == 3
    assert str(problem.user_message) == (
        "not signed; the difference was not read to its end; nothing was changed"
    )
    assert f"line {2 * ROWS}\n" in text
    assert f"line {2 * ROWS + 1}\n" not in text
    assert "after" not in text


def test_who_closes_the_input_signs_nothing(shown):
    text, problem = shown(101, typed="")
    assert isinstance(problem, click.Abort)
    assert "after" not in text


def test_another_answer_goes_on(shown):
    text, problem = shown(101, typed="y\nno\nx\n \n")
    assert problem is None
    assert text.endswith("after\n\n")


def test_who_is_not_asked_reads_no_pages_unless_told(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("", is_terminal=True))
    print_screen(Output(Globals(color="never")), screen(101))
    assert capsys.readouterr().err == whole(101)


HEIGHTS = {
    "a low one has pages of ten lines": (5, 101, 11),
    "one of thirteen lines leaves two for the question": (13, 99 + 11, 10),
    "a high one has long pages": (62, 120, 2),
    "one that says no height is taken for a usual one": (0, 101, 5),
}


@pytest.mark.parametrize(("height", "lines", "pages"), HEIGHTS.values(), ids=HEIGHTS)
def test_of_terminals(height, lines, pages, monkeypatch):
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, 80, 0, 0))
        monkeypatch.setattr("sys.stdin", Terminal("\n" * 20, is_terminal=True))
        with os.fdopen(os.dup(slave), "w", encoding="utf-8") as stderr:
            monkeypatch.setattr("sys.stderr", stderr)
            print_screen(Output(Globals(color="never")), screen(lines), asks=True)
            monkeypatch.undo()
        text = ""
        while not text.endswith("after\n\n"):
            text += os.read(master, 1 << 16).decode()
    finally:
        os.close(slave)
        os.close(master)
    assert [f"-- page {number} of {pages};" in text for number in (1, pages - 1, pages)] == [
        True,
        True,
        False,
    ]
    assert f"line {lines}\nafter" in text
