"""Radiation dose reports (PS3.16, TID 10001, 10003, 10011, 10013) as what they tell of exposures."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tuetinh.care.imaging.archive.reading import text
from tuetinh.care.imaging.dose.told import Event, Told, amount

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.88.67",  # X-Ray Radiation Dose SR
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
)
REPORT: Final = "113701"  # X-Ray Radiation Dose Report (DCM)
_CT_TOTALS, _CT_EVENT, _CT_DOSE = "113811", "113819", "113829"
_X_TOTALS, _X_EVENT = "113702", "113706"
_UID, _PROTOCOL, _REGION = "113769", "125203", "123014"
_OF_EVENT: Final = {"113830": "ctdi", "113838": "dlp", "122130": "dap", "111631": "agd"}
_OF_ALL: Final = {"113813": "dlp", "113722": "dap", "113730": "seconds"}
_MACHINE: Final = ("121014", "121015", "121013")  # Device Observer Manufacturer, Model Name, Name


def read(dataset: Dataset) -> Told | None:
    """What a dose report of X-rays tells; None of another document."""
    if code(dataset) != REPORT:
        return None
    told = Told()
    observer: dict[str, str] = {}
    for item in children(dataset):
        name = code(item)
        if name in _MACHINE:
            observer[name] = text(item, "TextValue")
        elif name in (_CT_TOTALS, _X_TOTALS):
            told.modality = told.modality or ("CT" if name == _CT_TOTALS else "")
            for one in children(item):
                if quantity := _OF_ALL.get(code(one)):
                    told.add(quantity, _number(one, quantity))
        elif name in (_CT_EVENT, _X_EVENT):
            told.modality = told.modality or ("CT" if name == _CT_EVENT else "")
            told.events.append(_event(item))
    known = [observer.get(name, "") for name in _MACHINE]
    general = [text(dataset, name) for name in ("Manufacturer", "ManufacturerModelName", "StationName")]
    told.machine = machine(*(one or other for one, other in zip(known, general, strict=True)))
    return told


def machine(maker: str, model: str, station: str) -> str:
    """A machine in words; the model that begins with its maker's name says it once."""
    first = "" if model.casefold().startswith(maker.casefold()) else maker
    return " ".join(filter(None, (first, model, f"({station})" if station else "")))[:200]


def _event(item: Dataset) -> Event:
    found: dict[str, Any] = {}
    words: dict[str, Any] = {"uid": "", "protocol": "", "region": ""}
    for one in [
        *children(item),
        *(deep for dose in children(item) if code(dose) == _CT_DOSE for deep in children(dose)),
    ]:
        name = code(one)
        if quantity := _OF_EVENT.get(name):
            found[quantity] = _number(one, quantity)
        elif name == _UID:
            words["uid"] = text(one, "UID")
        elif name == _PROTOCOL:
            words["protocol"] = text(one, "TextValue")[:100]
        elif name == _REGION:
            words["region"] = next((text(c, "CodeMeaning") for c in one.get("ConceptCodeSequence") or []), "")[:100]
    return Event(**words, **found)


def children(item: Dataset) -> Iterator[Dataset]:
    """The items below one of the content tree."""
    yield from item.get("ContentSequence") or []


def code(item: Dataset) -> str:
    """The code of what an item is about, in DICOM's own scheme; "" for another scheme."""
    for concept in item.get("ConceptNameCodeSequence") or []:
        if text(concept, "CodingSchemeDesignator") == "DCM":
            return text(concept, "CodeValue")
    return ""


def _number(item: Dataset, quantity: str) -> Decimal | None:
    for value in item.get("MeasuredValueSequence") or []:
        for unit in value.get("MeasurementUnitsCodeSequence") or []:
            return amount(quantity, text(value, "NumericValue"), text(unit, "CodeValue"))
    return None
