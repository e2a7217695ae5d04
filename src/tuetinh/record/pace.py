"""How fast an account may read: an allowance of so many reads a minute, for whoever would copy the record by hand.

The whole of a minute's allowance can be spent at once and comes back evenly (the generic cell rate algorithm of ITU-T
I.371). Each web process counts by itself in memory, so that a read costs no query: with N processes an account may come
to N times as much at most. Connected systems have an allowance of their own, by default none that ends.
"""

from __future__ import annotations

import math
import os
import threading
from time import monotonic
from typing import Final

from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.errors import TooMany

MINUTE: Final = 60.0
PEOPLE, SYSTEMS = "TUETINH_READS", "TUETINH_CLIENT_READS"
DEFAULTS: Final = {PEOPLE: 12_000, SYSTEMS: 0}
"""Reads a minute; 0 for as many as come. Pages with many small pictures ask for each; two hundred reads a second for
minutes on end are no person at a desk."""
TIDY: Final = 10_000
"""Keys from which on those are forgotten that have their whole allowance."""


class Pace:
    """An allowance for each key."""

    def __init__(self, a_minute: int) -> None:
        self._each = MINUTE / a_minute if a_minute > 0 else 0.0
        self._whole: dict[str, float] = {}  # when the allowance of a key will be whole again
        self._told: dict[str, float] = {}  # until when it is known that a key has used it up
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """Take one; returns 0, or the seconds until there is one again, and then takes nothing."""
        if not self._each:
            return 0.0
        with self._lock:
            now = monotonic()
            whole = max(self._whole.get(key, 0.0), now) + self._each
            if whole > now + MINUTE:
                return whole - now - MINUTE
            if len(self._whole) >= TIDY and key not in self._whole:
                self._whole = {one: at for one, at in self._whole.items() if at > now}
            self._whole[key] = whole
        return 0.0

    def is_first(self, key: str) -> bool:
        """Whether nobody was told within a minute that this key has used up its allowance."""
        with self._lock:
            now = monotonic()
            self._told = {one: until for one, until in self._told.items() if until > now}
            if key in self._told:
                return False
            self._told[key] = now + MINUTE
            return True


def allowed(name: str) -> int:
    """What a setting allows. Raises ValueError for what is no number."""
    told = os.environ.get(name, str(DEFAULTS[name]))
    if not (told.isascii() and told.isdigit()):
        message = f"{name} is a number of reads a minute, not {told!r}"
        raise ValueError(message)
    return int(told)


people, systems = Pace(allowed(PEOPLE)), Pace(allowed(SYSTEMS))


def read(asker: Asker) -> None:
    """Count one read of an account; those of an app apart from the person's own. Raises TooMany.

    The access log tells so once a minute.
    """
    pace = systems if asker.role == "system" else people
    key = f"{asker.account} {asker.client}"
    if not (seconds := pace.take(key)):
        return
    if pace.is_first(key):
        audit.note(asker, "read", "", "", None, outcome=audit.REFUSED, reason=TooMany.code)
    message = "this account has read more than it may in a minute; wait before asking further"
    raise TooMany(message, seconds=math.ceil(seconds))
