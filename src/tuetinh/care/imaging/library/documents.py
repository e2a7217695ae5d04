"""The door to highdicom."""

from __future__ import annotations

import tuetinh.care.imaging.library  # noqa: F401

import highdicom  # noqa: F401
