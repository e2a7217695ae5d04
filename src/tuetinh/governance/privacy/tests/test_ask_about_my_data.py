"""A citizen asks about the own data: taken in once, answered by who has it, told at each step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.utils import timezone

from tuetinh.commons.access.api import asker_of, carers, papers
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.models import SubjectRequest
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
BIRTH = papers.Paper(papers.BIRTH, "45/2023")
MINE = "/me/rights"


def ask(browser: Client, **told: str) -> SubjectRequest | None:
    wish = {"kind": "view", "facility": "12104", "about": "", "purpose": "", "what": "Tôi muốn xem dữ liệu của tôi"}
    before = SubjectRequest.objects.count()
    answer = browser.post(MINE, wish | told)
    made = SubjectRequest.objects.order_by("-pk").first() if SubjectRequest.objects.count() > before else None
    assert answer.status_code == (302 if made else 422), answer.content.decode()
    return made


def told() -> list[str]:
    """What stands in the record of the steps, oldest first."""
    found = record.search(SYSTEM, "Communication", "patient=Patient/cast-citizen&_sort=_lastUpdated").resources
    return [one.payload[0].contentString or "" for one in found if isinstance(one, r4.Communication) and one.payload]


def logged(action: str, type_: str) -> list[tuple[str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT role, facility, purpose FROM record.audit, unnest(coalesce(what, ARRAY[type || '/' || id])) AS one"
            " WHERE action = %s AND starts_with(one, %s || '/') AND patient = 'cast-citizen' ORDER BY position",
            [action, type_],
        )
        return cursor.fetchall()


def test_where_something_is_kept_can_be_asked_though_nobody_looked_there(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    subject = r4.Reference(reference="Patient/cast-citizen")
    visit = r4.Encounter(status="finished", class_=r4.Coding(code="AMB"), subject=subject)
    record.create(replace(SYSTEM, facility="12001"), visit)  # as an import does, of which the log tells no facility
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE; DELETE FROM record.audit; SET LOCAL ROLE tuetinh_node")
    browser = as_role("citizen")
    assert '<option value="12001">' in browser.get(MINE).content.decode()
    made = ask(browser, facility="12001")
    assert made is not None
    assert made.facility == "12001"


def test_ask_and_be_answered(as_role: Callable[[str], Client], diagnosis: str, cast: dict[str, Account]) -> None:
    made = ask(as_role("citizen"))
    assert made is not None
    assert (made.patient, made.facility, made.kind, made.channel, made.state, made.law) == (
        "cast-citizen", "12104", "view", "portal", "new", "Luật 91/2025/QH15, NĐ 356/2025/NĐ-CP",
    )  # fmt: skip
    queue = as_role("archivist").get("/privacy").content.decode()
    assert "Xem dữ liệu của tôi" in queue
    assert "Lò Thị Pâng" in queue
    officer, page = as_role("archivist"), f"/privacy/requests/{made.pk}"
    assert officer.post(f"{page}/accept").status_code == 302
    assert officer.post(f"{page}/grant", {"answer": "Mời anh chị xem tại phòng lưu trữ."}).status_code == 302
    assert officer.post(f"{page}/finish", {"answer": "Đã cho xem toàn bộ hồ sơ."}).status_code == 302
    made.refresh_from_db()
    assert (made.state, made.answer) == ("done", "Mời anh chị xem tại phòng lưu trữ.")
    assert made.answered is not None
    assert made.closed is not None
    assert [step.step for step in made.steps.order_by("pk")] == ["made", "accept", "grant", "finish"]
    assert told() == [
        f"Yêu cầu về dữ liệu cá nhân số {made.pk} đã được nhận.",
        f"Yêu cầu số {made.pk} đang được xem xét.",
        f"Yêu cầu số {made.pk} được chấp nhận.",
        f"Yêu cầu số {made.pk} đã thực hiện xong.",
    ]
    assert logged("create", "Communication") == [("citizen", "", "PATRQT")] + [("archivist", "12104", "PATRQT")] * 3
    shown = as_role("citizen").get(f"{MINE}/{made.pk}").content.decode()
    assert "Mời anh chị xem tại phòng lưu trữ." in shown
    assert "Đã xong" in shown


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "burn"}, "burn không phải là một trong các lựa chọn khả thi"),
        ({"what": "ngắn"}, "Hãy ghi rõ yêu cầu, ít nhất 10 ký tự."),
        ({"kind": "withdraw"}, "Hãy chọn sự đồng ý muốn rút lại."),
        ({"facility": "12001"}, "12001"),
        ({"about": "Condition/other"}, "Condition/other"),
        ({"kind": "object", "purpose": "HMARKT"}, "HMARKT"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_kept(
    as_role: Callable[[str], Client], diagnosis: str, wrong: dict[str, str], words: str
) -> None:
    browser = as_role("citizen")
    assert ask(browser, **wrong) is None
    wish = {"kind": "view", "facility": "12104", "about": "", "purpose": "", "what": "Tôi muốn xem dữ liệu của tôi"}
    assert words in browser.post(MINE, wish | wrong).content.decode()
    assert (SubjectRequest.objects.count(), told()) == (0, [])


def test_the_same_is_not_taken_twice_and_twenty_are_enough(as_role: Callable[[str], Client], diagnosis: str) -> None:
    browser = as_role("citizen")
    for _ in range(2):
        browser.post(MINE, {"kind": "view", "facility": "12104", "what": "Tôi muốn xem dữ liệu của tôi"})
    assert SubjectRequest.objects.count() == 1
    for number in range(20):
        browser.post(MINE, {"kind": "view", "facility": "12104", "what": f"Tôi muốn xem dữ liệu, lần {number}"})
    assert SubjectRequest.objects.count() == 20
    assert (
        "Còn quá nhiều yêu cầu chưa xong."
        in browser.post(
            MINE, {"kind": "copy", "facility": "12104", "what": "Tôi muốn bản sao dữ liệu"}
        ).content.decode()
    )


def test_take_it_back_while_nobody_has_decided(as_role: Callable[[str], Client], diagnosis: str) -> None:
    browser = as_role("citizen")
    made = ask(browser)
    assert made is not None
    assert browser.post(f"{MINE}/{made.pk}").status_code == 302
    made.refresh_from_db()
    assert made.state == "taken-back"
    officer = as_role("archivist")
    assert officer.post(f"/privacy/requests/{made.pk}/accept").status_code == 422
    browser.post(f"{MINE}/{made.pk}")
    assert [step.step for step in made.steps.order_by("pk")] == ["made", "take-back"]


def test_others_know_nothing_of_it(as_role: Callable[[str], Client], diagnosis: str, cast: dict[str, Account]) -> None:
    made = ask(as_role("citizen"))
    assert made is not None
    Account.objects.filter(pk__in=(cast["archivist"].pk, cast["admin"].pk)).update(facility="12001")
    for role in ("archivist", "admin"):
        browser = as_role(role)
        cast[role].refresh_from_db()
        assert "Xem dữ liệu của tôi" not in browser.get("/privacy").content.decode()
        assert browser.get(f"/privacy/requests/{made.pk}").status_code == 404
        for verb in ("accept", "grant", "refuse", "finish", "forward"):
            assert browser.post(f"/privacy/requests/{made.pk}/{verb}", {"answer": "x" * 20}).status_code == 404
    Account.objects.filter(pk=cast["citizen"].pk).update(patient="somebody-else")
    other = as_role("citizen")
    assert other.get(f"{MINE}/{made.pk}").status_code == 404
    assert other.post(f"{MINE}/{made.pk}").status_code == 404
    made.refresh_from_db()
    assert (made.state, made.steps.count()) == ("new", 1)


def test_what_goes_to_nobody_is_seen_by_the_province_and_forwarded(
    as_role: Callable[[str], Client], diagnosis: str, cast: dict[str, Account]
) -> None:
    made = ask(as_role("citizen"), facility="")
    assert made is not None
    assert as_role("archivist").get(f"/privacy/requests/{made.pk}").status_code == 404
    Account.objects.filter(pk=cast["admin"].pk).update(facility="")
    cast["admin"].refresh_from_db()
    province, path = as_role("admin"), f"/privacy/requests/{made.pk}/forward"
    page = province.get(f"/privacy/requests/{made.pk}").content.decode()
    assert "Lò Thị Pâng" not in page  # administrators read nobody's record
    assert province.post(path, {"facility": "nowhere"}).status_code == 422
    assert province.post(path, {"facility": "12104"}).status_code == 302
    made.refresh_from_db()
    assert (made.facility, made.answered) == ("12104", None)
    assert as_role("archivist").get(f"/privacy/requests/{made.pk}").status_code == 200


def test_late_ones_are_on_top_and_shout(as_role: Callable[[str], Client], diagnosis: str) -> None:
    first, second = ask(as_role("citizen")), ask(as_role("citizen"), kind="copy", what="Tôi muốn bản sao dữ liệu")
    assert first is not None
    assert second is not None
    now = timezone.now()
    SubjectRequest.objects.filter(pk=second.pk).update(due=now - timedelta(days=1), answer_by=now - timedelta(days=9))
    page = as_role("archivist").get("/privacy").content.decode()
    assert page.index(f"/requests/{second.pk}") < page.index(f"/requests/{first.pk}")
    assert "1 yêu cầu đã quá hạn" in page
    assert page.count("pill danger") == 1
    mine = as_role("citizen").get(MINE).content.decode()
    assert ("Quá hạn" in mine, mine.count("Mới nhận")) == (True, 2)
    officer = as_role("archivist")
    officer.post(f"/privacy/requests/{second.pk}/grant", {"answer": "Mời anh chị đến nhận."})
    officer.post(f"/privacy/requests/{second.pk}/finish", {"answer": "Đã đưa bản sao."})
    mine = as_role("citizen").get(MINE).content.decode()
    assert ("Quá hạn" in mine, mine.count("Đã xong")) == (False, 1)


def test_a_parent_asks_for_a_child_and_a_carer_does_not(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    born = timezone.localdate().replace(year=timezone.localdate().year - 5, day=1).isoformat()
    record.create(SYSTEM, r4.Patient(id="be", name=[r4.HumanName(text="Lò Văn Bé")], birthDate=born, gender="male"))
    record.create(SYSTEM, r4.Patient(id="ba", name=[r4.HumanName(text="Lò Thị Bà")], birthDate="1950-01-01"))
    carers.link(asker_of(cast["reception"]), "be", "cast-citizen", "MTH", BIRTH)
    grandmother = Account.objects.create_account("ba", "x" * 12, role="citizen", full_name="Lò Thị Bà")
    Account.objects.filter(pk=grandmother.pk).update(patient="ba")
    grandmother.refresh_from_db()
    tie = carers.propose(asker_of(grandmother), "cast-citizen", "CHILD", until="", sensitive=False)
    carers.answer(asker_of(cast["citizen"]), tie, accept=True)
    browser = as_role("citizen")
    browser.post("/me/open", {"patient": "be"})
    made = ask(browser, facility="")
    assert made is not None
    assert (made.patient, made.acting) == ("be", "MTH")
    browser.post("/me/open", {"patient": "ba"})
    assert "Gửi yêu cầu" not in browser.get(MINE).content.decode()
    assert browser.post(MINE, {"kind": "view", "facility": "", "what": "Xem dữ liệu của bà"}).status_code == 404
    assert browser.get(f"{MINE}/{made.pk}").status_code == 404
    assert SubjectRequest.objects.count() == 1


def test_merging_people_takes_requests_along(as_role: Callable[[str], Client], diagnosis: str) -> None:
    from tuetinh.commons.identity import merging

    made = ask(as_role("citizen"))
    assert made is not None
    other = record.create(SYSTEM, r4.Patient(name=[r4.HumanName(text="Lò Thị Pâng")], birthDate="1972-03-12"))
    merging.merge(SYSTEM, "cast-citizen", str(other.id))
    made.refresh_from_db()
    assert made.patient == other.id
