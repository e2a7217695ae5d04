"""Keeps every page behind a desk. See `DeskMiddleware`."""

from __future__ import annotations
