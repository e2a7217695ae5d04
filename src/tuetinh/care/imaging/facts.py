"""How imaging's facts look as FHIR resources (R4 ImagingStudy, Endpoint; DICOM PS3.3): the one place that knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tuetinh.care.imaging.models import Instance, Series, Study
from tuetinh.record import r4

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
MA_MAY: Final = "https://tuetinh.vn/fhir/sid/ma-may"  # identifies the machines of insurance claims
ENDPOINT: Final = "dicom-web"  # id of the one Endpoint of a node
_CONNECTIONS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"


@dataclass(frozen=True, slots=True)
class Whole:
    """A study with all that is of it. orders: those that asked for it."""

    study: Study
    series: Sequence[Series]
    instances: Sequence[Instance]
    orders: Sequence[str] = ()


def endpoint(address: str) -> r4.Endpoint:
    """Where the pictures are fetched: this node's DICOMweb."""
    return r4.Endpoint(
        id=ENDPOINT,
        status="active",
        connectionType=r4.Coding(system=_CONNECTIONS, code="dicom-wado-rs"),
        payloadType=[r4.CodeableConcept(text="DICOM")],
        payloadMimeType=["application/dicom"],
        address=f"{address}/dicom-web",
    )


def imaging_study(whole: Whole) -> r4.ImagingStudy:
    """A study of a known patient."""
    study = whole.study
    modalities = sorted({one.modality for one in whole.series if one.modality})
    numbers = [_identifier("urn:dicom:uid", f"urn:oid:{study.study_instance_uid}")]
    if study.accession_number:
        numbers.append(_accession(study))
    referrer = _value(study.attributes, "00080090").get("Alphabetic", "").replace("^", " ").strip()
    return r4.ImagingStudy(
        id=study.resource,
        identifier=numbers,
        status="available",
        modality=[r4.Coding(system=DCM, code=code) for code in modalities] or None,
        subject=r4.Reference(reference=f"Patient/{study.patient}"),
        encounter=r4.Reference(reference=f"Encounter/{study.encounter}") if study.encounter else None,
        started=_started(study),
        basedOn=[r4.Reference(reference=f"ServiceRequest/{one}") for one in whole.orders] or None,
        referrer=r4.Reference(display=referrer) if referrer else None,
        endpoint=[r4.Reference(reference=f"Endpoint/{ENDPOINT}")],
        numberOfSeries=len(whole.series),
        numberOfInstances=len(whole.instances),
        description=study.study_description or None,
        series=[_series(one, whole.instances) for one in whole.series] or None,
    )


def _series(series: Series, instances: Sequence[Instance]) -> r4.ImagingStudySeries:
    own = [one for one in instances if one.series_id == series.pk]
    description = str(_value(series.attributes, "0008103E") or "")
    part = str(_value(series.attributes, "00180015") or "")
    return r4.ImagingStudySeries(
        uid=series.series_instance_uid,
        number=_unsigned(series.series_number),
        modality=r4.Coding(system=DCM, code=series.modality or "OT"),
        description=description or None,
        numberOfInstances=len(own),
        bodySite=r4.Coding(display=part) if part else None,
        instance=[
            r4.ImagingStudySeriesInstance(
                uid=one.sop_instance_uid,
                sopClass=r4.Coding(
                    system="urn:ietf:rfc:3986",
                    code=f"urn:oid:{one.sop_class_uid}",
                    display=_name_of(one.sop_class_uid),
                ),
                number=_unsigned(one.instance_number),
            )
            for one in own
        ]
        or None,
    )


def _unsigned(number: int | None) -> int | None:
    """A number that an unsignedInt can be."""
    return number if number is not None and 0 <= number < 2**31 else None


def _name_of(uid: str) -> str | None:
    import tuetinh.care.imaging.library  # noqa: F401

    from pydicom.uid import UID

    name = UID(uid).name
    return name if name != uid else None


def _identifier(system: str, value: str) -> r4.Identifier:
    return r4.Identifier(system=system, value=value)


def _accession(study: Study) -> r4.Identifier:
    kind = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v2-0203", code="ACSN")
    return r4.Identifier(type=r4.CodeableConcept(coding=[kind]), value=study.accession_number)


def _started(study: Study) -> str | None:
    if not study.study_date:
        return None
    if not study.study_time:
        return study.study_date.isoformat()
    return datetime.combine(study.study_date, study.study_time, HANOI).isoformat(timespec="seconds")


def _value(attributes: dict[str, Any], tag: str) -> Any:
    """The first value of an attribute; an empty dict where there is none."""
    values = attributes.get(tag, {}).get("Value") or [{}]
    return values[0] or {}
