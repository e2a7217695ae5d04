"""What other modules may call of terminology."""

from __future__ import annotations

from functools import cache

from tuetinh.record.terminology import standard
from tuetinh.record.terminology.library import Library


@cache
def standard_library() -> Library:
    """What the standard itself defines."""
    return standard.standard_library()
