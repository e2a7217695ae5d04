"""What each kind of parameter, prefix and modifier finds, on the real database."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import BadRequest
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db

LOINC = "http://loinc.org"
CCCD = "https://example.org/cccd"
SECRET = b"secret of the test"


def concept(system: str | None, code: str, display: str | None = None, text: str | None = None) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code, display=display)], text=text)


def observation(id_: str, **parts: object) -> r4.Observation:
    return r4.Observation(
        **{"id": id_, "status": "final", "code": concept(LOINC, "718-7", "Hemoglobin"), **parts}  # type: ignore[arg-type]
    )


def quantity(value: str, code: str = "g/L", unit: str = "g/l", comparator: str | None = None) -> r4.Quantity:
    return r4.Quantity(
        value=Decimal(value), code=code, unit=unit, system="http://unitsofmeasure.org", comparator=comparator
    )


PATIENTS = [
    r4.Patient(
        id="pang",
        active=True,
        name=[r4.HumanName(text="Lò Thị Pâng", family="Lò", given=["Thị", "Pâng"])],
        identifier=[
            r4.Identifier(system=CCCD, value="012345678901", type=concept("urn:types", "NI", text="Căn cước")),
            r4.Identifier(value="BN-1"),
        ],
        telecom=[r4.ContactPoint(system="phone", use="mobile", value="0912 345.678")],
        birthDate="1980-02-29",
        address=[r4.Address(text="Bản Nà Củng, Lai Châu", city="Lai Châu")],
        deceasedBoolean=False,
        managingOrganization=r4.Reference(reference="Organization/hospital"),
    ),
    r4.Patient(
        id="dang",
        name=[r4.HumanName(family="Đặng", given=["Va\u0306n"])],
        gender="male",
        telecom=[r4.ContactPoint(system="email", value="Dang@Example.vn")],
        birthDate="1980",
        deceasedDateTime="2020-01-01",
        generalPractitioner=[r4.Reference(identifier=r4.Identifier(system="urn:npi", value="7"))],
    ),
    r4.Patient(id="empty", meta=r4.Meta(tag=[r4.Coding(system="urn:tag", code="vip")], profile=["http://p|1.0"])),
]
OBSERVATIONS = [
    observation(
        "o1",
        subject=r4.Reference(reference="Patient/pang"),
        effectiveDateTime="2024-02-01T06:30:00+07:00",
        valueQuantity=quantity("120"),
    ),
    observation(
        "o2",
        status="amended",
        subject=r4.Reference(reference="Patient/pang/_history/3"),
        effectivePeriod=r4.Period(start="2024-01-15"),
        valueQuantity=quantity("5.4", "mmol/L", "mmol/l", "<"),
    ),
    observation(
        "o3",
        subject=r4.Reference(reference="Group/pang"),
        code=concept(None, "local", text="Đường huyết"),
        effectiveDateTime="2023",
        component=[r4.ObservationComponent(code=concept(LOINC, "8480-6"), valueQuantity=quantity("120.5"))],
        device=r4.Reference(reference="http://other.example/fhir/Device/7"),
    ),
    observation("o4", dataAbsentReason=concept("urn:x", "unknown")),
]
OTHERS = [
    r4.Encounter(
        id="e1",
        status="finished",
        class_=r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB"),
        subject=r4.Reference(reference="Patient/pang"),
        length=r4.Duration(value=Decimal(90), code="min", unit="min", system="http://unitsofmeasure.org"),
        participant=[r4.EncounterParticipant(individual=r4.Reference(reference="Practitioner/d1"))],
    ),
    r4.Practitioner(id="d1", name=[r4.HumanName(family="Nguyễn")]),
    r4.RiskAssessment(
        id="risk",
        status="final",
        subject=r4.Reference(reference="Patient/pang"),
        prediction=[r4.RiskAssessmentPrediction(probabilityDecimal=Decimal("0.25"))],
    ),
    r4.ValueSet(id="vs", status="active", url="http://example.org/vs|x", title="Bộ, mã"),
]


@pytest.fixture(scope="module", autouse=True)
def rows(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    from django.db import transaction

    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        with transaction.atomic():
            for resource in [*PATIENTS, *OBSERVATIONS, *OTHERS]:
                api.create(SYSTEM, resource)
        yield
        with transaction.atomic():
            for resource in [*PATIENTS, *OBSERVATIONS, *OTHERS]:
                api.delete(SYSTEM, type(resource).__name__, str(resource.id))


def found(type_: str, query: str, asker: Asker = SYSTEM) -> set[str]:
    return {resource.id for resource in api.search(asker, type_, query).resources}


ALL = {"o1", "o2", "o3", "o4"}


@pytest.mark.parametrize(
    ("type_", "query", "expected"),
    [
        # token
        ("Patient", "identifier=012345678901", {"pang"}),
        ("Patient", f"identifier={CCCD}|012345678901", {"pang"}),
        ("Patient", f"identifier={CCCD}|", {"pang"}),
        ("Patient", "identifier=|BN-1", {"pang"}),
        ("Patient", "identifier=|012345678901", set()),
        ("Patient", "identifier=urn:else|012345678901", set()),
        ("Patient", "identifier=bn-1", set()),
        ("Patient", "identifier:of-type=urn:types|NI|012345678901", {"pang"}),
        ("Patient", "identifier:of-type=urn:types|XX|012345678901", set()),
        ("Patient", "identifier:text=can cuoc", {"pang"}),
        ("Patient", "identifier:missing=true", {"dang", "empty"}),
        ("Patient", "identifier:missing=false", {"pang"}),
        ("Patient", "identifier=nope,BN-1", {"pang"}),
        ("Patient", "active=true", {"pang"}),
        ("Patient", "active=TRUE", {"pang"}),
        ("Patient", "active:not=true", {"dang", "empty"}),
        ("Patient", "deceased=true", {"dang"}),
        ("Patient", "deceased=false", {"pang", "empty"}),
        ("Patient", "deceased:missing=true", set()),
        ("Patient", "gender=male", {"dang"}),
        ("Patient", "gender=http://hl7.org/fhir/administrative-gender|male", {"dang"}),
        ("Patient", "gender=urn:else|male", set()),
        ("Patient", "gender=|male", set()),
        ("Patient", "gender:missing=true", {"pang", "empty"}),
        ("Patient", "phone=0912345678", {"pang"}),
        ("Patient", "telecom=0912 345 678", {"pang"}),
        ("Patient", "telecom=mobile|0912345678", {"pang"}),
        ("Patient", "email=0912345678", set()),
        ("Patient", "email=dang@example.VN", {"dang"}),
        ("Patient", "telecom=email|DANG@example.vn", {"dang"}),
        ("Patient", "phone=dang@example.vn", set()),
        ("Patient", "_tag=urn:tag|vip", {"empty"}),
        ("Patient", "_profile=http://p", {"empty"}),
        ("Patient", "_id=pang,dang,nobody", {"pang", "dang"}),
        ("Observation", "code=718-7&status=final", {"o1", "o4"}),
        ("Observation", "code:text=duong", {"o3"}),
        ("Observation", "code:text=hemo", {"o1", "o2", "o4"}),
        ("Observation", f"combo-code={LOINC}|8480-6", {"o3"}),
        ("Observation", "combo-code=718-7", {"o1", "o2", "o4"}),
        ("Observation", "combo-data-absent-reason:missing=false", {"o4"}),
        ("Observation", "status:not=final", {"o2"}),
        ("Observation", "status:not=final,amended", set()),
        ("Encounter", "class=AMB", {"e1"}),
        # string
        ("Patient", "name=pâng", {"pang"}),
        ("Patient", "name=lo thi", {"pang"}),
        ("Patient", "family=DANG", {"dang"}),
        ("Patient", "name:contains=ang", {"pang", "dang"}),
        ("Patient", "family:exact=Đặng", {"dang"}),
        ("Patient", "family:exact=Dang", set()),
        ("Patient", "family:exact=\u0110a\u0306\u0323ng", {"dang"}),  # the marks of ă and ạ behind their letter
        ("Patient", "given:exact=Pa\u0302ng", {"pang"}),
        ("Patient", "given:exact=V\u0103n", {"dang"}),  # stored with its mark behind
        ("Patient", "name=ang", set()),
        ("Patient", "address=lai chau", {"pang"}),
        ("Patient", "address:contains=na cung", {"pang"}),
        ("Patient", "name:missing=true", {"empty"}),
        ("Patient", "name:contains=%25", set()),
        ("ValueSet", "title=bộ\\, mã", {"vs"}),
        ("ValueSet", "title=bộ, mã", {"vs"}),
        # date
        ("Patient", "birthdate=1980", {"pang", "dang"}),
        ("Patient", "birthdate=1980-02-29", {"pang"}),
        ("Patient", "birthdate=ne1980-02-29", {"dang"}),
        ("Patient", "birthdate=gt1980-02-29", {"dang"}),
        ("Patient", "birthdate=lt1980-02-29", {"dang"}),
        ("Patient", "birthdate=ge1980-02-29", {"pang", "dang"}),
        ("Patient", "birthdate=le1980-02-29", {"pang", "dang"}),
        ("Patient", "birthdate=sa1979", {"pang", "dang"}),
        ("Patient", "birthdate=eb1980-03-01", {"pang"}),
        ("Patient", "birthdate:missing=true", {"empty"}),
        ("Patient", "death-date=2020-01", {"dang"}),
        ("Observation", "date=2024-02-01", {"o1"}),
        ("Observation", "date=2024-01-31T23:30:00Z", {"o1"}),
        ("Observation", "date=2024-01-31T23:30Z", {"o1"}),
        ("Observation", "date=ge2024-02-01", {"o1", "o2"}),
        ("Observation", "date=ap2024-02-01", {"o1", "o2", "o3"}),
        ("Observation", "date=gt2099", {"o2"}),
        ("Observation", "date=ge2023-06&date=lt2024-01-15", {"o3"}),
        ("Observation", "_lastUpdated=gt2020", ALL),
        ("Observation", "_lastUpdated=lt2020", set()),
        # number and quantity
        ("RiskAssessment", "probability=0.25", {"risk"}),
        ("RiskAssessment", "probability=0.3", {"risk"}),
        ("RiskAssessment", "probability=gt0.25", set()),
        ("RiskAssessment", "probability=ge0.25", {"risk"}),
        ("Observation", "value-quantity=120", {"o1"}),
        ("Observation", "value-quantity=1.2e2", {"o1"}),
        ("Observation", "value-quantity=120.0|http://unitsofmeasure.org|g/L", {"o1"}),
        ("Observation", "value-quantity=120||g/l", {"o1"}),
        ("Observation", "value-quantity=120||mg", set()),
        ("Observation", "value-quantity=lt5", {"o2"}),
        ("Observation", "value-quantity=gt5.4", {"o1"}),
        ("Observation", "combo-value-quantity=gt120", {"o3"}),
        ("Observation", "combo-value-quantity=ap115", {"o1", "o3"}),
        ("Observation", "value-quantity:missing=true", {"o3", "o4"}),
        ("Encounter", "length=90||min", {"e1"}),
        # reference
        ("Observation", "subject=Patient/pang", {"o1", "o2"}),
        ("Observation", "subject=pang", {"o1", "o2", "o3"}),
        ("Observation", "subject:Group=pang", {"o3"}),
        ("Observation", "patient=pang", {"o1", "o2"}),
        ("Observation", "patient=Group/pang", set()),
        ("Observation", "patient:missing=true", {"o3", "o4"}),
        ("Observation", "subject:missing=true", {"o4"}),
        ("Observation", "subject=Patient/pang/_history/3", {"o2"}),
        ("Observation", "device=http://other.example/fhir/Device/7", {"o3"}),
        ("Observation", "device=Device/7", set()),
        ("Patient", "general-practitioner:identifier=urn:npi|7", {"dang"}),
        ("Patient", "general-practitioner:missing=false", {"dang"}),
        ("Encounter", "practitioner=d1", {"e1"}),
        # uri
        ("ValueSet", "url=http://example.org/vs\\|x", {"vs"}),
    ],
)
def test_finds(type_: str, query: str, expected: set[str]) -> None:
    assert found(type_, query) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("nonsense=1", "not-supported"),
        ("code-value-quantity=a", "invalid"),
        ("code-value-quantity=a$1$2", "invalid"),
        ("code-value-quantity=a$b", "invalid"),
        ("code-value-quantity:missing=true", "not-supported"),
        ("subject.birthplace=x", "not-supported"),
        ("subject:Practitioner.name=x", "invalid"),
        ("code.name=x", "invalid"),
        ("status:above=x", "invalid"),
        ("value-string:in=http://x", "not-supported"),
        ("subject:below=Patient/x", "not-supported"),
        ("_has:Provenance:agent=x", "invalid"),
        ("_has:Encounter:location:status=x", "invalid"),
        ("_has:Provenance:target:nothing=x", "not-supported"),
        ("code:exact=x", "not-supported"),
        ("date:exact=2020", "not-supported"),
        ("date=2020-13", "invalid"),
        ("date=2023-02-29", "invalid"),
        ("date=xx2020", "invalid"),
        ("value-quantity=abc", "invalid"),
        ("value-quantity=1|g", "invalid"),
        ("code=a|b|c", "invalid"),
        ("code=", "invalid"),
        ("code=a,,b", "invalid"),
        ("subject=Nothing/1", "invalid"),
        ("subject=not an id", "invalid"),
        ("status:missing=maybe", "invalid"),
        ("_count=-1", "invalid"),
        ("_sort=nothing", "not-supported"),
        ("_sort=code-value-quantity", "not-supported"),
        ("_sort=date,-date", "invalid"),
        ("_include=Patient:link", "invalid"),
        ("_include=Observation:code", "invalid"),
        ("_include:recurse=Observation:subject", "not-supported"),
        ("_total=some", "invalid"),
        ("_text=,", "invalid"),
        ("_query=x", "not-supported"),
        ("code=%00", "invalid"),
    ],
)
def test_refuses(query: str, code: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        api.search(SYSTEM, "Observation", query)
    assert [issue.code for issue in refusal.value.issues] == [code]
    search, problems = parse.parse("Observation", f"{query}&status=final", lenient=True)
    assert [problem.severity for problem in problems] == ["warning"]
    assert search.query() == "status=final"


def test_compartment_is_all_that_a_citizen_sees() -> None:
    citizen = Asker(
        "c", "citizen", purpose="PATRQT", scopes=frozenset({"patient/*.rs"}), patient="pang", sight=EVERYTHING
    )
    assert found("Observation", "", citizen) == {"o1", "o2"}
    assert found("Patient", "", citizen) == {"pang"}
    assert found("Practitioner", "", citizen) == set()
    page = api.search(citizen, "Encounter", "_include=Encounter:practitioner&_total=accurate")
    assert ([r.id for r in page.resources], page.included, page.total) == (["e1"], [], 1)


def test_includes() -> None:
    page = api.search(SYSTEM, "Encounter", "_include=Encounter:practitioner&_include=Encounter:patient")
    assert {(type(r).__name__, r.id) for r in page.included} == {("Practitioner", "d1"), ("Patient", "pang")}
    page = api.search(SYSTEM, "Encounter", "_include=*")
    assert {(type(r).__name__, r.id) for r in page.included} == {("Practitioner", "d1"), ("Patient", "pang")}
    page = api.search(SYSTEM, "Encounter", "_include=Encounter:subject:Group")
    assert page.included == []
    page = api.search(SYSTEM, "Patient", "_id=pang&_revinclude=Observation:patient&_revinclude=Encounter:*")
    assert {r.id for r in page.included} == {"o1", "o2", "e1"}


def test_over_all_types() -> None:
    def ids(query: str) -> set[str]:
        search, problems = parse.parse(None, query)
        assert problems == []
        return {hit.id for hit in run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET)).hits}

    assert ids("_id=pang,e1,vs") == {"pang", "e1", "vs"}
    assert ids("_type=Patient,Encounter&_id=pang,e1,vs") == {"pang", "e1"}
    assert ids("_tag=vip") == {"empty"}
    assert ids("_type=Patient,Encounter&_sort=-_lastUpdated&_count=2") <= {"pang", "dang", "empty", "e1"}
    assert [p.code for p in parse.parse(None, "code=x")[1]] == ["not-supported"]


def test_totals() -> None:
    assert api.search(SYSTEM, "Observation", "status=final&_count=1&_total=accurate").total == 3
    assert api.search(SYSTEM, "Observation", "status=final").total is None
    assert isinstance(api.search(SYSTEM, "Observation", "status=final&_total=estimate").total, int)
    search, _ = parse.parse("Observation", "subject=pang")
    assert run(SYSTEM, searching.total(SYSTEM, search)) == 3
    assert sorted(row[1] for row in run(SYSTEM, searching.matching(SYSTEM, search, 2))) == ["o2", "o3"]
