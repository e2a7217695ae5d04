"""The banner over every clinical page, and the pages that find people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tuetinh.commons.identity.api import PersonDraft, age, banner, register
from tuetinh.commons.identity.queries import today
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import NotFound
from tuetinh.record.sight import EVERYTHING

DRAFT = PersonDraft(name="Lò Thị Pâng", birth="1968-05-01", gender="female", cccd="012168900001", phone="0399000001")


@pytest.fixture
def person(db: None) -> str:
    return str(register(SYSTEM, DRAFT).id)


def coded(code: str, system: str) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=f"http://terminology.hl7.org/CodeSystem/{system}", code=code)])


def fill(person: str) -> r4.Encounter:
    subject = r4.Reference(reference=f"Patient/{person}")
    for name, status in (("Penicillin", "active"), ("Hải sản", "resolved")):
        record.create(
            SYSTEM,
            r4.AllergyIntolerance(
                clinicalStatus=coded(status, "allergyintolerance-clinical"),
                verificationStatus=coded("confirmed", "allergyintolerance-verification"),
                code=r4.CodeableConcept(text=name),
                patient=subject,
            ),
        )
    end = (today() + timedelta(days=30)).isoformat()
    for number, last in (("GD4121290000009", "2020-12-31"), ("DT2121290000001", end)):
        record.create(
            SYSTEM,
            r4.Coverage(
                status="active",
                subscriberId=number,
                beneficiary=subject,
                payor=[r4.Reference(display="BHXH Việt Nam")],
                period=r4.Period(start="2020-01-01", end=last),
            ),
        )
    record.create(
        SYSTEM,
        r4.Invoice(status="issued", subject=subject, totalNet=r4.Money(value=Decimal(125000), currency="VND")),
    )
    return record.create(
        SYSTEM,
        r4.Encounter(
            status="in-progress",
            class_=r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB"),
            subject=subject,
            period=r4.Period(start="2026-11-20T01:00:00Z"),
            location=[r4.EncounterLocation(location=r4.Reference(reference="Location/x", display="Phòng khám Nội 1"))],
            serviceProvider=r4.Reference(reference="Organization/12005", display="TTYT Tam Đường"),
        ),
    )


def test_the_banner_says_what_matters(person: str) -> None:
    visit = fill(person)
    shown = banner(SYSTEM, person)
    assert (shown.name, shown.sex, shown.number, shown.age) == (
        "Lò Thị Pâng",
        "Nữ",
        "012168900001",
        age("1968-05-01", today()),
    )
    assert shown.allergies == ("Penicillin",)
    assert (shown.insurance, shown.insurance_valid) == ("DT2121290000001", True)
    assert (shown.where, shown.encounter) == ("Phòng khám Nội 1 · TTYT Tam Đường", visit.id)
    assert (shown.unpaid, shown.unsigned) == (Decimal(125000), 0)


def test_the_banner_takes_few_queries(person: str) -> None:
    fill(person)
    banner(SYSTEM, person)
    with CaptureQueriesContext(connection) as queries:
        banner(SYSTEM, person)
    assert len(queries) <= 16


def test_a_desk_sees_only_what_it_may(person: str) -> None:
    fill(person)
    narrow = Asker(account="1", role="reception", scopes=frozenset({"user/Patient.rs"}), sight=EVERYTHING)
    shown = banner(narrow, person)
    assert (shown.allergies, shown.insurance, shown.where, shown.unpaid) == ((), "", "", Decimal(0))
    other = Asker(
        account="2", role="citizen", scopes=frozenset({"patient/*.rs"}), patient="someone-else", sight=EVERYTHING
    )
    with pytest.raises(NotFound):
        banner(other, person)


def test_the_search_page_lists_people(person: str, as_role: Callable[[str], Client]) -> None:
    desk = as_role("reception")
    page = desk.post("/people", {"q": "pang 1968"}, follow=True)
    assert (page.status_code, page.redirect_chain) == (200, [("/people", 302)])
    assert "Lò Thị Pâng" in page.content.decode()
    found = desk.post("/people", {"q": "lo thi pagn 1968"}, headers={"HX-Request": "true"}).content.decode()
    assert "Lò Thị Pâng" in found
    assert "<html" not in found
    assert "Không tìm thấy ai" in desk.post("/people", {"q": "zzzz"}, headers={"HX-Request": "true"}).content.decode()


def test_a_scanned_card_opens_the_person(person: str, as_role: Callable[[str], Client]) -> None:
    answer = as_role("reception").post("/people", {"q": "012168900001||Lò Thị Pâng|01051968|Nữ|Tả Lèng|25062021"})
    assert answer.status_code == 302
    assert person in answer["Location"]


@pytest.mark.parametrize("role", ["citizen", "official", "admin", "outsider"])
def test_other_roles_find_nobody(role: str, person: str, as_role: Callable[[str], Client]) -> None:
    browser = as_role(role)
    for answer in (browser.post("/people", {"q": "pang"}), browser.get(f"/people/{person}")):
        assert answer.status_code == 403
        assert "Pâng" not in answer.content.decode()
    assert as_role("").post("/people", {"q": "pang"}).status_code in (302, 401)


def test_the_page_of_a_person(person: str, as_role: Callable[[str], Client]) -> None:
    page = as_role("doctor").get(f"/people/{person}")
    assert page.status_code == 200
    assert "012168900001" in page.content.decode()
    assert as_role("doctor").get("/people/nobody").status_code == 404


def test_it_does_not_say_that_there_is_nothing_where_it_may_not_look(as_role: Callable[[str], Client]) -> None:
    doctor, reception = as_role("doctor"), as_role("reception")
    pages = [one.get("/people/cast-citizen").content.decode() for one in (doctor, reception)]
    assert ["hồ sơ nơi khác chưa mở" in page for page in pages] == [True, True]
    assert ["Chưa hỏi dị ứng" in page for page in pages] == [False, False]
    assert ["Chưa có thẻ BHYT" in page for page in pages] == [False, True]  # reception sees the cards of everybody
    visit = r4.Encounter(
        status="in-progress",
        class_=r4.Coding(code="AMB"),
        subject=r4.Reference(reference="Patient/cast-citizen"),
        serviceProvider=r4.Reference(reference="Organization/12104"),
    )
    record.create(SYSTEM, visit)
    page = doctor.get("/people/cast-citizen").content.decode()
    assert ("Chưa hỏi dị ứng" in page, "Chưa có thẻ BHYT" in page, "chưa mở" in page) == (True, True, False)
