"""Models and what they say as FHIR resources: a Device, and an Observation marked as asserted by AI."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from tuetinh.care.imaging.ai.model import Coded, Model
from tuetinh.care.imaging.ai.models import AiResult
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.models import Study
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

AIAST: Final = r4.Coding(
    system="http://terminology.hl7.org/CodeSystem/v3-ObservationValue", code="AIAST",
    display="Artificial Intelligence asserted",
)  # fmt: skip
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_SCT: Final = "http://snomed.info/sct"
_PRESENT: Final = r4.CodeableConcept(coding=[r4.Coding(system=_SCT, code="52101004", display="Present")])
_ABSENT: Final = r4.CodeableConcept(coding=[r4.Coding(system=_SCT, code="2667000", display="Absent")])


def asker(facility: str) -> Asker:
    """The house itself, at a facility."""
    return replace(SYSTEM, facility=facility)


def device(asker: Asker, model: Model) -> None:
    """Write a version of a model into the record, unless it is there."""
    if record.read_many(asker, "Device", [model.device]):
        return
    made = r4.Device(
        id=model.device,
        meta=r4.Meta(security=[AIAST]),
        status="active",
        manufacturer=model.maker,
        deviceName=[r4.DeviceDeviceName(name=model.title, type="model-name")],
        version=[r4.DeviceVersion(value=model.version)],
        type=r4.CodeableConcept(text="AI"),
        note=[r4.Annotation(text=model.use)],
    )
    record.put_many(SYSTEM, [made])


def observation(asker: Asker, result: AiResult, model: Model, study: Study) -> r4.Observation:
    """What a model says of a study: preliminary, with the labels of the study."""
    known = record.read_many(asker, "ImagingStudy", [study.resource]).get(study.resource)
    labels = list((known.meta.security if known and known.meta else None) or [])
    assert result.done_at is not None  # noqa: S101 - it is done
    assert result.score is not None  # noqa: S101
    return r4.Observation(
        id=result.observation,
        meta=r4.Meta(security=[AIAST, *labels]),
        status="preliminary",
        category=[r4.CodeableConcept(coding=[r4.Coding(system=_CATEGORY, code="imaging")])],
        code=_concept(model.finding),
        subject=r4.Reference(reference=f"Patient/{study.patient}"),
        encounter=r4.Reference(reference=f"Encounter/{study.encounter}") if study.encounter else None,
        basedOn=[r4.Reference(reference=f"ServiceRequest/{study.order}")] if study.order else None,
        effectiveDateTime=result.done_at.astimezone(HANOI).isoformat(timespec="seconds"),
        device=r4.Reference(reference=f"Device/{model.device}", display=f"{model.title} {model.version}"),
        derivedFrom=[r4.Reference(reference=f"ImagingStudy/{study.resource}")],
        valueCodeableConcept=_PRESENT if result.found else _ABSENT,
        component=[_number("Điểm của mô hình", result.score), _number("Ngưỡng", model.threshold)],
        note=[
            r4.Annotation(
                text=f"Máy gợi ý, không phải kết luận. {model.title} {model.version}; xem {result.looked} trong "
                f"{result.among} ảnh. {model.use}"
            )
        ],
    )


def _number(name: str, value: float) -> r4.ObservationComponent:
    quantity = r4.Quantity(value=Decimal(f"{value:.4f}"), system="http://unitsofmeasure.org", code="1", unit="1")
    return r4.ObservationComponent(code=r4.CodeableConcept(text=name), valueQuantity=quantity)


def _concept(coded: Coded) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=coded.system, code=coded.code, display=coded.en)], text=coded.vi)
