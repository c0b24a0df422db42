"""Where the settings come from, and which configuration is Peergate's."""

from __future__ import annotations

import pytest
from tests.support.fake_cluster import FakeCluster

from peergate.cli.doctor.installed import find_configuration, find_settings, own_namespace
from peergate.cli.doctor.reading import Reader
from peergate.errors import ConfigError
from peergate.settings import Settings
from peergate.shipped.webhookconfig import render, service_client_config


def _configuration(**settings):
    read = Settings.model_validate(settings)
    return render(read, client_config=service_client_config(read))


def _deployment(*arguments, mount="/etc/peergate", items=None):
    volume = {"name": "settings", "configMap": {"name": "peergate-settings", "items": items}}
    container = {
        "args": ["run", *arguments],
        "volumeMounts": [{"name": "tmp", "mountPath": "/scratch"}, {"name": "settings", "mountPath": mount}],
    }
    pod = {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}, volume]}
    return {"spec": {"template": {"spec": pod}}}


def _annotated(text, *arguments, field="metadata.annotations['peergate.dev/settings']", path="settings.yaml"):
    made = _deployment(*arguments)
    template = made["spec"]["template"]
    template["metadata"] = {"annotations": {"peergate.dev/settings": text, "note": "x"}}
    items = [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]
    items.append({"path": path, "fieldRef": {"fieldPath": field}})
    template["spec"]["volumes"][1] = {"name": "settings", "downwardAPI": {"items": items}}
    return {"metadata": {"name": "peergate"}, **made}


def _reader(*deployments, data=None, namespace="peergate-system"):
    return Reader(
        FakeCluster(
            {
                f"/apis/apps/v1/namespaces/{namespace}/deployments": {"items": list(deployments)},
                f"/api/v1/namespaces/{namespace}/configmaps/peergate-settings": {"data": data or {}},
            }
        )
    )


_TEXT = {"settings.yaml": "namespace: guard\nagents: {groups: [ai]}\n"}
_FILE = "/etc/peergate/settings.yaml"

PLACES = {
    "from a map, as hand-made manifests may": (_deployment("--config", _FILE), _TEXT, ("ai",)),
    "in one word": (_deployment(f"--config={_FILE}"), _TEXT, ("ai",)),
    "under another key": (
        _deployment("--config", _FILE, items=[{"key": "k", "path": "settings.yaml"}]),
        {"k": _TEXT["settings.yaml"]},
        ("ai",),
    ),
    "as a single file": (
        _deployment("--config", "/cfg.yaml", mount="/cfg.yaml", items=None),
        {"": _TEXT["settings.yaml"]},
        ("ai",),
    ),
    "without a file": (_deployment(), _TEXT, ()),
    "from a file that is not mounted": (_deployment("--config", "/elsewhere/x"), _TEXT, ()),
    "from a map that is empty": (_deployment("--config", _FILE), {}, ()),
}


@pytest.mark.parametrize(("deployment", "data", "groups"), PLACES.values(), ids=PLACES)
def test_settings_in_the_cluster(deployment, data, groups):
    settings, where = find_settings(_reader(deployment, data=data), file=None, configuration=None)
    assert settings.agents.groups == groups
    assert where.startswith("ConfigMap" if groups else "the defaults")


ANNOTATED = {
    "as the chart mounts it": (_annotated(_TEXT["settings.yaml"], "--config", _FILE), ("ai",)),
    "another file of the volume": (_annotated(_TEXT["settings.yaml"], "--config", "/etc/peergate/name"), ()),
    "another annotation": (
        _annotated(_TEXT["settings.yaml"], "--config", _FILE, field="metadata.annotations['other']"),
        (),
    ),
    "no annotation at all": (
        _annotated(_TEXT["settings.yaml"], "--config", _FILE, field="metadata.labels['a']"),
        (),
    ),
}


@pytest.mark.parametrize(("deployment", "groups"), ANNOTATED.values(), ids=ANNOTATED)
def test_settings_in_the_pods_of_a_deployment(deployment, groups):
    settings, where = find_settings(_reader(deployment), file=None, configuration=None)
    assert settings.agents.groups == groups
    told = "Deployment peergate-system/peergate, annotation peergate.dev/settings"
    assert where == told if groups else where.startswith("the defaults; ")


def test_wrong_settings_in_the_pods_are_told():
    _, where = find_settings(
        _reader(_annotated("agent: {}", "--config", _FILE)), file=None, configuration=None
    )
    assert "the defaults, as Deployment peergate-system/peergate, annotation" in where


def test_the_operators_namespace_is_read_from_the_configuration():
    live = _configuration(namespace="guard")
    assert own_namespace(live) == "guard"
    reader = _reader(_deployment("--config", _FILE), data=_TEXT, namespace="guard")
    settings, where = find_settings(reader, file=None, configuration=live)
    assert (settings.namespace, where) == ("guard", "ConfigMap guard/peergate-settings")


def test_wrong_settings_in_the_cluster_are_told():
    reader = _reader(_deployment("--config", _FILE), data={"settings.yaml": "agent: {}"})
    settings, where = find_settings(reader, file=None, configuration=None)
    assert settings == Settings()
    assert "the defaults, as ConfigMap peergate-system/peergate-settings is wrong" in where


def test_a_file_wins(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("agents: {groups: [file]}", encoding="utf-8")
    settings, where = find_settings(
        _reader(_deployment("--config", _FILE), data=_TEXT), file=file, configuration=None
    )
    assert (settings.agents.groups, where) == (("file",), f"the file {file}")


def test_a_wrong_file_is_an_error(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("agent: {}", encoding="utf-8")
    with pytest.raises(ConfigError):
        find_settings(_reader(), file=file, configuration=None)


def test_a_configuration_is_known_by_its_name_or_by_its_entries():
    mine, other = _configuration(), {"metadata": {"name": "other"}, "webhooks": [{"name": "x.example.com"}]}
    named = _configuration(webhook={"configuration": "release-peergate"})
    assert find_configuration([other, mine], name="peergate") is mine
    assert find_configuration([other, named], name="peergate") is named
    assert find_configuration([other], name="peergate") is None
    assert own_namespace(other) == own_namespace(None) == ""
