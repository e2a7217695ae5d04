"""A living province to try the platform in: places, staff, people and two years of their past. All of it is invented.

The same seed, population and day build the same province.
"""

from __future__ import annotations

from tuetinh.node.demo.province import build, write_demo_json

__all__ = ["build", "write_demo_json"]
