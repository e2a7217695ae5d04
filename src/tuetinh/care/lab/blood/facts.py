"""How the blood bank looks in FHIR: units, orders, groups, cross-matches, transfusions. The one place that knows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from tuetinh.care.lab.blood.groups import Group, by_snomed
from tuetinh.care.lab.blood.models import BloodAllocation, BloodOrder, BloodUnit
from tuetinh.care.lab.blood.tables import components
from tuetinh.care.lab.facts import LABORATORY, LOINC, UCUM, instant, now, ref
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results.facts import who
from tuetinh.record import r4
from tuetinh.record.asker import Asker

SNOMED: Final = "http://snomed.info/sct"
DIN: Final = "https://tuetinh.vn/fhir/NamingSystem/blood-unit"
DONOR: Final = "https://tuetinh.vn/fhir/NamingSystem/blood-donor"
PRODUCT: Final = "http://www.isbt128.org/productcodes"
CODES: Final = "https://tuetinh.vn/fhir/CodeSystem/blood-bank"
USED: Final = "https://tuetinh.vn/fhir/StructureDefinition/transfused-product"
GROUP, CROSSMATCH = "882-1", "1250-0"  # ABO and Rh group; major cross-match
PROCEDURE: Final = r4.CodeableConcept(  # no result to be shown among the others
    coding=[r4.Coding(system="http://terminology.hl7.org/CodeSystem/observation-category", code="procedure")]
)
VITALS: Final = {
    "pulse": ("8867-4", "/min", "Mạch"),
    "systolic": ("8480-6", "mm[Hg]", "Huyết áp tâm thu"),
    "diastolic": ("8462-4", "mm[Hg]", "Huyết áp tâm trương"),
    "temperature": ("8310-5", "Cel", "Nhiệt độ"),
    "breaths": ("9279-1", "/min", "Nhịp thở"),
}


def product(unit: BloodUnit, request: str = "") -> r4.BiologicallyDerivedProduct:
    """Build a unit. R4 knows `available` and `unavailable` alone; where it stands is in the stock."""
    code = [r4.Coding(system=CODES, code=unit.component)]
    if unit.product:
        code.append(r4.Coding(system=PRODUCT, code=unit.product))
    identifiers = [r4.Identifier(system=DIN, value=unit.din)]
    if unit.donor:
        identifiers.append(r4.Identifier(system=DONOR, value=unit.donor))
    collected = unit.collected.isoformat() if unit.collected else None
    usable = unit.stage not in (BloodUnit.Stage.TRANSFUSED, BloodUnit.Stage.DISCARDED)
    return r4.BiologicallyDerivedProduct(
        id=unit.resource,
        identifier=identifiers,
        productCategory="cells" if components()[unit.component].matched else "fluid",
        productCode=r4.CodeableConcept(coding=code, text=components()[unit.component].names[0]),
        status="available" if usable else "unavailable",
        quantity=1,
        request=[ref("ServiceRequest", request)] if request else None,
        collection=r4.BiologicallyDerivedProductCollection(collectedDateTime=collected) if collected else None,
    )


def order(
    asker: Asker, visit: r4.Encounter, row: BloodOrder, *, indication: str, words: str, note: str
) -> r4.ServiceRequest:
    """Build the doctor's order for units of a component."""
    what = components()[row.component]
    return r4.ServiceRequest(
        id=row.request,
        status="active",
        intent="order",
        category=[r4.CodeableConcept(coding=[r4.Coding(system=CODES, code="blood-order")])],
        priority=row.urgency,
        code=r4.CodeableConcept(
            coding=[
                r4.Coding(system=SNOMED, code="116859006", display="Transfusion of blood product"),
                r4.Coding(system=CODES, code=row.component),
            ],
            text=what.names[0],
        ),
        quantityQuantity=r4.Quantity(value=Decimal(row.quantity), unit="đơn vị"),
        subject=visit.subject,
        encounter=ref("Encounter", visit.id or ""),
        authoredOn=now(),
        requester=who(asker),
        performer=[ref("Organization", row.facility)],
        reasonCode=[r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=indication)], text=words)],
        note=[r4.Annotation(text=note)] if note else None,
    )


def group_id(tube: Tube) -> str:
    """Id of the group of a sample: the same however often it is tested."""
    return f"{tube.specimen}-group"


def group(
    asker: Asker, tube: Tube, found: Group | None, reactions: Mapping[str, str], names: Mapping[str, str]
) -> r4.Observation:
    """Build the group of a sample with its reactions. found: None where no group follows from them."""
    value = None
    if found:
        value = r4.CodeableConcept(coding=[r4.Coding(system=SNOMED, code=found.snomed)], text=str(found))
    absent = r4.CodeableConcept(
        coding=[r4.Coding(system="http://terminology.hl7.org/CodeSystem/data-absent-reason", code="error")],
        text="Chưa kết luận được từ các phản ứng",
    )
    return r4.Observation(
        id=group_id(tube),
        status="final" if found else "preliminary",
        category=[LABORATORY],
        code=_loinc(GROUP, "ABO and Rh group [Type] in Blood", "Nhóm máu ABO và Rh(D)"),
        subject=ref("Patient", tube.patient),
        encounter=ref("Encounter", tube.encounter),
        effectiveDateTime=instant(tube.collected_at or tube.received_at or datetime.now(UTC)),
        issued=now(),
        performer=[ref("Organization", tube.facility), who(asker)],
        specimen=ref("Specimen", tube.specimen),
        valueCodeableConcept=value,
        dataAbsentReason=None if found else absent,
        component=[
            r4.ObservationComponent(
                code=r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=key)], text=names[key]),
                valueString=grade,
            )
            for key, grade in reactions.items()
            if grade
        ],
    )


def group_of(observation: r4.Observation) -> Group | None:
    """The group that an Observation says, ours or another system's in SNOMED CT."""
    concept = observation.valueCodeableConcept
    codes = (c.code or "" for c in (concept.coding if concept else None) or [] if c.system == SNOMED)
    return next((found for code in codes if (found := by_snomed().get(code))), None)


def crossmatch(
    asker: Asker,
    tube: Tube,
    order_row: BloodOrder,
    unit: BloodUnit,
    *,
    fits: bool,
    method: str,
    reactions: Mapping[str, str],
) -> r4.Observation:
    """Build a cross-match of a sample with a unit, which is its focus."""
    code, text = ("compatible", "Hòa hợp") if fits else ("incompatible", "Không hòa hợp")
    return r4.Observation(
        basedOn=[ref("ServiceRequest", order_row.request)],
        status="final",
        category=[PROCEDURE],
        code=_loinc(CROSSMATCH, "Major crossmatch [Interpretation]", "Phản ứng hòa hợp"),
        subject=ref("Patient", order_row.patient),
        encounter=ref("Encounter", order_row.encounter),
        focus=[ref("BiologicallyDerivedProduct", unit.resource)],
        effectiveDateTime=now(),
        issued=now(),
        performer=[ref("Organization", order_row.facility), who(asker)],
        specimen=ref("Specimen", tube.specimen),
        method=r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=method)]),
        valueCodeableConcept=r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=code)], text=text),
        component=[
            r4.ObservationComponent(
                code=r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=key)]), valueString=grade
            )
            for key, grade in reactions.items()
        ]
        or None,
    )


def signature(asker: Asker, order_row: BloodOrder, unit: BloodUnit, reason: str) -> r4.Provenance:
    """Build a doctor's signature under an emergency release."""
    role = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    return r4.Provenance(
        target=[ref("ServiceRequest", order_row.request), ref("BiologicallyDerivedProduct", unit.resource)],
        recorded=now(),
        activity=r4.CodeableConcept(coding=[r4.Coding(system=CODES, code="emergency-release")]),
        reason=[r4.CodeableConcept(text=reason)],
        agent=[
            r4.ProvenanceAgent(
                type=r4.CodeableConcept(coding=[r4.Coding(system=role, code="legal")]),
                who=who(asker),
                onBehalfOf=ref("Organization", asker.facility),
            )
        ],
    )


def transfusion(asker: Asker, allocation: BloodAllocation) -> r4.Procedure:
    """Build the transfusion of a unit as it begins."""
    order_row, unit = allocation.order, allocation.unit
    what = components()[unit.component]
    used = ref("BiologicallyDerivedProduct", unit.resource)
    return r4.Procedure(
        id=allocation.procedure,
        extension=[r4.Extension(url=USED, valueReference=used)],
        basedOn=[ref("ServiceRequest", order_row.request)],
        status="in-progress",
        code=r4.CodeableConcept(
            coding=[r4.Coding(system=SNOMED, code="116859006", display="Transfusion of blood product")],
            text=f"Truyền {what.names[0].lower()}",
        ),
        subject=ref("Patient", order_row.patient),
        encounter=ref("Encounter", order_row.encounter),
        performedPeriod=r4.Period(start=now()),
        performer=[r4.ProcedurePerformer(actor=who(asker))] if asker.practitioner else None,
        note=[r4.Annotation(text=f"Đơn vị {unit.din} {unit.product}, {unit.abo} Rh(D){unit.rhd}".strip())],
    )


def vitals(asker: Asker, allocation: BloodAllocation, values: Mapping[str, Decimal]) -> list[r4.Observation]:
    """Build the vital signs of a moment of a transfusion, blood pressure as one panel."""
    category = r4.Coding(system="http://terminology.hl7.org/CodeSystem/observation-category", code="vital-signs")

    def one(code: r4.CodeableConcept) -> r4.Observation:
        return r4.Observation(
            status="final",
            category=[r4.CodeableConcept(coding=[category])],
            code=code,
            subject=ref("Patient", allocation.order.patient),
            encounter=ref("Encounter", allocation.order.encounter),
            partOf=[ref("Procedure", allocation.procedure)],
            effectiveDateTime=now(),
            performer=[who(asker)],
        )

    found = []
    for key in ("pulse", "temperature", "breaths"):
        code, unit, name = VITALS[key]
        made = one(_loinc(code, "", name))
        made.valueQuantity = r4.Quantity(value=values[key], unit=unit, system=UCUM, code=unit)
        found.append(made)
    pressure = one(_loinc("85354-9", "Blood pressure panel", "Huyết áp"))
    pressure.component = [
        r4.ObservationComponent(
            code=_loinc(VITALS[key][0], "", VITALS[key][2]),
            valueQuantity=r4.Quantity(value=values[key], unit="mmHg", system=UCUM, code="mm[Hg]"),
        )
        for key in ("systolic", "diastolic")
    ]
    return [*found, pressure]


def reaction(
    asker: Asker, id_: str, allocation: BloodAllocation, *, kind: str, name: str, signs: str, severe: bool
) -> r4.AdverseEvent:
    """Build the report of a reaction to a transfusion."""
    serious = "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness"
    category = r4.Coding(system="http://terminology.hl7.org/CodeSystem/adverse-event-category", code="product-problem")
    return r4.AdverseEvent(
        id=id_,
        actuality="actual",
        category=[r4.CodeableConcept(coding=[category])],
        event=r4.CodeableConcept(coding=[r4.Coding(system=CODES, code=f"reaction-{kind}")], text=f"{name}: {signs}"),
        subject=ref("Patient", allocation.order.patient),
        encounter=ref("Encounter", allocation.order.encounter),
        date=now(),
        recordedDate=now(),
        seriousness=r4.CodeableConcept(coding=[r4.Coding(system=serious, code="serious" if severe else "non-serious")]),
        recorder=who(asker) if asker.practitioner else None,
        suspectEntity=[r4.AdverseEventSuspectEntity(instance=ref("Procedure", allocation.procedure))],
    )


def _loinc(code: str, display: str, text: str) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=LOINC, code=code, display=display or None)], text=text)
