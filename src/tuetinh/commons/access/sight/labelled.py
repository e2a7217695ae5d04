"""The closed lists of codes that make a resource sensitive: `data/labels.csv`, each line with its source."""

from __future__ import annotations

import csv
from pathlib import Path

from tuetinh.record import labels

LISTS = Path(__file__).parent.parent / "data" / "labels.csv"


def register() -> None:
    """Label by these lists from now on."""
    with LISTS.open(encoding="utf-8", newline="") as lines:
        labels.register(
            labels.Rule(row["label"], row["system"], tuple(row["prefixes"].split())) for row in csv.DictReader(lines)
        )
