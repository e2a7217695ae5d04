"""What the citizen's pages ask. Everything goes through the citizen's own asker, so another's record does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar, cast

from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.clinic import api as clinic
from tuetinh.care.lab import api as lab
from tuetinh.commons.access.api import place_name
from tuetinh.community.portal.drawing import Curve, curve
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

R = TypeVar("R", bound=r4.Resource)
CLOSED = ("resolved", "inactive", "remission")
VISITS, POINTS = 15, 60


def found(asker: Asker, type_: type[R], query: str) -> list[R]:
    """The first page of a search."""
    return cast("list[R]", record.search(asker, type_.__name__, query).resources)


def words(concept: r4.CodeableConcept | None) -> str:
    """A concept as people read it; a bare code is no word."""
    if concept is None:
        return ""
    return concept.text or next((c.display for c in concept.coding or [] if c.display), None) or ""


def place_of(visit: r4.Encounter) -> str:
    """The name of the facility of a visit. Facilities belong to nobody's record: their names are the directory's."""
    provider = visit.serviceProvider
    if provider is None:
        return ""
    return provider.display or place_name("Organization", (provider.reference or "").rpartition("/")[2])


@dataclass(frozen=True, slots=True)
class Test:
    """One test over time. latest: the newest result; tone, icon: how it looks; curve: None under two numbers."""

    code: str
    name: str
    latest: lab.Result
    meaning: str
    tone: str
    icon: str
    course: str = ""
    curve: Curve | None = None
    past: tuple[Test, ...] = ()

    @property
    def limits(self) -> str:
        """The ends of normal, with the decimal comma."""
        return self.latest.limits


def tests(asker: Asker, limit: int = 200) -> list[Test]:
    """The newest result of every test, what is out of the ordinary first among those of the same day."""
    newest: dict[str, lab.Result] = {}
    for result in lab.results(asker, str(asker.patient), limit):
        newest.setdefault(result.loinc or result.plain, result)
    told = [_test(result) for result in newest.values()]
    return sorted(told, key=lambda t: (t.latest.at[:10], t.tone != "ok"), reverse=True)


def test(asker: Asker, code: str) -> Test | None:
    """One test with its curve and every result, newest first; None when the person never had it."""
    query = f"patient=Patient/{asker.patient}&category=laboratory&code={_escaped(code)}"
    shown = found(asker, r4.Observation, f"{query}&status=final,amended,corrected&_sort=-date&_count={POINTS}")
    if not shown:
        return None
    past = [lab.read_result(one) for one in shown]
    same = [(r.at, r.number) for r in reversed(past) if r.number is not None and r.unit == past[0].unit]
    low, high = _limits(shown[0])
    drawn = curve([(at, number) for at, number in same if number is not None], low, high)
    numbers = [number for _, number in same if number is not None]
    return _test(past[0], course=_course(numbers, low, high), drawn=drawn, past=tuple(_test(one) for one in past))


def _escaped(text: str) -> str:
    """A value for a search: what FHIR search gives a meaning to is escaped, then percent-encoded."""
    from urllib.parse import quote

    for sign in "\\,|$":
        text = text.replace(sign, f"\\{sign}")
    return quote(text, safe="")


def _test(result: lab.Result, *, course: str = "", drawn: Curve | None = None, past: tuple[Test, ...] = ()) -> Test:
    meaning = lab.plain_flag(result.flag)
    tone = {"N": "ok", "NEG": "ok", "LL": "danger", "HH": "danger", "AA": "danger", "": ""}.get(result.flag, "warn")
    icon = lab.FLAGS[result.flag][1] if result.flag in lab.FLAGS else ""
    return Test(result.loinc or result.plain, result.plain, result, meaning, tone, icon, course, drawn, past)


def _limits(result: r4.Observation) -> tuple[Decimal | None, Decimal | None]:
    limits = next(iter(result.referenceRange or []), r4.ObservationReferenceRange())
    return (limits.low.value if limits.low else None, limits.high.value if limits.high else None)


def _course(numbers: list[Decimal], low: Decimal | None, high: Decimal | None) -> str:
    """Which way the values go, in words that a neighbour would use."""
    if len(numbers) < 2:
        return ""
    before, now = (_outside(value, low, high) for value in numbers[-2:])
    if before is None or now is None:
        return _("Lần này cao hơn lần trước.") if numbers[-1] > numbers[-2] else (
            _("Lần này thấp hơn lần trước.") if numbers[-1] < numbers[-2] else _("Bằng lần trước.")
        )  # fmt: skip
    if now == 0:
        return _("Vẫn trong mức bình thường.") if before == 0 else _("Đã về mức bình thường.")
    if abs(numbers[-1] - numbers[-2]) * 20 <= abs(numbers[-2]):  # within 5 % a blood test says the same
        return _("Gần như lần trước.")
    if now < before:
        return _("Đang tốt dần lên so với lần trước.")
    return _("Chưa tốt hơn lần trước. Hãy hỏi bác sĩ khi khám lại.")


def _outside(value: Decimal, low: Decimal | None, high: Decimal | None) -> Decimal | None:
    """How far a value lies outside of normal; None when normal is not known."""
    if low is None and high is None:
        return None
    if low is not None and value < low:
        return low - value
    return value - high if high is not None and value > high else Decimal(0)


@dataclass(frozen=True, slots=True)
class Taking:
    """A medicine. left: days that the supply still lasts, None when nobody said how long."""

    name: str
    dose: str
    since: str
    left: int | None


def medicines(asker: Asker) -> tuple[list[Taking], list[Taking]]:
    """What the person takes now, and what the person took before; a medicine prescribed twice is told once."""
    now: dict[str, Taking] = {}
    before: dict[str, Taking] = {}
    for one in clinic.medicines(asker, str(asker.patient)):
        if one.name and one.name not in now and one.name not in before:
            (now if one.active else before)[one.name] = Taking(one.name, one.dose, one.day, _days_left(one.until))
    return list(now.values()), list(before.values())


def _days_left(until: str) -> int | None:
    if not until:
        return None
    return (datetime.strptime(until, "%d/%m/%Y").date() - timezone.localdate()).days  # noqa: DTZ007 - a day, no moment


@dataclass(frozen=True, slots=True)
class Seen:
    """A visit in a list. found: diagnoses in words, else why the person came."""

    id: str
    at: str
    place: str
    found: tuple[str, ...]
    open: bool


def visits(asker: Asker, page: str | None = None) -> tuple[list[Seen], str | None]:
    """A page of visits of every facility, newest first, and the token of the next page. Two searches."""
    query = f"patient=Patient/{asker.patient}&_sort=-date&_count={VISITS}"
    got = record.search(asker, "Encounter", query, page)
    shown = [v for v in cast("list[r4.Encounter]", got.resources) if v.status not in ("cancelled", "entered-in-error")]
    diagnosed = _diagnosed(asker, [str(v.id) for v in shown])
    return [_seen(v, diagnosed.get(str(v.id), [])) for v in shown], got.next


def _diagnosed(asker: Asker, ids: list[str]) -> dict[str, list[str]]:
    if not ids:
        return {}
    told: dict[str, list[str]] = {}
    query = f"encounter={','.join(f'Encounter/{id_}' for id_ in ids)}&_count=200"
    for condition in found(asker, r4.Condition, query):
        visit = (condition.encounter.reference or "").rpartition("/")[2] if condition.encounter else ""
        if name := words(condition.code):
            told.setdefault(visit, []).append(name)
    return told


def _seen(visit: r4.Encounter, diagnoses: list[str]) -> Seen:
    came = [words(c) for c in [*(visit.reasonCode or []), *(visit.type or [])]]
    start = (visit.period.start or "") if visit.period else ""
    going = visit.status in ("arrived", "triaged", "in-progress", "onleave", "planned")
    told = diagnoses or [word for word in came if word][:1]
    return Seen(str(visit.id), start, place_of(visit), tuple(dict.fromkeys(told)), going)


@dataclass(slots=True)
class Told:
    """One visit in full. again: the day to come back, ISO."""

    seen: Seen
    reason: str
    results: list[Test]
    medicines: list[tuple[str, str]]
    advice: str
    again: str


def visit(asker: Asker, encounter_id: str) -> Told:
    """One visit. Raises the record's NotFound, also for another person's."""
    encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
    seen = _seen(encounter, _diagnosed(asker, [encounter_id]).get(encounter_id, []))
    query = f"encounter=Encounter/{encounter_id}&category=laboratory&status=final,amended,corrected&_count=100"
    results = [_test(lab.read_result(one)) for one in found(asker, r4.Observation, query)]
    lines = clinic.prescription(asker, encounter_id)
    advice, again = clinic.advice(asker, encounter_id)
    return Told(
        seen=seen,
        reason=next((word for c in encounter.reasonCode or [] if (word := words(c))), ""),
        results=sorted(results, key=lambda t: t.tone == "ok"),
        medicines=[(words(m.medicationCodeableConcept), _dose(m)) for m in lines],
        advice=advice,
        again=again,
    )


def _dose(line: r4.MedicationRequest) -> str:
    return next((dose.text for dose in line.dosageInstruction or [] if dose.text), "")


@dataclass(frozen=True, slots=True)
class Mine:
    """What is lasting: allergies, problems, vaccinations with their day."""

    allergies: list[str]
    problems: list[str]
    vaccines: list[tuple[str, str]]


def mine(asker: Asker) -> Mine:
    """The lasting part of one's record."""
    who = f"patient=Patient/{asker.patient}"
    allergies = [a for a in found(asker, r4.AllergyIntolerance, f"{who}&_count=50") if _stands(a.clinicalStatus)]
    listed = found(asker, r4.Condition, f"{who}&category=problem-list-item&_count=100")
    doses = found(asker, r4.Immunization, f"{who}&_sort=-date&_count=100")
    problems = [c for c in listed if _stands(c.clinicalStatus)]
    return Mine(
        allergies=_names([a.code for a in allergies]),
        problems=_names([c.code for c in problems]),
        vaccines=[
            (name, d.occurrenceDateTime or d.occurrenceString or "")
            for d in doses
            if d.status == "completed" and (name := words(d.vaccineCode))
        ],
    )


def _names(concepts: list[r4.CodeableConcept | None]) -> list[str]:
    return list(dict.fromkeys(name for concept in concepts if (name := words(concept))))


def _stands(status: r4.CodeableConcept | None) -> bool:
    return not any(c.code in CLOSED for c in (status.coding if status else None) or [])


def days_until(iso: str) -> int | None:
    """Days from today to an ISO day; None for anything else."""
    try:
        return (date.fromisoformat(iso[:10]) - timezone.localdate()).days
    except ValueError:
        return None
