"""A version before this one, to upgrade from: this source, with what a release changes taken back.

No version is published yet, and the history of a shallow clone is short. So the one before is made from the
source at hand: another number, and with it another chart and another image; a setting, a value and fields of
custom resources less; other words in what is filed; other rules and conditions of the webhook configuration;
other rights. What is generated is generated anew, by its own tools.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.harness.node.image import SOURCE

__all__ = ["EDITS", "FIELD", "RULE", "SETTING", "VERSION", "Edit", "previous_source"]

VERSION = "0.0.9"
SETTING = "format"
"""Of ``log``; the previous version knows no such setting and no such value."""
FIELD = "complete"
"""Of a ChangeRequest's spec; the previous version neither writes nor knows it."""
RULE = "podcertificaterequests"
"""What the previous version's entry ``identity`` is not asked about."""

_PARTS = ("operator", "charts", "manifests", "docs", "tests/tools", "tests/harness")
_FILES = ("pyproject.toml", "README.md", "LICENSE", ".dockerignore", "tests/requirements.lock")
_GENERATE_SECONDS = 120.0
_FORMAT = (
    '    format: Literal["json", "text"] = "json"\n    """One JSON object a line, or text for people."""\n'
)


@dataclass(frozen=True, slots=True)
class Edit:
    """Text of one file that is other in the previous version."""

    path: str
    now: str
    """Stands in the file exactly once."""
    before: str


EDITS = (
    # A field less, in the model and so in the schema of the CustomResourceDefinition.
    Edit(
        "operator/peergate/model/changerequest.py",
        '    complete: Annotated[bool, Field(description="false: the patch is masked or cut.")] = True\n',
        "",
    ),
    Edit("operator/peergate/gate/record.py", '        "complete": True,\n', ""),
    Edit("operator/peergate/gate/record.py", '        spec["complete"] = shown == patch\n', ""),
    Edit(
        "operator/peergate/cli/filed_change.py",
        "return not filed.spec.complete or filed.spec.patch is None",
        "return filed.spec.patch is None",
    ),
    # What is filed says the same in other words.
    Edit("operator/peergate/gate/record.py", "kind=kind, measured=measured)", 'kind=kind, measured="")'),
    # A setting and a value less: each version's replicas read only their own.
    Edit(
        "operator/peergate/settings.py",
        _FORMAT,
        "",
    ),
    Edit(
        "operator/peergate/observe/logs.py",
        '_as_json if settings.format == "json" else _as_text',
        "_as_json",
    ),
    Edit(
        "operator/peergate/observe/logs.py",
        'JsonFormatter() if settings.format == "json" else TextFormatter()',
        "JsonFormatter()",
    ),
    Edit(
        "tests/tools/chart_values.py",
        _FORMAT,
        "",
    ),
    # A condition in other words, one less, and one rule less.
    Edit(
        "operator/peergate/shipped/gates.yaml",
        "object.metadata.finalizers == oldObject.metadata.finalizers)\n"
        "      && has(object.metadata.labels) == has(oldObject.metadata.labels)\n"
        "      && (!has(object.metadata.labels) || object.metadata.labels == oldObject.metadata.labels))))\n",
        "object.metadata.finalizers == oldObject.metadata.finalizers))))\n",
    ),
    Edit(
        "operator/peergate/shipped/gates.yaml",
        "  - name: not-kube-system\n"
        "    expression: >-\n"
        "      !has(request.userInfo.username)\n"
        '      || !request.userInfo.username.startsWith("system:serviceaccount:kube-system:")\n',
        "",
    ),
    Edit(
        "operator/peergate/shipped/gates.yaml",
        '  - {apiGroups: [certificates.k8s.io], apiVersions: ["*"], '
        "resources: [podcertificaterequests, podcertificaterequests/*], "
        "operations: [CREATE, UPDATE], scope: Namespaced}\n",
        "",
    ),
    # Rights that were fewer, and one that was too much.
    Edit(
        "manifests/rbac.yaml",
        "    resources: [validatingwebhookconfigurations]\n    verbs: [get, list, watch]\n",
        "    resources: [validatingwebhookconfigurations]\n    verbs: [get]\n",
    ),
    Edit(
        "manifests/rbac.yaml",
        "    resources: [namespaces]\n    verbs: [get, list, watch]\n",
        "    resources: [namespaces, nodes]\n    verbs: [get, list, watch]\n",
    ),
)


def previous_source(folder: Path, *, version: str) -> Path:
    """Write the previous version's source into an empty folder; return it. ``version`` is this one's.

    Errors:
        RuntimeError: an edit does not fit the source any more, or its tools fail.
    """
    without = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in _PARTS:
        shutil.copytree(SOURCE / part, folder / part, ignore=without)
    for name in _FILES:
        shutil.copy2(SOURCE / name, folder / name)
    numbers = (
        Edit("pyproject.toml", f'\nversion = "{version}"', f'\nversion = "{VERSION}"'),
        Edit("operator/peergate/__init__.py", f'"{version}"', f'"{VERSION}"'),
        Edit("charts/peergate/Chart.yaml", f"\nversion: {version}", f"\nversion: {VERSION}"),
        Edit("charts/peergate/Chart.yaml", f"\nappVersion: {version}", f"\nappVersion: {VERSION}"),
    )
    for edit in (*numbers, *EDITS):
        _apply(edit, folder=folder)
    _generate(folder)
    return folder


def _apply(edit: Edit, *, folder: Path) -> None:
    file = folder / edit.path
    text = file.read_text(encoding="utf-8")
    if text.count(edit.now) != 1:
        raise RuntimeError(
            f"{edit.path} has not exactly once, for tests/harness/node/previous.py: {edit.now}"
        )
    file.write_text(text.replace(edit.now, edit.before), encoding="utf-8")


def _generate(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.generate"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder / 'operator'}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_GENERATE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the previous version can't be generated: {done.stdout}{done.stderr}")
