"""What is listed: mine to decide, what I asked for, or all; once or live."""

from __future__ import annotations

import resource
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from tests.support.changes import id_of, path_of
from tests.support.cli import command, environment
from tests.support.filed import filed
from tests.support.requests_of import request_path, wait_state
from tests.support.world import victim

HEADER = "NAME OPERATION KIND TARGET REQUESTER STATE APPROVALS EXPIRES AGE"


@pytest.fixture
def change(table, bot, admin, namespace):
    """A ConfigMap's deletion that the agent has asked for."""
    path = victim(admin, namespace)
    words = ("request", "delete", f"configmap/{path.rpartition('/')[2]}", "--reason", "x")
    assert bot.run("-n", namespace, *words).status == 0
    change = table.desk.deletion(path)
    wait_state(table.desk, request_path(change), "Pending")
    return change


def _names(done):
    assert done.status == 0, done.err
    return [line.split()[0] for line in done.out.splitlines()[1:]]


def test_what_is_open_is_mine_until_i_have_signed_it(table, alice_seat, change, namespace):
    found = alice_seat.run("-n", namespace, "list")
    assert " ".join(found.out.splitlines()[0].split()) == HEADER
    line = found.out.splitlines()[1].split()
    assert line[:7] == [
        id_of(change), "DELETE", "configmaps", change.object.name, "agents/demo-agent", "Pending", "0/1",
    ]  # fmt: skip
    assert found.err.splitlines()[-1] == f"Next: peergate -n {namespace} show {id_of(change)}"
    table.sign(change)
    wait_state(table.desk, request_path(change), "Approved")
    after = alice_seat.run("-n", namespace, "list")
    assert after.out == ""
    assert f"nothing for you to decide in namespace {namespace}" in after.err
    everything = alice_seat.run("-n", namespace, "list", "--all", "-o", "wide").out.splitlines()
    assert everything[1].split()[5:7] == ["Approved", "1/1"]
    assert everything[1].split()[-1] == table.alice.identity


def test_forms_for_programs(alice_seat, change, namespace):
    assert alice_seat.run("-n", namespace, "list", "-o", "name").out == (
        f"changerequest.peergate.dev/{id_of(change)}\n"
    )
    document = alice_seat.run("-n", namespace, "list", "-o", "json").json()
    [item] = document.pop("items")
    assert document == {"apiVersion": "cli.peergate.dev/v1", "kind": "ChangeRequestList"}
    assert (item["name"], item["state"], item["rules"]) == (id_of(change), "Pending", ["built-in"])
    assert item["object"] == {
        "group": "",
        "resource": "configmaps",
        "subresource": "",
        "name": change.object.name,
    }
    assert yaml.safe_load(alice_seat.run("-n", namespace, "list", "-o", "yaml").out)["items"] == [item]


def test_who_is_registered_nowhere_sees_all_that_is_open_and_may_say_who_they_are(
    table, bot, cluster, change, namespace
):
    from tests.integration.waiting.conftest import Seat  # noqa: PLC0415 - a class of the fixtures

    person = Seat(cluster.kubeconfig_for_user("oidc:nobody", groups=("system:masters",)))
    found = person.run("-n", namespace, "list")
    assert _names(found) == [id_of(change)]
    assert "oidc:nobody is no registered approver" in found.err
    assert _names(person.run("-n", namespace, "list", "--approver", table.alice.identity)) == [id_of(change)]
    unknown = person.run("-n", namespace, "list", "--approver", "zoe@example.com")
    assert (unknown.status, unknown.out) == (2, "")
    assert person.run("-n", namespace, "list", "--mine").out == ""
    assert _names(bot.run("-n", namespace, "list", "--mine")) == [id_of(change)]


def test_every_namespace_and_labels(table, alice_seat, change, namespace):
    everywhere = alice_seat.run("list", "-A", "--all", "-o", "json").json()["items"]
    assert (namespace, id_of(change)) in {(item["namespace"], item["name"]) for item in everywhere}
    assert alice_seat.run("-n", namespace, "list", "--all", "-l", "a=b").out == ""


def _watch(seat, *arguments):
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(seat.kubeconfig),
        text=True,
        # A worker of a test run may ignore Ctrl-C, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


def test_a_watch_shows_what_leaves_the_list_once(table, alice_seat, change, namespace):
    watching = _watch(alice_seat, "-n", namespace, "list", "-w")
    try:
        assert " ".join(watching.stdout.readline().split()) == HEADER
        assert watching.stdout.readline().split()[0] == id_of(change)
        table.sign(change)
        lines = iter(lambda: watching.stdout.readline().split(), [])
        last = next(line for line in lines if line[5] != "Pending")
        assert (last[0], last[5]) == (id_of(change), "Approved")
    finally:
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=30)
    assert watching.returncode == 130


def test_at_a_terminal_the_list_is_drawn_anew(table, alice_seat, change, namespace):
    with alice_seat.terminal("-n", namespace, "list", "--all", "-w", data=True) as terminal:
        terminal.expect("Pending")
        table.sign(change)
        terminal.expect("Approved")
        terminal.interrupt()
        done = terminal.end()
    assert done.status == 130
    assert done.err.count("\x1b[H\x1b[2J") >= 2


@pytest.mark.slow
def test_a_thousand_open_requests_cost_less_than_a_second(table, alice_seat, admin, namespace):
    path = victim(admin, namespace)
    change = table.desk.deletion(path)
    body = filed(table.desk, change, post=False)
    # Somebody else's, so that the limit of open requests is not that of the agent of other tests.
    body["spec"]["requester"] = {"username": "system:serviceaccount:agents:busy", "uid": "u", "owner": "o"}

    def post(number: int) -> None:
        digits = "bcdfghjkmnpqrstvwxz"
        tail = "".join(digits[number // 19**place % 19] for place in range(3))
        name = f"cr-{'z' * 17}{tail}"
        one = {**body, "metadata": {"name": name, "namespace": namespace}}
        collection = path_of("changerequests", "", namespace=namespace, api="peergate.dev/v1alpha1")
        assert admin.request("POST", collection.rstrip("/"), body=one).code == 201

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(post, range(1000)))
    # Of the processor, not of the clock: what else runs on the machine is not the command's.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = alice_seat.run("-n", namespace, "list", "--all")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(found.out.splitlines()) == 1001
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0
