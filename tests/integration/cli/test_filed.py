"""Show, approve and reject a ChangeRequest on a real API server: what is signed is what is there."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime

import pytest
from tests.integration.cli.filing import Desktop

from peergate.approval.envelope import parse_envelope
from peergate.approval.statement import parse_statement

_SLOT = "approval.peergate.dev/v1."


@pytest.fixture
def desk(scene, namespace) -> Desktop:
    return Desktop(scene, namespace)


@pytest.fixture
def config(desk) -> str:
    """The path of a ConfigMap with two entries."""
    return desk.config_map("settings", colour="blue", size="3")


def _statement(desk, request, slot):
    return parse_statement(parse_envelope(desk.annotations(request)[_SLOT + slot]).payload)


def test_an_approved_update_carries_exactly_the_filed_digests(desk, scene, alice, config):
    request = desk.file_update(config, lambda live: live["data"].update(colour="green"))
    done = scene.run("approve", request.name, "--key", str(alice.key), "--yes", "-n", desk.namespace)
    assert done.status == 0, done.err
    assert "complete; the agent may retry until" in done.err
    assert '~ data.colour: "blue" -> "green"' in done.err
    assert done.out == ""
    predicate = _statement(desk, request, alice.name).predicate
    assert predicate.ref == request.change.object
    assert (predicate.from_.sha256, predicate.to.sha256) == (request.change.from_, request.change.to)
    assert predicate.display is not None


def test_an_approved_deletion_of_a_workload_is_signed_with_what_goes_along(desk, scene, alice, web):
    request = desk.file_deletion(f"/apis/apps/v1/namespaces/{web}/deployments/web")
    words = ("-n", web, "approve", request.name, "--key", str(alice.key), "--yes", "--reason", "CHG-1")
    done = scene.run(*words, "-o", "json")
    assert done.status == 0, done.err
    assert "it owns go too:" in done.err
    assert "ReplicaSet: web-" in done.err
    shown = scene.run("-n", web, "show", request.name, "-o", "json").json()
    assert shown["blastRadius"]["counts"] == {"ReplicaSet": 1}
    assert _statement(desk, request, alice.name).predicate.display.sha256 == shown["display"]


def test_a_scale_is_reviewed_and_signed_as_a_scale(desk, scene, alice, web):
    path = f"/apis/apps/v1/namespaces/{web}/deployments/web/scale"
    request = desk.file_update(path, lambda live: live["spec"].update(replicas=2))
    words = ("-n", web, "approve", request.name, "--key", str(alice.key), "--yes", "--reason", "CHG-1")
    done = scene.run(*words)
    assert done.status == 0, done.err
    assert done.err.startswith(f"SCALE Deployment {web}/web - REVERSIBLE - scales up from 0 to 2")
    assert _statement(desk, request, alice.name).predicate.ref.subresource == "scale"


def test_without_a_namespace_the_request_is_found_by_its_name(desk, scene, config):
    request = desk.file_deletion(config)
    done = scene.run("show", request.name, "-o", "name")
    assert (done.status, done.out) == (0, f"{request.name}\n")


def test_the_screen_says_in_order_what_an_approver_needs(desk, scene, config):
    claim = {"peergate.dev/reason": "do it\x1b[2J now\u202e", "peergate.dev/ticket": "INC-1"}
    request = desk.file_update(config, lambda live: live["data"].pop("size"), annotations=claim)
    done = scene.run("show", request.name, "-n", desk.namespace)
    assert done.status == 0, done.err
    parts = (
        f"REPLACE ConfigMap {desk.namespace}/settings - REVERSIBLE",
        "Where ",
        "Who asks ",
        "What ",
        '  - data.size: "3"',
        "To undo ",
        "claim by the agent, not checked",
        r"| reason  do it\x1b[2J now\u202e ",
        "| ticket  INC-1 ",
        "Before ",
        "Since ",
        "Rule ",
        "So far ",
        "Filed ",
        "What will be signed",
        "Actions",
        f"approve  peergate -n {desk.namespace} approve {request.name} --key PATH",
    )
    places = [done.out.index(part) for part in parts]
    assert places == sorted(places)
    assert "\x1b" not in done.out


def test_the_claim_is_in_a_document_only_when_it_is_asked_for(desk, scene, config):
    request = desk.file_deletion(config, annotations={"peergate.dev/reason": "trust me"})
    words = ("show", request.name, "-n", desk.namespace, "-o")
    assert "trust me" not in scene.run(*words, "json").out
    assert "trust me" not in scene.run(*words, "yaml").out
    claimed = scene.run(*words, "json", "--with-claim").json()
    assert claimed["request"]["uncheckedClaim"] == {"reason": "trust me", "ticket": ""}


def _refused(desk, scene, alice, request, *, status, words):
    done = scene.run(
        "-n", desk.namespace, "approve", request.name, "--key", str(alice.key), "--yes", "--reason", "r"
    )
    assert (done.status, done.out) == (status, "")
    assert words in done.err
    assert not [key for key in desk.annotations(request) if key.startswith(_SLOT)]
    return done


def test_an_object_that_changed_since_is_not_signed(desk, scene, alice, config):
    request = desk.file_update(config, lambda live: live["data"].update(colour="green"))
    desk.merge(config, {"data": {"size": "4"}})
    _refused(desk, scene, alice, request, status=6, words="the object has changed since it was filed")
    shown = scene.run("-n", desk.namespace, "show", request.name)
    assert shown.status == 6
    assert "DOES NOT AGREE with what is there: the object has changed since it was filed" in shown.out
    assert "Since      written to by " in shown.out


def test_a_patch_that_lies_about_the_change_is_not_signed(desk, scene, alice, config):
    harmless = [{"op": "replace", "path": "/data/colour", "value": "green"}]
    request = desk.file_update(
        config, lambda live: live["data"].update(colour="green", size="9000"), patch=harmless
    )
    _refused(desk, scene, alice, request, status=6, words="its patch does not give the object that it names")


def test_a_patch_that_claims_nothing_changes_is_not_signed(desk, scene, alice, config):
    request = desk.file_update(config, lambda live: live["data"].update(colour="green"), patch=[])
    _refused(desk, scene, alice, request, status=6, words="its patch does not give the object that it names")


def test_a_summary_that_tells_of_another_change_is_not_signed(desk, scene, alice, config):
    request = desk.file_deletion(config, summary="delete ConfigMap test/scratch: 1 key")
    _refused(desk, scene, alice, request, status=6, words="its summary tells of another change")


def test_a_patch_that_does_not_fit_is_not_signed(desk, scene, alice, config):
    patch = [{"op": "remove", "path": "/spec/nowhere"}]
    request = desk.file_update(config, lambda live: live["data"].update(colour="green"), patch=patch)
    _refused(desk, scene, alice, request, status=6, words="its patch does not fit the object")


def test_a_request_under_another_name_than_its_own_is_not_signed(desk, scene, alice, config):
    request = desk.file_deletion(config, **{"from": "0" * 64})
    _refused(desk, scene, alice, request, status=6, words="not what its name says")


def test_a_request_about_another_cluster_is_not_signed(desk, scene, alice, config):
    request = desk.file_deletion(config, audience="k8s:another-cluster")
    _refused(desk, scene, alice, request, status=6, words="another cluster")


def test_an_object_that_was_recreated_is_not_signed(desk, scene, alice, config):
    request = desk.file_deletion(config)
    scene.cluster.admin.request("DELETE", config)
    _refused(desk, scene, alice, request, status=5, words="is gone")
    desk.config_map("settings", colour="blue", size="3")
    _refused(desk, scene, alice, request, status=5, words="was replaced")


def test_a_requester_that_was_recreated_is_not_signed_for(desk, scene, alice, config):
    path = desk.account("guest")
    request = desk.file_deletion(config, account=f"{desk.namespace}/guest")
    scene.cluster.admin.request("DELETE", path)
    _refused(desk, scene, alice, request, status=5, words="the requester is gone")
    desk.account("guest")
    _refused(desk, scene, alice, request, status=6, words="is another one now")


def test_an_expired_request_is_not_signed(desk, scene, alice, config):
    request = desk.file_deletion(config, filedAt="2026-01-01T00:00:00Z", expires="2026-01-02T00:00:00Z")
    _refused(desk, scene, alice, request, status=5, words="no effect: decided already")


def test_a_rejected_request_is_not_signed(desk, scene, alice, config, register):
    request = desk.file_deletion(config)
    register("me", "--username", "admin")
    done = scene.run("-n", desk.namespace, "reject", request.name, "--because", "snapshot-first")
    assert done.status == 0, done.err
    _refused(desk, scene, alice, request, status=3, words="no effect: decided already")


def test_secrets_need_the_manifest_and_are_shown_without_values(desk, scene, register, tmp_path):
    path = desk.secret("creds", password="hunter2", user="bob")
    wanted = desk.dry_run(path, lambda live: live["data"].update(password="aHVudGVyMw=="))
    masked = [{"op": "replace", "path": "/data/password"}]
    request = desk.file_update(path, wanted, patch=masked, complete=False)
    shown = scene.run("-n", desk.namespace, "show", request.name)
    assert shown.status == 0, shown.err
    assert "INCOMPLETE: what the object becomes is not filed whole" in shown.out
    assert "~ data.password: hidden (7 bytes) -> another value, not filed" in shown.out
    reviewer = register("rev", "--class", "agent", "--owner", "team-sec", "--username", "oidc:rev")
    words = (
        "-n",
        desk.namespace,
        "approve",
        request.name,
        "--key",
        str(reviewer.key),
        "--yes",
        "--reason",
        "r",
    )
    without = scene.run(*words)
    assert (without.status, without.out) == (2, "")
    assert "incomplete" in without.err
    manifest = tmp_path / "creds.json"
    for password, status in (("aHVudGVyNA==", 6), ("aHVudGVyMw==", 0)):
        data = {"password": password, "user": "Ym9i"}
        manifest.write_text(json.dumps({**desk.bare(path), "data": data}))
        done = scene.run(*words, "-f", str(manifest))
        assert done.status == status, done.err
    assert "~ data.password: hidden (7 bytes) -> hidden (7 bytes)" in done.err
    for text in (shown.out, without.err, done.err):
        assert not any(value in text for value in ("hunter", "aHVudGVy", "Ym9i"))


def test_a_person_signs_nothing_irreversible_without_a_terminal(desk, scene, alice):
    request = desk.file_deletion(desk.secret("creds", a="b"))
    done = scene.run(
        "-n", desk.namespace, "approve", request.name, "--key", str(alice.key), "--yes", "--reason", "r"
    )
    assert (done.status, done.out) == (2, "")
    assert not [key for key in desk.annotations(request) if key.startswith(_SLOT)]


def test_two_of_three_sign_one_after_the_other(desk, scene, register, config):
    desk.policy(approvals={"required": 2, "minHumans": 1})
    request = desk.file_update(config, lambda live: live["data"].update(colour="green"))
    people = [register(name, "--owner", f"team-{name}") for name in ("ann", "ben", "cat")]
    said = []
    for person in people:
        done = scene.run("-n", desk.namespace, "approve", request.name, "--key", str(person.key), "--yes")
        assert done.status == 0, done.err
        said.append(done.err)
    assert "signed 1/2; waiting for 1 more (another owner)" in said[0]
    assert "complete; the agent may retry until" in said[1]
    assert "no effect: decided already" in said[2]
    assert len([key for key in desk.annotations(request) if key.startswith(_SLOT)]) == 2
    again = scene.run("-n", desk.namespace, "approve", request.name, "--key", str(people[0].key), "--yes")
    assert (again.status, "no effect" in again.err) == (0, True)


def test_slots_that_the_requester_has_filled_are_in_nobodys_way(desk, scene, alice, config):
    squatted = {_SLOT + alice.name: "junk", **{f"{_SLOT}s{n}": f"junk {n}" for n in range(7)}}
    request = desk.file_update(config, lambda live: live["data"].update(colour="green"), annotations=squatted)
    done = scene.run("-n", desk.namespace, "approve", request.name, "--key", str(alice.key), "--yes")
    assert done.status == 0, done.err
    assert "complete; the agent may retry until" in done.err
    shown = scene.run("-n", desk.namespace, "show", request.name)
    assert shown.out.count("ApprovalMalformed") == 7


def test_an_external_signer_signs_a_request_in_two_steps(desk, scene, alice, config, tmp_path):
    request = desk.file_update(config, lambda live: live["data"].update(colour="green"))
    payload, sig = tmp_path / "payload.json", tmp_path / "sig"
    base = ("-n", desk.namespace, "approve", request.name)
    step = ("--approver", alice.identity, "--print-payload", "--payload-out", str(payload), "--yes")
    first = scene.run(*base, *step)
    assert first.status == 0, first.err
    signed = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "peer-approval@peergate.dev", "-f", alice.key],
        input=first.out.encode(),
        capture_output=True,
        check=True,
    )
    sig.write_bytes(signed.stdout)
    done = scene.run(*base, "--payload", str(payload), "--signature", str(sig))
    assert done.status == 0, done.err
    assert _statement(desk, request, alice.name).predicate.ref == request.change.object


def test_an_object_that_can_t_be_read_is_not_signed(desk, scene, alice, config):
    request = desk.file_deletion(config)
    user = desk.reader_of_requests()
    words = ("-n", desk.namespace, "approve", request.name, "--key", str(alice.key), "--yes", "--reason", "r")
    done = scene.run("--as", user, *words)
    assert (done.status, done.out) == (1, "")
    assert "nobody signs what they can't see" in done.err


def test_who_reads_less_is_told_what_is_missing(desk, scene, web):
    request = desk.file_deletion(f"/apis/apps/v1/namespaces/{web}/deployments/web")
    user = desk.reader_of_requests("deployments")
    shown = scene.run("--as", user, "-n", web, "show", request.name)
    assert shown.status == 0, shown.err
    assert "PARTIAL: may not list " in shown.out
    assert "owns nothing, as far as can be seen" in shown.out


def test_a_rejection_names_the_approver_that_the_user_is(desk, scene, register, config):
    request = desk.file_deletion(config)
    person = register("rex", "--username", "oidc:rex")
    scene.cluster.kubectl(
        "create",
        "clusterrolebinding",
        f"rex-{desk.namespace}",
        "--clusterrole=cluster-admin",
        "--user=oidc:rex",
    ).must()
    words = ("-n", desk.namespace, "reject", request.name, "--reason", "wrong one", "--suggest", "the other")
    try:
        done = scene.run("--as", "oidc:rex", *words)
    finally:
        scene.cluster.kubectl("delete", "clusterrolebinding", f"rex-{desk.namespace}").must()
    assert done.status == 0, done.err
    rejection = desk.read(request)["status"]["rejection"]
    assert (rejection["by"], rejection["reason"]) == (person.identity, "wrong one Ask instead for: the other")
    lasts = datetime.fromisoformat(rejection["until"]) - datetime.now(UTC)
    assert 23.9 < lasts.total_seconds() / 3600 <= 24
    again = scene.run("-n", desk.namespace, "reject", request.name, "--reason", "again")
    assert (again.status, "a rejection is set once" in again.err) == (3, True)


REJECTIONS = {
    "without a reason": ((), 2, "no reason"),
    "with what is not shown": (("--reason", "a\u202eb"), 2, "invisible characters"),
    "with too much": (("--reason", "x" * 513), 2, "too long"),
    "for a moment": (("--reason", "r", "--for", "1s"), 2, "how long?"),
    "by nobody that is known": (("--reason", "r"), 3, "not an approver"),
}


@pytest.mark.parametrize("sentence", REJECTIONS)
def test_a_rejection_is_refused(desk, scene, config, sentence):
    words, status, said = REJECTIONS[sentence]
    request = desk.file_deletion(config)
    done = scene.run("-n", desk.namespace, "reject", request.name, *words)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "rejection" not in desk.read(request).get("status", {})


def test_like_requests_are_approved_together_and_each_signed_by_itself(desk, scene, alice):
    requests = [desk.file_update(desk.config_map(f"c{number}", colour="blue"), _green) for number in range(3)]
    names = [request.name for request in requests]
    done = scene.run("-n", desk.namespace, "approve", *names, "--key", str(alice.key), "--yes", "-o", "json")
    assert done.status == 0, done.err
    nonces = {_statement(desk, request, alice.name).predicate.nonce for request in requests}
    assert len(nonces) == 3
    assert [one["change"] for one in done.json()["items"]] == names


UNLIKE = {
    "another difference": lambda desk: desk.file_update(
        desk.config_map("other", colour="blue"), lambda live: live["data"].update(colour="red")
    ),
    "another operation": lambda desk: desk.file_deletion(desk.config_map("other", colour="blue")),
    "something irreversible": lambda desk: desk.file_deletion(desk.secret("other", a="b")),
}


@pytest.mark.parametrize("sentence", UNLIKE)
def test_unlike_requests_are_not_approved_together(desk, scene, alice, sentence):
    first = desk.file_update(desk.config_map("one", colour="blue"), _green)
    other = UNLIKE[sentence](desk)
    done = scene.run(
        "-n", desk.namespace, "approve", first.name, other.name, "--key", str(alice.key), "--yes"
    )
    assert (done.status, done.out) == (2, "")
    assert "approve them one by one" in done.err
    for request in (first, other):
        assert not [key for key in desk.annotations(request) if key.startswith(_SLOT)]


def _green(live):
    live["data"].update(colour="green")
