"""Tuệ Tĩnh: the open health platform of a Vietnamese province."""

from __future__ import annotations

__version__ = "0.1.0"
