"""Why a notification did not arrive."""

from __future__ import annotations


class NotDelivered(Exception):
    """The receiver has not accepted a notification. The text names no secret and nobody: people read it."""
