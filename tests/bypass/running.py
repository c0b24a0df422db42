"""Runs cases: arrange, attack, let the cluster have its time, look."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.bypass.acts import changed
from tests.bypass.model import Arm, Case, Place, refused_by
from tests.harness.clients import Client
from tests.harness.waiting import wait_until

__all__ = ["Outcome", "Suite", "Verdict", "suite"]

_CONTROL_SECONDS = 40.0
_GATED_SECONDS = 30.0
_OWN = frozenset({"managedFields", "resourceVersion", "generation"})
"""Metadata that every write changes by itself."""


class Verdict(StrEnum):
    """How a case ended."""

    CLOSED = "closed"
    """The attack left everything as it was."""
    OPEN = "OPEN"
    """The attack worked."""
    FREE = "free"
    """The ordinary work was done."""
    REFUSED = "REFUSED"
    """The ordinary work was refused."""
    VOID = "void"
    """The attack did not work where nobody stands in its way: the case shows nothing."""
    SKIPPED = "not tried"
    """It can't be tried in this cluster."""

    @property
    def good(self) -> bool:
        """Tell whether nothing is wrong."""
        return self in {Verdict.CLOSED, Verdict.FREE, Verdict.SKIPPED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case."""

    case: Case
    verdict: Verdict
    seen: str
    """For people."""
    answers: tuple[str, ...] = ()
    """What the attacker was told, one text a request."""

    @property
    def expected(self) -> Verdict:
        """Return what is wanted."""
        return Verdict.FREE if self.case.harmless else Verdict.CLOSED


@contextlib.contextmanager
def suite(
    admin: Client,
    agent: Client,
    *,
    label: tuple[str, str] = ("peergate.dev/protected", "true"),
    gate_namespace: str = "peergate-system",
    configuration: str = "peergate",
) -> Iterator[Suite]:
    """Yield a suite with its two namespaces; they are deleted afterwards, whatever is in them."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    reply = agent.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
    if reply.code != 201:
        raise RuntimeError(f"the cluster does not say who the agent is: {reply.body}")
    place = Place(
        label=label,
        agent=reply.body["status"]["userInfo"]["username"],
        gate_namespace=gate_namespace,
        configuration=configuration,
    )
    mark = secrets.token_hex(3)
    running = Suite(admin, agent, place, guarded=f"bypass-{mark}-guarded", control=f"bypass-{mark}-open")
    try:
        running.set_up()
        yield running
    finally:
        running.tear_down()


class Suite:
    """One agent, one cluster, two namespaces."""

    def __init__(self, admin: Client, agent: Client, place: Place, *, guarded: str, control: str) -> None:
        self.place = place
        self._admin = admin
        self._agent = agent
        self._guarded = guarded
        self._control = control
        self._number = 0
        self._shared: dict[str, Any] = {"endings": [], "open": control}

    def set_up(self) -> None:
        """Make the namespaces; return once the gate judges the agent in the protected one."""
        key, value = self.place.label
        for name, labels in ((self._guarded, {key: value}), (self._control, {})):
            self._make_namespace(name, labels=labels)
        probe = f"/api/v1/namespaces/{self._guarded}/serviceaccounts/default"
        # Where it never is, the first case says so.
        with contextlib.suppress(TimeoutError):
            wait_until(
                "the agent is judged",
                lambda: self._agent.request("DELETE", probe, query={"dryRun": "All"}).code == 403,
                within=_GATED_SECONDS,
            )

    def tear_down(self) -> None:
        """Take everything away."""
        for ending in reversed(self._shared["endings"]):
            ending()
        for name in (self._guarded, self._control):
            self._admin.request("DELETE", f"/api/v1/namespaces/{name}")

    def run(self, case: Case) -> Outcome:
        """Run one case.

        The agent attacks first, then the administrator does the same where nobody stands in the way. Once
        that has worked, whichever controller it takes has had its time for the agent's attack as well.
        """
        guarded = self._arm(case, guarded=True)
        if why := case.applies(guarded):
            return Outcome(case, Verdict.SKIPPED, why)
        try:
            return self._run(case, guarded)
        finally:
            self._protect_again()
            guarded.end()

    def _run(self, case: Case, guarded: Arm) -> Outcome:
        watched = case.arrange(guarded)
        before = state(guarded, watched)
        control = self._arm(case, guarded=False) if case.control and not case.harmless else None
        control_watched = case.arrange(control) if control else ()
        control_before = state(control, control_watched) if control else {}
        case.attack(guarded)
        if control:
            case.attack(control)
            try:
                wait_until(
                    f"{case.name}: it works where nobody stands in its way",
                    lambda: _worked(case, control, control_before, control_watched),
                    within=_CONTROL_SECONDS,
                )
            except TimeoutError:
                return self._outcome(case, Verdict.VOID, control, "works nowhere")
            finally:
                control.end()
        if case.harmless:
            # Ordinary work may take a controller too.
            with contextlib.suppress(TimeoutError):
                wait_until(case.name, lambda: _worked(case, guarded, before, watched), within=5)
        if not _worked(case, guarded, before, watched, fully=False):
            by = refused_by(guarded.answers)
            if case.harmless:
                return self._outcome(
                    case, Verdict.REFUSED, guarded, f"refused by {by}" if by else "no effect"
                )
            return self._outcome(
                case, Verdict.CLOSED, guarded, f"unchanged; {by}" if by else "unchanged, whatever it was told"
            )
        if case.harmless:
            return self._outcome(case, Verdict.FREE, guarded, "done")
        touched = changed(before, state(guarded, watched))
        return self._outcome(
            case, Verdict.OPEN, guarded, f"changed: {', '.join(touched)}" if touched else "worked"
        )

    @staticmethod
    def _outcome(case: Case, verdict: Verdict, arm: Arm, seen: str) -> Outcome:
        return Outcome(case, verdict, seen, tuple(answer.text for answer in arm.answers))

    def _arm(self, case: Case, *, guarded: bool) -> Arm:
        self._number += 1
        words = re.sub(r"[^a-z0-9]+", "-", case.name.lower())[:24].strip("-")
        return Arm(
            admin=self._admin,
            actor=self._agent if guarded else self._admin,
            namespace=self._guarded if guarded else self._control,
            name=f"b{self._number}-{words}",
            place=self.place,
            guarded=guarded,
            shared=self._shared,
        )

    def _make_namespace(self, name: str, *, labels: dict[str, str]) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        made = self._admin.request("POST", "/api/v1/namespaces", body=body)
        if made.code != 201:
            raise RuntimeError(f"can't make namespace {name}: {made.body}")
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_until(
            f"namespace {name} has its account", lambda: self._admin.request("GET", account).code == 200
        )

    def _protect_again(self) -> None:
        """An attack that worked must not open the doors of the next one."""
        key, value = self.place.label
        path = f"/api/v1/namespaces/{self._guarded}"
        labels = self._admin.request("GET", path).body["metadata"].get("labels", {})
        if labels.get(key) != value:
            body = {"metadata": {"labels": {key: value}}}
            self._admin.request("PATCH", path, body=body, content_type="application/merge-patch+json")


def state(arm: Arm, paths: tuple[str, ...]) -> dict[str, Any]:
    """Return what is at each path, without what its own controllers keep writing."""
    return {path: _essence(arm.live(path), listed="?" in path) for path in paths}


def _essence(live: Any, *, listed: bool) -> Any:
    if live is None:
        return None
    if listed:
        return sorted(
            (item["metadata"]["uid"], item["metadata"].get("deletionTimestamp", "")) for item in live["items"]
        )
    metadata = {member: value for member, value in live["metadata"].items() if member not in _OWN}
    return {**{member: value for member, value in live.items() if member != "status"}, "metadata": metadata}


def _worked(
    case: Case, arm: Arm, before: dict[str, Any], watched: tuple[str, ...], *, fully: bool = True
) -> bool:
    """Tell whether an attack worked: what it wanted (``fully``), or at least anything at all."""
    if case.worked is not None and case.worked(arm):
        return True
    if case.worked is not None and (fully or case.harmless):
        return False
    return bool(changed(before, state(arm, watched)))
