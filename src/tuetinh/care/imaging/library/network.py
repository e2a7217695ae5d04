"""The door to pynetdicom."""

from __future__ import annotations

import pynetdicom  # noqa: F401
