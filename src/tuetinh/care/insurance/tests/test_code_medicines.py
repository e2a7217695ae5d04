"""Medicines without the insurer's code are told before they are prescribed; a facility enters the codes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tuetinh.care.insurance.claims import claim
from tuetinh.care.insurance.errors import BadCatalogue, NotAllowed
from tuetinh.care.insurance.medicines.actions import enter, take, take_approved
from tuetinh.care.insurance.models import ApprovedItem
from tuetinh.care.insurance.rules.desk import findings
from tuetinh.commons.catalogues.api import (
    CatalogueError,
    drug_code,
    drugs,
    medicine_codes,
    set_medicine_codes,
    without_code,
)
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]
HERE = replace(SYSTEM, account="quan-tri", role="admin", facility="12104")
ACARBOSE = next(one for one in drugs() if one.name == "Acarbose")
DIAZEPAM = [one for one in drugs() if one.name == "Diazepam"]
KNOWN = next(one for one in drugs() if one.substance_code)
HEAD = ["STT", "Mã hoạt chất", "Tên hoạt chất", "Nồng độ, hàm lượng"]


def workbook(*rows: list[Any], head: list[str] = HEAD) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["DANH MỤC THUỐC"])
    book.active.append(head)
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def charge(desk: Any, medicine: Any) -> None:
    me, about = record.ref(desk.patient), record.ref(desk.encounter)
    line = r4.MedicationRequest(
        status="active", intent="order", medicationCodeableConcept=drug_code(medicine), subject=me, encounter=about,
        authoredOn="2026-11-02T08:30:00+07:00",
    )  # fmt: skip
    record.create(
        SYSTEM,
        r4.ChargeItem(
            status="billed", code=drug_code(medicine), subject=me, context=about,
            occurrenceDateTime="2026-11-02T08:30:00+07:00", priceOverride=r4.Money(value=500, currency="VND"),
            supportingInformation=[record.ref(record.create(SYSTEM, line))],
        ),
    )  # fmt: skip


def test_a_medicine_without_a_code_is_told_while_it_is_prescribed(desk: Any) -> None:
    charge(desk, ACARBOSE)

    def told() -> list[tuple[str, str]]:
        return [(one.code, one.severity) for one in findings(SYSTEM, desk.id, "prescribe") if one.field == "MA_THUOC"]

    assert told() == [("DRUG-NO-CODE", "warn")]
    set_medicine_codes("12002", {ACARBOSE.code: "40.1"}, account="x")
    assert told() == [("DRUG-NO-CODE", "warn")]  # another facility's
    set_medicine_codes("12001", {ACARBOSE.code: "40.9999"}, account="x")
    assert told() == []
    assert [row["MA_THUOC"] for row in claim(SYSTEM, desk.id).tables["XML2"]] == ["40.9999"]


def test_the_code_of_the_facility_goes_before_that_of_the_formulary(desk: Any) -> None:
    charge(desk, KNOWN)
    assert claim(SYSTEM, desk.id).tables["XML2"][0]["MA_THUOC"] == KNOWN.substance_code
    set_medicine_codes("12001", {KNOWN.code: "40.1.2"}, account="x")
    assert claim(SYSTEM, desk.id).tables["XML2"][0]["MA_THUOC"] == "40.1.2"


def test_a_code_is_entered_changed_and_taken_away() -> None:
    before = len(without_code("12104"))
    enter(HERE, ACARBOSE.code, " 40.7a ")
    assert medicine_codes("12104") == {ACARBOSE.code: "40.7A"}
    assert len(without_code("12104")) == before - 1
    enter(HERE, ACARBOSE.code, "40.8")
    assert medicine_codes("12104") == {ACARBOSE.code: "40.8"}
    enter(HERE, ACARBOSE.code, "")
    assert medicine_codes("12104") == {}


@pytest.mark.parametrize(("medicine", "code"), [(ACARBOSE.code, "40,5"), (ACARBOSE.code, "4" * 51), ("none", "40.5")])
def test_what_is_no_code_or_medicine_is_refused(medicine: str, code: str) -> None:
    with pytest.raises(CatalogueError):
        enter(HERE, medicine, code)
    assert medicine_codes("12104") == {}


@pytest.mark.parametrize(("role", "facility"), [("doctor", "12104"), ("cashier", "12104"), ("admin", "")])
def test_who_is_no_administrator_of_a_facility_enters_none(role: str, facility: str) -> None:
    asker = replace(HERE, role=role, facility=facility)
    with pytest.raises(NotAllowed):
        enter(asker, ACARBOSE.code, "40.5")
    with pytest.raises(NotAllowed):
        take(asker, workbook([1, "40.5", "Acarbose", "50mg"]))
    assert medicine_codes(facility) == {}


def test_a_catalogue_gives_codes_by_ingredient_and_strength() -> None:
    first, second = DIAZEPAM
    data = workbook(
        [1, "40.5", "ACARBOSE", "100mg"],
        [2, "40.11", "Diazepam", first.strength.replace(" ", "")],
        [3, "40.12", "Diazepam (dưới dạng khác)", "khác"],
        [4, "", "Captopril", "25 mg"],
    )
    taken = take(HERE, data)
    assert (taken.new, taken.same, taken.several) == (2, 0, (second,))
    assert medicine_codes("12104") == {ACARBOSE.code: "40.5", first.code: "40.11"}
    again = take(HERE, data)
    assert (again.new, again.same) == (0, 2)


def test_the_names_of_03_dm_are_understood_too() -> None:
    head = ["STT", "MA_THUOC", "TEN_HOAT_CHAT", "TEN_THUOC", "HAM_LUONG"]
    assert take(HERE, workbook([1, "40.5", "Acarbose", "Glucobay", "50mg"], head=head)).new == 1


def approve(code: str, name: str, strength: str, *, until: date | None = None, facility: str = "12104") -> None:
    row = {"TEN_HOAT_CHAT": name, "HAM_LUONG": strength}
    ApprovedItem.objects.create(
        facility=facility,
        catalogue="03",
        key=f"{code}|{strength}",
        code=code,
        since=date(2025, 1, 1),
        until=until,
        row=row,
    )


def test_the_approved_catalogue_gives_codes_to_medicines_without_one() -> None:
    approve("40.5", "Acarbose", "50 mg")
    approve("40.999", KNOWN.name, KNOWN.strength)  # has one
    approve("40.1", "Captopril", "25 mg", until=date(2025, 12, 31))
    approve("40.2", "Enalapril maleat", "5 mg", facility="12001")
    taken = take_approved(HERE)
    assert (taken.new, taken.same, taken.several) == (1, 0, ())
    assert medicine_codes("12104") == {ACARBOSE.code: "40.5"}
    with pytest.raises(NotAllowed):
        take_approved(replace(HERE, role="cashier"))


def test_the_page_leads_to_the_approved_catalogue(as_role: As, cast: Any) -> None:
    browser, address = as_role("admin"), "/insurance/medicines"
    assert f"{address}/approved" not in browser.get(address).content.decode()
    approve("40.5", "Acarbose", "50 mg")
    assert f'action="{address}/approved"' in browser.get(address).content.decode()
    assert browser.post(f"{address}/approved")["Location"] == address
    assert medicine_codes("12104") == {ACARBOSE.code: "40.5"}


@pytest.mark.parametrize(
    "data", [b"PK", b"", workbook([1, "40.5", "Acarbose", ""], head=["STT", "Mã", "Tên", "Hàm lượng"])]
)
def test_a_file_that_is_no_catalogue_is_refused(data: bytes) -> None:
    with pytest.raises(BadCatalogue):
        take(HERE, data)


def test_the_page_enters_a_code_in_its_row_and_takes_a_catalogue(as_role: As, cast: Any) -> None:
    browser, address = as_role("admin"), "/insurance/medicines"
    page = browser.get(f"{address}?q=acarb")
    assert page.status_code == 200, page
    assert f'data-medicine="{ACARBOSE.code}"' in page.content.decode()
    wrong = browser.post(address, {"medicine": ACARBOSE.code, "code": "4 0"}, headers={"HX-Request": "true"})
    assert (wrong.status_code, "aria-invalid" in wrong.content.decode()) == (422, True)
    right = browser.post(address, {"medicine": ACARBOSE.code, "code": "40.5"}, headers={"HX-Request": "true"})
    assert (right.status_code, 'value="40.5"' in right.content.decode()) == (200, True)
    assert f'data-medicine="{ACARBOSE.code}"' not in browser.get(f"{address}?q=acarb").content.decode()
    file = SimpleUploadedFile("thuoc.xlsx", workbook([1, "40.6", "Acarbose", "50mg"]))
    assert browser.post(f"{address}/import", {"file": file})["Location"] == address
    assert medicine_codes("12104") == {ACARBOSE.code: "40.6"}


def test_the_doctor_sees_it_in_the_list_to_choose_from(as_role: As, cast: Any) -> None:
    def pills() -> list[str]:
        found = as_role("doctor").get("/catalogues/drugs?q=acarbose", headers={"Accept": "application/json"}).json()
        return [one["pill"] for one in found if one["value"] == ACARBOSE.code]

    assert pills() == ["chưa có mã BHYT"]
    enter(HERE, ACARBOSE.code, "40.5")
    assert pills() == [""]
