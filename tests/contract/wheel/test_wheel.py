"""The wheel, as ``pipx install`` would take it: built twice alike, and complete in a clean environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import peergate

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "operator")
WHEEL = f"peergate-{peergate.__version__}-py3-none-any.whl"


def build(folder: Path, *, stamp: float) -> Path:
    """Build the wheel from a copy whose files all bear that time."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for path in folder.rglob("*"):
        os.utime(path, (stamp, stamp))
    return build_in(folder)


def build_in(folder: Path) -> Path:
    environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1580601600"}
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", folder=folder, environment=environment)
    [wheel] = (folder / "dist").iterdir()
    return wheel


def run(*command: str, folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("one"), stamp=1_700_000_000)


def test_two_builds_give_the_same_bytes(wheel, tmp_path):
    other = build(tmp_path, stamp=1_500_000_000)
    assert other.read_bytes() == wheel.read_bytes()
    assert wheel.name == WHEEL


def test_it_holds_the_package_its_data_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as files:
        names = {name for name in files.namelist() if ".dist-info/" not in name}
    package = ROOT / "operator" / "peergate"
    there = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {str(path.relative_to(package.parent)) for path in there}
    assert {"peergate/shipped/gates.yaml", "peergate/shipped/companions.yaml", "peergate/py.typed"} <= names


@pytest.mark.slow
def test_a_clean_environment_has_the_command_and_the_plugin(wheel, tmp_path):
    run(sys.executable, "-m", "venv", "clean", folder=tmp_path)
    python = str(tmp_path / "clean" / "bin" / "python")
    lock = str(ROOT / "operator" / "requirements.lock")
    pip = (python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile")
    run(*pip, "--only-binary", ":all:", "--require-hashes", "-r", lock, folder=tmp_path)
    run(*pip, "--no-index", str(wheel), folder=tmp_path)
    run(python, "-m", "pip", "check", folder=tmp_path)
    bare = {"PATH": f"{tmp_path / 'clean' / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}
    for program in ("peergate", "kubectl-peergate"):
        path = str(tmp_path / "clean" / "bin" / program)
        shown = run(path, "version", folder=tmp_path, environment=bare)
        assert shown == f"peergate {peergate.__version__}\n"
        listed = json.loads(run(path, "version", "-o", "json", folder=tmp_path, environment=bare))
        assert listed["version"] == peergate.__version__
    helped = run("peergate", "--help", folder=tmp_path, environment=bare)
    for command in ("approve", "attach", "verify", "run"):
        assert f"  {command}" in helped
