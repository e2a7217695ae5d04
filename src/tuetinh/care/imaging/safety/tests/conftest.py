"""People for these tests."""

from __future__ import annotations

from tuetinh.care.imaging.tests.conftest import _remember_nothing, person

__all__ = ["_remember_nothing", "person"]
