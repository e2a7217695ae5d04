"""Results as they come in, typed or from machines: kept, calculated from, judged, reported, called about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from tuetinh.care.insurance.api import claim_is_changed
from tuetinh.care.lab import facts
from tuetinh.care.lab.actions import as_desk, at_bench, due, keep_tube, lock, need_reason
from tuetinh.care.lab.catalogue import Analyte, analytes
from tuetinh.care.lab.errors import BadValue, NotReadBack, WrongStage
from tuetinh.care.lab.machines.messages import number as read_number
from tuetinh.care.lab.microbiology.release import warn
from tuetinh.care.lab.models import Analyser, Tube
from tuetinh.care.lab.results import facts as result_facts
from tuetinh.care.lab.results import notices
from tuetinh.care.lab.results.work import Work, Writes, recall, work_on
from tuetinh.care.lab.statistics import lines
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

_RECALCULATED = "Tính lại khi có kết quả mới"
Stage = Tube.Stage


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
        for order, analyte in work.places():
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
    writes = Writes(at_bench(asker)) if into is None else into
    if tube.stage in (Stage.REJECTED, Stage.CANCELLED):
        raise WrongStage
    reason = need_reason(reason) if amends(work, readings) else ""
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
    if amended:
        reports(writes, work, "corrected", only=amended)
    reports(writes, work, "preliminary", only=touched - amended)
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
        for order, analyte in work.places()
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
        for rule in work.judge.held(result, urgent=tube.urgent, qc=work.quality.get(source_of(result), ""))
    ]


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


def source_of(result: r4.Observation) -> tuple[str, str]:
    """The machine and analyte of a result, as quality control names them."""
    return (result.device.display or "") if result.device else "", facts.key_of(result)


def reports(writes: Writes, work: Work, status: str, only: set[str] | None = None) -> set[str]:
    """Write the report of each order that has results; return the ids of orders whose results are complete."""
    complete = set()
    for id_, order in work.orders.items():
        what = work.test(id_)
        if not what or order.status == "revoked":
            continue
        ids = [facts.observation_id(id_, a.key) for a in what.analytes]
        extra = [facts.observation_id(id_, one.key) for one in what.also]
        extra += [facts.observation_id(id_, rule.analyte) for host, rule in work.calculated() if host.id == id_]
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


def log_call(asker: Asker, number: str, told: str, *, answered: bool = True, read_back: bool = True) -> Tube:
    """Log a call about critical values; once somebody has read them back, the result may be released.

    told: who was called. Raises NotReadBack for an answer without it, NeedsReason.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        told = need_reason(told)
        if answered and not read_back:
            raise NotReadBack
        desk = at_bench(asker)
        work = work_on(desk, tube)
        critical = [r for r in work.results.values() if facts.flag_of(r) in facts.CRITICAL]
        if not tube.critical or not critical:
            raise WrongStage
        at = datetime.now(UTC)
        record.create(desk, result_facts.call(asker, critical, told, facility=tube.facility, answered=answered, at=at))
        if answered:
            tube.critical = False
            tube.called_at = tube.called_at or at
        keep_tube(tube)
    return tube
