"""The whole story through the real commands: an agent asks and waits, a peer decides, the cluster obeys."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.changes import SLOT, config_map, id_of, path_of
from tests.support.filed import filed
from tests.support.requests_of import request_path, wait_state
from tests.support.world import MERGE, victim

from peergate.model.wire import format_instant


@pytest.fixture
def path(admin, namespace):
    """A ConfigMap that the agent wants to be rid of."""
    return victim(admin, namespace)


def _words(path):
    parts = path.split("/")
    return parts[4], f"configmap/{parts[-1]}"


def _ask(bot, path, *options, reason="CHG-7: it is empty"):
    namespace, typed = _words(path)
    return bot.run("-n", namespace, "request", "delete", typed, "--reason", reason, *options)


def test_the_agent_waits_a_peer_signs_and_the_deletion_goes_through(table, bot, path, meanwhile):
    change = table.desk.deletion(path)
    asked = meanwhile(_ask, bot, path, "--ticket", "CHG-7", "--wait", "--timeout", "60s")
    assert table.reason(change) == "CHG-7: it is empty"
    assert table.filed(change)["metadata"]["annotations"]["peergate.dev/ticket"] == "CHG-7"
    assert table.desk.there(path)
    table.sign(change)
    done = asked.result()
    assert done.status == 0, done.err
    assert done.out == f"{change.object.namespace}/{id_of(change)}\n"
    first, *_, last = done.err.strip().split("\n")
    assert first.startswith("APPROVAL REQUIRED (pending 0/1): delete ConfigMap ")
    assert last == f"done: delete ConfigMap {change.object.namespace}/{change.object.name}"
    assert not table.desk.there(path)


def test_a_replacement_goes_through_as_it_was_asked_for(table, bot, admin, namespace, meanwhile, tmp_path):
    path = victim(admin, namespace)
    manifest = config_map(namespace, path.rpartition("/")[2], data={"colour": "green"})
    (tmp_path / "cm.json").write_text(json.dumps(manifest))
    wanted = table.desk.dry_run("PUT", path, manifest)
    change = table.desk.update(path, wanted)
    words = (
        "request",
        "replace",
        "-f",
        str(tmp_path / "cm.json"),
        "--reason",
        "green",
        "--wait",
        "-o",
        "json",
    )
    asked = meanwhile(bot.run, "-n", namespace, *words, "--timeout", "60s")
    table.reason(change)
    table.sign(change)
    done = asked.result()
    assert done.status == 0, done.err
    assert done.json() == {
        "apiVersion": "cli.peergate.dev/v1",
        "kind": "Request",
        "request": f"{namespace}/{id_of(change)}",
        "state": "done",
        "exitCode": 0,
    }
    assert table.desk.get(path)["data"] == {"colour": "green"}


def test_a_rejection_reaches_the_agent_with_its_reason_and_stays(table, bot, path, meanwhile):
    change = table.desk.deletion(path)
    asked = meanwhile(_ask, bot, path, "--wait", "--timeout", "60s")
    table.reason(change)
    table.reject(change, reason="take a \x1b[31msnapshot first")
    done = asked.result()
    assert (done.status, done.out.count("\n")) == (3, 1)
    assert f"rejected by {table.alice.identity}: 'take a \\x1b[31msnapshot first'\n" in done.err
    again = _ask(bot, path, "--wait")
    assert (again.status, again.out) == (3, "")
    assert again.err.startswith("APPROVAL REJECTED: delete ConfigMap ")
    assert "'take a ?[31msnapshot first'. The object is unchanged." in again.err
    waited = bot.run("-n", change.object.namespace, "wait", id_of(change), "-o", "json")
    assert waited.status == 3
    assert waited.json()["rejection"] == {
        "by": table.alice.identity,
        "reason": "take a \x1b[31msnapshot first",
    }
    assert table.desk.there(path)


def test_without_wait_the_request_is_filed_and_the_next_steps_are_said(table, bot, path):
    change = table.desk.deletion(path)
    done = _ask(bot, path)
    place = change.object.namespace
    assert (done.status, done.out) == (0, f"{place}/{id_of(change)}\n")
    assert done.err.splitlines()[1:] == [
        f"Peer: peergate -n {place} show {id_of(change)}",
        f"Wait: peergate -n {place} wait {id_of(change)}",
        "Then: repeat the identical request once; it is admitted if approved.",
    ]
    assert table.reason(change) == "CHG-7: it is empty"
    assert table.desk.there(path)
    waited = bot.run("-n", place, "wait", id_of(change), "--timeout", "1s")
    assert (waited.status, waited.out) == (4, f"{place}/{id_of(change)} pending\n")
    assert waited.err.splitlines()[-1] == f"Next: peergate -n {place} wait {id_of(change)}"
    still = _ask(bot, path, "--wait", "--timeout", "1s")
    assert still.status == 4
    assert table.desk.there(path)


def test_what_has_changed_meanwhile_is_stale(table, bot, path, admin, meanwhile):
    change = table.desk.deletion(path)
    asked = meanwhile(_ask, bot, path, "--wait", "--timeout", "60s")
    table.reason(change)
    body = {"data": {"colour": "red"}}
    assert admin.request("PATCH", path, body=body, content_type=MERGE).code == 200
    # No tool of a person would sign this any more; this one does.
    table.sign(change)
    done = asked.result()
    assert done.status == 5, done.err
    # Found by the operator, or by the gate when the request is repeated.
    assert "stale: " in done.err
    assert table.desk.there(path)


def test_what_is_gone_needs_no_decision(table, bot, path, admin, meanwhile):
    change = table.desk.deletion(path)
    asked = meanwhile(_ask, bot, path, "--wait", "--timeout", "60s")
    table.reason(change)
    assert admin.request("DELETE", path).code == 200
    done = asked.result()
    assert done.status == 5, done.err
    assert "stale: the target is gone; " in done.err


def test_nobody_decides_in_time(table, bot, path):
    change = table.desk.deletion(path)
    body = filed(table.desk, change, post=False)
    now = datetime.now(UTC).replace(microsecond=0)
    body["spec"] |= {"filedAt": format_instant(now), "expires": format_instant(now + timedelta(seconds=4))}
    table.desk.create(request_path(change), body)
    done = bot.run("-n", change.object.namespace, "wait", id_of(change))
    assert (done.status, done.out) == (5, f"{change.object.namespace}/{id_of(change)} expired\n")
    assert "nobody decided" in done.err


def test_a_wait_ends_when_it_is_approved_and_says_what_to_do(table, bot, path, meanwhile):
    _ask(bot, path)
    change = table.desk.deletion(path)
    waiting = meanwhile(bot.run, "-n", change.object.namespace, "wait", id_of(change), "--timeout", "60s")
    table.sign(change)
    done = waiting.result()
    assert (done.status, done.out) == (0, f"{change.object.namespace}/{id_of(change)} approved\n")
    assert done.err.splitlines()[-1] == (
        f"Next: kubectl -n {change.object.namespace} delete configmap/{change.object.name}"
    )
    again = bot.run("-n", change.object.namespace, "wait", id_of(change))
    assert again.status == 0


def test_what_was_carried_out_is_used(table, bot, agent, path):
    change = table.desk.deletion(path)
    _ask(bot, path)
    table.sign(change)
    wait_state(table.desk, request_path(change), "Approved")
    namespace, typed = _words(path)
    assert agent.kubectl("-n", namespace, "delete", typed).ok
    done = bot.run("-n", namespace, "wait", id_of(change), "--timeout", "60s")
    # Until the operator has marked it, it is approved; marked, it is used.
    wait_state(table.desk, request_path(change), "Used")
    done = bot.run("-n", namespace, "wait", id_of(change))
    assert (done.status, done.out) == (5, f"{namespace}/{id_of(change)} used\n")


def test_where_no_approval_is_needed_nothing_is_done(bot, admin, unprotected_namespace):
    path = victim(admin, unprotected_namespace)
    done = _ask(bot, path, "--wait", "-o", "json")
    assert done.status == 0
    assert done.json()["state"] == "free"
    assert "no approval is needed" in done.err
    assert "nothing was done" in done.err
    assert admin.request("GET", path).code == 200


def test_what_no_signature_covers_is_said_at_once(bot, admin, namespace):
    done = bot.run("-n", namespace, "request", "delete", "sa/default", "--reason", "x", "--wait")
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("NOT APPROVABLE: delete ServiceAccount ")
    requests = path_of("changerequests", "", namespace=namespace, api="peergate.dev/v1alpha1").rstrip("/")
    assert admin.request("GET", requests).body["items"] == []


def test_an_interrupted_wait_says_what_is_left(table, bot, path):
    namespace, typed = _words(path)
    words = ("-n", namespace, "request", "delete", typed, "--reason", "x", "--wait")
    change = table.desk.deletion(path)
    with bot.terminal(*words) as terminal:
        terminal.expect("waits for a peer signature")
        table.reason(change)
        terminal.interrupt()
        done = terminal.end()
    assert done.status == 130
    assert f"interrupted; the object is unchanged, and {namespace}/{id_of(change)} stays filed" in done.err
    assert table.desk.there(path)


def test_an_approval_goes_from_the_request_onto_the_object(table, bot, alice_seat, path, agent):
    change = table.desk.deletion(path)
    namespace, typed = _words(path)
    _ask(bot, path)
    nothing = bot.run("-n", namespace, "attach", id_of(change), typed)
    assert nothing.status == 3
    assert "carries no approval that fits" in nothing.err
    table.sign(change)
    other = victim(table.desk.cluster.admin, namespace)
    wrong = bot.run("-n", namespace, "attach", id_of(change), _words(other)[1])
    assert wrong.status == 3
    assert "another object" in wrong.err
    done = bot.run("-n", namespace, "attach", id_of(change), typed)
    assert done.status == 0, done.err
    assert done.err.splitlines()[-1] == f"Next: kubectl -n {namespace} delete {typed}"
    annotations = table.desk.get(path)["metadata"]["annotations"]
    carried = table.filed(change)["metadata"]["annotations"]
    assert annotations[f"{SLOT}{table.alice.name}"] == carried[f"{SLOT}alice"]
    assert alice_seat.run("-n", namespace, "attach", id_of(change)).status == 0
    assert agent.kubectl("-n", namespace, "delete", typed).ok


def test_a_name_that_nothing_has_is_an_error(bot, namespace):
    done = bot.run("-n", namespace, "wait", "cr-hbzkqvmtwxcdfgjnprst")
    assert done.status == 1
    assert "no ChangeRequest cr-hbzkqvmtwxcdfgjnprst in namespace" in done.err
    assert bot.run("-n", namespace, "wait", "web").status == 2
