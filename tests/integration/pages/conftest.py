"""A cluster with the install bundle, Peergate in front of it, and a shell in which its people work."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.harness.binaries import find_binaries, find_helm
from tests.harness.clients import Client
from tests.harness.cluster import Cluster
from tests.harness.dev import _write_env
from tests.harness.peergate import Installation
from tests.harness.scenario import set_up, write_ssh_key
from tests.harness.waiting import wait_until
from tests.support.documents import ROOT
from tests.support.pages import Page, quoted, search_path, stand_in, workplace

from peergate.shipped.webhookconfig import render

STAND_INS = {
    "kubectl logs": "no nodes, so no Pods that run: the log of the process that stands for them",
    "kubectl get --raw .../proxy/...": "likewise: the health port of that process",
    "kubectl rollout status": "likewise: says that it was not tried",
    "helm test": "likewise: says that it was not tried",
    "helm install": "as --dry-run=client and without --wait",
    "make up, make down": "the stage is up; tests/integration/harness/test_dev.py tries both",
}
"""What of the pages needs a node, and what runs in its place: on a node ``make e2e`` tries these.

Everything else runs as it stands.
"""


@dataclass(slots=True)
class Stage:
    """Where the commands of a page are run."""

    installation: Installation
    agent: Client
    folder: Path
    environment: dict[str, str]

    @property
    def cluster(self) -> Cluster:
        return self.installation.cluster

    def page(self, name: str, *, prelude: str = "", over: str = "") -> Page:
        return Page(name, folder=self.folder, environment=self.environment, prelude=prelude, over=over)

    def reconnect(self) -> None:
        """Let the gate call the process again, after what calls the Service of the bundle was applied."""
        installation = self.installation
        self.cluster.admin.apply(render(installation.settings, client_config=installation._client_config))

    def answer(self, name: str = "kube-root-ca.crt") -> tuple[int, str]:
        """Return what the agent is answered who would delete a ConfigMap of ``shop``: code and text."""
        path = f"/api/v1/namespaces/shop/configmaps/{name}"
        body = {"propagationPolicy": "Background", "dryRun": ["All"]}
        reply = self.agent.request("DELETE", path, body=body)
        return reply.code, str(reply.body.get("message", ""))

    def wait(self, code: int, text: str = "") -> None:
        """Return once the agent is answered like this."""
        wait_until(
            f"the agent is answered {code} {text}",
            lambda: self.answer()[0] == code and text in self.answer()[1],
            within=30,
        )


@contextlib.contextmanager
def stage_in(folder: Path) -> Iterator[Stage]:
    programs = find_binaries()
    with Cluster() as cluster:
        bundle = str(ROOT / "manifests" / "install.yaml")
        cluster.kubectl("apply", "--server-side", "-f", bundle).must()
        with Installation(cluster) as installation:
            scenario = set_up(installation, folder=folder / "people")
            home, shims = folder / "home", folder / "shims"
            (home / ".kube").mkdir(parents=True)
            write_ssh_key(home / ".ssh" / "id_ed25519", comment="erin")
            _write_stand_ins(shims, installation=installation, kubectl=programs.kubectl)
            environment = {
                "PATH": search_path(shims, Path(sys.executable).parent),
                "HOME": str(home),
                "KUBECONFIG": str(cluster.kubeconfig),
                "KUBECACHEDIR": str(home / "cache"),
                "KUBERC": "off",
                "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
                "LC_ALL": "C.UTF-8",
            }
            top = workplace(folder / "top")
            _link_dev(top / ".dev", people=folder / "people", cluster=cluster, kubectl=shims / "kubectl")
            yield Stage(installation, scenario.agent, top, environment)


def _link_dev(folder: Path, *, people: Path, cluster: Cluster, kubectl: Path) -> None:
    """Make what ``make up`` leaves in ``.dev``, of files that are there."""
    folder.mkdir()
    for file in people.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "admin.kubeconfig").symlink_to(cluster.kubeconfig)
    (folder / "cluster").symlink_to(cluster.folder)
    _write_env(folder, kubectl=kubectl)


def _write_stand_ins(folder: Path, *, installation: Installation, kubectl: Path) -> None:
    process = installation.process
    health = f"http://127.0.0.1:{process.health_port}"
    stand_in(
        folder,
        "kubectl",
        f"""\
case " $* " in
  *" logs "*) exec cat {quoted(process.log)} ;;
  *"/proxy/readyz?verbose"*) exec curl -s '{health}/readyz?verbose' ;;
  *"/proxy/metrics"*) exec curl -s {health}/metrics ;;
  *" rollout status "*) echo 'not tried: there are no nodes'; exit 0 ;;
esac
exec {quoted(kubectl)} "$@" """,
    )
    stand_in(folder, "make", "exit 0")
    stand_in(
        folder,
        "helm",
        f"""\
if [ "$1" = test ]; then echo 'not tried: there are no nodes'; exit 0; fi
if [ "$1" = install ]; then exec {quoted(find_helm())} "${{@/#--wait/--dry-run=client}}"; fi
exec {quoted(find_helm())} "$@" """,
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_in(tmp_path_factory.mktemp("pages")) as made:
        yield made
