"""The install gate: try every entry as a tagged and as an untagged account until all is as it must be.

The accounts, their rights and their namespaces are the chart's, made for the test and gone after it. Nothing
is written: each deletion is a dry run, and each is of something whose loss would harm nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from peergate.cli.doctor.canary import try_deletion
from peergate.cli.doctor.installed import CONFIGURATIONS
from peergate.cli.hooks.proof import Line, configuration_line, entry_line, is_agent
from peergate.cli.kube import Cluster, connect
from peergate.cli.output import Output
from peergate.errors import CommandError
from peergate.model.names import JsonObject
from peergate.model.review import Gate
from peergate.settings import Settings
from peergate.shipped.webhookconfig import JUDGING

__all__ = ["SelfTest", "Stage"]

_FAILED: Final = 3
_BETWEEN_SECONDS: Final = 1.0
_TOKEN_SECONDS: Final = 600
"""The shortest life that the API server gives a token; the test is shorter."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the test plays."""

    target: str
    """A ServiceAccount of this name is in the operator's namespace and in both of the others."""
    open: str
    """Namespace without protection; the accounts ``canary`` and ``bystander`` live here."""
    held: str
    """Namespace that is protected."""

    def aims(self, *, own: str) -> Mapping[Gate, tuple[str, str, str]]:
        """Return for each entry the path to delete, and the kind and name as its refusal says them.

        All of them are closed to agents whatever a policy says, so that no policy's mode opens one: accounts,
        and a namespace with the accounts of agents.
        """

        def account(namespace: str) -> tuple[str, str, str]:
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{self.target}"
            return path, "ServiceAccount", f"{namespace}/{self.target}"

        return {
            Gate.NAMESPACED: account(self.held),
            Gate.CLUSTER: (f"/api/v1/namespaces/{self.open}", "Namespace", self.open),
            Gate.OWN: account(own),
            Gate.IDENTITY: account(self.open),
        }


@dataclass(frozen=True, slots=True)
class _Player:
    cluster: Cluster
    agent: bool
    """Under the settings, by the gate's own rule."""


class SelfTest:
    """Tries again until everything holds, and goes on holding; for the former it waits so many seconds."""

    def __init__(
        self,
        out: Output,
        *,
        settings: Settings,
        stage: Stage,
        failure_policy: str,
        seconds: float,
        settle_seconds: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take how long everything must go on holding.

        After an upgrade replicas of before still answer while they drain: what they say proves nothing of
        those that stay.
        """
        self._out = out
        self._settings = settings
        self._stage = stage
        self._failure_policy = failure_policy
        self._seconds = seconds
        self._settle_seconds = settle_seconds
        self._pause = pause
        self._players: dict[str, _Player] = {}

    def run(self) -> int:
        """Print a line a check; return 0 when all hold.

        A tag takes effect about a second after the account is there, and a new release takes as long as its
        replicas take to start: until then the test waits.
        Errors: CommandError with exit code 3 when one does not hold in time; says which.
        """
        cluster = connect(self._out)
        ends = time.monotonic() + self._seconds
        since = None
        while True:
            lines = self._round(cluster)
            bad, now = [line for line in lines if not line.good], time.monotonic()
            since = None if bad else since or now
            if (bad and now >= ends) or (since is not None and now - since >= self._settle_seconds):
                break
            self._pause(_BETWEEN_SECONDS)
        for line in lines:
            self._out.data(str(line))
        if not bad:
            self._out.data(f"the gate guards: {len(JUDGING)} of {len(JUDGING)} entries")
            return 0
        namespace, name = self._settings.namespace, self._settings.webhook.configuration
        raise CommandError(
            f"the gate does not guard; {bad[0].name}: {bad[0].text}; look at: peergate doctor, "
            f"kubectl -n {namespace} get pods, kubectl get validatingwebhookconfiguration {name} -o yaml",
            exit_code=_FAILED,
        )

    def _round(self, cluster: Cluster) -> list[Line]:
        try:
            canary, bystander = self._player(cluster, "canary"), self._player(cluster, "bystander")
            if not canary.agent:
                said = "the canary is no agent: its tag is gone, or agents.trusted names it"
                return [Line("settings", good=False, text=said)]
            live = cluster.find(f"{CONFIGURATIONS}/{self._settings.webhook.configuration}")
            return [
                configuration_line(live, settings=self._settings, failure_policy=self._failure_policy),
                *(self._entry(gate, live=live, canary=canary, bystander=bystander) for gate in JUDGING),
            ]
        except CommandError as error:
            # Rights and accounts of a moment ago are not known everywhere yet; and the way may be blocked.
            return [Line("cluster", good=False, text=error.user_message)]

    def _entry(self, gate: Gate, *, live: JsonObject | None, canary: _Player, bystander: _Player) -> Line:
        path, kind, target = self._stage.aims(own=self._settings.namespace)[gate]
        return entry_line(
            gate,
            canary=try_deletion(canary.cluster, path),
            bystander=try_deletion(bystander.cluster, path),
            stands_out=not bystander.agent,
            kind=kind,
            target=target,
            live=live,
            namespace=self._stage.open,
        )

    def _player(self, cluster: Cluster, name: str) -> _Player:
        """Return the cluster as one of the two accounts, by a token of its own; asked for once."""
        if name not in self._players:
            namespace = self._stage.open
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
            account = cluster.get(path)
            metadata: Mapping[str, Any] = account["metadata"]
            request = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": _TOKEN_SECONDS},
            }
            token = cluster.create(f"{path}/token", request)["status"]["token"]
            label = (metadata.get("labels") or {}).get(self._settings.labels.agent)
            agent = is_agent(
                self._settings,
                namespace=namespace,
                name=name,
                uid=str(metadata["uid"]),
                tagged=label == "true",
            )
            self._players[name] = _Player(cluster.with_token(str(token)), agent=agent)
        return self._players[name]
