"""Dose reports as machines make them (PS3.16, TID 10001 and 10011 with what is below), for tests."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.67"


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """A coded concept."""
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def item(kind: str, name: Dataset, *below: Dataset) -> Dataset:
    """An item of the content tree."""
    made = Dataset()
    made.RelationshipType, made.ValueType, made.ConceptNameCodeSequence = "CONTAINS", kind, [name]
    if below:
        made.ContentSequence = list(below)
    return made


def container(value: str, meaning: str, *below: Dataset) -> Dataset:
    """A container."""
    made = item("CONTAINER", code(value, meaning), *below)
    made.ContinuityOfContent = "SEPARATE"
    return made


def num(value: str, meaning: str, amount: str, unit: str) -> Dataset:
    """A measurement."""
    made = item("NUM", code(value, meaning))
    measured = Dataset()
    measured.NumericValue = amount
    measured.MeasurementUnitsCodeSequence = [code(unit, unit, "UCUM")]
    made.MeasuredValueSequence = [measured]
    return made


def text(value: str, meaning: str, words: str) -> Dataset:
    """Words."""
    made = item("TEXT", code(value, meaning))
    made.TextValue = words
    return made


def uid(value: str, meaning: str, told: str) -> Dataset:
    """A UID."""
    made = item("UIDREF", code(value, meaning))
    made.UID = told
    return made


def region(meaning: str) -> Dataset:
    """Where the beam went."""
    made = item("CODE", code("123014", "Target Region"))
    made.ConceptCodeSequence = [code("T-D3000", meaning, "SRT")]
    return made


def ct_scan(event: str, ctdi: str, dlp: str, protocol: str = "Chest routine", where: str = "Chest") -> Dataset:
    """One CT acquisition (TID 10013)."""
    dose = container(
        "113829", "CT Dose", num("113830", "Mean CTDIvol", ctdi, "mGy"), num("113838", "DLP", dlp, "mGy.cm")
    )
    return container(
        "113819", "CT Acquisition", text("125203", "Acquisition Protocol", protocol), region(where),
        uid("113769", "Irradiation Event UID", event), dose,
    )  # fmt: skip


def ct(*scans: Dataset, total: str) -> list[Dataset]:
    """The content of a CT dose report (TID 10011)."""
    totals = container(
        "113811", "CT Accumulated Dose Data",
        num("113812", "Total Number of Irradiation Events", str(len(scans)), "{events}"),
        num("113813", "CT Dose Length Product Total", total, "mGy.cm"),
    )  # fmt: skip
    return [totals, *scans]


def x_ray(event: str, dap: str, **more: str) -> Dataset:
    """One projection (TID 10003). dap: Gy·m²."""
    below = [
        text("125203", "Acquisition Protocol", more.get("protocol", "Chest PA")),
        uid("113769", "Irradiation Event UID", event), num("122130", "Dose Area Product", dap, "Gy.m2"),
    ]  # fmt: skip
    if "agd" in more:
        below.append(num("111631", "Average Glandular Dose", more["agd"], "mGy"))
    return container("113706", "Irradiation Event X-Ray Data", *below)


def x_rays(*shots: Dataset, total: str, seconds: str = "") -> list[Dataset]:
    """The content of a projection dose report (TID 10001)."""
    below = [num("113722", "Dose Area Product Total", total, "Gy.m2")]
    if seconds:
        below.append(num("113730", "Total Fluoro Time", seconds, "s"))
    return [container("113702", "Accumulated X-Ray Dose Data", *below), *shots]


def report(content: Sequence[Dataset], **changes: object) -> bytes:
    """A dose report as a Part 10 file; `changes` are elements by keyword."""
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 192", "SOPClassUID": DOSE_SR, "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.99", "StudyDate": "20261102",
        "StudyTime": "081500",
        "AccessionNumber": "", "Modality": "SR", "StudyID": "1", "StudyDescription": "CLVT lồng ngực",
        "PatientName": "Nguyễn^Văn^Ánh", "PatientID": "BN000017", "PatientBirthDate": "19800229", "PatientSex": "M",
        "SeriesNumber": 99, "InstanceNumber": 1, "Manufacturer": "ACME", "ManufacturerModelName": "Scan 64",
        "StationName": "CT01",
    }  # fmt: skip
    dataset = container(
        "113701", "X-Ray Radiation Dose Report", text("121014", "Device Observer Manufacturer", "ACME"), *content
    )
    for keyword, value in (values | changes).items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = str(dataset.SOPClassUID)
    dataset.file_meta.MediaStorageSOPInstanceUID = str(dataset.SOPInstanceUID)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
