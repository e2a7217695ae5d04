"""The annexes of TT 01/2025, as an administrator enters them, and what they change in the benefit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest
from django.test import Client

from tuetinh.care.insurance.annexes.lists import change, read, standing
from tuetinh.care.insurance.claims import claim, gather
from tuetinh.care.insurance.errors import BadList, NotAllowed
from tuetinh.care.insurance.models import DiseaseList
from tuetinh.care.insurance.situations import FORMER, LEVEL, REASON
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
HERE = replace(SYSTEM, account="quan-tri", facility="12001")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("C00-C02; e11.2", ["C00", "C01", "C02", "E11.2"]),
        ("C00 – C01, A17\n\tA17", ["C00", "C01", "A17", "A17"]),
        ("", []),
        (" ; ", []),
    ],
)
def test_codes_and_ranges_are_read(text: str, codes: list[str]) -> None:
    assert list(read(text)) == codes


@pytest.mark.parametrize(
    "text", ["X", "C0", "C00-", "C02-C00", "C00-D10", "C00.1-C00.3", "ung thư", "C00-C97-C99", "E11.2.3"]
)
def test_what_is_no_code_is_refused_and_nothing_kept(text: str) -> None:
    with pytest.raises(BadList):
        change(HERE, "1", f"A17; {text}")
    assert not DiseaseList.objects.exists()


@pytest.mark.parametrize("role", ["cashier", "doctor", "official", "citizen"])
def test_who_is_no_administrator_enters_none(role: str) -> None:
    with pytest.raises(NotAllowed):
        change(replace(HERE, role=role, facility=""), "1", "A17")
    assert not DiseaseList.objects.exists()


def test_the_own_list_of_a_facility_goes_before_that_for_all() -> None:
    change(replace(HERE, facility=""), "2", "A15")
    change(HERE, "2", "I10")
    change(HERE, "2", "I10; I11")
    assert {annex: one.codes for annex, one in standing("12001").items()} == {"2": ["I10", "I11"]}
    assert {annex: one.codes for annex, one in standing("12002").items()} == {"2": ["A15"]}


def own_choice(level: str, former: str) -> None:
    """The facility is of a level, and the person came there by own choice."""
    organization = record.read(SYSTEM, "Organization", "12001")
    assert isinstance(organization, r4.Organization)
    told = {LEVEL: level, FORMER: former}
    organization.extension = [r4.Extension(url=url, valueCode=value) for url, value in told.items()]
    record.update(SYSTEM, organization)


@pytest.mark.parametrize(
    ("level", "annex", "codes", "category", "rate"),
    [  # the principal disease is I10; the facility was provincial
        ("basic", "", "", "1.14", "40"),
        ("basic", "2", "I10-I15", "1.16", "80"),
        ("basic", "2", "I11", "1.14", "40"),
        ("basic", "1", "I10", "1.14", "40"),  # the annex of the other level
        ("specialised", "1", "I10", "1.17", "80"),
        ("specialised", "2", "I10", "1.18", "40"),
    ],
)
def test_a_listed_disease_needs_no_referral(
    visit: str, level: str, annex: str, codes: str, category: str, rate: str
) -> None:
    own_choice(level, "provincial")
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    encounter.extension = [r4.Extension(url=REASON, valueCode="own_choice")]
    record.update(SYSTEM, encounter)
    if annex:
        change(HERE, annex, codes)
    made = claim(SYSTEM, visit)
    assert made.tables["XML1"][0]["MA_DOITUONG_KCB"] == category
    assert {row["MUC_HUONG"] for row in made.tables["XML3"]} == {rate}
    assert made.split.rate == D(rate)
    assert gather(SYSTEM, visit)[1].listed_disease is (rate == "80")


def test_the_page_keeps_a_list_and_says_what_is_no_code(as_role: Callable[[str], Client], visit: Any) -> None:
    admin = as_role("admin")
    assert admin.get("/insurance/annexes").content.decode().count("Chưa nhập") == 3
    assert admin.post("/insurance/annexes", {"annex": "2", "codes": "I10-I11; E11.2"}).status_code == 302
    kept = DiseaseList.objects.get()
    assert (kept.annex, kept.facility, kept.codes) == ("2", "12104", ["E11.2", "I10", "I11"])
    page = admin.get("/insurance/annexes").content.decode()
    assert "E11.2; I10; I11</textarea>" in page
    refused = admin.post("/insurance/annexes", {"annex": "2", "codes": "I10; tăng huyết áp"})
    assert refused.status_code == 422
    assert "TĂNG không phải mã ICD-10 hay khoảng mã." in refused.content.decode()
    assert admin.post("/insurance/annexes", {"annex": "9", "codes": "I10"}).status_code == 200
    assert DiseaseList.objects.count() == 1
