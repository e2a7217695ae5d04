"""HL7 aECG (HL7 V3 Annotated ECG, R1): the rhythm series of a document."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from lxml import etree

from tuetinh.care.imaging.capture.ecg.curves import Curves, completed
from tuetinh.care.imaging.capture.faults import WrongCurves

V3: Final = "urn:hl7-org:v3"
XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_NS: Final = {"v": V3}
_LEAD: Final = "MDC_ECG_LEAD_"
_NAMES: Final = {"AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}
_MICROVOLTS: Final = {"uV": Decimal(1), "mV": Decimal(1000), "nV": Decimal("0.001"), "V": Decimal(1_000_000)}
_SECONDS: Final = {"s": Decimal(1), "ms": Decimal("0.001"), "us": Decimal("0.000001")}


def is_aecg(data: bytes) -> bool:
    """Whether bytes begin as an annotated ECG."""
    return b"AnnotatedECG" in data[:4096]


def read(data: bytes) -> Curves:
    """The ECG of a document. Raises WrongCurves."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return _read(etree.fromstring(data, parser))
    except (etree.XMLSyntaxError, InvalidOperation, ValueError, KeyError, OverflowError) as error:
        raise WrongCurves from error


def _read(root: etree._Element) -> Curves:
    rhythm = next(iter(root.iterfind(".//v:series[v:code][v:component]", _NS)), None)
    if rhythm is None:
        raise WrongCurves
    step, leads, unit = Decimal(0), {}, Decimal(0)
    for sequence in rhythm.iterfind("./v:component/v:sequenceSet/v:component/v:sequence", _NS):
        code, value = sequence.find("v:code", _NS), sequence.find("v:value", _NS)
        if code is None or value is None:
            continue
        name = code.get("code", "")
        if name.startswith("TIME_"):
            step = _measure(value.find("v:increment", _NS), _SECONDS)
        elif name.startswith(_LEAD) and value.get(XSI, "").endswith("SLIST_PQ"):
            lead = name.removeprefix(_LEAD)
            scale, origin = (_measure(value.find(f"v:{part}", _NS), _MICROVOLTS) for part in ("scale", "origin"))
            unit = unit or scale
            digits = np.array((value.findtext("v:digits", "", _NS)).split(), np.int64)
            leads[_NAMES.get(lead, lead)] = _scaled(digits, scale / unit, origin / unit)
    if not leads or step <= 0 or unit <= 0 or not min(map(len, leads.values())):
        raise WrongCurves
    least = min(map(len, leads.values()))
    same = {name: samples[:least] for name, samples in leads.items()}
    return completed(Curves(same, float(1 / step), float(unit), *_person(root)))


def _scaled(digits: np.ndarray[tuple[int], np.dtype[np.int64]], factor: Decimal, more: Decimal) -> np.ndarray:
    if factor == 1 and not more:
        return digits.astype(np.int32)
    return np.rint(digits * float(factor) + float(more)).astype(np.int32)


def _measure(element: etree._Element | None, units: dict[str, Decimal]) -> Decimal:
    """A quantity in microvolts or seconds; nought where there is none."""
    if element is None:
        return Decimal(0)
    return Decimal(element.get("value", "0")) * units[element.get("unit", "")]


def _person(root: etree._Element) -> tuple[str, str, datetime | None]:
    person = root.find(".//v:subjectDemographicPerson", _NS)
    name = birth = ""
    if person is not None:
        told = person.find("v:name", _NS)
        parts = [part.strip() for part in told.itertext() if part.strip()] if told is not None else []
        name = " ".join(parts)
        born = person.find("v:birthTime", _NS)
        birth = (born.get("value", "") if born is not None else "")[:8]
    low = root.find("./v:effectiveTime/v:low", _NS)
    moment = (low.get("value", "") if low is not None else "")[:14]
    return name, birth, datetime.strptime(moment, "%Y%m%d%H%M%S").replace(tzinfo=HANOI) if len(moment) == 14 else None
