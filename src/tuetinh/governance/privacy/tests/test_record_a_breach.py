"""A breach is recorded, its clocks run, those concerned come from the access log and are told, and it is closed."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pypdf import PdfReader

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.breaches import actions, paper, queries
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import Breach, BreachPerson
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import BadRequest, Forbidden
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def made(by: Account, ago: timedelta = timedelta(hours=1), **more: Any) -> Breach:
    now = timezone.now()
    told = actions.Description("Máy tính bị mất", "loss", "Mất máy tính xách tay ở phòng khám", now - ago)
    return actions.open_breach(by, replace(told, **more))


def look(account: Account, patient: str, at: datetime, *, address: str = "10.0.0.7", action: str = "read") -> None:
    """An entry of the access log."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO record.audit"
            " (at, account, role, facility, purpose, client, action, type, id, patient, address)"
            " VALUES (%s, %s, %s, %s, 'TREAT', '', %s, 'Patient', '', %s, %s)",
            [at, str(account.pk), account.role, account.facility, action, patient, address],
        )


@pytest.fixture
def looked(cast: dict[str, Account]) -> datetime:
    """The nurse looked at three people in an hour, and at one before; the outsider's hospital at another."""
    start = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    for minutes, patient, action in ((-1, "p0", "read"), (0, "p1", "read"), (30, "p2", "update"), (59, "p1", "read")):
        look(cast["nurse"], patient, start + timedelta(minutes=minutes), action=action)
    look(cast["nurse"], "cast-citizen", start + timedelta(minutes=10), address="10.0.0.8")
    look(cast["nurse"], "p3", start + timedelta(minutes=60))
    look(cast["doctor"], "p4", start)
    look(cast["outsider"], "p5", start)
    return start


def test_whom_an_account_or_an_address_saw(cast: dict[str, Account], looked: datetime) -> None:
    officer, hour = asker_of(cast["admin"]), timedelta(hours=1)
    nurse = str(cast["nurse"].pk)

    def seen(**by: str) -> list[tuple[str, int, bool]]:
        return [(o.patient, o.entries, o.changed) for o in record.exposed(officer, looked, looked + hour, **by)]

    assert seen(account=nurse) == [("cast-citizen", 1, False), ("p1", 2, False), ("p2", 1, True)]
    assert seen(account=nurse, address="10.0.0.8") == [("cast-citizen", 1, False)]
    assert seen(address="10.0.0.7") == [("p1", 2, False), ("p2", 1, True), ("p4", 1, False)]  # not the hospital's
    assert seen(account=str(cast["outsider"].pk)) == []
    assert [o.patient for o in record.exposed(SYSTEM, looked, looked + hour, address="10.0.0.7")] == [
        "p1", "p2", "p4", "p5",
    ]  # fmt: skip
    with pytest.raises(BadRequest):
        seen()
    with pytest.raises(Forbidden):
        list(record.exposed(asker_of(cast["doctor"]), looked, looked + hour, account=nurse))


def test_record_trace_tell_and_close(
    as_role: Callable[[str], Client], cast: dict[str, Account], looked: datetime
) -> None:
    admin = as_role("admin")
    told = {
        "title": "Tài khoản bị lộ",
        "nature": "access",
        "conduct": "Dùng mật khẩu của điều dưỡng",
        "sensitive": "on",
    }
    answer = admin.post("/privacy/breaches/new", told)
    (one,) = Breach.objects.all()
    assert answer["Location"] == f"/privacy/breaches/{one.pk}"
    assert (one.facility, one.form, one.report_by - one.detected) == ("12104", "Mẫu số 08", timedelta(hours=72))
    assert one.tell_by == one.report_by
    page = f"/privacy/breaches/{one.pk}"
    trace = {"username": "cast.nurse", "since": "2026-11-20T15:00", "until": "2026-11-20T16:00"}
    assert admin.post(f"{page}/trace", trace).status_code == 302
    job = ProcrastinateJob.objects.get(task_name="privacy.gather")
    for _ in range(2):
        actions.gather(job.args["trace"])  # safe to repeat
    assert list(one.people.order_by("patient").values_list("patient", "entries", "changed")) == [
        ("cast-citizen", 1, False), ("p1", 2, False), ("p2", 1, True),
    ]  # fmt: skip
    assert one.traces.get().found == 3
    assert "3 người, 3 chưa được báo" in admin.get(page).content.decode()
    notice = "Có người lạ đã xem hồ sơ của bạn ngày 20/11. Chúng tôi đã khóa tài khoản đó."
    assert admin.post(f"{page}/tell", {"notice": notice}).status_code == 302
    assert ProcrastinateJob.objects.get(task_name="privacy.tell").args == {"breach": one.pk}
    assert (actions.tell_people(one.pk), actions.tell_people(one.pk)) == (1, 0)  # the others have no account
    assert notice in as_role("citizen").get("/me/rights").content.decode()
    (sent,) = record.search(SYSTEM, "Communication", "patient=Patient/cast-citizen").resources
    assert isinstance(sent, r4.Communication)
    assert (sent.priority, sent.payload[0].contentString) == ("urgent", notice)  # type: ignore[index]
    people, office = f"{page}/people", as_role("archivist")
    untold = BreachPerson.objects.filter(told=None)
    assert office.post(people, {"person": str(untold[0].pk), "how": "smoke"}).status_code == 422
    assert untold.count() == 2
    assert admin.post(f"{page}/report", {"number": "12/BC-TTYT"}).status_code == 302
    assert admin.post(f"{page}/close", {"note": "Xong"}).status_code == 422  # people, consequences, measures
    for person in list(untold):
        assert office.post(people, {"person": str(person.pk), "how": "letter"}).status_code == 302
    more = {"consequences": "Lộ chẩn đoán của ba người", "measures": "Khóa tài khoản, đổi mật khẩu"}
    assert admin.post(f"{page}/edit", told | more).status_code == 302
    assert admin.post(f"{page}/close", {"note": "Xong"}).status_code == 302
    one.refresh_from_db()
    assert one.closed is not None
    assert one.keep_until is not None
    assert one.keep_until.year == one.closed.year + 5
    assert [step.step for step in one.steps.order_by("pk")] == [
        "opened", "traced", "told", "reported", "told", "told", "changed", "closed",
    ]  # fmt: skip
    for verb in ("trace", "report", "tell", "close"):
        answer = admin.post(f"{page}/{verb}", trace | {"number": "1", "notice": notice})
        assert answer.status_code == 422
    assert one.steps.count() == 8
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record.audit WHERE role = 'admin' AND type = 'AuditEvent'")
        assert cursor.fetchone() == (2,)  # whoever looks through the log is in it


def test_the_clock_shouts_and_lateness_is_explained(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    fresh, late = made(cast["admin"]), made(cast["admin"], timedelta(hours=80))
    page = as_role("admin").get("/privacy/breaches").content.decode()
    assert page.index(f"/breaches/{late.pk}") < page.index(f"/breaches/{fresh.pk}")
    assert "1 hồ sơ vi phạm đã quá hạn thông báo" in page
    assert "quá 8 giờ" in page
    assert "còn 70 giờ 59 phút" in page or "còn 71 giờ 0 phút" in page
    for reason, code in (("", "late-reason"), ("bận", "late-reason")):
        with pytest.raises(PrivacyError) as caught:
            actions.report(cast["admin"], late.pk, "12/BC", reason)
        assert caught.value.code == code
    assert queries.late(cast["admin"]).count() == 1
    actions.report(cast["admin"], late.pk, "12/BC", "Mất điện toàn huyện ba ngày")
    late.refresh_from_db()
    assert late.late_reason == "Mất điện toàn huyện ba ngày"
    assert queries.late(cast["admin"]).count() == 0
    BreachPerson.objects.create(
        breach=late, patient="p1", first=late.detected, last=late.detected, entries=1, changed=False
    )
    assert queries.late(cast["admin"]).count() == 1  # nobody told the person in time


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"nature": "x"}, "nature"),
        ({"conduct": "mất"}, "conduct"),
        ({"title": " "}, "conduct"),
        ({"detected": datetime(2100, 1, 1, tzinfo=UTC)}, "detected"),
        ({"happened": datetime(2100, 1, 1, tzinfo=UTC)}, "detected"),
        ({"detected": datetime(2020, 1, 1, tzinfo=UTC)}, "received"),
    ],
)
def test_what_is_wrong_is_not_recorded(cast: dict[str, Account], wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(PrivacyError) as caught:
        made(cast["admin"], **wrong)
    assert (caught.value.code, Breach.objects.count()) == (code, 0)


def test_the_law_of_the_day_counts(cast: dict[str, Account]) -> None:
    old = made(cast["admin"], detected=datetime(2025, 12, 31, 10, 0, tzinfo=UTC))
    assert (old.form, old.tell_by, old.law) == ("Mẫu số 03", None, "NĐ 13/2023/NĐ-CP Điều 23")
    assert made(cast["admin"], sensitive=False).tell_by is None


def test_a_trace_names_the_months_that_it_could_not_read(
    as_role: Callable[[str], Client], cast: dict[str, Account], looked: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuetinh.record.audit.archive.offline", lambda *_: {"2026-02": 7, "2026-03": None})
    one = made(cast["admin"])
    hour = timedelta(hours=1)
    trace = actions.trace(cast["admin"], one.pk, looked, looked + hour, username="cast.nurse")
    actions.gather(trace.pk)
    trace.refresh_from_db()
    assert (trace.found, trace.unread) == (3, "2026-02,2026-03")
    page = as_role("admin").get(f"/privacy/breaches/{one.pk}").content.decode()
    assert "Chưa tìm trong các tháng 02/2026, 03/2026" in page


def test_a_trace_needs_somebody_of_the_facility(cast: dict[str, Account]) -> None:
    one, now = made(cast["admin"]), timezone.now()
    hour = timedelta(hours=1)
    for by, period, code in (
        ({}, (now - hour, now), "traced"),
        ({"username": "nobody"}, (now - hour, now), "traced"),
        ({"username": "cast.outsider"}, (now - hour, now), "traced"),
        ({"username": "cast.nurse"}, (now, now), "period"),
    ):
        with pytest.raises(PrivacyError) as caught:
            actions.trace(cast["admin"], one.pk, *period, **by)
        assert caught.value.code == code
    assert (one.traces.count(), one.steps.count()) == (0, 1)


def test_other_facilities_know_nothing_of_it(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    one = made(cast["admin"])
    Account.objects.filter(pk=cast["admin"].pk).update(facility="12001")
    cast["admin"].refresh_from_db()
    browser, page = as_role("admin"), f"/privacy/breaches/{one.pk}"
    assert "Máy tính bị mất" not in browser.get("/privacy/breaches").content.decode()
    for path in (page, f"{page}/edit", f"{page}/people", f"{page}/notice.pdf"):
        assert browser.get(path).status_code == 404
    for verb in ("trace", "report", "tell", "close"):
        assert browser.post(f"{page}/{verb}", {"number": "1"}).status_code == 404
    assert one.steps.count() == 1


def test_the_notice_on_paper_says_what_the_decree_asks_for(cast: dict[str, Account]) -> None:
    texts = {
        "place": "Phòng khám Nội 2",
        "kinds": "Họ tên, chẩn đoán",
        "actors": "Chưa rõ",
        "contact": "Lò Văn An",
        "contact_phone": "0213 3784 115",
        "consequences": "Lộ chẩn đoán",
        "measures": "Khóa tài khoản",
    }
    one = made(cast["admin"], texts=tuple(texts.items()), amount=1234)
    pages = PdfReader(io.BytesIO(paper.notice(one))).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    for phrase in (
        *texts.values(), "Mẫu số 08", "Vi phạm quy định về bảo vệ dữ liệu cá nhân", "Làm mất, phá hủy", "1234",
        "Mất máy tính xách tay ở phòng khám", "Trung tâm Y tế huyện Than Uyên".upper(), "Bộ Công an",
    ):  # fmt: skip
        assert phrase in text, phrase


def test_merging_people_takes_them_along(cast: dict[str, Account]) -> None:
    from tuetinh.commons.identity import merging

    one = made(cast["admin"])
    BreachPerson.objects.create(
        breach=one, patient="cast-citizen", first=one.detected, last=one.detected, entries=1, changed=False
    )
    other = record.create(SYSTEM, r4.Patient(name=[r4.HumanName(text="Lò Thị Pâng")], birthDate="1972-03-12"))
    merging.merge(SYSTEM, "cast-citizen", str(other.id))
    assert one.people.get().patient == other.id
