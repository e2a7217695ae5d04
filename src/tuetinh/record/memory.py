"""How a long-lived process treats its memory."""

from __future__ import annotations

import gc

YOUNG = 10_000  # containers more than were freed, after which the new ones are looked through (Python's own: 700)


def settle() -> None:
    """Have the collector of cycles leave alone what the process has loaded so far, and look seldom at what is new.

    Resources are trees: they go when nobody holds them. Looking for cycles in them took an eighth of an import.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
