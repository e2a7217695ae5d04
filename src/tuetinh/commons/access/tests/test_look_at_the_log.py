"""Administrators look at the access log of their facility: who, whose, when, what, and what was refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.kinds import KINDS, in_words
from tuetinh.commons.access.models import Account
from tuetinh.record import api, audit, r4
from tuetinh.record.types import RESOURCE_TYPES

pytestmark = pytest.mark.django_db
SOURCE = Path(__file__).parents[3]


@pytest.fixture
def admin(client: Client, cast: dict[str, Account]) -> Client:
    client.force_login(cast["admin"])
    return client


def rows(browser: Client, query: str = "", status: int = 200) -> list[str]:
    """The rows of the list, as text."""
    answer = browser.get(f"/accounts/log?{query}")
    assert answer.status_code == status
    body = re.search(r"<tbody>(.*?)</tbody>", answer.content.decode(), re.DOTALL)
    found = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL) if body else []
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


def test_a_read_is_told_with_who_whose_and_what_for(admin: Client, cast: dict[str, Account]) -> None:
    audit.note(asker_of(cast["doctor"]), "read", "Observation", "o1", "cast-citizen")
    (row,) = rows(admin, "account=cast.doctor")
    assert cast["doctor"].full_name in row
    assert "Xem kết quả, sinh hiệu cast-citizen Khám chữa bệnh" in row


def test_types_are_told_in_words(admin: Client, cast: dict[str, Account]) -> None:
    assert set(RESOURCE_TYPES) <= KINDS.keys()
    logged = re.compile(r'(?:enter_log|audit\.act|audit\.note)\([^"\n]*"[a-z$]+", "([A-Z][A-Za-z]+)"')
    named = {found for file in SOURCE.rglob("*.py") for found in logged.findall(file.read_text(encoding="utf-8"))}
    assert {"Glass", "Client", "Claim"} <= named <= KINDS.keys()
    audit.note(asker_of(cast["doctor"]), "export", "Patient,Condition,Patient", "", None)
    audit.note(asker_of(cast["doctor"]), "export", "*", "", None)
    everything, several = rows(admin, "account=cast.doctor&deed=see")
    assert "Xuất tệp thông tin cá nhân, chẩn đoán" in several
    assert "Xuất tệp tất cả" in everything
    with translation.override("en"):
        assert in_words(["Patient", "Condition", "Nothing"]) == "personal details, diagnoses, other parts"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("linked", "Nối với tài khoản ngoài"),
        ("created: quên mật khẩu", "Cấp tài khoản: quên mật khẩu"),
        ("birth: 45/2023", "Giấy khai sinh: 45/2023"),
        ("passkey", "khóa truy cập"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
    ],
)
def test_reasons_are_told_in_words(admin: Client, cast: dict[str, Account], reason: str, told: str) -> None:
    audit.note(asker_of(cast["doctor"]), "update", "Account", "7", None, reason=reason)
    (row,) = rows(admin, "account=cast.doctor&deed=write")
    assert f" · {told} " in row


def test_what_is_asked_for_is_what_is_shown(admin: Client, cast: dict[str, Account]) -> None:
    doctor, nurse = asker_of(cast["doctor"]), asker_of(cast["nurse"])
    audit.note(doctor, "read", "Observation", "o1", "p1")
    audit.note(nurse, "read", "Condition", "c1", "p2")
    audit.note(nurse, "read", "Condition", "c1", "p1", outcome=audit.REFUSED, reason="forbidden")
    api.create(doctor, r4.Basic(code=r4.CodeableConcept(text="x")))
    assert len(rows(admin, "account=cast.nurse")) == 2
    assert len(rows(admin, "patient=p1&deed=see")) == 2
    (refused,) = rows(admin, "patient=p1&refused=1")
    assert "bị từ chối" in refused
    assert "không đủ quyền" in refused
    (written,) = rows(admin, "account=cast.doctor&deed=write")
    assert "Ghi mới thông tin khác" in written
    assert rows(admin, "account=cast.doctor&to=2020-01-01") == []


def test_another_facility_s_people_are_not_shown(admin: Client, cast: dict[str, Account]) -> None:
    elsewhere = asker_of(cast["doctor"])
    audit.note(api.Asker("77", "doctor", "99999", "TREAT", elsewhere.scopes), "read", "Observation", "o", "p9")
    assert rows(admin, "patient=p9&deed=see") == []


@pytest.mark.parametrize("query", ["account=nobody", "from=yesterday", "page=x", "patient=Người bệnh"])
def test_what_cannot_be_asked_is_said(admin: Client, query: str) -> None:
    assert rows(admin, query, 422) == []


def test_looking_is_logged(admin: Client, cast: dict[str, Account]) -> None:
    audit.note(asker_of(cast["doctor"]), "read", "Observation", "o1", "p1")
    rows(admin, "patient=p1&account=cast.doctor")
    (own,) = rows(admin, "account=cast.admin&patient=p1")
    assert "Tìm nhật ký truy cập p1" in own


def test_a_page_costs_the_same_for_many(admin: Client, cast: dict[str, Account]) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            rows(admin, "account=cast.doctor")
        return sum("INSERT INTO record.audit" not in one["sql"] for one in caught.captured_queries)

    audit.note(asker_of(cast["doctor"]), "read", "Observation", "o1", "p1")
    rows(admin)
    few = cost()
    for number in range(70):
        audit.note(asker_of(cast["doctor"]), "read", "Observation", "o1", f"p{number}")
    assert cost() == few
    assert len(rows(admin, "account=cast.doctor")) == 50
    following = re.search(
        r'rel="next" href="\?([^"]+)"', admin.get("/accounts/log?account=cast.doctor").content.decode()
    )
    assert following
    assert len(rows(admin, following[1].replace("&amp;", "&"))) == 21


def test_nobody_else_looks(client: Client, cast: dict[str, Account]) -> None:
    for name in ("doctor", "reception", "citizen"):
        client.force_login(cast[name])
        assert client.get("/accounts/log").status_code == 403
