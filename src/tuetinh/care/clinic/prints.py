"""The papers of a visit: prescription and summary."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

from django.utils import timezone

from tuetinh.care.clinic import queries
from tuetinh.care.clinic.vitals import VITALS
from tuetinh.care.lab.api import FLAGS, Result
from tuetinh.care.reception.api import Visit
from tuetinh.commons.catalogues.api import drug
from tuetinh.commons.documents.api import in_words, pdf, qr
from tuetinh.commons.identity.api import banner
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.text import concept_text

CHILD = 72  # months


def prescription(asker: Asker, visit: Visit) -> bytes:
    """The prescription, A5: person, diagnoses, lines with strength, quantity and dose in words, advice."""
    data = _common(asker, visit)
    data["lines"] = _lines(asker, visit)
    data["child"] = _child(asker, visit)
    return pdf("clinic/prescription.typ", data, "A5")


def summary(asker: Asker, visit: Visit) -> bytes:
    """The summary of the visit, A4."""
    data = _common(asker, visit)
    values = queries.vital_values(asker, visit.encounter)
    history, examination, _version = queries.examination(asker, visit.encounter)
    data |= {
        "reason": visit.reason,
        "history": history,
        "examination": examination,
        "vitals": [
            {"name": str(VITALS[key].label), "value": f"{value:f}".replace(".", ","), "unit": VITALS[key].unit}
            for key, value in values.items()
            if key in VITALS
        ],
        "results": [
            {
                "name": r.name,
                "value": f"{_number(r)} {r.unit}".strip(),
                "limits": r.limits,
                "flag": str(FLAGS[r.flag][0]) if r.flag in FLAGS else "",
            }
            for r in queries.lab_of(asker, visit.encounter)
        ],
        "lines": _lines(asker, visit),
    }
    return pdf("clinic/summary.typ", data, "A4")


def _number(result: Result) -> str:
    return result.value if result.number is None else result.value.replace(".", ",")


def _quantity(line: r4.MedicationRequest) -> str:
    """What is handed out, as the circular has it written (TT 26/2025/TT-BYT Đ6 k6-7)."""
    quantity = (line.dispenseRequest.quantity if line.dispenseRequest else None) or r4.Quantity()
    if quantity.value is None:
        return ""
    known = drug(queries.drug_of(line))
    if known and known.control == "GN" and quantity.value % 1 == 0:
        return f"{in_words(quantity.value, '')} {quantity.unit or ''}".strip()
    return f"{'0' if 0 < quantity.value < 10 else ''}{quantity.value.normalize():f} {quantity.unit or ''}".strip()


def _child(asker: Asker, visit: Visit) -> str:
    """Age in months and weight of a child under 72 months, who is dosed by them (TT 26/2025/TT-BYT Đ6 k3)."""
    arrived = timezone.localdate(visit.arrived_at)
    try:
        born = date.fromisoformat(visit.birth)
    except ValueError:
        return ""
    months = (arrived.year - born.year) * 12 + arrived.month - born.month - (arrived.day < born.day)
    if not 0 <= months < CHILD:
        return ""
    weight = queries.vital_values(asker, visit.encounter).get("weight")
    return f"{months} tháng tuổi" + (f", nặng {weight:f} kg".replace(".", ",") if weight is not None else "")


def _lines(asker: Asker, visit: Visit) -> list[dict[str, str]]:
    """The prescription; toxic medicines first (TT 26/2025/TT-BYT Đ6 k5)."""
    lines = queries.prescription(asker, visit.encounter)
    told = [queries.line_values(line) | {"quantity": _quantity(line)} for line in lines]
    return sorted(told, key=lambda values: not ((known := drug(values["code"])) and known.control))


def _common(asker: Asker, visit: Visit) -> dict[str, Any]:
    person = banner(asker, visit.patient)
    organizations = record.read_many(SYSTEM, "Organization", [visit.facility])
    facility = cast("r4.Organization | None", organizations.get(visit.facility))
    doctor = cast("r4.Practitioner | None", record.read_many(SYSTEM, "Practitioner", [visit.doctor]).get(visit.doctor))
    advice, follow_up = queries.advice(asker, visit.encounter)
    return {
        "facility": {"name": (facility.name if facility else None) or visit.facility},
        "patient": {"name": person.name, "code": person.number},
        "age": person.age,
        "sex": person.sex,
        "birth": "/".join(reversed(person.birth.split("-"))),
        "address": person.address,
        "insurance": person.insurance,
        "visit": visit.arrived_at,
        "when": f"{timezone.localtime(visit.arrived_at):Ngày %d tháng %m năm %Y}",
        "room": visit.room_name,
        "diagnoses": [concept_text(c.code) for c in queries.conditions(asker, visit.encounter)],
        "codes": [
            next((g.code or "" for g in (c.code.coding if c.code else None) or []), "")
            for c in queries.conditions(asker, visit.encounter)
        ],
        "advice": advice,
        "follow_up": "/".join(reversed(follow_up.split("-"))),
        "doctor": (doctor.name[0].text if doctor and doctor.name else "") or "",
        "qr": qr(f"https://tuetinh.vn/fhir/ma-lk|{visit.encounter}"),
    }
