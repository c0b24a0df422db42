"""The flags every command has, spelt as kubectl spells them (experience.md §4)."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import click

__all__ = [
    "TRACE",
    "DurationType",
    "Globals",
    "cluster_flags",
    "file_option",
    "globals_of",
    "go_duration",
    "output_flag",
]

TRACE: Final = 4
"""The verbosity from which stack traces are shown."""

_UNITS: Final = {"h": 3600, "m": 60, "s": 1}


@dataclass(slots=True)
class Globals:
    """What the flags before or after the command's name said; filled while click parses."""

    namespace: str | None = None
    """``None``: the context's."""
    context: str | None = None
    kubeconfig: str | None = None
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()
    as_uid: str = ""
    """No flag: what a probe as an account needs, beside its name and groups (kubernetes-facts.md I3)."""
    request_timeout: timedelta = timedelta(seconds=30)
    verbosity: int = 0
    """1: HTTP calls; 4: stack traces."""
    color: str = "auto"
    prog: str = "peergate"
    """What a hint must call this program: ``kubectl peergate`` when run as a plugin."""

    def command(self, *words: str, namespace: str | None = None) -> str:
        """Return a command line to be shown as a hint: the program, its scope, then the words."""
        parts = [self.prog]
        if self.kubeconfig:
            parts += ["--kubeconfig", shlex.quote(self.kubeconfig)]
        if self.context:
            parts += ["--context", shlex.quote(self.context)]
        scope = namespace if namespace is not None else self.namespace
        if scope:
            parts += ["-n", shlex.quote(scope)]
        return " ".join([*parts, *words])


def globals_of(context: click.Context) -> Globals:
    """Return the flags of this invocation."""
    found: Globals = context.find_root().ensure_object(Globals)
    return found


def go_duration(text: str) -> timedelta:
    """Return the length of time that ``15m``, ``1h30m``, ``90s`` or a bare number of seconds names.

    Errors: ValueError for anything else.
    """
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text))
    seconds, number, rest = 0, "", list(_UNITS)
    for character in text:
        if character.isascii() and character.isdigit():
            number += character
        elif number and character in rest:
            seconds += int(number) * _UNITS[character]
            rest = rest[rest.index(character) + 1 :]
            number = ""
        else:
            raise ValueError(text)
    if number or not text:
        raise ValueError(text)
    return timedelta(seconds=seconds)


class DurationType(click.ParamType[timedelta]):
    """A length of time on the command line."""

    name = "duration"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Return the length of time, or fail with how it is written."""
        if isinstance(value, timedelta):
            return value
        try:
            return go_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is no length of time; write it like 15m, 1h30m or 90s", param, ctx)


_F = TypeVar("_F", bound=Callable[..., Any])


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name != "DEFAULT":
            setattr(globals_of(context), name, value)

    return keep


def file_option(*names: str, metavar: str = "FILE", **more: Any) -> Callable[[_F], _F]:
    """Return an option that takes a file, ``-`` included where the command reads one; shells offer files."""
    return click.option(*names, type=click.Path(allow_dash=True), metavar=metavar, **more)


def cluster_flags(function: _F) -> _F:
    """Add the flags that every command and the program itself take, in either place."""
    flags: list[tuple[tuple[str, ...], str, dict[str, Any]]] = [
        (
            ("-n", "--namespace"),
            "namespace",
            {"metavar": "NAME", "help": "Namespace; default: the context's."},
        ),
        (("--context",), "context", {"metavar": "NAME", "help": "Context of the kubeconfig."}),
        (
            ("--kubeconfig",),
            "kubeconfig",
            {"type": click.Path(), "metavar": "FILE", "help": "Kubeconfig; default: $KUBECONFIG."},
        ),
        (("--as",), "as_user", {"metavar": "USER", "help": "Impersonate this user."}),
        (
            ("--as-group",),
            "as_groups",
            {"metavar": "GROUP", "multiple": True, "help": "And this group; repeat."},
        ),
        (
            ("--request-timeout",),
            "request_timeout",
            {
                "type": DurationType(),
                "metavar": "DURATION",
                "help": "For one call to the cluster; default 30s.",
            },
        ),
        (
            ("-v", "--verbosity"),
            "verbosity",
            {"type": click.IntRange(0, 9), "metavar": "N", "help": "1: HTTP calls. 4: stack traces."},
        ),
        (
            ("--color",),
            "color",
            {"type": click.Choice(["auto", "always", "never"]), "help": "Colour; default: on a terminal."},
        ),
    ]
    for names, attribute, settings in reversed(flags):
        function = click.option(
            *names,
            f"_{attribute}",
            expose_value=False,
            callback=_store(attribute),
            **settings,
        )(function)
    return function


def output_flag(*choices: str, default: str | None = None) -> Callable[[_F], _F]:
    """Add ``-o`` with these choices."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(choices),
        default=default,
        metavar="|".join(choices),
        help="What to print on stdout.",
    )
