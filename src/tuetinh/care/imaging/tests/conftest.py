"""Objects and people for the tests of imaging."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tuetinh.care.imaging.archive import keeping
from tuetinh.care.imaging.archive.keeping import Source
from tuetinh.commons.identity.api import human_name
from tuetinh.commons.identity.facts import number
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

FACILITY = "12104"
HERE = Source(FACILITY, "AE TEST")
CT = "1.2.840.10008.5.1.4.1.1.2"
Make = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _remember_nothing() -> None:
    """A process remembers series, of which a test's database knows nothing."""
    keeping.forget()


@pytest.fixture
def person(cast: object) -> r4.Patient:
    """A patient with a record number of the facility of the cast."""
    return record.create(
        SYSTEM,
        r4.Patient(
            name=[human_name("Nguyễn Văn Ánh")],
            gender="male",
            birthDate="1980-02-29",
            identifier=[number("mrn", "BN000017", facility=FACILITY)],
        ),
    )


def part10(**changes: object) -> bytes:
    """A small CT image as a Part 10 file; `changes` are elements by keyword, None for one that is not there."""
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": CT,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.1",
        "StudyDate": "20261102",
        "StudyTime": "081500",
        "AccessionNumber": "",
        "Modality": "CT",
        "StudyID": "1",
        "StudyDescription": "CLVT sọ não",
        "ReferringPhysicianName": "Trần^Thị^Bình",
        "PatientName": "Nguyễn^Văn^Ánh",
        "PatientID": "BN000017",
        "PatientBirthDate": "19800229",
        "PatientSex": "M",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "Rows": 4,
        "Columns": 4,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": bytes(range(32)),
    } | changes
    dataset = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = str(values["SOPInstanceUID"] or "")
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
