"""Searches that lead beyond a resource: chains, `_has`, hierarchies, value sets, Lists, compartments, includes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import BadRequest, Forbidden
from tuetinh.record.search import parse, resolve
from tuetinh.record.search import run as searching
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db
SECRET = b"secret of the test"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
COLOURS = "https://example.org/colours"


def to(link: str) -> r4.Reference:
    return r4.Reference(reference=link)


def coded(code: str, system: str = LOINC) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)])


def quantity(value: str, code: str) -> r4.Quantity:
    return r4.Quantity(value=Decimal(value), code=code, unit=code, system=UCUM)


def pressure(id_: str, patient: str, high: str, low: str) -> r4.Observation:
    parts = [
        r4.ObservationComponent(code=coded("8480-6"), valueQuantity=quantity(high, "mm[Hg]")),
        r4.ObservationComponent(code=coded("8462-4"), valueQuantity=quantity(low, "mm[Hg]")),
    ]
    return r4.Observation(
        id=id_, status="final", code=coded("85354-9"), subject=to(f"Patient/{patient}"), component=parts
    )


def colour(code: str, *below: r4.CodeSystemConcept) -> r4.CodeSystemConcept:
    return r4.CodeSystemConcept(code=code, concept=list(below) or None)


IS_WARM = r4.ValueSetComposeIncludeFilter(property="concept", op="is-a", value="warm")
WORLD = [
    r4.Organization(id="province", name="Sở Y tế"),
    r4.Organization(id="district", name="Trung tâm Y tế", partOf=to("Organization/province")),
    r4.Organization(id="commune", name="Trạm Y tế", partOf=to("Organization/district")),
    r4.Patient(
        id="mai", name=[r4.HumanName(family="Lò")], gender="female", managingOrganization=to("Organization/commune")
    ),
    r4.Patient(id="son", name=[r4.HumanName(family="Đặng")], managingOrganization=to("Organization/province")),
    r4.Device(id="cuff", patient=to("Patient/mai")),
    r4.Encounter(id="visit", status="finished", class_=r4.Coding(code="AMB"), subject=to("Patient/mai")),
    pressure("bp1", "mai", "150", "90"),
    pressure("bp2", "son", "90", "150"),
    r4.Observation(
        id="hb", status="amended", code=coded("718-7"), subject=to("Patient/mai"), encounter=to("Encounter/visit"),
        valueQuantity=quantity("13.2", "g/dL"), device=to("Device/cuff"),
        note=[r4.Annotation(text="Mẫu tán huyết nhẹ")],
    ),
    r4.DiagnosticReport(
        id="report", status="final", code=coded("58410-2"), subject=to("Patient/mai"), result=[to("Observation/hb")]
    ),
    r4.List(
        id="watch", status="current", mode="working",
        entry=[r4.ListEntry(item=to(link)) for link in ("Patient/mai", "Observation/bp2", "Device/away")],
    ),
    r4.CodeSystem(
        id="colours", url=COLOURS, status="active", content="complete", hierarchyMeaning="is-a",
        concept=[colour("warm", colour("red", colour("crimson"))), colour("cold")],
    ),
    r4.ValueSet(
        id="warm", url="https://example.org/warm", status="active",
        compose=r4.ValueSetCompose(include=[r4.ValueSetComposeInclude(system=COLOURS, filter=[IS_WARM])]),
    ),
    *(
        r4.Condition(id=f"c-{code}", code=coded(code, COLOURS), subject=to("Patient/son"))
        for code in ("warm", "red", "crimson", "cold")
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def world(db: None) -> None:
    api.create_many(SYSTEM, WORLD)


def find(type_: str, query: str, asker: Asker = SYSTEM) -> list[str]:
    """The ids found, in order, through pages of two."""
    wanted, problems = parse.parse(type_, f"{query}&_count=2")
    assert problems == []
    ids, page = [], None
    while True:
        found = run(asker, searching.search(asker, wanted, secret=SECRET, page=page))
        ids += [hit.id for hit in found.hits]
        page = found.next
        if page is None:
            assert len(ids) == len(set(ids))
            return ids


@pytest.mark.parametrize("most", [1000, 0])
@pytest.mark.parametrize(
    ("type_", "query", "expected"),
    [
        ("Observation", "subject:Patient.name=lo", {"bp1", "hb"}),
        ("Observation", "patient.name=dang", {"bp2"}),
        ("Observation", "subject.family=lo&status=amended", {"hb"}),
        ("Observation", "patient.organization.name=trung", set()),
        ("Observation", "patient.organization.name=tram", {"bp1", "hb"}),
        ("Observation", "patient.organization.partof.partof.name=so y", {"bp1", "hb"}),
        ("Observation", "patient._id=son", {"bp2"}),
        ("Observation", "device.patient.gender=female", {"hb"}),
        ("DiagnosticReport", "result.code=718-7", {"report"}),
        ("Patient", "_has:Observation:patient:code=718-7", {"mai"}),
        ("Patient", "_has:Observation:patient:code=85354-9", {"mai", "son"}),
        ("Patient", "_has:Observation:patient:_has:DiagnosticReport:result:status=final", {"mai"}),
        ("Patient", "_has:Observation:subject:code=none", set()),
        ("Organization", "_has:Patient:organization:_has:Condition:patient:code=red", {"province"}),
        ("Observation", "patient._has:Condition:patient:code=cold", {"bp2"}),
        ("Patient", "_has:Observation:patient:device.patient.family=lo", {"mai"}),
    ],
)
def test_chains_both_ways(
    type_: str, query: str, expected: set[str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether what a chain leads to is little, and named, or much, and looked at row by row."""
    monkeypatch.setattr(resolve, "MOST", most)
    assert set(find(type_, query)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("component-code-value-quantity=8480-6$gt140", {"bp1"}),
        ("component-code-value-quantity=8480-6$gt80", {"bp1", "bp2"}),
        ("component-code-value-quantity=http://loinc.org|8462-4$150", {"bp2"}),
        ("component-code-value-quantity=8462-4$20|http://unitsofmeasure.org|kPa", {"bp2"}),
        ("combo-code-value-quantity=718-7$132|http://unitsofmeasure.org|g/L", {"hb"}),
        ("code-value-quantity=718-7$lt13", set()),
        ("code-value-quantity=718-7$13.2,85354-9$1", {"hb"}),
    ],
)
def test_composites_match_within_one_element(query: str, expected: set[str]) -> None:
    assert set(find("Observation", query)) == expected


def test_quantities_compare_across_units() -> None:
    for value in ("13.2|http://unitsofmeasure.org|g/dL", "132|http://unitsofmeasure.org|g/L", "gt131||g/dL"):
        assert set(find("Observation", f"value-quantity={value}")) == (set() if "||" in value else {"hb"})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code:below=https://example.org/colours|red", {"c-red", "c-crimson"}),
        ("code:above=https://example.org/colours|red", {"c-red", "c-warm"}),
        ("code:in=https://example.org/warm", {"c-warm", "c-red", "c-crimson"}),
        ("code:not-in=https://example.org/warm", {"c-cold"}),
    ],
)
def test_codes_by_terminology(query: str, expected: set[str]) -> None:
    assert set(find("Condition", query)) == expected


def test_an_unknown_value_set_is_named() -> None:
    with pytest.raises(BadRequest, match=r"https://example\.org/nothing"):
        find("Condition", "code:in=https://example.org/nothing")


def test_hierarchies_of_references() -> None:
    assert set(find("Patient", "organization:below=Organization/district")) == {"mai"}
    assert set(find("Patient", "organization:below=Organization/province")) == {"mai", "son"}
    assert set(find("Patient", "organization:above=Organization/commune")) == {"mai", "son"}
    assert set(find("Organization", "partof:below=Organization/district")) == {"commune"}


def test_hierarchies_of_what_is_part_of_its_like() -> None:
    tasks = {"root": "", "branch": "root", "leaf": "branch"}
    api.create_many(
        SYSTEM,
        [
            r4.Task(id=id_, status="draft", intent="order", partOf=[to(f"Task/{above}")] if above else None)
            for id_, above in tasks.items()
        ]
        + [r4.Specimen(id="blood"), r4.Specimen(id="serum", parent=[to("Specimen/blood")])],
    )
    assert set(find("Task", "part-of:below=Task/root")) == {"branch", "leaf"}
    assert set(find("Task", "part-of:above=Task/leaf")) == {"branch", "leaf"}
    assert set(find("Specimen", "parent:below=blood")) == {"serum"}
    api.create_many(SYSTEM, [r4.Encounter(
        id="part", status="finished", class_=r4.Coding(code="AMB"), partOf=to("Encounter/visit")
    )])  # fmt: skip
    assert set(find("Observation", "encounter:below=Encounter/visit")) == {"hb"}
    assert set(find("Observation", "encounter:above=Encounter/part")) == {"hb"}


def test_lists_words_and_missing_pieces() -> None:
    assert find("Patient", "_list=watch") == ["mai"]
    assert set(find("Observation", "_list=watch")) == {"bp2"}
    assert find("Device", "_list=watch") == []
    assert find("Observation", "_content=tan huyet") == ["hb"]
    assert find("Observation", "_content=tan khong") == []


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("status,_id", ["hb", "bp1", "bp2"]),
        ("-status,_id", ["bp1", "bp2", "hb"]),
        ("code,-_id", ["hb", "bp2", "bp1"]),
        ("subject,_id", ["bp1", "hb", "bp2"]),
        ("encounter,_id", ["hb", "bp1", "bp2"]),
    ],
)
def test_sorts_by_tokens_and_references(sort: str, expected: list[str]) -> None:
    assert find("Observation", f"_sort={sort}") == expected


def test_includes_follow_what_was_included() -> None:
    def included(query: str) -> set[str]:
        wanted, problems = parse.parse("DiagnosticReport", query)
        assert problems == []
        return {
            hit.id for hit in run(SYSTEM, searching.search(SYSTEM, wanted, secret=SECRET)).hits if hit.mode == "include"
        }

    assert included("_include=DiagnosticReport:result") == {"hb"}
    chain = (
        "_include=DiagnosticReport:result&_include:iterate=Observation:patient&_include:iterate=Patient:organization"
    )
    assert included(chain) == {"hb", "mai", "commune"}
    assert included(f"{chain}&_include:iterate=Organization:partof") == {
        "hb",
        "mai",
        "commune",
        "district",
        "province",
    }
    back = "_include=DiagnosticReport:patient&_revinclude:iterate=Observation:patient"
    assert included(back) == {"mai", "bp1", "hb"}


def included(type_: str, query: str) -> set[str]:
    wanted, problems = parse.parse(type_, query)
    assert problems == []
    found = run(SYSTEM, searching.search(SYSTEM, wanted, secret=SECRET))
    return {f"{hit.type}/{hit.id}" for hit in found.hits if hit.mode == "include"}


@pytest.mark.parametrize(
    ("type_", "query", "found"),
    [
        ("Observation", "_id=hb&_include=*", "Patient/mai Encounter/visit Device/cuff"),
        ("Observation", "_id=hb&_include=*:*", "Patient/mai Encounter/visit Device/cuff"),
        ("Observation", "_id=hb&_include=*:*:Patient", "Patient/mai"),
        ("Encounter", "_revinclude=*", "Observation/hb"),
        ("Encounter", "_revinclude=*:*", "Observation/hb"),
        ("Device", "_revinclude=*&_include=*", "Observation/hb Patient/mai"),
        (
            "DiagnosticReport",
            "_include:iterate=*",
            "Observation/hb Patient/mai Encounter/visit Device/cuff Organization/commune Organization/district"
            " Organization/province",
        ),
        ("Organization", "_id=province&_revinclude:iterate=Patient:organization", "Patient/son"),
    ],
)
def test_a_star_includes_whatever_refers(type_: str, query: str, found: str) -> None:
    assert included(type_, query) == set(found.split())


FORM = "https://example.org/form"


@pytest.fixture
def forms() -> None:
    for version in ("1.0", "2.0"):
        form = r4.Questionnaire(id=f"q{version[0]}", url=FORM, version=version, status="active")
        answer = r4.QuestionnaireResponse(id=f"r{version[0]}", status="completed", questionnaire=f"{FORM}|{version}")
        api.create_many(SYSTEM, [form, answer])
    api.create(SYSTEM, r4.QuestionnaireResponse(id="any", status="completed", questionnaire=FORM))
    api.create(SYSTEM, r4.QuestionnaireResponse(id="other", status="completed", questionnaire=f"{FORM}/2"))


@pytest.mark.usefixtures("forms")
def test_canonicals_are_followed() -> None:
    include = "_include=QuestionnaireResponse:questionnaire"
    assert included("QuestionnaireResponse", f"_id=r1&{include}") == {"Questionnaire/q1"}
    assert included("QuestionnaireResponse", f"_id=any&{include}") == {"Questionnaire/q1", "Questionnaire/q2"}
    assert included("QuestionnaireResponse", f"_id=other&{include}") == set()
    back = {"QuestionnaireResponse/r1", "QuestionnaireResponse/any"}
    assert included("Questionnaire", "_id=q1&_revinclude=QuestionnaireResponse:questionnaire") == back
    assert included("Questionnaire", "_id=q1&_revinclude=*") == back


@pytest.mark.usefixtures("forms")
@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("questionnaire.version=1.0", {"r1", "any"}),
        ("questionnaire:Questionnaire.status=active", {"r1", "r2", "any"}),
        ("questionnaire=Questionnaire/q2", {"r2", "any"}),
        ("questionnaire=Questionnaire/none", set()),
        (f"questionnaire={FORM}", {"r1", "r2", "any"}),
        (f"questionnaire={FORM}|1.0", {"r1"}),
        (f"questionnaire:below={FORM}", {"r1", "r2", "any"}),
        (f"questionnaire:below={FORM}|1", {"r1"}),
        (f"questionnaire:below={FORM}|1,{FORM}/2", {"r1", "other"}),
    ],
)
def test_canonicals_are_searched_and_chained(query: str, ids: set[str]) -> None:
    assert set(find("QuestionnaireResponse", query)) == ids


@pytest.mark.usefixtures("forms")
@pytest.mark.parametrize(
    ("query", "ids"),
    [("_id=r1", {"q1"}), ("_id=r1,r2", {"q1", "q2"}), ("_id=any", {"q1", "q2"}), ("_id=other", set())],
)
def test_canonicals_are_followed_backwards(query: str, ids: set[str]) -> None:
    assert set(find("Questionnaire", f"_has:QuestionnaireResponse:questionnaire:{query}")) == ids


@pytest.mark.usefixtures("forms")
def test_what_is_followed_backwards_is_counted_by_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows name the same; with a version, few."""
    api.create_many(SYSTEM, [r4.QuestionnaireResponse(status="completed", questionnaire=FORM) for _ in range(9)])
    answered = "_has:QuestionnaireResponse:questionnaire:status=completed"
    monkeypatch.setattr(resolve, "MOST_LISTED", 4)
    assert set(find("Questionnaire", answered)) == {"q1", "q2"}
    monkeypatch.setattr(resolve, "MOST_LISTED", 3)
    with pytest.raises(resolve.TooCostly, match="more than 3 canonicals would"):
        find("Questionnaire", answered)
    monkeypatch.setattr(resolve, "MOST", 1)
    with pytest.raises(resolve.TooCostly, match="more than 1 canonicals with a version would"):
        find("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id=r1,r2")
    assert find("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id=r1") == ["q1"]


def test_a_chain_shows_nothing_that_the_asker_may_not_see() -> None:
    narrow = Asker("client:x", "system", "", "HOPERAT", frozenset({"system/Observation.rs"}), sight=EVERYTHING)
    with pytest.raises(Forbidden):
        find("Observation", "patient.name=lo", narrow)
    own = Asker("citizen", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), patient="son", sight=EVERYTHING)
    assert find("Observation", "patient.name=lo", own) == []
    assert find("Observation", "patient.name=dang", own) == ["bp2"]
    assert find("Patient", "_has:Observation:patient:code=718-7", own) == []
