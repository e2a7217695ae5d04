"""What the doctor's page, the portal and the prints ask."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar, cast

from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.clinic import facts
from tuetinh.care.clinic.facts import IMAGING, SNOMED
from tuetinh.care.clinic.models import Draft
from tuetinh.care.clinic.vitals import PRESSURE, VITALS
from tuetinh.care.insurance.api import kind_so_far, kinds_for
from tuetinh.care.lab.api import Result, read_result, results, visit_results
from tuetinh.commons.catalogues.api import FORMULARY, SERVICES, Drug, drug, fold
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.text import concept_text

R = TypeVar("R", bound=r4.Resource)
GONE = ("cancelled", "entered-in-error", "draft", "stopped")


def patient_of(encounter: r4.Encounter) -> str:
    """The Patient id of a visit."""
    return ((encounter.subject.reference or "") if encounter.subject else "").rpartition("/")[2]


def found(asker: Asker, type_: type[R], query: str) -> list[R]:
    """The first page of a search."""
    return cast("list[R]", record.search(asker, type_.__name__, query).resources)


def conditions(asker: Asker, encounter_id: str) -> list[r4.Condition]:
    """The diagnoses of a visit made here, principal first."""
    all_ = found(asker, r4.Condition, f"encounter=Encounter/{encounter_id}&_count=100")
    mine = [c for c in all_ if (c.id or "").startswith(f"{encounter_id}-dx")]
    return sorted(mine, key=lambda c: int((c.id or "").rpartition("-dx")[2]))


def prescription(asker: Asker, encounter_id: str) -> list[r4.MedicationRequest]:
    """The standing lines of a visit, oldest first."""
    lines = found(asker, r4.MedicationRequest, f"encounter=Encounter/{encounter_id}&_count=100")
    return sorted((m for m in lines if m.status not in GONE), key=lambda m: (m.authoredOn or "", m.id or ""))


def same_line(line: r4.MedicationRequest) -> tuple[str, ...]:
    """What makes two prescription lines the same: drug, dose in words, days, quantity."""
    values = line_values(line)
    return tuple(values[name] for name in ("code", "text", "days", "quantity"))


def drug_of(line: r4.MedicationRequest) -> str:
    """The formulary code of a line."""
    codings = (line.medicationCodeableConcept.coding if line.medicationCodeableConcept else None) or []
    return next((c.code or "" for c in codings if c.system == FORMULARY), "")


def charges_about(asker: Asker, encounter_id: str, reference: str) -> list[r4.ChargeItem]:
    """The charges of a visit that rest on an order."""
    items = found(asker, r4.ChargeItem, f"context=Encounter/{encounter_id}&_count=500")
    about = [(item, [*(item.supportingInformation or []), *(item.service or [])]) for item in items]
    return [item for item, refs in about if any(r.reference == reference for r in refs)]


def warnings(asker: Asker, patient: str, encounter_id: str, drugs: Sequence[Drug]) -> list[str]:
    """What speaks against a prescription: allergies of the person, an ingredient twice, one still being taken."""
    told = []
    known_allergies = allergies(asker, patient)
    names = [fold(one.name) for one in drugs]
    for one, name in zip(drugs, names, strict=True):
        for allergy in known_allergies:
            if _crosses(fold(allergy), name):
                told.append(_("%(drug)s: người bệnh dị ứng %(allergy)s") % {"drug": one.name, "allergy": allergy})
        if names.count(name) > 1:
            told.append(_("%(drug)s: hoạt chất kê hai lần") % {"drug": one.name})
    taking = [m for m in medicines(asker, patient) if m.encounter != encounter_id]
    for one, name in zip(drugs, names, strict=True):
        told += [
            _("%(drug)s: đang dùng theo đơn ngày %(day)s") % {"drug": one.name, "day": m.day}
            for m in taking
            if m.active and fold(m.name).startswith(name)
        ]
    return list(dict.fromkeys(told))


def allergies(asker: Asker, patient: str) -> list[str]:
    """What a person does not bear, in words."""
    written = found(asker, r4.AllergyIntolerance, f"patient=Patient/{patient}&_count=50")
    over = {"refuted", "entered-in-error", "inactive", "resolved"}
    return [
        concept_text(a.code)
        for a in written
        if not over & {*codes_of(a.verificationStatus), *codes_of(a.clinicalStatus)}
    ]


def codes_of(concept: r4.CodeableConcept | None) -> list[str]:
    """The codes of a concept."""
    return [coding.code or "" for coding in (concept.coding if concept else None) or []]


def _crosses(allergy: str, name: str) -> bool:
    """Whether an allergy speaks against an ingredient: the same word, or both penicillins. Spelt -cillin or -cilin."""
    allergy, name = allergy.replace("ll", "l"), name.replace("ll", "l")
    same = any(len(word) > 3 and word in name for word in allergy.split())
    return same or ("cilin" in allergy and "cilin" in name)


@dataclass(frozen=True, slots=True)
class Medicine:
    """A medicine that somebody prescribed. day: dd/mm/yyyy; active: its days are not over."""

    name: str
    dose: str
    day: str
    until: str
    active: bool
    encounter: str


@dataclass(frozen=True, slots=True)
class Past:
    """A visit anywhere in the province. found: diagnoses in words."""

    id: str
    day: str
    where: str
    found: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class Known:
    """What the province knows of a person."""

    allergies: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    medicines: list[Medicine] = field(default_factory=list)
    visits: list[Past] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    pressure: dict[str, Any] | None = None


def known(asker: Asker, patient: str, *, visits: int = 8) -> Known:
    """Everything for the right side of the doctor's page, in a fixed number of searches."""
    told = Known()
    told.allergies = allergies(asker, patient)
    all_conditions = found(asker, r4.Condition, f"patient=Patient/{patient}&_count=200")
    listed = [c for c in all_conditions if _is_problem(c)]
    told.problems = list(dict.fromkeys(concept_text(c.code) for c in listed))
    told.medicines = [m for m in medicines(asker, patient) if m.active]
    told.visits = _visits(asker, patient, all_conditions, visits)
    told.results = results(asker, patient, 12)
    told.pressure = _pressure_chart(asker, patient)
    return told


def _is_problem(condition: r4.Condition) -> bool:
    status = {c.code for c in (condition.clinicalStatus.coding if condition.clinicalStatus else None) or []}
    kinds = {c.code for concept in condition.category or [] for c in concept.coding or []}
    return "problem-list-item" in kinds and not status & {"resolved", "inactive", "remission"}


def medicines(asker: Asker, patient: str) -> list[Medicine]:
    """The newest prescriptions of a person, everywhere."""
    lines = found(asker, r4.MedicationRequest, f"patient=Patient/{patient}&_sort=-authoredon&_count=50")
    return [_medicine(line) for line in lines if line.status not in GONE]


def _medicine(line: r4.MedicationRequest) -> Medicine:
    start = _day(line.authoredOn)
    supply = line.dispenseRequest.expectedSupplyDuration if line.dispenseRequest else None
    end = start + timedelta(days=int(supply.value)) if start and supply and supply.value else None
    return Medicine(
        name=concept_text(line.medicationCodeableConcept),
        dose=(line.dosageInstruction or [r4.Dosage()])[0].text or "",
        day=f"{start:%d/%m/%Y}" if start else "",
        until=f"{end:%d/%m/%Y}" if end else "",
        active=end >= timezone.localdate() if end else line.status == "active",
        encounter=((line.encounter.reference or "") if line.encounter else "").rpartition("/")[2],
    )


def _visits(asker: Asker, patient: str, diagnosed: Sequence[r4.Condition], limit: int) -> list[Past]:
    newest = found(asker, r4.Encounter, f"patient=Patient/{patient}&_sort=-date&_count={limit}")
    of: dict[str, list[str]] = {}
    for condition in diagnosed:
        visit = ((condition.encounter.reference or "") if condition.encounter else "").rpartition("/")[2]
        of.setdefault(visit, []).append(concept_text(condition.code))
    named = _places(asker, newest)
    return [_past(encounter, of.get(encounter.id or "", []), named) for encounter in newest]


def _places(asker: Asker, visits: Sequence[r4.Encounter]) -> dict[str, str]:
    """Names of the facilities by reference: as the visit says it, else as the facility itself does."""
    providers = [v.serviceProvider for v in visits if v.serviceProvider and v.serviceProvider.reference]
    named = {cast(str, p.reference): p.display or "" for p in providers}
    ids = [reference.rpartition("/")[2] for reference, name in named.items() if not name]
    read = cast("dict[str, r4.Organization]", record.read_many(asker, "Organization", ids)) if ids else {}
    return named | {f"Organization/{id_}": facility.name or "" for id_, facility in read.items()}


def _past(encounter: r4.Encounter, diagnoses: Sequence[str], named: Mapping[str, str]) -> Past:
    day = _day(encounter.period.start if encounter.period else None)
    where = named.get(encounter.serviceProvider.reference or "", "") if encounter.serviceProvider else ""
    reason = concept_text((encounter.reasonCode or [None])[0])  # type: ignore[list-item]
    kind = concept_text((encounter.type or [None])[0])  # type: ignore[list-item]
    found_ = tuple(dict.fromkeys(diagnoses))
    return Past(encounter.id or "", f"{day:%d/%m/%Y}" if day else "", where, found_, reason or kind)


def _pressure_chart(asker: Asker, patient: str) -> dict[str, Any] | None:
    """The last twelve blood pressures as an ECharts option; None when there are fewer than two."""
    query = f"patient=Patient/{patient}&code=http://loinc.org|{PRESSURE}&_sort=-date&_count=12"
    taken = list(reversed(found(asker, r4.Observation, query)))
    if len(taken) < 2:
        return None
    days, lines = [], {"8480-6": [], "8462-4": []}  # type: ignore[var-annotated]
    for one in taken:
        day = _day(one.effectiveDateTime)
        days.append(f"{day:%d/%m/%y}" if day else "")
        values = {
            c.code: part.valueQuantity.value
            for part in one.component or []
            for c in (part.code.coding if part.code else None) or []
            if part.valueQuantity
        }
        for code, points in lines.items():
            value = values.get(code)
            points.append(float(value) if value is not None else None)
    names = {VITALS[key].loinc: str(VITALS[key].label) for key in ("systolic", "diastolic")}
    series = [{"type": "line", "name": names[code], "data": points} for code, points in lines.items()]
    return {"xAxis": {"type": "category", "data": days}, "yAxis": {"type": "value", "scale": True}, "series": series}


def _day(text: str | None) -> date | None:
    try:
        if text and len(text) > 10:
            return timezone.localtime(datetime.fromisoformat(text)).date()
        return date.fromisoformat((text or "").ljust(10, "-")[:10]) if text and len(text) == 10 else None
    except ValueError:
        return None


def vital_values(asker: Asker, encounter_id: str) -> dict[str, Decimal]:
    """The visit's vital signs by key of vitals.VITALS, and `bmi`."""
    keys = [*(k for k in VITALS if k not in ("systolic", "diastolic")), "pressure", "bmi"]
    read = cast(
        "dict[str, r4.Observation]", record.read_many(asker, "Observation", [f"{encounter_id}-{k}" for k in keys])
    )
    values = {}
    for key in keys:
        one = read.get(f"{encounter_id}-{key}")
        if one is None:
            continue
        if one.valueQuantity and one.valueQuantity.value is not None:
            values[key] = one.valueQuantity.value
        for part, name in zip(one.component or [], ("systolic", "diastolic"), strict=False):
            if part.valueQuantity and part.valueQuantity.value is not None:
                values[name] = part.valueQuantity.value
    return values


class Examination(NamedTuple):
    """What was told and found in a visit, and the version that says so ("" before the first)."""

    history: str = ""
    examination: str = ""
    version: str = ""


def examination(asker: Asker, encounter_id: str) -> Examination:
    """History and examination of a visit."""
    read = record.read_many(asker, "ClinicalImpression", [f"{encounter_id}-exam"])
    one = cast("r4.ClinicalImpression | None", read.get(f"{encounter_id}-exam"))
    if one is None:
        return Examination()
    return Examination(one.description or "", one.summary or "", (one.meta.versionId or "") if one.meta else "")


def advice(asker: Asker, encounter_id: str) -> tuple[str, str]:
    """Advice of a visit and the day to come again (ISO), or ""."""
    one = cast(
        "r4.CarePlan | None", record.read_many(asker, "CarePlan", [f"{encounter_id}-plan"]).get(f"{encounter_id}-plan")
    )
    return (one.description or "", (one.period.end or "") if one.period else "") if one else ("", "")


def kinds_of_care(asker: Asker, encounter_id: str) -> tuple[dict[str, str], str]:
    """The kinds of care (MA_LOAI_KCB) that a visit can be said to be of today, and which it is of."""
    encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
    return kinds_for(encounter, timezone.localdate()), kind_so_far(encounter)


def lab_of(asker: Asker, encounter_id: str) -> list[Result]:
    """The released results of the visit."""
    return visit_results(asker, encounter_id)


def line_values(line: r4.MedicationRequest) -> dict[str, str]:
    """A standing line as the page edits it: code, label, dose in words, quantity; `amount` when it is not the usual."""
    dispense = line.dispenseRequest or r4.MedicationRequestDispenseRequest()
    days = dispense.expectedSupplyDuration.value if dispense.expectedSupplyDuration else None
    dose = (line.dosageInstruction or [r4.Dosage()])[0]
    repeat = (dose.timing.repeat if dose.timing else None) or r4.TimingRepeat()
    amount = (dose.doseAndRate or [r4.DosageDoseAndRate()])[0].doseQuantity
    quantity = dispense.quantity or r4.Quantity()
    usual = None
    if repeat.frequency and amount and amount.value and days:
        package = amount.unit != quantity.unit
        usual = facts.usual_quantity(Decimal(repeat.frequency), amount.value, days, package=package)
    return {
        "code": drug_of(line),
        "label": concept_text(line.medicationCodeableConcept),
        "times": str(repeat.frequency or ""),
        "dose": _plain(amount.value if amount else None),
        "days": _plain(days),
        "amount": "" if quantity.value == usual else _plain(quantity.value),
        "note": dose.patientInstruction or "",
        "text": dose.text or "",
        "quantity": f"{_plain(quantity.value)} {quantity.unit or ''}".strip(),
    }


def typed_lines(lines: Sequence[Any]) -> list[dict[str, str]]:
    """Lines as they were typed, for a page that asks again."""
    told = []
    for line in lines:
        known_drug = drug(line.drug)
        numbers = {name: _plain(getattr(line, name)) for name in ("times", "dose", "days")}
        numbers["amount"] = _plain(line.quantity)
        label = known_drug.label if known_drug else line.drug
        told.append({"code": line.drug, "label": label, "note": line.note, "text": "", "quantity": "", **numbers})
    return told


def typed_rows(fields: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """The rows of a prescription as they were typed, by field; those without a medicine are left out."""
    names = ("drug", "times", "dose", "days", "quantity", "note")
    rows = zip_longest(*(fields.get(name, []) for name in names), fillvalue="")
    told = []
    for row in rows:
        values = dict(zip(names, row, strict=True))
        code, amount = values.pop("drug"), values.pop("quantity")
        if known_drug := drug(code):
            told.append(
                {"code": code, "label": known_drug.label, "text": "", "quantity": "", "amount": amount, **values}
            )
    return told


def _plain(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}".replace(".", ",")


def imaging_orders(asker: Asker, encounter_id: str) -> list[r4.ServiceRequest]:
    """The imaging orders of a visit, oldest first."""
    query = f"encounter=Encounter/{encounter_id}&category={SNOMED}|{IMAGING}&_count=100"
    return sorted(found(asker, r4.ServiceRequest, query), key=lambda order: (order.authoredOn or "", order.id or ""))


def service_of(order: r4.ServiceRequest) -> str:
    """The service code of an order."""
    codings = (order.code.coding if order.code else None) or []
    return next((c.code or "" for c in codings if c.system == SERVICES), "")


@dataclass(frozen=True, slots=True)
class Picture:
    """An imaging order as the page shows it."""

    id: str
    name: str
    site: str
    question: str
    urgent: bool
    status: str


def imaging(asker: Asker, encounter_id: str) -> list[Picture]:
    """The imaging orders of a visit that stand."""
    return [
        Picture(
            order.id or "",
            concept_text(order.code),
            concept_text((order.bodySite or [None])[0]),  # type: ignore[list-item]
            concept_text((order.reasonCode or [None])[0]),  # type: ignore[list-item]
            order.priority == "urgent",
            order.status or "",
        )
        for order in imaging_orders(asker, encounter_id)
        if order.status not in ("revoked", "entered-in-error")
    ]


def new_window() -> str:
    """A name for a page that is being opened; it says when, so that a page opened before another is known."""
    return f"{timezone.now().timestamp():.3f}-{secrets.token_hex(4)}"


def opened_at(window: str) -> float:
    """When a page was opened, seconds since 1970; 0.0 for a name that is none of ours."""
    match = re.fullmatch(r"(\d{10}\.\d{3})-[0-9a-f]{8}", window)
    return float(match[1]) if match else 0.0


def drafts(asker: Asker, encounter_id: str) -> dict[str, Draft]:
    """The asker's drafts of a visit by form."""
    return {d.form: d for d in Draft.objects.filter(encounter=encounter_id, account=asker.account)}


@dataclass(frozen=True, slots=True)
class Seen:
    """A visit of the past, of whatever system: what was found, measured, done and given."""

    past: Past
    told: Examination
    results: list[Result]
    medicines: list[Medicine]
    done: list[str]
    advice: str


def seen(asker: Asker, patient: str, encounter_id: str) -> Seen | None:
    """One visit of a person; None when the person has no such visit."""
    about = f"encounter=Encounter/{encounter_id}"
    visit = cast("r4.Encounter | None", record.read_many(asker, "Encounter", [encounter_id]).get(encounter_id))
    if visit is None or patient_of(visit) != patient:
        return None
    conditions_here = found(asker, r4.Condition, f"{about}&_count=100")
    measured = found(asker, r4.Observation, f"{about}&_sort=-date&_count=200")
    procedures = found(asker, r4.Procedure, f"{about}&_count=100")
    vaccines = found(asker, r4.Immunization, f"patient=Patient/{patient}&_count=200")
    given = [v for v in vaccines if v.encounter and v.encounter.reference == f"Encounter/{encounter_id}"]
    return Seen(
        _past(visit, [concept_text(c.code) for c in conditions_here], _places(asker, [visit])),
        examination(asker, encounter_id),
        [r for one in measured for r in _readings(one)],
        [_medicine(m) for m in found(asker, r4.MedicationRequest, f"{about}&_count=100") if m.status not in GONE],
        list(
            dict.fromkeys([*(concept_text(p.code) for p in procedures), *(concept_text(v.vaccineCode) for v in given)])
        ),
        advice(asker, encounter_id)[0],
    )


def _readings(one: r4.Observation) -> list[Result]:
    """An observation as results: itself, or each of its components when it has no value of its own."""
    if not one.component:
        return [read_result(one)]
    return [
        read_result(r4.Observation(id=one.id, status=one.status, code=part.code, valueQuantity=part.valueQuantity,
                                   valueCodeableConcept=part.valueCodeableConcept, valueString=part.valueString,
                                   referenceRange=part.referenceRange, interpretation=part.interpretation,
                                   effectiveDateTime=one.effectiveDateTime))
        for part in one.component
    ]  # fmt: skip


def diagnosed(asker: Asker, patient: str) -> list[tuple[str, str, int]]:
    """The diagnoses of a person, the latest first: its last day, words, and how often it was made."""
    all_ = found(asker, r4.Condition, f"patient=Patient/{patient}&_count=200")
    told = sorted(((c.onsetDateTime or c.recordedDate or "", concept_text(c.code)) for c in all_), reverse=True)
    times = Counter(name for _, name in told)
    latest = {name: at for at, name in reversed(told)}
    newest = dict.fromkeys(name for _, name in told)
    return [(f"{day:%d/%m/%Y}" if (day := _day(latest[name])) else "", name, times[name]) for name in newest]
