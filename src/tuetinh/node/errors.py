"""What the node's own commands refuse."""

from __future__ import annotations


class Refused(Exception):
    """An operation that cannot be done as asked; the text says why, and nothing was changed."""
