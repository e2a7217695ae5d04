"""What is labelled is opened by care that goes on and that not the asker alone has written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.sight import glass
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
HERE, THERE = "12104", "12001"
PATIENT = r4.Reference(reference="Patient/cast-citizen")
ICD10 = "http://hl7.org/fhir/sid/icd-10"


def at(name: str) -> r4.Reference:
    return r4.Reference(reference=name)


@pytest.fixture(autouse=True)
def elsewhere() -> None:
    """A diagnosis of the closed list, written at another facility."""
    code = r4.CodeableConcept(coding=[r4.Coding(system=ICD10, code="B20")])
    api.create(replace(SYSTEM, facility=THERE), r4.Condition(id="hiv", subject=PATIENT, code=code))


def sees(account: Account) -> bool:
    try:
        api.read(asker_of(account), "Condition", "hiv")
    except NotFound:
        return False
    return True


def visit(by: Asker, status: str = "in-progress", until: str | None = None) -> None:
    period = r4.Period(start="2026-01-01T08:00:00+07:00", end=until)
    one = r4.Encounter(
        id="v", status=status, class_=r4.Coding(code="AMB"), subject=PATIENT, period=period,
        serviceProvider=at(f"Organization/{HERE}"),
    )  # fmt: skip
    api.put_many(by, [one])


def test_who_alone_writes_the_visit_does_not_open_it_to_the_own_eyes(cast: dict[str, Account]) -> None:
    doctor, nurse = cast["doctor"], cast["nurse"]
    visit(asker_of(doctor))
    assert (sees(doctor), sees(nurse)) == (False, True)
    visit(asker_of(doctor))
    assert not sees(doctor)
    visit(asker_of(cast["reception"]))
    assert (sees(doctor), sees(nurse)) == (True, True)


def test_who_was_received_is_seen_by_who_treats(cast: dict[str, Account]) -> None:
    visit(asker_of(cast["reception"]), "arrived")
    assert sees(cast["doctor"])
    visit(asker_of(cast["doctor"]))
    assert sees(cast["doctor"])


def test_a_visit_of_long_ago_is_not_taken_up_again_to_look(cast: dict[str, Account]) -> None:
    visit(asker_of(cast["reception"]), "finished", "2026-01-01T09:00:00+07:00")
    assert not sees(cast["doctor"])
    visit(asker_of(cast["doctor"]))
    assert not sees(cast["doctor"])
    visit(asker_of(cast["nurse"]))
    assert sees(cast["doctor"])


def test_with_the_visit_it_ends_at_once(cast: dict[str, Account]) -> None:
    ended = timezone.now() - timedelta(minutes=5)
    visit(asker_of(cast["reception"]), "finished", ended.isoformat(timespec="seconds"))
    assert not sees(cast["doctor"])


@pytest.mark.parametrize("by", ["doctor", "reception"])
@pytest.mark.parametrize("status", ["proposed", "pending", "booked", "arrived", "checked-in", "fulfilled"])
def test_an_appointment_opens_none(cast: dict[str, Account], by: str, status: str) -> None:
    participants = [
        r4.AppointmentParticipant(actor=at(name), status="accepted")
        for name in ("Practitioner/cast-doctor", PATIENT.reference or "")
    ]
    times = {"start": "2027-01-01T08:00:00Z", "end": "2027-01-01T08:30:00Z"}
    api.create(asker_of(cast[by]), r4.Appointment(status=status, participant=participants, **times))
    assert not sees(cast["doctor"])


def test_to_be_registered_here_opens_none(cast: dict[str, Account]) -> None:
    person = api.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(person, r4.Patient)
    person.managingOrganization = at(f"Organization/{HERE}")
    api.update(SYSTEM, person)
    assert not sees(cast["doctor"])


@pytest.mark.parametrize(("by", "opens"), [("doctor", False), ("nurse", True)])
def test_an_order_opens_it_for_others_than_who_wrote_it(cast: dict[str, Account], by: str, opens: bool) -> None:
    order = r4.ServiceRequest(status="active", intent="order", subject=PATIENT, performer=[at(f"Organization/{HERE}")])
    api.create(asker_of(cast[by]), order)
    assert sees(cast["doctor"]) == opens


def test_a_system_that_writes_the_visits_of_its_facility_sees_what_they_open() -> None:
    from tuetinh.commons.access.sight.rules import of_system

    system = Asker("client:his", "system", HERE, "HOPERAT", frozenset({"system/*.cruds"}), client="his")
    system = replace(system, sight=of_system(HERE))
    visit(system)
    assert api.read(system, "Condition", "hiv").id == "hiv"


def test_in_an_emergency_nobody_waits_for_a_second_one(cast: dict[str, Account]) -> None:
    visit(asker_of(cast["doctor"]))
    glass.open_record(cast["doctor"], "cast-citizen", "người bệnh hôn mê, cần biết tiền sử")
    assert sees(cast["doctor"])


def test_the_page_why_tells_it(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    visit(asker_of(cast["doctor"]))
    told = {}
    for role in ("doctor", "nurse"):
        answer = as_role("admin").post("/accounts/why", {"username": f"cast.{role}", "patient": "cast-citizen"})
        told[role] = " ".join(answer.content.decode().split())
    alone = "còn hiệu lực · chưa mở thông tin nhạy cảm: chỉ do tài khoản này tự ghi, chưa có người thứ hai ghi nhận"
    assert (alone in told["doctor"], alone in told["nurse"]) == (True, False)
    assert (told["doctor"].count("xem được</span>"), told["nurse"].count("xem được</span>")) == (0, 9)
