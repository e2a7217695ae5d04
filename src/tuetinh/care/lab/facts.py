"""How the laboratory looks in FHIR: orders, tubes, results, reports. Builders and readers, the one place that knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from tuetinh.care.lab import units
from tuetinh.care.lab.catalogue import SPECIMEN_CODES, SPECIMENS, Analyte, Bounds, Range, Test, analytes, test_of
from tuetinh.commons.catalogues.api import INDICATORS, SERVICES, service
from tuetinh.record import r4

LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
TUBE: Final = "https://tuetinh.vn/fhir/NamingSystem/lab-tube"
REQUISITION: Final = "https://tuetinh.vn/fhir/NamingSystem/lab-requisition"
MA_MAY: Final = "https://tuetinh.vn/fhir/sid/ma-may"  # identifies the machines of insurance claims
LABORATORY: Final = r4.CodeableConcept(
    coding=[
        r4.Coding(system="http://terminology.hl7.org/CodeSystem/observation-category", code="laboratory"),
    ]
)
_SCT_LAB: Final = r4.CodeableConcept(
    coding=[r4.Coding(system="http://snomed.info/sct", code="108252007", display="Laboratory procedure")]
)
_V2_LAB: Final = r4.CodeableConcept(
    coding=[r4.Coding(system="http://terminology.hl7.org/CodeSystem/v2-0074", code="LAB", display="Laboratory")]
)
_FLAGS: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
FLAG_TEXT: Final = {
    "N": "Normal",
    "L": "Low",
    "H": "High",
    "LL": "Critical low",
    "HH": "Critical high",
    "A": "Abnormal",
    "AA": "Critical abnormal",
    "POS": "Positive",
    "NEG": "Negative",
}
DELTA_TEXT: Final = {"U": "Significant change up", "D": "Significant change down"}
CRITICAL: Final = frozenset({"LL", "HH", "AA"})
TOLD: Final = frozenset({"final", "amended", "corrected"})
BEDSIDE: Final = r4.CodeableConcept(
    coding=[r4.Coding(system="https://tuetinh.vn/fhir/CodeSystem/laboratory", code="point-of-care")],
    text="Xét nghiệm tại chỗ",
)


def now() -> str:
    """This moment as FHIR writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(at: datetime) -> str:
    """A moment as FHIR writes it."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def ref(type_: str, id_: str) -> r4.Reference:
    """A reference by type and id."""
    return r4.Reference(reference=f"{type_}/{id_}")


def id_of(reference: r4.Reference | None) -> str:
    """The id that a relative reference names, or ""."""
    return ((reference.reference if reference else "") or "").rpartition("/")[2]


def observation_id(order: str, key: str) -> str:
    """Id of the result of an analyte of an order: the same however often it is sent."""
    return f"{order}-{key}"


def report_id(order: str) -> str:
    """Id of the report of an order."""
    return f"{order}-report"


def order(
    id_: str,
    what: Test,
    encounter: r4.Encounter,
    *,
    facility: str,
    specimen: str,
    requisition: str,
    requester: r4.Reference | None,
    urgent: bool,
    note: str,
) -> r4.ServiceRequest:
    """Build the order of one test or panel."""
    return r4.ServiceRequest(
        id=id_,
        requisition=r4.Identifier(system=REQUISITION, value=requisition),
        status="active",
        intent="order",
        category=[_SCT_LAB],
        priority="urgent" if urgent else "routine",
        code=_code(what),
        subject=encounter.subject,
        encounter=ref("Encounter", encounter.id or ""),
        authoredOn=now(),
        requester=requester,
        performer=[ref("Organization", facility)] if facility else None,
        specimen=[ref("Specimen", specimen)],
        note=[r4.Annotation(text=note)] if note else None,
    )


def _code(what: Test) -> r4.CodeableConcept:
    entry = service(what.code)
    coding = [r4.Coding(system=SERVICES, code=what.code, display=entry.name if entry else what.names[0])]
    coding.append(r4.Coding(system=LOINC, code=what.loinc, display=what.names[1]))
    return r4.CodeableConcept(coding=coding, text=what.names[0])


def ordered_test(order: r4.ServiceRequest) -> Test | None:
    """The test that an order is for, or None when it is no test of ours."""
    codings = (order.code.coding if order.code else None) or []
    loinc = next((c.code or "" for c in codings if c.system == LOINC), "")
    codes = (c.code or "" for c in codings if c.system == SERVICES)
    return next((t for code in codes if (t := test_of(code, loinc))), None)


def ordered_specimen(orders: Iterable[r4.ServiceRequest]) -> str:
    """The kind of specimen that orders of one tube are made from, or ""."""
    return next((what.specimen for order in orders if (what := ordered_test(order))), "")


def specimen(id_: str, number: str, kind: str, patient: r4.Reference | None, orders: list[str]) -> r4.Specimen:
    """Build a tube that was asked for and not yet received."""
    code = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v2-0487", code=SPECIMEN_CODES[kind])
    return r4.Specimen(
        id=id_,
        accessionIdentifier=r4.Identifier(system=TUBE, value=number),
        status="unavailable",
        type=r4.CodeableConcept(coding=[code], text=str(SPECIMENS[kind])),
        subject=patient,
        request=[ref("ServiceRequest", o) for o in orders],
    )


def again(old: r4.Specimen, id_: str, number: str) -> r4.Specimen:
    """Build the tube that is asked for in place of a rejected one."""
    return r4.Specimen(
        id=id_,
        accessionIdentifier=r4.Identifier(system=TUBE, value=number),
        status="unavailable",
        type=old.type,
        subject=old.subject,
        request=old.request,
    )


def amendment(order: r4.ServiceRequest, reason: str) -> r4.Communication:
    """Build the notice to the one who ordered: a released result was amended."""
    what = (order.code.text if order.code else None) or ""
    return r4.Communication(
        status="completed",
        category=[_coded("http://terminology.hl7.org/CodeSystem/communication-category", "alert")],
        priority="urgent",
        subject=order.subject,
        encounter=order.encounter,
        about=[ref("DiagnosticReport", report_id(order.id or ""))],
        basedOn=[ref("ServiceRequest", order.id or "")],
        sent=now(),
        recipient=[order.requester] if order.requester else None,
        payload=[r4.CommunicationPayload(contentString=f"Kết quả đã trả được sửa đổi: {what}. Lý do: {reason}")],
    )


def correction(before: r4.Observation | None, reason: str) -> r4.Annotation:
    """Build the note of a correction after release: what was said before, and why it was changed."""
    old = " ".join(filter(None, (value_of(before), unit_of(before)))) if before else ""
    text = f"Trước khi sửa: {old.replace('.', ',')}. Lý do: {reason}" if old else f"Bổ sung. Lý do: {reason}"
    return r4.Annotation(text=text, time=now())


@dataclass(frozen=True, slots=True)
class Reading:
    """A value as measured or typed. number or text; `words` why there is none."""

    number: Decimal | None = None
    comparator: str = ""
    text: str = ""
    unit: str = ""
    absent: bool = False
    flag: str = ""  # the analyser's own, used where our limits say nothing
    at: datetime | None = None
    bedside: bool = False  # measured at the point of care
    device: str = ""  # its machine by name
    device_id: str = ""  # the Device that it is in the record
    device_code: str = ""  # under which the Ministry knows it
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # ids of the Observations that it was calculated from
    titre: bool = False  # the number is the denominator of the highest dilution that reacts

    @property
    def shown(self) -> str:
        """The value in words; a titre as it is written."""
        if self.titre:
            return f"1:{self.number}"
        return f"{self.comparator}{self.number}" if self.number is not None else self.text


_TITRE = re.compile(r"(?:1\s*[:/]\s*)?(\d{1,7})")


def titre(text: str) -> Reading | None:
    """Read a titre as people and machines write it: `1:80`, `1/80`, `80`; None for anything else."""
    found = _TITRE.fullmatch(text.strip())
    return Reading(number=Decimal(found[1]), titre=True) if found and int(found[1]) else None


_PAST: Final = {"L": (">", ">="), "H": ("<", "<="), "N": ()}  # what may still lie on the near side of a limit


def flag(analyte: Analyte, reading: Reading, bounds: Bounds) -> str:
    """Code of v3 ObservationInterpretation by our own limits; "" when nothing can be said."""
    value = reading.number
    if value is None:
        if analyte.choices and reading.text:
            if reading.text not in analyte.choices or "Âm tính" not in analyte.choices:
                return ""
            if analyte.key == "HBSAB":  # a positive antibody means protection
                return "POS" if reading.text == "Dương tính" else "NEG"
            return "N" if reading.text == "Âm tính" else "A"
        return ""
    if reading.unit and not units.same(reading.unit, analyte):
        return reading.flag if reading.flag in FLAG_TEXT else ""  # in another unit our limits say nothing
    critical, normal = bounds.critical.where(value), bounds.normal
    if critical != "N" and reading.comparator not in _PAST[critical]:
        return critical * 2
    if not normal:
        return ""
    place = normal.where(value)
    if reading.comparator in _PAST[place]:
        return ""
    if place == "N" and reading.comparator in (">", ">=") and normal.high is not None and value == normal.high:
        return "H"
    return place


def observation(
    order: r4.ServiceRequest,
    analyte: Analyte,
    reading: Reading,
    *,
    specimen: str,
    bounds: Bounds,
    status: str,
    delta: str = "",
    indicator: str = "",
) -> r4.Observation:
    """Build the result of one analyte. delta: `U` or `D` where it has jumped since the last one.

    indicator: the shared code under which it is reported (QĐ 1227/QĐ-BYT).
    """
    code = flag(analyte, reading, bounds)
    shown = reading.unit or analyte.shown
    coded = analyte.unit if not reading.unit or units.same(reading.unit, analyte) else None
    result = r4.Observation(
        id=observation_id(order.id or "", analyte.key),
        basedOn=[ref("ServiceRequest", order.id or "")],
        status=status,
        category=[LABORATORY],
        code=r4.CodeableConcept(
            coding=[
                r4.Coding(system=LOINC, code=analyte.loinc, display=analyte.names[1]),
                *([r4.Coding(system=INDICATORS, code=indicator)] if indicator else []),
            ],
            text=analyte.names[0],
        ),
        subject=order.subject,
        encounter=order.encounter,
        effectiveDateTime=instant(reading.at) if reading.at else now(),
        issued=now(),
        performer=order.performer,
        specimen=ref("Specimen", specimen),
        device=_measured_by(reading),
        method=BEDSIDE if reading.bedside else None,
        note=[r4.Annotation(text=n) for n in reading.notes] or None,
        derivedFrom=[ref("Observation", id_) for id_ in reading.sources] or None,
    )
    if reading.absent:
        result.dataAbsentReason = _coded("http://terminology.hl7.org/CodeSystem/data-absent-reason", "error")
    elif reading.titre and reading.number is not None:
        result.valueRatio = r4.Ratio(
            numerator=r4.Quantity(value=Decimal(1)), denominator=r4.Quantity(value=reading.number)
        )
    elif reading.number is not None:
        result.valueQuantity = r4.Quantity(
            value=reading.number,
            comparator=reading.comparator or None,
            unit=shown or None,
            system=UCUM if coded else None,
            code=coded or None,
        )
    else:
        result.valueString = reading.text
    codes = {code: FLAG_TEXT.get(code), delta: DELTA_TEXT.get(delta)}
    result.interpretation = [_coded(_FLAGS, said, text) for said, text in codes.items() if said] or None
    if bounds.normal and coded:
        result.referenceRange = [_reference_range(bounds.normal, analyte)]
    return result


def _measured_by(reading: Reading) -> r4.Reference | None:
    if not reading.device:
        return None
    return r4.Reference(
        reference=f"Device/{reading.device_id}" if reading.device_id else None,
        identifier=r4.Identifier(system=MA_MAY, value=reading.device_code) if reading.device_code else None,
        display=reading.device,
    )


def machine(id_: str, name: str, code: str, facility: str, *, enabled: bool) -> r4.Device:
    """Build an analyser. code: the Ministry's (QĐ 3176, bảng 3, trường 44), "" where it has none yet."""
    return r4.Device(
        id=id_,
        identifier=[r4.Identifier(system=MA_MAY, value=code)] if code else None,
        status="active" if enabled else "inactive",
        deviceName=[r4.DeviceDeviceName(name=name, type="user-friendly-name")],
        owner=ref("Organization", facility),
    )


def _reference_range(normal: Range, analyte: Analyte) -> r4.ObservationReferenceRange:
    def limit(value: Decimal | None) -> r4.Quantity | None:
        if value is None:
            return None
        return r4.Quantity(value=value, unit=analyte.shown or None, system=UCUM, code=analyte.unit)

    return r4.ObservationReferenceRange(low=limit(normal.low), high=limit(normal.high))


def report(order: r4.ServiceRequest, observations: list[r4.Observation], status: str) -> r4.DiagnosticReport:
    """Build the report of an order over its results."""
    return r4.DiagnosticReport(
        id=report_id(order.id or ""),
        basedOn=[ref("ServiceRequest", order.id or "")],
        status=status,
        category=[_V2_LAB],
        code=order.code,
        subject=order.subject,
        encounter=order.encounter,
        effectiveDateTime=max((o.effectiveDateTime or "" for o in observations), default="") or None,
        issued=now(),
        performer=order.performer,
        specimen=order.specimen,
        result=[ref("Observation", o.id or "") for o in observations] or None,
    )


def analyte_of(result: r4.Observation) -> Analyte | None:
    """The analyte of a result: ours by its id, another system's by its LOINC code."""
    from tuetinh.care.lab.catalogue import by_loinc

    if found := analytes().get((result.id or "").rpartition("-")[2]):
        return found
    codes = (c.code or "" for c in (result.code.coding if result.code else None) or [] if c.system == LOINC)
    return next((a for code in codes if (a := by_loinc().get(code))), None)


def members(result: r4.Observation) -> list[str]:
    """The ids of the results that belong to it: the isolates of a culture."""
    return [id_of(one) for one in result.hasMember or []]


def told(result: r4.Observation | None) -> bool:
    """Whether a result was handed out: what changes it now is a correction."""
    return result is not None and result.status in TOLD


def unfinished(result: r4.Observation) -> bool:
    """Whether it is a culture that has not come to an end: nothing has grown so far, or what grew has no name yet."""
    if not (result.id or "").endswith("-CULT"):
        return False
    return value_code(result) == "no-growth" or (value_code(result) == "growth" and not result.hasMember)


def key_of(result: r4.Observation) -> str:
    """The key of its analyte, or ""."""
    analyte = analyte_of(result)
    return analyte.key if analyte else ""


def flag_of(result: r4.Observation) -> str:
    """The first interpretation code that is no change, or ""."""
    return next((code for code in _interpretations(result) if code not in DELTA_TEXT), "")


def at_the_bedside(result: r4.Observation) -> bool:
    """Whether a result was measured at the point of care."""
    codes = (result.method.coding if result.method else None) or []
    return any(coding.code == "point-of-care" for coding in codes)


def delta_of(result: r4.Observation) -> str:
    """`U` or `D` where the result has jumped since the last one, or ""."""
    return next((code for code in _interpretations(result) if code in DELTA_TEXT), "")


def _interpretations(result: r4.Observation) -> list[str]:
    return [c.code or "" for concept in result.interpretation or [] for c in concept.coding or []]


def value_of(result: r4.Observation) -> str:
    """The value in words, as it was measured, without its unit."""
    if quantity := result.valueQuantity:
        return f"{quantity.comparator or ''}{'' if quantity.value is None else _readable(quantity.value)}"
    if (ratio := result.valueRatio) and ratio.denominator and ratio.denominator.value is not None:
        return f"1:{ratio.denominator.value}"
    if concept := result.valueCodeableConcept:
        return concept.text or next((c.display or c.code or "" for c in concept.coding or []), "")
    return result.valueString or ""


def value_code(result: r4.Observation) -> str:
    """The first code of a coded value, or ""."""
    concept = result.valueCodeableConcept
    return next((c.code or "" for c in (concept.coding if concept else None) or []), "")


def _readable(value: Decimal) -> Decimal:
    """A number as it was measured; computed tails, longer than any instrument tells, are cut for the eye."""
    if len(value.as_tuple().digits) <= 7:
        return value
    return round(value, max(0, 3 - value.adjusted()))


def unit_of(result: r4.Observation) -> str:
    """The unit as printed."""
    return (result.valueQuantity.unit or result.valueQuantity.code or "") if result.valueQuantity else ""


def range_of(result: r4.Observation) -> str:
    """The limits of normal in words."""
    for limits in result.referenceRange or []:
        low = limits.low.value if limits.low else None
        high = limits.high.value if limits.high else None
        if low is not None or high is not None:
            return written_range(low, high)
        if limits.text:
            return limits.text
    return ""


def written_range(low: Decimal | None, high: Decimal | None) -> str:
    """Limits as people write them, with a decimal comma: 3,9 – 6,4; "" for none."""
    lower, upper = ("" if limit is None else f"{limit:f}".replace(".", ",") for limit in (low, high))
    if lower and upper:
        return f"{lower} – {upper}"
    return f"≥ {lower}" if lower else f"≤ {upper}" if upper else ""


def _coded(system: str, code: str, display: str | None = None) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code, display=display)])
