"""What the image's folder is made of: a launcher that needs no shell, modules that need no compiling."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def image():
    spec = importlib.util.spec_from_file_location("image", ROOT / "operator" / "image.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def installed(folder: Path) -> Path:
    """Make what pip would have made, with a program that shows where it came from."""
    package = folder / "lib" / "peergate"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys\ndef main():\n    print(sys.path[0], sys.argv[1:])\n")
    for name in ("fast.pyx", "fast.c", "fast.pyi", "fast.so", "data.yaml"):
        (package / name).write_text(name)
    (folder / "lib" / "bin").mkdir()
    (folder / "lib" / "bin" / "tool").touch()
    models = folder / "lib" / "kubernetes" / "aio" / "client" / "models"
    models.mkdir(parents=True)
    (models / "pod.py").touch()
    return folder


def test_the_launcher_takes_modules_from_the_image_alone(image, tmp_path):
    folder = installed(tmp_path / "peergate")
    image.prepare(folder, interpreter=sys.executable)
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "peergate.py").write_text("raise SystemExit('planted')")
    done = subprocess.run(
        [folder / "bin" / "peergate", "run"],
        cwd=tmp_path / "evil",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "evil")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder}/lib ['run']\n", "")


def test_what_no_import_reads_is_gone_and_the_rest_is_compiled(image, tmp_path):
    folder = installed(tmp_path / "peergate")
    image.prepare(folder)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    tag = sys.implementation.cache_tag
    assert names == {
        "bin/peergate",
        "lib/peergate/__init__.py",
        "lib/peergate/__main__.py",
        f"lib/peergate/__pycache__/__init__.{tag}.pyc",
        f"lib/peergate/__pycache__/__main__.{tag}.pyc",
        "lib/peergate/fast.so",
        "lib/peergate/data.yaml",
        "lib/kubernetes/aio/client/models/pod.py",
    }
    writable = [path for path in folder.rglob("*") if path.stat().st_mode & 0o022]
    assert writable == []


def test_the_same_packages_give_the_same_bytes(image, tmp_path):
    def contents(folder: Path) -> dict[str, bytes]:
        image.prepare(folder)
        return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*.pyc")}

    folder = installed(tmp_path / "peergate")
    first = contents(folder)
    for each in folder.rglob("*.py"):
        os.utime(each, (0, 0))
    assert first
    assert contents(folder) == first


def test_both_bases_are_pinned_by_digest_and_can_be_replaced():
    text = (ROOT / "operator" / "Dockerfile").read_text(encoding="utf-8")
    bases = dict(re.findall(r"^ARG (\w+_BASE)=(\S+)$", text, re.MULTILINE))
    assert {*bases} == {"BUILD_BASE", "RUN_BASE"}
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", base) for base in bases.values())
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert stages == ["${BUILD_BASE}", "tools", "tools", "${RUN_BASE}"]
    assert re.findall(r"^(?:USER|ENTRYPOINT) (.+)$", text, re.MULTILINE) == ["65532:65532", '["peergate"]']
    for line in re.findall(r"pip install ([^\\&]+)", text):
        assert "--no-deps" in line
        assert "--require-hashes" in line or "--no-index" in line
