"""Approve, attach and verify on a real API server: what is signed is what the gate will find."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from peergate.approval.keyring import build_keyring
from peergate.approval.target import Target, Terms
from peergate.approval.verify import Verified, verify_approval
from peergate.model.approver import ApproverSpec
from peergate.model.change import ObjectRef, Requester
from peergate.model.review import Kind

_DEPLOYMENT = Kind("apps", "v1", "Deployment")


def _yes(scene, *arguments, reason="CHG-1"):
    """Approve without a terminal: look at the id first, then sign it."""
    shown = scene.run(*arguments, "--dry-run", "-o", "name")
    assert shown.status == 0, shown.err
    return scene.run(*arguments, "--yes", "--expect", shown.out.strip(), "--reason", reason)


def _get(scene, path):
    return scene.cluster.admin.request("GET", path).body


def _web(scene, namespace):
    return _get(scene, f"/apis/apps/v1/namespaces/{namespace}/deployments/web")


def _approve(scene, person, namespace, *words, **settings):
    return _yes(
        scene,
        "-n",
        namespace,
        "approve",
        *words,
        "--requester",
        scene.agent,
        "--key",
        str(person.key),
        **settings,
    )


def _verified(scene, person, value, *, old, new=None, options=None):
    """Verify an envelope independently of the command line: own keyring, own target."""
    namespace, name = scene.agent.split("/")
    account = _get(scene, f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
    approver = _get(scene, f"/apis/peergate.dev/v1alpha1/approvers/{person.name}")
    system = _get(scene, "/api/v1/namespaces/kube-system")
    metadata = old["metadata"]
    return verify_approval(
        value,
        slot="-",
        target=Target(
            audience=f"k8s:{system['metadata']['uid']}",
            operation="UPDATE" if new else "DELETE",
            object=ObjectRef(
                "apps", "v1", "deployments", "", metadata["namespace"], metadata["name"], metadata["uid"]
            ),
            requester=Requester(f"system:serviceaccount:{namespace}:{name}", account["metadata"]["uid"]),
            requester_owner="team-platform",
            kind=_DEPLOYMENT,
            old=old,
            new=new,
            options=options,
        ),
        keyring=build_keyring({person.name: ApproverSpec.model_validate(approver["spec"])}),
        terms=Terms(max_ttl=timedelta(minutes=15), projections=frozenset({"k8s-projection/v1"})),
        now=datetime.now(UTC),
    )


def test_an_approved_delete_holds_on_the_live_object_also_once_attached(scene, alice, web, tmp_path):
    done = _approve(scene, alice, web, "delete", "deployment/web")
    assert done.status == 0, done.err
    (tmp_path / "a.json").write_text(done.out)
    attached = scene.run("-n", web, "attach", "-f", str(tmp_path / "a.json"), "deployment/web")
    assert attached.status == 0, attached.err
    assert f"Next: kubectl -n {web} delete deployment/web" in attached.err
    live = _web(scene, web)
    slot = f"approval.peergate.dev/v1.{alice.name}"
    assert live["metadata"]["annotations"][slot] == done.out.strip()
    outcome = _verified(
        scene,
        alice,
        done.out.strip(),
        old=live,
        options={"propagationPolicy": "Background", "dryRun": ["All"]},
    )
    assert isinstance(outcome, Verified)
    assert outcome.statement.predicate.reason == "CHG-1"
    checked = scene.run("verify", str(tmp_path / "a.json"), "-o", "json")
    assert (checked.status, checked.json()["valid"]) == (0, True)


def test_an_approved_replacement_holds_for_exactly_that_manifest(scene, alice, web, tmp_path):
    old = _web(scene, web)
    manifest = tmp_path / "web.yaml"
    wanted = {**old, "spec": {**old["spec"], "replicas": 0, "minReadySeconds": 3}}
    del wanted["status"], wanted["metadata"]["managedFields"], wanted["metadata"]["resourceVersion"]
    manifest.write_text(json.dumps(wanted))
    done = _approve(scene, alice, web, "replace", "-f", str(manifest))
    assert done.status == 0, done.err
    assert "+ spec.minReadySeconds: 3" in done.err
    new = scene.cluster.kubectl("replace", "--dry-run=server", "-o", "json", "-f", str(manifest)).json()
    assert isinstance(_verified(scene, alice, done.out.strip(), old=old, new=new), Verified)
    (tmp_path / "a.json").write_text(done.out)
    with_manifest = scene.run("-n", web, "verify", str(tmp_path / "a.json"), "-f", str(manifest))
    assert with_manifest.out.startswith("valid: it holds now ("), with_manifest.err
    without = scene.run("verify", str(tmp_path / "a.json"), "-o", "json").json()
    assert without["valid"]
    assert without["unchecked"][0] == "what the object becomes (give -f MANIFEST)"


def test_what_changed_since_it_was_shown_is_not_signed(scene, alice, web):
    words = (
        "-n",
        web,
        "approve",
        "delete",
        "deployment/web",
        "--requester",
        scene.agent,
        "--key",
        str(alice.key),
    )
    shown = scene.run(*words, "--dry-run", "-o", "name").out.strip()
    scene.cluster.kubectl("-n", web, "label", "deployment", "web", "changed=yes").must()
    done = scene.run(*words, "--yes", "--expect", shown, "--reason", "CHG-1")
    assert (done.status, done.out) == (6, "")
    assert "what was shown is not what is there" in done.err


def test_the_id_may_be_given_in_groups_as_it_is_spoken(scene, alice, web):
    words = (
        "-n",
        web,
        "approve",
        "delete",
        "deployment/web",
        "--requester",
        scene.agent,
        "--key",
        str(alice.key),
    )
    digits = scene.run(*words, "--dry-run", "-o", "name").out.strip().removeprefix("cr-")
    spoken = " ".join(digits[at : at + 5] for at in range(0, 20, 5))
    assert scene.run(*words, "--yes", "--expect", spoken, "--reason", "r").status == 0


def test_attaching_changes_one_annotation_and_nothing_else(scene, alice, web):
    before = _web(scene, web)
    done = _approve(scene, alice, web, "delete", "deployment/web")
    scene.run("-n", web, "attach", "deployment", "web", input=done.out)
    after = _web(scene, web)
    del after["metadata"]["annotations"][f"approval.peergate.dev/v1.{alice.name}"]
    for document in (before, after):
        for member in ("managedFields", "resourceVersion", "generation"):
            document["metadata"].pop(member)
        document.pop("status")
    assert after == before


def test_approve_with_attach_does_both(scene, alice, web):
    words = (
        "-n",
        web,
        "approve",
        "delete",
        "deployment/web",
        "--requester",
        scene.agent,
        "--key",
        str(alice.key),
    )
    shown = scene.run(*words, "--dry-run", "-o", "name").out.strip()
    done = scene.run(
        *words, "--yes", "--expect", shown, "--reason", "r", "--attach", "--slot", "a1", "-o", "json"
    )
    assert done.status == 0, done.err
    document = done.json()
    assert document["annotation"] == "approval.peergate.dev/v1.a1"
    assert _web(scene, web)["metadata"]["annotations"]["approval.peergate.dev/v1.a1"] == document["envelope"]


def test_a_slot_of_somebody_else_is_left_alone(scene, register, web):
    first = register("ann", identity="ann@one.example.com")
    second = register("anna", identity="ann@two.example.com")
    for person in (first, second):
        done = _approve(scene, person, web, "delete", "deployment/web")
        assert scene.run("-n", web, "attach", "deployment/web", input=done.out).status == 0
    slots = {key for key in _web(scene, web)["metadata"]["annotations"] if key.startswith("approval.")}
    assert slots == {"approval.peergate.dev/v1.ann", "approval.peergate.dev/v1.ann-2"}


def test_an_approval_of_another_object_is_not_attached(scene, alice, web):
    done = _approve(scene, alice, web, "delete", "deployment/web")
    scene.cluster.kubectl("-n", web, "create", "configmap", "other").must()
    refused = scene.run("-n", web, "attach", "configmap/other", input=done.out)
    assert refused.status == 3
    assert "another object" in refused.err


def test_an_approval_of_an_object_that_was_recreated_is_over(scene, alice, namespace):
    scene.cluster.kubectl("-n", namespace, "create", "configmap", "cm").must()
    done = _approve(scene, alice, namespace, "delete", "configmap/cm")
    scene.cluster.kubectl("-n", namespace, "delete", "configmap", "cm").must()
    gone = scene.run("verify", "-", input=done.out)
    assert gone.status == 5
    scene.cluster.kubectl("-n", namespace, "create", "configmap", "cm").must()
    assert scene.run("-n", namespace, "attach", "configmap/cm", input=done.out).status == 5
    checked = scene.run("verify", "-", "-o", "json", input=done.out)
    assert (checked.status, checked.json()["code"]) == (5, "ObjectReplaced")


def test_an_object_that_changed_makes_the_approval_stale(scene, alice, web):
    done = _approve(scene, alice, web, "delete", "deployment/web")
    scene.cluster.kubectl("-n", web, "scale", "deployment", "web", "--replicas=1").must()
    checked = scene.run("verify", "-", "-o", "json", input=done.out)
    assert (checked.status, checked.json()["code"]) == (5, "ObjectChanged")


def test_an_approval_for_an_account_that_is_gone_or_another_by_now_is_stale(scene, alice, web, namespace):
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "guest", "namespace": namespace},
    }
    scene.cluster.admin.apply(account)
    words = ("-n", web, "approve", "delete", "deployment/web", "--requester", f"{namespace}/guest")
    done = _yes(scene, *words, "--key", str(alice.key))
    for again in (False, True):
        scene.cluster.kubectl(
            "-n", namespace, "delete", "serviceaccount", "guest", "--ignore-not-found"
        ).must()
        if again:
            scene.cluster.admin.apply(account)
        checked = scene.run("verify", "-", "-o", "json", input=done.out)
        assert (checked.status, checked.json()["code"]) == (5, "WrongRequester")


def test_the_requester_may_not_approve_itself(scene, register, web):
    namespace, name = scene.agent.split("/")
    bot = register(
        "bot", "--class", "agent", "--owner", "x", "--username", f"system:serviceaccount:{namespace}:{name}"
    )
    done = scene.run(
        "-n", web, "approve", "delete", "deployment/web", "--requester", scene.agent, "--key", str(bot.key)
    )
    assert done.status == 3
    assert "(SelfApproval)" in done.err


def test_an_agent_of_the_same_owner_may_not_approve(scene, register, web):
    helper = register("helper", "--class", "agent", "--owner", "team-platform", "--username", "oidc:helper")
    done = scene.run(
        "-n", web, "approve", "delete", "deployment/web", "--requester", scene.agent, "--key", str(helper.key)
    )
    assert done.status == 3
    assert "(SameOwner)" in done.err


def test_a_key_that_is_not_registered_signs_nothing(scene, web, tmp_path):
    key = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    done = scene.run(
        "-n", web, "approve", "delete", "deployment/web", "--requester", scene.agent, "--key", str(key)
    )
    assert done.status == 3
    assert "counts for nobody" in done.err


def test_without_a_requester_the_agents_are_named(scene, alice, web):
    done = scene.run("-n", web, "approve", "delete", "deployment/web", "--key", str(alice.key))
    assert done.status == 2
    assert scene.agent in done.err


def test_a_change_that_changes_nothing_needs_no_approval(scene, alice, web, tmp_path):
    live = _web(scene, web)
    (tmp_path / "same.json").write_text(json.dumps(live))
    done = scene.run(
        "-n",
        web,
        "approve",
        "replace",
        "-f",
        str(tmp_path / "same.json"),
        "--requester",
        scene.agent,
        "--dry-run",
    )
    assert done.status == 2
    assert "nothing to approve" in done.err


def test_an_irreversible_change_is_signed_unattended_by_agents_only(scene, register, alice, namespace):
    scene.cluster.kubectl("-n", namespace, "create", "secret", "generic", "s", "--from-literal=a=b").must()
    refused = _approve(scene, alice, namespace, "delete", "secret/s")
    assert (refused.status, refused.out) == (2, "")
    reviewer = register("rev", "--class", "agent", "--owner", "team-sec", "--username", "oidc:rev")
    assert _approve(scene, reviewer, namespace, "delete", "secret/s").status == 0


def test_secret_values_are_never_shown(scene, alice, namespace, tmp_path):
    scene.cluster.kubectl(
        "-n", namespace, "create", "secret", "generic", "s", "--from-literal=a=hunter2"
    ).must()
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": namespace},
        "stringData": {"a": "hunter3"},
    }
    (tmp_path / "s.json").write_text(json.dumps(manifest))
    for output in ("envelope", "json"):
        done = scene.run(
            "-n",
            namespace,
            "-v=4",
            "approve",
            "replace",
            "-f",
            str(tmp_path / "s.json"),
            "--requester",
            scene.agent,
            "--dry-run",
            "-o",
            output,
        )
        assert done.status == 0, done.err
        for value in ("hunter2", "hunter3", "aHVudGVyMg==", "aHVudGVyMw=="):
            assert value not in done.out + done.err
        assert "hidden (7 bytes) -> hidden (7 bytes)" in done.err


def test_a_policy_decides_how_long_an_approval_may_live(scene, alice, web):
    name = "cli-short"
    scene.cluster.kubectl("label", "namespace", web, f"{name}=yes").must()
    scene.cluster.admin.apply(
        {
            "apiVersion": "peergate.dev/v1alpha1",
            "kind": "ProtectionPolicy",
            "metadata": {"name": name},
            "spec": {
                "namespaces": {"selector": {"matchLabels": {name: "yes"}}},
                "rules": [{"maxTTL": "5m", "approvals": {"required": 2, "fromGroups": ["sre"]}}],
            },
        }
    )
    try:
        done = scene.run(
            "-n",
            web,
            "approve",
            "delete",
            "deployment/web",
            "--requester",
            scene.agent,
            "--key",
            str(alice.key),
        )
        assert done.status == 3
        assert "counts only members of sre (ApproverNotEligible)" in done.err
    finally:
        scene.cluster.kubectl("delete", "protectionpolicy", name).must()


def _openssl_key(kind, *options):
    def make(path):
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", kind, *options, "-out", path],
            check=True,
            capture_output=True,
        )
        subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-out", f"{path}.pub"], check=True)

    return make


EXTERNAL = {
    "openssl with Ed25519": (
        _openssl_key("ed25519"),
        "openssl pkeyutl -sign -inkey {key} -rawin -in {pae} -out {sig}",
    ),
    "openssl with P-256 (DER)": (
        _openssl_key("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "openssl dgst -sha256 -sign {key} -out {sig} {pae}",
    ),
    "openssl with RSA, as Vault writes it": (
        _openssl_key("RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
        "(printf vault:v1:; openssl dgst -sha256 -sign {key} {pae} | base64 -w0) > {sig}",
    ),
    "ssh-keygen, armored": (
        None,
        "ssh-keygen -q -Y sign -n peer-approval@peergate.dev -f {key} < {pae} > {sig} 2>/dev/null",
    ),
}


@pytest.mark.parametrize("sentence", EXTERNAL)
def test_an_external_signer_signs_in_two_steps(scene, register, web, tmp_path, sentence):
    make, command = EXTERNAL[sentence]
    person = register("kms", "--owner", "team-sec", key=make)
    files = {"pae": tmp_path / "pae.bin", "sig": tmp_path / "sig", "key": person.key}
    payload = tmp_path / "payload.json"
    base = ("-n", web, "approve", "delete", "deployment/web", "--requester", scene.agent)
    expected = scene.run(*base, "--dry-run", "-o", "name").out.strip()
    step = (*base, "--approver", person.identity, "--print-payload", "--payload-out", str(payload))
    first = scene.run(*step, "--yes", "--expect", expected, "--reason", "r")
    assert first.status == 0, first.err
    files["pae"].write_bytes(first.out.encode())
    assert first.out.encode().endswith(payload.read_bytes())
    subprocess.run(command.format(**files), shell=True, check=True)  # noqa: S602 - our own command
    kept = ("--payload", str(payload), "--signature", str(files["sig"]))
    finish = ("-n", web, "approve", "delete", "deployment/web", *kept)
    second = scene.run(*finish)
    assert second.status == 0, second.err
    outcome = _verified(
        scene, person, second.out.strip(), old=_web(scene, web), options={"propagationPolicy": "Background"}
    )
    assert isinstance(outcome, Verified)
    scene.cluster.kubectl("-n", web, "label", "deployment", "web", "drift=yes").must()
    drifted = scene.run(*finish)
    assert drifted.status == 6
    assert "the object's present state differs" in drifted.err


def test_a_signature_of_somebody_else_finishes_nothing(scene, alice, register, web, tmp_path):
    payload, sig = tmp_path / "payload.json", tmp_path / "sig"
    mallory = register("mallory")
    base = ("-n", web, "approve", "delete", "deployment/web", "--requester", scene.agent)
    expected = scene.run(*base, "--dry-run", "-o", "name").out.strip()
    step = (*base, "--approver", alice.identity, "--print-payload", "--payload-out", str(payload))
    first = scene.run(*step, "--yes", "--expect", expected, "--reason", "r")
    signed = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "peer-approval@peergate.dev", "-f", mallory.key],
        input=first.out.encode(),
        capture_output=True,
        check=True,
    )
    sig.write_bytes(signed.stdout)
    done = scene.run(
        "-n", web, "approve", "delete", "deployment/web", "--payload", str(payload), "--signature", str(sig)
    )
    assert (done.status, done.out) == (3, "")
    assert "ApproverMismatch" in done.err
