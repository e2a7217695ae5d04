"""Pictures that cannot be opened are found soon after they came, and wait on a page until somebody has decided."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEG2000Lossless

from tuetinh.care.imaging.archive import deciding, unreadable
from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.archive.models import Unreadable, Upkeep
from tuetinh.care.imaging.archive.upkeep import JOBS, go_on
from tuetinh.care.imaging.errors import NeedsReason, NotAllowed, NotWaiting
from tuetinh.care.imaging.models import Change, Held, Instance
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
SIDE = 64
SIZED = {"Rows": SIDE, "Columns": SIDE, "BitsStored": 16, "HighBit": 15}


@pytest.fixture
def desk(cast: dict[str, Account]) -> Asker:
    """The imaging desk."""
    return asker_of(cast["imaging"])


def compressed(frames: list[bytes], syntax: str = JPEG2000Lossless, **changes: Any) -> bytes:
    """An object whose frames are said to be compressed."""
    dataset, out = dcmread(BytesIO(part10(**changes))), BytesIO()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.NumberOfFrames = len(frames)
    dataset.save_as(out)
    return out.getvalue()


def good_frame() -> bytes:
    """Pixels of `SIDE`² in JPEG 2000."""
    dataset = dcmread(BytesIO(part10(**SIZED, PixelData=bytes(2 * SIDE * SIDE))))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    return bytes(get_frame(dataset.PixelData, 0, number_of_frames=1))


def tried() -> None:
    """Let the job try what came, as though that were a while ago."""
    enter(SYSTEM)
    Instance.objects.update(received_at=datetime.now(UTC) - timedelta(minutes=2))
    go_on(JOBS["try"])
    enter(SYSTEM)


BROKEN = b"\xff\x4f\xff\x51" + bytes(60)


def test_what_cannot_be_opened_is_listed(person: r4.Patient, desk: Asker) -> None:
    frame = good_frame()
    keep(HERE, part10())
    keep(HERE, compressed([frame], SOPInstanceUID="1.2.3.9.1", **SIZED))
    keep(HERE, compressed([frame, BROKEN], SOPInstanceUID="1.2.3.9.2", **SIZED))
    keep(HERE, compressed([BROKEN], "1.2.840.10008.1.2.4.201", SOPInstanceUID="1.2.3.9.3"))
    keep(HERE, compressed([BROKEN], "1.2.840.10008.1.2.4.92", SOPInstanceUID="1.2.3.9.4"))
    keep(HERE, part10(SOPInstanceUID="1.2.3.9.8").replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0"))
    keep(HERE, part10(SOPInstanceUID="1.2.3.9.5", PixelData=bytes(30)))
    keep(HERE, part10(SOPInstanceUID="1.2.3.9.6", Rows=40000, Columns=40000))
    keep(HERE, part10(SOPInstanceUID="1.2.3.9.7", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Rows=400))
    tried()
    found = {one.instance.sop_instance_uid: (one.fault, one.frame) for one in unreadable.listed(desk)}
    assert found == {
        "1.2.3.9.2": ("broken", 2),
        "1.2.3.9.3": ("broken", 1),
        "1.2.3.9.4": ("syntax", 1),
        "1.2.3.9.5": ("cut", 1),
        "1.2.3.9.6": ("cut", 1),
        "1.2.3.9.8": ("syntax", 1),
    }


def test_each_is_tried_once_and_what_comes_later_too(person: r4.Patient, desk: Asker) -> None:
    keep(HERE, compressed([BROKEN], SOPInstanceUID="1.2.3.9.1"))
    go_on(JOBS["try"])
    assert unreadable.listed(desk).count() == 0  # others may still be adding objects with smaller numbers
    tried()
    state = Upkeep.objects.get(job="try")
    assert (state.seen, state.done, unreadable.listed(desk).count()) == (1, 1, 1)
    keep(HERE, compressed([BROKEN + b"\0"], SOPInstanceUID="1.2.3.9.2"))
    tried()
    state = Upkeep.objects.get(job="try")
    assert (state.seen, state.done, unreadable.listed(desk).count()) == (2, 2, 2)


def test_a_person_has_it_sent_again_and_takes_what_comes(
    person: r4.Patient, desk: Asker, as_role: Callable[[str], Client]
) -> None:
    keep(HERE, compressed([BROKEN], SOPInstanceUID="1.2.3.9.1", **SIZED))
    tried()
    pages = as_role("imaging")
    row = Unreadable.objects.get()
    listed = pages.get("/imaging/waiting?list=unreadable").content.decode()
    assert f"/imaging/waiting/unreadable/{row.pk}" in listed
    assert "Dữ liệu ảnh hỏng" in listed
    page = f"/imaging/waiting/unreadable/{row.pk}"
    assert "AE TEST" in pages.get(page).content.decode()
    assert pages.post(page, {"action": "ask", "why": ""}).status_code == 422
    assert pages.post(page, {"action": "ask", "why": "Gọi phòng CT"}).status_code == 302
    assert "đã yêu cầu gửi lại" in pages.get("/imaging/waiting?list=unreadable").content.decode()
    change = Change.objects.get()
    assert (change.action, change.why, change.after) == (
        "ask",
        "Gọi phòng CT",
        {"instance": "1.2.3.9.1", "fault": "broken"},
    )

    keep(HERE, compressed([good_frame()], SOPInstanceUID="1.2.3.9.1", **SIZED))
    again = Held.objects.get()
    assert again.reason == "changed"
    assert "không mở được" in pages.get(f"/imaging/waiting/{again.pk}").content.decode()
    deciding.replace(desk, again.pk, "Máy gửi lại")
    assert unreadable.listed(desk).count() == 0
    tried()
    assert Unreadable.objects.count() == 0
    assert pages.get(page).status_code == 404


def test_what_takes_the_place_of_a_good_one_is_tried(person: r4.Patient, desk: Asker) -> None:
    keep(HERE, part10(SOPInstanceUID="1.2.3.9.1"))
    tried()
    keep(HERE, compressed([BROKEN], SOPInstanceUID="1.2.3.9.1"))
    deciding.replace(desk, Held.objects.get().pk, "Máy gửi lại")
    assert unreadable.listed(desk).count() == 0
    tried()
    assert [one.fault for one in unreadable.listed(desk)] == ["broken"]


def test_what_is_left_as_it_is_is_listed_no_more(person: r4.Patient, desk: Asker, cast: dict[str, Account]) -> None:
    keep(HERE, compressed([BROKEN], SOPInstanceUID="1.2.3.9.1"))
    tried()
    row = Unreadable.objects.get()
    for who in (asker_of(cast["doctor"]), Asker("9", "imaging", "12999")):
        with pytest.raises((NotAllowed, NotWaiting)):
            unreadable.leave(who, row.pk, "x")
    with pytest.raises(NeedsReason):
        unreadable.leave(desk, row.pk, " ")
    assert Change.objects.count() == 0
    unreadable.leave(desk, row.pk, "Máy cũ đã thanh lý")
    assert (unreadable.listed(desk).count(), Change.objects.get().action) == (0, "leave")
    with pytest.raises(NotWaiting):
        unreadable.leave(desk, row.pk, "Lần nữa")


def test_it_is_listed_at_its_facility_alone(person: r4.Patient, desk: Asker, cast: dict[str, Account]) -> None:
    keep(HERE, compressed([BROKEN], SOPInstanceUID="1.2.3.9.1"))
    tried()
    assert unreadable.listed(desk).count() == 1
    assert unreadable.listed(Asker("9", "imaging", "12999")).count() == 0


@pytest.mark.parametrize("name", ["HTJ2KLossless_08_RGB.dcm", "HTJ2K_08_RGB.dcm", "JPEG-LL.dcm", "US1_J2KI.dcm"])
def test_public_pictures_are_opened(name: str, person: r4.Patient, desk: Asker, shared: Path) -> None:
    dataset, out = dcmread(shared / "data" / "dicom" / "pydicom_data" / name), BytesIO()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.7", "1.2.3.7.1"
    dataset.save_as(out)
    keep(HERE, out.getvalue())
    tried()
    assert (Instance.objects.count(), unreadable.listed(desk).count()) == (1, 0)
