"""The repository's shape, where something depends on it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import peergate

_REPOSITORY = Path(__file__).resolve().parents[2]


def test_operator_is_a_folder_and_no_package():
    # ``operator`` is a module of the standard library; a package of that name would break imports of it.
    assert not (_REPOSITORY / "operator" / "__init__.py").exists()


def test_what_a_module_offers_is_there():
    for module in pkgutil.walk_packages(peergate.__path__, "peergate."):
        if module.name == "peergate.__main__":
            continue
        offered = importlib.import_module(module.name)
        for name in getattr(offered, "__all__", ()):
            assert hasattr(offered, name), f"{module.name} lacks {name}"


def test_an_allow_is_written_in_exactly_one_place():
    written = [
        f"{path.name}: {line.strip()}"
        for path in (_REPOSITORY / "operator").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if '"allowed"' in line and "True" in line
    ]
    assert len(written) == 1, written


def test_the_package_is_typed():
    assert (_REPOSITORY / "operator" / "peergate" / "py.typed").exists()
