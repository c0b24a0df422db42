"""The version that upgrades begin with: its table of edits fits the source, and each of them shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.harness.node.previous import EDITS, FIELD, RULE, SETTING, VERSION, Edit, _apply, previous_source

from peergate import __version__


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return previous_source(tmp_path_factory.mktemp("previous"), version=__version__)


def test_it_is_another_version_of_the_same(source):
    chart = (source / "charts" / "peergate" / "Chart.yaml").read_text(encoding="utf-8")
    assert f"\nversion: {VERSION}\nappVersion: {VERSION}\n" in chart
    assert f"image: peergate/peergate:{VERSION}" in (source / "manifests" / "install.yaml").read_text()
    assert f'"{VERSION}"' in (source / "operator" / "peergate" / "__init__.py").read_text()


GENERATED = {
    "charts/peergate/templates/crds/changerequests.yaml": f"              {FIELD}:\n",
    "manifests/crds/changerequests.yaml": f"{FIELD}:\n",
    "charts/peergate/templates/webhook.yaml": RULE,
    "manifests/webhook.yaml": "not-kube-system",
    "docs/configuration.md": f"`log.{SETTING}`",
    "charts/peergate/values.yaml": f"\n  {SETTING}: ",
    "charts/peergate/values.schema.json": "One JSON object a line",
}


@pytest.mark.parametrize(("path", "text"), GENERATED.items())
def test_what_is_generated_of_it_is_its_own(source, path, text):
    here = Path(__file__).resolve().parents[3]
    assert text in (here / path).read_text(encoding="utf-8")
    assert text not in (source / path).read_text(encoding="utf-8")


def test_an_edit_that_does_not_fit_is_told(tmp_path):
    (tmp_path / "file").write_text("twice twice", encoding="utf-8")
    for now in ("twice", "never"):
        with pytest.raises(RuntimeError, match="file has not exactly once"):
            _apply(Edit("file", now, "once"), folder=tmp_path)
    assert len(EDITS) > 10
