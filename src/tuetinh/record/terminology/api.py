"""What other modules may call of terminology."""

from __future__ import annotations

from functools import cache

from tuetinh.record.terminology.library import Library


@cache
def standard_library() -> Library:
    """What the standard itself defines and what modules have registered."""
    return Library()
