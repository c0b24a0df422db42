"""The commands of the pages for platform teams, run as they stand, with what they bring about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.harness.cache import cache_folder
from tests.harness.waiting import wait_until
from tests.support.cli import run
from tests.support.documents import DOCS, ROOT, in_code
from tests.support.pages import Page, blocks_of, fences_of, search_path, workplace

RUN = (
    "tutorial.md",
    "install.md",
    "policies.md",
    "approvers.md",
    "coding-agents.md",
    "doctor.md",
    "runbook.md",
    "verify-a-release.md",
)
"""The pages whose commands are all run, here and in the files beside."""


@pytest.mark.parametrize("page", RUN)
def test_every_block_of_commands_has_a_name(page):
    assert len(blocks_of(page)) == fences_of(page)


@pytest.mark.cluster
def test_policies(stage):
    page = stage.page("policies.md")
    refused, free = page.run("try")
    assert refused.startswith("deny (pending, ApprovalMissing)")
    assert free.startswith("allow (unprotected)")
    described = page.run("apply")[3]
    assert "NamespaceNotProtected" in described
    page.run("audit")
    page.run("enforce")
    mode = stage.cluster.kubectl("get", "ppol", "startup", "-o", "jsonpath={.spec.mode}").must().out
    assert mode == "Enforce"
    page.finish()
    stage.cluster.kubectl("delete", "ppol", "startup").must()


@pytest.mark.cluster
def test_approvers(stage):
    page = stage.page("approvers.md")
    *_, fingerprints, shown = page.run("register")
    assert shown.split()[1] in fingerprints
    assert page.run("rights")[2] == "yes\n"
    page.run("rotate")
    usable = ("get", "approver", "erin", "-o", "jsonpath={.status.fingerprints}")
    wait_until(
        "both keys count", lambda: stage.cluster.kubectl(*usable).must().out.count("SHA256:") == 2, within=30
    )
    page.run("rotated")
    wait_until(
        "the new key alone counts",
        lambda: (
            (out := stage.cluster.kubectl(*usable).must().out).count("SHA256:") == 1
            and shown.split()[1] not in out
        ),
        within=30,
    )
    page.run("stop")
    _, listed = page.run("check")
    assert "Disabled" in listed
    page.finish()
    stage.cluster.kubectl("delete", "approver", "erin").must()


@pytest.mark.cluster
def test_doctor(stage):
    page = stage.page("doctor.md")
    table, document, *_ = page.run("doctor", status={0: 3, 1: 3, 2: 3, 3: 1})
    assert "demo-agent" in table
    assert '"kind": "DoctorReport"' in document
    page.finish()


@pytest.mark.cluster
def test_coding_agents(stage):
    page = stage.page("coding-agents.md")
    [created] = page.run("create")
    assert "Secrets: not even reading them" in created
    page = stage.page("coding-agents.md", over="export KUBECONFIG=~/.kube/coder.kubeconfig")
    who, contexts = page.run("who")
    assert "system:serviceaccount:agents:coder" in who
    assert "coder" in contexts
    # An agent of nobody's; and what was run before, on the page of the person who creates it.
    page.finish("start", "create")
    stage.cluster.kubectl("-n", "agents", "delete", "serviceaccount", "coder").must()


@pytest.mark.cluster
def test_the_commands_of_alerts_are_commands(stage):
    text = (DOCS / "alerts.md").read_text(encoding="utf-8")
    commands = {word for word in in_code(text) if word.startswith(("kubectl ", "peergate "))}
    assert len(commands) > 5
    for command in sorted(commands):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=stage.folder,
            env=stage.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        # The doctor finds something here; that is exit code 3.
        assert done.returncode == (3 if "doctor" in command else 0), (command, done.stderr)


@pytest.mark.slow
@pytest.mark.cluster
def test_runbook(stage):
    audit = stage.cluster.layout.audit_log
    page = stage.page("runbook.md", prelude="names", over=f"AUDIT_LOG={audit}")
    page.run("names")
    _first_look(stage, page)
    _gate_and_certificate(stage, page)
    _who_and_why(stage, page)
    _keys_and_people(stage, page)
    _off_and_on(stage, page)
    page.finish()


def _first_look(stage, page):
    stage.wait(403)
    refused = stage.agent.kubectl("-n", "shop", "delete", "configmap", "settings")
    assert "APPROVAL REQUIRED" in refused.err
    request = refused.err.partition("request=shop/")[2].split()[0]
    stage.cluster.kubectl("-n", "shop", "wait", "--for=create", f"chreq/{request}", "--timeout=30s").must()
    found, configuration, own, ours, logged, readiness, metrics = page.run("look", status={0: 3})
    assert "fail" in found
    assert "namespaced.gate.peergate.dev" in configuration
    assert "lease.coordination.k8s.io/peergate-leader" in own
    assert "approver.peergate.dev/alice" in ours
    assert '"decision":"deny"' in logged
    for check in ("first-sync", "listener", "self-test"):
        assert f"[+]{check} ok" in readiness
    assert "peergate_gate_exact 1.0" in metrics


def _gate_and_certificate(stage, page):
    deployment, described, *_ = page.run("down")
    assert "deployment.apps/peergate" in deployment
    assert "Tolerations:" in described, "the end of it, with its events where there is a scheduler"
    page.run("restart")
    defined, may, watches, _ = page.run("rights")
    assert defined.count("peergate.dev") == 4
    assert (may, watches) == ("yes\n", "yes\n")
    verified = page.run("certificate")[3]
    assert verified == "serving.pem: OK\n"
    before = (stage.folder / "serving.pem").read_bytes()
    process = stage.installation.process
    # What the Deployment would do with its Pods.
    process.stop()
    page.run("certificate-off")
    assert stage.answer()[0] == 500, "agents are refused meanwhile"
    page.run("certificate-on")
    process.start()
    process.wait_ready()
    stage.wait(403, "gate.peergate.dev")
    assert page.run("certificate")[3] == "serving.pem: OK\n"
    assert (stage.folder / "serving.pem").read_bytes() != before


def _who_and_why(stage, page):
    labels, policies, events, _, verdict = page.run("false-refusal")
    assert "peergate.dev/protected=true" in labels
    assert "default" in policies
    assert "ApprovalRequired" in events
    assert "deny (pending, ApprovalMissing)" in verdict
    described, lease = page.run("policy-status")
    assert "Valid" in described
    assert "holderIdentity" in lease
    tagged, _, condition = page.run("who-is-agent")
    assert "demo-agent" in tagged
    assert "demo-agent" in condition
    ready, people = page.run("locked-out")
    assert "Valid" in ready
    assert "carol-bot" in people
    page.run("register")
    listed, _, screen, *_ = page.run("approvals")
    assert "cr-" in listed
    assert "What will be signed" in screen
    page.run("ledger")
    deletions, annotations, _ = page.run("audit")
    assert "demo-agent" in deletions
    assert "namespaced.gate.peergate.dev/code" in annotations
    page.run("doors", status={0: 3, 1: 3, 2: 1})


def _keys_and_people(stage, page):
    listed = stage.cluster.kubectl("-n", "shop", "get", "chreq", "-o", "name").must()
    [request] = listed.out.split()
    key = stage.folder.parent / "people" / "alice"
    signed = run(
        "approve", request.partition("/")[2], "-n", "shop", "--key", str(key), "--yes", "--reason", "CHG-1",
        kubeconfig=key.with_name("alice.kubeconfig"),
    )  # fmt: skip
    assert signed.status == 0, signed.err
    wait_until("it is approved", lambda: stage.answer("settings")[0] == 200, within=30)
    page.run("key-stolen")
    wait_until("it counts no more", lambda: "KeyRevoked" in stage.answer("settings")[1], within=30)
    page.run("key-uses")
    page.run("key-new")
    stage.cluster.kubectl("wait", "approver/alice", "--for=condition=Ready", "--timeout=30s").must()
    assert stage.answer("settings")[0] == 403, "what was signed before stays void"
    page.run("key-one")
    no_key = ("get", "approver", "alice", "-o", "jsonpath={.status.conditions[0].reason}")
    wait_until(
        "its only key is out", lambda: stage.cluster.kubectl(*no_key).must().out == "NoUsableKey", within=30
    )
    page.run("left", status={2: 3})
    page.run("left-for-good")
    assert not stage.cluster.kubectl("get", "approver", "alice").ok


def _off_and_on(stage, page):
    stage.wait(403)
    page.run("warn")
    stage.wait(200)
    page.run("enforce")
    stage.wait(403)
    page.run("unprotect")
    stage.wait(200)
    page.run("protect")
    stage.wait(403)
    account = ("-n", "agents", "get", "serviceaccount", "-l", "peergate.dev/agent=true", "-o", "name")
    page.run("untag")
    assert "demo-agent" not in stage.cluster.kubectl(*account).must().out
    page.run("tag")
    assert "demo-agent" in stage.cluster.kubectl(*account).must().out
    stage.wait(403)
    page.run("ignore")
    stage.installation.process.kill()
    stage.wait(200)
    page.run("fail")
    stage.wait(500)
    stage.installation.process.start()
    stage.installation.process.wait_ready()
    stage.wait(403)
    page.run("gate-off")
    stage.wait(200)
    page.run("gate-on")
    stage.reconnect()
    stage.wait(403)
    page.run("hangs")
    stage.wait(200)
    stage.reconnect()
    stage.cluster.kubectl("delete", "approver", "erin").must()


def test_verify_a_release(tmp_path):
    folder = workplace(tmp_path / "top")
    environment = {
        "PATH": search_path(Path(sys.executable).parent),
        "HOME": str(tmp_path),
        "PEERGATE_CACHE": str(cache_folder()),
        "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
    }
    page = Page("verify-a-release.md", folder=folder, environment=environment)
    *_, sums, same = page.run("wheel")
    one, two = sums.splitlines()
    assert one.split()[0] == two.split()[0]
    assert same == ""
    pinned, hashes = page.run("locks")
    assert 0 < int(pinned) <= int(hashes)
    drift, packages = page.run("bill")
    assert "no drift" in drift
    assert "pkg:pypi/cryptography@" in packages
    # The first needs the package index: tests/contract/wheel installs these very hashes (slow). The second
    # needs Docker: make e2e builds the same file with buildah.
    page.finish("hashes", "image")
