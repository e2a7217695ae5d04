"""A citizen shares the record by a code: what it opens, for whom, how long, how it is guarded, who is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from tuetinh.commons.access.api import asker_of, forbidding
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity.merging import merge
from tuetinh.community.portal import shares
from tuetinh.community.portal.models import Miss, Opening, Share
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

pytestmark = pytest.mark.django_db
PAGE = "/me/record/share"
HL7 = "http://terminology.hl7.org/CodeSystem"
Browse = Callable[[str], Client]


@pytest.fixture(autouse=True)
def known(cast: dict[str, Account]) -> None:
    """Written by the hospital elsewhere: an allergy, a problem, an HIV problem, a visit."""
    at = replace(SYSTEM, facility="12001")
    subject = r4.Reference(reference="Patient/cast-citizen")
    standing = r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/condition-clinical", code="active")])
    listed = [r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/condition-category", code="problem-list-item")])]
    for id_, code, name in (("plain", "I10", "Tăng huyết áp"), ("hiv", "B20", "Bệnh do HIV")):
        coding = r4.Coding(system="http://hl7.org/fhir/sid/icd-10", code=code)
        record.create(
            at,
            r4.Condition(
                id=id_,
                subject=subject,
                clinicalStatus=standing,
                category=listed,
                code=r4.CodeableConcept(coding=[coding], text=name),
            ),
        )
    record.create(
        at,
        r4.Encounter(
            id="v",
            status="finished",
            class_=r4.Coding(code="AMB"),
            subject=subject,
            period=r4.Period(start="2026-03-01T08:00:00+07:00", end="2026-03-01T09:00:00+07:00"),
            reasonCode=[r4.CodeableConcept(text="Đau đầu từng cơn")],
        ),
    )


def make(browser: Client, scope: str = "summary", **fields: str) -> str:
    """The code of a new share, as the page shows it."""
    answer = browser.post(PAGE, {"scope": scope, "hours": "24", "pin": ""} | fields)
    assert answer.status_code == 200
    found = re.search(r'href="http://testserver/share#([a-z0-9]+)"', answer.content.decode())
    assert found
    return found[1]


def shown(browser: Client, code: str, pin: str = "") -> str:
    """What the code opens."""
    answer = browser.post("/share", {"code": code, "pin": pin})
    assert answer.status_code == 302, answer.content.decode()
    return browser.get(answer["Location"]).content.decode()


def sees(account: Account) -> list[str]:
    return sorted(str(one.id) for one in record.search(asker_of(account), "Condition", "").resources)


@pytest.mark.parametrize(
    ("scope", "seen", "unseen"),
    [
        ("summary", {"Tăng huyết áp"}, {"Bệnh do HIV", "Đau đầu từng cơn", "/share/record/visits/v"}),
        ("ordinary", {"Tăng huyết áp", "/share/record/visits/v"}, {"Bệnh do HIV"}),
        ("all", {"Tăng huyết áp", "Bệnh do HIV", "/share/record/visits/v"}, set()),
    ],
)
def test_any_device_sees_what_was_chosen(as_role: Browse, scope: str, seen: set[str], unseen: set[str]) -> None:
    code, device = make(as_role("citizen"), scope), Client()
    page = shown(device, f"http://testserver/share#{code}")
    assert {one for one in seen | unseen if one in page} == seen
    assert "Lò Thị Pâng" in page
    assert device.get("/share/record/visits/v").status_code == (404 if scope == "summary" else 200)
    assert device.get("/me/record").status_code == 302, "nobody is logged in by it"
    device.post("/share/close")
    assert device.get("/share/record")["Location"] == "/share"


def test_the_code_is_a_secret_that_is_kept_nowhere(as_role: Browse) -> None:
    first, second = (make(as_role("citizen")) for _ in range(2))
    assert (len(first), len(second)) == (28, 28)
    assert first != second
    kept = Share.objects.order_by("pk").values_list("digest", flat=True)
    assert [bytes(one) for one in kept] == [shares._digest(first), shares._digest(second)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(s)::text FROM portal_share s")
        assert not any(first in row or second in row for (row,) in cursor.fetchall())
    assert first not in as_role("citizen").get(PAGE).content.decode()


def test_typed_in_groups_and_capitals(as_role: Browse) -> None:
    code = make(as_role("citizen"))
    assert "Lò Thị Pâng" in shown(Client(), " ".join(code[at : at + 4] for at in range(0, 28, 4)).upper())


def test_taken_back_at_once(as_role: Browse) -> None:
    me, device = as_role("citizen"), Client()
    code = make(me)
    shown(device, code)
    [share] = Share.objects.all()
    assert as_role("doctor").post(f"{PAGE}/{share.pk}/end").status_code == 403
    assert device.get("/share/record").status_code == 200
    assert me.post(f"{PAGE}/{share.pk}/end").status_code == 302
    assert device.get("/share/record")["Location"] == "/share"
    assert Client().post("/share", {"code": code}).status_code == 404
    assert me.post(f"{PAGE}/{share.pk}/end").status_code == 404


def test_after_its_hours_nothing_opens(as_role: Browse) -> None:
    code, device = make(as_role("citizen"), hours="1"), Client()
    shown(device, code)
    [opening] = Opening.objects.select_related("share")
    who = shares.asker(opening)
    assert who
    assert record.read(who, "Condition", "plain").id == "plain"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE record.relation SET until = now() WHERE holder LIKE 'Share/%'")
    assert record.search(who, "Condition", "").resources == [], "the row policies end it too"
    Share.objects.update(until=timezone.now())
    assert device.get("/share/record")["Location"] == "/share"
    assert Client().post("/share", {"code": code}).status_code == 404


def test_a_pin_and_its_tries(as_role: Browse) -> None:
    me, device = as_role("citizen"), Client()
    code = make(me, pin="2468")
    assert device.post("/share", {"code": code}).status_code == 422
    assert device.post("/share", {"code": code, "pin": "1357"}).status_code == 422
    assert "Lò Thị Pâng" in shown(device, code, "2468")
    assert Share.objects.get().misses == 1
    assert "2468" not in Share.objects.get().pin
    for _ in range(3):
        assert device.post("/share", {"code": code, "pin": "0000"}).status_code == 422
    assert device.post("/share", {"code": code, "pin": "0000"}).status_code == 404
    assert device.post("/share", {"code": code, "pin": "2468"}).status_code == 404, "shut by the fifth"
    assert device.get("/share/record")["Location"] == "/share"
    assert "thu lại lúc" in me.get(PAGE).content.decode()


def test_guessing_is_stopped(as_role: Browse) -> None:
    code = make(as_role("citizen"))
    for _ in range(shares.WRONG_TRIES):
        assert Client().post("/share", {"code": "a" * 28}).status_code == 404
    assert Client().post("/share", {"code": code}).status_code == 429
    assert "Lò Thị Pâng" in shown(Client(REMOTE_ADDR="10.1.2.3"), code)
    Miss.objects.update(at=timezone.now() - timedelta(days=2))
    assert Client().post("/share", {"code": "b" * 28}).status_code == 404
    assert Miss.objects.count() == 1, "misses of days ago are forgotten"


@pytest.mark.parametrize("fields", [{"scope": "x"}, {"hours": "9999"}, {"hours": "-1"}, {"pin": "12"}, {"pin": "một"}])
def test_what_is_not_shared(as_role: Browse, fields: dict[str, str]) -> None:
    answer = as_role("citizen").post(PAGE, {"scope": "all", "hours": "24", "pin": ""} | fields)
    assert answer.status_code == 422
    assert not Share.objects.exists()


def test_no_more_than_some_at_once(as_role: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "OPEN_AT_ONCE", 1)
    me = as_role("citizen")
    make(me)
    assert me.post(PAGE, {"scope": "all", "hours": "24", "pin": ""}).status_code == 422
    assert Share.objects.count() == 1


def test_a_doctor_elsewhere_is_let_in_until_it_ends(as_role: Browse, cast: dict[str, Account]) -> None:
    doctor, me = cast["doctor"], as_role("citizen")
    assert sees(doctor) == []
    code = make(me, "all")
    answer = as_role("doctor").post("/share", {"code": code})
    assert answer["Location"] == "/people/cast-citizen"
    with connection.cursor() as cursor:
        cursor.execute("SELECT holder, kind FROM record.relation WHERE patient = 'cast-citizen' AND holder LIKE 'Org%'")
        assert cursor.fetchall() == [("Organization/12104", "consent")]
    assert sees(doctor) == ["hiv", "plain"]
    as_role("nurse").post("/share", {"code": code})
    [consent] = record.search(SYSTEM, "Consent", "patient=Patient/cast-citizen").resources
    assert [one.consent for one in Opening.objects.order_by("pk")] == [consent.id, consent.id]
    page = me.get(PAGE).content.decode()
    assert page.count("Bác sĩ · Trung tâm Y tế huyện Than Uyên") == 1
    assert page.count("cơ sở được xem hồ sơ") == 2
    me.post(f"{PAGE}/{Share.objects.get().pk}/end")
    assert sees(doctor) == []
    assert record.read(SYSTEM, "Consent", str(consent.id)).status == "inactive"  # type: ignore[attr-defined]


def test_who_is_shut_out_by_name_reads_what_is_shown_and_the_facility_sees_nothing(
    as_role: Browse, cast: dict[str, Account]
) -> None:
    me, doctor = as_role("citizen"), cast["doctor"]
    forbidding.forbid(asker_of(cast["citizen"]), "cast-citizen", doctor.facility, "")
    assert sees(doctor) == []
    page = shown(as_role("doctor"), make(me, "all"))
    assert ("Bệnh do HIV" in page, "Tăng huyết áp" in page) == (True, True)
    assert [one.consent for one in Opening.objects.all()] == [""]
    assert sees(doctor) == []


def test_a_doctor_sees_no_more_than_was_shared(as_role: Browse, cast: dict[str, Account]) -> None:
    for scope in ("summary", "ordinary"):
        page = shown(as_role("doctor"), make(as_role("citizen"), scope))
        assert "Bệnh do HIV" not in page
    assert sees(cast["doctor"]) == []
    assert record.search(SYSTEM, "Consent", "").resources == []
    assert [(one.account, one.facility) for one in Opening.objects.all()] == [(cast["doctor"], "12104")] * 2


@pytest.mark.parametrize("role", ["citizen", "outsider", "admin", "official"])
def test_who_treats_nobody_opens_as_anybody(as_role: Browse, cast: dict[str, Account], role: str) -> None:
    assert "Tăng huyết áp" in shown(as_role(role), make(as_role("citizen"), "all"))
    assert [(one.account, one.facility) for one in Opening.objects.all()] == [(None, "")]
    assert record.search(SYSTEM, "Consent", "").resources == []


def test_allowed_to_one_though_forbidden_to_all(as_role: Browse, cast: dict[str, Account]) -> None:
    me = as_role("citizen")
    me.post("/me/record/sharing", {"facility": "*", "purpose": ""})
    assert sees(cast["doctor"]) == []
    as_role("doctor").post("/share", {"code": make(me, "all")})
    assert sees(cast["doctor"]) == ["hiv", "plain"]
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES ('cast-citizen', '12104', '', 'Consent/by-name')")
    assert sees(cast["doctor"]) == []


def test_the_log_and_the_citizen_are_told(as_role: Browse) -> None:
    me = as_role("citizen")
    shown(Client(), make(me))
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT account, role, purpose FROM record.audit WHERE role = 'share'")
        assert cursor.fetchall() == [(f"share:{Share.objects.get().pk}", "share", "PATRQT")]
    assert "Người có mã, trên một thiết bị" in me.get(PAGE).content.decode()
    assert "<b>Người có mã chia sẻ</b>" in me.get("/me/record/accesses").content.decode()


def test_no_address_holds_the_code(as_role: Browse) -> None:
    code = make(as_role("citizen"))
    door = Client().get("/share")
    assert door.status_code == 200
    assert "portal/share" in door.content.decode()
    assert "no-referrer" not in door.content.decode(), "browsers would send Origin: null, which the CSRF check refuses"
    assert Client().get(f"/share/{code}").status_code == 404
    answer = Client().post("/share", {"code": code})
    assert code not in answer["Location"]
    assert Client().get("/share/record")["Location"] == "/share", "another browser holds nothing"


def test_the_page_asks_a_fixed_number_of_queries(
    as_role: Browse, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    me = as_role("citizen")
    for _ in range(6):
        shown(Client(), make(me))
    me.get(PAGE)
    with django_assert_max_num_queries(7):
        me.get(PAGE)


def test_a_share_follows_a_merge(as_role: Browse) -> None:
    code = make(as_role("citizen"))
    assert "Tăng huyết áp" in shown(Client(), code)
    record.create(SYSTEM, r4.Patient(id="same", name=[r4.HumanName(text="Lò Thị Pâng")], birthDate="1972-03-12"))
    merge(SYSTEM, "cast-citizen", "same")
    assert "Tăng huyết áp" in shown(Client(), code)
