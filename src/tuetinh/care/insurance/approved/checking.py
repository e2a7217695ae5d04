"""What is wrong with a line of a claim by what the insurer has approved: its code, days, registration, tender, price.

A facility that has given no catalogue of a kind is asked nothing about it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from django.db.models import Max
from django.utils import timezone

from tuetinh.care.insurance.models import ApprovedItem, Run
from tuetinh.care.insurance.tables import Row

MEDICINES, SUPPLIES, SERVICES, MACHINES, STAFF, PLACES = "03", "04", "05", "06", "02", "01"
NAMES = ("TEN_THUOC", "TEN_VAT_TU", "TEN_DICH_VU")


@dataclass(frozen=True, slots=True)
class Item:
    """A row of a catalogue, as far as claims are compared with it."""

    price: Decimal | None
    tender: str
    registration: str
    since: date
    until: date | None
    name: str = ""
    strength: str = ""

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.since <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Book:
    """All that is approved for a facility: rows by catalogue and code."""

    items: Mapping[str, Mapping[str, list[Item]]] = field(default_factory=dict)

    def faults(self, catalogue: str, code: str, day: date | None, row: Row) -> list[str]:
        """What is wrong with a code on a day: `khong-co`, `chua-hieu-luc`, `het-hieu-luc`, `so-dang-ky`, `thau`, `gia`,
        `ten`, `ham-luong`.

        The first that leaves no row over is told alone: of a code that is not approved no price is compared.
        """
        if catalogue not in self.items or not code or day is None:
            return []
        known = self.items[catalogue].get(code, [])
        if not known:
            return ["khong-co"]
        holding = [item for item in known if item.holds_on(day)]
        if not holding:
            return ["chua-hieu-luc" if all(item.since > day for item in known) else "het-hieu-luc"]
        for name, told in (("registration", row.get("SO_DANG_KY", "")), ("tender", row.get("TT_THAU", ""))):
            rest = [item for item in holding if not told or not getattr(item, name) or getattr(item, name) == told]
            if not rest:
                return ["so-dang-ky" if name == "registration" else "thau"]
            holding = rest
        prices = [item.price for item in holding if item.price is not None]
        asked = _amount(row.get("DON_GIA_BH") or row.get("DON_GIA", ""))
        faults = ["gia"] if prices and asked > max(prices) else []
        for fault, told, known_as in (
            ("ten", next((row[name] for name in NAMES if row.get(name)), ""), [item.name for item in holding]),
            ("ham-luong", row.get("HAM_LUONG", ""), [item.strength for item in holding]),
        ):
            if told and all(known_as) and _same(told) not in map(_same, known_as):
                faults.append(fault)
        return faults

    def any_fault(self, catalogue: str, codes: str, day: date | None) -> str:
        """What is wrong with the first of some codes (`;` between them) that is not right, "" where all are."""
        if catalogue not in self.items:
            return ""
        found = (self.faults(catalogue, code.strip(), day, {}) for code in codes.split(";"))
        return next((faults[0] for faults in found if faults), "")


NOTHING = Book()


def approved(facility: str) -> Book:
    """What is approved for a facility now; kept until the next catalogue is taken, so that it costs one small query."""
    last = Run.objects.filter(facility=facility, kind="approved", ended__isnull=False).aggregate(last=Max("id"))["last"]
    return _as_of(facility, last) if last else NOTHING


def approved_machines(facility: str) -> dict[str, str]:
    """The machines of 06/DM that are approved for a facility today: name by code."""
    today = timezone.localdate()
    known = approved(facility).items.get(MACHINES, {})
    return {
        code: holding[0].name for code, items in known.items() if (holding := [i for i in items if i.holds_on(today)])
    }


@lru_cache(maxsize=32)
def _as_of(facility: str, last: int) -> Book:
    del last  # the key of what is kept
    found: dict[str, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    rows = ApprovedItem.objects.filter(facility=facility).values_list(
        "catalogue", "code", "price", "tender", "registration", "since", "until", "name", "row__HAM_LUONG"
    )
    for catalogue, code, *told in rows.iterator(chunk_size=2000):
        found[catalogue][code].append(Item(*told[:-1], strength=told[-1] or ""))
    return Book({name: dict(items) for name, items in found.items()})


def _same(text: str) -> str:
    """A name without what people write now so, now otherwise: case, blanks, the mark of a decimal."""
    return "".join(text.casefold().replace(",", ".").split())


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)
