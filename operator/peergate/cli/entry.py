"""Run the program once: arguments in, exit code out; every error becomes one line (experience.md §4)."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

import click

from peergate.cli.flags import TRACE, Globals
from peergate.cli.lazy import LazyGroup
from peergate.cli.output import Output
from peergate.cli.text import visible
from peergate.errors import CommandError, PeergateError

__all__ = ["INTERRUPTED", "run_program"]

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C: nothing was signed or sent."""

_USAGE: Final = 2
_OWN_NAME: Final = re.compile(
    r"(?<![\w./-])(?<!kubectl )peergate(?= (?:"
    r"agent|approve|approver|attach|doctor|list|policy|reject|request|show|verify|wait)\b)"
)
"""This program in an advice, which a kubectl plugin is called differently in."""
_NUMBER: Final = re.compile(r"-v=?(\d+)")


def run_program(root: LazyGroup, *, arguments: Sequence[str], name: str) -> int:
    """Run the command that the arguments name and return its exit code.

    ``name`` is how the program was called; a name that begins with ``kubectl-`` makes usage and hints say
    ``kubectl peergate``. Never raises but for what ends the process (SystemExit is caught, too).
    """
    plugin = PurePath(name).name.startswith("kubectl-")
    flags = Globals(prog="kubectl peergate" if plugin else "peergate")
    try:
        result = root.main(
            args=normalised(arguments),
            prog_name=flags.prog,
            standalone_mode=False,
            obj=flags,
        )
    except click.exceptions.NoArgsIsHelpError as error:
        Output(flags).say(error.format_message())
        return _USAGE
    except click.UsageError as error:
        return _usage(error, flags=flags)
    except (click.Abort, KeyboardInterrupt):
        Output(flags).say("\nerror: interrupted; nothing was signed or sent")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (a pager, head): not our error, and nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except PeergateError as error:
        return _known(error, flags=flags)
    except click.ClickException as error:
        return _plain(error.format_message(), flags=flags, code=1)
    except Exception as error:  # noqa: BLE001 - the command line's one place that translates errors
        return _unknown(error, flags=flags)
    return result if isinstance(result, int) else 0


def normalised(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``-v`` and ``-v=4`` written so that click reads them as kubectl does."""
    done: list[str] = []
    for index, argument in enumerate(arguments):
        if argument == "--":
            return [*done, *arguments[index:]]
        number = _NUMBER.fullmatch(argument)
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if number is not None:
            done.append(f"-v{number[1]}")
        elif argument == "-v" and not following.isdigit():
            done.append("-v1")
        else:
            done.append(argument)
    return done


def _usage(error: click.UsageError, *, flags: Globals) -> int:
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    help_path = error.ctx.command_path if error.ctx is not None else flags.prog
    return _plain(f"{message}; see: {help_path} --help", flags=flags, code=_USAGE)


def _known(error: PeergateError, *, flags: Globals) -> int:
    code = error.exit_code if isinstance(error, CommandError) else 1
    result = _plain(error.user_message, flags=flags, code=code)
    if error.context and flags.verbosity:
        Output(flags).say(visible(error.context, limit=4096))
    _trace(error, flags=flags)
    return result


def _unknown(error: Exception, *, flags: Globals) -> int:
    what = visible(f"{type(error).__name__}: {error}")
    result = _plain(
        f"internal error; {what}; run it again with -v=4 and report what it shows",
        flags=flags,
        code=1,
    )
    _trace(error, flags=flags)
    return result


def _plain(message: str, *, flags: Globals, code: int) -> int:
    output = Output(flags)
    advice = _OWN_NAME.sub(flags.prog, message) if flags.prog != "peergate" else message
    output.say(f"{output.alarm('error:')} {advice}")
    return code


def _trace(error: BaseException, *, flags: Globals) -> None:
    if flags.verbosity >= TRACE:
        Output(flags).say("".join(traceback.format_exception(error)).rstrip())
