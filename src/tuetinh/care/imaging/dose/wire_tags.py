"""What pictures (PS3.3, C.8.15.3, C.8.7.10, C.8.11.3) and procedure steps (C.4.16) tell of dose."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tuetinh.care.imaging.archive.reading import text
from tuetinh.care.imaging.dose.told import Event, Told, amount
from tuetinh.care.imaging.dose.wire_rdsr import machine

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

KEYWORDS: Final = [
    "CTDIvol", "ImageAndFluoroscopyAreaDoseProduct", "OrganDose", "IrradiationEventUID", "ProtocolName",
    "BodyPartExamined", "SeriesInstanceUID", "AcquisitionNumber", "Manufacturer", "ManufacturerModelName",
    "StationName",
]  # fmt: skip
# Their units by the standard: mGy; dGy·cm²; dGy.
_MEASURED: Final = (
    ("CTDIvol", "ctdi", "mGy", "00189345"),
    ("ImageAndFluoroscopyAreaDoseProduct", "dap", "dGy.cm2", "0018115E"),
    ("OrganDose", "agd", "dGy", "00400316"),
)


def of_image(head: Dataset) -> tuple[Event, str] | None:
    """The exposure of a picture and the machine in words; None where it tells no dose."""
    found: dict[str, Any] = {
        quantity: amount(quantity, text(head, word), unit) for word, quantity, unit, _ in _MEASURED if word in head
    }
    found = {quantity: value for quantity, value in found.items() if value}
    if not found:
        return None
    uid = text(head, "IrradiationEventUID").partition("\\")[0]
    uid = uid or f"{text(head, 'SeriesInstanceUID')}#{text(head, 'AcquisitionNumber')}"
    if "dap" in found and not text(head, "IrradiationEventUID"):
        uid = ""  # each picture is an exposure of its own
    event = Event(uid, text(head, "ProtocolName")[:100], text(head, "BodyPartExamined")[:100], **found)
    return event, machine(*(text(head, name) for name in ("Manufacturer", "ManufacturerModelName", "StationName")))


def of_step(attributes: dict[str, Any]) -> Told:
    """What a performed procedure step tells, by its DICOM JSON."""
    told = Told(
        modality=str(_first(attributes, "00080060") or "")[:16], machine=str(_first(attributes, "00400242") or "")
    )
    told.add("dap", amount("dap", _first(attributes, "0018115E"), "dGy.cm2"))
    for item in attributes.get("0040030E", {}).get("Value") or []:  # Exposure Dose Sequence
        found: dict[str, Any] = dict(_measured(item))
        if found:
            told.events.append(Event(protocol=str(_first(attributes, "00400254") or "")[:100], **found))
    return told


def _measured(item: dict[str, Any]) -> Iterator[tuple[str, Decimal]]:
    for _, quantity, unit, tag in _MEASURED:
        if value := amount(quantity, _first(item, tag), unit):
            yield quantity, value


def _first(attributes: dict[str, Any], tag: str) -> Any:
    values = attributes.get(tag, {}).get("Value") or [None]
    return values[0]
