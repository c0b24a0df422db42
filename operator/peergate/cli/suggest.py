"""What a shell may offer for a ChangeRequest's name: the open ones, within 300 ms or not at all.

Only a plain kubeconfig is used: nothing is run, nobody is asked for a password, nothing is written.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import click
from click.shell_completion import CompletionItem

from peergate.cli.flags import Globals, globals_of

__all__ = ["suggest_requests"]

_SECONDS: Final = 0.3
_LEAST_SECONDS: Final = 0.1
_MOST: Final = 100


def suggest_requests(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the open ChangeRequests of the namespace with target and age, newest first; never raises."""
    del parameter
    found: list[CompletionItem] = []
    flags = globals_of(context)
    looking = threading.Thread(
        target=_look, kwargs={"flags": flags, "incomplete": incomplete, "found": found}, daemon=True
    )
    looking.start()
    # The process has been starting until now, and that counts too.
    looking.join(max(_LEAST_SECONDS, _SECONDS - time.process_time()))
    return [] if looking.is_alive() else found


def _look(*, flags: Globals, incomplete: str, found: list[CompletionItem]) -> None:
    from peergate.cli.access import plain_access  # noqa: PLC0415 - help starts without it
    from peergate.cli.kube import Cluster  # noqa: PLC0415 - as above
    from peergate.cli.output import Output  # noqa: PLC0415 - as above
    from peergate.cli.rows import list_rows  # noqa: PLC0415 - as above
    from peergate.cli.spans import span  # noqa: PLC0415 - as above
    from peergate.cli.text import visible  # noqa: PLC0415 - as above
    from peergate.errors import PeergateError  # noqa: PLC0415 - as above

    reached = plain_access(kubeconfig=flags.kubeconfig, context=flags.context)
    if reached is None:
        return
    access, place = reached
    flags.request_timeout = timedelta(seconds=_SECONDS)
    cluster = Cluster(access, out=Output(flags), place=place)
    try:
        rows = list_rows(cluster, namespace=cluster.namespace, selector="", most=_MOST).rows
    except PeergateError:
        return
    now = datetime.now(UTC)
    for row in sorted(rows, key=lambda row: row.created, reverse=True):
        if row.name.startswith(incomplete) and row.is_open(now=now):
            about = f"{row.operation.lower()} {row.resource}/{row.target}, {span(now - row.created)}"
            found.append(CompletionItem(row.name, help=visible(about, limit=120)))
