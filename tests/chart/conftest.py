"""Helm, and what it makes of the chart."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.harness.binaries import find_helm

CHART = Path(__file__).resolve().parents[2] / "charts" / "peergate"

Document = dict[str, Any]
Done = subprocess.CompletedProcess[str]


class Helm:
    """Runs Helm with folders of its own."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}

    def run(
        self, *arguments: str, values: Mapping[str, Any] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it; ``values`` go in by standard input."""
        given = () if values is None else ("--values", "-")
        return subprocess.run(
            [str(self._program), *arguments, *given],
            input=None if values is None else json.dumps(values),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def template(self, values: Mapping[str, Any], *arguments: str) -> str:
        """Return what a release ``peergate`` in namespace ``peergate-system`` consists of."""
        done = self.run(
            "template", "peergate", str(CHART), "--namespace", "peergate-system", *arguments, values=values
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(find_helm(), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def chart() -> str:
    """Return where the chart lies."""
    return str(CHART)


@pytest.fixture(scope="session")
def rendered(helm: Helm) -> Callable[..., list[Document]]:
    """Return the objects of a release with these values; hooks are no part of it."""

    def of(values: Mapping[str, Any] | None = None, *arguments: str) -> list[Document]:
        text = helm.template(values or {}, "--no-hooks", *arguments)
        return [found for found in yaml.safe_load_all(text) if found]

    return of


@pytest.fixture(scope="session")
def hooks(helm: Helm) -> Callable[..., list[Document]]:
    """Return what the hooks of a release make."""

    def of(values: Mapping[str, Any] | None = None) -> list[Document]:
        documents = [found for found in yaml.safe_load_all(helm.template(values or {})) if found]
        return [
            found for found in documents if "helm.sh/hook" in (found["metadata"].get("annotations") or {})
        ]

    return of
