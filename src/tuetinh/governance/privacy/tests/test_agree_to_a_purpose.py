"""A citizen agrees to a purpose, which is proved by text, time, way and address, and withdraws it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from tuetinh.commons.access.api import asker_of, carers, papers
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.models import ConsentGiven
from tuetinh.governance.privacy.purposes import register
from tuetinh.governance.privacy.requests import actions
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
BIRTH = papers.Paper(papers.BIRTH, "45/2023")
PAGE = "/me/consents"
YES = {"code": "HRESCH", "version": "1", "agree": "yes"}


def consents() -> list[tuple[str, str, str]]:
    """Status, text and purpose of the Consents in the record, oldest first."""
    found = record.search(SYSTEM, "Consent", "_sort=_lastUpdated").resources
    return [
        (one.status, one.policy[0].uri or "", one.provision.purpose[0].code or "")  # type: ignore[index, union-attr]
        for one in found
        if isinstance(one, r4.Consent)
    ]


def test_agree_and_withdraw(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("citizen")
    page = browser.get(PAGE).content.decode()
    assert "dữ liệu cá nhân nhạy cảm" in page
    assert 'name="agree" value="yes" required' in page
    assert "checked" not in page  # nothing is ticked before
    for _ in range(2):
        assert browser.post(PAGE, YES, REMOTE_ADDR="10.1.2.3").status_code == 302
    (given,) = ConsentGiven.objects.all()
    assert (given.patient, given.text.version, given.channel, given.address, given.by, given.acting) == (
        "cast-citizen", 1, "portal", "10.1.2.3", cast["citizen"], "",
    )  # fmt: skip
    text = "https://tuetinh.vn/fhir/consent-text/HRESCH/1"
    assert consents() == [("active", text, "HRESCH")]
    assert "Đã đồng ý với bản 1" in browser.get(PAGE).content.decode()
    assert browser.post(PAGE, {"code": "HRESCH", "withdraw": "yes"}).status_code == 302
    given.refresh_from_db()
    assert given.withdrawn is not None
    assert consents() == [("inactive", text, "HRESCH")]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"agree": ""}, "Hãy đọc và tự đánh dấu vào ô đồng ý."),
        ({"code": "TREAT"}, "Mục đích này không dựa trên sự đồng ý."),
        ({"code": "x"}, "Mục đích này không dựa trên sự đồng ý."),
        ({"version": "2"}, "Văn bản vừa có bản mới."),
        ({"version": "x"}, "Văn bản vừa có bản mới."),
    ],
)
def test_what_is_no_consent_is_not_kept(as_role: Callable[[str], Client], told: dict[str, str], words: str) -> None:
    answer = as_role("citizen").post(PAGE, YES | told)
    assert (answer.status_code, ConsentGiven.objects.count(), consents()) == (422, 0, [])
    assert words in answer.content.decode()


def test_a_new_text_is_agreed_to_anew(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("citizen")
    browser.post(PAGE, YES)
    Account.objects.filter(pk=cast["admin"].pk).update(facility="")
    cast["admin"].refresh_from_db()
    register.write_text(cast["admin"], "HRESCH", "Tôi đồng ý cho dùng dữ liệu của tôi để nghiên cứu dịch tễ học.")
    page = browser.get(PAGE).content.decode()
    assert "Đã đồng ý với bản 1" in page
    assert "Tôi đã đọc và đồng ý" in page
    assert browser.post(PAGE, YES | {"version": "2"}).status_code == 302
    told = [(given.text.version, given.withdrawn is None) for given in ConsentGiven.objects.order_by("pk")]
    assert told == [(1, False), (2, True)]
    assert [status for status, _, _ in consents()] == ["inactive", "active"]


def test_a_request_on_paper_withdraws_it_too(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    as_role("citizen").post(PAGE, YES)
    given = ConsentGiven.objects.get()
    wish = actions.Wish("withdraw", "Tôi rút lại sự đồng ý", "12104", f"Consent/{given.consent}")
    made = actions.make(asker_of(cast["citizen"]), cast["citizen"], "cast-citizen", wish)
    actions.grant(cast["archivist"], made.pk, "Đã nhận yêu cầu.")
    actions.finish(cast["archivist"], made.pk, "Đã rút lại.")
    given.refresh_from_db()
    assert given.withdrawn is not None
    assert [status for status, _, _ in consents()] == ["inactive"]


@pytest.mark.parametrize(("years", "minor", "kept"), [(5, "", 1), (9, "", 0), (9, "yes", 1)])
def test_for_a_child_the_parent_agrees_and_from_seven_on_both(
    as_role: Callable[[str], Client], cast: dict[str, Account], years: int, minor: str, kept: int
) -> None:
    born = timezone.localdate().replace(year=timezone.localdate().year - years, day=1).isoformat()
    record.create(SYSTEM, r4.Patient(id="be", name=[r4.HumanName(text="Lò Văn Bé")], birthDate=born, gender="male"))
    carers.link(asker_of(cast["reception"]), "be", "cast-citizen", "MTH", BIRTH, agreed=True)
    browser = as_role("citizen")
    browser.post("/me/open", {"patient": "be"})
    answer = browser.post(PAGE, YES | ({"minor": minor} if minor else {}))
    assert answer.status_code == (302 if kept else 422)
    rows = [(one.patient, one.acting, one.minor_agreed) for one in ConsentGiven.objects.all()]
    assert rows == [("be", "MTH", bool(minor))] * kept


def test_a_minor_alone_and_a_carer_do_not_agree(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    person = record.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(person, r4.Patient)
    person.birthDate = timezone.localdate().replace(year=timezone.localdate().year - 15, day=1).isoformat()
    record.update(SYSTEM, person)
    assert as_role("citizen").post(PAGE, YES).status_code == 422
    record.create(SYSTEM, r4.Patient(id="ba", name=[r4.HumanName(text="Lò Thị Bà")], birthDate="1950-01-01"))
    grandmother = Account.objects.create_account("ba", "x" * 12, role="citizen", full_name="Lò Thị Bà")
    Account.objects.filter(pk=grandmother.pk).update(patient="ba")
    grandmother.refresh_from_db()
    tie = carers.propose(asker_of(grandmother), "cast-citizen", "CHILD", until="", sensitive=False)
    carers.answer(asker_of(cast["citizen"]), tie, accept=True)
    browser = as_role("citizen")
    browser.post("/me/open", {"patient": "ba"})
    assert browser.post(PAGE, YES).status_code == 404
    assert ConsentGiven.objects.count() == 0
