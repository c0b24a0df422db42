"""Find the programs of the development cluster and of the chart's tests, or get them.

For each of them in this order: ``KUBEBUILDER_ASSETS``, the project's cache, the official release, a build
from the pinned Go modules. ``PEERGATE_NO_DOWNLOAD=1`` leaves out the release. Parallel test workers wait for
each other. ``python -m tests.harness.binaries`` does it ahead of time and prints where they are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.cache import cache_folder, locked
from tests.harness.download import DownloadError, download
from tests.harness.gobuild import BuildError, build
from tests.harness.versions import ETCD, HELM, KUBERNETES, NODE, PROMETHEUS, Suite

__all__ = [
    "Binaries",
    "BinariesError",
    "NodeBinaries",
    "find_binaries",
    "find_helm",
    "find_node_binaries",
    "find_promtool",
    "main",
]

_SUITES = (ETCD, KUBERNETES)  # the quick build first


class BinariesError(Exception):
    """A program is missing and can't be had; the text says what to install."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs are."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path


@dataclass(frozen=True, slots=True)
class NodeBinaries:
    """Where the programs are that a node adds."""

    kube_proxy: Path
    kube_scheduler: Path
    kubelet: Path


def find_binaries(*, suites: Sequence[Suite] = _SUITES) -> Binaries:
    """Return all programs, fetching or building what is missing.

    Errors:
        BinariesError: one is missing and can't be had.
    """
    found = _found(suites)
    return Binaries(
        etcd=found["etcd"],
        kube_apiserver=found["kube-apiserver"],
        kube_controller_manager=found["kube-controller-manager"],
        kubectl=found["kubectl"],
    )


def find_helm(*, suite: Suite = HELM) -> Path:
    """Return Helm, fetching or building it where it is missing. Errors: BinariesError."""
    return _found((suite,))["helm"]


def find_node_binaries(*, suite: Suite = NODE) -> NodeBinaries:
    """Return what a node adds, fetching or building what is missing. Errors: BinariesError."""
    found = _found((suite,))
    return NodeBinaries(
        kube_proxy=found["kube-proxy"],
        kube_scheduler=found["kube-scheduler"],
        kubelet=found["kubelet"],
    )


def find_promtool(*, suite: Suite = PROMETHEUS) -> Path:
    """Return Prometheus's promtool, fetching or building it where it is missing. Errors: BinariesError."""
    return _found((suite,))["promtool"]


def _found(suites: Sequence[Suite]) -> dict[str, Path]:
    cache = cache_folder()
    found = {program: path for suite in suites for program, path in _present(suite, cache=cache).items()}
    for suite in suites:
        if any(program not in found for program in suite.programs):
            with locked(cache):
                found |= _complete(suite, cache=cache)
    return found


def _present(suite: Suite, *, cache: Path) -> dict[str, Path]:
    folders = [cache / suite.folder]
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and suite.in_assets:
        folders.insert(0, Path(assets))
    return {
        program: folder / program
        for program in suite.programs
        for folder in reversed(folders)  # the later one wins: the first folder
        if os.access(folder / program, os.X_OK)
    }


def _complete(suite: Suite, *, cache: Path) -> dict[str, Path]:
    """Get what is missing of one suite; looks again first, since another process may just have done it."""
    present = _present(suite, cache=cache)
    missing = tuple(program for program in suite.programs if program not in present)
    if not missing:
        return present
    reasons = []
    if os.environ.get("PEERGATE_NO_DOWNLOAD") == "1":
        reasons.append("PEERGATE_NO_DOWNLOAD is set")
    else:
        try:
            download(suite, missing, cache=cache)
            return _present(suite, cache=cache)
        except DownloadError as error:
            reasons.append(str(error))
            sys.stderr.write(f"no download of {suite.name} v{suite.version}: {error}\n")
    try:
        build(suite, missing, cache=cache)
    except BuildError as error:
        reasons.append(str(error))
        raise BinariesError(
            f"can't get {', '.join(missing)} of {suite.name} v{suite.version} ({'; '.join(reasons)}); "
            f"install Go {_go_version(suite)} or newer, or set KUBEBUILDER_ASSETS to a folder with "
            "etcd, kube-apiserver, kube-controller-manager, kubectl and, for the chart, helm and promtool"
        ) from error
    return _present(suite, cache=cache)


def _go_version(suite: Suite) -> str:
    lines = (suite.module / "go.mod").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1] for line in lines if line.startswith("go "))


def main(arguments: Sequence[str] = ()) -> int:
    """Find or get them, with ``--chart`` and ``--node`` more of them; print one path a line."""
    try:
        binaries = find_binaries()
        paths = [getattr(binaries, name) for name in Binaries.__dataclass_fields__]
        if "--chart" in arguments:
            paths += [find_helm(), find_promtool()]
        if "--node" in arguments:
            node = find_node_binaries()
            paths.extend(getattr(node, name) for name in NodeBinaries.__dataclass_fields__)
    except BinariesError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
