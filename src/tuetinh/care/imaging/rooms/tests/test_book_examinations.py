"""Rooms are opened, examinations booked into them, moved and taken back; nobody is booked where somebody is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tuetinh.care.imaging import exams
from tuetinh.care.imaging.errors import Booked, NotFree, PersonBusy
from tuetinh.care.imaging.models import Booking, Device, Exam, Room
from tuetinh.care.imaging.rooms import actions, queries
from tuetinh.care.imaging.tests.conftest import FACILITY
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.identity.api import human_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

pytestmark = pytest.mark.django_db
Browser = Callable[[str], Client]
ROOM = {"name": "CT 1", "modalities": "ct", "opens": "07:00", "closes": "11:00", "slot": "15", "days": list("1234567")}


def at(clock: str, days: int = 1) -> datetime:
    """A time of one of the next days."""
    day = datetime.now(queries.HANOI).date() + timedelta(days=days)
    return datetime.combine(day, time.fromisoformat(clock), queries.HANOI)


@pytest.fixture
def room(cast: object) -> Room:
    """A CT room of quarters of an hour, with its machine."""
    found = Room.objects.create(
        facility=FACILITY, name="CT 1", modalities=["CT"], opens=time(7), closes=time(11), days="1234567", slot=15
    )
    device = Device.objects.create(title="CT1", facility=FACILITY, name="CT 64 dãy", modality="CT", works=True)
    found.machines.create(device=device)
    return found


@pytest.fixture
def desk(cast: dict[str, Account]) -> Asker:
    """The imaging desk."""
    return asker_of(cast["imaging"])


def another() -> r4.Patient:
    """A second person."""
    return record.create(SYSTEM, r4.Patient(name=[human_name("Lò Thị Hai")], gender="female", birthDate="2015-01-01"))


def exam_of(person: r4.Patient, name: str = "Chụp cắt lớp vi tính sọ não") -> Exam:
    """An ordered examination."""
    return Exam.objects.get(order=order(person, name).id)


def test_an_administrator_opens_a_room(cast: object, as_role: Browser) -> None:
    device = Device.objects.create(title="CT1", facility=FACILITY, name="CT 64 dãy", modality="CT", works=True)
    elsewhere = Device.objects.create(title="CT9", facility="12001", name="CT", modality="CT", works=True)
    admin = as_role("admin")
    assert admin.post("/imaging/rooms/new", ROOM | {"devices": [device.pk]}).status_code == 302
    row = Room.objects.get()
    assert (row.facility, row.modalities, row.opens, row.days, row.slot) == (FACILITY, ["CT"], time(7), "1234567", 15)
    assert list(row.machines.values_list("device__title", flat=True)) == ["CT1"]
    assert admin.post("/imaging/rooms/new", ROOM).status_code == 422  # the name is taken
    for wrong in (
        {"closes": "07:05"},
        {"modalities": "C T!"},
        {"days": []},
        {"devices": [elsewhere.pk]},
        {"slot": "1"},
    ):
        assert admin.post("/imaging/rooms/new", ROOM | {"name": "CT 2"} | wrong).status_code == 422
    assert admin.post(f"/imaging/rooms/{row.pk}", ROOM | {"slot": "30", "enabled": "on"}).status_code == 302
    row.refresh_from_db()
    assert (row.slot, row.enabled, row.machines.count()) == (30, True, 0)
    assert as_role("imaging").post("/imaging/rooms/new", ROOM | {"name": "X"}).status_code == 403
    assert Room.objects.count() == 1
    Room.objects.update(facility="12001")
    assert admin.get(f"/imaging/rooms/{row.pk}").status_code == 404


def test_from_the_waiting_list_to_a_time(person: r4.Patient, room: Room, as_role: Browser) -> None:
    exam = exam_of(person)
    browser = as_role("imaging")
    assert "Nguyễn Văn Ánh" in browser.get("/imaging/schedule").content.decode()
    url = f"/imaging/exams/{exam.pk}/book"
    when = at("08:00")
    page = browser.get(f"{url}?day={when.date()}").content.decode()
    assert f'value="{when.isoformat()}"' in page
    assert browser.post(url, {"room": room.pk, "at": when.isoformat()}).status_code == 302
    exam.refresh_from_db()
    assert (exam.stage, exam.scheduled_at, exam.device and exam.device.title) == ("scheduled", when, "CT1")
    row = Booking.objects.get()
    assert (row.ends - row.starts, row.exam_id) == (timedelta(minutes=15), exam.pk)
    assert "Nguyễn Văn Ánh" not in browser.get("/imaging/schedule").content.decode()
    day = browser.get(f"/imaging/rooms/{room.pk}/day?day={when.date()}").content.decode()
    assert f'data-booking="{row.pk}"' in day and "Nguyễn Văn Ánh" in day
    moved = at("09:30")
    assert browser.post(url, {"room": room.pk, "at": moved.isoformat()}).status_code == 302
    live = Booking.objects.get(cancelled_at=None)
    exam.refresh_from_db()
    assert (live.starts, exam.scheduled_at, Booking.objects.count()) == (moved, moved, 2)
    assert browser.post(f"/imaging/exams/{exam.pk}/cancel-booking", {"why": ""}).status_code == 422
    assert browser.post(f"/imaging/exams/{exam.pk}/cancel-booking", {"why": "Người bệnh bận"}).status_code == 302
    exam.refresh_from_db()
    assert (exam.stage, exam.scheduled_at, exam.device) == ("ordered", exam.ordered_at, None)
    assert not Booking.objects.filter(cancelled_at=None).exists()


def test_no_room_is_taken_twice(person: r4.Patient, room: Room, desk: Asker) -> None:
    first, second = exam_of(person, "Chụp CLVT sọ não có tiêm thuốc cản quang"), exam_of(another())
    actions.book(desk, first.pk, room.pk, at("08:00"))  # 20 minutes: two slots
    with pytest.raises(NotFree):
        actions.book(desk, second.pk, room.pk, at("08:15"))
    second.refresh_from_db()
    assert (second.stage, Booking.objects.count()) == ("ordered", 1)
    free = queries.free(room, at("08:00").date(), 10, queries.taken([room.pk], at("08:00").date())[room.pk])
    assert at("08:00") not in free and at("08:15") not in free and at("08:30") in free
    taken = Booking.objects.get()
    with pytest.raises(IntegrityError, match="imaging_booking_alone"), transaction.atomic():
        Booking.objects.create(
            room=room, starts=taken.starts + timedelta(minutes=29), ends=taken.ends + timedelta(hours=1), account="1",
            at=taken.at,
        )  # fmt: skip
    actions.book(desk, second.pk, room.pk, at("08:30"))  # right behind
    actions.cancel(desk, first.pk, "Đổi ngày")
    third = exam_of(another())
    actions.book(desk, third.pk, room.pk, at("08:00"))  # what was taken back is free


def test_a_person_is_at_one_place_at_a_time(person: r4.Patient, room: Room, desk: Asker) -> None:
    other = Room.objects.create(
        facility=FACILITY, name="XQ", modalities=["DX"], opens=time(7), closes=time(11), days="1234567", slot=10
    )
    head, chest = exam_of(person), exam_of(person, "Chụp X-quang ngực thẳng")
    actions.book(desk, head.pk, room.pk, at("08:00"))
    with pytest.raises(PersonBusy):
        actions.book(desk, chest.pk, other.pk, at("08:10"))
    assert Booking.objects.count() == 1
    actions.book(desk, chest.pk, other.pk, at("08:20"))


def test_only_open_times_of_fitting_rooms(person: r4.Patient, room: Room, as_role: Browser) -> None:
    exam, browser = exam_of(person), as_role("imaging")
    mri = Room.objects.create(
        facility=FACILITY, name="MR", modalities=["MR"], opens=time(7), closes=time(11), days="1234567", slot=15
    )
    abroad = Room.objects.create(
        facility="12001", name="CT", modalities=["CT"], opens=time(7), closes=time(11), days="1234567", slot=15
    )
    url = f"/imaging/exams/{exam.pk}/book"
    for where, when in (
        (mri.pk, at("08:00").isoformat()), (abroad.pk, at("08:00").isoformat()), (room.pk, at("06:45").isoformat()),
        (room.pk, at("08:07").isoformat()), (room.pk, at("11:00").isoformat()), (room.pk, at("08:00", -1).isoformat()),
        (room.pk, "08:00"), (room.pk, "2030-01-01T08:00"), ("x", at("08:00").isoformat()),
        (10**30, at("08:00").isoformat()),
    ):  # fmt: skip
        assert browser.post(url, {"room": where, "at": when}).status_code == 422
    Room.objects.filter(pk=room.pk).update(days="")
    assert browser.post(url, {"room": room.pk, "at": at("08:00").isoformat()}).status_code == 422
    exam.refresh_from_db()
    assert (exam.stage, Booking.objects.count()) == ("ordered", 0)


def test_a_holiday_is_as_a_sunday(room: Room) -> None:
    new_year, friday = date(2027, 1, 1), date(2027, 1, 8)
    assert (len(queries.grid(room, new_year)), len(queries.grid(room, friday))) == (16, 16)
    room.days = "12345"
    assert (len(queries.grid(room, new_year)), len(queries.grid(room, friday))) == (0, 16)


def test_a_room_is_closed_for_a_while(person: r4.Patient, room: Room, desk: Asker, as_role: Browser) -> None:
    browser, day = as_role("imaging"), at("08:00").date()
    told = {"at": "08:00", "minutes": "60", "note": "Bảo trì"}
    assert browser.post(f"/imaging/rooms/{room.pk}/close?day={day}", told).status_code == 302
    assert browser.post(f"/imaging/rooms/{room.pk}/close?day={day}", told).status_code == 422
    assert "Bảo trì" in browser.get(f"/imaging/rooms/{room.pk}/day?day={day}").content.decode()
    exam = exam_of(person)
    with pytest.raises(NotFree):
        actions.book(desk, exam.pk, room.pk, at("08:45"))
    row = Booking.objects.get()
    assert browser.post(f"/imaging/rooms/{room.pk}/reopen/{row.pk}").status_code == 302
    actions.book(desk, exam.pk, room.pk, at("08:45"))


def test_a_booked_examination_is_moved_in_its_schedule(person: r4.Patient, room: Room, desk: Asker) -> None:
    from tuetinh.care.imaging.actions import schedule

    exam = exam_of(person)
    actions.book(desk, exam.pk, room.pk, at("08:00"))
    with pytest.raises(Booked):
        schedule(desk, exam.pk, None, at("10:00"))
    exam.refresh_from_db()
    assert exam.scheduled_at == at("08:00")


def test_a_revoked_order_gives_its_time_back(person: r4.Patient, room: Room, desk: Asker) -> None:
    wanted = order(person)
    exam = Exam.objects.get(order=wanted.id)
    actions.book(desk, exam.pk, room.pk, at("08:00"))
    wanted.status = "revoked"
    record.update(SYSTEM, wanted)
    assert Exam.objects.get(pk=exam.pk).stage == "cancelled"
    assert not Booking.objects.filter(cancelled_at=None).exists()
    assert exams.has_begun(str(wanted.id)) is False


def test_the_urgent_come_first(person: r4.Patient, room: Room, as_role: Browser) -> None:
    later, urgent = exam_of(person), exam_of(another())
    Exam.objects.filter(pk=urgent.pk).update(urgent=True)
    assert list(queries.waiting(FACILITY)) == [urgent, later]


def test_a_protocol_is_chosen(person: r4.Patient, room: Room, as_role: Browser) -> None:
    exam, browser = exam_of(person), as_role("imaging")
    assert (queries.protocol_of(exam) or pytest.fail()).code == "CT-HEAD"
    url = f"/imaging/exams/{exam.pk}/protocol"
    assert browser.post(url, {"protocol": "CT-HEAD-C"}).status_code == 302
    found = queries.protocol_of(exam)
    assert found is not None
    assert (found.code, found.contrast, found.minutes) == ("CT-HEAD-C", "iodine", 20)
    assert browser.post(url, {"protocol": "MR-HEAD"}).status_code == 422  # of another machine
    assert browser.post(url, {"protocol": "CT-HEAD"}).status_code == 302
    assert not hasattr(Exam.objects.get(pk=exam.pk), "chosen")


def test_nobody_else_books(person: r4.Patient, room: Room, as_role: Browser) -> None:
    exam = exam_of(person)
    told = {"room": room.pk, "at": at("08:00").isoformat(), "protocol": "CT-HEAD-C", "minutes": "30", "note": "x"}
    for role in ("doctor", "outsider", "admin", "citizen"):
        for path in (f"exams/{exam.pk}/book", f"exams/{exam.pk}/protocol", f"rooms/{room.pk}/close"):
            assert as_role(role).post(f"/imaging/{path}", told).status_code in (302, 403)
        assert as_role(role).get("/imaging/schedule").status_code in (302, 403)
    assert Booking.objects.count() == 0
    Exam.objects.update(facility="12001")
    assert as_role("imaging").post(f"/imaging/exams/{exam.pk}/book", told).status_code == 404
    Room.objects.update(facility="12001")
    assert as_role("imaging").get(f"/imaging/rooms/{room.pk}/day").status_code == 404
    assert Booking.objects.count() == 0


def test_lists_cost_the_same_for_many(person: r4.Patient, room: Room, desk: Asker, as_role: Browser) -> None:
    browser, day = as_role("imaging"), at("07:00").date()
    urls = ("/imaging/schedule", f"/imaging/rooms/{room.pk}/day?day={day}")

    def cost() -> list[int]:
        found = []
        for url in urls:
            browser.get(url)
            with CaptureQueriesContext(connection) as queries_made:
                assert browser.get(url).status_code == 200
            found.append(len(queries_made))
        return found

    exam_of(person)
    actions.book(desk, exam_of(another()).pk, room.pk, at("07:00"))
    few = cost()
    for n in range(8):
        exam_of(another())
        actions.book(desk, exam_of(another()).pk, room.pk, at(f"08:{15 * (n % 4):02}") + timedelta(hours=n // 4))
    assert cost() == few


def test_the_sheet_says_what_to_do_before(person: r4.Patient, room: Room, desk: Asker, as_role: Browser) -> None:
    from io import BytesIO

    from pypdf import PdfReader

    exam, browser = exam_of(person, "Chụp CLVT sọ não có tiêm thuốc cản quang"), as_role("imaging")
    url = f"/imaging/exams/{exam.pk}/preparation.pdf"
    assert browser.get(url).content.startswith(b"%PDF")  # also before there is a time
    actions.book(desk, exam.pk, room.pk, at("08:00"))
    text = " ".join(PdfReader(BytesIO(browser.get(url).content)).pages[0].extract_text().split())
    assert f"08:00 {at('08:00'):%d/%m/%Y}" in text and "CT 1" in text
    assert "TIÊM THUỐC CẢN QUANG IOD" in text and "metformin" in text
    assert as_role("doctor").get(url).status_code == 403
