"""Broken pictures are refused or drawn somehow; no decoder ends or holds the process that looks at them."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder, get_encoder, pixel_array
from pydicom.uid import HTJ2K, HTJ2KLossless, RLELossless, generate_uid

from tuetinh.care.imaging.archive import apart
from tuetinh.care.imaging.tests.conftest import Web

DECODE = """
import random, sys
from io import BytesIO
from pathlib import Path
from pydicom.pixels import pixel_array
from tuetinh.care.imaging.archive.lenient import dcmread

data = Path(sys.argv[1]).read_bytes()
begin = data.find(b"\\xff\\xd8\\xff")
for seed in range(40):
    chance, broken = random.Random(seed), bytearray(data)
    if seed % 2:
        at = chance.randrange(begin, len(broken))
        broken[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice([1, 2, 100])))
    for _ in range(chance.choice([1, 3, 10])):
        broken[chance.randrange(begin, min(len(broken), begin + 700))] = chance.randrange(256)
    try:
        pixel_array(dcmread(BytesIO(bytes(broken))))
    except Exception:
        continue
print("alive")
"""
PUBLIC = (
    *("pydicom_test_files/SC_rgb_rle.dcm", "pydicom_data/emri_small_RLE.dcm", "pydicom_data/JLSL_16_15_1_1F.dcm"),
    *("pydicom_test_files/JPEGLSNearLossless_16.dcm", "pydicom_test_files/JPEG2000.dcm", "pydicom_data/US1_J2KI.dcm"),
    *("pydicom_data/HTJ2KLossless_08_RGB.dcm", "pydicom_data/HTJ2K_08_RGB.dcm", "pydicom_data/JPEG-LL.dcm"),
    *("pydicom_test_files/SC_rgb_jpeg_dcmtk.dcm", "pydicom_test_files/JPGExtended.dcm"),
)
RLE = "pydicom_test_files/SC_rgb_rle.dcm"


@pytest.mark.parametrize(
    "name", ["SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_jpeg_no_color_transform.dcm", "SC_rgb_jpeg_gdcm.dcm", "JPGExtended.dcm"]
)
def test_no_broken_jpeg_ends_the_process(name: str, shared: Path) -> None:
    path = shared / "data" / "dicom" / "pydicom_test_files" / name
    done = subprocess.run([sys.executable, "-c", DECODE, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-1000:]


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Processes that a test begins anew, and that are ended with it."""
    for one in apart._all:
        one.close()
    yield monkeypatch
    for one in apart._all:
        one.close()


def test_every_compressed_picture_is_decoded_apart() -> None:
    assert {get_decoder(one).available_plugins for one in apart.SYNTAXES} == {("apart",)}
    assert "gdcm" not in get_encoder(RLELossless).available_plugins


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("while True: pass", "the decoder ended"),
        ("__import__('time').sleep(3600)", "the decoder ended"),
        ("__import__('os').abort()", "the decoder ended"),
        ("raise type('PanicException', (BaseException,), {})('panicked')", "panicked"),
        ("bytearray(2**40)", "decode"),
    ],
)
def test_what_hangs_aborts_panics_or_swells_is_an_error(
    body: str, told: str, decoders: pytest.MonkeyPatch, shared: Path
) -> None:
    lines = f"def broken(*_):\n    {body}\napart._decoded = broken\napart.answer()"
    decoders.setattr(apart, "_MAIN", f"from tuetinh.care.imaging.archive import apart\n{lines}")
    decoders.setattr(apart, "CPU_SECONDS", 1)
    decoders.setattr(apart, "WAITING", 2)
    dataset = dcmread(shared / "data" / "dicom" / RLE)
    with pytest.raises(RuntimeError, match=told):
        pixel_array(dataset)


def test_a_frame_after_one_that_ended_its_process_is_decoded(decoders: pytest.MonkeyPatch, shared: Path) -> None:
    dataset = dcmread(shared / "data" / "dicom" / RLE)
    usual, begun = apart._MAIN, "import os, sys; from tuetinh.care.imaging.archive import apart; "
    decoders.setattr(apart, "_MAIN", f"{begun}apart._write(sys.stdout.buffer, b''); os.abort()")
    with pytest.raises(RuntimeError):
        pixel_array(dataset)
    decoders.setattr(apart, "_MAIN", usual)
    assert pixel_array(dataset).shape == (100, 100, 3)


Y, X = np.mgrid[:24, :32]
DRAWN = {  # as `data/SOURCES.md` says
    "u8": (X * 7 + Y * 5) % 256,
    "u12": (X * 131 + Y * 57) % 4096,
    "u16": (X * 2039 + Y * 911) % 65536,
    "s16": (X * 2039 - Y * 911) % 65536 - 32768,
    "rgb": np.dstack([X * 7 % 256, Y * 9 % 256, (X * 3 + Y * 5) % 256]),
}


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2K])
@pytest.mark.parametrize("name", DRAWN)
def test_htj2k_of_another_maker_is_decoded_to_its_values(name: str, syntax: str) -> None:
    wanted, bits = DRAWN[name], 8 if name in ("u8", "rgb") else 12 if name == "u12" else 16
    one = Dataset()
    one.Rows, one.Columns, one.SamplesPerPixel = 24, 32, 3 if name == "rgb" else 1
    one.BitsAllocated, one.BitsStored, one.HighBit = -(-bits // 8) * 8, bits, bits - 1
    one.PixelRepresentation = int(name == "s16")
    one.PhotometricInterpretation = "YBR_RCT" if name == "rgb" else "MONOCHROME2"
    if name == "rgb":
        one.PlanarConfiguration = 0
    one.PixelData = encapsulate([(Path(__file__).parent / "data" / f"{name}.jhc").read_bytes()])
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = syntax
    assert np.array_equal(pixel_array(one), wanted)


def _broken(data: bytes, begin: int, seed: int) -> bytes:
    """A file whose pixels are cut off, changed, or lie of their length."""
    chance, broken = random.Random(seed), bytearray(data)
    if seed % 4 == 0:
        del broken[chance.randrange(begin, len(broken)) :]
    elif seed % 4 == 1:
        at = chance.randrange(begin, min(begin + 24, len(broken) - 4))
        broken[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"])
    else:
        until = len(broken) if seed % 4 == 2 else min(len(broken), begin + 120)
        for _ in range(8):
            broken[chance.randrange(begin, until)] = chance.choice([0, 255, chance.randrange(256)])
    return bytes(broken)


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PUBLIC)
def test_broken_pictures_are_refused_over_http(name: str, web: Web, shared: Path) -> None:
    path = shared / "data" / "dicom" / name
    for seed in range(4):
        dataset, out = dcmread(path), BytesIO()
        dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(out)
        data = out.getvalue()
        stored = web.store(_broken(data, data.rfind(b"\xe0\x7f\x10\x00OB\0\0") + 12, seed)).status_code
        assert stored in (200, 409)
        series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        at = f"{series}/instances/{dataset.SOPInstanceUID}"
        answers = [
            web.get(f"{at}/{what}", accept).status_code
            for what, accept in (
                *(("rendered", "image/jpeg"), ("frames/1", "application/octet-stream"), ("frames/1", "*/*")),
                ("thumbnail", "image/jpeg"),
            )
        ]
        assert set(answers) <= ({200, 404, 406} if stored == 200 else {404}), (seed, answers)
