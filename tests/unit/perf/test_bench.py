"""A benchmark of fifteen minutes keeps what it measured, whatever becomes of the rest."""

from __future__ import annotations

import json

import pytest
from tests.perf.bench import main
from tests.perf.report import Target


def good(name):
    def measure(report, *, quick):
        report.figures[name] = {"quick": quick}
        report.judge([Target(what=name, wanted="1", found="2", met=False)])

    return measure


def failing(error):
    def measure(report, *, quick):
        report.figures["half"] = quick
        raise error

    return measure


def run(path, *arguments, **sections):
    status = main([*arguments, "--json", str(path)], sections=sections)
    return status, json.loads(path.read_bytes())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "bench.json"


def test_all_sections_are_measured_and_a_missed_target_is_no_error(path, capsys):
    status, written = run(path, one=good("one"), two=good("two"))
    assert (status, written["failed"]) == (0, {})
    assert (written["one"], written["two"]) == ({"quick": False}, {"quick": False})
    assert [target["met"] for target in written["targets"]] == [False, False]
    assert "MISSED" in capsys.readouterr().out
    assert [file.name for file in path.parent.iterdir()] == ["bench.json"]


def test_a_section_that_fails_is_named_and_loses_no_figure(path, capsys):
    status, written = run(path, one=good("one"), two=failing(RuntimeError("no server")), three=good("three"))
    assert status == 1
    assert written["failed"] == {"two": "RuntimeError: no server"}
    assert {"one", "half", "three"} <= written.keys()
    said = capsys.readouterr()
    assert "NOT MEASURED in full: two: RuntimeError: no server" in said.out
    assert "Traceback" in said.err


def test_who_interrupts_it_keeps_what_was_measured(path, capsys):
    status, written = run(path, one=good("one"), two=failing(KeyboardInterrupt()), three=good("three"))
    assert (status, written["failed"]) == (130, {"two": "interrupted"})
    assert "one" in written
    assert "three" not in written
    assert "interrupted in two" in capsys.readouterr().out


def test_what_was_measured_is_written_before_the_next_section_begins(path):
    def look(report, *, quick):
        assert json.loads(path.read_bytes())["one"] == {"quick": quick}

    assert run(path, "--quick", one=good("one"), two=look)[0] == 0


def test_sections_are_chosen_by_name_and_an_unknown_name_measures_nothing(path, capsys):
    status, written = run(path, "--only", "two", one=failing(RuntimeError()), two=good("two"))
    assert (status, written["failed"], "two" in written) == (0, {}, True)
    with pytest.raises(SystemExit) as stopped:
        run(path, "--only", "two,nine,eight", two=failing(RuntimeError()))
    assert stopped.value.code == 2
    assert "no section eight, nine" in capsys.readouterr().err
