"""External quality assessment, comparisons of methods, and the uncertainty that follows from controls and rounds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Count, F, QuerySet

from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.errors import BadQuality, NeedsReason, NotAllowed
from tuetinh.care.lab.models import Comparison, ControlResult, Proficiency
from tuetinh.care.lab.quality.methods import FEWEST, Uncertainty, uncertainty
from tuetinh.care.lab.quality.reagents import KEEPING, today
from tuetinh.record.asker import Asker

BAD, ODD = 3, 2  # |z| from which a result is unsatisfactory, questionable (ISO 13528, 9.4)
YEAR = timedelta(days=365)


def judged(z: Decimal) -> str:
    """`ok`, `odd` or `bad`."""
    return "bad" if abs(z) >= BAD else "odd" if abs(z) > ODD else "ok"


def state(one: Proficiency) -> str:
    """`ok`, `odd` or `bad`; a word is what it should have been, or bad."""
    if one.expected:
        return "ok" if one.text == one.expected else "bad"
    return judged(one.z)


def report(
    asker: Asker, *, scheme: str, round_: str, sample: str, analyte: str, machine: str, on: date,
    value: Decimal | None = None, assigned: Decimal | None = None, sd: Decimal | None = None, text: str = "",
    expected: str = "",
) -> Proficiency:  # fmt: skip
    """Keep what a round told about one sample: numbers, or words of a qualitative test.

    Raises BadQuality, also for one that is kept already.
    """
    _allow(asker)
    if not (scheme.strip() and round_.strip() and sample.strip()) or on > today():
        raise BadQuality
    if _numeric(analyte):
        if value is None or assigned is None or sd is None or sd <= 0 or text or expected:
            raise BadQuality
        told = {"value": value, "assigned": assigned, "sd": sd}
    else:
        told = {"value": Decimal(0), "assigned": Decimal(0), "sd": Decimal(1)}
        if not {text, expected} <= set(words_of(analyte)):
            raise BadQuality
    try:
        with transaction.atomic():
            return Proficiency.objects.create(
                facility=asker.facility, scheme=scheme.strip(), round=round_.strip(), sample=sample.strip(),
                analyte=analyte, machine=machine, on=on, text=text, expected=expected, account=asker.account,
                at=datetime.now(UTC), **told,
            )  # fmt: skip
    except IntegrityError as error:
        raise BadQuality from error


def act(asker: Asker, pk: int, action: str) -> Proficiency:
    """Write what was done about a bad result. Raises NeedsReason, BadQuality."""
    _allow(asker)
    if not action.strip():
        raise NeedsReason
    with transaction.atomic():
        row = Proficiency.objects.select_for_update().filter(pk=pk, facility=asker.facility).first()
        if not row or row.acted_at:
            raise BadQuality
        row.action, row.acted_at, row.acted_by = action.strip()[:1000], datetime.now(UTC), asker.account
        row.save()
    return row


def rounds(facility: str, analyte: str = "") -> QuerySet[Proficiency]:
    """What rounds told, newest first."""
    rows = Proficiency.objects.filter(facility=facility)
    return (rows.filter(analyte=analyte) if analyte else rows).order_by("-on", "-id")


def compare(
    asker: Asker, *, analyte: str, first: str, second: str, pairs: Sequence[tuple[Decimal, Decimal]], on: date
) -> Comparison:
    """Keep what two methods measured of the same samples. Raises BadQuality for fewer than ten pairs."""
    _allow(asker)
    different = len({pair[0] for pair in pairs}) > 1
    if not _numeric(analyte) or len(pairs) < FEWEST or not different or not (first.strip() and second.strip()):
        raise BadQuality
    return Comparison.objects.create(
        facility=asker.facility, analyte=analyte, first=first.strip(), second=second.strip(),
        pairs=[[str(one), str(other)] for one, other in pairs], on=on, account=asker.account, at=datetime.now(UTC),
    )  # fmt: skip


def comparisons(facility: str) -> QuerySet[Comparison]:
    """What was compared, newest first."""
    return Comparison.objects.filter(facility=facility).order_by("-on", "-id")


def measured_pairs(row: Comparison) -> list[tuple[float, float]]:
    """The pairs as numbers."""
    return [(float(one), float(other)) for one, other in row.pairs]


def certain_all(facility: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Uncertainty]:
    """The uncertainty of tests, by machine and analyte, by the controls and rounds of the last year; in two queries."""
    since = today() - YEAR
    values: dict[tuple[str, str], dict[int, list[float]]] = {}
    rows = ControlResult.objects.filter(
        control__facility=facility, control__analyte__in={key for _, key in keys}, at__date__gte=since
    )
    for machine, analyte, control, value in rows.values_list(
        "control__machine", "control__analyte", "control_id", "value"
    ):
        values.setdefault((machine, analyte), {}).setdefault(control, []).append(float(value))
    told: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    # Of the assigned value's uncertainty we know only that it is at most 0.3 of the sd of the round (ISO 13528, 9.2.1).
    for one in rounds(facility).filter(analyte__in={key for _, key in keys}, on__gte=since).exclude(assigned=0):
        u = float(one.sd) * 0.3 / abs(float(one.assigned)) * 100
        told.setdefault((one.machine, one.analyte), []).append((float(one.value), float(one.assigned), u))
    return {
        key: uncertainty(list(values[key].values()), told.get(key, []))
        for key in keys
        if any(len(some) > 1 for some in values.get(key, {}).values())
    }


def controlled(facility: str) -> QuerySet[ControlResult, dict[str, object]]:
    """The tests that have controls in the last year: `machine`, `analyte`, `n` results."""
    rows = ControlResult.objects.filter(control__facility=facility, at__date__gte=today() - YEAR)
    named = rows.values(machine=F("control__machine"), analyte=F("control__analyte"))
    return named.annotate(n=Count("id")).filter(n__gt=1).order_by("machine", "analyte")


def words_of(analyte: str) -> tuple[str, ...]:
    """The words that a qualitative analyte is told in, none for others."""
    what = analytes().get(analyte)
    return tuple(what.choices) if what and not what.numeric else ()


def _numeric(analyte: str) -> bool:
    return analyte in analytes() and analytes()[analyte].numeric


def _allow(asker: Asker) -> None:
    if asker.role not in KEEPING:
        raise NotAllowed
