"""The door to pynetdicom."""

from __future__ import annotations

import tuetinh.care.imaging.library  # noqa: F401

import pynetdicom  # noqa: F401
