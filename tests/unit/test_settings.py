"""Settings: defaults, a file, and a clear word about what is wrong in it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.tools.walk import walk

from peergate.errors import ConfigError
from peergate.settings import Settings, load_settings


def test_without_a_file_everything_has_its_default():
    settings = load_settings(None)
    assert settings == Settings()
    assert settings.approvals.retry_window == timedelta(seconds=40)
    assert settings.operator_username == "system:serviceaccount:peergate-system:peergate"


def test_a_file_is_read(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("agents: {groups: [bots]}\napprovals: {retryWindow: 2s}\n", encoding="utf-8")
    settings = load_settings(path)
    assert settings.agents.groups == ("bots",)
    assert settings.approvals.retry_window == timedelta(seconds=2)


def test_an_empty_file_is_all_defaults(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("", encoding="utf-8")
    assert load_settings(path) == Settings()


WRONG = {
    "agents: {group: [bots]}": "agents.group",
    "approvals: {retryWindow: soon}": "approvals.retryWindow",
    "webhook: {port: 70000}": "webhook.port",
    "a: [": "no readable YAML",
}


@pytest.mark.parametrize(("text", "problem"), WRONG.items(), ids=WRONG.values())
def test_what_is_wrong_is_named(tmp_path, text, problem):
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert problem in caught.value.user_message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="check --config"):
        load_settings(tmp_path / "none.yaml")


def test_every_setting_is_described():
    undescribed = [name for name, description, _, _ in walk(Settings()) if not description]
    assert undescribed == []
