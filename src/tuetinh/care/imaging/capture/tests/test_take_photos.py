"""Photos come upright and tell of nothing but what they show; no more of a picture is lost than must be."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tuetinh.care.imaging.capture import photos
from tuetinh.care.imaging.capture.faults import Damaged, TooLarge
from tuetinh.care.imaging.capture.tests.conftest import DATA

JPEG, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"


def picture(form: str, orientation: int = 1, mode: str = "RGB", **options: object) -> bytes:
    """Red above; blue and green below; 64×32, with what cameras tell."""
    image = Image.new("RGB", (64, 32), (220, 30, 30))
    image.paste((30, 30, 220), (0, 16, 32, 32))
    image.paste((30, 200, 30), (32, 16, 64, 32))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "TELL-NOBODY", orientation
    exif.get_ifd(0x8825)[1] = "N"
    out = BytesIO()
    image.convert(mode).save(out, form, exif=exif, **options)
    return out.getvalue()


def corners(photo: photos.Photo) -> list[str]:
    """The colours of the corners: above left, above right, below left, below right."""
    data = photo.frames[0]
    size = (photo.columns, photo.rows)
    image = Image.open(BytesIO(data)) if photo.syntax == JPEG else Image.frombytes("RGB", size, data)
    assert image.size == size
    places = [(2, 2), (photo.columns - 3, 2), (2, photo.rows - 3), (photo.columns - 3, photo.rows - 3)]
    return ["rgb"[int(np.argmax(image.convert("RGB").getpixel(place)))] for place in places]


def test_a_jpeg_stays_as_it_is() -> None:
    data = picture("JPEG", quality=90, comment=b"TELL-NOBODY")
    photo = photos.read(BytesIO(data))
    assert (photo.syntax, photo.rows, photo.columns, photo.photometric) == (JPEG, 32, 64, "YBR_FULL_422")
    assert b"TELL-NOBODY" in data and b"TELL-NOBODY" not in photo.frames[0] and b"Exif" not in photo.frames[0]
    assert photo.frames[0].endswith(data[data.index(b"\xff\xda") :]), "the scan is not compressed again"
    assert corners(photo) == ["r", "r", "b", "g"]


@pytest.mark.parametrize(
    ("orientation", "size", "seen"),
    [(3, (64, 32), "gbrr"), (6, (32, 64), "brgr"), (8, (32, 64), "rgrb"), (2, (64, 32), "rrgb")],
)
def test_it_is_turned_as_the_camera_was_held(orientation: int, size: tuple[int, int], seen: str) -> None:
    photo = photos.read(BytesIO(picture("JPEG", orientation)))
    assert (photo.columns, photo.rows) == size
    assert "".join(corners(photo)) == seen
    assert b"TELL-NOBODY" not in photo.frames[0]


def test_a_progressive_jpeg_becomes_baseline() -> None:
    photo = photos.read(BytesIO(picture("JPEG", progressive=True)))
    assert b"\xff\xc2" not in photo.frames[0][:700] and b"\xff\xc0" in photo.frames[0][:700]
    assert corners(photo) == ["r", "r", "b", "g"]


def test_a_png_loses_nothing() -> None:
    data = picture("PNG")
    photo = photos.read(BytesIO(data))
    assert (photo.syntax, photo.photometric, photo.lossy) == (J2K, "RGB", 0)
    assert photo.frames[0] == Image.open(BytesIO(data)).convert("RGB").tobytes()


def test_sixteen_bits_of_grey_keep_their_steps() -> None:
    out, steps = BytesIO(), np.arange(0, 2**16, 256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(steps).save(out, "PNG")
    photo = photos.read(BytesIO(out.getvalue()))
    assert (photo.samples, photo.frames[0]) == (1, bytes(range(256)))


def test_what_one_sees_through_is_white() -> None:
    out = BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(out, "PNG")
    assert set(photos.read(BytesIO(out.getvalue())).frames[0]) == {255}


def test_a_heic_of_a_phone() -> None:
    photo = photos.read(BytesIO((DATA / "photo.heic").read_bytes()))
    assert (photo.syntax, photo.rows, photo.columns) == (JPEG, 32, 48)
    assert corners(photo) == ["r", "r", "b", "g"] and b"TELL-NOBODY" not in photo.frames[0]


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_what_breaks_off_is_refused(form: str, share: float) -> None:
    data = picture(form)
    with pytest.raises(Damaged):
        photos.read(BytesIO(data[: int(len(data) * share)]))


def test_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "MOST_PIXELS", 64 * 32 - 1)
    with pytest.raises(TooLarge):
        photos.read(BytesIO(picture("PNG")))


def test_a_clip_is_of_one_size() -> None:
    frames = [picture("JPEG"), picture("JPEG", quality=50)]
    clip = photos.clip(frames, 8)
    assert (len(clip.frames), clip.rows, clip.rate) == (2, 32, 8)
    for wrong in ([], [*frames, picture("JPEG", 6)], [picture("PNG")]):
        with pytest.raises(Damaged):
            photos.clip(wrong, 8)
