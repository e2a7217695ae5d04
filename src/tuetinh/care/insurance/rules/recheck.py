"""Checks all claims of a month again."""

from __future__ import annotations


def recheck() -> None:
    """Not yet."""
