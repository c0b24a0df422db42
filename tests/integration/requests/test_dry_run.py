"""A dry run gives the verdict and leaves nothing behind."""

from __future__ import annotations

from tests.support.changes import config_map, path_of, reported, sign, slots, use_path

PATCH = '{"data":{"colour":"red"}}'


def path(namespace: str) -> str:
    return path_of("configmaps", "settings", namespace=namespace)


def test_of_a_deletion(desk, agent, namespace, alice):
    before = desk.create(path(namespace), config_map(namespace))
    words = ("-n", namespace, "delete", "configmap", "settings", "--dry-run=server")
    refused = agent.kubectl(*words)
    assert not refused.ok
    assert "APPROVAL REQUIRED (dry run): delete ConfigMap" in refused.err
    assert "would need 1 peer signature" in refused.err
    assert desk.get(path(namespace)) == before
    attached = desk.attach(path(namespace), slots(sign(desk.deletion(path(namespace)), by=alice)))
    for _ in range(2):
        agent.kubectl(*words).must()
        assert desk.get(path(namespace)) == attached
    agent.kubectl("-n", namespace, "delete", "configmap", "settings").must()
    assert not desk.there(path(namespace))


def test_of_an_update_spends_nothing(desk, agent, namespace, alice):
    before = desk.create(path(namespace), config_map(namespace))
    words = ("-n", namespace, "patch", "configmap", "settings", "-p", PATCH)
    refused = agent.kubectl(*words, "--dry-run=server")
    assert "APPROVAL REQUIRED (dry run): update ConfigMap" in refused.err
    assert desk.get(path(namespace)) == before
    wanted = desk.cluster.admin.kubectl(*words, "--dry-run=server", "-o", "json").json()
    approval = sign(desk.update(path(namespace), wanted), by=alice)
    attached = desk.attach(path(namespace), slots(approval))
    for _ in range(2):
        agent.kubectl(*words, "--dry-run=server").must()
        assert desk.get(path(namespace)) == attached
    assert not desk.there(use_path(approval))
    agent.kubectl(*words).must()
    assert desk.get(path(namespace))["data"] == {"colour": "red"}
    assert desk.there(use_path(approval))


def test_of_an_update_that_somebody_approved_for_another_content(desk, agent, namespace, alice):
    desk.create(path(namespace), config_map(namespace))
    wanted = config_map(namespace, data={"colour": "red"})
    change = desk.update(path(namespace), desk.dry_run("PUT", path(namespace), wanted))
    before = desk.attach(path(namespace), slots(sign(change, by=alice)))
    other = config_map(namespace, data={"colour": "green"})
    reply = agent.request("PUT", path(namespace), body=other, query={"dryRun": "All"})
    assert (reply.code, reported(reply)) == (403, "ChangeDiffers")
    assert desk.get(path(namespace)) == before


def test_of_a_collection(desk, agent, namespace, alice):
    names = ("a", "b")
    paths = [path_of("configmaps", name, namespace=namespace) for name in names]
    for name, at in zip(names, paths, strict=True):
        desk.create(at, config_map(namespace, name, metadata={"labels": {"app": "shop"}}))
    desk.attach(paths[0], slots(sign(desk.deletion(paths[0], options={}), by=alice)))
    before = [desk.get(at) for at in paths]
    query = {"labelSelector": "app=shop", "dryRun": "All"}
    reply = agent.request("DELETE", paths[0].rpartition("/")[0], query=query)
    assert (reply.code, reported(reply)) == (403, "ApprovalMissing")
    assert [desk.get(at) for at in paths] == before
