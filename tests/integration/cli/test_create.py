"""Registering approvers and creating agents."""

from __future__ import annotations

import secrets
import stat
import subprocess

import pytest
import yaml


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", path], check=True)
    return path


def _approver(scene, name):
    return scene.cluster.admin.request("GET", f"/apis/peergate.dev/v1alpha1/approvers/{name}")


def test_an_approver_is_registered_with_its_key_and_fingerprint(scene, register):
    person = register("eve", "--owner", "team-e", "--group", "sre", "--username", "oidc:eve")
    spec = _approver(scene, person.name).body["spec"]
    assert (spec["identity"], spec["owner"], spec["groups"]) == (person.identity, "team-e", ["sre"])
    assert [record["type"] for record in spec["keys"]] == ["ssh"]


def test_a_key_that_is_taken_is_not_registered_twice(scene, alice):
    done = scene.run(
        "approver", "create", "again", "--identity", "again@example.com", "--key", f"{alice.key}.pub"
    )
    assert done.status == 3
    assert f"belongs to {alice.identity}" in done.err
    assert _approver(scene, "again").code == 404


def test_an_identity_that_is_taken_is_not_registered_twice(scene, alice, key):
    done = scene.run("approver", "create", "again", "--identity", alice.identity, "--key", f"{key}.pub")
    assert done.status == 3
    assert _approver(scene, "again").code == 404


def test_a_name_that_is_taken_is_left_alone(scene, alice, key):
    done = scene.run("approver", "create", alice.name, "--identity", "new@example.com", "--key", f"{key}.pub")
    assert done.status == 1
    assert "nothing was changed" in done.err
    assert _approver(scene, alice.name).body["spec"]["identity"] == alice.identity


def _enlist(scene, namespace, name, file, *options):
    return scene.run(
        "-n", namespace, "agent", "create", name, "--owner", "team-x", "--kubeconfig-out", str(file), *options
    )


def _may(scene, file, namespace, *words):
    answer = scene.cluster.kubectl("auth", "can-i", "-n", namespace, *words, kubeconfig=file)
    return answer.out.strip() == "yes"


def test_an_agent_is_tagged_and_may_do_what_its_profile_says(scene, namespace, tmp_path):
    file = tmp_path / "agent.kubeconfig"
    done = _enlist(scene, namespace, "bot", file, "--profile", "operator", "--ttl", "1h")
    assert done.status == 0, done.err
    assert done.out.strip() == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    account = scene.cluster.admin.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/bot").body
    assert account["metadata"]["labels"]["peergate.dev/agent"] == "true"
    assert account["metadata"]["annotations"]["peergate.dev/owner"] == "team-x"
    who = scene.cluster.kubectl("auth", "whoami", "-o", "json", kubeconfig=file).json()
    assert who["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:bot"
    assert yaml.safe_load(file.read_text())["contexts"][0]["context"]["namespace"] == namespace
    assert _may(scene, file, namespace, "delete", "deployments.apps")
    assert _may(scene, file, namespace, "create", "pods", "--subresource=eviction")
    for words in (
        ("get", "secrets"),
        ("deletecollection", "pods"),
        ("create", "pods", "--subresource=exec"),
        ("create", "serviceaccounts", "--subresource=token"),
        ("update", "roles.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
        ("create", "approvers.peergate.dev"),
    ):
        assert not _may(scene, file, namespace, *words), words
    assert not _may(scene, file, "default", "get", "pods")
    for line in ("deletecollection", "impersonation", "Secrets", "RBAC"):
        assert line in done.err


def test_a_viewer_only_reads(scene, namespace, tmp_path):
    file = tmp_path / "agent.kubeconfig"
    assert _enlist(scene, namespace, "eye", file).status == 0
    assert _may(scene, file, namespace, "get", "pods")
    assert not _may(scene, file, namespace, "delete", "pods")


def test_running_it_again_renews_the_kubeconfig(scene, namespace, tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    assert _enlist(scene, namespace, "bot", first).status == 0
    assert _enlist(scene, namespace, "bot", first).status == 2
    assert _enlist(scene, namespace, "bot", second).status == 0


def test_an_account_that_is_no_agent_is_left_alone(scene, namespace, tmp_path):
    done = _enlist(scene, namespace, "default", tmp_path / "kubeconfig")
    assert done.status == 2
    account = scene.cluster.admin.request(
        "GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    ).body
    assert "labels" not in account["metadata"]
    assert not (tmp_path / "kubeconfig").exists()


def test_an_agent_without_a_namespace_is_not_created(scene, tmp_path):
    done = _enlist(scene, f"no-{secrets.token_hex(3)}", "bot", tmp_path / "kubeconfig")
    assert done.status == 1
    assert "kubectl create namespace" in done.err


def test_what_an_agent_gets_is_enough_to_look_at_requests_and_to_give_reasons(scene, namespace, tmp_path):
    file = tmp_path / "agent.kubeconfig"
    assert _enlist(scene, namespace, "bot", file, "--profile", "operator").status == 0
    requests = "changerequests.peergate.dev"
    for verb in ("get", "list", "watch", "patch"):
        assert _may(scene, file, namespace, verb, requests), verb
    for verb in ("create", "update", "delete"):
        assert not _may(scene, file, namespace, verb, requests), verb
    assert not _may(scene, file, namespace, "patch", requests, "--subresource=status")
