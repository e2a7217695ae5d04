"""What the doctor's page, the portal and the prints ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar, cast

from django.utils.translation import gettext as _

from tuetinh.care.clinic.facts import words
from tuetinh.care.clinic.vitals import PRESSURE, VITALS
from tuetinh.care.lab.api import Result, results, visit_results
from tuetinh.commons.catalogues.api import FORMULARY, Drug, fold
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

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


def same_line(line: r4.MedicationRequest) -> tuple[str, str, str]:
    """What makes two prescription lines the same: drug, dose in words, quantity."""
    dose = (line.dosageInstruction or [r4.Dosage()])[0].text or ""
    quantity = line.dispenseRequest.quantity.value if line.dispenseRequest and line.dispenseRequest.quantity else None
    return drug_of(line), dose, str((quantity or Decimal(0)).normalize())


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
    allergies = [words(a.code) for a in found(asker, r4.AllergyIntolerance, f"patient=Patient/{patient}&_count=50")]
    names = [fold(drug.name) for drug in drugs]
    for drug, name in zip(drugs, names, strict=True):
        for allergy in allergies:
            if _crosses(fold(allergy), name):
                told.append(_("%(drug)s: người bệnh dị ứng %(allergy)s") % {"drug": drug.name, "allergy": allergy})
        if names.count(name) > 1:
            told.append(_("%(drug)s: hoạt chất kê hai lần") % {"drug": drug.name})
    taking = [m for m in medicines(asker, patient) if m.encounter != encounter_id]
    for drug, name in zip(drugs, names, strict=True):
        told += [
            _("%(drug)s: đang dùng theo đơn ngày %(day)s") % {"drug": drug.name, "day": m.day}
            for m in taking
            if m.active and fold(m.name).startswith(name)
        ]
    return list(dict.fromkeys(told))


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
    told.allergies = [
        words(a.code) for a in found(asker, r4.AllergyIntolerance, f"patient=Patient/{patient}&_count=50")
    ]
    all_conditions = found(asker, r4.Condition, f"patient=Patient/{patient}&_count=200")
    listed = [c for c in all_conditions if _is_problem(c)]
    told.problems = list(dict.fromkeys(words(c.code) for c in listed))
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
    from datetime import date, timedelta

    from django.utils import timezone

    lines = found(asker, r4.MedicationRequest, f"patient=Patient/{patient}&_sort=-authoredon&_count=50")
    today, told = timezone.localdate(), []
    for line in lines:
        if line.status in GONE:
            continue
        start = _day(line.authoredOn)
        supply = line.dispenseRequest.expectedSupplyDuration if line.dispenseRequest else None
        end = start + timedelta(days=int(supply.value)) if start and supply and supply.value else None
        told.append(
            Medicine(
                name=words(line.medicationCodeableConcept),
                dose=(line.dosageInstruction or [r4.Dosage()])[0].text or "",
                day=f"{start:%d/%m/%Y}" if start else "",
                until=f"{end:%d/%m/%Y}" if end else "",
                active=(end or date.min) >= today if end else line.status == "active",
                encounter=((line.encounter.reference or "") if line.encounter else "").rpartition("/")[2],
            )
        )
    return told


def _visits(asker: Asker, patient: str, diagnosed: Sequence[r4.Condition], limit: int) -> list[Past]:
    seen = found(asker, r4.Encounter, f"patient=Patient/{patient}&_sort=-date&_count={limit}")
    of: dict[str, list[str]] = {}
    for condition in diagnosed:
        visit = ((condition.encounter.reference or "") if condition.encounter else "").rpartition("/")[2]
        of.setdefault(visit, []).append(words(condition.code))
    told = []
    for encounter in seen:
        day = _day(encounter.period.start if encounter.period else None)
        where = encounter.serviceProvider.display if encounter.serviceProvider else None
        reason = words((encounter.reasonCode or [None])[0])  # type: ignore[list-item]
        kind = words((encounter.type or [None])[0])  # type: ignore[list-item]
        diagnoses = tuple(dict.fromkeys(of.get(encounter.id or "", [])))
        told.append(Past(encounter.id or "", f"{day:%d/%m/%Y}" if day else "", where or "", diagnoses, reason or kind))
    return told


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


def _day(text: str | None) -> Any:
    from datetime import date, datetime

    from django.utils import timezone

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


def examination(asker: Asker, encounter_id: str) -> tuple[str, str]:
    """History and examination of a visit."""
    read = record.read_many(asker, "ClinicalImpression", [f"{encounter_id}-exam"])
    one = cast("r4.ClinicalImpression | None", read.get(f"{encounter_id}-exam"))
    return (one.description or "", one.summary or "") if one else ("", "")


def advice(asker: Asker, encounter_id: str) -> tuple[str, str]:
    """Advice of a visit and the day to come again (ISO), or ""."""
    one = cast(
        "r4.CarePlan | None", record.read_many(asker, "CarePlan", [f"{encounter_id}-plan"]).get(f"{encounter_id}-plan")
    )
    return (one.description or "", (one.period.end or "") if one.period else "") if one else ("", "")


def lab_of(asker: Asker, encounter_id: str) -> list[Result]:
    """The released results of the visit."""
    return visit_results(asker, encounter_id)


def line_values(line: r4.MedicationRequest) -> dict[str, str]:
    """A standing line as the page edits it: code, label, dose in words, quantity."""
    dispense = line.dispenseRequest or r4.MedicationRequestDispenseRequest()
    days = dispense.expectedSupplyDuration.value if dispense.expectedSupplyDuration else None
    dose = (line.dosageInstruction or [r4.Dosage()])[0]
    repeat = (dose.timing.repeat if dose.timing else None) or r4.TimingRepeat()
    amount = (dose.doseAndRate or [r4.DosageDoseAndRate()])[0].doseQuantity
    quantity = dispense.quantity or r4.Quantity()
    return {
        "code": drug_of(line),
        "label": words(line.medicationCodeableConcept),
        "times": str(repeat.frequency or ""),
        "dose": _plain(amount.value if amount else None),
        "days": _plain(days),
        "note": dose.patientInstruction or "",
        "text": dose.text or "",
        "quantity": f"{_plain(quantity.value)} {quantity.unit or ''}".strip(),
    }


def typed_lines(lines: Sequence[Any]) -> list[dict[str, str]]:
    """Lines as they were typed, for a page that asks again."""
    from tuetinh.commons.catalogues.api import drug

    told = []
    for line in lines:
        known_drug = drug(line.drug)
        numbers = {name: _plain(getattr(line, name)) for name in ("times", "dose", "days")}
        label = known_drug.label if known_drug else line.drug
        told.append({"code": line.drug, "label": label, "note": line.note, "text": "", "quantity": "", **numbers})
    return told


def _plain(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}".replace(".", ",")


def imaging(asker: Asker, encounter_id: str) -> list[tuple[str, str]]:
    """The imaging orders of a visit: name and status."""
    orders = found(asker, r4.ServiceRequest, f"encounter=Encounter/{encounter_id}&category=363679005&_count=100")
    return [(words(order.code), order.status or "") for order in orders]


def diagnosed(asker: Asker, patient: str) -> list[tuple[str, str]]:
    """Every diagnosis of a person, newest first: day and words."""
    all_ = found(asker, r4.Condition, f"patient=Patient/{patient}&_count=200")
    told = sorted(((c.onsetDateTime or c.recordedDate or "", words(c.code)) for c in all_), reverse=True)
    return [(f"{day:%d/%m/%Y}" if (day := _day(at)) else "", name) for at, name in told]
