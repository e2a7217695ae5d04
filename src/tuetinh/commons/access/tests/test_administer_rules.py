"""Administrators change what roles see, for their own facility or the province, and ask why somebody may or may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, SightChange, SightRule
from tuetinh.commons.access.sight import administering, rules
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
FORM = {
    "by_relation": "on",
    "labels": ["HIV", "PSY"],
    "after_days": "7",
    "glass_hours": "2",
    "whole": "Patient Location",
}
ADDRESSES = ("/accounts/rules", "/accounts/rules/nurse", "/accounts/why")


@pytest.fixture
def province(cast: dict[str, Account], as_role: Callable[[str], Client]) -> Client:
    """The browser of an administrator of the whole province."""
    Account.objects.filter(pk=cast["admin"].pk).update(facility="")
    return as_role("admin")


def visit() -> r4.Encounter:
    return r4.Encounter(
        id="v",
        status="in-progress",
        class_=r4.Coding(code="AMB"),
        subject=r4.Reference(reference="Patient/cast-citizen"),
        serviceProvider=r4.Reference(reference="Organization/12104"),
    )


@pytest.mark.parametrize("role", ["doctor", "citizen", "official", "outsider", ""])
def test_pages_are_for_administrators(as_role: Callable[[str], Client], role: str) -> None:
    browser = as_role(role)
    for address in ADDRESSES:
        for answer in (browser.get(address), browser.post(address, FORM)):
            assert answer.status_code == (403 if role else 302), address
    assert not SightRule.objects.exists()


def test_nobody_else_changes_a_rule(cast: dict[str, Account]) -> None:
    for role, ruled in (("doctor", "nurse"), ("admin", "citizen"), ("admin", "outsider"), ("admin", "no-such")):
        with pytest.raises(AccessError):
            administering.change(cast[role], ruled, rules.Rule())
    assert (SightRule.objects.count(), SightChange.objects.count()) == (0, 0)


def test_a_facility_changes_its_own(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("admin")
    page = browser.get("/accounts/rules/nurse").content.decode()
    assert "Trung tâm Y tế huyện Than Uyên" in page
    assert 'name="purpose"' not in page
    answer = browser.post("/accounts/rules/nurse", FORM | {"purpose": "HRESCH"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/rules/nurse")
    kept = SightRule.objects.get()
    assert (kept.role, kept.facility, kept.purpose) == ("nurse", "12104", "")
    rules.forget()
    held = rules.now().of("nurse", "12104")
    assert (held.by_relation, held.labels, held.after_days, held.glass_hours, held.purpose) == (
        True, frozenset({"HIV", "PSY"}), 7, 2, "TREAT",
    )  # fmt: skip
    assert held.whole == frozenset({"Patient"})
    assert rules.now().of("nurse", "12001") == rules.shipped("nurse")
    change = SightChange.objects.get()
    assert (change.by, change.before["after_days"], change.after["after_days"]) == (cast["admin"], 30, 7)
    page = browser.get("/accounts/rules/nurse").content.decode()
    assert "Số ngày còn xem được sau khi kết thúc khám: 30 → 7" in page
    assert "Lò Văn Admin" in page


def test_the_province_changes_all(province: Client) -> None:
    assert province.post("/accounts/rules/archivist", FORM | {"purpose": "HRESCH"}).status_code == 302
    rules.forget()
    held = rules.now().of("archivist", "12001")
    assert (held.by_relation, held.purpose) == (True, "HRESCH")


def test_what_is_the_same_is_no_change(as_role: Callable[[str], Client]) -> None:
    browser = as_role("admin")
    for _ in range(2):
        browser.post("/accounts/rules/nurse", FORM)
    assert SightChange.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("after_days", "-1"), ("glass_hours", "73"), ("labels", ["NONE"]), ("whole", "Patiant"), ("after_days", "x")],
)
def test_what_is_wrong_changes_nothing(as_role: Callable[[str], Client], field: str, value: Any) -> None:
    answer = as_role("admin").post("/accounts/rules/nurse", FORM | {field: value})
    assert answer.status_code == 422
    assert not SightRule.objects.exists()


def test_a_role_without_rules_is_no_page(as_role: Callable[[str], Client]) -> None:
    assert as_role("admin").get("/accounts/rules/citizen").status_code == 404


def ask(browser: Client, username: str, patient: str = "cast-citizen") -> str:
    answer = browser.post("/accounts/why", {"username": username, "patient": patient})
    assert answer.status_code == 200, answer.content.decode()
    return " ".join(answer.content.decode().split())


def test_why_tells_the_rule_and_the_relation(as_role: Callable[[str], Client]) -> None:
    browser = as_role("admin")
    page = ask(browser, "cast.nurse")
    assert "Không xem được hồ sơ cast-citizen, trừ những gì cơ sở mình đã ghi." in page
    assert "Không có quan hệ nào với người bệnh này." in page
    assert page.count("xem được</span>") == 0
    api.create(SYSTEM, visit())
    page = ask(browser, "cast.nurse")
    assert "Lượt khám, điều trị</strong><small>Encounter/v · đang mở · còn hiệu lực" in page
    assert page.count("xem được</span>") == 9
    assert ask(browser, "cast.reception").count("xem được</span>") == 0


def test_why_not(as_role: Callable[[str], Client]) -> None:
    browser = as_role("admin")
    browser.post("/accounts/rules/nurse", FORM)
    rules.forget()
    page = ask(browser, "cast.nurse")
    assert "Không xem được hồ sơ cast-citizen, trừ những gì cơ sở mình đã ghi." in page
    assert "Quy định: chỉ xem khi có quan hệ với người bệnh." in page
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES ('cast-citizen', '12104', 'TREAT', 'Consent/c')")
    page = ask(browser, "cast.doctor")
    assert "Không xem được hồ sơ" in page
    assert "Người bệnh không cho Trung tâm Y tế huyện Than Uyên xem để: Khám chữa bệnh" in page
    assert "Vai trò này không xem hồ sơ người bệnh." in ask(browser, "cast.official")


def test_why_finds_by_number_and_only_own_accounts(as_role: Callable[[str], Client]) -> None:
    number = r4.Identifier(system="urn:x", value="012072000123")
    api.create(SYSTEM, r4.Patient(id="tam", identifier=[number]))
    browser = as_role("admin")
    assert "hồ sơ tam" in ask(browser, "cast.doctor", "012072000123")
    for given in ({"username": "cast.outsider", "patient": "tam"}, {"username": "cast.doctor", "patient": "a|b,c$d"}):
        answer = browser.post("/accounts/why", given)
        assert answer.status_code == 422
        assert "hồ sơ tam" not in answer.content.decode()


def test_a_citizen_and_the_own_record(province: Client) -> None:
    api.create(SYSTEM, r4.Patient(id="tam"))
    assert "Đây là hồ sơ của chính người này." in ask(province, "cast.citizen")
    assert "Người dân chỉ xem được hồ sơ của chính mình." in ask(province, "cast.citizen", "tam")


def test_pages_ask_a_fixed_number_of_queries(
    as_role: Callable[[str], Client], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    browser = as_role("admin")
    browser.get("/accounts/rules")
    with django_assert_max_num_queries(7):
        browser.get("/accounts/rules")
    with django_assert_max_num_queries(11):
        browser.get("/accounts/rules/nurse")
