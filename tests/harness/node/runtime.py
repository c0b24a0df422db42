"""What makes a machine a node: containerd, kubelet and kube-proxy, their files and command lines.

Every path lies in the node's folder, its own /run or its own /var. Images are never collected, since they
can't be pulled again.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.binaries import NodeBinaries
from tests.harness.node.debian import unpacked
from tests.harness.node.isolation import PODS, Isolation
from tests.harness.node.pause import PAUSE
from tests.harness.pki import Authority

__all__ = ["Runtime", "api_server_flags", "node_packages"]

_PACKAGES = (
    *("containerd", "runc", "containernetworking-plugins", "libseccomp2"),
    *("nftables", "libnftables1", "libnftnl11", "libmnl0", "libjansson4", "libxtables12"),
)
_IMPORT_SECONDS = 120.0
_OPEN_FILES = 20_000  # more needs a capability that not every root has


def node_packages() -> Path:
    """Return the folder with containerd, runc, plugins and nft. Errors: PackagesError."""
    return unpacked("node", _PACKAGES)


def api_server_flags(authority: Authority) -> list[str]:
    """Return what an API server needs beyond a development cluster's, so that nodes can join."""
    client = authority.client(
        "kubelet-client", username="kube-apiserver-kubelet-client", groups=("system:masters",)
    )
    return [
        "--authorization-mode=Node",  # added to RBAC
        "--enable-admission-plugins=NodeRestriction",
        "--endpoint-reconciler-type=lease",  # Pods reach it by its Service
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={authority.pair.certificate}",
        f"--kubelet-client-certificate={client.certificate}",
        f"--kubelet-client-key={client.key}",
    ]


@dataclass(frozen=True, slots=True)
class Runtime:
    """The node's programs; ``start`` hands them to the node, which keeps them running."""

    machine: Isolation
    authority: Authority
    binaries: NodeBinaries

    @property
    def folder(self) -> Path:
        """Return the node's folder."""
        return self.machine.folder

    @property
    def socket(self) -> Path:
        """Return where containerd listens."""
        return self.folder / "containerd.sock"

    def start_containerd(self) -> None:
        """Let containerd run."""
        configuration = self.folder / "containerd.toml"
        configuration.write_text(self._containerd(), encoding="utf-8")
        self._write("cni/10-pods.conflist", _network(self.folder, pods=self.machine.pods))
        self._run("containerd", str(self._root / "usr/bin/containerd"), "--config", str(configuration))

    def start_kubelet(self, *, kubeconfig: Path) -> None:
        """Let kubelet run, as this user of the API server."""
        (self.folder / "resolv.conf").touch()
        configuration = self._write("kubelet.json", self._kubelet())
        self._run(
            "kubelet",
            str(self.binaries.kubelet),
            f"--config={configuration}",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={self.machine.hostname}",
            f"--node-ip={self.machine.address}",
            "--oom-score-adj=0",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet' / 'pki'}",
        )

    def start_proxy(self, *, kubeconfig: Path) -> None:
        """Let kube-proxy run, as this user of the API server."""
        configuration = self._write("kube-proxy.json", _proxy(kubeconfig, hostname=self.machine.hostname))
        self._run("kube-proxy", str(self.binaries.kube_proxy), f"--config={configuration}")

    def answers(self) -> bool:
        """Tell whether containerd does."""
        return self.socket.exists() and self._ctr("version").returncode == 0

    def load(self, image: Path) -> None:
        """Give the node an image. Errors: RuntimeError."""
        done = self._ctr("--namespace", "k8s.io", "images", "import", str(image))
        if done.returncode != 0:
            raise RuntimeError(
                f"can't import {image.name}: {done.stderr.strip()}\n{self.machine.log('containerd')}"
            )

    @property
    def _root(self) -> Path:
        return node_packages()

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._root / "usr/bin/ctr"), "--address", str(self.socket), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_SECONDS, check=False)

    def _run(self, name: str, *command: str) -> None:
        programs = [str(self._root / "usr" / each) for each in ("bin", "sbin")]
        [libraries] = (self._root / "usr" / "lib").glob("*-linux-gnu")
        environment = {
            "PATH": os.pathsep.join((*programs, os.environ.get("PATH", os.defpath))),
            "LD_LIBRARY_PATH": str(libraries),  # for nft and runc, should the machine lack theirs
            "HOME": str(self.folder),
        }
        self.machine.run(name, command, environment=environment)

    def _write(self, name: str, document: dict[str, Any]) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document, indent=2), encoding="utf-8")
        return path

    def _containerd(self) -> str:
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        runtime = f"{cri}.containerd.runtimes.runc"
        runc, plugins = self._root / "usr/sbin/runc", self._root / "usr/lib/cni"
        unused = ("btrfs", "devmapper", "zfs", "aufs")
        disabled = [f"io.containerd.snapshotter.v1.{each}" for each in unused]
        return "\n".join(
            (
                "version = 2",
                f'root = "{self.folder / "containerd"}"',
                'state = "/run/containerd"',
                f"disabled_plugins = {json.dumps(disabled)}",
                f'[grpc]\n  address = "{self.socket}"',
                # Not /opt/containerd, which is the machine's.
                f'[plugins."io.containerd.internal.v1.opt"]\n  path = "{self.folder / "opt"}"',
                f"[{cri}]",
                f'  sandbox_image = "{PAUSE}"',
                "  restrict_oom_score_adj = true",  # lowering it needs a capability that not every root has
                "  disable_apparmor = true",
                f'[{cri}.containerd]\n  snapshotter = "overlayfs"\n  default_runtime_name = "runc"',
                f'[{runtime}]\n  runtime_type = "io.containerd.runc.v2"',
                f'[{runtime}.options]\n  BinaryName = "{runc}"\n  SystemdCgroup = false',
                f'[{cri}.cni]\n  bin_dir = "{plugins}"\n  conf_dir = "{self.folder / "cni"}"\n',
            )
        )

    def _kubelet(self) -> dict[str, Any]:
        serving = self.authority.server(self.machine.hostname, addresses=(self.machine.address,))
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "kubeAPIQPS": 100,
            "kubeAPIBurst": 200,
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.authority.pair.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(serving.certificate),
            "tlsPrivateKeyFile": str(serving.key),
            "podLogsDir": str(self.folder / "pods"),
            "volumePluginDir": str(self.folder / "volume-plugins"),
            "resolvConf": str(self.folder / "resolv.conf"),
            "failSwapOn": False,
            "maxOpenFiles": _OPEN_FILES,
            "makeIPTablesUtilChains": False,
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "nodefs.inodesFree": "1%",
                "imagefs.available": "1%",
            },
        }


def _network(folder: Path, *, pods: str) -> dict[str, Any]:
    """Return the network of Pods: one bridge, through which a Pod may also reach itself."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(folder / "addresses"),
            "ranges": [[{"subnet": pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def _proxy(kubeconfig: Path, *, hostname: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": PODS,
        "hostnameOverride": hostname,
        "oomScoreAdj": 0,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        # Zero: settings of the whole machine stay as they are.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        # Pods are ready before their Service reaches them; the less so the sooner rules are written.
        "nftables": {"syncPeriod": "30s", "minSyncPeriod": "50ms"},
    }
