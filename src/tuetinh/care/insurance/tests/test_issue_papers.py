"""Papers: issued once where they arise, with what the visit knows; then they stand in the claim."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO
from typing import Any, cast

import pytest
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader

from tuetinh.care.insurance.annexes.lists import change
from tuetinh.care.insurance.api import PAPERS, claim, issue, withdraw
from tuetinh.care.insurance.errors import BadPaper, MayNotIssue, NoVisit
from tuetinh.care.insurance.models import ClaimCase, PaperNumber
from tuetinh.care.insurance.papers.prefill import known
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import after_working_days
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

pytestmark = pytest.mark.django_db
REFERRAL, LEAVE, BIRTH, TB = (PAPERS[name] for name in ("chuyen-co-so", "nghi-om", "chung-sinh", "lao"))
REFERRED = {
    "MA_CSKCB_DEN": "12001", "MA_LYDO_CT": "1", "DAU_HIEU_LS": "Khó thở", "QT_BENHLY": "Hai ngày nay",
    "TINH_TRANG_CT": "Tỉnh", "HUONG_DIEU_TRI": "Tuyến trên", "PHUONGTIEN_VC": "Xe cứu thương",
}  # fmt: skip
RESTING = {"DON_VI": "Trường tiểu học", "TU_NGAY": "20261129", "SO_NGAY_NGHI": "3", "PP_DIEUTRI": "Nội khoa"}


@pytest.fixture
def doctor(cast: dict[str, Account]) -> Asker:
    return asker_of(cast["doctor"])


@pytest.fixture
def visit(cast: dict[str, Account], doctor: Asker) -> str:
    opened = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Khó thở")
    reception.start(doctor, opened.encounter)
    return opened.encounter


def count(type_: str, query: str) -> int:
    return len(record.search(SYSTEM, type_, query).resources)


def test_a_referral_is_a_paper_and_an_order_to_the_other_facility(doctor: Asker, visit: str) -> None:
    paper = issue(doctor, visit, REFERRAL, REFERRED)
    order = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", f"{paper.id}-order"))
    assert paper.identifier is not None
    assert (paper.identifier.value or "").endswith("/CT/000001")
    assert [one.reference for one in order.performer or []] == ["Organization/12001"]
    assert [one.reference for one in order.supportingInfo or []] == [f"QuestionnaireResponse/{paper.id}"]
    assert (order.status, order.intent) == ("active", "order")
    (row,) = claim(SYSTEM, visit).tables["XML13"]
    assert {name: row[name] for name in REFERRED} == REFERRED
    assert row["GIAY_CHUYEN_TUYEN"] == paper.identifier.value
    assert (row["HO_TEN"], row["MA_CSKCB"]) == ("LÒ THỊ PÂNG", "12104")
    assert claim(SYSTEM, visit).tables["XML1"][0]["MA_NOI_DEN"] == "12001"


def test_a_referral_holds_for_one_visit_or_for_a_year(doctor: Asker, visit: str) -> None:
    def days() -> tuple[str, str]:
        order = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", f"{visit}-ct-order"))
        assert order.occurrencePeriod is not None
        return str(order.occurrencePeriod.start), str(order.occurrencePeriod.end)

    today = timezone.localdate()
    issue(doctor, visit, REFERRAL, REFERRED)
    assert days() == (today.isoformat(), after_working_days(today, 10).isoformat())
    issue(doctor, visit, REFERRAL, REFERRED, yearly=True)
    assert days() == (today.isoformat(), (today + timedelta(days=365)).isoformat())


def test_the_page_of_a_referral_asks_how_long_it_holds(as_role: Callable[[str], Client], visit: str) -> None:
    doctor, address = as_role("doctor"), f"/insurance/visits/{visit}/papers/chuyen-co-so/1"
    assert 'name="yearly" value="1">' in doctor.get(address).content.decode()
    assert doctor.post(address, REFERRED | {"yearly": "1"}).status_code == 302
    assert 'name="yearly" value="1" checked>' in doctor.get(address).content.decode()
    until = timezone.localdate() + timedelta(days=365)
    text = PdfReader(BytesIO(doctor.get(f"{address}.pdf").content)).pages[0].extract_text()
    assert f"đến hết ngày {until:%d/%m/%Y}, cho mọi lượt khám" in text
    leave = doctor.get(f"/insurance/visits/{visit}/papers/nghi-om/1").content.decode()
    assert 'name="yearly"' not in leave


def test_a_referral_for_a_disease_of_annex_iii_begins_as_one_of_a_year(
    as_role: Callable[[str], Client], visit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuetinh.care.insurance.papers.pages.principal_code", lambda *_: "E11.2")
    doctor, address = as_role("doctor"), f"/insurance/visits/{visit}/papers/chuyen-co-so/1"
    assert 'name="yearly" value="1">' in doctor.get(address).content.decode()
    change(replace(SYSTEM, facility="12104"), "3", "E10-E14")
    assert 'name="yearly" value="1" checked>' in doctor.get(address).content.decode()


def test_no_man_is_asked_of_a_pregnancy(as_role: Callable[[str], Client], visit: str) -> None:
    doctor, address = as_role("doctor"), f"/insurance/visits/{visit}/papers"
    assert 'name="TUOI_THAI"' in doctor.get(f"{address}/nghi-om/1").content.decode()
    assert 'data-paper="chung-sinh"' in doctor.get(address).content.decode()
    person = record.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(person, r4.Patient)
    person.gender = "male"
    record.update(SYSTEM, person)
    page = doctor.get(f"{address}/nghi-om/1").content.decode()
    assert "TUOI_THAI" not in page
    assert "Đình chỉ thai" not in page
    listed = doctor.get(address).content.decode()
    assert [name for name in PAPERS if f'data-paper="{name}"' not in listed] == ["duong-thai", "chung-sinh"]
    typed = {"DON_VI": "Trường tiểu học", "TU_NGAY": "29/11/2026", "SO_NGAY_NGHI": "3", "PP_DIEUTRI": "Nội khoa"}
    assert doctor.post(f"{address}/nghi-om/1", typed).status_code == 302
    assert claim(SYSTEM, visit).tables["XML11"][0]["SO_NGAY_NGHI"] == "3"


def test_what_is_required_is_marked(as_role: Callable[[str], Client], visit: str) -> None:
    page = as_role("doctor").get(f"/insurance/visits/{visit}/papers/chuyen-co-so/1").content.decode()
    marked = re.findall(r'<label class="form-label required" for="id_(\w+)"', page)
    assert sorted(marked) == sorted(REFERRED)
    refused = as_role("doctor").post(f"/insurance/visits/{visit}/papers/chuyen-co-so/1", {"QT_BENHLY": "x"})
    assert refused.content.decode().count("Bắt buộc có giá trị.") == len(REFERRED) - 1


def test_a_changed_paper_keeps_its_number(doctor: Asker, visit: str) -> None:
    first = issue(doctor, visit, LEAVE, RESTING)
    again = issue(doctor, visit, LEAVE, RESTING | {"SO_NGAY_NGHI": "5"})
    assert (again.id, again.identifier) == (first.id, first.identifier)
    (row,) = claim(SYSTEM, visit).tables["XML11"]
    assert (row["SO_NGAY_NGHI"], row["TU_NGAY"], row["DEN_NGAY"]) == ("5", "20261129", "20261203")
    assert PaperNumber.objects.get(kind="NO").last == 1


def test_a_withdrawn_paper_leaves_the_claim(doctor: Asker, visit: str) -> None:
    paper = issue(doctor, visit, REFERRAL, REFERRED)
    withdraw(doctor, visit, REFERRAL)
    order = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", f"{paper.id}-order"))
    assert order.status == "entered-in-error"
    assert "XML13" not in claim(SYSTEM, visit).tables


def test_each_child_has_a_certificate(doctor: Asker, visit: str) -> None:
    told = {
        "NGAY_SINH_CON": "202611290830", "GIOI_TINH_CON": "1", "CAN_NANG_CON": "3100", "TINH_TRANG_CON": "Khỏe",
        "MA_THE_TAM": "TE1120000000001", "SO_CON": "2", "LAN_SINH": "1", "SO_CON_SONG": "2", "SINHCON_PHAUTHUAT": "0",
        "SINHCON_DUOI32TUAN": "0", "NGUOI_DO_DE": "Lò Thị Ín", "NGAYCAP_CCCD_NND": "20210101", "NOICAP_CCCD_NND": "CA",
    }  # fmt: skip
    issue(doctor, visit, BIRTH, told, place=1)
    issue(doctor, visit, BIRTH, told | {"CAN_NANG_CON": "2900"}, place=2)
    made = claim(SYSTEM, visit).tables
    assert [row["CAN_NANG_CON"] for row in made["XML9"]] == ["3100", "2900"]
    assert made["XML1"][0]["CAN_NANG_CON"] == "3100;2900"
    assert [row["SO"][-6:] for row in made["XML9"]] == ["000001", "000002"]


@pytest.mark.parametrize(
    ("operated", "early", "noted", "note"),
    [
        ("0", "0", "", ""),
        ("0", "0", "Mẹ khỏe", "Mẹ khỏe"),
        ("1", "0", "", "Sinh con phải phẫu thuật"),
        ("0", "1", "Mẹ khỏe", "Sinh con dưới 32 tuần tuổi; Mẹ khỏe"),
        ("1", "1", "", "Phẫu thuật, sinh con dưới 32 tuần tuổi"),
        ("1", "0", "sinh con phải phẫu thuật.", "sinh con phải phẫu thuật."),
    ],
)
def test_the_note_of_a_birth_says_what_the_annex_asks(
    doctor: Asker, visit: str, operated: str, early: str, noted: str, note: str
) -> None:
    told = {
        "NGAY_SINH_CON": "202611290830", "GIOI_TINH_CON": "1", "CAN_NANG_CON": "3100", "TINH_TRANG_CON": "Khỏe",
        "MA_THE_TAM": "TE1120000000001", "SO_CON": "1", "LAN_SINH": "1", "SO_CON_SONG": "1", "NGUOI_DO_DE": "Lò Thị Ín",
        "NGAYCAP_CCCD_NND": "20210101", "NOICAP_CCCD_NND": "CA", "SINHCON_PHAUTHUAT": operated,
        "SINHCON_DUOI32TUAN": early, "GHI_CHU": noted,
    }  # fmt: skip
    issue(doctor, visit, BIRTH, told)
    made = claim(SYSTEM, visit)
    assert made.tables["XML9"][0]["GHI_CHU"] == note
    assert "BIRTH-NOTE" not in {one.code for one in made.problems}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"TU_NGAY": ""}, "TU_NGAY"),
        ({"SO_NGAY_NGHI": "31"}, "SO_NGAY_NGHI"),
        ({"SO_NGAY_NGHI": "0"}, "SO_NGAY_NGHI"),
        ({"SO_NGAY_NGHI": "2.5"}, "SO_NGAY_NGHI"),
        ({"MA_DINH_CHI_THAI": "1", "TUOI_THAI": "8"}, "NGUYENNHAN_DINHCHI"),
        ({"MA_DINH_CHI_THAI": "1", "TUOI_THAI": "43", "NGUYENNHAN_DINHCHI": "Sẩy"}, "TUOI_THAI"),
    ],
)
def test_what_the_table_does_not_take_is_refused_and_nothing_changes(
    doctor: Asker, visit: str, changes: dict[str, str], field: str
) -> None:
    with pytest.raises(BadPaper) as refused:
        issue(doctor, visit, LEAVE, RESTING | changes)
    assert list(refused.value.wrong) == [field]
    assert count("QuestionnaireResponse", f"encounter=Encounter/{visit}") == 0
    assert not PaperNumber.objects.exists()


def test_leave_is_longer_for_tuberculosis(doctor: Asker, visit: str) -> None:
    long = RESTING | {"SO_NGAY_NGHI": "180"}
    with pytest.raises(BadPaper):
        issue(doctor, visit, LEAVE, long, diagnosis="J18.9")
    issue(doctor, visit, LEAVE, long, diagnosis="A15.0")
    assert claim(SYSTEM, visit).tables["XML11"][0]["SO_NGAY_NGHI"] == "180"


@pytest.mark.parametrize(("weeks", "taken"), [("12", False), ("13", True)])
def test_leave_is_longer_after_a_late_loss(doctor: Asker, visit: str, weeks: str, *, taken: bool) -> None:
    lost = {"MA_DINH_CHI_THAI": "1", "TUOI_THAI": weeks, "NGUYENNHAN_DINHCHI": "Thai lưu", "SO_NGAY_NGHI": "50"}
    if taken:
        issue(doctor, visit, LEAVE, RESTING | lost)
    else:
        with pytest.raises(BadPaper):
            issue(doctor, visit, LEAVE, RESTING | lost)
    assert ("XML11" in claim(SYSTEM, visit).tables) is taken


def test_only_who_examines_issues_papers(doctor: Asker, visit: str) -> None:
    with pytest.raises(MayNotIssue):
        issue(replace(doctor, role="nurse"), visit, LEAVE, RESTING)
    with pytest.raises(NoVisit):
        issue(replace(doctor, facility="12001"), visit, LEAVE, RESTING)
    issue(doctor, visit, LEAVE, RESTING)
    with pytest.raises(MayNotIssue):
        withdraw(replace(doctor, role="nurse"), visit, LEAVE)
    assert len(claim(SYSTEM, visit).tables["XML11"]) == 1


def test_a_paper_begins_with_what_is_known(doctor: Asker, visit: str, cast: dict[str, Account]) -> None:
    note = r4.ClinicalImpression(
        status="completed", subject=r4.Reference(reference="Patient/cast-citizen"), summary="Phổi có ran",
        encounter=r4.Reference(reference=f"Encounter/{visit}"), description="Ho ba ngày",
    )  # fmt: skip
    record.create(SYSTEM, note)
    told = known(visit, REFERRAL)
    assert (told["QT_BENHLY"], told["DAU_HIEU_LS"], told["MA_LYDO_CT"]) == ("Ho ba ngày", "Phổi có ran", "1")
    issue(doctor, visit, LEAVE, RESTING)
    again = PAPERS["duong-thai"]
    assert known(visit, again)["DON_VI"] == "Trường tiểu học"  # told once, at the other paper


def test_care_that_goes_on_is_asked_once(doctor: Asker, visit: str) -> None:
    told = {
        "PHANLOAI_LAO_VITRI": "1", "PHANLOAI_LAO_TS": "1", "PHANLOAI_LAO_HIV": "2", "PHANLOAI_LAO_VK": "1",
        "PHANLOAI_LAO_KT": "1", "LOAI_DTRI_LAO": "2", "NGAYBD_DTRI_LAO": "20261101", "PHACDO_DTRI_LAO": "1",
        "KET_QUA_DTRI_LAO": "2",
    }  # fmt: skip
    issue(doctor, visit, TB, told)
    assert known(visit, TB) == told


@pytest.mark.parametrize(("status", "labels"), [("1", ["HIV"]), ("2", [])])
def test_what_tells_of_hiv_is_labelled(doctor: Asker, visit: str, status: str, labels: list[str]) -> None:
    told = {
        "PHANLOAI_LAO_VITRI": "1", "PHANLOAI_LAO_TS": "1", "PHANLOAI_LAO_HIV": status, "PHANLOAI_LAO_VK": "1",
        "PHANLOAI_LAO_KT": "1", "LOAI_DTRI_LAO": "2", "NGAYBD_DTRI_LAO": "20261101", "PHACDO_DTRI_LAO": "1",
        "KET_QUA_DTRI_LAO": "2",
    }  # fmt: skip
    paper = issue(doctor, visit, TB, told)
    kept = cast(r4.QuestionnaireResponse, record.read(SYSTEM, "QuestionnaireResponse", str(paper.id)))
    assert [one.code for one in (kept.meta.security if kept.meta else None) or []] == labels


def test_the_pages_issue_and_print(
    as_role: Callable[[str], Client], visit: str, django_assert_max_num_queries: Any
) -> None:
    doctor = as_role("doctor")
    address = f"/insurance/visits/{visit}/papers"
    page = doctor.get(f"{address}/nghi-om/1").content.decode()
    assert "Giấy chứng nhận nghỉ việc hưởng BHXH" in page
    refused = doctor.post(f"{address}/nghi-om/1", {"TU_NGAY": "31/02/2026", "SO_NGAY_NGHI": "3"})
    assert refused.status_code == 422
    assert "Nhập dd/mm/yyyy." in refused.content.decode()
    assert count("QuestionnaireResponse", f"encounter=Encounter/{visit}") == 0
    typed = {"DON_VI": "Trường tiểu học", "TU_NGAY": "29/11/2026", "SO_NGAY_NGHI": "3", "PP_DIEUTRI": "Nội khoa"}
    assert doctor.post(f"{address}/nghi-om/1", typed).status_code == 302
    doctor.get(address)
    with django_assert_max_num_queries(40):
        listed = doctor.get(address).content.decode()
    assert "/NO/000001" in listed
    answer = doctor.get(f"{address}/nghi-om/1.pdf")
    text = "".join(one.extract_text() for one in PdfReader(BytesIO(answer.content)).pages)
    assert "GIẤY CHỨNG NHẬN NGHỈ VIỆC HƯỞNG BẢO HIỂM XÃ HỘI" in text
    assert "01/12/2026" in text  # the last of three days
    assert doctor.get(f"{address}/khong-co/1").status_code == 404
    assert doctor.get(f"{address}/chuyen-co-so/1.pdf").status_code == 404
    assert doctor.post(f"{address}/nghi-om/1/withdraw").status_code == 302
    assert "XML11" not in claim(SYSTEM, visit).tables


def test_where_somebody_is_referred_to_the_paper_is_read_too(
    doctor: Asker, visit: str, as_role: Callable[[str], Client]
) -> None:
    issue(doctor, visit, REFERRAL, REFERRED)
    print_, seen = f"/insurance/visits/{visit}/papers/chuyen-co-so/1.pdf", f"/clinic/people/cast-citizen/visits/{visit}"
    for facility, status in (("12001", 200), ("12002", 404)):
        there = Account.objects.create(username=f"bs.{facility}", role="doctor", facility=facility, password="!")
        browser = Client()
        browser.force_login(there, backend="django.contrib.auth.backends.ModelBackend")
        assert (browser.get(print_).status_code, browser.get(seen).status_code) == (status, status), facility
        if status == 200:
            assert print_ in browser.get(seen).content.decode()


@pytest.fixture
def claimed(visit: str, doctor: Asker) -> ClaimCase:
    """The claim of the visit, which the gateway has accepted."""
    now = timezone.now()
    return ClaimCase.objects.create(
        encounter=visit, facility="12104", patient="cast-citizen", ended=now, due=now, by=date(2099, 1, 1),
        state="accepted", first_accepted=now, ma_lk="LK1",
    )  # fmt: skip


def test_a_paper_of_a_claim_that_was_accepted_sends_it_again(doctor: Asker, visit: str, claimed: ClaimCase) -> None:
    accepted = claimed.first_accepted
    for act, words in (
        (lambda: issue(doctor, visit, LEAVE, RESTING), "Cấp hoặc sửa giấy sau khi gửi: gửi lại."),
        (
            lambda: issue(doctor, visit, LEAVE, RESTING | {"SO_NGAY_NGHI": "5"}),
            "Cấp hoặc sửa giấy sau khi gửi: gửi lại.",
        ),
        (lambda: withdraw(doctor, visit, LEAVE), "Thu hồi giấy sau khi gửi: gửi lại."),
    ):
        ClaimCase.objects.update(state="accepted", words="", due=accepted)
        act()
        claimed.refresh_from_db()
        assert (claimed.state, claimed.words, claimed.tries) == ("waiting", words, 0)
        assert (claimed.first_accepted, claimed.due > accepted) == (accepted, True)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("state", "then", "changed"),
    [
        ("refused", "waiting", True), ("faulty", "waiting", True), ("sending", "sending", True),
        ("unclear", "unclear", True), ("waiting", "waiting", False), ("held", "held", False),
    ],
)  # fmt: skip
def test_what_a_paper_does_to_a_claim_by_where_it_is(
    doctor: Asker, visit: str, claimed: ClaimCase, state: str, then: str, changed: bool
) -> None:
    ClaimCase.objects.update(state=state)
    issue(doctor, visit, LEAVE, RESTING)
    claimed.refresh_from_db()
    assert (claimed.state, bool(claimed.changed)) == (then, changed)


def test_a_paper_that_is_denied_sends_nothing(cast: dict[str, Account], visit: str, claimed: ClaimCase) -> None:
    with pytest.raises(MayNotIssue):
        issue(asker_of(cast["nurse"]), visit, LEAVE, RESTING)
    with pytest.raises(NoVisit):
        issue(replace(asker_of(cast["doctor"]), facility="12001"), visit, LEAVE, RESTING)
    claimed.refresh_from_db()
    assert (claimed.state, claimed.changed) == ("accepted", "")
