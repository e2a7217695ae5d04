"""Today's people at the desks of the cast, so that the province is alive when it is first opened."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec

from tuetinh.care.imaging import api as imaging
from tuetinh.node.demo import people, places
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING

RECEPTION = "tuetinh.care.reception"
LABORATORY = "tuetinh.care.lab"
# The analysers of the laboratory: name, MSH-3, MA_MAY, and what it means by its own codes (analyte, unit, factor).
ANALYSERS: tuple[tuple[str, str, str, dict[str, tuple[str, str, str]]], ...] = (
    (
        "Máy huyết học XN-1000",
        "XN-1000",
        "HH.1.XN1000-12345",
        dict.fromkeys(("RDW-SD", "PDW", "MPV", "P-LCR", "PCT", "NRBC%", "IG%"), ("", "", "1")),
    ),
    (
        "Máy sinh hóa BS-240",
        "BS-240",
        "SH.1.BS240-67890",
        {
            "GLU-G": ("GLU", "mmol/L", "1"), "UREA": ("UREA", "mmol/L", "1"), "CREA-S": ("CREA", "mg/dL", "88.4"),
            "TC": ("CHOL", "mmol/L", "1"), "TG": ("TRIG", "mmol/L", "1"), "HDL-C": ("HDL", "mmol/L", "1"),
            "LDL-C": ("LDL", "mmol/L", "1"), "T-BIL": ("TBIL", "umol/L", "1"), "D-BIL": ("DBIL", "umol/L", "1"),
        },
    ),
)  # fmt: skip
# Who comes where, by the number of the person: the citizen of the cast is left for whoever tries the platform.
WAITING = (
    ("noi-1", "Ho, sốt 3 ngày", 5),
    ("noi-1", "Tái khám tăng huyết áp", 6),
    ("noi-1", "Đau thượng vị, ợ chua", 9),
    ("noi-1", "Đau đầu, chóng mặt", 12),
    ("noi-2", "Đau khớp gối", 15),
    ("noi-2", "Mệt mỏi, ăn kém", 18),
    ("nhi", "Sốt, ho, sổ mũi", 4),
    ("san", "Khám thai định kỳ", 3),
)


def open_today() -> None:
    """Let a few people wait at the health centre of the cast, unless someone waits there already."""
    if find_spec(RECEPTION) is None or find_spec(f"{RECEPTION}.api") is None:
        return  # a node without a reception has no queue
    reception = import_module(f"{RECEPTION}.api")
    desk = Asker(account="system", role="reception", facility=places.CAST, scopes=SYSTEM.scopes, sight=EVERYTHING)
    if any(reception.waiting(desk, f"{places.CAST}-{room}") for room in {room for room, _, _ in WAITING}):
        return
    from tuetinh.record import api as record

    known = record.read_many(SYSTEM, "Patient", [_patient(number) for _, _, number in WAITING])
    for room, reason, number in WAITING:
        if _patient(number) in known:
            reception.open_visit(
                desk, _patient(number), facility=places.CAST, room=f"{places.CAST}-{room}", reason=reason
            )


def install_analysers() -> None:
    """Give the laboratory of the cast its two analysers, unless it has some."""
    if find_spec(LABORATORY) is None or find_spec(f"{LABORATORY}.api") is None:
        return  # a node without a laboratory has no analysers
    lab = import_module(f"{LABORATORY}.api")
    desk = Asker(account="system", role="system", facility=places.CAST, scopes=SYSTEM.scopes, sight=EVERYTHING)
    if lab.analysers(desk).exists():
        return
    for name, application, ministry_code, codes in ANALYSERS:
        row = lab.save_analyser(
            desk, None, name=name, application=application, sending_facility="LAB", ministry_code=ministry_code
        )
        for code, (analyte, unit, factor) in codes.items():
            lab.teach_analyser(desk, row.pk, code, analyte, unit=unit, factor=Decimal(factor))


def install_devices() -> None:
    """Let any DICOM machine or viewer of this computer call the hospital of the cast, unless machines are known."""
    imaging.first_device(places.CAST, name="Máy trên máy tính này", address="127.0.0.1")
    imaging.first_rooms(places.CAST)


def _patient(number: int) -> str:
    return f"{people.CITIZEN[:2]}{number:07}"
