"""Changes of the price lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal

import msgspec
from django.db import connection, transaction
from django.db.models import Q

from . import errors
from .drugs import drug
from .models import MedicineCode, Price

Kind = Literal["service", "drug", "bed", "supply"]
_MEDICINE_CODE: Final = re.compile(r"[0-9A-Z][0-9A-Z.+]{0,49}")  # 40.50, 05C.135.5, 40.30.501
_COLUMNS: Final = "facility, valid_from, code, kind, amount, registration, tender, name, unit"
_COPY: Final = f"COPY {Price._meta.db_table} ({_COLUMNS}) FROM STDIN"


class PriceRow(msgspec.Struct, frozen=True):
    """A line of a price list; of a medicine with its registration number and `decision;Gi;Ni;yyyy` of its tender.

    name, unit: of a day in bed and a supply, which no catalogue knows.
    """

    code: str
    kind: Kind
    amount: Decimal
    registration: str = ""
    tender: str = ""
    name: str = ""
    unit: str = ""


def set_price(facility: str, row: PriceRow, *, valid_from: date, valid_to: date | None = None) -> Price:
    """Put a price in force from a day on, to a last day if given.

    An open-ended price of before ends on the day before. Raises CatalogueError for an invalid price, or one that
    overlaps another that cannot be ended so (already ended, or starting later).
    """
    if row.amount < 0 or (valid_to and valid_to < valid_from):
        raise errors.CatalogueError(errors.PRICE_INVALID, code=row.code)
    with transaction.atomic():
        _lock(facility)
        same = Price.objects.filter(facility=facility, code=row.code)
        same.filter(valid_to=None, valid_from__lt=valid_from).update(valid_to=valid_from - timedelta(days=1))
        overlapping = same.filter(Q(valid_to=None) | Q(valid_to__gte=valid_from))
        if valid_to:
            overlapping = overlapping.filter(valid_from__lte=valid_to)
        if overlapping.exists():
            raise errors.CatalogueError(errors.PRICE_OVERLAP, code=row.code)
        return Price.objects.create(
            facility=facility, valid_from=valid_from, valid_to=valid_to, **msgspec.structs.asdict(row)
        )


def load_price_list(facility: str, rows: Iterable[PriceRow], valid_from: date) -> int:
    """Fill the empty list of a facility (or `""`, the province) at once; return the count of prices.

    Raises CatalogueError when the facility already has prices: those are changed one by one.
    """
    with transaction.atomic():
        _lock(facility)
        if Price.objects.filter(facility=facility).exists():
            raise errors.CatalogueError(errors.PRICE_OVERLAP, code=facility)
        with connection.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                for row in rows:
                    copy.write_row((facility, valid_from, *msgspec.structs.astuple(row)))
            return int(cursor.rowcount)


def set_medicine_codes(facility: str, codes: Mapping[str, str], *, account: str) -> tuple[int, int]:
    """Enter the insurer's codes of medicines at a facility, "" takes one away; how many are new or changed, and as
    before.

    Raises CatalogueError for what is no medicine of the formulary or no code.
    """
    for medicine, code in codes.items():
        if drug(medicine) is None or (code and not _MEDICINE_CODE.fullmatch(code)):
            raise errors.CatalogueError(errors.MEDICINE_CODE, code=code)
    with transaction.atomic():
        _lock(facility)
        mine = MedicineCode.objects.filter(facility=facility)
        known = dict(mine.filter(medicine__in=codes).values_list("medicine", "code"))
        fresh = {medicine: code for medicine, code in codes.items() if known.get(medicine, "") != code}
        mine.filter(medicine__in=[medicine for medicine, code in fresh.items() if not code]).delete()
        for medicine, code in fresh.items():
            if code:
                mine.update_or_create(facility=facility, medicine=medicine, defaults={"code": code, "account": account})
    return len(fresh), len(codes) - len(fresh)


def _lock(facility: str) -> None:
    """Let one change of a facility's prices through at a time; the lock goes with the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"prices {facility}"])
