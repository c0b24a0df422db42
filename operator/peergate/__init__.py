"""Peergate: an AI agent deletes or replaces protected things only with a peer's signature on that change."""

__version__ = "0.1.0"
