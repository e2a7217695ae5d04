"""Whoever has the data decides: refusals name their ground, corrections stand beside what was written."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from tuetinh.commons.access.api import asker_of, forbidding
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import SubjectRequest
from tuetinh.governance.privacy.requests import actions
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tuetinh.commons.access.models import Account

pytestmark = pytest.mark.django_db
ANSWER = "Đã xem xét kỹ yêu cầu này."


def made(cast: dict[str, Account], kind: str, about: str = "", **more: Any) -> SubjectRequest:
    wish = actions.Wish(kind, "Nội dung yêu cầu của tôi", "12104", about, **more)
    return actions.make(asker_of(cast["citizen"]), cast["citizen"], "cast-citizen", wish)


def test_a_refusal_names_a_ground_of_its_kind(
    as_role: Callable[[str], Client], diagnosis: str, cast: dict[str, Account]
) -> None:
    one, officer = made(cast, "delete"), as_role("archivist")
    path = f"/privacy/requests/{one.pk}/refuse"
    for wrong in ({"reason": "found-right", "answer": ANSWER}, {"reason": "must-keep", "answer": "không"}, {}):
        assert officer.post(path, wrong).status_code == 422
    one.refresh_from_db()
    assert (one.state, one.refusal, one.closed, one.steps.count()) == ("new", "", None, 1)
    assert officer.post(path, {"reason": "must-keep", "answer": ANSWER}).status_code == 302
    one.refresh_from_db()
    assert (one.state, one.refusal, one.answer) == ("refused", "must-keep", ANSWER)
    shown = as_role("citizen").get(f"/me/rights/{one.pk}").content.decode()
    assert "Hồ sơ bệnh án phải được lưu giữ theo luật" in shown
    assert "TT 33/2025/TT-BYT" in shown
    assert record.read(SYSTEM, "Condition", "dau").meta.versionId == "1"  # type: ignore[union-attr]


def test_a_correction_is_a_note_of_the_author_and_nothing_is_overwritten(
    as_role: Callable[[str], Client], diagnosis: str, cast: dict[str, Account]
) -> None:
    one, officer = made(cast, "correct", diagnosis), as_role("archivist")
    page = f"/privacy/requests/{one.pk}"
    assert officer.post(f"{page}/grant", {"answer": ANSWER}).status_code == 302
    one.refresh_from_db()
    assert (one.author, one.before, one.after) == ("cast-doctor", 1, None)
    assert officer.post(f"{page}/finish", {"answer": ANSWER}).status_code == 422  # nothing has changed yet
    assert as_role("nurse").get(f"/privacy/corrections/{one.pk}").status_code == 404  # not the author
    doctor, correction = as_role("doctor"), f"/privacy/corrections/{one.pk}"
    assert "Nội dung yêu cầu của tôi" in doctor.get("/privacy/corrections").content.decode()
    assert "Đái tháo đường" in doctor.get(correction).content.decode()
    assert doctor.post(correction, {"note": "ngắn"}).status_code == 422
    assert doctor.post(correction, {"note": "Chẩn đoán từ năm 2021, không phải 2019."}).status_code == 302
    now = record.read(SYSTEM, "Condition", "dau")
    assert isinstance(now, r4.Condition)
    assert [note.text for note in now.note or []] == ["Chẩn đoán từ năm 2021, không phải 2019."]
    assert now.note[0].authorReference.reference == "Practitioner/cast-doctor"  # type: ignore[index, union-attr]
    old = record.history(SYSTEM, "Condition", "dau")[-1]
    assert (old.code, old.note) == (now.code, None)  # type: ignore[attr-defined]
    assert officer.post(f"{page}/finish", {"answer": ANSWER}).status_code == 302
    one.refresh_from_db()
    assert (one.state, one.before, one.after) == ("done", 1, 2)
    assert doctor.get(correction).status_code == 404
    with connection.cursor() as cursor:
        cursor.execute("SELECT account FROM record.audit WHERE action = 'update' AND type = 'Condition'")
        assert cursor.fetchall() == [(str(cast["doctor"].pk),)]


def test_personal_details_are_corrected_at_a_desk(
    as_role: Callable[[str], Client], diagnosis: str, cast: dict[str, Account]
) -> None:
    one = made(cast, "correct", "Patient/cast-citizen")
    actions.grant(cast["archivist"], one.pk, ANSWER)
    desk = as_role("reception")
    assert "/people/cast-citizen/edit" in desk.get(f"/privacy/corrections/{one.pk}").content.decode()
    told = {"name": "Lò Thị Pâng", "birth": "12/03/1973", "gender": "female", "version": "1", "phone": "0912345678"}
    assert desk.post("/people/cast-citizen/edit", told).status_code == 302
    person = record.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(person, r4.Patient)
    assert (person.birthDate, person.telecom[0].value) == ("1973-03-12", "0912345678")  # type: ignore[index]
    actions.finish(cast["archivist"], one.pk, ANSWER)
    one.refresh_from_db()
    assert (one.state, one.before, one.after) == ("done", 1, 2)


def test_what_it_turns_out_to_be_about_is_chosen_by_the_officer(diagnosis: str, cast: dict[str, Account]) -> None:
    one = made(cast, "correct")
    for about, code in (("", "entry"), ("Condition/none", "about"), ("Organization/12104", "about")):
        with pytest.raises(PrivacyError) as caught:
            actions.grant(cast["archivist"], one.pk, ANSWER, about=about)
        assert caught.value.code == code
    one.refresh_from_db()
    assert (one.state, one.about) == ("new", "")
    assert actions.grant(cast["archivist"], one.pk, ANSWER, about=diagnosis).about == diagnosis


def test_a_consent_that_is_withdrawn_ends(diagnosis: str, cast: dict[str, Account]) -> None:
    consent = forbidding.forbid(asker_of(cast["citizen"]), "cast-citizen", "", "HRESCH")
    one = made(cast, "withdraw", f"Consent/{consent.id}")
    actions.grant(cast["archivist"], one.pk, ANSWER)
    actions.finish(cast["archivist"], one.pk, ANSWER)
    ended = record.read(SYSTEM, "Consent", str(consent.id))
    assert isinstance(ended, r4.Consent)
    assert ended.status == "inactive"
    one.refresh_from_db()
    assert (one.before, one.after) == (1, 2)


def test_an_objection_closes_the_purpose_at_this_facility(diagnosis: str, cast: dict[str, Account]) -> None:
    one = made(cast, "object", purpose="HRESCH")
    actions.grant(cast["archivist"], one.pk, ANSWER)
    actions.finish(cast["archivist"], one.pk, ANSWER)
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient, facility, purpose FROM record.denial")
        assert cursor.fetchall() == [("cast-citizen", "12104", "HRESCH")]


def test_steps_go_one_way(diagnosis: str, cast: dict[str, Account]) -> None:
    one, by = made(cast, "view"), cast["archivist"]
    with pytest.raises(PrivacyError):
        actions.finish(by, one.pk, ANSWER)
    actions.accept(by, one.pk)
    with pytest.raises(PrivacyError):
        actions.accept(by, one.pk)
    actions.refuse(by, one.pk, "nothing", ANSWER)
    for again in (lambda: actions.grant(by, one.pk, ANSWER), lambda: actions.forward(by, one.pk, "12001")):
        with pytest.raises(PrivacyError) as caught:
            again()
        assert caught.value.code == "state"
    assert [step.step for step in one.steps.order_by("pk")] == ["made", "accept", "refuse"]


def test_a_paper_counts_from_the_day_on_which_it_came(
    as_role: Callable[[str], Client], diagnosis: str, cast: dict[str, Account]
) -> None:
    desk, path = as_role("reception"), "/privacy/people/cast-citizen/request"
    assert desk.get(path).status_code == 200
    told = {"applicant": "Lò Văn Con", "papers": "CCCD, giấy ủy quyền", "kind": "copy", "what": "Xin bản sao bệnh án"}
    yesterday = timezone.localtime() - timedelta(days=1)
    later = {"received": (yesterday + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")}
    for wrong in ({"papers": ""}, {"applicant": ""}, later, {"received": "2020-01-01T08:00"}, {"about": "Condition/x"}):
        assert desk.post(path, told | wrong).status_code == 422
    assert SubjectRequest.objects.count() == 0
    assert desk.post(path, told | {"received": yesterday.strftime("%Y-%m-%dT%H:%M")}).status_code == 302
    (one,) = SubjectRequest.objects.all()
    assert (one.channel, one.facility, one.applicant, one.papers) == ("desk", "12104", "Lò Văn Con", told["papers"])
    assert timezone.localdate(one.due) == yesterday.date() + timedelta(days=10)
    assert desk.get("/privacy/people/nobody/request").status_code == 404
