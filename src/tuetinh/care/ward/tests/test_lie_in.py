"""Admit somebody, move them, charge their days in bed and supplies, give medicines: facts, refusals, the claim."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from tuetinh.care.clinic.api import Line, close_visit, diagnose, order_medicine, prescription
from tuetinh.care.clinic.errors import UnknownCode
from tuetinh.care.insurance.api import Stopped, claim
from tuetinh.care.insurance.errors import MayNotOverride
from tuetinh.care.insurance.filling.summary import beginning
from tuetinh.care.insurance.models import ApprovedItem, ClaimCase, RuleOverride, Run
from tuetinh.care.reception import api as reception
from tuetinh.care.ward import actions, queries
from tuetinh.care.ward.errors import (
    AlreadyIn,
    BedTaken,
    Charged,
    NoBed,
    NoItem,
    NotAllowed,
    NotInpatient,
    UnknownCare,
    WrongDay,
)
from tuetinh.care.ward.tests.conftest import BED_DAY, SUTURE
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

pytestmark = pytest.mark.django_db
METFORMIN = "metformin-hydroclorid-500-mg-vien-nen-bao-phim"


def encounter(visit: str) -> r4.Encounter:
    found = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(found, r4.Encounter)
    return found


def today() -> date:
    return timezone.localdate()


def lines(asker: Asker, visit: str) -> list[tuple[str, str, str, Decimal | None]]:
    """What the ward has charged today: the examination is not of it."""
    found = sorted(queries.lines(asker, visit, today()), key=lambda one: one.kind)
    return [(one.kind, one.name, one.quantity, one.amount) for one in found if one.kind != "service"]


def test_somebody_who_is_admitted_lies_in_a_bed(doctor: Asker, visit: str) -> None:
    actions.admit(doctor, visit, "h1", "Sốt cao, theo dõi")
    found = encounter(visit)
    assert found.class_.code == "IMP"
    assert [(one.class_.code, bool(one.period.end)) for one in found.classHistory or []] == [
        ("AMB", True),
        ("IMP", False),
    ]
    places = [(one.location.reference, one.status) for one in found.location or []]
    assert places == [
        ("Location/12104-noi2", "completed"), ("Location/khoa-noi", "active"), ("Location/h1", "active"),
    ]  # fmt: skip
    (here,) = queries.inpatients(doctor)
    assert (here.encounter, here.department_name, here.bed_name, here.day) == (visit, "Khoa Nội", "H001", 1)
    noi = next(one for one in queries.departments(doctor) if one.id == "khoa-noi")
    assert [bed.name for bed in noi.free] == ["H002"]
    with pytest.raises(AlreadyIn):
        actions.admit(doctor, visit, "h2", "")


def test_a_bed_that_is_taken_or_of_nobody_is_refused(doctor: Asker, visit: str, cast: dict[str, Account]) -> None:
    record.create(SYSTEM, r4.Patient(id="another", name=[r4.HumanName(text="Vàng A Sình")]))
    actions.admit(doctor, visit, "h1", "")
    other = reception.open_visit(asker_of(cast["reception"]), "another", "12104", "12104-noi2", "Đau")
    reception.start(doctor, other.encounter)
    with pytest.raises(BedTaken):
        actions.admit(doctor, other.encounter, "h1", "")
    for bed in ("khoa-noi", "no-such-bed", ""):
        with pytest.raises(NoBed):
            actions.admit(doctor, other.encounter, bed, "")
    assert encounter(other.encounter).class_.code == "AMB"


def test_who_moves_is_of_the_new_department_from_then_on(doctor: Asker, nurse: Asker, visit: str) -> None:
    actions.admit(doctor, visit, "h1", "")
    actions.move(nurse, visit, "h3")
    (here,) = queries.inpatients(doctor)
    assert (here.department_name, here.bed_name) == ("Khoa Ngoại", "H003")
    open_ = [one.location.reference for one in encounter(visit).location or [] if not (one.period and one.period.end)]
    assert open_ == ["Location/khoa-ngoai", "Location/h3"]
    assert [bed.patient for one in queries.departments(doctor) for bed in one.beds if bed.id == "h1"] == [""]


def test_days_in_bed_and_supplies_are_claimed_with_department_and_bed(doctor: Asker, nurse: Asker, visit: str) -> None:
    diagnose(doctor, visit, "J18.9")
    actions.admit(doctor, visit, "h1", "Viêm phổi nặng")
    actions.charge_bed(nurse, visit, BED_DAY, today())
    actions.charge_supply(nurse, visit, SUTURE, Decimal(2), today())
    assert lines(nurse, visit) == [
        ("bed", "Ngày giường Nội khoa loại 1", "1", Decimal(171_400)),
        ("supply", "Chỉ khâu liền kim", "2", Decimal(104_000)),
    ]
    close_visit(doctor, visit, result="2", disposition="1", advice="Nghỉ ngơi")
    made = claim(SYSTEM, visit).tables
    bed, supply = (next(row for row in made["XML3"] if row["MA_NHOM"] == group) for group in ("15", "10"))
    told = ("MA_DICH_VU", "TEN_DICH_VU", "MA_NHOM", "MA_KHOA", "MA_GIUONG", "SO_LUONG", "DON_VI_TINH")
    assert [bed[name] for name in told] == [
        BED_DAY, "Ngày giường Nội khoa loại 1", "15", "K03", "H001", "1", "Ngày",
    ]  # fmt: skip
    told = ("MA_VAT_TU", "TEN_VAT_TU", "MA_NHOM", "MA_KHOA", "SO_LUONG", "DON_VI_TINH", "TT_THAU")
    assert [supply[name] for name in told] == [
        SUTURE, "Chỉ khâu liền kim", "10", "K03", "2", "Sợi", "02/QĐ-SYT;G1;N0;2026",
    ]  # fmt: skip
    summary = made["XML1"][0]
    assert (summary["LY_DO_VNT"], summary["MA_KHOA"]) == ("Viêm phổi nặng", "K03")
    assert summary["NGAY_VAO_NOI_TRU"] >= summary["NGAY_VAO"]


def test_a_day_in_bed_is_charged_once_and_within_the_stay(doctor: Asker, nurse: Asker, visit: str) -> None:
    with pytest.raises(NotInpatient):
        actions.charge_bed(nurse, visit, BED_DAY, today())
    actions.admit(doctor, visit, "h1", "")
    actions.charge_bed(nurse, visit, BED_DAY, today())
    with pytest.raises(Charged):
        actions.charge_bed(nurse, visit, BED_DAY, today())
    for day in (today() - timedelta(days=1), today() + timedelta(days=1)):
        with pytest.raises(WrongDay):
            actions.charge_bed(nurse, visit, BED_DAY, day)
    for code in (SUTURE, "K99.0000"):
        with pytest.raises(NoItem):
            actions.charge_supply(nurse, visit, "K99.0000" if code == SUTURE else BED_DAY, Decimal(1), today())
    (charged,) = [one for one in queries.lines(nurse, visit, today()) if one.kind == "bed"]
    actions.take_back(nurse, visit, charged.id)
    actions.charge_bed(nurse, visit, BED_DAY, today())


def test_a_stay_is_announced_at_its_own_first_cost(doctor: Asker, nurse: Asker, visit: str) -> None:
    """The visit was, with the examination; emergencies are not at all (QĐ 3176, bảng 0)."""
    notice = ClaimCase.objects.get(encounter=visit, kind="status")
    ClaimCase.objects.filter(pk=notice.pk).update(state="accepted", ended=timezone.now() - timedelta(minutes=30))
    actions.admit(doctor, visit, "h1", "")
    notice.refresh_from_db()
    assert notice.state == "accepted"
    actions.charge_bed(nurse, visit, BED_DAY, today())
    notice.refresh_from_db()
    assert notice.state == "waiting"
    ClaimCase.objects.filter(pk=notice.pk).update(state="accepted")
    actions.charge_supply(nurse, visit, SUTURE, Decimal(1), today())
    notice.refresh_from_db()
    assert notice.state == "accepted"


def test_the_notice_of_a_stay_names_what_cost_something_in_it() -> None:
    services = [{"MA_DICH_VU": "EXAM", "NGAY_YL": "202611020800"}, {"MA_DICH_VU": "BED", "NGAY_YL": "202611020930"}]
    tables = {"XML1": [{"NGAY_VAO_NOI_TRU": "202611020900"}], "XML2": [], "XML3": services}
    assert beginning(tables, None)["MA_DICH_VU"] == "BED"
    assert beginning(tables | {"XML3": services[:1]}, None)["MA_DICH_VU"] == "EXAM"
    assert beginning(tables | {"XML1": [{}]}, None)["MA_DICH_VU"] == "EXAM"


@pytest.mark.django_db(transaction=True)
def test_two_who_charge_the_same_day_at_once_charge_it_once(doctor: Asker, nurse: Asker, visit: str) -> None:
    actions.admit(doctor, visit, "h1", "")
    start, refused = threading.Barrier(2), []

    def charge() -> None:
        try:
            start.wait()
            actions.charge_bed(nurse, visit, BED_DAY, today())
        except Charged as error:
            refused.append(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: charge(), range(2)))
    assert len(refused) == 1
    assert [one[0] for one in lines(nurse, visit)] == ["bed"]


def test_each_day_has_its_orders_and_who_gave_them(doctor: Asker, nurse: Asker, visit: str) -> None:
    diagnose(doctor, visit, "E11.9")
    actions.admit(doctor, visit, "h1", "")
    line = Line(METFORMIN, Decimal(2), Decimal(1), Decimal(1))
    for _ in range(2):
        order_medicine(doctor, visit, line, sure=True)
    assert len(prescription(doctor, visit)) == 2  # the same again is another order, of another day
    first = queries.medicines(nurse, visit, today())[0]
    actions.give(nurse, visit, first.id)
    assert [len(one.given) for one in queries.medicines(nurse, visit, today())] == [1, 0]
    assert queries.medicines(nurse, visit, today() + timedelta(days=1)) == []
    close_visit(doctor, visit, result="2", disposition="1", advice="Nghỉ")
    assert [bool(row["NGAY_TH_YL"]) for row in claim(SYSTEM, visit).tables["XML2"]].count(True) == 1
    with pytest.raises(NoItem):
        reception.reopen(doctor, visit, "quên")
        actions.give(nurse, visit, "no-such-order")


def approve(code: str) -> None:
    """The insurer has approved this supply, and no other."""
    run = Run.objects.create(facility="12104", kind="approved", began=timezone.now(), ended=timezone.now())
    ApprovedItem.objects.create(facility="12104", catalogue="04", key=code, code=code, since=date(2020, 1, 1))
    assert run.pk


def test_the_rules_stop_what_the_ward_orders_and_a_doctor_may_go_on(
    as_role: Callable[[str], Client], doctor: Asker, visit: str
) -> None:
    actions.admit(doctor, visit, "h1", "")
    approve("N01.01.010")
    url, posted = f"/ward/visits/{visit}/supplies", {"supply": SUTURE, "quantity": "2", "day": today().isoformat()}
    page = as_role("nurse").post(url, posted)
    assert page.status_code == 409
    text = page.content.decode()
    assert 'data-rule="APPROVED-SERVICE" data-severity="block"' in text
    assert "reason-for:" not in text  # a nurse may not
    assert 'value="Chỉ khâu liền kim"' in text  # what was typed is still there
    assert lines(doctor, visit) == []
    text = as_role("doctor").post(url, posted).content.decode()
    name = text.split('name="reason-for:')[1].split('"')[0]
    with pytest.raises(MayNotOverride):
        actions.charge_supply(asker_nurse(doctor), visit, SUTURE, Decimal(2), today(), reasons={name: "cần gấp"})
    answer = as_role("doctor").post(url, posted | {f"reason-for:{name}": "Cần gấp, đã hội chẩn"})
    assert answer.status_code == 302
    kept = RuleOverride.objects.get()
    assert (kept.rule, kept.reason, kept.role) == ("APPROVED-SERVICE", "Cần gấp, đã hội chẩn", "doctor")
    assert [one[:3] for one in lines(doctor, visit)] == [("supply", "Chỉ khâu liền kim", "2")]


def asker_nurse(doctor: Asker) -> Asker:
    from dataclasses import replace

    return replace(doctor, role="nurse", practitioner="")


def test_nothing_is_kept_of_what_is_stopped(doctor: Asker, nurse: Asker, visit: str) -> None:
    actions.admit(doctor, visit, "h1", "")
    approve("N01.01.010")
    before = encounter(visit).location
    with pytest.raises(Stopped):
        actions.charge_supply(nurse, visit, SUTURE, Decimal(1), today())
    assert lines(nurse, visit) == []
    assert encounter(visit).location == before


def test_a_nurse_neither_admits_nor_orders(as_role: Callable[[str], Client], nurse: Asker, visit: str) -> None:
    with pytest.raises(NotAllowed):
        actions.admit(nurse, visit, "h1", "")
    assert as_role("nurse").post(f"/ward/visits/{visit}/admit", {"bed": "h1"}).status_code == 403
    assert as_role("nurse").post(f"/ward/visits/{visit}/medicines", {"drug": METFORMIN}).status_code == 403
    assert encounter(visit).class_.code == "AMB"


def test_the_pages_show_beds_people_and_days(as_role: Callable[[str], Client], doctor: Asker, visit: str) -> None:
    desk = as_role("doctor")
    assert desk.get(f"/ward/visits/{visit}").status_code == 404  # who does not lie in has no such page
    assert desk.post(f"/ward/visits/{visit}/admit", {"bed": "", "reason": ""}).status_code == 422
    assert desk.post(f"/ward/visits/{visit}/admit", {"bed": "h1", "reason": "Sốt"}).status_code == 302
    page = desk.get("/ward").content.decode()
    assert f'data-stay="{visit}"' in page
    assert "1/2" in page
    assert "H002" in page
    day = desk.get(f"/ward/visits/{visit}?day=2019-01-01").content.decode()
    assert f"Ngày 1 · {today():%d/%m/%Y}" in day  # a day before the stay is its first
    posted = {"drug": METFORMIN, "times": "2", "dose": "x", "days": "1", "day": today().isoformat()}
    refused = desk.post(f"/ward/visits/{visit}/medicines", posted)
    assert refused.status_code == 422
    assert desk.post(f"/ward/visits/{visit}/medicines", posted | {"dose": "1"}).status_code == 302
    assert "Metformin" in desk.get(f"/ward/visits/{visit}").content.decode()
    assert as_role("outsider").get(f"/ward/visits/{visit}").status_code in (403, 404)
    assert visit not in as_role("outsider").get("/ward").content.decode()


def test_supplies_are_found_by_their_names(as_role: Callable[[str], Client], ward: None) -> None:
    ask = {"headers": {"Accept": "application/json"}}
    found = as_role("nurse").get("/catalogues/supplies?q=chi+khau", **ask).json()
    assert [(one["value"], one["label"], one["hint"]) for one in found] == [(SUTURE, "Chỉ khâu liền kim", "Sợi")]
    assert as_role("outsider").get("/catalogues/supplies?q=chi", **ask).status_code == 403


def test_day_care_is_chosen_once_and_claimed_as_such(doctor: Asker, nurse: Asker, visit: str) -> None:
    diagnose(doctor, visit, "J18.9")
    with pytest.raises(UnknownCare):
        actions.admit(doctor, visit, "h1", "", care="05")
    actions.admit(doctor, visit, "h1", "Truyền hóa chất", care="04")
    actions.charge_bed(nurse, visit, BED_DAY, today())
    close_visit(doctor, visit, result="2", disposition="1", advice="Nghỉ ngơi")
    made = claim(SYSTEM, visit).tables
    summary = made["XML1"][0]
    assert (summary["MA_LOAI_KCB"], summary["LY_DO_VNT"]) == ("04", "Truyền hóa chất")
    assert summary["NGAY_VAO_NOI_TRU"] >= summary["NGAY_VAO"]
    assert [row["MA_NHOM"] for row in made["XML3"] if row["MA_DICH_VU"] == BED_DAY] == ["14"]


def test_the_doctor_corrects_the_kind_when_the_stay_ends(doctor: Asker, visit: str) -> None:
    diagnose(doctor, visit, "J18.9")
    actions.admit(doctor, visit, "h1", "")
    with pytest.raises(UnknownCode):
        close_visit(doctor, visit, result="2", disposition="1", advice="Nghỉ ngơi", care="05")
    close_visit(doctor, visit, result="2", disposition="1", advice="Nghỉ ngơi", care="04")
    assert claim(SYSTEM, visit).tables["XML1"][0]["MA_LOAI_KCB"] == "04"
