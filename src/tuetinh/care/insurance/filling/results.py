"""Table 4, results of what was ordered, and table 5, how the illness went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tuetinh.care.insurance.filling.fills import NUMBERED, Claimed, Fill, Filling, OfVisit
from tuetinh.care.insurance.filling.reading import LOINC, code, id_of, licence, licences, quantity, text
from tuetinh.care.insurance.filling.summary import key
from tuetinh.care.insurance.filling.visit import FINAL, Visit
from tuetinh.care.insurance.situations import moment
from tuetinh.care.insurance.wire_xml3176 import moment as written
from tuetinh.commons.catalogues.api import INDICATORS
from tuetinh.record import r4

PROGRESS_FOR: Final = ("02", "03", "04", "05", "06", "08", "09")  # envelope §3: when table 5 is sent
# CSST<M_T_HA_NT_HL>: letters of the vital signs by LOINC, as the explanation of DIEN_BIEN_LS has them.
SIGNS: Final = {"M": "8867-4", "T": "8310-5", "HA": "85354-9", "NT": "9279-1", "SP": "59408-5"}
PRESSURE: Final = ("8480-6", "8462-4")


@dataclass(frozen=True, slots=True)
class Result:
    """A measurement, or a report without any, of an order."""

    visit: Visit
    one: r4.Observation | None
    report: r4.DiagnosticReport | None
    request: r4.ServiceRequest | None


def _results(claimed: Claimed) -> Iterator[tuple[Result, Mapping[str, str]]]:
    """Results of ordered tests, in the order in which they came."""
    visit = claimed.visit
    measured = [
        o
        for o in visit.observations
        if o.basedOn and (o.valueQuantity or o.valueRatio or o.valueString or o.valueCodeableConcept)
    ]
    measured.sort(key=lambda o: (o.issued or o.effectiveDateTime or "", o.id or ""))
    for one in measured:
        request = _order(visit, one.basedOn)
        report = next(iter(visit.reports_of.get((request.id if request else None) or "", [])), None)
        yield (
            Result(visit, one, report, request),
            _ids(Observation=one, DiagnosticReport=report, ServiceRequest=request),
        )
    told = {id_of(reference) for one in measured for reference in one.basedOn or []}
    for report in sorted(visit.reports, key=lambda r: (r.issued or "", r.id or "")):
        request = _order(visit, report.basedOn)
        signed = report.status in (*FINAL, "appended")
        apart = f"DiagnosticReport/{report.id}" in visit.told.get("XML4", {})
        if apart or (report.conclusion and signed and request and request.id not in told):
            yield Result(visit, None, report, request), _ids(DiagnosticReport=report, ServiceRequest=request)


def _order(visit: Visit, references: list[r4.Reference] | None) -> r4.ServiceRequest | None:
    """The first order of the visit that is named."""
    return next((visit.requests[id_] for one in references or [] if (id_ := id_of(one)) in visit.requests), None)


def _ids(**found: r4.Resource | None) -> dict[str, str]:
    return {name: one.id or "" for name, one in found.items() if one}


def _value(r: Result) -> str:
    if r.one is None:
        return ""
    if (ratio := r.one.valueRatio) and ratio.numerator and ratio.denominator:  # a titre
        return f"{ratio.numerator.value}:{ratio.denominator.value}"
    return quantity(r.one) if r.one.valueQuantity else r.one.valueString or text(r.one.valueCodeableConcept)


def _index(r: Result) -> str:
    """MA_CHI_SO: the shared code (QĐ 1227/QĐ-BYT) where the result has it, else its first one."""
    concept = r.one.code if r.one else None
    return code(concept, INDICATORS) or code(concept)


def _unit(r: Result) -> str:
    value = r.one.valueQuantity if r.one else None
    return (value.unit or value.code or "") if value else ""


def _reader(r: Result) -> str:
    """MA_BS_DOC_KQ: who read the result."""
    of_report = [*(r.report.resultsInterpreter or []), *(r.report.performer or [])] if r.report else []
    for one in [*((r.one.performer or []) if r.one else []), *of_report]:
        if found := licence(r.visit, one, fallback=False):
            return found
    return ""


def _described(r: Result) -> str:
    notes = (r.one.note or []) if r.one else []
    return "; ".join(note.text for note in notes if note.text)


def _ready(r: Result) -> str:
    if r.one:
        return written(moment(r.one.issued or r.one.effectiveDateTime))
    return written(moment(r.report.issued)) if r.report else ""


RESULTS: Final = Filling(
    _results,
    {
        "MA_LK": OfVisit("XML1.MA_LK", key),
        "STT": NUMBERED,
        "MA_DICH_VU": Fill("ServiceRequest.code", lambda r: code(r.request.code) if r.request else ""),
        "MA_CHI_SO": Fill("Observation.code", _index),
        "TEN_CHI_SO": Fill(
            "Observation.code, DiagnosticReport.code", lambda r: text(r.one.code if r.one else r.report.code)
        ),
        "GIA_TRI": Fill("Observation.value", _value),
        "DON_VI_DO": Fill("Observation.value.unit", _unit),
        "MO_TA": Fill("Observation.note", _described),
        "KET_LUAN": Fill("DiagnosticReport.conclusion", lambda r: (r.report.conclusion or "") if r.report else ""),
        "NGAY_KQ": Fill("Observation.issued, DiagnosticReport.issued", _ready),
        "MA_BS_DOC_KQ": Fill("Observation.performer, DiagnosticReport.resultsInterpreter", _reader),
    },
)

# Table 5 ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """A note of how the illness goes, or an operation."""

    visit: Visit
    note: r4.ClinicalImpression | None
    done: r4.Procedure | None = None

    @property
    def at(self) -> str:
        """When, ISO."""
        if self.note:
            return self.note.date or self.note.effectiveDateTime or ""
        period = self.done.performedPeriod if self.done else None
        return ((self.done.performedDateTime if self.done else None) or (period.start if period else None)) or ""


def _progress(claimed: Claimed) -> Iterator[tuple[Progress, Mapping[str, str]]]:
    visit = claimed.visit
    if not visit.told and claimed.summary["MA_LOAI_KCB"] not in PROGRESS_FOR:
        return
    notes = [Progress(visit, note) for note in visit.impressions if note.summary or visit.told]
    notes += [Progress(visit, None, done) for done in visit.procedures if text(done.code)]
    for one in sorted(notes, key=lambda one: one.at):
        yield one, _ids(ClinicalImpression=one.note, Procedure=one.done)


def _course(p: Progress) -> str:
    """DIEN_BIEN_LS: the note, with the vital signs of its day at its end."""
    if p.note is None:
        return text(p.done.code) if p.done else ""
    signs = "" if p.visit.told else _signs(p)
    return f"{p.note.summary} CSST<{signs}>" if signs else p.note.summary or ""


def _signs(p: Progress) -> str:
    day, told = p.at[:10], []
    for letter, loinc in SIGNS.items():
        same = (
            o for o in p.visit.observations if code(o.code, LOINC) == loinc and (o.effectiveDateTime or "")[:10] == day
        )
        found = max(same, key=lambda o: o.effectiveDateTime or "", default=None)
        if found is not None:
            parts = {code(c.code, LOINC): c.valueQuantity for c in found.component or []}
            pair = [parts.get(one) for one in PRESSURE]
            both = "/".join(f"{one.value:f}" for one in pair if one and one.value is not None)
            if value := both or quantity(found):
                told.append(f"{letter}{value}")
    return "_".join(told)


def _stage(p: Progress) -> str:
    stages = [text(stage.summary) for c in p.visit.conditions.values() for stage in c.stage or []]
    return "; ".join(dict.fromkeys(filter(None, stages)))


def _operation(p: Progress) -> str:
    notes = [note.text for note in (p.done.note or []) if note.text] if p.done else []
    return "; ".join(notes)


def _noted_by(p: Progress) -> str:
    if p.note:
        return licence(p.visit, p.note.assessor)
    return licences(p.visit, (one.actor for one in (p.done.performer or []))) if p.done else ""


PROGRESS: Final = Filling(
    _progress,
    {
        "MA_LK": OfVisit("XML1.MA_LK", key),
        "STT": NUMBERED,
        "DIEN_BIEN_LS": Fill("ClinicalImpression.summary, Observation(vital-signs), Procedure.code", _course),
        "GIAI_DOAN_BENH": Fill("Condition.stage", _stage),
        "HOI_CHAN": Fill(
            "ClinicalImpression.note",
            lambda p: "; ".join(note.text for note in (p.note.note or []) if note.text) if p.note else "",
        ),
        "PHAU_THUAT": Fill("Procedure.note", _operation),
        "THOI_DIEM_DBLS": Fill("ClinicalImpression.date, Procedure.performed", lambda p: written(moment(p.at))),
        "NGUOI_THUC_HIEN": Fill("ClinicalImpression.assessor, Procedure.performer", _noted_by),
    },
)
