"""At a terminal the approver is asked, the slower the more is at stake (experience.md §2.3)."""

from __future__ import annotations

import json
import subprocess

import pytest


def _words(scene, person, namespace, *words):
    return ("-n", namespace, "approve", *words, "--requester", scene.agent, "--key", str(person.key))


@pytest.fixture
def secret(scene, namespace):
    scene.cluster.kubectl("-n", namespace, "create", "secret", "generic", "s", "--from-literal=a=b").must()
    return namespace


def test_a_disruptive_change_asks_for_a_reason_and_then_for_a_yes(scene, alice, web):
    with scene.terminal(*_words(scene, alice, web, "delete", "deployment/web")) as terminal:
        terminal.expect("Reason: ")
        terminal.type("CHG-7 wanted")
        terminal.expect("Sign? [y/N]: ")
        terminal.type("y")
        done = terminal.end()
    assert done.status == 0
    assert json.loads(done.out)["payloadType"] == "application/vnd.in-toto+json"
    checked = scene.run("verify", "-", "-o", "json", input=done.out).json()
    assert checked["signedReason"] == "CHG-7 wanted"


def test_the_default_answer_is_no(scene, alice, web):
    with scene.terminal(*_words(scene, alice, web, "delete", "deployment/web", "--reason", "r")) as terminal:
        terminal.expect("Sign? [y/N]: ")
        terminal.type("")
        done = terminal.end()
    assert (done.status, done.out) == (3, "")
    assert "not signed; the answer was no" in done.err


def test_ctrl_c_signs_nothing(scene, alice, web):
    with scene.terminal(*_words(scene, alice, web, "delete", "deployment/web", "--reason", "r")) as terminal:
        terminal.expect("Sign? [y/N]: ")
        terminal.interrupt()
        done = terminal.end()
    assert (done.status, done.out) == (130, "")
    assert "interrupted; nothing was signed or sent" in done.err


def test_an_irreversible_change_is_signed_by_typing_its_name(scene, alice, secret):
    with scene.terminal(*_words(scene, alice, secret, "delete", "secret/s", "--reason", "r")) as terminal:
        terminal.expect("Type secret/s to sign: ")
        terminal.type("secret/s")
        done = terminal.end()
    assert done.status == 0
    assert done.out


def test_another_name_signs_nothing(scene, alice, secret):
    with scene.terminal(*_words(scene, alice, secret, "delete", "secret/s", "--reason", "r")) as terminal:
        terminal.expect("Type secret/s to sign: ")
        terminal.type("y")
        done = terminal.end()
    assert (done.status, done.out) == (3, "")


def test_a_reversible_change_asks_once(scene, alice, namespace, tmp_path):
    scene.cluster.kubectl("-n", namespace, "create", "configmap", "cm", "--from-literal=a=1").must()
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cm", "namespace": namespace},
        "data": {"a": "2"},
    }
    (tmp_path / "cm.json").write_text(json.dumps(manifest))
    with scene.terminal(
        *_words(scene, alice, namespace, "replace", "-f", str(tmp_path / "cm.json"))
    ) as terminal:
        terminal.expect("Sign? [y/N]: ")
        terminal.type("y")
        done = terminal.end()
    assert done.status == 0
    assert "Reason:" not in done.err


def _locked_pem(path):
    options = ("-aes256", "-pass", "pass:correct horse")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", *options, "-out", path], check=True)
    public = [
        "openssl",
        "pkey",
        "-in",
        path,
        "-passin",
        "pass:correct horse",
        "-pubout",
        "-out",
        f"{path}.pub",
    ]
    subprocess.run(public, check=True)


def test_a_locked_key_asks_for_its_passphrase_and_does_not_show_it(scene, register, web):
    person = register("locked", key=_locked_pem)
    with scene.terminal(*_words(scene, person, web, "delete", "deployment/web", "--reason", "r")) as terminal:
        terminal.expect("Passphrase of ")
        terminal.type("correct horse")
        terminal.expect("Sign? [y/N]: ")
        terminal.type("y")
        done = terminal.end()
    assert done.status == 0
    assert "correct horse" not in done.err


def test_without_a_terminal_nothing_is_asked_and_the_command_is_shown(scene, alice, web):
    done = scene.run(*_words(scene, alice, web, "delete", "deployment/web"))
    assert (done.status, done.out) == (2, "")
    assert "no terminal to ask on; nothing was signed; if this is right: peergate -n" in done.err
    assert "--yes --expect cr-" in done.err


def test_without_a_terminal_a_person_signs_nothing_irreversible(scene, alice, secret):
    done = scene.run(*_words(scene, alice, secret, "delete", "secret/s", "--reason", "r"))
    assert (done.status, done.out) == (2, "")
    assert "an irreversible change is signed by a person at a terminal" in done.err


def test_colour_is_only_for_terminals_and_off_on_request(scene, alice, web):
    words = (*_words(scene, alice, web, "delete", "deployment/web"), "--dry-run")
    with scene.terminal(*words) as terminal:
        coloured = terminal.end().err
    with scene.terminal(*words, NO_COLOR="1") as terminal:
        plain = terminal.end().err
    assert "\x1b[" in coloured
    assert "\x1b[" not in plain
    assert "\x1b[" not in scene.run(*words).err
    assert "\x1b[" in scene.run(*words, "--color=always").err
