"""What a refused change is filed as."""

from __future__ import annotations

import copy
import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from tests.support.gate import AGENT_UID, AUDIENCE, NOW, changed, thing

from peergate.approval.patches import apply_patch
from peergate.approval.target import Target
from peergate.gate.record import PATCH_BYTES, Draft, NotAsReviewed, kind_of, live_subresource, spec_of
from peergate.model.change import Change, Effect, ObjectRef, Requester
from peergate.model.changerequest import ChangeRequestSpec
from peergate.model.decision import Facts, Filing

CREATED = {"creationTimestamp": "2026-11-02T09:14:55Z"}
RESOURCES = {
    "Deployment": ("apps", "deployments"),
    "ConfigMap": ("", "configmaps"),
    "Secret": ("", "secrets"),
}


def web(**spec: Any) -> dict[str, Any]:
    document = thing(
        "Deployment",
        spec={"replicas": 3, "template": {"spec": {"containers": [{"image": "web:1"}]}}, **spec},
        labels={"app": "web"},
    )
    document["metadata"] |= {**CREATED, "resourceVersion": "7", "managedFields": []}
    return document


def draft(
    old: dict[str, Any], new: dict[str, Any] | None = None, *, subresource: str = "", **facts: Any
) -> Draft:
    group, resource = RESOURCES.get(old["kind"], ("apps", "deployments"))
    metadata = old["metadata"]
    target = Target(
        audience=AUDIENCE,
        operation="DELETE" if new is None else "UPDATE",
        object=ObjectRef(
            group, "v1", resource, subresource, metadata["namespace"], metadata["name"], metadata["uid"]
        ),
        requester=Requester("system:serviceaccount:agents:bot", AGENT_UID),
        requester_owner="team-platform",
        kind=kind_of(old),
        old=old,
        new=new,
        options={"propagationPolicy": "Background"} if new is None else None,
    )
    effect = Effect.DELETE if new is None else Effect.REPLACE
    return Draft(
        change=target.change("k8s-projection/v1"),
        facts=Facts(**{"owner": "team-platform", "rules": ("prod/0",), "effect": effect, **facts}),
        filing=Filing(namespace="shop", filed_at=NOW, expires=NOW + timedelta(hours=24)),
        wanted=new,
    )


def recorded(change: Draft, live: dict[str, Any]) -> tuple[dict[str, Any], ChangeRequestSpec]:
    untouched = copy.deepcopy(live)
    spec = spec_of(change, live)
    assert live == untouched
    return spec, ChangeRequestSpec.model_validate(spec)


def test_a_deletion_is_recorded_whole():
    spec, read = recorded(draft(web()), web())
    assert spec == {
        "audience": AUDIENCE,
        "operation": "DELETE",
        "object": {
            "group": "apps",
            "version": "v1",
            "resource": "deployments",
            "subresource": "",
            "namespace": "shop",
            "name": "web",
            "uid": "uid-of-deployment-web",
        },
        "requester": {
            "username": "system:serviceaccount:agents:bot",
            "uid": AGENT_UID,
            "owner": "team-platform",
        },
        "projection": "k8s-projection/v1",
        "from": draft(web()).change.from_,
        "options": {"propagationPolicy": "Background"},
        "effect": "Delete",
        "rules": ["prod/0"],
        "complete": True,
        "summary": "delete Deployment shop/web: 3 replicas, 1 container, created 2026-11-02T09:14:55Z",
        "filedAt": "2026-11-23T12:00:00Z",
        "expires": "2026-11-24T12:00:00Z",
    }
    assert read.patch is None


def test_what_is_not_bound_may_have_moved_on():
    later = changed(web(), "metadata", "resourceVersion", to="8")
    later["status"] = {"replicas": 2}
    assert spec_of(draft(web()), later)["from"] == draft(web()).change.from_


def test_an_update_is_recorded_with_its_patch():
    new = web(replicas=0)
    spec, _ = recorded(draft(web(), new, note="scale to 0"), web())
    assert spec["patch"] == [{"op": "replace", "path": "/spec/replicas", "value": 0}]
    assert spec["complete"] is True
    assert spec["summary"] == "update Deployment shop/web (scale to 0): 1 changed"
    assert spec["to"] == draft(web(), new).change.to


def test_a_status_that_the_update_leaves_alone_may_have_moved_on():
    old = {**web(), "status": {"replicas": 3}}
    change = draft(old, {**web(replicas=5), "status": {"replicas": 3}})
    live = {**web(), "status": {"replicas": 1}}
    assert spec_of(change, live)["patch"] == [{"op": "replace", "path": "/spec/replicas", "value": 5}]


def test_a_status_that_the_update_changes_is_in_the_patch():
    old = {**web(), "status": {"replicas": 3}}
    new = {**web(), "status": {"replicas": 9}}
    assert spec_of(draft(old, new), old)["patch"] == [
        {"op": "replace", "path": "/status/replicas", "value": 9}
    ]
    with pytest.raises(NotAsReviewed):
        spec_of(draft(old, new), {**web(), "status": {"replicas": 4}})


NOT_THERE = {
    "another content": changed(web(), "spec", "replicas", to=4),
    "another uid": changed(web(), "metadata", "uid", to="other"),
    "another name": changed(web(), "metadata", "name", to="other"),
    "another namespace": changed(web(), "metadata", "namespace", to="other"),
    "another kind than was claimed": {**web(), "kind": "DaemonSet"},
    "no metadata": {"apiVersion": "apps/v1", "kind": "Deployment"},
}


@pytest.mark.parametrize("live", NOT_THERE.values(), ids=NOT_THERE.keys())
@pytest.mark.parametrize("new", [None, web(replicas=0)], ids=["a deletion", "an update"])
def test_what_is_not_there_as_it_was_reviewed_is_not_recorded(live, new):
    with pytest.raises(NotAsReviewed):
        spec_of(draft(web(), new), live)


def test_a_wanted_object_that_is_not_the_bound_one_is_not_recorded():
    change = dataclasses.replace(draft(web(), web(replicas=0)), wanted=web(replicas=1))
    with pytest.raises(NotAsReviewed):
        spec_of(change, web())


def settings(data: dict[str, Any]) -> dict[str, Any]:
    return thing("ConfigMap", "settings", data=data)


def test_a_patch_at_the_limit_is_kept_and_one_above_is_not():
    old = settings({"a": ""})
    overhead = len('[{"op":"replace","path":"/data/a","value":""}]')
    fits = settings({"a": "x" * (PATCH_BYTES - overhead)})
    spec = spec_of(draft(old, fits), old)
    assert (spec["complete"], len(spec["patch"])) == (True, 1)
    above = settings({"a": "x" * (PATCH_BYTES - overhead + 1)})
    spec = spec_of(draft(old, above), old)
    assert (spec["complete"], "patch" in spec) == (False, False)
    assert spec["summary"] == "update ConfigMap shop/settings: 1 changed"


INEXACT = {
    "a null, which the schema prunes": {"a": None},
    "an integer that only etcd would keep": {"a": 2**63},
    "one deep inside": {"a": [{"b": [2**64 - 1]}]},
    "too many operations": {f"k{number}": "v" for number in range(4097)},
    "a path that is too long": {"k" * 4096: "v"},
}


@pytest.mark.parametrize("data", INEXACT.values(), ids=INEXACT.keys())
def test_a_patch_that_a_custom_resource_would_not_give_back_is_left_out(data):
    old = settings({"z": "z"})
    spec = spec_of(draft(old, settings({"z": "z", **data})), old)
    assert (spec["complete"], "patch" in spec) == (False, False)


EXACT = {
    "a null inside of a value": {"a": {"b": None}},
    "the largest integer": {"a": 2**63 - 1},
    "true and a half": {"a": [True, 1.5]},
}


@pytest.mark.parametrize("data", EXACT.values(), ids=EXACT.keys())
def test_what_it_gives_back_is_kept(data):
    old = settings({"z": "z"})
    new = settings({"z": "z", **data})
    spec = spec_of(draft(old, new), old)
    assert spec["complete"] is True
    assert apply_patch(old, spec["patch"]) == new


def secret(**data: str) -> dict[str, Any]:
    return thing("Secret", "creds", data=data, type="Opaque")


def test_a_secret_shows_keys_and_no_values():
    new = changed(secret(a="MQ==", c="Mw==", d="NA=="), "metadata", "labels", to={"tier": "x"})
    new["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "secret"}
    spec = spec_of(draft(secret(a="MQ==", b="Mg==", c="OQ=="), new), secret(a="MQ==", b="Mg==", c="OQ=="))
    assert spec["complete"] is False
    assert spec["patch"] == [
        {"op": "remove", "path": "/data/b"},
        {"op": "replace", "path": "/data/c"},
        {"op": "add", "path": "/data/d"},
        {"op": "add", "path": "/metadata/annotations"},
        {"op": "add", "path": "/metadata/labels", "value": {"tier": "x"}},
        {"op": "test", "path": "/data/a"},
    ]
    assert spec["summary"] == "update Secret shop/creds: 1 removed, 1 changed, 3 added"


def test_a_secret_that_gains_all_its_data_shows_no_unchanged_keys():
    spec = spec_of(draft(secret(), secret(a="MQ==")), secret())
    assert spec["patch"] == [{"op": "add", "path": "/data/a"}]


def test_a_secret_with_more_keys_than_a_patch_holds_shows_none():
    many = {f"k{number}": "v" for number in range(4096)}
    spec = spec_of(draft(secret(**many), secret(**many, more="v")), secret(**many))
    assert ("patch" in spec, spec["complete"]) == (False, False)


def test_of_a_secrets_deletion_only_the_number_of_keys_is_told():
    spec = spec_of(draft(secret(a="MQ==", b="Mg==")), secret(a="MQ==", b="Mg=="))
    assert spec["summary"] == "delete Secret shop/creds: 2 keys"


def test_a_scale_is_named_by_what_it_belongs_to_and_read_by_itself():
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
        "spec": {"replicas": 3},
    }
    change = draft(scale, {**scale, "spec": {}}, subresource="scale", note="scale to 0")
    assert live_subresource(change.change) == "scale"
    assert spec_of(change, scale)["summary"] == "scale Deployment shop/web (scale to 0): 1 removed"


def test_every_other_subresource_is_read_on_its_object():
    change: Change = draft(web()).change
    for subresource in ("", "status", "eviction", "ephemeralcontainers"):
        target = dataclasses.replace(change.object, subresource=subresource)
        assert live_subresource(dataclasses.replace(change, object=target)) == ""


def test_nothing_that_an_agent_worded_is_in_the_summary():
    shouting = "approve\x1b[31m this"
    old = changed(web(), "metadata", "name", to=shouting)
    old["metadata"]["annotations"] = {"note": "SIGN NOW"}
    spec = spec_of(draft(old), old)
    assert spec["summary"].startswith("delete Deployment shop/approve?[31m this: 3 replicas")
    assert "SIGN NOW" not in spec["summary"]


def test_names_of_any_length_fit():
    old = changed(web(), "metadata", "name", to="x" * 253)
    old = changed(old, "metadata", "namespace", to="y" * 63)
    spec, _ = recorded(draft(old, rules=tuple(f"policy-{number}/0" for number in range(99))), old)
    assert len(spec["summary"]) < 300
    assert len(spec["rules"]) == 64
