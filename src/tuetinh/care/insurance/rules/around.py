"""What the house knows around a claim: who may practise, and what the facility's price list says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from tuetinh.care.insurance.approved.checking import approved
from tuetinh.care.insurance.rules.vocabulary import Around, Licence, medicine
from tuetinh.care.insurance.situations import charged_code, moment
from tuetinh.commons.catalogues.api import PriceRow, drug, price_rows
from tuetinh.record import r4

if TYPE_CHECKING:
    from tuetinh.care.insurance.claims import Visit

SCOPES = "https://tuetinh.vn/fhir/CodeSystem/pham-vi-hanh-nghe"  # BHXH, catalogue of practitioners


class Lists:
    """The lists as a batch of claims needs them: each is asked once for the same.

    approved: what the insurer approved for a facility.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, date], dict[str, PriceRow | None]] = {}
        self.approved = cache(approved)

    def expect(self, visits: Iterable[Visit]) -> None:
        """Ask what these visits will need, once for all of a day."""
        wanted: dict[tuple[str, date], set[str]] = defaultdict(set)
        for visit in visits:
            for day in _days(visit) if visit.place else ():
                wanted[visit.place, day] |= _codes(visit)
        for (facility, on), codes in wanted.items():
            self.prices(facility, codes, on)

    def prices(self, facility: str, codes: set[str], on: date) -> dict[str, PriceRow]:
        """The lines of the facility's price list of some codes on a day."""
        known = self.known.setdefault((facility, on), {})
        if unknown := codes - known.keys():
            known.update(dict.fromkeys(unknown) | price_rows(facility, unknown, on))
        return {code: row for code in codes if (row := known[code]) is not None}


def _codes(visit: Visit) -> set[str]:
    return {charged_code(item) for item in visit.charges}


def _days(visit: Visit) -> list[date]:
    """The first and the last day of a visit: a price that rose in between is none too high."""
    period = visit.encounter.period or r4.Period()
    return sorted({found.date() for text in (period.start, period.end) if (found := moment(text))})


def around(visit: Visit, lists: Lists | None = None) -> Around:
    """What is known around a visit. lists: those of the batch that it belongs to."""
    lists = lists or Lists()
    licences = dict(_licences(visit.practitioners.values()))
    prices: dict[str, float] = {}
    tenders: dict[str, str] = {}
    codes = _codes(visit)
    if visit.place and codes:
        for row in _rows(visit, visit.place, codes, lists):
            known = drug(row.code)
            key = row.code
            if known is not None:
                told = {"TEN_THUOC": known.name, "HAM_LUONG": known.strength}
                key = medicine(told | {"DANG_BAO_CHE": known.form, "DON_VI_TINH": known.unit})
            prices[key] = max(float(row.amount), prices.get(key, 0.0))
            tenders[key] = row.tender
    since = visit.inputs.since_last
    return Around(
        licences=licences, prices=prices, tenders=tenders, approved=lists.approved(visit.place),
        primary=visit.facility.station or visit.facility.level == "primary",
        hours_since_last=since.total_seconds() / 3600 if since is not None else None,
    )  # fmt: skip


def _rows(visit: Visit, facility: str, codes: set[str], lists: Lists) -> Iterator[PriceRow]:
    for day in _days(visit):
        yield from lists.prices(facility, codes, day).values()


def _licences(practitioners: Iterable[r4.Practitioner]) -> Iterator[tuple[str, Licence]]:
    for person in practitioners:
        for qualification in person.qualification or []:
            period = qualification.period or r4.Period()
            since, until = ((text or "")[:10].replace("-", "") for text in (period.start, period.end))
            scopes = tuple(c.code or "" for c in qualification.code.coding or [] if c.system == SCOPES)
            for identifier in qualification.identifier or []:
                if identifier.value:
                    yield identifier.value, Licence(since, until, scopes)
