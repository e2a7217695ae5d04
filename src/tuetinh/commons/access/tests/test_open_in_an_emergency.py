"""Opening a record in an emergency: who may, what is then seen and for how long, who is told, how it is reviewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Glass, SightRule
from tuetinh.commons.access.sight import glass, rules
from tuetinh.commons.identity import merging
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.audit.accesses import accesses
from tuetinh.record.errors import NotFound
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
REASON = "Cấp cứu, bệnh nhân hôn mê, cần biết tiền sử"
OPEN, QUEUE = "/records/cast-citizen/open", "/accounts/opened"


@pytest.fixture(autouse=True)
def written_elsewhere(cast: dict[str, Account], seeing_everybody: None) -> None:
    """A plain and a sensitive diagnosis of the citizen, written by the hospital elsewhere."""
    for id_, code in (("plain", "I10"), ("hiv", "B20")):
        coding = r4.Coding(system="http://hl7.org/fhir/sid/icd-10", code=code)
        api.create(
            replace(SYSTEM, facility="12001"),
            r4.Condition(
                id=id_,
                subject=r4.Reference(reference="Patient/cast-citizen"),
                code=r4.CodeableConcept(coding=[coding]),
            ),
        )


def sees(account: Account) -> list[str]:
    return sorted(str(one.id) for one in api.search(asker_of(account), "Condition", "").resources)


def purposes() -> set[tuple[str, str, str]]:
    """Account, purpose and action of what was logged of the citizen by others than the house."""
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account, purpose, action FROM record.audit WHERE patient = 'cast-citizen' AND account <> 'system'"
        )
        return set(cursor.fetchall())


def test_it_opens_what_is_hidden_for_its_hours(cast: dict[str, Account], as_role: Callable[[str], Client]) -> None:
    doctor = cast["doctor"]
    assert sees(doctor) == ["plain"]
    answer = as_role("doctor").post(OPEN, {"reason": REASON})
    assert (answer.status_code, answer["Location"]) == (302, "/people/cast-citizen")
    opened = Glass.objects.get()
    assert (opened.account, opened.patient, opened.reason) == (doctor, "cast-citizen", REASON)
    assert (opened.until - opened.at, opened.due - opened.at) == (timedelta(hours=4), timedelta(hours=24))
    assert sees(doctor) == ["hiv", "plain"]
    assert sees(cast["nurse"]) == ["plain"]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE record.relation SET until = now() WHERE kind = 'glass'")
    assert sees(doctor) == ["plain"]


@pytest.mark.parametrize(
    ("wanted", "landed"),
    [
        ("/records/cast-citizen?tab=1", "/records/cast-citizen?tab=1"),
        ("", "/people/cast-citizen"),
        ("//evil.example/x", "/people/cast-citizen"),
        ("https://evil.example/x", "/people/cast-citizen"),
        ("/\\evil.example", "/people/cast-citizen"),
        ("javascript:alert(1)", "/people/cast-citizen"),
        ("people", "/people/cast-citizen"),
    ],
)
def test_one_lands_on_the_page_that_was_wanted(as_role: Callable[[str], Client], wanted: str, landed: str) -> None:
    doctor = as_role("doctor")
    page = doctor.get(OPEN, {"next": wanted}).content.decode()
    assert f'name="next" value="{landed}"' in page
    refused = doctor.post(OPEN, {"reason": "x", "next": wanted})
    assert f'name="next" value="{landed}"' in refused.content.decode()
    assert doctor.post(OPEN, {"reason": REASON, "next": wanted})["Location"] == landed


def test_it_opens_what_the_patient_forbids(cast: dict[str, Account]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES ('cast-citizen', '12104', '', 'Consent/c')")
    assert sees(cast["doctor"]) == []
    glass.open_record(cast["doctor"], "cast-citizen", REASON)
    assert sees(cast["doctor"]) == ["hiv", "plain"]


def test_it_opens_one_record_by_relation_only(cast: dict[str, Account]) -> None:
    SightRule.objects.filter(role="doctor").delete()
    rules.forget()
    api.create(SYSTEM, r4.Condition(id="tam", subject=r4.Reference(reference="Patient/tam")))
    assert sees(cast["doctor"]) == []
    glass.open_record(cast["doctor"], "cast-citizen", REASON)
    assert sees(cast["doctor"]) == ["hiv", "plain"]


def test_the_log_and_the_citizen_are_told(cast: dict[str, Account], as_role: Callable[[str], Client]) -> None:
    doctor = cast["doctor"]
    who = str(doctor.pk)
    glass.open_record(doctor, "cast-citizen", REASON)
    seen = api.read(asker_of(doctor), "Condition", "plain")
    seen.id = None
    api.create(asker_of(doctor), seen)
    as_role("nurse").get("/people/cast-citizen")
    logged = purposes()
    assert {(one, purpose) for one, purpose, _ in logged} == {(who, "BTG"), (str(cast["nurse"].pk), "TREAT")}
    assert (who, "BTG", "create") in logged
    mine = accesses(asker_of(cast["citizen"]), "cast-citizen")
    assert ("doctor", "BTG") in {(one.role, one.purpose) for one in mine}
    page = as_role("citizen").get("/me/record/accesses").content.decode()
    assert page.count("Mở khẩn cấp, đang được xem xét") == 1
    assert page.count("mở khẩn cấp</span>") == 1


@pytest.mark.parametrize("role", ["lab", "pharmacist", "reception", "station"])
def test_who_may_not_open(cast: dict[str, Account], as_role: Callable[[str], Client], role: str) -> None:
    browser = as_role(role)
    assert [browser.get(OPEN).status_code, browser.post(OPEN, {"reason": REASON}).status_code] == [403, 403]
    with pytest.raises(AccessError):
        glass.open_record(cast[role], "cast-citizen", REASON)
    assert not Glass.objects.exists()


@pytest.mark.parametrize("role", ["citizen", "admin", "official", "outsider"])
def test_whose_page_it_is_not(as_role: Callable[[str], Client], role: str) -> None:
    assert as_role(role).post(OPEN, {"reason": REASON}).status_code == 403
    assert not Glass.objects.exists()


def test_without_a_reason_or_a_person_nothing_opens(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("doctor")
    for reason in ("", "  vội quá  ", "ngắn"):
        assert browser.post(OPEN, {"reason": reason}).status_code == 422
    assert browser.post("/records/nobody/open", {"reason": REASON}).status_code == 404
    assert not Glass.objects.exists()
    assert sees(cast["doctor"]) == ["plain"]


def test_a_reviewer_finds_it_right(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    opened = glass.open_record(cast["doctor"], "cast-citizen", REASON)
    browser = as_role("admin")
    page = browser.get(QUEUE).content.decode()
    assert REASON in page
    assert "Hạn" in page
    assert browser.post(f"{QUEUE}/{opened.pk}", {"verdict": "ok"}).status_code == 302
    opened.refresh_from_db()
    assert (opened.verdict, opened.reviewed_by) == ("ok", cast["admin"])
    assert sees(cast["doctor"]) == ["hiv", "plain"]
    browser.post(f"{QUEUE}/{opened.pk}", {"verdict": "not-ok", "note": "đổi ý"})
    opened.refresh_from_db()
    assert (opened.verdict, opened.note) == ("ok", "")


def test_what_was_not_right_ends_at_once(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    opened = glass.open_record(cast["doctor"], "cast-citizen", REASON)
    browser = as_role("admin")
    browser.post(f"{QUEUE}/{opened.pk}", {"verdict": "not-ok"})
    opened.refresh_from_db()
    assert opened.verdict == ""
    browser.post(f"{QUEUE}/{opened.pk}", {"verdict": "not-ok", "note": "Không có cấp cứu"})
    opened.refresh_from_db()
    assert (opened.verdict, opened.note) == ("not-ok", "Không có cấp cứu")
    assert sees(cast["doctor"]) == ["plain"]
    with pytest.raises(NotFound):
        api.read(asker_of(cast["doctor"]), "Condition", "hiv")


def test_the_queue_shows_the_late_first_and_only_the_own(as_role: Callable[[str], Client], cast: Any) -> None:
    late = glass.open_record(cast["doctor"], "cast-citizen", REASON)
    Glass.objects.filter(pk=late.pk).update(due=timezone.now() - timedelta(hours=1))
    other = glass.open_record(cast["nurse"], "cast-citizen", "Của cơ sở khác, không phải ở đây")
    Glass.objects.filter(pk=other.pk).update(facility="12001")
    page = as_role("admin").get(QUEUE).content.decode()
    assert page.count("Quá hạn từ") == 1
    assert "Của cơ sở khác" not in page
    as_role("admin").post(f"{QUEUE}/{other.pk}", {"verdict": "ok"})
    other.refresh_from_db()
    assert other.verdict == ""


def test_the_queue_asks_a_fixed_number_of_queries(
    as_role: Callable[[str], Client], cast: dict[str, Account], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _ in range(12):
        glass.open_record(cast["doctor"], "cast-citizen", REASON)
    browser = as_role("admin")
    browser.get(QUEUE)
    with django_assert_max_num_queries(8):
        browser.get(QUEUE)


def written(type_: str) -> list[tuple[str, str, str]]:
    """Account, action and reason of the entries of the access log about a thing of this module, in their order."""
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT account, action, reason FROM record.audit WHERE type = %s ORDER BY position", [type_])
        return cursor.fetchall()


def told() -> list[str]:
    found = api.search(SYSTEM, "Communication", "recipient=Patient/cast-citizen&_sort=sent").resources
    return [one.payload[0].contentString or "" for one in found if isinstance(one, r4.Communication) and one.payload]


def test_the_opening_and_its_review_are_entries_of_the_log(cast: dict[str, Account], as_role: Any) -> None:
    as_role("doctor").post(OPEN, {"reason": REASON})
    opened = Glass.objects.get()
    as_role("admin").post(f"{QUEUE}/{opened.pk}", {"verdict": "not-ok", "note": "Không có cấp cứu"})
    doctor, admin = str(cast["doctor"].pk), str(cast["admin"].pk)
    assert written("Glass") == [(doctor, "open", REASON), (admin, "review", "not-ok: Không có cấp cứu")]


def test_the_patient_is_told_at_once(cast: dict[str, Account], as_role: Callable[[str], Client]) -> None:
    glass.open_record(cast["doctor"], "cast-citizen", REASON)
    [text] = told()
    assert text.startswith("Hồ sơ của bạn vừa được mở khẩn cấp bởi Bác sĩ tại Trung tâm Y tế huyện Than Uyên, đến ")
    assert text.partition(", đến ")[0] in as_role("citizen").get("/me").content.decode()


def test_an_overdue_review_is_told_once(
    cast: dict[str, Account],
    monkeypatch: pytest.MonkeyPatch,
    mailoutbox: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    monkeypatch.setenv("TUETINH_ALARM_MAIL", "truc@tinh.example, so@tinh.example")
    late = glass.open_record(cast["doctor"], "cast-citizen", REASON)
    glass.open_record(cast["nurse"], "cast-citizen", REASON)
    assert glass.tell_of_late() == 0
    Glass.objects.filter(pk=late.pk).update(due=timezone.now() - timedelta(minutes=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert [glass.tell_of_late(), glass.tell_of_late()] == [1, 0]
    [mail] = mailoutbox
    assert mail.to == ["truc@tinh.example", "so@tinh.example"]
    assert "1 hồ sơ mở khẩn cấp đã quá hạn xem xét, tại 12104." in mail.body
    assert "cast-citizen" not in mail.body
    assert written("Glass")[-1] == ("system", "notify", "review overdue")


def test_an_open_emergency_follows_a_merge_and_goes_back(cast: dict[str, Account]) -> None:
    api.create(SYSTEM, r4.Patient(id="same", name=[r4.HumanName(text="Lò Thị Pâng")]))
    opened = glass.open_record(cast["doctor"], "cast-citizen", REASON)
    merging.merge(SYSTEM, "cast-citizen", "same")
    assert sees(cast["doctor"]) == ["hiv", "plain"]
    glass.review(cast["admin"], opened.pk, "not-ok", "Không có cấp cứu")
    assert sees(cast["doctor"]) == ["plain"]
    merging.unmerge(SYSTEM, "cast-citizen", reason="nhầm")
    glass.open_record(cast["doctor"], "same", REASON)
    assert sees(cast["doctor"]) == ["plain"]
