"""Which programs the development cluster, the chart's tests and the local node need, in which version, and
where upstream publishes them.

The versions are read from the pinned Go modules in ``controlplane/``: one place says them.
"""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ETCD", "HELM", "HELM_3", "KUBERNETES", "NODE", "PROMETHEUS", "Suite", "system"]

_MODULES = Path(__file__).with_name("controlplane")
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def system() -> str:
    """Return this machine as Go names it, as in ``linux-amd64``."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{_MACHINES.get(machine, machine)}"


@dataclass(frozen=True, slots=True)
class Suite:
    """Programs of one upstream release."""

    name: str
    version: str
    programs: tuple[str, ...]
    module: Path
    """Folder of the Go module that pins it."""
    packages: tuple[str, ...]
    """Go packages of the programs, in the same order."""
    linker_flags: str
    base_url: str
    """Where the release lies, without the final slash."""
    archive: str = ""
    """File below ``base_url`` that holds the programs; empty: single files."""
    archive_folder: str = ""
    """Folder of the programs in the archive."""
    checksums: str = ""
    """File below ``base_url`` that lists the archive's checksum."""
    tags: str = ""
    """Build tags, for a build from the module."""
    in_assets: bool = True
    """Whether ``KUBEBUILDER_ASSETS`` may have it: another release goes by the same names there."""

    @property
    def folder(self) -> str:
        """Return where the cache keeps it."""
        return f"{self.name}-v{self.version}/{system()}"


def _version(module: Path, *, requires: str) -> str:
    text = (module / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^require {re.escape(requires)} v(\S+)$", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{module / 'go.mod'} does not pin {requires}")
    return found[1]


def _kubernetes(*programs: str) -> Suite:
    module = _MODULES / "kubernetes"
    version = _version(module, requires="k8s.io/kubernetes")
    major, minor, _ = version.split(".", 2)
    # Without a version the API server answers 0.0.0 and clients refuse or misjudge it.
    stamp = "-X k8s.io/component-base/version."
    return Suite(
        name="kubernetes",
        version=version,
        programs=programs,
        module=module,
        packages=tuple(f"k8s.io/kubernetes/cmd/{program}" for program in programs),
        linker_flags=f"-s -w {stamp}gitVersion=v{version} {stamp}gitMajor={major} {stamp}gitMinor={minor}",
        base_url=f"https://dl.k8s.io/v{version}/bin/{system().replace('-', '/')}",
    )


def _etcd() -> Suite:
    module = _MODULES / "etcd"
    version = _version(module, requires="go.etcd.io/etcd/server/v3")
    return Suite(
        name="etcd",
        version=version,
        programs=("etcd",),
        module=module,
        packages=("go.etcd.io/etcd/server/v3",),
        linker_flags="-s -w",
        base_url=f"https://github.com/etcd-io/etcd/releases/download/v{version}",
        archive=f"etcd-v{version}-{system()}.tar.gz",
        archive_folder=f"etcd-v{version}-{system()}",
        checksums="SHA256SUMS",
    )


def _helm(*, major: int, module: Path) -> Suite:
    version = _version(module, requires=f"helm.sh/helm/v{major}")
    archive = f"helm-v{version}-{system()}.tar.gz"
    return Suite(
        name="helm",
        version=version,
        programs=("helm",),
        module=module,
        packages=(f"helm.sh/helm/v{major}/cmd/helm",),
        linker_flags=f"-s -w -X helm.sh/helm/v{major}/internal/version.version=v{version}",
        base_url="https://get.helm.sh",
        archive=archive,
        archive_folder=system(),
        checksums=f"{archive}.sha256sum",
        in_assets=major == 4,
    )


def _prometheus() -> Suite:
    module = _MODULES / "prometheus"
    # The module's v0.316.0 is release 3.16.0.
    number = _version(module, requires="github.com/prometheus/prometheus")
    minor = number.split(".")[1]
    version = f"{minor[0]}.{int(minor[1:])}.{number.rsplit('.', 1)[1]}"
    archive = f"prometheus-{version}.{system()}"
    return Suite(
        name="prometheus",
        version=version,
        programs=("promtool",),
        module=module,
        packages=("github.com/prometheus/prometheus/cmd/promtool",),
        linker_flags="-s -w",
        base_url=f"https://github.com/prometheus/prometheus/releases/download/v{version}",
        archive=f"{archive}.tar.gz",
        archive_folder=archive,
        checksums="sha256sums.txt",
        # Rules are tested without finding anything to scrape.
        tags="remove_all_sd",
    )


KUBERNETES = _kubernetes("kube-apiserver", "kube-controller-manager", "kubectl")
NODE = _kubernetes("kube-proxy", "kube-scheduler", "kubelet")
ETCD = _etcd()
HELM = _helm(major=4, module=_MODULES / "helm")
HELM_3 = _helm(major=3, module=_MODULES / "helm3")
PROMETHEUS = _prometheus()
