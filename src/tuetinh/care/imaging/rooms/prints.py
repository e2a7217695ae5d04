"""The sheet that a person takes home: when and where to come, and what to do before."""

from __future__ import annotations

from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.rooms.queries import booking_of, protocol_of
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.commons.access.api import place_name
from tuetinh.commons.documents.api import Paper, pdf
from tuetinh.commons.identity.api import banner
from tuetinh.record.asker import Asker

_DAYS = ("Thứ hai", "Thứ ba", "Thứ tư", "Thứ năm", "Thứ sáu", "Thứ bảy", "Chủ nhật")


def sheet(asker: Asker, exam: Exam, paper: Paper = "A5") -> bytes:
    """The preparation sheet of an examination; without a time where none is given yet. In Vietnamese."""
    person, protocol, booking = banner(asker, exam.patient), protocol_of(exam), booking_of(exam)
    sheets = in_force(exam.facility).sheets(protocol) if protocol else []
    data = {
        "facility": {"name": place_name("Organization", exam.facility)},
        "patient": {
            "name": person.name, "number": person.number, "sex": person.sex,
            "birth": "/".join(reversed(person.birth.split("-"))),
        },
        "number": exam.accession_number, "service": exam.description,
        "at": booking.starts if booking else None,
        "day": _DAYS[booking.starts.isoweekday() - 1] if booking else "",
        "room": booking.room.name if booking else "",
        "minutes": protocol.minutes if protocol else None,
        "sheets": [{"title": one.vi, "lines": list(filter(str.strip, one.body.splitlines()))} for one in sheets],
    }  # fmt: skip
    return pdf("imaging/preparation.typ", data, paper)
