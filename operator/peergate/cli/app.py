"""The program: its commands, each imported when it is called."""

from __future__ import annotations

from typing import Final

import click

from peergate.cli.flags import cluster_flags
from peergate.cli.lazy import Entry, LazyGroup

__all__ = ["COMMANDS", "application"]

COMMANDS: Final = {
    "list": Entry("peergate.cli.list:list_", "List the requests that are yours to decide."),
    "show": Entry("peergate.cli.show:show", "Show what a filed change would do."),
    "approve": Entry("peergate.cli.approve:approve", "Review one exact change and sign it."),
    "reject": Entry("peergate.cli.reject:reject", "Say no to one exact change."),
    "request": Entry("peergate.cli.request_change:request", "Ask for a change as the agent, with a reason."),
    "wait": Entry("peergate.cli.wait:wait", "Wait until a request is decided."),
    "attach": Entry("peergate.cli.attach:attach", "Put an approval on the object it is about."),
    "verify": Entry("peergate.cli.verify:verify", "Check an approval: form, signature, object, time."),
    "policy": Entry("peergate.cli.policy:policy", "Try protection policies before they are applied."),
    "agent": Entry("peergate.cli.agent:agent", "Create agents: account, rights, kubeconfig."),
    "approver": Entry("peergate.cli.approver:approver", "Register approvers and their public keys."),
    "doctor": Entry("peergate.cli.doctor.command:doctor", "Find ways round the gate; read-only."),
    "completion": Entry("peergate.cli.completion:completion", "Print shell completion."),
    "version": Entry("peergate.cli.version:version", "Print the version."),
    "hook": Entry("peergate.cli.hooks.command:hook", "What the chart's hooks run.", hidden=True),
}
"""What the command line itself brings; ``run`` comes from the program's entry, which may see the operator."""


def application(*, extra: dict[str, Entry] | None = None) -> LazyGroup:
    """Return the program's root group, with ``extra`` commands behind its own."""

    @click.group(
        cls=LazyGroup,
        entries={**COMMANDS, **(extra or {})},
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )
    @cluster_flags
    def root() -> None:
        """Let AI agents delete or replace protected things only with a peer's signature.

        An agent asks, a peer reviews and signs exactly that change, the cluster admits exactly that change.
        """

    if not isinstance(root, LazyGroup):
        raise TypeError("click gave back another group")
    return root
