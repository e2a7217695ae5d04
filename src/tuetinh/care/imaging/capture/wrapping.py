"""What people bring as DICOM objects of an examination: whose it is, for which order, and then what it is (PS3.3 A)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final
from uuid import NAMESPACE_OID, uuid5

import tuetinh.care.imaging.library  # noqa: F401

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_buffer
from pydicom.uid import HEVCM10P51, HEVCMP51, UID, ExplicitVRLittleEndian, JPEG2000Lossless

from tuetinh.care.imaging.archive.persons import number_of
from tuetinh.care.imaging.capture.ecg.curves import LEADS, Curves
from tuetinh.care.imaging.capture.films import Film
from tuetinh.care.imaging.capture.photos import Photo
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.models import Exam
from tuetinh.commons.identity import api as identity
from tuetinh.record import r4

UTF8: Final = "ISO_IR 192"
PAPER: Final = "1.2.840.10008.5.1.4.1.1.104.1"
VISIBLE: Final = "1.2.840.10008.5.1.4.1.1.77.1."  # SOP classes of visible light
TWELVE_LEADS, ANY_LEADS = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.10008.5.1.4.1.1.9.1.2"
MOST_CHANNELS: Final = 24  # of a General ECG (PS3.3 A.34.4.4.3)
NAMES: Final = {
    "XC": "Ảnh chụp", "ES": "Nội soi", "GM": "Kính hiển vi", "US": "Siêu âm", "DOC": "Tài liệu", "ECG": "Điện tim",
}  # fmt: skip
_SEXES: Final = {"male": "M", "female": "F", "other": "O"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What pictures are of. still, film: the SOP classes; number: of the series that they come into."""

    modality: str
    still: str
    film: str
    number: int


KINDS: Final = {
    "XC": Kind("XC", "1.2.840.10008.5.1.4.1.1.77.1.4", "1.2.840.10008.5.1.4.1.1.77.1.4.1", 9001),
    "ES": Kind("ES", "1.2.840.10008.5.1.4.1.1.77.1.1", "1.2.840.10008.5.1.4.1.1.77.1.1.1", 9002),
    "GM": Kind("GM", "1.2.840.10008.5.1.4.1.1.77.1.2", "1.2.840.10008.5.1.4.1.1.77.1.2.1", 9003),
    "US": Kind("US", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1", 9004),
}
"""External camera, endoscope, microscope, ultrasound: VL and US objects (PS3.3 A.32, A.6, A.7)."""


@dataclass(frozen=True, slots=True)
class Whose:
    """For whom and for which order an object is made, at which facility, and who brings it."""

    exam: Exam
    person: r4.Patient
    place: str
    by: str


@dataclass(frozen=True, slots=True)
class Named:
    """What tells an object from others. digest: of what was brought; number: its place in the series."""

    digest: bytes
    number: int
    description: str = ""


def uid_of(exam: Exam, *parts: str) -> str:
    """A UID that is always the same for the same parts of an examination, so that what comes twice is once."""
    return f"2.25.{uuid5(NAMESPACE_OID, '/'.join((exam.study_instance_uid, *parts))).int}"


def instance_uid(exam: Exam, digest: bytes) -> str:
    """The UID of what was brought with this digest."""
    return uid_of(exam, digest.hex())


def photo(whose: Whose, kind: Kind, one: Photo, named: Named) -> Dataset:
    """A picture, or a clip of several (VL Photographic, Endoscopic, Microscopic; Ultrasound; their multi-frames)."""
    several = len(one.frames) > 1
    dataset = _begun(whose, named, kind.film if several else kind.still, kind.modality, kind.number)
    _pixels(dataset, one.rows, one.columns, one.samples, one.photometric)
    if one.profile:
        dataset.ICCProfile = one.profile
    if one.lossy:
        _lossy(dataset, one.lossy, "ISO_10918_1")
    if several:
        _cine(dataset, len(one.frames), one.rate)
    if one.syntax == JPEG2000Lossless:
        dataset.PixelData = one.frames[0]
        if one.photometric == "RGB":
            dataset.PhotometricInterpretation = "YBR_RCT"  # PS3.5, 8.2.4
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = UID(one.syntax)
        dataset.PixelData = encapsulate(list(one.frames))
        dataset["PixelData"].is_undefined_length = True
    return dataset


def film(whose: Whose, kind: Kind, one: Film, data: BinaryIO, named: Named) -> Dataset:
    """A film, whose bytes are read from `data` when the object is written."""
    dataset = _begun(whose, named, kind.film, kind.modality, kind.number)
    _pixels(dataset, one.rows, one.columns, 3, "YBR_PARTIAL_420")
    _cine(dataset, one.frames, one.rate)
    size = max(one.path.stat().st_size, 1)
    method = "ISO_23008_2" if one.syntax in (HEVCMP51, HEVCM10P51) else "ISO_14496_10"
    _lossy(dataset, round(one.rows * one.columns * 1.5 * one.frames / size, 2), method)
    dataset.file_meta.TransferSyntaxUID = UID(one.syntax)
    dataset.PixelData = encapsulate_buffer([data], has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    return dataset


def paper(whose: Whose, data: bytes, named: Named) -> Dataset:
    """A document (Encapsulated PDF, PS3.3 A.45.1)."""
    dataset = _begun(whose, named, PAPER, "DOC", 9005)
    dataset.ConversionType = "SD"
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = named.description
    dataset.ConceptNameCodeSequence = []
    dataset.AcquisitionDateTime = ""
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(data)
    dataset.EncapsulatedDocument = data
    return dataset


def ecg(whose: Whose, curves: Curves, named: Named) -> Dataset:
    """An ECG (12-lead ECG Waveform where it is one, else General ECG; PS3.3 A.34.3, A.34.4)."""
    names = list(curves.leads)[:MOST_CHANNELS]
    twelve = set(names) <= set(LEADS) and 200 <= curves.rate <= 1000
    dataset = _begun(whose, named, TWELVE_LEADS if twelve else ANY_LEADS, "ECG", 9006)
    recorded = curves.at or datetime.now(HANOI)
    dataset.AcquisitionDateTime = recorded.strftime("%Y%m%d%H%M%S")
    dataset.AcquisitionContextSequence = []
    rhythm = Dataset()
    rhythm.WaveformOriginality = "ORIGINAL"
    rhythm.NumberOfWaveformChannels = len(names)
    rhythm.NumberOfWaveformSamples = len(curves.leads[names[0]])
    rhythm.SamplingFrequency = f"{curves.rate:.10g}"[:16]
    rhythm.MultiplexGroupLabel = "RHYTHM"
    rhythm.ChannelDefinitionSequence = [_channel(name, curves.unit) for name in names]
    rhythm.WaveformBitsAllocated = 16
    rhythm.WaveformSampleInterpretation = "SS"
    samples = np.stack([curves.leads[name] for name in names], axis=1)
    rhythm.WaveformData = np.clip(samples, -(2**15), 2**15 - 1).astype("<i2").tobytes()
    rhythm["WaveformData"].VR = "OW"
    dataset.WaveformSequence = [rhythm]
    return dataset


def _channel(name: str, unit: float) -> Dataset:
    channel = Dataset()
    channel.ChannelSourceSequence = [
        _code(LEADS.get(name, name), "MDC" if name in LEADS else "99TUETINH", f"Lead {name}")
    ]
    channel.ChannelLabel = name[:16]
    channel.ChannelSensitivity = f"{unit:.10g}"[:16]
    channel.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "microvolt")]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    return channel


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _begun(whose: Whose, named: Named, sop_class: str, modality: str, series: int) -> Dataset:
    """An object with everything but what it shows."""
    exam, person, now = whose.exam, whose.person, datetime.now(HANOI)
    began = (exam.started_at or now).astimezone(HANOI)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(instance_uid(exam, named.digest))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    birth = person.birthDate or ""
    told: dict[str, object] = {
        "SpecificCharacterSet": UTF8,
        "SOPClassUID": sop_class,
        "SOPInstanceUID": instance_uid(exam, named.digest),
        "PatientName": identity.display_name(person).replace(" ", "^", 1),
        "PatientID": number_of(person, exam.facility),
        "IssuerOfPatientID": exam.facility,
        "PatientBirthDate": birth.replace("-", "") if len(birth) == 10 else "",
        "PatientSex": _SEXES.get(person.gender or "", ""),
        "StudyInstanceUID": exam.study_instance_uid,
        "StudyDate": f"{began:%Y%m%d}",
        "StudyTime": f"{began:%H%M%S}",
        "StudyID": exam.accession_number,
        "StudyDescription": exam.description[:64],
        "AccessionNumber": exam.accession_number,
        "ReferringPhysicianName": "",
        "SeriesInstanceUID": uid_of(exam, str(series)),
        "SeriesNumber": series,
        "SeriesDescription": NAMES[modality],
        "Modality": modality,
        "InstitutionName": whose.place[:64],
        "OperatorsName": whose.by.replace(" ", "^", 1)[:64],
        "Manufacturer": "",
        "InstanceNumber": named.number,
        "ContentDate": f"{now:%Y%m%d}",
        "ContentTime": f"{now:%H%M%S}",
        "RequestAttributesSequence": [_request(exam)],
    }
    for keyword, value in told.items():
        setattr(dataset, keyword, value)
    if named.description:
        dataset.ContentDescription = named.description[:64]
    return dataset


def _request(exam: Exam) -> Dataset:
    request = Dataset()
    request.RequestedProcedureID = exam.accession_number
    request.RequestedProcedureDescription = exam.description[:64]
    request.ScheduledProcedureStepID = exam.accession_number
    return request


def _pixels(dataset: Dataset, rows: int, columns: int, samples: int, photometric: str) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.AcquisitionContextSequence = []
    dataset.PatientOrientation = dataset.Laterality = ""
    if dataset.SOPClassUID.startswith(VISIBLE):
        dataset.AnatomicRegionSequence = [_code("91723000", "SCT", "Anatomical structure")]  # which one nobody tells
    dataset.LossyImageCompression = "00"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, samples
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    if samples > 1:
        dataset.PlanarConfiguration = 0


def _lossy(dataset: Dataset, ratio: float, method: str) -> None:
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = f"{ratio:.10g}"[:16]
    dataset.LossyImageCompressionMethod = method


def _cine(dataset: Dataset, frames: int, rate: float) -> None:
    dataset.NumberOfFrames = frames
    dataset.CineRate = max(round(rate), 1)
    dataset.FrameTime = f"{1000 / rate:.8g}"
    dataset.FrameIncrementPointer = 0x00181063


def written(dataset: Dataset, place: Path) -> None:
    """Write an object as a Part 10 file."""
    dcmwrite(place, dataset, enforce_file_format=True)


def digest_of(parts: Sequence[bytes]) -> bytes:
    """SHA-256 of what was brought."""
    found = sha256()
    for part in parts:
        found.update(part)
    return found.digest()
