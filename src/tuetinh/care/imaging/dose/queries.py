"""What the pages of the register ask: doses of an examination and a person, sums by machine, protocol and month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Aggregate, Count, F, FloatField, Max, QuerySet
from django.db.models.functions import TruncMonth

from tuetinh.care.imaging.dose.models import Dose
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.models import Exam, Study
from tuetinh.care.imaging.rules.book import Book, in_force
from tuetinh.care.imaging.rules.forms import QUANTITY_NAMES
from tuetinh.care.imaging.rules.kinds import QUANTITIES, Reference
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

BY: Final = ("machine", "protocol", "month")
ADULT: Final = 16  # years, from which reference levels of adults hold


@dataclass(frozen=True, slots=True)
class Measured:
    """A quantity of an examination, with its reference level."""

    quantity: str
    value: Decimal
    reference: Reference | None

    @property
    def name(self) -> str:
        """Of the quantity."""
        return str(QUANTITY_NAMES[self.quantity])

    @property
    def unit(self) -> str:
        """Of the quantity."""
        return QUANTITIES[self.quantity]

    @property
    def said(self) -> str:
        """The value as people write it."""
        return written(self.value)

    @property
    def above(self) -> bool:
        """Whether it is above the reference level."""
        return self.reference is not None and self.value > self.reference.limit


@dataclass(frozen=True, slots=True)
class Shown:
    """A dose as a page shows it."""

    dose: Dose
    protocol: str
    measured: list[Measured]

    @property
    def above(self) -> bool:
        """Whether something of it is above its reference level."""
        return any(one.above for one in self.measured)


def written(value: Decimal) -> str:
    """A number to three digits or so, with a comma."""
    digits = 0 if value >= 100 or not value else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}".replace(".", ",")


def shown(dose: Dose, book: Book) -> Shown:
    """A dose with its reference levels."""
    said = f"{protocol_name(book, dose.protocol)} {dose.region} {dose.description}"
    levels = book.references(dose.modality, said, dose.age)
    measured = [
        Measured(name, value, levels.get(name)) for name in QUANTITIES if (value := getattr(dose, name)) is not None
    ]
    return Shown(dose, protocol_name(book, dose.protocol), measured)


def protocol_name(book: Book, code: str) -> str:
    """A protocol in words; what no rule is, as the machine calls it."""
    found = book.protocol(code)
    return found.text if found else code


def of_exam(exam: Exam) -> list[Shown]:
    """The doses of an examination."""
    rows = list(Dose.objects.filter(exam=exam).order_by("at"))
    book = in_force(exam.facility) if rows else None
    return [shown(row, book) for row in rows] if book else []


def of_person(asker: Asker, patient: str) -> list[Shown]:
    """The doses of a person, oldest first: of the studies that the asker may see, and of the asker's facility."""
    rows = list(Dose.objects.filter(patient=patient).order_by("at", "pk"))
    enter(asker)
    uids = [row.study_instance_uid for row in rows]
    seen = set(Study.objects.filter(study_instance_uid__in=uids).values_list("study_instance_uid", flat=True))
    book = in_force(asker.facility)
    return [shown(row, book) for row in rows if row.study_instance_uid in seen or row.facility == asker.facility]


class _Percentile(Aggregate):
    function = "percentile_cont"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which doses are summed up, of what, and by what."""

    facility: str
    first: date
    last: date
    modality: str
    quantity: str
    by: str
    ages: str = ""  # `adult`, `child` or ""


def doses(asked: Asked) -> QuerySet[Dose]:
    """The doses of a period that tell the quantity, newest first."""
    begin, end = (datetime.combine(day, time.min, HANOI) for day in (asked.first, asked.last + timedelta(days=1)))
    rows = Dose.objects.filter(
        facility=asked.facility, modality=asked.modality, at__gte=begin, at__lt=end,
        **{f"{asked.quantity}__isnull": False},
    )  # fmt: skip
    if asked.ages == "child":
        rows = rows.filter(age__lt=ADULT)
    elif asked.ages == "adult":
        rows = rows.exclude(age__lt=ADULT)
    return rows.order_by("-at", "-pk")


def sums(asked: Asked) -> QuerySet[Any]:
    """Of each machine, protocol or month: count, median, 75th percentile and the largest."""
    key = {"month": TruncMonth("at", tzinfo=HANOI)}.get(asked.by, F(asked.by))
    rows = doses(asked).order_by().annotate(key=key).values("key")
    counted = rows.annotate(
        count=Count("pk"), median=_Percentile(asked.quantity, share=0.5), p75=_Percentile(asked.quantity, share=0.75),
        top=Max(asked.quantity),
    )  # fmt: skip
    return counted.order_by("key" if asked.by == "month" else "-count", "key")


def modalities(facility: str) -> list[str]:
    """The modalities of which there are doses."""
    return list(
        Dose.objects.filter(facility=facility).order_by("modality").values_list("modality", flat=True).distinct()
    )


def level(asked: Asked, book: Book, key: Any) -> Reference | None:
    """The reference level of a protocol, for adults unless children are asked for."""
    if asked.by != "protocol":
        return None
    found = book.protocol(str(key))
    said = f"{found.text} {found.vi} {found.region}" if found else str(key)
    years = 10 if asked.ages == "child" else None
    return book.references(asked.modality, said, years).get(asked.quantity)
