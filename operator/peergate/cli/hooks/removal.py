"""Take the gate away before anything else of a release goes: who uninstalls must never wait for it.

It needs nothing of the operator: neither its settings nor one replica that runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from peergate.cli.doctor.installed import CONFIGURATIONS
from peergate.cli.kube import ApiError, Cluster, connect
from peergate.cli.output import Output
from peergate.errors import CommandError

__all__ = ["BINDINGS", "Removal"]

BINDINGS: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"

_NOT_FOUND: Final = 404
_POLICY: Final = "ValidatingAdmissionPolicy"
_BETWEEN_SECONDS: Final = 1.0


class Removal:
    """Deletes one webhook configuration, and sees to it that it is gone.

    In strict mode, or by a group that every account has, the hook's account is an agent as well: then the
    companion policy refuses it until its binding is gone, and no policy is asked about bindings (C3).
    """

    def __init__(
        self,
        out: Output,
        *,
        configuration: str,
        bindings: Sequence[str],
        seconds: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._out = out
        self._configuration = configuration
        self._bindings = tuple(bindings)
        self._seconds = seconds
        self._pause = pause

    def run(self) -> int:
        """Return 0 once it is gone, whoever removed it.

        Errors: CommandError when it is still there at the end; says what a person does.
        """
        cluster = connect(self._out)
        path = f"{CONFIGURATIONS}/{self._configuration}"
        ends = time.monotonic() + self._seconds
        while True:
            problem = self._try(cluster, path)
            if not problem:
                self._out.say(f"webhook configuration {self._configuration} is gone")
                return 0
            if time.monotonic() >= ends:
                raise CommandError(
                    f"the gate is still there; {problem}; as a person: kubectl delete "
                    f"validatingwebhookconfiguration {self._configuration}, then helm uninstall --no-hooks"
                )
            self._pause(_BETWEEN_SECONDS)

    def _try(self, cluster: Cluster, path: str) -> str:
        """Delete it and look; return why it is still there, empty when it is gone."""
        try:
            if _is_gone(cluster, path):
                return ""
            # Where somebody holds it by a finalizer, it is still called until that is taken away.
            return "it waits for a finalizer of somebody else" if cluster.find(path) else ""
        except ApiError as error:
            if _POLICY in error.message:
                self._unbind(cluster)
            return error.message.splitlines()[0]
        except CommandError as error:
            return error.user_message

    def _unbind(self, cluster: Cluster) -> None:
        for name in self._bindings:
            if not _is_gone(cluster, f"{BINDINGS}/{name}"):
                self._out.say(f"unbound companion policy {name}")


def _is_gone(cluster: Cluster, path: str) -> bool:
    """Delete; tell whether it was gone already. Errors: as ``Cluster.delete``."""
    try:
        cluster.delete(path, {})
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return True
        raise
    return False
