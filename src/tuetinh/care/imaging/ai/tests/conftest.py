"""Pictures with and without words on them, and models that are good for nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmread
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tuetinh.care.imaging.ai import known
from tuetinh.care.imaging.ai.model import Model
from tuetinh.care.imaging.ai.scoring import Picture, Scored
from tuetinh.care.imaging.models import Exam, Instance
from tuetinh.care.imaging.rules import changes
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.care.imaging.tests.conftest import _remember_nothing, person
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.models import Account
from tuetinh.record import r4
from tuetinh.record.asker import Asker

__all__ = ["_remember_nothing", "person"]
US = "1.2.840.10008.5.1.4.1.1.6.1"
# Real pictures of several machines, none with words on it.
CLEAN = (
    "highdicom/ct_image.dcm",
    "highdicom/dx_image.dcm",
    "dcmqi/segmentations/ct-3slice/01.dcm",
    "pydicom_data/MR2_J2KI.dcm",
    "dicomweb_client/sample3.dcm",
    "dicomweb_client/sample.dcm",
    "dicomweb_client/US-PAL-8-10x-echo.dcm",
    "pydicom_test_files/CT_small.dcm",
    "pydicom_test_files/693_J2KI.dcm",
    "pydicom_test_files/JPEG2000.dcm",
)
WORDS = "NGUYEN VAN ANH 29/02/1980"


def colours(path: Path) -> NDArray[np.uint8]:
    """The first frame of a file in colours, 512 pixels at most."""
    values = pixel_array(path, index=0).astype(float)
    low, high = np.percentile(values, (0.5, 99.5))
    scaled = (np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(scaled).convert("RGB")
    image.thumbnail((512, 512))
    return np.asarray(image)


def written_on(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with a name and a birth date in its corner."""
    image = Image.fromarray(picture)
    font = ImageFont.load_default(max(11, picture.shape[0] // 22))
    ImageDraw.Draw(image).text((6, 6), WORDS, fill=(255, 255, 255), font=font, stroke_width=1, stroke_fill=(0, 0, 0))
    return np.asarray(image)


def ultrasound(picture: NDArray[np.uint8], **changes: object) -> bytes:
    """A picture in colours as an ultrasound image of the patient of the tests."""
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 192", "SOPClassUID": US, "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.1", "StudyDate": "20261102",
        "StudyTime": "081500", "AccessionNumber": "", "Modality": "US", "StudyID": "1",
        "StudyDescription": "Siêu âm ổ bụng", "PatientName": "Nguyễn^Văn^Ánh", "PatientID": "BN000017",
        "PatientBirthDate": "19800229", "PatientSex": "M", "SeriesNumber": 1, "InstanceNumber": 1,
        "ImageType": ["ORIGINAL", "PRIMARY"], "Rows": picture.shape[0], "Columns": picture.shape[1],
        "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0, "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0,
        "PixelData": picture.tobytes() + b"\0" * (picture.size % 2),
    } | changes  # fmt: skip
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OB"
    dataset.ensure_file_meta()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def regions(rows: Iterable[Instance]) -> Iterator[tuple[Picture, Scored]]:
    """That a model has found the same region, in the upper left, on the first frame of each object."""
    for row in rows:
        height, width = (row.attributes[tag]["Value"][0] for tag in ("00280010", "00280011"))
        mask = np.zeros((height, width), np.uint8)
        mask[height // 8 : height // 4, width // 8 : width // 2] = 1
        yield Picture(row, 1, mask), Scored(0.9, mask, ((0.125, 0.125, 0.5, 0.25),))


@pytest.fixture
def clean(shared: Path) -> NDArray[np.uint8]:
    """A real ultrasound picture without words."""
    return colours(shared / "data" / "dicom" / "dicomweb_client/US-PAL-8-10x-echo.dcm")


@pytest.fixture
def admin(cast: dict[str, Account]) -> Asker:
    """The administrator of the facility of the cast."""
    return Asker("admin", "admin", "12104")


@pytest.fixture
def switched_on(admin: Asker) -> None:
    """The rule of the house's model, in use at the facility."""
    from msgspec.structs import replace

    changes.change(admin, replace(in_force("12104").rules["AI-TEXT"], on=True), "Dùng thử")


@pytest.fixture
def exam(person: r4.Patient) -> Exam:
    """An examination that is read."""
    found = Exam.objects.get(order=order(person).id)
    Exam.objects.filter(pk=found.pk).update(stage="done", modality="US")
    return found


def varint(number: int) -> bytes:
    """A number as protocol buffers write it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: bytes | int) -> bytes:
    """A field of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def _value(name: str, sides: tuple[int, ...], kind: int = 1) -> bytes:
    """A ValueInfoProto, of floats; a side of 0 is any."""
    dims = b"".join(field(1, field(1, side) if side else field(2, b"n")) for side in sides)
    return field(1, name.encode()) + field(2, field(1, field(1, kind) + field(2, dims)))


def endless() -> bytes:
    """A model that never ends: a Loop whose condition stays true."""
    body = field(1, node("Identity", "c", "d")) + field(1, node("Identity", "v", "w")) + field(2, b"b")
    body += b"".join(
        field(11, one) for one in (_value("i", (), 7), _value("c", (), 9), _value("v", (1, 3, 0, 0)))
    ) + b"".join(field(12, one) for one in (_value("d", (), 9), _value("w", (1, 3, 0, 0))))
    most = field(2, 7) + field(8, b"m") + field(9, b"\xff" * 7 + b"\x7f")
    true = field(2, 9) + field(8, b"t") + field(9, b"\1")
    loop = node("Loop", "m t x", attributes=field(5, field(1, b"body") + field(6, body) + field(20, 5)))
    return onnx(loop, extra=field(5, most) + field(5, true))


def onnx(
    *nodes: bytes, out: tuple[int, ...] = (1, 3, 0, 0), domain: str = "", extra: bytes = b"", opset: int = 13
) -> bytes:
    """A model of `x`, 1×3×H×W, to `y`, by nodes; extra: further fields of the graph."""
    graph = b"".join(field(1, one) for one in nodes) + field(2, b"g") + extra
    graph += field(11, _value("x", (1, 3, 0, 0))) + field(12, _value("y", out))
    sets = field(8, field(2, opset)) + (field(8, field(1, domain.encode()) + field(2, 1)) if domain else b"")
    return field(1, 8) + field(7, graph) + sets


def node(kind: str, inputs: str = "x", output: str = "y", domain: str = "", attributes: bytes = b"") -> bytes:
    """One operator."""
    made = b"".join(field(1, one.encode()) for one in inputs.split()) + field(2, output.encode())
    return made + field(4, kind.encode()) + attributes + (field(7, domain.encode()) if domain else b"")


@pytest.fixture
def described() -> Callable[..., Model]:
    """The description of a model of the tests for a file; `changes` are its fields."""

    def make(data: bytes, **changes: object) -> Model:
        from msgspec.structs import replace

        house = known.newest("pp-ocr-det")
        assert house
        told = {"name": "test-net", "version": "1", "sha256": sha256(data).hexdigest(), "least": 1} | changes
        return replace(house, **told)

    return make


def truth(folder: Path, shared: Path) -> None:
    """Write a folder of pictures, half of them with words, and `truth.csv` with the machine as subgroup."""
    rows = [["file", "truth", "modality"]]
    for number, name in enumerate(CLEAN):
        path = shared / "data" / "dicom" / name
        picture = colours(path)
        for truth_, made in ((0, picture), (1, written_on(picture))):
            file = f"{number:02}-{truth_}.png"
            Image.fromarray(made).save(folder / file)
            rows.append([file, str(truth_), str(dcmread(path, stop_before_pixels=True).get("Modality") or "OT")])
    with (folder / "truth.csv").open("w", newline="") as target:
        csv.writer(target).writerows(rows)
