"""The number of a visit on 80 mm paper."""

from __future__ import annotations

from typing import cast

from tuetinh.care.reception import queries
from tuetinh.commons.documents.api import pdf, qr
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker


def ticket(asker: Asker, encounter_id: str) -> bytes:
    """The PDF that the desk hands out: number, room, how many are before, the visit's code. Raises NoVisit."""
    found = queries.visit(asker, encounter_id)
    places = record.read_many(SYSTEM, "Organization", [found.facility])
    place = cast("r4.Organization | None", places.get(found.facility))
    data = {
        "facility": {"name": (place.name if place else None) or found.facility},
        "number": f"{found.number:03}",
        "room": found.room_name,
        "name": found.name,
        "ahead": queries.ahead(found),
        "priority": found.priority,
        "at": found.arrived_at,
        "code": qr(f"https://tuetinh.vn/fhir/ma-lk|{found.encounter}"),
    }
    return pdf("reception/ticket.typ", data, "80mm")
