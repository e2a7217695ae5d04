"""Searches that look beyond one value: chains, `_has`, composites, hierarchies, Lists, compartments, includes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import BadRequest, Forbidden
from tuetinh.record.search import parse, resolve
from tuetinh.record.search import run as searching
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
SECRET = b"secret of the test"


def ref(link: str) -> r4.Reference:
    return r4.Reference(reference=link)


def concept(code: str, system: str | None = LOINC) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)])


def mm(value: str, code: str = "mm[Hg]") -> r4.Quantity:
    return r4.Quantity(value=Decimal(value), unit="mmHg", system=UCUM, code=code)


def pressure(id_: str, systolic: str, diastolic: str, who: str) -> r4.Observation:
    parts = [
        r4.ObservationComponent(code=concept("8480-6"), valueQuantity=mm(systolic)),
        r4.ObservationComponent(code=concept("8462-4"), valueQuantity=mm(diastolic)),
    ]
    return r4.Observation(id=id_, status="final", code=concept("85354-9"), subject=ref(who), component=parts)


RESOURCES: list[r4.Resource] = [
    r4.Organization(id="b-province", name="Tỉnh"),
    r4.Organization(id="b-hospital", name="Bệnh viện Phong Thổ", partOf=ref("Organization/b-province")),
    r4.Organization(id="b-station", name="Trạm y tế", partOf=ref("Organization/b-hospital")),
    r4.Location(id="b-ward", name="Khoa nội", managingOrganization=ref("Organization/b-hospital")),
    r4.Location(id="b-bed", name="Giường 1", partOf=ref("Location/b-ward")),
    r4.Patient(
        id="b-an",
        name=[r4.HumanName(family="Lò", given=["An"])],
        gender="female",
        managingOrganization=ref("Organization/b-station"),
    ),
    r4.Patient(
        id="b-binh",
        name=[r4.HumanName(family="Vàng", given=["Bình"])],
        gender="male",
        managingOrganization=ref("Organization/b-hospital"),
    ),
    r4.Practitioner(id="b-doctor", name=[r4.HumanName(family="Nguyễn")]),
    r4.Encounter(
        id="b-visit",
        status="finished",
        class_=r4.Coding(code="AMB"),
        subject=ref("Patient/b-an"),
        serviceProvider=ref("Organization/b-station"),
        location=[r4.EncounterLocation(location=ref("Location/b-bed"))],
        participant=[r4.EncounterParticipant(individual=ref("Practitioner/b-doctor"))],
    ),
    pressure("b-high", "150", "80", "Patient/b-an"),
    pressure("b-low", "80", "150", "Patient/b-binh"),
    r4.Observation(
        id="b-sugar",
        status="amended",
        code=concept("2339-0"),
        subject=ref("Patient/b-an"),
        encounter=ref("Encounter/b-visit"),
        valueQuantity=r4.Quantity(value=Decimal("5.4"), unit="g/l", system=UCUM, code="g/L"),
    ),
    r4.List(
        id="b-list",
        status="current",
        mode="working",
        entry=[r4.ListEntry(item=ref("Patient/b-an")), r4.ListEntry(item=ref("Encounter/b-visit"))],
    ),
    r4.ValueSet(id="b-vs", status="active", url="http://example.org/fhir/sets/one"),
]


@pytest.fixture(scope="module", autouse=True)
def rows(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        with transaction.atomic():
            api.create_many(SYSTEM, RESOURCES)
        yield
        with transaction.atomic():
            for resource in RESOURCES:
                api.delete(SYSTEM, resource.resourceType, str(resource.id))


def found(type_: str, query: str, asker: Asker = SYSTEM) -> set[str]:
    return {str(resource.id) for resource in api.search(asker, type_, query).resources}


CASES = [
    # chains
    ("Observation", "subject:Patient.name=lò", {"b-high", "b-sugar"}),
    ("Observation", "patient.name=lo", {"b-high", "b-sugar"}),
    ("Observation", "subject.name=vang", {"b-low"}),
    ("Observation", "patient.name=lo,vang&code=85354-9", {"b-high", "b-low"}),
    ("Observation", "patient.organization.name=phong", set()),
    ("Observation", "patient.organization.name=benh vien", {"b-low"}),
    ("Observation", "patient.organization.partof=b-hospital", {"b-high", "b-sugar"}),
    ("Observation", "patient.organization.partof.name=benh", {"b-high", "b-sugar"}),
    ("Observation", "patient:Patient.gender:not=male", {"b-high", "b-sugar"}),
    ("Observation", "patient._id=b-an", {"b-high", "b-sugar"}),
    ("Observation", "encounter.participant:Practitioner.family=nguyen", {"b-sugar"}),
    ("Observation", "patient.name=nobody", set()),
    ("Encounter", "location.name:contains=giuong", {"b-visit"}),
    # reverse chains
    ("Patient", "_has:Observation:patient:code=2339-0", {"b-an"}),
    ("Patient", "_has:Observation:subject:status=final&gender=male", {"b-binh"}),
    ("Patient", "_has:Observation:patient:status=final", {"b-an", "b-binh"}),
    ("Patient", "_has:Observation:patient:code=none", set()),
    ("Encounter", "_has:Observation:encounter:code=2339-0", {"b-visit"}),
    ("Practitioner", "_has:Encounter:participant:_has:Observation:encounter:status=amended", {"b-doctor"}),
    ("Practitioner", "_has:Encounter:practitioner:patient.name=lo", {"b-doctor"}),
    ("Observation", "patient._has:Encounter:patient:class=AMB", {"b-high", "b-sugar"}),
    ("Organization", "_has:Patient:organization:gender=female", {"b-station"}),
    # composites
    ("Observation", "component-code-value-quantity=8480-6$gt140", {"b-high"}),
    ("Observation", f"component-code-value-quantity={LOINC}|8480-6$gt140", {"b-high"}),
    ("Observation", f"component-code-value-quantity={LOINC}|$gt140", {"b-high", "b-low"}),
    ("Observation", "component-code-value-quantity=|8480-6$gt140", set()),
    ("Observation", "component-code-value-quantity=8480-6$lt100,8462-4$lt100", {"b-high", "b-low"}),
    ("Observation", "component-code-value-quantity=8480-6$gt140&code=2339-0", set()),
    ("Observation", f"component-code-value-quantity=8480-6$150|{UCUM}|mm[Hg]", {"b-high"}),
    ("Observation", f"component-code-value-quantity=8480-6$20.0|{UCUM}|kPa", {"b-high"}),
    ("Observation", "combo-code-value-quantity=8480-6$gt140", {"b-high"}),
    ("Observation", "combo-code-value-quantity=2339-0$5.4", {"b-sugar"}),
    ("Observation", "code-value-quantity=2339-0$5.4,8480-6$150", {"b-sugar"}),
    # quantities in other units
    ("Observation", f"value-quantity=5.4|{UCUM}|g/L", {"b-sugar"}),
    ("Observation", f"value-quantity=540|{UCUM}|mg/dL", {"b-sugar"}),
    ("Observation", f"value-quantity=541|{UCUM}|mg/dL", set()),
    ("Observation", f"value-quantity=gt5|{UCUM}|mg/mL", {"b-sugar"}),
    ("Observation", "value-quantity=5.4||g/l", {"b-sugar"}),
    ("Observation", f"value-quantity=540|{UCUM}|mmol/L", set()),
    # hierarchies, uris, Lists
    ("Encounter", "location:below=Location/b-ward", {"b-visit"}),
    ("Encounter", "location:below=b-bed", {"b-visit"}),
    ("Encounter", "location:above=Location/b-ward", set()),
    ("Encounter", "service-provider:below=b-province", {"b-visit"}),
    ("Patient", "organization:below=Organization/b-hospital", {"b-an", "b-binh"}),
    ("Patient", "organization:above=Organization/b-station", {"b-an", "b-binh"}),
    ("ValueSet", "url:below=http://example.org/fhir", {"b-vs"}),
    ("ValueSet", "url:below=http://example.org/fh", set()),
    ("ValueSet", "url:above=http://example.org/fhir/sets/one/more", {"b-vs"}),
    ("ValueSet", "url:above=http://example.org/fhir/sets", set()),
    ("Patient", "_list=b-list", {"b-an"}),
    ("Patient", "_list=nothing", set()),
    ("Patient", "_content=vàng", {"b-binh"}),
]


@pytest.mark.parametrize(("type_", "query", "expected"), CASES)
def test_finds_beyond(type_: str, query: str, expected: set[str]) -> None:
    assert found(type_, query) == expected


@pytest.mark.parametrize(("type_", "query", "expected"), CASES)
def test_looking_at_each_row_finds_the_same(
    type_: str, query: str, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What leads to many resources is looked at row by row: here one resource is many."""
    monkeypatch.setattr(resolve, "MOST", 0)
    assert found(type_, query) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("code", ["b-sugar", "b-low", "b-high"]),
        ("-code,_id", ["b-high", "b-low", "b-sugar"]),
        ("patient,-_id", ["b-sugar", "b-high", "b-low"]),
        ("-subject,code", ["b-low", "b-sugar", "b-high"]),
        ("status,_id", ["b-sugar", "b-high", "b-low"]),
        ("-status,_id", ["b-high", "b-low", "b-sugar"]),
        ("encounter,_id", ["b-sugar", "b-high", "b-low"]),
    ],
)
def test_sorts_by_token_and_reference(sort: str, expected: list[str]) -> None:
    for count in (1, 2, 50):
        search, problems = parse.parse("Observation", f"_sort={sort}&_count={count}&_id=b-high,b-low,b-sugar")
        assert problems == []
        seen: list[str] = []
        token = None
        while True:
            page = run(searching.search(SYSTEM, search, secret=SECRET, page=token))
            seen += [hit.id for hit in page.hits]
            if (token := page.next) is None:
                break
        if sort in ("code", "-code,_id"):
            assert [s == "b-sugar" for s in seen] == [s == "b-sugar" for s in expected]
        else:
            assert seen == expected


def test_a_chain_stays_within_the_scopes_and_the_compartment() -> None:
    narrow = Asker("n", "doctor", scopes=frozenset({"user/Observation.rs"}))
    with pytest.raises(Forbidden):
        found("Observation", "patient.name=lo", narrow)
    with pytest.raises(Forbidden):
        found("Observation", "_has:Provenance:target:agent=x", narrow)
    citizen = Asker("c", "citizen", scopes=frozenset({"patient/*.rs"}), patient="b-binh")
    assert found("Observation", "patient.gender=female,male", citizen) == {"b-low"}
    assert found("Patient", "_has:Observation:patient:code=2339-0", citizen) == set()


def test_hostile_chains_end_by_a_limit() -> None:
    deep = "patient." + "organization." + "partof." * 6 + "name"
    with pytest.raises(BadRequest) as refusal:
        found("Observation", f"{deep}=x")
    assert [issue.code for issue in refusal.value.issues] == ["too-costly"]
    with pytest.raises(BadRequest) as refusal:
        found("Observation", "focus._lastUpdated=gt2020")
    assert [issue.code for issue in refusal.value.issues] == ["too-costly"]


def test_an_unknown_value_set_is_refused() -> None:
    with pytest.raises(BadRequest) as refusal:
        found("Observation", "code:in=http://example.org/unknown")
    assert [issue.code for issue in refusal.value.issues] == ["not-found"]


def test_includes_of_includes() -> None:
    query = "_id=b-sugar&_include=Observation:encounter&_include:iterate=Encounter:location"
    page = api.search(SYSTEM, "Observation", query + "&_include:iterate=Location:partof")
    assert {str(r.id) for r in page.included} == {"b-visit", "b-bed", "b-ward"}
    page = api.search(SYSTEM, "Observation", query)
    assert {str(r.id) for r in page.included} == {"b-visit", "b-bed"}
    query = "_id=b-province&_revinclude:iterate=Organization:partof"
    assert {str(r.id) for r in api.search(SYSTEM, "Organization", query).included} == {"b-hospital", "b-station"}


def test_compartments() -> None:
    def inside(type_: str | None, query: str, place: tuple[str, str]) -> set[str]:
        search, problems = parse.parse(type_, query)
        assert problems == []
        page = run(searching.search(SYSTEM, parse.in_compartment(search, *place), secret=SECRET))
        return {hit.id for hit in page.hits}

    assert inside("Observation", "", ("Patient", "b-an")) == {"b-high", "b-sugar"}
    assert inside("Observation", "code=2339-0", ("Patient", "b-an")) == {"b-sugar"}
    assert inside(None, "", ("Patient", "b-an")) == {"b-an", "b-high", "b-sugar", "b-visit", "b-list"} - {"b-list"}
    assert inside("Encounter", "", ("Practitioner", "b-doctor")) == {"b-visit"}
    assert inside("Organization", "", ("Patient", "b-an")) == set()
