"""Where each field is from is told by what fills it, and facilities are found by their insurance code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuetinh.care.insurance.api import facility_with
from tuetinh.node.claims import build
from tuetinh.node.claims.fields import page
from tuetinh.node.errors import Refused
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

PAGE = Path(__file__).parents[4] / "docs" / "claim-fields.md"
CODE = "https://tuetinh.vn/fhir/sid/ma-cskcb"


def test_the_page_of_documentation_is_what_fills_the_fields() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()  # `tuetinh claims fields --markdown > docs/claim-fields.md`


@pytest.mark.django_db
def test_a_facility_is_found_by_its_insurance_code() -> None:
    code = r4.Identifier(system=CODE, value="12999")
    record.create(SYSTEM, r4.Organization(id="benh-vien", active=True, name="BV", identifier=[code]))
    visit = r4.Encounter(
        id="of-it", status="finished", class_=r4.Coding(code="AMB"),
        serviceProvider=r4.Reference(reference="Organization/benh-vien"),
    )  # fmt: skip
    record.create(SYSTEM, visit)
    assert facility_with("12999") == "benh-vien"
    assert facility_with("benh-vien") == "benh-vien"
    assert facility_with("12998") == ""
    assert list(build.finished_visits("12999", "", "")) == ["of-it"]
    with pytest.raises(Refused):
        list(build.finished_visits("12998", "", ""))
