"""What the desks do with a laboratory order, from the doctor's tick to the released and amended result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import F

from tuetinh.care.billing.api import cancel_charge, charge
from tuetinh.care.insurance.api import stop
from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Analyte, Range, Test, test
from tuetinh.care.lab.errors import (
    BadValue,
    CriticalOpen,
    Incomplete,
    NeedsReason,
    NotAllowed,
    NoTube,
    UnknownTest,
    WrongStage,
)
from tuetinh.care.lab.machines.messages import number as read_number
from tuetinh.care.lab.models import Counter, Tube
from tuetinh.commons.identity.api import age_days
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
ORDERING = frozenset({"doctor", "nurse", "station", "system"})
WORKING = frozenset({"lab", "system"})
Stage = Tube.Stage


def order_tests(
    asker: Asker,
    encounter: r4.Encounter | str,
    codes: Sequence[str],
    *,
    requester: r4.Reference | None = None,
    urgent: bool = False,
    note: str = "",
) -> list[r4.ServiceRequest]:
    """Order tests by their service codes: one ServiceRequest each, one tube for each kind of specimen, each charged.

    A code given twice counts once. Raises UnknownTest before anything is written, and NotAllowed.
    """
    _allow(asker, ORDERING)
    wanted: list[Test] = []
    for code in dict.fromkeys(codes):
        if not (found := test(code)):
            raise UnknownTest
        wanted.append(found)
    desk = as_desk(asker)
    with transaction.atomic():
        visit = (
            cast(r4.Encounter, record.read(desk, "Encounter", encounter)) if isinstance(encounter, str) else encounter
        )
        facility = facts.id_of(visit.serviceProvider) or asker.facility
        requisition = record.new_id()
        made: list[r4.ServiceRequest] = []
        for kind in dict.fromkeys(t.specimen for t in wanted):
            group = [t for t in wanted if t.specimen == kind]
            made += _order_tube(
                desk,
                visit,
                group,
                facility=facility,
                requisition=requisition,
                requester=requester,
                urgent=urgent,
                note=note,
            )
        for order in made:
            _charge(asker, visit, order)
        publish(f"lab:{facility}")
        publish(f"visit:{visit.id}")
    return made


def _order_tube(
    desk: Asker,
    visit: r4.Encounter,
    group: list[Test],
    *,
    facility: str,
    requisition: str,
    requester: r4.Reference | None,
    urgent: bool,
    note: str,
) -> list[r4.ServiceRequest]:
    specimen_id, ids = record.new_id(), [record.new_id() for _ in group]
    tube = _numbered(facility, specimen_id, visit, ids, urgent=urgent)
    record.create(desk, facts.specimen(specimen_id, tube.number, group[0].specimen, visit.subject, ids))
    orders = [
        facts.order(
            id_, what, visit, facility=facility, specimen=specimen_id, requisition=requisition, requester=requester,
            urgent=urgent, note=note,
        )
        for id_, what in zip(ids, group, strict=True)
    ]  # fmt: skip
    return record.create_many(desk, orders)


def _numbered(facility: str, specimen: str, visit: r4.Encounter, orders: list[str], *, urgent: bool) -> Tube:
    """Give the next number of the facility's day: yymmdd, the facility's digits, a running number; fits Code 128."""
    day = datetime.now(HANOI).date()
    digits = "".join(c for c in facility if c.isdigit())[-5:].rjust(5, "0")
    while True:
        Counter.objects.get_or_create(facility=facility, day=day)
        Counter.objects.filter(facility=facility, day=day).update(last=F("last") + 1)
        last = Counter.objects.get(facility=facility, day=day).last
        try:
            with transaction.atomic():
                return Tube.objects.create(
                    number=f"{day:%y%m%d}{digits}{last:04d}", facility=facility, specimen=specimen,
                    encounter=visit.id or "", patient=facts.id_of(visit.subject), orders=orders, urgent=urgent,
                    ordered_at=datetime.now(UTC),
                )  # fmt: skip
        except IntegrityError:
            if not Tube.objects.filter(number=f"{day:%y%m%d}{digits}{last:04d}").exists():
                raise  # else another facility with the same digits took it: the next one


def receive_specimen(asker: Asker, number: str) -> Tube:
    """Take a tube in. Receiving it twice changes nothing."""
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage != Stage.ORDERED:
            if tube.stage in (Stage.REJECTED, Stage.CANCELLED):
                raise WrongStage
            return tube
        desk = as_desk(asker)
        specimen = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
        specimen.status, specimen.receivedTime = "available", facts.now()
        record.update(desk, specimen)
        tube.stage, tube.received_at = Stage.RECEIVED, datetime.now(UTC)
        _keep(tube)
    return tube


def reject_specimen(asker: Asker, number: str, reason: str) -> Tube:
    """Refuse a tube that cannot be analysed, and return the new one that is now asked for, with the same orders."""
    reason = _reason(reason)
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage not in (Stage.ORDERED, Stage.RECEIVED):
            raise WrongStage
        desk = as_desk(asker)
        old = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
        visit = cast(r4.Encounter, record.read(desk, "Encounter", tube.encounter))
        fresh = _numbered(tube.facility, record.new_id(), visit, tube.orders, urgent=tube.urgent)
        record.create(desk, facts.again(old, fresh.specimen, fresh.number))
        old.status = "unsatisfactory"
        old.note = [*(old.note or []), r4.Annotation(text=reason, time=facts.now())]
        record.update(desk, old)
        for order in _orders(desk, tube):
            order.specimen = [facts.ref("Specimen", fresh.specimen)]
            record.update(desk, order)
        tube.stage, tube.orders = Stage.REJECTED, []
        _keep(tube)
    return fresh


def cancel_orders(asker: Asker, number: str, reason: str) -> Tube:
    """Revoke the orders of a tube that has no result yet, and take their charges back. Also the doctor's."""
    reason = _reason(reason)
    with transaction.atomic():
        tube = lock(asker, number, WORKING | ORDERING)
        if tube.stage not in (Stage.ORDERED, Stage.RECEIVED):
            raise WrongStage
        desk = as_desk(asker)
        visit = cast(r4.Encounter, record.read(desk, "Encounter", tube.encounter))
        for order in _orders(desk, tube):
            order.status = "revoked"
            order.note = [*(order.note or []), r4.Annotation(text=reason, time=facts.now())]
            record.update(desk, order)
            if item := _charge(desk, visit, order):  # charged once for a source: this is the charge that stands
                cancel_charge(desk, item.id or "")
        tube.stage = Stage.CANCELLED
        _keep(tube)
    return tube


def _orders(desk: Asker, tube: Tube) -> list[r4.ServiceRequest]:
    found = cast("dict[str, r4.ServiceRequest]", record.read_many(desk, "ServiceRequest", tube.orders))
    return [found[id_] for id_ in tube.orders if id_ in found]


def _charge(asker: Asker, visit: r4.Encounter, order: r4.ServiceRequest) -> r4.ChargeItem | None:
    what = facts.ordered_test(order)
    source = f"ServiceRequest/{order.id}"
    return charge(asker, visit, what.code, 1, source_reference=source, display=what.names[0]) if what else None


@dataclass(frozen=True, slots=True)
class Work:
    """A locked tube with its orders and results, and what is normal for the person."""

    tube: Tube
    orders: dict[str, r4.ServiceRequest]
    results: dict[str, r4.Observation]
    gender: str | None
    age_years: int | None
    reports: dict[str, r4.Resource]

    def slots(self) -> list[tuple[r4.ServiceRequest, Analyte]]:
        """Every analyte that was ordered, in order."""
        ordered = [(order, facts.ordered_test(order)) for order in self.orders.values() if order.status != "revoked"]
        return [(order, analyte) for order, what in ordered if what for analyte in what.analytes]

    def normal(self, analyte: Analyte) -> Range:
        """Its limits for this person."""
        return analyte.normal(self.gender, self.age_years)


@dataclass(slots=True)
class Writes:
    """What is to be written to the record and to tubes, gathered so that many go in few statements."""

    desk: Asker
    new: list[r4.Resource] = field(default_factory=list)
    changed: list[r4.Resource] = field(default_factory=list)
    tubes: list[Tube] = field(default_factory=list)

    def put(self, resource: r4.Resource, *, known: bool) -> None:
        """Write a first or a next version."""
        (self.changed if known else self.new).append(resource)

    def keep(self) -> None:
        """Write everything, in the caller's transaction."""
        if self.new:
            record.create_many(self.desk, self.new)
        for resource in self.changed:
            record.update(self.desk, resource)
        Tube.objects.bulk_update(self.tubes, ["stage", "critical", "received_at"])
        for channel in dict.fromkeys(c for t in self.tubes for c in (f"lab:{t.facility}", f"visit:{t.encounter}")):
            publish(channel)


def work_on(asker: Asker, tube: Tube) -> Work:
    """Read the orders, results and person of a tube."""
    return works_on(asker, [tube])[0]


def works_on(asker: Asker, tubes: Sequence[Tube]) -> list[Work]:
    """The same of many tubes, in one read of each kind."""
    wanted = [id_ for tube in tubes for id_ in tube.orders]
    orders = cast("dict[str, r4.ServiceRequest]", record.read_many(asker, "ServiceRequest", wanted))
    found = [(id_, what) for id_, order in orders.items() if (what := facts.ordered_test(order))]
    ids = [facts.observation_id(id_, a.key) for id_, what in found for a in what.analytes]
    results = cast("dict[str, r4.Observation]", record.read_many(asker, "Observation", ids))
    reports = record.read_many(asker, "DiagnosticReport", [facts.report_id(id_) for id_ in orders])
    people = record.read_many(asker, "Patient", {tube.patient for tube in tubes})
    return [_work(tube, orders, results, people.get(tube.patient), reports) for tube in tubes]


def _work(
    tube: Tube,
    orders: Mapping[str, r4.ServiceRequest],
    results: Mapping[str, r4.Observation],
    person: r4.Resource | None,
    reports: Mapping[str, r4.Resource],
) -> Work:
    mine = {id_: orders[id_] for id_ in tube.orders if id_ in orders}
    keys = [
        facts.observation_id(id_, a.key)
        for id_, order in mine.items()
        if (what := facts.ordered_test(order))
        for a in what.analytes
    ]
    gender = person.gender if isinstance(person, r4.Patient) else None
    days = age_days(person.birthDate or "", datetime.now(HANOI).date()) if isinstance(person, r4.Patient) else None
    known = {key: results[key] for key in keys if key in results}
    return Work(tube, mine, known, gender, None if days is None else days // 365, dict(reports))


def enter_results(asker: Asker, number: str, values: Mapping[str, str], *, reason: str = "") -> Tube:
    """Keep results typed by hand, by the id of their Observation; "" leaves a result as it is.

    On a released tube this amends, which needs a reason. Raises BadValue with the id for a number that is none.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        work = work_on(as_desk(asker), tube)
        readings = {}
        for order, analyte in work.slots():
            id_ = facts.observation_id(order.id or "", analyte.key)
            if typed := values.get(id_, "").strip():
                readings[id_] = _typed(analyte, typed, id_)
        keep_readings(asker, work, readings, reason=reason)
    return tube


def _typed(analyte: Analyte, text: str, field: str) -> facts.Reading:
    if not analyte.numeric:
        return facts.Reading(text=text[:200])
    if not (found := read_number(text)):
        raise BadValue(field)
    return facts.Reading(number=found[1], comparator=found[0])


def keep_readings(
    asker: Asker, work: Work, readings: Mapping[str, facts.Reading], *, reason: str = "", into: Writes | None = None
) -> bool:
    """Write readings, by the id of their Observation, of a locked tube; tell whether anything changed.

    Results are preliminary until released; on a released tube they become amended, and the report with them. into:
    gathers what is to be written; without it that is written here.
    """
    tube, desk = work.tube, as_desk(asker)
    writes = into or Writes(desk)
    if tube.stage in (Stage.REJECTED, Stage.CANCELLED):
        raise WrongStage
    released = tube.stage == Stage.RELEASED
    changed: list[r4.Observation] = []
    for order, analyte in work.slots():
        id_ = facts.observation_id(order.id or "", analyte.key)
        old, reading = work.results.get(id_), readings.get(id_)
        if reading is None or (same(old, reading)):
            continue
        status = ("amended" if old else "final") if released else "preliminary"
        changed.append(
            facts.observation(
                order, analyte, reading, specimen=tube.specimen, normal=work.normal(analyte), status=status
            )
        )
    if not changed:
        return False
    if released:
        note = r4.Annotation(text=_reason(reason), time=facts.now())
        for result in changed:
            result.note = [*(result.note or []), note]
    for result in changed:
        writes.put(result, known=result.id in work.results)
        work.results[result.id or ""] = result
    again = work.results.values() if tube.critical else changed
    tube.critical = any(facts.flag_of(r) in facts.CRITICAL for r in again)
    tube.stage = Stage.RELEASED if released else Stage.RESULTED
    tube.received_at = tube.received_at or datetime.now(UTC)
    touched = {facts.id_of(b) for r in changed for b in r.basedOn or []}
    _reports(writes, work, "amended" if released else "preliminary", only=touched)
    for id_ in touched if released else ():
        writes.put(facts.amendment(work.orders[id_], reason), known=False)
    writes.tubes.append(tube)
    if into is None:
        writes.keep()
    return True


def same(old: r4.Observation | None, reading: facts.Reading) -> bool:
    """Whether a result already says what a reading says."""
    if old is None:
        return False
    if reading.absent:
        return old.dataAbsentReason is not None
    if old.dataAbsentReason is not None:
        return False
    unit = reading.unit or facts.unit_of(old)
    return facts.value_of(old) == reading.shown and (reading.number is None or facts.unit_of(old) == unit)


def acknowledge_critical(asker: Asker, number: str, told: str) -> Tube:
    """Note who was told of the critical values; then the result may be released."""
    told = _reason(told)
    with transaction.atomic():
        tube = lock(asker, number)
        desk = as_desk(asker)
        work = work_on(desk, tube)
        for result in work.results.values():
            if facts.flag_of(result) in facts.CRITICAL:
                result.note = [*(result.note or []), r4.Annotation(text=told, time=facts.now())]
                record.update(desk, result)
        tube.critical = False
        _keep(tube)
    return tube


def release(asker: Asker, number: str, *, reasons: Mapping[str, str] | None = None) -> Tube:
    """Validate and hand out: results and reports become final, complete orders completed.

    Raises Incomplete without any result and CriticalOpen while a critical value is not acknowledged. Analytes without
    result leave the report partial and the tube at work; releasing again later hands out the rest. Raises insurance's
    Stopped; reasons: why to go on against what stopped it before.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage == Stage.RELEASED:
            return tube
        if tube.stage != Stage.RESULTED:
            raise Incomplete
        if tube.critical:
            raise CriticalOpen
        desk = as_desk(asker)
        work = work_on(desk, tube)
        for result in work.results.values():
            if result.status == "preliminary":
                result.status, result.issued = "final", facts.now()
                if asker.practitioner:
                    result.performer = [*(result.performer or []), facts.ref("Practitioner", asker.practitioner)]
                record.update(desk, result)
        writes = Writes(desk)
        complete = _reports(writes, work, "final")
        writes.keep()
        for id_ in complete:
            order = work.orders[id_]
            if order.status != "completed":
                order.status = "completed"
                record.update(desk, order)
        if len(complete) == sum(o.status != "revoked" for o in work.orders.values()):
            tube.stage, tube.released_at = Stage.RELEASED, datetime.now(UTC)
        _keep(tube)
        stop(asker, tube.encounter, "result", reasons=reasons)
    return tube


def _reports(writes: Writes, work: Work, status: str, only: set[str] | None = None) -> set[str]:
    """Write the report of each order that has results; return the ids of orders whose results are complete."""
    complete = set()
    for id_, order in work.orders.items():
        what = facts.ordered_test(order)
        if not what or order.status == "revoked":
            continue
        ids = [facts.observation_id(id_, a.key) for a in what.analytes]
        results = [work.results[i] for i in ids if i in work.results]
        whole = len(results) == len(ids)
        if whole:
            complete.add(id_)
        if not results or (only is not None and id_ not in only):
            continue
        said = "partial" if status == "final" and not whole else status
        report = facts.report(order, results, said)
        old = work.reports.get(report.id or "")
        if (
            isinstance(old, r4.DiagnosticReport)
            and said != "amended"
            and (old.status, old.result) == (said, report.result)
        ):
            continue
        writes.put(report, known=old is not None)
        work.reports[report.id or ""] = report
    return complete


def lock(asker: Asker, number: str, roles: frozenset[str] = WORKING) -> Tube:
    """The tube, locked for this transaction. Another facility's is not there."""
    _allow(asker, roles)
    found = Tube.objects.select_for_update().filter(number=number)
    if asker.role != "system":
        found = found.filter(facility=asker.facility)
    tube = found.first()
    if not tube:
        raise NoTube
    return tube


def _keep(tube: Tube) -> None:
    tube.save()
    publish(f"lab:{tube.facility}")
    publish(f"visit:{tube.encounter}")


def _allow(asker: Asker, roles: frozenset[str]) -> None:
    if asker.role not in roles:
        raise NotAllowed


def _reason(text: str) -> str:
    if not text.strip():
        raise NeedsReason
    return text.strip()[:500]


def as_desk(asker: Asker) -> Asker:
    """The same person, with what the laboratory's own bookkeeping writes: the action has decided that it may happen."""
    return replace(asker, scopes=frozenset({"system/*.cruds"}), patient=None)
