"""Client verification on a real API server, set up by what docs/client-verification.md says."""

from __future__ import annotations

import http.client
import re
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.harness.cluster import Cluster
from tests.harness.components import Layout
from tests.harness.peergate import Installation
from tests.harness.principals import create_account
from tests.harness.waiting import wait_until
from tests.support.cli import run
from tests.support.documents import DOCS
from tests.support.edge import UID, review_body

pytestmark = pytest.mark.cluster

PAGE = (DOCS / "client-verification.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ON_THE_NODE = "/etc/kubernetes/admission"


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGE) if found == language]


def admission_files(layout: Layout) -> list[str]:
    """Follow steps 1 and 2 in a folder of the cluster, at its first start; return the flag."""
    folder = layout.folder / "admission"
    flags = [f"--admission-control-config-file={folder / 'config.yaml'}"]
    if folder.exists():
        return flags
    folder.mkdir()
    subprocess.run(["/bin/sh", "-euc", blocks("sh")[0]], cwd=folder, check=True, capture_output=True)
    for text in blocks("yaml"):
        path = re.match(rf"# {ON_THE_NODE}/(\S+)\n", text)
        (folder / path[1]).write_text(text.replace(ON_THE_NODE, str(folder)), encoding="utf-8")
    return flags


@pytest.fixture(scope="module")
def verified() -> Iterator[Installation]:
    """An API server that shows its certificate, and an operator that asks for it."""
    with Cluster(api_server_flags=admission_files) as cluster:
        folder = cluster.folder / "admission"
        settings = {
            "webhook": {
                "clientVerification": {
                    "enabled": True,
                    "caFile": str(folder / "clients-ca.crt"),
                    "subjects": ["kube-apiserver-webhooks"],
                }
            }
        }
        installation = Installation(cluster, settings=settings)
        with installation:
            show_certificate(installation)
            yield installation


def show_certificate(installation: Installation, *, name: str | None = None) -> None:
    """Have the API server show its certificate to the operator, or to whoever else is named.

    Here it reaches the operator by an address, and not as a Service.
    """
    cluster = installation.cluster
    file = cluster.folder / "admission" / "kubeconfig.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["users"][0]["name"] = name or f"127.0.0.1:{installation.process.port}"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    cluster.restart_api_server()


@pytest.fixture(scope="module")
def agent(verified):
    client = create_account(verified.cluster, "agents", "bot", owner="team")
    verified.cluster.admin.kubectl("create", "namespace", "shop").must()
    verified.cluster.admin.kubectl("label", "namespace", "shop", "peergate.dev/protected=true").must()
    path = "/api/v1/namespaces/shop/serviceaccounts/default"
    wait_until("there is an account", lambda: verified.cluster.admin.request("GET", path).code == 200)
    return client


def deletion(client):
    return client.request(
        "DELETE", "/api/v1/namespaces/shop/serviceaccounts/default", query={"dryRun": "All"}
    )


def test_the_api_server_gets_through_and_the_operator_proves_itself(verified, agent):
    verified.wait_gated(agent, namespace="shop")
    assert "NOT APPROVABLE" in deletion(agent).body["message"]


def test_an_api_server_that_shows_nothing_is_refused_and_so_are_agents_and_nobody_else(verified, agent):
    verified.wait_gated(agent, namespace="shop")
    show_certificate(verified, name="somebody-else.example.com")
    try:
        reply = deletion(agent)
        assert reply.code == 500
        assert 'failed calling webhook "namespaced.gate.peergate.dev"' in reply.body["message"]
        assert deletion(verified.cluster.admin).code == 200
    finally:
        show_certificate(verified)
    verified.wait_gated(agent, namespace="shop")


def context(verified, *, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        made.load_cert_chain(certificate, key)
    return made


def post(verified, tls: ssl.SSLContext) -> int:
    """Return the status of a posted review; 0 where nothing came back."""
    connection = http.client.HTTPSConnection("127.0.0.1", verified.process.port, context=tls, timeout=10)
    try:
        connection.request(
            "POST", "/gates/own", body=review_body(), headers={"Content-Type": "application/json"}
        )
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def judged(verified) -> int:
    """Return how many of the reviews that ``post`` sends were judged."""
    return sum(line.get("request_uid") == UID for line in verified.process.log_lines())


def test_whoever_comes_to_the_port_without_it_gets_nothing(verified, agent):
    folder = verified.cluster.folder / "admission"
    shown = {"certificate": folder / "webhooks.crt", "key": folder / "webhooks.key"}
    assert post(verified, context(verified, **shown)) == 200
    wait_until("it was judged", lambda: judged(verified) == 1)
    # The cluster's own CA signs for everybody who may ask for it; here it is foreign.
    foreign = verified.cluster.layout.authority.client("foreign", username="kube-apiserver-webhooks")
    assert post(verified, context(verified, certificate=foreign.certificate, key=foreign.key)) == 0
    assert post(verified, context(verified)) == 0
    sign = (
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=agent "
        " -keyout a.key -out a.csr;"
        "openssl x509 -req -in a.csr -CA clients-ca.crt -CAkey clients-ca.key -CAcreateserial -days 1"
        " -extfile webhooks.ext -out a.crt"
    )
    subprocess.run(["/bin/sh", "-euc", sign], cwd=folder, check=True, capture_output=True)
    assert post(verified, context(verified, certificate=folder / "a.crt", key=folder / "a.key")) == 0
    assert post(verified, context(verified, **shown)) == 200
    wait_until("that was judged", lambda: judged(verified) >= 2)
    assert judged(verified) == 2, "and nothing of what came between"
    assert verified.process.metric("peergate_review_errors_total") == 0


def test_the_health_port_asks_for_nothing(verified):
    with urllib.request.urlopen(f"http://127.0.0.1:{verified.process.health_port}/readyz?verbose") as reply:
        assert reply.status == 200
        assert b"self-test" in reply.read()


def test_the_values_of_the_page_are_the_charts():
    words = re.findall(r"--set '?webhook\.clientVerification\.(\w+)", PAGE)
    assert set(words) == {"enabled", "caSecret", "subjects"}
    assert "--from-file=ca.crt=clients-ca.crt" in PAGE


def test_the_check_of_the_page_says_yes_to_that_certificate_and_no_to_others(verified):
    folder = verified.cluster.folder / "admission"
    check = blocks("sh")[2]
    assert check.startswith("openssl verify ")
    foreign = verified.cluster.layout.authority.client("another", username="kube-apiserver-webhooks")
    for certificate, good in (("webhooks.crt", True), (str(foreign.certificate), False)):
        words = check.replace("webhooks.crt", certificate)
        done = subprocess.run(["/bin/sh", "-euc", words], cwd=folder, check=False, capture_output=True)
        assert (done.returncode == 0) is good


def test_without_its_cas_an_operator_does_not_start(verified, tmp_path):
    settings = yaml.safe_load(
        (verified.cluster.folder / f"{verified.process.name}.yaml").read_text(encoding="utf-8")
    )
    settings["webhook"]["clientVerification"]["caFile"] = str(tmp_path / "none.crt")
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = run("run", "--config", str(file), kubeconfig=verified.cluster.kubeconfig)
    assert done.status == 1
    assert f"can't read the CAs of clients; {tmp_path}/none.crt is no readable PEM file" in done.err
