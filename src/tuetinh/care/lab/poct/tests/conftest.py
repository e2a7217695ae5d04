"""The tests of the point of care share the visit of the laboratory's."""

from __future__ import annotations

from tuetinh.care.lab.tests.conftest import oru, world

__all__ = ["oru", "world"]
