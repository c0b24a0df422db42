"""The bill of materials and the lock of the build say what the lock files say."""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib

import pytest
from tests.tools.generate import ROOT
from tests.tools.supply import read_lock, software_bill, supply_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "operator" / "requirements.lock").read_text(encoding="utf-8")
PACKAGES = read_lock(LOCK)


@pytest.fixture(scope="module")
def bill():
    return json.loads(software_bill(LOCK, project=PROJECT))


def test_every_line_of_the_lock_is_read():
    assert len(PACKAGES) == len(re.findall(r"^[a-z0-9]", LOCK, re.MULTILINE))
    assert sum(len(each.hashes) for each in PACKAGES) == LOCK.count("--hash=sha256:")
    assert all(each.needed_by for each in PACKAGES), "nothing is in the lock for no reason"


def test_the_bill_lists_what_the_lock_installs_and_nothing_else(bill):
    listed = {(each["name"], each["version"]) for each in bill["components"]}
    assert listed == {(each.name, each.version) for each in PACKAGES}
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)


def test_what_is_installed_here_is_what_the_bill_lists(bill):
    for each in bill["components"]:
        assert importlib.metadata.version(each["name"]) == each["version"]


def test_every_component_is_reached_from_the_product(bill):
    needs = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    reached, left = set(), [bill["metadata"]["component"]["bom-ref"]]
    while left:
        reference = left.pop()
        if reference not in reached:
            reached.add(reference)
            left.extend(needs[reference])
    assert reached == {*needs}
    assert len(reached) == len(PACKAGES) + 1


def test_what_the_product_names_is_what_it_needs_first(bill):
    product = bill["metadata"]["component"]["bom-ref"]
    [needs] = [each["dependsOn"] for each in bill["dependencies"] if each["ref"] == product]
    named = {re.split(r"[\[>=]", each)[0] for each in PROJECT["dependencies"]}
    assert {each.removeprefix("pkg:pypi/").split("@")[0] for each in needs} == named


def test_another_lock_gives_another_serial_number(bill):
    other = json.loads(software_bill(LOCK.replace("==3.14.5", "==3.14.6"), project=PROJECT))
    assert other["serialNumber"] != bill["serialNumber"]


def test_the_lock_of_the_build_is_the_part_that_builds():
    packages = read_lock(supply_files(ROOT)["operator/build.lock"])
    assert [each.name for each in packages] == [
        "hatchling",
        "packaging",
        "pathspec",
        "pluggy",
        "tomlkit",
        "trove-classifiers",
    ]
    assert all(each.hashes for each in packages)
