"""The pages of claims and of the account at the gateway."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tuetinh.care.insurance.actions import PURPOSE
from tuetinh.care.insurance.models import ClaimCase, GatewayAccount, Transmission
from tuetinh.care.insurance.sending import lists
from tuetinh.care.insurance.tests.keys import key_file
from tuetinh.record import seals

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    As = Callable[[str], Client]

pytestmark = pytest.mark.django_db
State = ClaimCase.State
NOON = datetime(2026, 11, 2, 5, tzinfo=UTC)


def made(state: str = State.WAITING, *, facility: str = "12104", n: int = 0, **more: Any) -> ClaimCase:
    values = {"ended": NOON, "due": NOON, "by": timezone.localdate() + timedelta(days=3), "ma_lk": f"LK{n}"} | more
    return ClaimCase.objects.create(
        encounter=f"e{facility}{n}{state}", facility=facility, patient="cast-citizen", state=state, **values
    )


def text(browser: Client, url: str) -> str:
    answer = browser.get(url)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_day_adds_up(as_role: As) -> None:
    made(State.ACCEPTED, n=1, fund=100_000, first_accepted=NOON + timedelta(hours=1))
    made(State.ACCEPTED, n=2, fund=50_000, first_accepted=NOON + timedelta(hours=20))
    made(State.REFUSED, n=3, words="Ngoài thời gian gửi", by=timezone.localdate())
    made(State.ACCEPTED, n=4, facility="12001")
    made(State.ACCEPTED, n=5, ended=NOON + timedelta(days=1))
    page = text(as_role("cashier"), "/insurance?on=2026-11-02")
    assert "33 %" in page
    assert "150.000" in page
    assert [name in page for name in ("LK1", "LK2", "LK3", "LK4", "LK5")] == [True, True, True, False, False]
    assert "Ngoài thời gian gửi" in page
    assert page.count("hạn gửi") == 1  # the refused one, whose last day has come too
    only = text(as_role("cashier"), "/insurance?on=2026-11-02&state=refused")
    assert [name in only for name in ("LK1", "LK3")] == [False, True]
    for day in ("bad-day", "0001-01-01", "9999-12-31"):
        assert "Không có hồ sơ nào" in text(as_role("cashier"), f"/insurance?on={day}")


def test_what_waits_for_a_person_is_found_whatever_its_day_and_kind(as_role: As) -> None:
    notice = made(State.FAULTY, n=1, kind="status", ended=NOON - timedelta(days=9))
    late = made(State.WAITING, n=2, by=timezone.localdate(), ended=NOON - timedelta(days=9))
    made(State.ACCEPTED, n=3, by=timezone.localdate(), ended=NOON - timedelta(days=9))
    made(State.WAITING, n=4, ended=NOON - timedelta(days=9))
    page = text(as_role("cashier"), "/insurance?on=2026-11-02")
    links = sorted(int(found) for found in re.findall(r'href="/insurance/claims/(\d+)"', page))
    assert links == [notice.pk, late.pk]
    assert "Báo đến khám" in page
    assert lists.needing_people("12104").count() == 2  # the number beside the entry of the rail


def test_what_must_go_today_and_what_is_late_is_counted(as_role: As) -> None:
    today, ago = timezone.localdate(), NOON - timedelta(days=9)
    assert [mark in text(as_role("cashier"), "/insurance") for mark in ("data-due", "data-past")] == [False, False]
    made(State.WAITING, n=1, by=today, ended=ago)
    made(State.REFUSED, n=2, by=today, ended=ago)
    made(State.HELD, n=3, by=today - timedelta(days=1), ended=ago)
    made(State.ACCEPTED, n=4, by=today, ended=ago)
    made(State.RECALLED, n=5, by=today, ended=ago)
    made(State.WAITING, n=6, by=today + timedelta(days=1), ended=ago)
    made(State.WAITING, n=7, by=today, ended=ago, kind="status")
    made(State.WAITING, n=8, by=today, ended=ago, facility="12001")
    assert lists.due("12104") == (2, 1)
    page = text(as_role("cashier"), "/insurance")
    assert "2 hồ sơ phải gửi hôm nay" in page
    assert "1 hồ sơ đã quá hạn" in page


def test_the_day_costs_the_same_for_many(as_role: As) -> None:
    browser = as_role("cashier")
    made(n=0)
    browser.get("/insurance?on=2026-11-02")
    with CaptureQueriesContext(
        connection,
    ) as few:
        browser.get("/insurance?on=2026-11-02")
    for n in range(1, 25):
        made(n=n)
    with CaptureQueriesContext(connection) as many:
        browser.get("/insurance?on=2026-11-02")
    assert len(many) == len(few)


def test_a_claim_of_another_facility_does_not_exist(as_role: As) -> None:
    other = made(State.FAULTY, facility="12001")
    browser = as_role("cashier")
    for path, method in (
        ("", "get"),
        ("/send", "post"),
        ("/hold", "post"),
        ("/decide", "post"),
        ("/recall", "post"),
        ("/files/1.xml", "get"),
    ):
        assert getattr(browser, method)(f"/insurance/claims/{other.pk}{path}", {"reason": "x"}).status_code == 404
    other.refresh_from_db()
    assert other.state == State.FAULTY


def test_a_faulty_claim_is_shown_kept_back_and_sent(as_role: As) -> None:
    fault = {"table": "XML1", "row": 1, "field": "KET_QUA_DTRI", "code": "required", "reason": "Bắt buộc có giá trị.",
             "ref": "QĐ 3176", "label": "Kết quả điều trị"}  # fmt: skip
    case = made(State.FAULTY, problems=[fault])
    browser = as_role("cashier")
    page = text(browser, f"/insurance/claims/{case.pk}")
    assert "Kết quả điều trị" in page
    assert "Bắt buộc có giá trị." in page
    assert "Lò Thị Pâng" in page

    def state(path: str, **form: str) -> tuple[str, str, str]:
        assert browser.post(f"/insurance/claims/{case.pk}/{path}", form).status_code == 302
        case.refresh_from_db()
        return case.state, case.words, case.despite

    assert state("hold", reason=" ") == (State.FAULTY, "", "")
    assert state("hold", reason="Chờ bổ sung") == (State.HELD, "Chờ bổ sung", "")
    assert state("send") == (State.WAITING, "", "")
    ClaimCase.objects.update(state=State.FAULTY)
    case.refresh_from_db()
    assert state("send", despite="") == (State.FAULTY, "", "")
    assert state("send", despite="", reason="Bệnh án giấy") == (State.WAITING, "", "Bệnh án giấy")


def test_a_claim_that_was_accepted_is_withdrawn_with_a_reason(as_role: As) -> None:
    case = made(State.ACCEPTED)
    browser = as_role("cashier")
    assert "Thu hồi đề nghị thanh toán" in text(browser, f"/insurance/claims/{case.pk}")
    for reason, expected in ((" ", (State.ACCEPTED, False)), ("Gửi nhầm", (State.WAITING, True))):
        assert browser.post(f"/insurance/claims/{case.pk}/recall", {"reason": reason}).status_code == 302
        case.refresh_from_db()
        assert (case.state, case.recall) == expected
    assert "Thu hồi đề nghị thanh toán" not in text(browser, f"/insurance/claims/{case.pk}")
    ClaimCase.objects.update(state=State.RECALLED)
    page = text(browser, f"/insurance/claims/{case.pk}")
    assert "Đã thu hồi" in page
    assert "Gửi lại" in page or "Kiểm tra và gửi" in page


def test_what_the_portal_shows_is_written_down(as_role: As) -> None:
    case = made(State.UNCLEAR)
    sent = Transmission.objects.create(
        case=case, began=NOON, outcome="unclear", file=gzip.compress(b"<X/>"), sha256="0"
    )
    browser = as_role("cashier")
    assert "Xem trên cổng rồi ghi lại" in text(browser, f"/insurance/claims/{case.pk}")
    file = browser.get(f"/insurance/claims/{case.pk}/files/{sent.pk}.xml")
    assert (file.content, file["Cache-Control"]) == (b"<X/>", "private, no-store")
    browser.post(f"/insurance/claims/{case.pk}/decide", {"received": "", "transaction": ""})
    case.refresh_from_db()
    assert case.state == State.UNCLEAR
    browser.post(f"/insurance/claims/{case.pk}/decide", {"received": "", "transaction": "GD9"})
    case.refresh_from_db()
    sent.refresh_from_db()
    assert (case.state, sent.outcome, sent.transaction) == (State.ACCEPTED, "accepted", "GD9")


def test_an_administrator_keeps_the_account_and_its_certificate(as_role: As) -> None:
    browser = as_role("admin")
    assert browser.post("/insurance/account", {"username": "12104_BV"}).status_code == 422
    assert not GatewayAccount.objects.exists()
    assert browser.post("/insurance/account", {"username": "12104_BV", "password": "bí mật"}).status_code == 302
    known = GatewayAccount.objects.get()
    secret = bytes(known.secret)
    assert len(seals.unseal(PURPOSE, secret) or b"") == 32
    assert browser.post("/insurance/account", {"username": "12104_X", "officer_cccd": "12"}).status_code == 422
    assert browser.post("/insurance/account", {"username": "12104_X", "officer": "Lò Văn Ún"}).status_code == 302
    known.refresh_from_db()
    assert (known.username, known.officer, bytes(known.secret)) == ("12104_X", "Lò Văn Ún", secret)

    def upload(file: bytes, password: str) -> int:
        form = {"key-file": SimpleUploadedFile("key.p12", file), "key-password": password}
        return int(browser.post("/insurance/account/key", form).status_code)

    assert [upload(key_file("đúng"), "sai"), upload(b"x" * 65_000, ""), upload(b"", "")] == [422, 422, 422]
    known.refresh_from_db()
    assert known.key is None
    assert upload(key_file("đúng"), "đúng") == 302
    known.refresh_from_db()
    assert known.signer == "CN=TTYT Tam Đường"
    assert b"PRIVATE KEY" not in bytes(known.key)
    page = text(browser, "/insurance/account")
    assert "CN=TTYT Tam Đường" in page
    assert "bí mật" not in page
