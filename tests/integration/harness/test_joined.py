"""Of a cluster that is not ours an administrator's kubeconfig is enough to be there as anybody."""

from __future__ import annotations

import pytest
from tests.harness.binaries import find_binaries
from tests.harness.joined import JoinedCluster

pytestmark = pytest.mark.cluster

REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
def joined(cluster, tmp_path):
    made = JoinedCluster(cluster.kubeconfig, folder=tmp_path / "joined", binaries=find_binaries())
    yield made
    made.close_clients()


def who(client) -> dict:
    reply = client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=REVIEW)
    assert reply.code == 201, reply.body
    return reply.body["status"]["userInfo"]


def test_a_person_has_a_certificate_that_the_cluster_signed(joined):
    person = joined.client(joined.kubeconfig_for_user("pat@example.com", groups=("readers",)))
    known = who(person)
    assert known["username"] == "pat@example.com"
    assert known["groups"] == ["readers", "system:authenticated"]
    left = joined.admin.kubectl("get", "certificatesigningrequests", "-o", "name").must().out
    assert "person-" not in left


def test_an_account_has_a_token(joined):
    account = joined.client(joined.kubeconfig_for_account("default", "default"))
    assert who(account)["username"] == "system:serviceaccount:default:default"


def test_what_the_cluster_does_not_sign_is_an_error(joined):
    with pytest.raises(RuntimeError, match="takes no request"):
        joined.kubeconfig_for_user("root", groups=("system:masters",))
