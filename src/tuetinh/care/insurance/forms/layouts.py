"""What a form looks like: its columns and groups, as `data/forms.json` says. Where the circular's layout is not public
it is built anew from the columns that are known, and says so (`docs/insurance-forms.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from tuetinh.care.insurance.tables import Row

MONEY: Final = ("T_", "DON_GIA", "THANH_TIEN", "C_")
COUNTS: Final = ("SO_LUOT", "SL_")


class Column(NamedTuple):
    """field: of a row; label: at its head; width: in characters."""

    field: str
    label: str
    width: int

    @property
    def is_money(self) -> bool:
        """Whether it is an amount in đồng."""
        return self.field.startswith(MONEY)

    @property
    def is_number(self) -> bool:
        """Whether it is summed or counted."""
        return self.is_money or self.field.startswith(COUNTS)


class Group(NamedTuple):
    """code, name: at its head; kinds: MA_LOAI_KCB or MA_NHOM that belong to it, none for all others."""

    code: str
    name: str
    kinds: list[str]


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form. rows: a line for each claim, for each thing charged, or sums by kind; clause: where the layout is from.

    due: day of the month after its period by which it is to be sent, 0 where none is told. group: claims stand in the
    groups of 01/BH; sections: cost by section, as columns; inpatient: only those, or only
    the others; supplies: only rows with a supply, or only those without.
    """

    title: str
    number: str
    clause: str
    rows: Literal["claims", "items", "sums"]
    period: Literal["month", "quarter"]
    columns: list[Column]
    due: int = 0
    group: bool = False
    sections: bool = False
    inpatient: bool | None = None
    table: str = ""
    supplies: bool | None = None

    def last_day(self, period: Period) -> date | None:
        """The last day on which the form of a period may be sent."""
        year, month = (int(part) for part in period.months[-1].split("-"))
        return date(year + month // 12, month % 12 + 1, self.due) if self.due else None

    @property
    def heading(self) -> str:
        """The title as a page says it, which does not shout."""
        return self.title.capitalize().replace("bhyt", "BHYT")


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All forms. amounts: fields of table 1 that are summed; groups: of 01/BH; sections: of the cost list."""

    amounts: list[str]
    groups: list[Group]
    sections: list[Group]
    forms: dict[str, Layout]


@dataclass(frozen=True, slots=True)
class Period:
    """A month or quarter. key: `2026-11`, `2026-Q4`; months: `2026-11`…"""

    key: str

    @property
    def months(self) -> list[str]:
        """The months of it."""
        year, _, part = self.key.partition("-")
        if not part.startswith("Q"):
            return [self.key]
        return [f"{year}-{3 * int(part[1]) - back:02}" for back in (2, 1, 0)]

    @property
    def told(self) -> str:
        """In words of the form."""
        year, _, part = self.key.partition("-")
        return f"Quý {part[1]} năm {year}" if part.startswith("Q") else f"Tháng {part} năm {year}"


@cache
def book() -> Book:
    """The forms."""
    return msgspec.json.decode((Path(__file__).parents[1] / "data" / "forms.json").read_bytes(), type=Book)


def group_of(groups: list[Group], kind: str) -> int:
    """The place of the group of a kind of care or cost: the one that names it, else the one for all others."""
    return next((n for n, one in enumerate(groups) if kind in one.kinds), len(groups) - 1)


def section_of(table: str, row: Row) -> int:
    """The section of the cost list to which a line belongs; a supply is one, whatever group it names."""
    kind = row.get("MA_NHOM", "") or ("4" if table == "XML2" else "")
    return group_of(book().sections, "10" if row.get("MA_VAT_TU") else kind)


def columns_of(layout: Layout) -> list[Column]:
    """All columns of a form, with those that are worked out: cost by section, or quantity and cost of a thing."""
    if layout.rows == "items":
        return [*layout.columns, Column("SL_NGOAI_TRU", "SL ngoại trú", 10), Column("SL_NOI_TRU", "SL nội trú", 10),
                Column("DON_GIA", "Đơn giá", 14), Column("THANH_TIEN_BH", "Thành tiền BHYT", 16),
                Column("T_BHTT", "Quỹ BHYT", 16)]  # fmt: skip
    if layout.sections:
        return [*layout.columns, Column("T_TONGCHI_BV", "Tổng chi phí", 13),
                *(Column(f"C_{one.code}", one.name, 12) for one in book().sections),
                Column("T_TONGCHI_BH", "Chi phí BHYT", 13), Column("T_BNCCT", "Cùng chi trả", 12),
                Column("T_BNTT", "Tự trả", 12), Column("T_NGUONKHAC", "Nguồn khác", 12),
                Column("T_BHTT", "Quỹ BHYT", 13)]  # fmt: skip
    return layout.columns
