"""What the laboratory's pages and other modules ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import cast

from django.db.models import Count, Q, QuerySet

from tuetinh.care.lab import actions, facts, words
from tuetinh.care.lab.catalogue import Analyte, by_other_loinc
from tuetinh.care.lab.microbiology.facts import Isolate, read_isolate
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results.pictures import Picture
from tuetinh.care.lab.results.previous import history
from tuetinh.care.lab.results.work import Work
from tuetinh.commons.identity.api import display_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

Stage = Tube.Stage


def today_start() -> datetime:
    """The first moment of today in Vietnam."""
    day = datetime.now(actions.HANOI).date()
    return datetime.combine(day, time(), actions.HANOI).astimezone(UTC)


def _filters() -> dict[str, Q]:
    return {
        "receive": Q(stage=Stage.ORDERED),
        "analyse": Q(stage=Stage.RECEIVED),
        "validate": Q(stage=Stage.RESULTED),
        "sign": Q(stage=Stage.VERIFIED),
        "done": Q(stage=Stage.RELEASED, released_at__gte=today_start()),
    }


def worklist(facility: str, which: str, text: str = "", bench: str = "") -> QuerySet[Tube]:
    """Tubes to `receive`, `analyse`, `validate`, `sign`, or `done` today, urgent first.

    text: part of a number; bench: of one bench only.
    """
    rows = Tube.objects.filter(_filters().get(which, _filters()["receive"]), facility=facility)
    if text:
        rows = rows.filter(number__contains=text)
    if bench:
        rows = rows.filter(benches__contains=[bench])
    return rows.order_by("-urgent", "-released_at" if which == "done" else "ordered_at", "id")


def counts(facility: str, bench: str = "") -> dict[str, int]:
    """How many tubes each list has, in one query."""
    lists = _filters()
    rows = Tube.objects.filter(reduce(or_, lists.values()), facility=facility)  # what left the lists is not looked at
    if bench:
        rows = rows.filter(benches__contains=[bench])
    return rows.aggregate(**{k: Count("id", filter=q) for k, q in lists.items()})


@dataclass(frozen=True, slots=True)
class Line:
    """A tube in a list."""

    tube: Tube
    name: str
    born: str
    gender: str
    tests: str


def lines(asker: Asker, tubes: list[Tube]) -> list[Line]:
    """Names of people and tests of a page of tubes that are here, or on their way, in two reads."""
    people = record.read_many(asker, "Patient", {t.patient for t in tubes})
    orders = record.read_many(actions.at_bench(asker), "ServiceRequest", {o for t in tubes for o in t.orders})
    found = []
    for tube in tubes:
        person = people.get(tube.patient)
        named = [facts.ordered_test(cast(r4.ServiceRequest, orders[o])) for o in tube.orders if o in orders]
        patient = person if isinstance(person, r4.Patient) else r4.Patient()
        tests = ", ".join(t.name for t in named if t)
        found.append(Line(tube, display_name(patient), patient.birthDate or "", patient.gender or "", tests))
    return found


def handed_out(asker: Asker, tubes: list[Tube]) -> dict[str, list[tuple[Result, object]]]:
    """The results of tubes by number, as far as they exist for the asker, each with its flag in words; in two reads."""
    ids = {id_ for tube in tubes for id_ in tube.orders}
    orders = cast("dict[str, r4.ServiceRequest]", record.read_many(actions.at_bench(asker), "ServiceRequest", ids))
    places = {
        facts.observation_id(id_, analyte.key): tube.number
        for tube in tubes
        for id_ in tube.orders
        if id_ in orders and (what := facts.ordered_test(orders[id_]))
        for analyte in what.analytes
    }
    read = cast("dict[str, r4.Observation]", record.read_many(asker, "Observation", places))
    found: dict[str, list[tuple[Result, object]]] = {tube.number: [] for tube in tubes}
    for id_, number in places.items():
        if id_ in read and facts.told(read[id_]):
            result = read_result(read[id_])
            found[number].append((result, words.FLAGS.get(result.flag)))
    return found


def is_from_here(asker: Asker, tube: Tube) -> bool:
    """Whether the visit of a tube that is here is one of this facility."""
    visit = record.read_many(actions.at_bench(asker), "Encounter", [tube.encounter]).get(tube.encounter)
    return isinstance(visit, r4.Encounter) and facts.id_of(visit.serviceProvider) in ("", asker.facility)


def reported(asker: Asker, tubes: Iterable[Tube]) -> set[str]:
    """Numbers of the tubes that are of this laboratory, or of a visit here and were sent to another."""
    some = list(tubes)
    away = {tube.encounter for tube in some if tube.facility != asker.facility}
    visits = cast("dict[str, r4.Encounter]", record.read_many(asker, "Encounter", away)) if away else {}
    home = {id_ for id_, visit in visits.items() if facts.id_of(visit.serviceProvider) == asker.facility}
    return {tube.number for tube in some if tube.facility == asker.facility or tube.encounter in home}


@dataclass(frozen=True, slots=True)
class Row:
    """One analyte in the grid of a tube."""

    id: str
    order: str
    test: str
    analyte: Analyte
    value: str
    unit: str
    limits: str
    flag: str
    status: str
    notes: tuple[str, ...]
    previous: str
    previous_at: str
    jump: bool
    points: tuple[tuple[str, Decimal], ...]
    isolates: tuple[Isolate, ...] = ()  # what grew of a culture


def grid(asker: Asker, work: Work) -> list[Row]:
    """The results of a tube with what was measured before, in one search."""
    slots = work.rows()
    past = history(asker, work.tube.patient, [a.loinc for _, a in slots], skip=set(work.results))
    rows = []
    for order, analyte in slots:
        id_ = facts.observation_id(order.id or "", analyte.key)
        result = work.results.get(id_)
        before = past.get(analyte.loinc, [])
        last = before[0] if before else None
        what = facts.ordered_test(order)
        rows.append(
            Row(
                id=id_,
                order=order.id or "",
                test=what.name if what else "",
                analyte=analyte,
                value=facts.value_of(result) if result else "",
                unit=facts.unit_of(result) if result and facts.unit_of(result) else analyte.shown,
                limits=facts.range_of(result) if result else _limits(work, analyte),
                flag=facts.flag_of(result) if result else "",
                status=(result.status or "") if result else "",
                notes=tuple(n.text or "" for n in (result.note or [] if result else [])),
                previous=facts.value_of(last) if last else "",
                previous_at=(last.effectiveDateTime or "") if last else "",
                jump=bool(result and facts.delta_of(result)),
                points=_points([*before[:9][::-1], *([result] if result else [])]),
                isolates=_isolates(work.results, result),
            )
        )
    return rows


def _isolates(results: Mapping[str, r4.Observation], culture: r4.Observation | None) -> tuple[Isolate, ...]:
    members = facts.members(culture) if culture else ()
    return tuple(read_isolate(results[id_]) for id_ in members if id_ in results)


def _limits(work: Work, analyte: Analyte) -> str:
    normal = work.judge.bounds(analyte).normal
    return facts.written_range(normal.low, normal.high)


def _number(result: r4.Observation | None) -> Decimal | None:
    """The number to draw: of a titre its denominator."""
    if result and result.valueRatio and result.valueRatio.denominator:
        return result.valueRatio.denominator.value
    return result.valueQuantity.value if result and result.valueQuantity else None


def _points(results: list[r4.Observation]) -> tuple[tuple[str, Decimal], ...]:
    return tuple((r.effectiveDateTime or "", v) for r in results if (v := _number(r)) is not None)


@dataclass(frozen=True, slots=True)
class Result:
    """One result for other modules: the doctor's page, the citizen's, the claim."""

    id: str
    order: str
    test: str
    name: str
    plain: str
    loinc: str
    value: str
    number: Decimal | None
    unit: str
    limits: str
    flag: str
    status: str
    at: str
    bedside: bool = False  # measured at the point of care
    notes: tuple[str, ...] = ()  # the last one of a corrected result says what it was before, and why
    isolates: tuple[Isolate, ...] = ()  # what grew of a culture, each with its antibiogram; of an isolate itself
    pictures: tuple[Picture, ...] = ()  # of the order's report, with the first of its results


def read_result(result: r4.Observation) -> Result:
    """Read a laboratory Observation, ours or another system's."""
    analyte = facts.analyte_of(result)
    coding = next(iter((result.code.coding if result.code else None) or []), r4.Coding())
    said = (result.code.text if result.code else None) or coding.display or coding.code or ""
    called = analyte or by_other_loinc().get(coding.code or "")
    return Result(
        id=result.id or "",
        order=next((facts.id_of(b) for b in result.basedOn or []), ""),
        test="",
        name=called.name if called else said,
        plain=called.plain if called else said,
        loinc=analyte.loinc if analyte else coding.code or "",
        value=facts.value_of(result),
        number=_number(result),
        unit=facts.unit_of(result),
        limits=facts.range_of(result),
        flag=facts.flag_of(result),
        status=result.status or "",
        at=result.effectiveDateTime or result.issued or "",
        bedside=facts.at_the_bedside(result),
        notes=tuple(note.text or "" for note in result.note or []),
        isolates=(read_isolate(result),) if analyte and analyte.kind == "organism" else (),
    )
