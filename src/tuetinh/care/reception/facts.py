"""How a visit looks as an Encounter."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tuetinh.care.insurance.api import REASON
from tuetinh.record import r4

MA_LK: Final = "https://tuetinh.vn/fhir/ma-lk"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CLASSES: Final = {"EMER": "emergency", "AMB": "ambulatory"}
ROOM_KIND: Final = "https://tuetinh.vn/fhir/CodeSystem/room-kind"
# Why a person comes, as the desk says it → benefits.Reason; own choice is worked out from the card's registration.
REASONS: Final = {"own": "", "referral": "referral", "emergency": "emergency", "revisit": "revisit"}


def encounter(
    id_: str,
    patient: r4.Patient,
    *,
    facility: r4.Organization,
    room: r4.Location,
    reason: str,
    kind: str,
    at: datetime,
) -> r4.Encounter:
    """A visit that has just arrived (Encounter.status arrived, class AMB or EMER)."""
    code = "EMER" if kind == "emergency" else "AMB"
    name = patient.name[0].text if patient.name else None
    start = at.isoformat(timespec="seconds")
    return r4.Encounter(
        id=id_,
        extension=[r4.Extension(url=REASON, valueCode=REASONS[kind])] if REASONS[kind] else None,
        identifier=[r4.Identifier(system=MA_LK, value=id_)],
        status="arrived",
        class_=r4.Coding(system=ACT_CODE, code=code, display=CLASSES[code]),
        subject=r4.Reference(reference=f"Patient/{patient.id}", display=name),
        period=r4.Period(start=start),
        reasonCode=[r4.CodeableConcept(text=reason)] if reason else None,
        location=[
            r4.EncounterLocation(
                location=r4.Reference(reference=f"Location/{room.id}", display=room.name),
                status="active",
                period=r4.Period(start=start),
            )
        ],
        serviceProvider=r4.Reference(reference=f"Organization/{facility.id}", display=facility.name),
    )


def department(room: r4.Location) -> str:
    """MA_KHOA of a room, or ""."""
    codings = [c for concept in room.type or [] for c in concept.coding or []]
    return next((c.code or "" for c in codings if (c.system or "").endswith("/ma-khoa")), "")


def is_consulting(room: r4.Location) -> bool:
    """Whether people wait for a doctor in this room."""
    codings = [c for concept in room.type or [] for c in concept.coding or []]
    kinds = {c.code for c in codings if c.system == ROOM_KIND}
    return "exam" in kinds if kinds else True
