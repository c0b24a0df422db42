"""The command line. Importing it loads neither the operator nor the cluster client nor pydantic."""

from __future__ import annotations

from peergate.cli.app import application
from peergate.cli.entry import run_program
from peergate.cli.lazy import Entry, LazyGroup

__all__ = ["Entry", "LazyGroup", "application", "run_program"]
