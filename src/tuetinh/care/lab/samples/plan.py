"""Which containers the orders of a visit need, in the order of draw (CLSI GP41), how much, and why one is refused."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from django.utils.translation import get_language, gettext_lazy

from tuetinh.care.lab.catalogue import Test
from tuetinh.care.lab.models import Tube

# HL7 v2 table 0490, specimen reject reason.
REJECTIONS = {
    "RH": gettext_lazy("Tan máu"),
    "RC": gettext_lazy("Mẫu đông"),
    "QS": gettext_lazy("Không đủ thể tích"),
    "RB": gettext_lazy("Vỡ, rò rỉ ống"),
    "RI": gettext_lazy("Sai hoặc nghi sai người bệnh"),
    "RM": gettext_lazy("Nhãn sai hoặc thiếu"),
    "RN": gettext_lazy("Nhiễm bẩn"),
    "RR": gettext_lazy("Bảo quản, vận chuyển sai"),
    "EX": gettext_lazy("Quá hạn từ lúc lấy"),
    "RD": gettext_lazy("Thiếu thời điểm lấy mẫu"),
}


@dataclass(frozen=True, slots=True)
class Container:
    """What a specimen is drawn into. draw: its place in the order; volume, each: ml it holds, and a test needs."""

    draw: int
    names: tuple[str, str]
    colour: str
    volume: Decimal
    each: Decimal

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]


@cache
def containers() -> dict[str, Container]:
    """Containers by kind of specimen."""
    with (Path(__file__).parents[1] / "data" / "containers.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["specimen"]: Container(
                int(row["draw"]), (row["name"], row["name_en"]), row["colour"], Decimal(row["volume"]),
                Decimal(row["each"]),
            )
            for row in csv.DictReader(file)
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draw:
    """One line of the plan: a tube with its container, how many of them, and ml in all."""

    tube: Tube
    container: Container
    count: int
    volume: Decimal
    tests: str


def draw(tube: Tube, tests: list[Test]) -> Draw | None:
    """What to draw for a tube; None where nothing is ordered."""
    if not tests:
        return None
    container = containers()[tests[0].specimen]
    volume = container.each * len(tests)
    return Draw(tube, container, math.ceil(volume / container.volume), volume, ", ".join(one.name for one in tests))
