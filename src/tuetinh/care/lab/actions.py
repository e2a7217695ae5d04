"""What the desks do with a laboratory order, from the doctor's tick to the released and amended result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from tuetinh.care.billing.api import cancel_charge, charge
from tuetinh.care.insurance.api import claim_is_changed, stop
from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Analyte, Test, analytes, benches, test
from tuetinh.care.lab.errors import (
    BadValue,
    CriticalOpen,
    HeldBack,
    Incomplete,
    NeedsReason,
    NotAllowed,
    NotReadBack,
    NoTube,
    QualityFailed,
    UnknownTest,
    WrongStage,
)
from tuetinh.care.lab.machines.messages import number as read_number
from tuetinh.care.lab.machines.tell import tell_again
from tuetinh.care.lab.microbiology.release import bill, warn
from tuetinh.care.lab.models import Analyser, Counter, Tube
from tuetinh.care.lab.results import facts as result_facts
from tuetinh.care.lab.results import notices, signing
from tuetinh.care.lab.results.rules import Automatic
from tuetinh.care.lab.results.work import Work, Writes, recall, work_on
from tuetinh.care.lab.samples.facts import refused
from tuetinh.care.lab.samples.orders import add, attach, waiting
from tuetinh.care.lab.samples.plan import REJECTIONS
from tuetinh.care.lab.statistics import lines
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
ORDERING = frozenset({"doctor", "nurse", "station", "system"})
WORKING = frozenset({"lab", "system"})
_RECALCULATED = "Tính lại khi có kết quả mới"
BY_RULE = "Duyệt tự động"  # who validates where no person does
Stage = Tube.Stage


def order_tests(
    asker: Asker,
    encounter: r4.Encounter | str,
    codes: Sequence[str],
    *,
    requester: r4.Reference | None = None,
    urgent: bool = False,
    note: str = "",
    alone: bool = False,
) -> list[r4.ServiceRequest]:
    """Order tests by their service codes: one ServiceRequest each, one tube for each kind of specimen, each charged.

    A tube of the visit that still waits to be drawn is shared, unless they are to stay alone. A code given twice counts
    once.
    Raises UnknownTest before anything is written, and NotAllowed.
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
        facility = facility_of(asker, visit)
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
                alone=alone,
            )
        for order in made:
            lines.charged(order, _charge(asker, visit, order))
        publish(f"lab:{facility}")
        publish(f"visit:{visit.id}")
    return made


def facility_of(asker: Asker, visit: r4.Encounter) -> str:
    """The facility of a visit, which is the asker's own. Raises NotAllowed."""
    facility = facts.id_of(visit.serviceProvider) or asker.facility
    if asker.role != "system" and facility != asker.facility:
        raise NotAllowed
    return facility


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
    alone: bool,
) -> list[r4.ServiceRequest]:
    ids = [record.new_id() for _ in group]
    shared = None if alone else waiting(visit.id or "", facility, group, urgent=urgent)
    specimen_id = shared.specimen if shared else record.new_id()
    if not shared:
        tube = _numbered(
            facility, specimen_id, visit, ids, urgent=urgent, benches=benches_of(group), kind=group[0].specimen
        )
        record.create(desk, facts.specimen(specimen_id, tube.number, group[0].specimen, visit.subject, ids))
    orders = [
        facts.order(
            id_, what, visit, facility=facility, specimen=specimen_id, requisition=requisition, requester=requester,
            urgent=urgent, note=note,
        )
        for id_, what in zip(ids, group, strict=True)
    ]  # fmt: skip
    made = record.create_many(desk, orders)
    if shared:
        attach(desk, shared, group, made)
        _keep(shared)
    else:
        lines.ordered(tube, group, made)
    return made


def _numbered(
    facility: str,
    specimen: str,
    visit: r4.Encounter,
    orders: list[str],
    *,
    urgent: bool,
    benches: list[str],
    kind: str,
) -> Tube:
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
                    benches=benches, kind=kind, ordered_at=datetime.now(UTC),
                )  # fmt: skip
        except IntegrityError:
            if not Tube.objects.filter(number=f"{day:%y%m%d}{digits}{last:04d}").exists():
                raise  # else another facility with the same digits took it: the next one


def benches_of(tests: Sequence[Test]) -> list[str]:
    """The benches that tests are done at, each once."""
    return list(dict.fromkeys(one.bench.key for one in tests))


def due(tube: Tube, received: datetime) -> datetime | None:
    """When the results of a tube are late: after the slowest of its benches."""
    minutes = [benches()[key].minutes(urgent=tube.urgent) for key in tube.benches if key in benches()]
    return received + timedelta(minutes=max(minutes)) if minutes else None


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
        tube.due_at = due(tube, tube.received_at)
        _keep(tube)
    return tube


def reject_specimen(asker: Asker, number: str, reason: str, code: str = "") -> Tube:
    """Refuse a tube that cannot be analysed, and return the new one that is now asked for, with the same orders.

    The new one is drawn where the person is, also when the refused one was sent to another laboratory.
    code: of `samples.plan.REJECTIONS`, which speaks for itself where no reason is written.
    """
    reason = reason.strip() or str(REJECTIONS.get(code, ""))
    reason = _reason(reason)
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage not in (Stage.ORDERED, Stage.RECEIVED):
            raise WrongStage
        desk = as_desk(asker)
        old = cast(r4.Specimen, record.read(desk, "Specimen", tube.specimen))
        visit = cast(r4.Encounter, record.read(desk, "Encounter", tube.encounter))
        home = facts.id_of(visit.serviceProvider) or tube.facility
        fresh = _numbered(
            home, record.new_id(), visit, tube.orders, urgent=tube.urgent, benches=tube.benches, kind=tube.kind
        )
        lines.move(tube.orders, fresh)
        record.create(desk, facts.again(old, fresh.specimen, fresh.number))
        record.update(desk, refused(old, code if code in REJECTIONS else "", reason))
        for order in _orders(desk, tube):
            order.specimen, order.performer = [facts.ref("Specimen", fresh.specimen)], [facts.ref("Organization", home)]
            record.update(desk, order)
        publish(f"lab:{home}")
        tube.stage, tube.orders = Stage.REJECTED, []
        tube.refused_for = code if code in REJECTIONS else "OTHER"
        tell_again(tube)
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
        lines.cancel(tube.orders)
        tube.stage = Stage.CANCELLED
        tell_again(tube)
        _keep(tube)
    return tube


def _orders(desk: Asker, tube: Tube) -> list[r4.ServiceRequest]:
    found = cast("dict[str, r4.ServiceRequest]", record.read_many(desk, "ServiceRequest", tube.orders))
    return [found[id_] for id_ in tube.orders if id_ in found]


def _charge(asker: Asker, visit: r4.Encounter, order: r4.ServiceRequest) -> r4.ChargeItem | None:
    what = facts.ordered_test(order)
    source = f"ServiceRequest/{order.id}"
    return charge(asker, visit, what.code, 1, source_reference=source, display=what.names[0]) if what else None


def enter_results(asker: Asker, number: str, values: Mapping[str, str], *, reason: str = "", machine: int = 0) -> Tube:
    """Keep results typed by hand, by the id of their Observation; "" leaves a result as it is.

    machine: id of the Analyser, one that is on, that they were read from; 0 for a method by hand. On a released tube
    this amends, which needs a reason. Raises BadValue with the id for a number that is none, or with `machine`.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        work = work_on(as_desk(asker), tube)
        source = _read_from(tube.facility, machine)
        readings = {}
        for order, analyte in work.slots():
            id_ = facts.observation_id(order.id or "", analyte.key)
            if typed := values.get(id_, "").strip():
                readings[id_] = replace(read_typed(analyte, typed, id_), **source)
        keep_readings(asker, work, readings, reason=reason)
    return tube


def _read_from(facility: str, machine: int) -> dict[str, str]:
    """What a Reading says of the machine of that id."""
    if not machine:
        return {}
    found = Analyser.objects.filter(pk=machine, facility=facility, enabled=True).first()
    if not found:
        raise BadValue("machine")
    return found.measured()


def read_typed(analyte: Analyte, text: str, field: str) -> facts.Reading:
    """A value as typed. Raises BadValue with the field for a number that is none."""
    if analyte.kind in ("culture", "organism"):
        raise BadValue(field)  # kept at the bench of microbiology, never typed as words
    if analyte.kind == "titre":
        if found := facts.titre(text):
            return found
        raise BadValue(field)
    if not analyte.numeric:
        return facts.Reading(text=text[:200])
    if not (found := read_number(text)):
        raise BadValue(field)
    return facts.Reading(number=found[1], comparator=found[0])


def keep_readings(
    asker: Asker, work: Work, readings: Mapping[str, facts.Reading], *, reason: str = "", into: Writes | None = None
) -> bool:
    """Write readings, by the id of their Observation, of a locked tube; tell whether anything changed.

    Results are preliminary until released. What was handed out becomes corrected, for the reason, and the report with
    it, also on a tube that is at work again. What is calculated from them follows. into: gathers what is to be written;
    without it that is written here.
    """
    tube, desk = work.tube, as_desk(asker)
    writes = Writes(desk) if into is None else into
    if tube.stage in (Stage.REJECTED, Stage.CANCELLED):
        raise WrongStage
    reason = _reason(reason) if amends(work, readings) else ""
    changed = _measured(desk, work, readings)
    if not changed:
        return False
    changed += _calculated(desk, work, changed)
    keep_results(work, changed, writes, reason=reason)
    if into is None:
        writes.keep()
    return True


def keep_results(work: Work, changed: Sequence[r4.Observation], writes: Writes, *, reason: str = "") -> None:
    """Note results of a locked tube that were built, its stage and its reports in `writes`.

    What was handed out is corrected, for the reason, and whoever ordered is told.
    """
    tube, released = work.tube, work.tube.stage == Stage.RELEASED
    alarms = [r for r in changed if _alarms(work.results.get(r.id or ""), r)]
    fresh, amended = False, set()
    for result in changed:
        before = work.results.get(result.id or "")
        if released or facts.told(before):
            amended |= {facts.id_of(b) for b in result.basedOn or []}
            if result.status != "entered-in-error":
                result.status = "corrected" if before else "final"
                result.note = [*(result.note or []), facts.correction(before, reason or _RECALCULATED)]
        else:
            fresh = True
        writes.put(result, known=before is not None)
        work.results[result.id or ""] = result
    _judged(work, alarms)
    tube.stage = Stage.RESULTED if fresh else tube.stage
    if tube.received_at is None:
        tube.received_at = datetime.now(UTC)
        tube.due_at = due(tube, tube.received_at)
    touched = {facts.id_of(b) for r in changed for b in r.basedOn or []}
    _reports(writes, work, "corrected", only=amended)
    _reports(writes, work, "preliminary", only=touched - amended)
    for id_ in sorted(amended):
        writes.put(facts.amendment(work.orders[id_], reason or _RECALCULATED), known=False)
    notices.tell(writes, work.judge, changed, tube.facility)
    warn(writes, work, changed)
    if amended:
        lines.released(work)
        claim_is_changed(tube.encounter, _("Sửa kết quả xét nghiệm sau khi gửi: gửi lại."))
    writes.tubes.append(tube)


def _alarms(before: r4.Observation | None, now: r4.Observation) -> bool:
    """Whether a result is one to call about that was not so before."""
    if facts.flag_of(now) not in facts.CRITICAL:
        return False
    told = before and (facts.value_of(before), facts.unit_of(before), facts.flag_of(before))
    return told != (facts.value_of(now), facts.unit_of(now), facts.flag_of(now))


def amends(work: Work, readings: Mapping[str, facts.Reading]) -> bool:
    """Whether readings change something that was handed out, or add to a tube that was."""
    released = work.tube.stage == Stage.RELEASED
    known = ((work.results.get(id_), reading) for id_, reading in readings.items())
    return any((released or facts.told(old)) and not same(old, reading) for old, reading in known)


def _measured(desk: Asker, work: Work, readings: Mapping[str, facts.Reading]) -> list[r4.Observation]:
    """Build the results that readings change."""
    new = [
        (order, analyte, reading)
        for order, analyte in work.slots()
        if (reading := readings.get(id_ := facts.observation_id(order.id or "", analyte.key)))
        and not same(work.results.get(id_), reading)
    ]
    return _built(desk, work, new)


def _calculated(desk: Asker, work: Work, changed: list[r4.Observation]) -> list[r4.Observation]:
    """Build what is calculated from results, and what no longer can be as absent."""
    merged = work.results | {r.id or "": r for r in changed}
    new = []
    for order, rule in work.calculated():
        id_ = facts.observation_id(order.id or "", rule.analyte)
        old = merged.get(id_)
        reading = work.judge.calculate(rule, merged.values())
        if reading is None and old is not None:
            reading = facts.Reading(absent=True)
        if reading is not None and not same(old, reading):
            new.append((order, analytes()[rule.analyte], reading))
    return _built(desk, work, new)


def _built(
    desk: Asker, work: Work, new: list[tuple[r4.ServiceRequest, Analyte, facts.Reading]]
) -> list[r4.Observation]:
    if new and work.before is None:
        recall(desk, [work])
    before = work.before or {}
    return [
        facts.observation(
            order,
            analyte,
            reading,
            specimen=work.tube.specimen,
            bounds=work.judge.bounds(analyte, reading.device),
            status="preliminary",
            delta=work.judge.delta(analyte, reading, before.get(analyte.loinc)),
            indicator=work.judge.indicator(analyte),
        )
        for order, analyte, reading in new
    ]


def _judged(work: Work, alarms: list[r4.Observation]) -> None:
    """Keep with the tube whether somebody must be called, and what is held."""
    tube = work.tube
    again = work.results.values() if tube.critical else alarms
    was, tube.critical = tube.critical, any(facts.flag_of(r) in facts.CRITICAL for r in again)
    if tube.critical and not was:
        tube.critical_at = datetime.now(UTC)
    tube.holds = [
        [rule.code, facts.key_of(result)]
        for result in work.results.values()
        if result.status == "preliminary"
        for rule in work.judge.held(result, urgent=tube.urgent, qc=work.quality.get(_source(result), ""))
    ]


def _source(result: r4.Observation) -> tuple[str, str]:
    """The machine and analyte of a result, as quality control names them."""
    return (result.device.display or "") if result.device else "", facts.key_of(result)


def _fit(work: Work) -> None:
    """Raise QualityFailed where a new result is of a test that quality control has stopped on its machine."""
    if _stopped(work):
        raise QualityFailed


def _stopped(work: Work) -> bool:
    fresh = (result for result in work.results.values() if result.status == "preliminary")
    return any(work.quality.get(_source(result)) == "blocked" for result in fresh)


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


def log_call(asker: Asker, number: str, told: str, *, answered: bool = True, read_back: bool = True) -> Tube:
    """Log a call about critical values; once somebody has read them back, the result may be released.

    told: who was called. Raises NotReadBack for an answer without it, NeedsReason.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        told = _reason(told)
        if answered and not read_back:
            raise NotReadBack
        desk = as_desk(asker)
        work = work_on(desk, tube)
        critical = [r for r in work.results.values() if facts.flag_of(r) in facts.CRITICAL]
        if not tube.critical or not critical:
            raise WrongStage
        at = datetime.now(UTC)
        record.create(desk, result_facts.call(asker, critical, told, facility=tube.facility, answered=answered, at=at))
        if answered:
            tube.critical = False
            tube.called_at = tube.called_at or at
        _keep(tube)
    return tube


def verify(asker: Asker, number: str, *, note: str = "") -> Tube:
    """The technician's validation. note: why it holds against what is held, which is due then.

    Raises Incomplete without any result, HeldBack, QualityFailed.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage == Stage.VERIFIED:
            return tube
        if tube.stage != Stage.RESULTED:
            raise Incomplete
        if tube.holds and not note.strip():
            raise HeldBack
        desk = as_desk(asker)
        work = work_on(desk, tube)
        if _awaits(work):
            raise Incomplete
        _fit(work)
        writes = Writes(desk)
        _verified(asker, writes, work, note.strip()[:500])
        writes.keep()
        tube.stage = Stage.VERIFIED
        _keep(tube)
    return tube


def granted(work: Work) -> Automatic | None:
    """The rule by which the results of a tube need no technician: all are there, and nothing is held of them."""
    tube, open_ = work.tube, [order for order in work.orders.values() if order.status != "revoked"]
    rule = work.judge.automatic(what.code for order in open_ if (what := facts.ordered_test(order)))
    if not rule or tube.stage != Stage.RESULTED or tube.holds or tube.critical or _stopped(work):
        return None
    whole = all(facts.observation_id(order.id or "", one.key) in work.results for order, one in work.slots())
    return rule if whole else None


def validate_by_rule(work: Work, rule: Automatic) -> None:
    """The technician's validation of results that were written, granted by a rule."""
    asker = replace(SYSTEM, account=BY_RULE, facility=work.tube.facility)
    writes = Writes(asker)
    _verified(asker, writes, work, rule.code)
    writes.keep()
    work.tube.stage = Stage.VERIFIED
    _keep(work.tube)


def _verified(asker: Asker, writes: Writes, work: Work, note: str = "") -> None:
    """Mark what a technician has validated, and order what the results ask for."""
    tube = work.tube
    fresh = [f"Observation/{result.id}" for result in _ready(work)]
    if fresh:
        writes.put(result_facts.validation(asker, fresh, "technical-validation", note), known=False)
    tube.verified_at, tube.verified_by = datetime.now(UTC), asker.account
    have = [what.code for order in work.orders.values() if (what := facts.ordered_test(order))]
    for rule, what in list(work.judge.reflexes(work.results.values(), have)):
        if what.specimen == facts.ordered_specimen(work.orders.values()):
            like = next(iter(work.orders.values()))
            made = add(asker, writes.desk, tube, [what], like, intent="reflex-order", note=rule.vi)
            work.add(made)


def release(
    asker: Asker, number: str, *, reasons: Mapping[str, str] | None = None, answers: Asker | None = None
) -> Tube:
    """The doctor's validation: sign and hand out. Results and reports become final, complete orders completed.

    Where nobody is named to sign, the technician's validation is part of it. Raises Incomplete without any result,
    NotSignatory, NotVerified, QualityFailed, and CriticalOpen while nobody was told of a critical value. Analytes
    without result leave the report partial and the tube at work; releasing again later hands out the rest. Raises
    insurance's Stopped; reasons: why to go on against what stopped it before; answers: who says so, if not the asker.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage == Stage.RELEASED:
            return tube
        if tube.stage not in (Stage.RESULTED, Stage.VERIFIED):
            raise Incomplete
        signing.check(asker, tube)
        if tube.critical:
            raise CriticalOpen
        desk = as_desk(asker)
        work = work_on(desk, tube)
        if _awaits(work):
            raise Incomplete
        _fit(work)
        writes = Writes(desk)
        if tube.stage == Stage.RESULTED:
            _verified(asker, writes, work)
        _signed(asker, writes, work)
        complete = _reports(writes, work, "final")
        for id_ in complete:
            order = work.orders[id_]
            if order.status != "completed":
                order.status = "completed"
                writes.put(order, known=True)
        writes.keep()
        whole = len(complete) == sum(o.status != "revoked" for o in work.orders.values())
        tube.stage, tube.holds = Stage.RELEASED if whole else Stage.RESULTED, []
        tube.released_at = datetime.now(UTC) if whole else tube.released_at
        _keep(tube)
        lines.released(work, complete)
        claim_is_changed(tube.encounter, _("Trả kết quả xét nghiệm sau khi gửi: gửi lại."))
        stop(answers or asker, tube.encounter, "result", reasons=reasons)
    return tube


def _signed(asker: Asker, writes: Writes, work: Work) -> None:
    """Make results final, mark who signed them, and tell surveillance of what it must know."""
    fresh = _ready(work)
    for result in fresh:
        result.status, result.issued = "final", facts.now()
        if asker.practitioner:
            result.performer = [*(result.performer or []), facts.ref("Practitioner", asker.practitioner)]
        writes.put(result, known=True)
    if fresh:
        targets = [f"Observation/{result.id}" for result in fresh]
        writes.put(result_facts.validation(asker, targets, "medical-validation"), known=False)
    notices.tell(writes, work.judge, fresh, work.tube.facility)
    warn(writes, work, fresh)
    bill(asker, writes.desk, work, fresh)


def _ready(work: Work) -> list[r4.Observation]:
    """The results that may be validated: new ones, but for cultures that still grow."""
    return [r for r in work.results.values() if r.status == "preliminary" and not facts.unfinished(r)]


def _awaits(work: Work) -> bool:
    """Whether only cultures are new that have not come to an end."""
    return not _ready(work) and any(facts.unfinished(result) for result in work.results.values())


def _reports(writes: Writes, work: Work, status: str, only: set[str] | None = None) -> set[str]:
    """Write the report of each order that has results; return the ids of orders whose results are complete."""
    complete = set()
    for id_, order in work.orders.items():
        what = facts.ordered_test(order)
        if not what or order.status == "revoked":
            continue
        ids = [facts.observation_id(id_, a.key) for a in what.analytes]
        extra = [facts.observation_id(id_, rule.analyte) for host, rule in work.calculated() if host.id == id_]
        results = [work.results[i] for i in (*ids, *extra) if i in work.results]
        results += [work.results[i] for result in results for i in facts.members(result) if i in work.results]
        whole = all(i in work.results and not facts.unfinished(work.results[i]) for i in ids)
        if whole:
            complete.add(id_)
        if not results or (only is not None and id_ not in only):
            continue
        if status == "final" and all(result.status == "preliminary" for result in results):
            continue  # a culture that still grows has its preliminary report
        part = status == "final" and not whole
        part = part or (status == "preliminary" and any(facts.told(result) for result in results))
        said = "partial" if part else status
        report = facts.report(order, results, said)
        old = work.reports.get(report.id or "")
        if isinstance(old, r4.DiagnosticReport):
            report.media = old.media
            said = report.status = "corrected" if status == "final" and old.status == "corrected" else said
            if (status == "final" or said != "corrected") and (old.status, old.result) == (said, report.result):
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
