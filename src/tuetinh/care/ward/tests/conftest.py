"""A hospital with two departments of beds, prices of their days and of supplies, and somebody who is being seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tuetinh.care.insurance.facts import coverage
from tuetinh.care.insurance.gateway import Answer
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import PriceRow, load_price_list, starter_prices
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

HERE = r4.Reference(reference="Organization/12104")
BED_DAY, SUTURE, TENDER = "K03.1911", "N05.02.030", "02/QĐ-SYT;G1;N0;2026"


def place(id_: str, name: str, kind: str, *, department: str = "", within: str = "") -> None:
    types = [r4.Coding(system="https://tuetinh.vn/fhir/CodeSystem/room-kind", code=kind)]
    if department:
        types.append(r4.Coding(system="https://tuetinh.vn/fhir/CodeSystem/ma-khoa", code=department))
    physical = r4.Coding(
        system="http://terminology.hl7.org/CodeSystem/location-physical-type", code="bd" if kind == "bed" else "wa"
    )
    record.create(
        SYSTEM,
        r4.Location(
            id=id_, status="active", name=name, type=[r4.CodeableConcept(coding=[one]) for one in types],
            physicalType=r4.CodeableConcept(coding=[physical]), managingOrganization=HERE,
            partOf=r4.Reference(reference=f"Location/{within}") if within else None,
        ),
    )  # fmt: skip


@pytest.fixture
def ward(cast: dict[str, Account]) -> None:
    """Khoa Nội with two beds, Khoa Ngoại with one."""
    place("khoa-noi", "Khoa Nội", "department", department="K03")
    place("khoa-ngoai", "Khoa Ngoại", "department", department="K19")
    for id_, name, within in (("h1", "H001", "khoa-noi"), ("h2", "H002", "khoa-noi"), ("h3", "H003", "khoa-ngoai")):
        place(id_, name, "bed", within=within)
    load_price_list("", starter_prices(), date(2024, 1, 1))
    rows = [
        PriceRow(BED_DAY, "bed", Decimal(171_400), name="Ngày giường Nội khoa loại 1", unit="Ngày"),
        PriceRow(
            SUTURE, "supply", Decimal(52_000), tender="02/QĐ-SYT;G1;N0;2026", name="Chỉ khâu liền kim", unit="Sợi"
        ),
    ]
    load_price_list("12104", rows, date(2024, 1, 1))


@pytest.fixture
def doctor(cast: dict[str, Account]) -> Asker:
    return replace(asker_of(cast["doctor"]), practitioner="cast-doctor")


@pytest.fixture
def nurse(cast: dict[str, Account]) -> Asker:
    return asker_of(cast["nurse"])


@pytest.fixture
def visit(cast: dict[str, Account], doctor: Asker, ward: None) -> str:
    """The citizen of the cast, insured, being seen."""
    card = Answer("000", ma_the="GD4121234567890", gt_the_tu="01/01/2020", gt_the_den="31/12/2099", ma_dkbd="12104")
    record.create(SYSTEM, coverage(card, "cast-citizen"))
    found = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Sốt cao")
    reception.start(doctor, found.encounter)
    return found.encounter
