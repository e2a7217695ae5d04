"""The door to pynetdicom. The names that associations negotiate are checked once: some senders propose 128 classes."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import tuetinh.care.imaging.library  # noqa: F401

from pynetdicom import pdu_items, pdu_primitives, presentation, utils

NAMES: Final = 1024  # that a process remembers
pdu_items.set_uid = pdu_primitives.set_uid = presentation.set_uid = lru_cache(NAMES)(utils.set_uid)
