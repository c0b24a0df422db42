"""Before an uninstallation: the gate goes, whatever became of the operator, whoever the hook runs as."""

from __future__ import annotations

import pytest
from tests.harness.waiting import wait_until
from tests.support.chart_hooks import NAMESPACE, Hook

from peergate.settings import Settings
from peergate.shipped.companions import companion_policies
from peergate.shipped.webhookconfig import render, service_client_config

pytestmark = pytest.mark.cluster

CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/peergate"
STRICT = {"agents": {"strict": True}}


@pytest.fixture
def gate(place):
    """The configuration of an operator that is not there: it refuses whoever it is asked about."""

    def stand(values):
        settings = Settings.model_validate(values)
        documents = [
            render(settings, client_config=service_client_config(settings)),
            *companion_policies(settings),
        ]
        place.admin.apply(*documents)
        return documents

    yield stand
    place.admin.request(
        "PATCH",
        CONFIGURATION,
        body={"metadata": {"finalizers": None}},
        content_type="application/merge-patch+json",
    )
    place.admin.kubectl(
        "delete",
        "validatingwebhookconfiguration,validatingadmissionpolicy,validatingadmissionpolicybinding",
        "--all",
    ).must()


def test_it_goes_without_an_operator_and_once_gone_stays_gone(place, gate):
    gate({})
    hook = Hook(place, "pre-delete")
    with hook.made():
        for _ in range(2):
            done = hook.run(within="20s")
            assert (done.status, done.err) == (0, "webhook configuration peergate is gone\n")
            assert place.admin.request("GET", CONFIGURATION).code == 404


def test_in_strict_mode_the_companion_policy_that_refuses_the_hook_is_unbound_first(place, gate):
    gate(STRICT)
    hook = Hook(place, "pre-delete", STRICT)
    with hook.made():
        account = place.client(hook.kubeconfig)

        def refused() -> bool:
            answer = account.request("DELETE", CONFIGURATION, query={"dryRun": "All"})
            return answer.code == 403 and "ValidatingAdmissionPolicy" in answer.body["message"]

        wait_until("the policy is in force", refused)
        done = hook.run(within="30s")
        assert done.status == 0, done.err
        assert "unbound companion policy admission-configuration.peergate.dev" in done.err
        assert place.admin.request("GET", CONFIGURATION).code == 404
        left = place.admin.kubectl("get", "validatingadmissionpolicybindings", "-o", "name").must().out
        assert left.split() == [
            "validatingadmissionpolicybinding.admissionregistration.k8s.io/namespace-labels.peergate.dev"
        ]


def test_where_nothing_stands_in_the_way_no_policy_is_unbound(place, gate):
    values = {"agents": {"namespaces": ["bots"]}}
    gate(values)
    hook = Hook(place, "pre-delete", values)
    with hook.made():
        assert hook.run(within="20s").status == 0
        left = place.admin.kubectl("get", "validatingadmissionpolicybindings", "-o", "name").must().out
        assert len(left.split()) == 2


def test_a_finalizer_of_somebody_else_is_told(place, gate):
    gate({})
    place.admin.kubectl(
        "patch",
        "validatingwebhookconfiguration",
        "peergate",
        "--type=merge",
        "-p",
        '{"metadata":{"finalizers":["example.com/keep"]}}',
    ).must()
    hook = Hook(place, "pre-delete")
    with hook.made():
        done = hook.run(within="1s")
    assert done.status == 1
    assert done.err == (
        "error: the gate is still there; it waits for a finalizer of somebody else; as a person: kubectl "
        "delete validatingwebhookconfiguration peergate, then helm uninstall --no-hooks\n"
    )


RIGHTS = {
    ("delete", "validatingwebhookconfigurations/peergate"): "yes",
    ("delete", "validatingwebhookconfigurations/other"): "no",
    ("patch", "validatingwebhookconfigurations/peergate"): "no",
    ("create", "validatingwebhookconfigurations"): "no",
    ("delete", "validatingadmissionpolicybindings/admission-configuration.peergate.dev"): "yes",
    ("delete", "validatingadmissionpolicybindings/other"): "no",
    ("delete", "validatingadmissionpolicies/admission-configuration.peergate.dev"): "no",
    ("list", "secrets"): "no",
    ("delete", "pods"): "no",
}


def test_its_account_may_do_that_only_and_only_meanwhile(place):
    hook, account = Hook(place, "pre-delete", STRICT), f"system:serviceaccount:{NAMESPACE}:peergate-uninstall"

    def rights() -> dict[tuple[str, str], str]:
        asked = ("auth", "can-i", "--as", account)
        return {right: place.admin.kubectl(*asked, *right).out.split()[0] for right in RIGHTS}

    with hook.made():
        wait_until("the rights are known", lambda: rights() == RIGHTS)
    wait_until("and gone", lambda: set(rights().values()) == {"no"})
