"""``policy test``: the gate's own verdict on an imagined request, for CI (experience.md §3.1)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from peergate.cli import application, run_program

AGENT = "system:serviceaccount:agents:bot"
RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "admission_reviews.jsonl"


def policy(name="prod", **spec):
    return {
        "apiVersion": "peergate.dev/v1alpha1",
        "kind": "ProtectionPolicy",
        "metadata": {"name": name},
        "spec": {"rules": [{}], **spec},
    }


def deployment(replicas=3, **metadata):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", **metadata},
        "spec": {"replicas": replicas},
    }


DELETIONS = policy(rules=[{"operations": ["Delete"]}])
CRITICAL = policy(rules=[{"selector": {"matchLabels": {"tier": "critical"}}}])
SCALABLE = policy(rules=[{"exempt": ["/spec/replicas"]}])
ONLY_PROD = policy(
    namespaces={"selector": {"matchLabels": {"stage": "prod"}}}, rules=[{"operations": ["Delete"]}]
)
TWO = policy(rules=[{"approvals": {"required": 2, "minHumans": 1, "fromGroups": ["sre"]}}])


@dataclass(frozen=True)
class Case:
    policy: dict
    arguments: tuple[str, ...]
    expect: str
    says: str
    file: dict | None = None
    live: dict | None = None
    status: int = 0
    err: tuple[str, ...] = field(default=())


CASES = {
    "a deletion that a rule is about is denied": Case(
        DELETIONS, ("--request", "delete deploy/web"), "deny", "deny (pending, ApprovalMissing)\nrule prod/0: 1 approval, 1 by a human\n"
    ),
    "what is asked of approvers is said": Case(
        TWO, ("--request", "delete svc web"), "deny", "rule prod/0: 2 approvals, 1 by a human, from sre\n"
    ),
    "the agent's text is shown": Case(
        TWO, ("--request", "delete svc/web"), "deny", "  APPROVAL REQUIRED (pending 0/2): delete Service shop/web by AI agent agents/bot waits"
    ),
    "an update that no rule is about is allowed": Case(
        DELETIONS, ("--request", "replace"), "allow", "allow (unprotected)\nno rule is met; nobody is asked\n", file=deployment()
    ),
    "a policy that selects another namespace leaves the built-in rule": Case(
        ONLY_PROD, ("--request", "delete deploy/web", "--namespace-labels", "stage=test"), "deny", "rule built-in: "
    ),
    "a policy that selects the namespace replaces it": Case(
        ONLY_PROD, ("--request", "replace", "--namespace-labels", "stage=prod"), "allow", "allow (unprotected)", file=deployment()
    ),
    "labels of the object decide where a rule has a selector": Case(
        CRITICAL, ("--request", "delete deploy/web", "--labels", "tier=critical,a=b"), "deny", "rule prod/0"
    ),
    "an object without those labels is free": Case(
        CRITICAL, ("--request", "delete deploy/web", "--labels", "tier=toy"), "allow", "allow (unprotected)"
    ),
    "labels in the manifest count too": Case(
        CRITICAL, ("--request", "delete"), "deny", "rule prod/0", file=deployment(labels={"tier": "critical"})
    ),
    "an exempt change is allowed": Case(
        SCALABLE, ("--request", "replace deploy/web"), "allow", "allow (exempt)", file=deployment(4), live=deployment(3)
    ),
    "scaling to zero is a deletion, which nothing exempts": Case(
        SCALABLE, ("--request", "replace deploy/web"), "deny", "deny (pending", file=deployment(0), live=deployment(3)
    ),
    "a change to nothing is harmless": Case(
        TWO, ("--request", "replace deploy/web"), "allow", "allow (harmless)", file=deployment(), live=deployment()
    ),
    "a policy that only warns allows and says so": Case(
        policy(mode="Warn"),
        ("--request", "delete deploy/web"),
        "allow",
        "allow (warn)\nwould be refused under mode Enforce: ApprovalMissing\nwarning: peergate: would need approval: rule prod/0, 0/1\nrule (Warn) prod/0: ",
    ),
    "a hold is said": Case(
        policy(rules=[{"hold": "30s"}]), ("--request", "delete deploy/web"), "deny", "1 by a human; the client waits up to 30 seconds\n"
    ),
    "a cluster-scoped foundation meets the baseline": Case(
        DELETIONS, ("--request", "delete ns/shop"), "deny", "rule baseline: "
    ),
    "what no signature covers is said": Case(
        DELETIONS, ("--request", "delete sa/robot"), "deny", "deny (barred, NotApprovable)\n"
    ),
    "another kind is named in full": Case(
        policy(rules=[{"resources": [{"apiGroups": ["cert-manager.io"], "resources": ["certificates"]}]}]),
        ("--request", "delete certificates.v1.cert-manager.io/web"),
        "deny",
        "rule prod/0",
    ),
    "a verdict that was not expected exits with 3": Case(
        DELETIONS, ("--request", "replace"), "deny", "allow (unprotected)", file=deployment(), status=3,
        err=("error: not as expected; the verdict is allow, deny was expected",),
    ),
    "an invalid policy is told with its problem and exits with 3": Case(
        policy(rules=[{"maxTTL": "48h"}]),
        ("--request", "delete deploy/web"),
        "deny",
        "deny (barred, NotApprovable)",
        status=3,
        err=("invalid policy prod in ", "spec.rules.0.maxTTL: Value error, maxTTL is more than 0s and at most 24h"),
    ),
    "a misspelt member is a problem": Case(
        policy(rule=[{}]), ("--request", "delete deploy/web"), "deny", "deny (barred", status=3, err=("spec.rule: Extra inputs",)
    ),
}  # fmt: skip


@pytest.fixture
def peergate(capsys):
    def call(*arguments):
        status = run_program(
            application(), arguments=["policy", "test", *map(str, arguments)], name="peergate"
        )
        done = capsys.readouterr()
        return status, done.out, done.err

    return call


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "policies"
    path.mkdir()
    (path / "README.md").write_text("no manifest")
    return path


@pytest.mark.parametrize("sentence", CASES)
def test_verdicts(sentence, peergate, folder, tmp_path):
    case = CASES[sentence]
    (folder / "prod.yaml").write_text(yaml.safe_dump(case.policy))
    words = [folder, *case.arguments, "--as", AGENT, "-n", "shop", "--expect", case.expect]
    for flag, document in (("-f", case.file), ("--live", case.live)):
        if document is not None:
            path = tmp_path / f"{flag.strip('-')}.yaml"
            path.write_text(yaml.safe_dump(document))
            words += [flag, path]
    status, out, err = peergate(*words)
    assert (status, case.says in out) == (case.status, True), out + err
    for text in case.err:
        assert text in err
    if not case.err:
        assert err == ""


def test_the_same_as_json(peergate, folder):
    (folder / "prod.yaml").write_text(yaml.safe_dump(TWO))
    status, out, err = peergate(
        folder, "--request", "delete deploy/web", "--as", AGENT, "-o", "json", "--expect", "deny"
    )
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert found.pop("message").startswith("APPROVAL REQUIRED (pending 0/2): delete Deployment default/web ")
    assert found == {
        "apiVersion": "cli.peergate.dev/v1",
        "kind": "PolicyTest",
        "decision": "deny",
        "asExpected": True,
        "state": "pending",
        "code": "ApprovalMissing",
        "rules": [
            {
                "name": "prod/0",
                "mode": "Enforce",
                "required": 2,
                "minHumans": 1,
                "fromGroups": ["sre"],
                "distinctOwners": True,
                "hardwareKeys": False,
                "maxTTLSeconds": 900,
                "holdSeconds": 0,
            }
        ],
        "warnings": [],
        "policies": [{"name": "prod", "file": str(folder / "prod.yaml"), "problem": ""}],
    }


def test_a_recorded_review_is_judged_whoever_sent_it(peergate, folder, tmp_path):
    (folder / "prod.yaml").write_text(yaml.safe_dump(DELETIONS))
    reviews = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    wanted = next(
        one
        for one in reviews
        if (one["request"]["operation"], one["request"]["resource"]["resource"]) == ("DELETE", "configmaps")
        and one["request"].get("namespace")
    )
    (tmp_path / "review.json").write_text(json.dumps(wanted))
    status, out, _ = peergate(folder, "--review", tmp_path / "review.json", "--expect", "deny")
    assert (status, out.splitlines()[:2]) == (
        0,
        ["deny (pending, ApprovalMissing)", "rule prod/0: 1 approval, 1 by a human"],
    )
    status, out, _ = peergate(folder, "--review", tmp_path / "review.json", "--as", AGENT)
    assert "by AI agent agents/bot" in out


def test_every_recorded_review_gets_a_verdict(peergate, folder, tmp_path):
    (folder / "prod.yaml").write_text(yaml.safe_dump(policy()))
    for line in RECORDED.read_text().splitlines():
        (tmp_path / "review.json").write_text(line)
        status, out, err = peergate(folder, "--review", tmp_path / "review.json")
        assert (status, err) == (0, "")
        assert out.startswith(("allow (", "deny ("))


USAGE = {
    "a request is needed": ((), "which request?; give one of --review FILE and --request"),
    "one request, not two": (("--request", "delete deploy/web", "--review", "x"), "which request?"),
    "the verb is one of three": (("--request", "scale deploy/web"), "'scale' is none of delete, replace, create"),
    "an object is needed": (("--request", "delete"), "which object?"),
    "replace needs what it becomes": (("--request", "replace deploy/web"), "replace needs the object"),
    "a type is built in or named in full": (("--request", "delete certificates/web"), "write PLURAL.VERSION.GROUP"),
    "labels have a form": (("--request", "delete deploy/web", "--labels", "a"), "'a' is not KEY=VALUE"),
    "a review that is none is named": (("--review", "{folder}/prod.yaml"), "no review; the kind is not AdmissionReview"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", USAGE)
def test_what_can_not_be_meant_exits_with_2(sentence, peergate, folder):
    (folder / "prod.yaml").write_text(yaml.safe_dump(TWO))
    words, says = USAGE[sentence]
    status, out, err = peergate(folder, *(word.format(folder=folder) for word in words), "--as", AGENT)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert says in err


def test_without_a_requester_nothing_is_tried(peergate, folder):
    (folder / "prod.yaml").write_text(yaml.safe_dump(TWO))
    assert peergate(folder, "--request", "delete deploy/web")[0] == 2


def test_a_folder_without_a_policy_is_an_error(peergate, folder):
    (folder / "other.yaml").write_text(yaml.safe_dump(deployment()))
    status, _, err = peergate(folder, "--request", "delete deploy/web", "--as", AGENT)
    assert status == 2
    assert "holds no ProtectionPolicy" in err


def test_two_policies_of_one_name_are_an_error(peergate, folder):
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text(yaml.safe_dump(TWO))
    status, _, err = peergate(folder, "--request", "delete deploy/web", "--as", AGENT)
    assert status == 2
    assert "two policies prod; " in err


def test_a_policy_of_another_api_version_is_an_error(peergate, folder):
    (folder / "a.yaml").write_text(yaml.safe_dump({**TWO, "apiVersion": "peergate.dev/v1"}))
    status, _, err = peergate(folder, "--request", "delete deploy/web", "--as", AGENT)
    assert status == 2
    assert "needs apiVersion peergate.dev/v1alpha1" in err


def test_several_documents_and_lists_are_read(peergate, folder):
    listed = {"apiVersion": "v1", "kind": "List", "items": [policy("one"), policy("two")]}
    (folder / "a.yaml").write_text(yaml.safe_dump_all([listed, policy("three"), deployment()]))
    status, out, _ = peergate(folder, "--request", "delete deploy/web", "--as", AGENT)
    assert (status, [line.split(":")[0] for line in out.splitlines()[1:4]]) == (
        0,
        ["rule one/0", "rule three/0", "rule two/0"],
    )
