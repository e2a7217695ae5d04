"""The cumulative antibiogram (CLSI M39): the first isolate of each person, organism by antibiotic, %S; also as XLSX."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from django.utils.translation import gettext as _

from tuetinh.care.lab import facts as lab_facts
from tuetinh.care.lab.microbiology import facts
from tuetinh.care.lab.microbiology.lists import antibiotics, organisms
from tuetinh.care.lab.microbiology.queries import isolates
from tuetinh.care.lab.results.book import in_force
from tuetinh.care.lab.results.rules import Counting
from tuetinh.record.asker import Asker


@dataclass(slots=True)
class Share:
    """How many isolates were tested against an antibiotic, and how many were S and I."""

    tested: int = 0
    susceptible: int = 0
    increased: int = 0

    @property
    def percent(self) -> int:
        """The share of susceptible ones in whole per cent."""
        return round(100 * self.susceptible / self.tested)


@dataclass(slots=True)
class Row:
    """One organism. few: too few isolates for shares to be told."""

    code: str
    name: str
    isolates: int = 0
    few: bool = False
    shares: dict[str, Share] = field(default_factory=dict)

    def cells(self, columns: Iterable[str]) -> list[Share | None]:
        """Its shares by column; None where nothing was tested."""
        return [self.shares.get(code) for code in columns]


@dataclass(frozen=True, slots=True)
class Antibiogram:
    """Organisms by antibiotics of a period. columns: antibiotics that were tested."""

    columns: list[str]
    rows: list[Row]
    minimum: int

    @property
    def names(self) -> list[str]:
        """The names of the antibiotics by column."""
        return [antibiotics()[code].name for code in self.columns]


def antibiogram(asker: Asker, facility: str, first: date, last: date, specimen: str = "") -> Antibiogram:
    """Count the first isolate of each organism of each person in a period. specimen: WHONET's, "" for all."""
    rules = in_force(facility).of(Counting, last.isoformat())
    minimum = rules[0].minimum if rules else 1
    rows: dict[str, Row] = {}
    seen: set[tuple[str, str]] = set()
    for result in isolates(asker, facility, first, last):
        told = facts.read_isolate(result)
        key = (lab_facts.id_of(result.subject), told.organism)
        if key in seen or (specimen and facts.specimen_of(result) != specimen):
            continue
        seen.add(key)
        _count(rows.setdefault(told.organism, Row(told.organism, told.name)), told)
    for row in rows.values():
        row.few = row.isolates < minimum
    tested = {code for row in rows.values() for code in row.shares}
    order = {code: place for place, code in enumerate(organisms())}
    listed = sorted(rows.values(), key=lambda row: (-row.isolates, order.get(row.code, len(order))))
    return Antibiogram([code for code in antibiotics() if code in tested], listed, minimum)


def _count(row: Row, told: facts.Isolate) -> None:
    row.isolates += 1
    for one in told.tests:
        if one.sir:
            share = row.shares.setdefault(one.antibiotic, Share())
            share.tested += 1
            share.susceptible += one.sir == "S"
            share.increased += one.sir == "I"


def xlsx(found: Antibiogram, first: date, last: date) -> bytes:
    """The cumulative antibiogram as a workbook: %S, and the counts behind it."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    shares, counts = book.create_sheet("%S"), book.create_sheet(_("Số chủng"))
    head = [_("Vi sinh vật"), _("Số chủng"), *found.names]
    period = _("Từ %(first)s đến %(last)s; chủng đầu tiên của mỗi người bệnh; dưới %(count)s chủng không tính.") % {
        "first": f"{first:%d/%m/%Y}", "last": f"{last:%d/%m/%Y}", "count": found.minimum,
    }  # fmt: skip
    for sheet in (shares, counts):
        sheet.append([period])
        sheet.append(head)
    for row in found.rows:
        cells = row.cells(found.columns)
        told = [None if one is None or row.few else one.percent for one in cells]
        shares.append([row.name, row.isolates, *told])
        counts.append([row.name, row.isolates, *(None if one is None else one.tested for one in cells)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
