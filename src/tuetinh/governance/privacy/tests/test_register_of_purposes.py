"""The register says what data is processed for: shipped, changed by the province from a day on, printed, assessed."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone
from pypdf import PdfReader

from tuetinh.commons.access.api import ALL_PURPOSES, ROLES
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import ConsentText, ImpactStep, Purpose
from tuetinh.governance.privacy.purposes import register
from tuetinh.governance.privacy.words import GROUNDS, RETENTION
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def province(cast: dict[str, Account]) -> Account:
    """The administrator of the cast, for the whole province."""
    cast["admin"].facility = ""
    cast["admin"].save()
    return cast["admin"]


def new(code: str = "HRESCH", **told: Any) -> Purpose:
    known = {"name": "Nghiên cứu", "ground": "consent", "clause": "Điều 9", "kinds": "Kết quả xét nghiệm"}
    more = {"recipients": "Trường y", "retention": "research", "unit": "Phòng NVY", "since": timezone.localdate()}
    return Purpose(code=code, **(known | more | told))


def test_the_register_is_the_list_of_purposes_by_which_everybody_asks() -> None:
    codes = {one.code for one in register.shipped()}
    assert codes == set(ALL_PURPOSES)
    assert {role.purpose for role in ROLES.values()} | {SYSTEM.purpose, "FAMRQT", "BTG"} <= codes
    assert {(one.ground in GROUNDS, one.retention in RETENTION) for one in register.shipped()} == {(True, True)}
    assert [one.code for one in register.shipped() if one.ground == "consent"] == ["HRESCH"]


def test_a_change_holds_from_its_day_and_what_was_stays(province: Account) -> None:
    today = timezone.localdate()
    register.change(province, new(name="Nghiên cứu dịch tễ", since=today + timedelta(days=3)))
    assert register.now()["HRESCH"].name == "Nghiên cứu khoa học"
    assert register.now(today + timedelta(days=3))["HRESCH"].name == "Nghiên cứu dịch tễ"
    register.change(province, new(ended=True, since=today + timedelta(days=9)))
    assert "HRESCH" not in register.now(today + timedelta(days=9))
    assert [one.name for one in register.versions("HRESCH")] == [
        "Nghiên cứu", "Nghiên cứu dịch tễ", "Nghiên cứu khoa học",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"code": "HMARKT"}, "purpose"),
        ({"ground": "whim"}, "register"),
        ({"retention": "ever"}, "register"),
        ({"name": " "}, "register"),
        ({"since": date(2026, 1, 1)}, "since"),
    ],
)
def test_what_is_wrong_is_not_kept(province: Account, wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(PrivacyError) as caught:
        register.change(province, new(**wrong))
    assert (caught.value.code, Purpose.objects.count(), ImpactStep.objects.count()) == (code, 0, 0)


def test_only_the_province_changes_it(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("admin")  # of a facility
    page = "/privacy/purposes/HRESCH"
    assert "Ghi bản mới" not in browser.get(page).content.decode()
    told = {name: getattr(new(), name) for name in ("name", "ground", "clause", "kinds", "recipients", "retention")}
    assert browser.post(page, told | {"since": timezone.localdate().isoformat()}).status_code == 422
    assert browser.post(f"{page}/text", {"text": "x" * 50}).status_code == 422
    assert browser.post(f"{page}/filed", {"day": "2026-02-01", "number": "1"}).status_code == 422
    assert (Purpose.objects.count(), ImpactStep.objects.count()) == (0, 0)
    assert not ConsentText.objects.exclude(version=1).exists()
    assert browser.get("/privacy/purposes/HMARKT").status_code == 404
    cast["admin"].facility = ""
    cast["admin"].save()
    assert as_role("admin").post(page, told | {"since": timezone.localdate().isoformat()}).status_code == 302
    assert Purpose.objects.get().name == "Nghiên cứu"


def test_impact_assessments_are_due(province: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    today = timezone.localdate()
    assert (register.due("TREAT").by, register.due("TREAT").filed) == (date(2026, 3, 2), None)  # 60 days
    filed = today - timedelta(days=20)
    register.assessed(province, "TREAT", "filed", filed, "01/ĐGTĐ")
    months = filed.month + 5
    later = date(filed.year + months // 12, months % 12 + 1, min(filed.day, 28))
    found = register.due("TREAT")
    assert (found.filed, found.late) == (filed, False)
    assert later <= found.by <= later + timedelta(days=3)  # six months on, whatever the length of the month
    register.change(province, new("TREAT", ground="law", retention="record"))
    assert register.due("TREAT").by == today + timedelta(days=10)
    register.assessed(province, "TREAT", "updated", today, "02/ĐGTĐ")
    assert register.due("TREAT").by > today + timedelta(days=180)
    for step, day, number in (("filed", today + timedelta(days=1), "3"), ("filed", today, " "), ("x", today, "3")):
        with pytest.raises(PrivacyError):
            register.assessed(province, "TREAT", step, day, number)
    assert ImpactStep.objects.count() == 3


def test_late_assessments_shout_and_all_is_printed(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("admin")
    page = browser.get("/privacy/purposes").content.decode()
    assert "9 đánh giá tác động đã quá hạn" in page
    text = browser.get("/privacy/purposes.csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["code"] for row in rows] == [one.code for one in register.shipped()]
    assert rows[0]["dpia_due"] == "2026-03-02"
    pages = PdfReader(io.BytesIO(browser.get("/privacy/purposes.pdf").content)).pages
    printed = " ".join(" ".join(page.extract_text() for page in pages).split())
    for phrase in ("SỔ MỤC ĐÍCH XỬ LÝ DỮ LIỆU CÁ NHÂN", "HRESCH", "Nghiên cứu khoa học", "Cần sự đồng ý"):
        assert phrase in printed


def test_no_cell_of_the_table_is_a_formula(as_role: Callable[[str], Client], province: Account) -> None:
    register.change(province, new(recipients="=HYPERLINK(1)"))
    text = as_role("admin").get("/privacy/purposes.csv").content.decode("utf-8-sig")
    (row,) = [row for row in csv.DictReader(io.StringIO(text)) if row["code"] == "HRESCH"]
    assert row["recipients"] == "'=HYPERLINK(1)"


def test_a_text_is_never_changed_only_followed(province: Account) -> None:
    first = register.text_of("HRESCH")
    assert first is not None
    second = register.write_text(province, "HRESCH", "Tôi đồng ý cho dùng dữ liệu của tôi để nghiên cứu dịch tễ học.")
    assert (first.version, second.version, register.text_of("HRESCH")) == (1, 2, second)
    for wrong, code in (("TREAT", "no-consent"), ("HRESCH", "text")):
        with pytest.raises(PrivacyError) as caught:
            register.write_text(province, wrong, "quá ngắn")
        assert caught.value.code == code
    for statement in ("UPDATE privacy_consenttext SET text = 'khác'", "DELETE FROM privacy_consenttext"):
        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    first.refresh_from_db()
    assert first.text.startswith("Tôi đồng ý cho dùng dữ liệu sức khỏe của tôi")
    assert ConsentText.objects.count() == 2
