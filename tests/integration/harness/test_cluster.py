"""The development cluster is a real one where tests rely on it, and its faults are real faults."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.namespaces import fresh_namespace
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from urllib3.exceptions import HTTPError

MAPS = "/api/v1/namespaces/{}/configmaps"
NOTHING = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nothing"}}


@pytest.fixture(scope="module")
def own_cluster():
    """A cluster whose parts a test may stop."""
    with Cluster() as running:
        yield running


def make_map(client: Client, namespace: str, name: str, **metadata: object) -> dict:
    body = {**NOTHING, "metadata": {"name": name, **metadata}}
    reply = client.request("POST", MAPS.format(namespace), body=body)
    assert reply.code == 201, reply.body
    return reply.body


def test_an_account_may_do_what_its_role_says_and_no_more(cluster, bystander, namespace) -> None:
    make_map(bystander, namespace, "mine")
    assert bystander.request("DELETE", MAPS.format(namespace)).code == 200
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    assert bystander.request("GET", hooks).code == 200
    assert bystander.request("DELETE", hooks).code == 403
    other = {"Impersonate-User": "somebody"}
    assert bystander.request("GET", MAPS.format(namespace), headers=other).code == 403
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "metadata": {"name": "more"},
    }
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    assert bystander.request("POST", path, body=binding).code == 403


def test_a_person_is_known_by_name_and_groups(cluster) -> None:
    person = cluster.client(cluster.kubeconfig_for_user("pat@example.com", groups=("readers",)))
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    reply = person.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
    assert reply.body["status"]["userInfo"]["username"] == "pat@example.com"
    assert "readers" in reply.body["status"]["userInfo"]["groups"]


def test_dependents_go_with_their_owner(admin, namespace) -> None:
    owner = make_map(admin, namespace, "owner")["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner}
    make_map(admin, namespace, "dependent", ownerReferences=[reference])
    admin.request("DELETE", f"{MAPS.format(namespace)}/owner")
    path = f"{MAPS.format(namespace)}/dependent"
    wait_until("the dependent is gone", lambda: admin.request("GET", path).code == 404)


def test_controllers_work_and_under_accounts_of_their_own(cluster, admin, namespace) -> None:
    admin.kubectl("-n", namespace, "create", "deployment", "web", "--image=none.invalid/web:1").must()
    pods = f"/api/v1/namespaces/{namespace}/pods"
    wait_until("there is a pod", lambda: bool(admin.request("GET", pods).body["items"]))
    event = cluster.wait_for_audit(
        lambda event: (event.verb, event.resource, event.namespace) == ("create", "pods", namespace)
    )
    assert event.username == "system:serviceaccount:kube-system:replicaset-controller"
    assert event.code == 201


def test_a_deleted_namespace_is_emptied_and_goes(cluster, admin) -> None:
    with fresh_namespace(cluster, protected=False) as name:
        make_map(admin, name, "content", finalizers=["example.com/held"])
        admin.request("DELETE", f"/api/v1/namespaces/{name}")
        free = [{"op": "remove", "path": "/metadata/finalizers"}]
        path, patch = f"{MAPS.format(name)}/content", "application/json-patch+json"
        assert admin.request("PATCH", path, body=free, content_type=patch).code == 200
        wait_until("it is gone", lambda: admin.request("GET", f"/api/v1/namespaces/{name}").code == 404)


def test_the_api_server_comes_back_on_the_same_port_with_the_same_data(own_cluster) -> None:
    admin = own_cluster.admin
    for number, end in enumerate((own_cluster.stop_api_server, own_cluster.kill_api_server)):
        make_map(admin, "default", f"kept-{number}")
        end()
        with pytest.raises(HTTPError):
            admin.request("GET", "/readyz")
        own_cluster.start_api_server()
        assert admin.request("GET", f"{MAPS.format('default')}/kept-{number}").code == 200


def test_a_paused_etcd_lets_writes_hang_and_loses_nothing(own_cluster) -> None:
    admin = own_cluster.admin
    with ThreadPoolExecutor(1) as pool:
        with own_cluster.pause_etcd():
            write = pool.submit(make_map, admin, "default", "late")
            with pytest.raises(TimeoutError):
                write.result(timeout=1.0)
        assert write.result(timeout=20)["metadata"]["name"] == "late"


def test_two_clusters_side_by_side_know_nothing_of_each_other(own_cluster) -> None:
    with Cluster() as other:
        assert other.server != own_cluster.server
        account = create_account(other, "agents", "one")
        make_map(account, "agents", "only-here")
        stranger = Client(own_cluster.kubeconfig, kubectl=other._programs.kubectl, home=other.folder / "home")
        assert stranger.request("GET", "/api/v1/namespaces/agents").code == 404
        stranger.close()
        folder = other.folder
    assert not folder.exists()
    assert own_cluster.admin.request("GET", "/readyz").code == 200


def test_nothing_stays_when_the_start_fails(tmp_path: Path) -> None:
    cluster = Cluster(folder=tmp_path / "cluster", api_server_flags=("--no-such-flag",))
    with pytest.raises(RuntimeError, match="unknown flag: --no-such-flag"):
        cluster.__enter__()
    assert not (tmp_path / "cluster").exists()
    assert processes_in(tmp_path) == []


def processes_in(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_text()
            if str(folder) in command and int(entry.name) != os.getpid():
                found.append(command)
    return found
