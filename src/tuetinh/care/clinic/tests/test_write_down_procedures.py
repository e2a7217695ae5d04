"""Surgery and procedures: written down once, charged, claimed with time, people and anaesthesia, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tuetinh.care.clinic import actions as clinic
from tuetinh.care.clinic.errors import ClinicError, Implausible, NotAllowed, UnknownCode
from tuetinh.care.clinic.procedures.actions import Done, of_visit, take_back, write_down
from tuetinh.care.clinic.procedures.machines import machines, register, retire
from tuetinh.care.insurance.api import MACHINE, Stopped, claim
from tuetinh.care.insurance.facts import coverage
from tuetinh.care.insurance.gateway import Answer
from tuetinh.care.insurance.models import ApprovedItem, Run
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import icd9, load_price_list, search_services, service, starter_prices
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]
STITCHES, LAPAROTOMY, GLUCOSE = "28.0110.0584", "10.0699.0583", "23.0075.1494"  # surgery, surgery, a test


@pytest.fixture
def visit(cast: dict[str, Account], doctor: Asker) -> str:
    """The citizen of the cast, insured, being seen since two hours; two people of the facility are known."""
    load_price_list("", starter_prices(), date(2024, 1, 1))
    card = Answer("000", ma_the="GD4121234567890", gt_the_tu="01/01/2020", gt_the_den="31/12/2099", ma_dkbd="12104")
    record.create(SYSTEM, coverage(card, "cast-citizen"))
    for id_, licence in (("cast-doctor", "000456/LCH-GPHN"), ("helper", "000789/LCH-GPHN")):
        person = r4.Practitioner(
            id=id_,
            qualification=[
                r4.PractitionerQualification(
                    code=r4.CodeableConcept(text="GPHN"), identifier=[r4.Identifier(value=licence)]
                )
            ],
        )
        known = record.read_many(SYSTEM, "Practitioner", [id_])
        (record.update if known else record.create)(SYSTEM, person)
    found = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Vết thương")
    reception.start(doctor, found.encounter)
    encounter = record.read(SYSTEM, "Encounter", found.encounter)
    assert isinstance(encounter, r4.Encounter)
    encounter.period = r4.Period(start=hours(2).isoformat(timespec="seconds"))
    record.update(SYSTEM, encounter)
    return found.encounter


def hours(ago: float) -> datetime:
    return timezone.localtime().replace(second=0, microsecond=0) - timedelta(hours=ago)


def told(**more: Any) -> Done:
    values: dict[str, Any] = {
        "code": STITCHES, "start": hours(1), "end": hours(0.5), "people": ("cast-doctor", "helper"), "anaesthesia": "2",
    }  # fmt: skip
    return Done(**(values | more))


def lines(visit: str) -> list[dict[str, str]]:
    """What the claim tells of, beside the examination."""
    return [row for row in claim(SYSTEM, visit).tables["XML3"] if row["MA_NHOM"] != "13"]


def line(visit: str) -> dict[str, str]:
    (found,) = lines(visit)
    return found


def test_what_was_done_is_charged_and_claimed(visit: str, doctor: Asker) -> None:
    done = told(note="Khâu 5 mũi")
    write_down(doctor, visit, done)
    row = line(visit)
    assert {name: row[name] for name in ("MA_DICH_VU", "MA_NHOM", "MA_PTTT_QT", "PP_VO_CAM", "TYLE_TT_DV")} == {
        "MA_DICH_VU": STITCHES, "MA_NHOM": "8", "MA_PTTT_QT": icd9(STITCHES), "PP_VO_CAM": "2", "TYLE_TT_DV": "100",
    }  # fmt: skip
    assert row["NGUOI_THUC_HIEN"] == "000456/LCH-GPHN;000789/LCH-GPHN"
    assert row["MA_BAC_SI"] == "000456/LCH-GPHN"
    assert (row["NGAY_YL"], row["NGAY_TH_YL"], row["NGAY_KQ"]) == (
        f"{done.start:%Y%m%d%H%M}", f"{done.start:%Y%m%d%H%M}", f"{done.end:%Y%m%d%H%M}",
    )  # fmt: skip
    assert row["VI_TRI_TH_DVKT"] == ""
    assert icd9(STITCHES) != ""


@pytest.mark.parametrize(
    ("again", "share"), [("again_same_team", 50), ("again_other_team", 80), ("again_procedure", 80)]
)
def test_a_second_one_of_the_session_costs_a_part(visit: str, doctor: Asker, again: str, share: int) -> None:
    write_down(doctor, visit, told())
    whole = D(line(visit)["DON_GIA_BV"])
    write_down(doctor, visit, told(again=again))
    row = next(one for one in lines(visit) if one["TYLE_TT_DV"] == str(share))
    assert D(row["THANH_TIEN_BV"]) == D(row["THANH_TIEN_BH"]) == whole * share / 100


def test_it_is_taken_back_with_its_charge_and_stays_in_history(visit: str, doctor: Asker) -> None:
    write_down(doctor, visit, told())
    (made,) = of_visit(doctor, visit)
    take_back(doctor, visit, str(made.id))
    assert of_visit(doctor, visit) == []
    assert lines(visit) == []
    assert [one.status for one in record.history(SYSTEM, "Procedure", str(made.id))] == [  # type: ignore[attr-defined]
        "entered-in-error", "completed",
    ]  # fmt: skip
    with pytest.raises(UnknownCode):
        take_back(doctor, visit, str(made.id))


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"code": GLUCOSE}, "code"),
        ({"code": "none"}, "code"),
        ({"end": hours(1)}, "end"),
        ({"end": hours(-1)}, "end"),
        ({"start": hours(3), "end": hours(2.5)}, "start"),
        ({"people": ()}, "people"),
        ({"anaesthesia": "9"}, "anaesthesia"),
        ({"again": "never"}, "again"),
    ],
)
def test_what_cannot_have_been_is_refused_and_nothing_kept(
    visit: str, doctor: Asker, more: dict[str, Any], field: str
) -> None:
    done = told(**({"start": hours(1)} | more))
    with pytest.raises((Implausible, UnknownCode)) as refused:
        write_down(doctor, visit, done)
    assert refused.value.field == field
    assert of_visit(SYSTEM, visit) == []
    assert lines(visit) == []


def test_only_a_doctor_writes_it_down_while_the_visit_goes_on(
    visit: str, doctor: Asker, cast: dict[str, Account]
) -> None:
    for role in ("nurse", "cashier"):
        with pytest.raises(NotAllowed):
            write_down(asker_of(cast[role]), visit, told())
    write_down(doctor, visit, told())
    clinic.diagnose(doctor, visit, "S01.8", [])
    clinic.close_visit(doctor, visit, result="2", disposition="1", advice="Thay băng")
    with pytest.raises(ClinicError):
        write_down(doctor, visit, told())
    assert len(of_visit(SYSTEM, visit)) == 1


def test_the_page_writes_down_shows_and_takes_back(visit: str, as_role: As) -> None:
    browser, address = as_role("doctor"), f"/clinic/visits/{visit}/procedures"
    posted = {"code": STITCHES, "start": f"{hours(1):%Y-%m-%dT%H:%M}", "end": f"{hours(0.5):%Y-%m-%dT%H:%M}"}
    assert browser.post(address, posted).status_code == 422  # nobody did it
    assert of_visit(SYSTEM, visit) == []
    people = [value for value, _ in browser.get(address).context["form"].fields["people"].choices]
    answer = browser.post(address, posted | {"people": people[:1], "anaesthesia": "2"})
    assert answer.status_code == 302, answer.content.decode()
    (made,) = of_visit(SYSTEM, visit)
    assert f'data-procedure="{made.id}"' in browser.get(address).content.decode()
    nurse = as_role("nurse").get(address).content.decode()
    assert f'data-procedure="{made.id}"' in nurse
    assert "<form" not in nurse.split('id="done"')[1].split("</section>")[0]
    assert browser.post(f"{address}/{made.id}/cancel").status_code == 302
    assert of_visit(SYSTEM, visit) == []


def test_surgery_without_anaesthesia_is_stopped_where_it_is_written_down(visit: str, doctor: Asker) -> None:
    with pytest.raises(Stopped) as stopped:
        write_down(doctor, visit, told(anaesthesia=""))
    assert [one.code for one in stopped.value.problems if one.severity == "block"] == ["SURGERY-ANAESTHESIA"]
    assert of_visit(SYSTEM, visit) == []


def test_the_choice_offers_what_is_done_by_hand_alone(as_role: As) -> None:
    found = as_role("doctor").get("/catalogues/services?done=1&q=khau", headers={"Accept": "application/json"}).json()
    assert found
    assert {(service(one["value"]) or search_services("x")[0]).rank[:1] for one in found} <= {"P", "T"}
    tests = as_role("doctor").get("/catalogues/services?done=1&q=creatinin", headers={"Accept": "application/json"})
    assert tests.json() == []


def approve(code: str, name: str, *, facility: str = "12104") -> None:
    told = {"key": code, "code": code, "name": name, "since": date(2025, 1, 1)}
    ApprovedItem.objects.create(facility=facility, catalogue="06", **told)
    Run.objects.create(facility=facility, kind="approved", began=timezone.now(), ended=timezone.now())


def test_the_machines_are_chosen_and_claimed(visit: str, doctor: Asker, cast: dict[str, Account]) -> None:
    admin = asker_of(cast["admin"])
    laser = register(admin, "Máy laser CO2", "LS.1.CO2-77")
    lab = r4.Device(
        status="active", identifier=[r4.Identifier(system=MACHINE, value="HH.1.XN-1")],
        deviceName=[r4.DeviceDeviceName(name="Huyết học", type="user-friendly-name")],
        owner=r4.Reference(reference="Organization/12104"),
    )  # fmt: skip
    record.create(SYSTEM, lab)
    approve("TN.1.4008-5", "Máy thận nhân tạo")
    approve("TN.1.4008-6", "Máy của nơi khác", facility="12001")
    known = machines(doctor)
    assert [(one.name, one.code) for one in known] == [
        ("Huyết học", "HH.1.XN-1"), ("Máy laser CO2", "LS.1.CO2-77"), ("Máy thận nhân tạo", "TN.1.4008-5"),
    ]  # fmt: skip
    with pytest.raises(UnknownCode):
        write_down(doctor, visit, told(machines=("TN.1.4008-6",)))
    write_down(doctor, visit, told(machines=("LS.1.CO2-77", "TN.1.4008-5")))
    assert line(visit)["MA_MAY"] == "LS.1.CO2-77;TN.1.4008-5"
    retire(admin, laser.id)
    assert "LS.1.CO2-77" not in [one.code for one in machines(doctor)]
    assert line(visit)["MA_MAY"] == "LS.1.CO2-77;TN.1.4008-5"


@pytest.mark.parametrize("code", ["laser", "LS.4.1", "LS.1.A;LS.1.B", "LS.1.CO2-77"])
def test_a_machine_has_a_code_of_its_own(code: str, doctor: Asker, cast: dict[str, Account]) -> None:
    admin = asker_of(cast["admin"])
    register(admin, "Máy laser CO2", "LS.1.CO2-77")
    with pytest.raises(Implausible):
        register(admin, "Máy", code)
    with pytest.raises(NotAllowed):
        register(doctor, "Máy", "LS.1.9")
    assert [one.code for one in machines(doctor)] == ["LS.1.CO2-77"]


def test_the_administrator_registers_machines_and_the_doctor_chooses(as_role: As, visit: str, doctor: Asker) -> None:
    admin, address = as_role("admin"), "/clinic/machines"
    assert admin.post(address, {"name": "Máy laser", "code": "laser"}).status_code == 422
    assert admin.post(address, {"name": "Máy laser", "code": "LS.1.9"})["Location"] == address
    page = admin.get(address).content.decode()
    assert 'data-machine="LS.1.9"' in page
    pages = f"/clinic/visits/{visit}/procedures"
    assert 'value="LS.1.9"' in as_role("doctor").get(pages).content.decode()
    (one,) = machines(doctor)
    assert admin.post(address, {"retire": one.id})["Location"] == address
    assert "LS.1.9" not in as_role("doctor").get(pages).content.decode()
