"""Writes `docs/api.md`, every address that programs may call, so that a change of interface shows in a diff."""

from __future__ import annotations

import os
from pathlib import Path

import django

PLACE = Path(__file__).resolve().parents[1] / "docs" / "api.md"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuetinh.node.settings")
    django.setup()
    from tuetinh.node.interfaces import listed

    PLACE.write_text(listed(), encoding="utf-8")


if __name__ == "__main__":
    main()
