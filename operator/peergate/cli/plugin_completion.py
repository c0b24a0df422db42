"""Completion of ``kubectl peergate``, in the words that kubectl's own completion understands.

kubectl (1.26 and later) runs ``kubectl_complete-peergate`` with the words so far, the last one unfinished,
and reads one candidate a line, a tab before its description, then ``:<directive>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click
from click.shell_completion import ShellComplete

from peergate.cli.text import visible

__all__ = ["answer"]

_NO_FILES: Final = 4
_FILES: Final = 0
_FOLDERS: Final = 16
"""Cobra's directives: ShellCompDirectiveNoFileComp, -Default, -FilterDirs."""


def answer(root: click.Group, *, arguments: Sequence[str]) -> str:
    """Return what kubectl reads; for an empty command line the commands. Never raises."""
    *words, unfinished = arguments or [""]
    try:
        found = ShellComplete(root, {}, "kubectl peergate", "").get_completions(list(words), unfinished)
    except click.ClickException:
        found = []
    kinds = {item.type for item in found}
    directive = _FILES if "file" in kinds else _FOLDERS if "dir" in kinds else _NO_FILES
    lines = [
        f"{item.value}\t{visible(item.help or '', limit=160)}".rstrip("\t")
        for item in found
        if item.type == "plain"
    ]
    return "".join(f"{line}\n" for line in [*lines, f":{directive}"])
