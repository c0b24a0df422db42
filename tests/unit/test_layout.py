"""``operator/`` is a folder and not a package (ADR 0001)."""

from __future__ import annotations

import operator
from pathlib import Path

import peergate

ROOT = Path(__file__).resolve().parents[2]


def test_the_folder_is_no_package():
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_operator_is_the_standard_librarys_and_the_package_is_ours():
    assert not hasattr(operator, "__path__")
    assert Path(str(peergate.__file__)).is_relative_to(ROOT / "operator" / "peergate")
