"""What the house knows around a claim: who may practise, and what the facility's price list says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from tuetinh.care.insurance.approved.checking import Book, approved
from tuetinh.care.insurance.rules.vocabulary import Around, Licence, medicine
from tuetinh.care.insurance.situations import charged_code, moment
from tuetinh.commons.catalogues.api import PriceRow, drug, price_rows
from tuetinh.record import r4

if TYPE_CHECKING:
    from tuetinh.care.insurance.claims import Visit

SCOPES = "https://tuetinh.vn/fhir/CodeSystem/pham-vi-hanh-nghe"  # BHXH, catalogue of practitioners


Rows = Callable[[str, set[str], date], Mapping[str, PriceRow]]


class Prices:
    """The price list as a batch of claims needs it: each code is read once for a facility and day."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, date], dict[str, PriceRow | None]] = {}

    def __call__(self, facility: str, codes: set[str], on: date) -> dict[str, PriceRow]:
        """The lines of the list of some codes on a day."""
        known = self.known.setdefault((facility, on), {})
        if unknown := codes - known.keys():
            known.update(dict.fromkeys(unknown) | price_rows(facility, unknown, on))
        return {code: row for code in codes if (row := known[code]) is not None}


def around(visit: Visit, rows: Rows = price_rows, book: Book | None = None) -> Around:
    """What is known around a visit. rows: reads the price list, two times at most; book: what the insurer approved."""
    licences = dict(_licences(visit.practitioners.values()))
    prices: dict[str, float] = {}
    tenders: dict[str, str] = {}
    codes = {charged_code(item) for item in visit.charges}
    if visit.place and codes:
        for row in _rows(visit, visit.place, codes, rows):
            known = drug(row.code)
            key = row.code
            if known is not None:
                told = {"TEN_THUOC": known.name, "HAM_LUONG": known.strength}
                key = medicine(told | {"DANG_BAO_CHE": known.form, "DON_VI_TINH": known.unit})
            prices[key] = max(float(row.amount), prices.get(key, 0.0))
            tenders[key] = row.tender
    known_book = approved(visit.place) if book is None else book
    return Around(licences=licences, prices=prices, tenders=tenders, approved=known_book)


def _rows(visit: Visit, facility: str, codes: set[str], rows: Rows) -> Iterator[PriceRow]:
    """The list on the first and on the last day of the visit: a price that rose in between is none too high."""
    period = visit.encounter.period or r4.Period()
    days = {found.date() for text in (period.start, period.end) if (found := moment(text))}
    for day in sorted(days):
        yield from rows(facility, codes, day).values()


def _licences(practitioners: Iterable[r4.Practitioner]) -> Iterator[tuple[str, Licence]]:
    for person in practitioners:
        for qualification in person.qualification or []:
            period = qualification.period or r4.Period()
            since, until = ((text or "")[:10].replace("-", "") for text in (period.start, period.end))
            scopes = tuple(c.code or "" for c in qualification.code.coding or [] if c.system == SCOPES)
            for identifier in qualification.identifier or []:
                if identifier.value:
                    yield identifier.value, Licence(since, until, scopes)
