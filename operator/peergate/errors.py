"""The errors that cross module borders, in one tree.

::

    PeergateError            user_message, context
    ├── InputError           the bytes are wrong            → refuse, never retry
    ├── Unavailable          a dependency cannot answer     → refuse, retry later
    ├── ConfigError          settings, chart, policy        → not ready, exit 1
    └── CommandError         the command line's, with its exit code

Misuse of our own functions is ``RuntimeError`` or ``TypeError``, never one of these. A refused approval is
a value with a code of approval-format.md §7, not an exception.
"""

from __future__ import annotations

__all__ = ["CommandError", "ConfigError", "InputError", "PeergateError", "Unavailable"]


class PeergateError(Exception):
    """Carry what a person may read apart from what only the log may hold."""

    def __init__(self, user_message: str, *, context: str = "") -> None:
        super().__init__(user_message if not context else f"{user_message} ({context})")
        self.user_message = user_message
        self.context = context


class InputError(PeergateError):
    """The bytes that were handed in are wrong; the same bytes will be wrong again."""


class Unavailable(PeergateError):
    """Something this depends on cannot answer now; later it may."""


class ConfigError(PeergateError):
    """Settings or installed configuration make it impossible to work."""


class CommandError(PeergateError):
    """A command ends here, with an exit code of experience.md §4.

    ``user_message`` reads "what; why; what to do".
    """

    def __init__(self, user_message: str, *, exit_code: int = 1, context: str = "") -> None:
        super().__init__(user_message, context=context)
        self.exit_code = exit_code
