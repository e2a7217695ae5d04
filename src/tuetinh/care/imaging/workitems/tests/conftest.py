"""What tests of workitems take from those of imaging."""

from __future__ import annotations

from tuetinh.care.imaging.tests.conftest import _remember_nothing, person, web

__all__ = ["_remember_nothing", "person", "web"]
