"""`_filter`: expressions find what their comparisons say, and what cannot be read is refused at its place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db
UCUM = "http://unitsofmeasure.org"
GENDER = "http://hl7.org/fhir/administrative-gender"


def to(link: str) -> r4.Reference:
    return r4.Reference(reference=link)


def person(id_: str, given: str, gender: str | None, birth: str, organization: str | None = None) -> r4.Patient:
    return r4.Patient(
        id=id_, name=[r4.HumanName(given=[given])], gender=gender, birthDate=birth,
        managingOrganization=to(f"Organization/{organization}") if organization else None,
    )  # fmt: skip


def glucose(id_: str, patient: str, value: str, code: str = "15074-8") -> r4.Observation:
    return r4.Observation(
        id=id_, status="final", subject=to(f"Patient/{patient}"),
        code=r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code=code)]),
        valueQuantity=r4.Quantity(value=Decimal(value), system=UCUM, code="mmol/L", unit="mmol/L"),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def world(db: None) -> None:
    api.create_many(
        SYSTEM,
        [
            r4.Organization(id="above", name="Sở Y tế (tỉnh)"),
            r4.Organization(id="ward", name="Trạm Y tế", partOf=to("Organization/above")),
            person("hoa", "Hoà", "female", "1980-02-03", "ward"),
            person("hoa2", "hoa", "male", "1990", "above"),
            person("an", 'An "Bé"', None, "2001-05"),
            glucose("o1", "hoa", "5.5"),
            glucose("o2", "hoa2", "11.1"),
            glucose("o3", "an", "7", "4548-4"),
        ],
    )


def find(type_: str, text: str) -> set[str]:
    """What an expression finds."""
    wanted, problems = parse.parse(type_, [("_filter", text)])
    assert problems == []
    return {hit.id for hit in run(SYSTEM, searching.search(SYSTEM, wanted, secret=b"s")).hits}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('given eq "Hoà"', {"hoa"}),
        ("given sw HOA", {"hoa", "hoa2"}),
        ('given co "o"', {"hoa", "hoa2"}),
        (r'given eq "An \"Bé\""', {"an"}),
        ("gender eq female", {"hoa"}),
        (f"gender eq {GENDER}|male", {"hoa2"}),
        ("gender ne female", {"hoa2"}),
        ("not (gender eq female)", {"hoa2", "an"}),
        ("gender pr true", {"hoa", "hoa2"}),
        ("gender pr false", {"an"}),
        ("birthdate ge 1990 and birthdate lt 2000", {"hoa2"}),
        ("birthdate eq 1980", {"hoa"}),
        ("birthdate ne 1980", {"hoa2", "an"}),
        ("gender eq female or birthdate gt 2000", {"hoa", "an"}),
        ("gender eq male or gender eq female and birthdate gt 2000", {"hoa2"}),
        ("(gender eq male or gender eq female) and birthdate lt 1985", {"hoa"}),
        ("not (gender eq female or birthdate gt 2000)", {"hoa2"}),
        ("not(not(gender eq female))", {"hoa"}),
        ("organization re Organization/ward", {"hoa"}),
        ("organization.name sw tram", {"hoa"}),
        ('organization.name eq "Sở Y tế (tỉnh)"', {"hoa2"}),
        ("organization.partof.name co (", None),
        ('organization.partof.name co "(tinh)"', {"hoa"}),
        ("not (organization.name sw tram)", {"hoa2", "an"}),
        ("gender in http://hl7.org/fhir/ValueSet/administrative-gender", {"hoa", "hoa2"}),
        ("gender ni http://hl7.org/fhir/ValueSet/administrative-gender", {"an"}),
        ("_id eq hoa", {"hoa"}),
        ("_lastUpdated gt 2020-01-01", {"hoa", "hoa2", "an"}),
    ],
)
def test_an_expression_finds_what_it_says(text: str, found: set[str] | None) -> None:
    if found is not None:
        assert find("Patient", text) == found
    else:
        assert parse.parse("Patient", [("_filter", text)])[1][0].code == "invalid"


def test_quantities_compare_across_units_and_with_other_parameters() -> None:
    over = f"value-quantity gt 0.0069|{UCUM}|mol/L"
    assert find("Observation", over) == {"o2", "o3"}
    assert find("Observation", f"({over}) and not (code eq 4548-4)") == {"o2"}
    assert find("Observation", "patient.gender eq female or subject:Patient.birthdate gt 2000") == {"o1", "o3"}
    wanted, problems = parse.parse("Observation", f"status=final&_filter={over.replace(' ', '+')}&code=4548-4")
    assert problems == []
    assert {hit.id for hit in run(SYSTEM, searching.search(SYSTEM, wanted, secret=b"s")).hits} == {"o3"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("gender", "invalid"),
        ("gender eq", "invalid"),
        ("gender eq female and", "invalid"),
        ("(gender eq female", "invalid"),
        ("gender eq female)", "invalid"),
        ("gender eq female birthdate gt 2000", "invalid"),
        ('gender eq "female', "invalid"),
        ("gender eq (female)", "invalid"),
        ("name[use eq official].given eq x", "invalid"),
        ("given:exact eq x", "invalid"),
        ("gender pr maybe", "invalid"),
        ("birthdate gt soon", "invalid"),
        ("colour eq red", "not-supported"),
        ("gender gt female", "not-supported"),
        ("birthdate co 1980", "not-supported"),
        ("given ew x", "not-supported"),
        ("gender.x eq y", "invalid"),
        ("organization.colour eq y", "not-supported"),
        (" or ".join(["gender eq male"] * 31), "too-costly"),
        ("(" * 30 + "gender eq male" + ")" * 30, "too-costly"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, code: str) -> None:
    _, problems = parse.parse("Patient", [("_filter", text)])
    assert [(p.severity, p.code, p.path) for p in problems] == [("error", code, "_filter")]


def test_it_is_about_one_type() -> None:
    assert parse.parse(None, [("_type", "Patient,Group"), ("_filter", "_id eq x")])[1][0].code == "not-supported"
