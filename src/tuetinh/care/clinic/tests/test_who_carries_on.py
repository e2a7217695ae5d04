"""The lists of the pharmacist, of imaging and of the archivist: what waits for them, at their own facility only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pypdf import PdfReader

from tuetinh.care.clinic import actions, worklists
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import load_price_list, starter_prices
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

pytestmark = pytest.mark.django_db
AMLODIPINE, GLUCOSE = "amlodipin-5-mg-vien-nang", "23.0075.1494"


@pytest.fixture
def visit(cast: dict[str, Account], doctor: Asker) -> str:
    load_price_list("", starter_prices(), date(2024, 1, 1))
    opened = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Ho, sốt")
    reception.start(doctor, opened.encounter)
    return opened.encounter


def _elsewhere(asker: Asker) -> Asker:
    return replace(asker, facility="12999")


def test_a_prescription_waits_whole_on_its_day(cast: dict[str, Account], doctor: Asker, visit: str) -> None:
    lines = [actions.Line(AMLODIPINE, Decimal(1), Decimal(1), Decimal(30)),
             actions.Line("paracetamol-500-mg-vien-nen", Decimal(3), Decimal(1), Decimal(5))]  # fmt: skip
    actions.prescribe(doctor, visit, lines)
    me, today = replace(asker_of(cast["pharmacist"]), facility="12104"), timezone.localdate()
    (row,) = worklists.prescriptions(me, today).rows
    assert (row.encounter, row.name) == (visit, "Lò Thị Pâng")
    assert sorted(row.told) == ["Amlodipin 5 mg, viên nang · 30 viên", "Paracetamol 500 mg, viên nén · 15 viên"]
    assert worklists.prescriptions(me, today - timedelta(days=1)).rows == []
    assert worklists.prescriptions(_elsewhere(me), today).rows == []
    actions.prescribe(doctor, visit, [])
    assert worklists.prescriptions(me, today).rows == []


PAPERS = {"prescription": {"doctor", "nurse", "pharmacist"}, "summary": {"doctor", "nurse", "archivist"}}


@pytest.mark.parametrize("role", ["doctor", "nurse", "pharmacist", "archivist", "cashier", "lab", "reception", "admin"])
def test_who_carries_on_prints_the_same_paper(
    cast: dict[str, Account], as_role: Callable[[str], Client], doctor: Asker, visit: str, role: str
) -> None:
    actions.prescribe(doctor, visit, [actions.Line(AMLODIPINE, Decimal(1), Decimal(1), Decimal(30))])
    actions.diagnose(doctor, visit, "I10")
    actions.close_visit(doctor, visit, result="2", disposition="1", advice="Ăn nhạt")
    for paper, desks in PAPERS.items():
        answer = as_role(role).get(f"/clinic/visits/{visit}/{paper}.pdf")
        assert answer.status_code == (200 if role in desks else 403), paper
        if role in desks:
            words = " ".join(PdfReader(BytesIO(answer.content)).pages[0].extract_text().split())
            assert "Amlodipin" in words
            assert "Ăn nhạt" in words


def test_a_file_says_what_it_lacks(cast: dict[str, Account], doctor: Asker, visit: str) -> None:
    me = replace(asker_of(cast["archivist"]), facility="12104")
    (row,) = worklists.files(me, closed=False).rows
    assert (row.encounter, row.missing) == (visit, ["chẩn đoán"])
    actions.diagnose(doctor, visit, "I10")
    actions.order_lab(doctor, visit, [GLUCOSE])
    actions.close_visit(doctor, visit, result="2", disposition="1", advice="Ăn nhạt")
    (row,) = worklists.files(me, closed=True).rows
    assert (row.encounter, row.told, row.missing) == (visit, ["Bệnh lý tăng huyết áp"], ["1 chỉ định chưa làm"])
    assert worklists.files(me, closed=False).rows == []
    assert worklists.files(_elsewhere(me), closed=True).rows == []


def _reads(queries: CaptureQueriesContext) -> int:
    """Statements without the entries of the access log, of which there is one a person."""
    return sum(query["sql"].startswith("SELECT") for query in queries.captured_queries)


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("pharmacist", "/clinic/prescriptions"),
        ("archivist", "/clinic/files?state=open"),
    ],
)
def test_a_list_asks_the_same_however_long_it_is(
    cast: dict[str, Account], as_role: Callable[[str], Client], doctor: Asker, visit: str, role: str, path: str
) -> None:
    def fill(encounter: str) -> None:
        actions.prescribe(doctor, encounter, [actions.Line(AMLODIPINE, Decimal(1), Decimal(1), Decimal(30))])

    fill(visit)
    client = as_role(role)
    client.get(path)  # sessions and names of places are warm
    with CaptureQueriesContext(connection) as once:
        page = client.get(path)
    assert page.content.decode().count("data-row") == 1
    for number in range(3):
        other = record.create(SYSTEM, r4.Patient(name=[r4.HumanName(text=f"Lò Văn {number}")], birthDate="1990"))
        more = reception.open_visit(asker_of(cast["reception"]), str(other.id), "12104", "12104-noi2", "Ho")
        reception.start(doctor, more.encounter)
        fill(more.encounter)
    client.get(path)  # what is remembered for some seconds may have grown old meanwhile
    with CaptureQueriesContext(connection) as again:
        page = client.get(path)
    assert page.content.decode().count("data-row") == 4
    assert _reads(again) == _reads(once) <= 11


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("pharmacist", "/clinic/prescriptions?day=yesterday"),
        ("pharmacist", "/clinic/prescriptions?day=9999-12-31"),
        ("pharmacist", "/clinic/prescriptions?day=0001-01-01"),
        ("pharmacist", "/clinic/prescriptions?next=forged"),
        ("archivist", "/clinic/files?next=forged"),
        ("station", "/people/of-the-station?next=forged"),
    ],
)
def test_a_page_that_nobody_gave_out_is_not_found(as_role: Callable[[str], Client], role: str, path: str) -> None:
    assert as_role(role).get(path).status_code == 404
