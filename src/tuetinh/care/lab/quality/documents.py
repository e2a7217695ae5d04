"""The documents of the quality system (ISO 15189:2022, 8.3): versions, reviews that are due, and who has read which."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet

from tuetinh.care.lab.errors import BadQuality, NotAllowed
from tuetinh.care.lab.models import Procedure, ProcedureRead
from tuetinh.care.lab.quality.reagents import KEEPING
from tuetinh.record.asker import Asker


def publish(
    asker: Asker, *, number: str, title: str, version: str, effective_on: date, review_on: date, place: str = ""
) -> Procedure:
    """Put a version of a document into force; the one before is withdrawn. Raises BadQuality."""
    _allow(asker)
    if not (number.strip() and title.strip() and version.strip()) or review_on <= effective_on:
        raise BadQuality
    try:
        with transaction.atomic():
            old = Procedure.objects.select_for_update().filter(
                facility=asker.facility, number=number.strip(), withdrawn__isnull=True
            )
            for one in old:
                one.withdrawn = datetime.now(UTC)
                one.save()
            return Procedure.objects.create(
                facility=asker.facility, number=number.strip(), title=title.strip(), version=version.strip(),
                effective_on=effective_on, review_on=review_on, place=place.strip(), account=asker.account,
            )  # fmt: skip
    except IntegrityError as error:
        raise BadQuality from error


def withdraw(asker: Asker, pk: int) -> Procedure:
    """Take a document out of force. Raises BadQuality."""
    with transaction.atomic():
        row = _own(asker, pk)
        row.withdrawn = datetime.now(UTC)
        row.save()
    return row


def read(asker: Asker, pk: int) -> ProcedureRead:
    """Note that one has read the version in force; once. Raises BadQuality."""
    with transaction.atomic():
        row = _own(asker, pk)
        values = {"at": datetime.now(UTC)}
        return ProcedureRead.objects.get_or_create(procedure=row, account=asker.account, defaults=values)[0]


def in_force(asker: Asker) -> QuerySet[Procedure]:
    """The documents in force by number, with `readers_count` and `mine`: whether the asker has read it."""
    mine = ProcedureRead.objects.filter(procedure=OuterRef("pk"), account=asker.account)
    rows = Procedure.objects.filter(facility=asker.facility, withdrawn__isnull=True)
    return rows.annotate(readers_count=Count("readers"), mine=Exists(mine)).order_by("number", "pk")


def _own(asker: Asker, pk: int) -> Procedure:
    _allow(asker)
    rows = Procedure.objects.select_for_update().filter(pk=pk, withdrawn__isnull=True)
    row = rows.filter(facility=asker.facility).first()
    if not row:
        raise BadQuality
    return row


def _allow(asker: Asker) -> None:
    if asker.role not in KEEPING:
        raise NotAllowed
