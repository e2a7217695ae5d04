"""What expressions mean where the public suite says little: types, primitives with extensions, references, services."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tuetinh.record import fhirpath, r4
from tuetinh.record.fhirpath import analysis, evaluate

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "http://x.test/time", "valueDateTime": "1974-12-25T14:35:45+07:00"}]},
    "name": [
        {"family": "Nguyễn", "given": ["Văn", None], "_given": [None, {"extension": [{"url": "http://x.test/e"}]}]},
        {"family": "Trần", "_family": {"id": "f"}},
    ],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Trạm y tế"}],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "Practitioner/d"}],
    "deceasedBoolean": False,
}
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"fullUrl": "http://x.test/fhir/Patient/p", "resource": PATIENT},
        {
            "fullUrl": "urn:uuid:1",
            "resource": {
                "resourceType": "Observation",
                "subject": {"reference": "Patient/p"},
                "valueQuantity": {
                    "value": Decimal("5.10"),
                    "unit": "mmol/L",
                    "system": fhirpath.nodes.UCUM,
                    "code": "mmol/L",
                },
            },
        },
    ],
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("deceased is boolean", [True]),
        ("deceased.ofType(dateTime)", []),
        ("name.suffix.join(', ')", [""]),  # as the suite of SQL on FHIR has it
        ("name.given", ["Văn", None]),
        ("name.given.hasValue()", [False]),
        ("name.given.select(hasValue())", [True, False]),
        ("name.given[1].extension.url", ["http://x.test/e"]),
        ("name[1].family.id", ["f"]),
        ("birthDate.extension('http://x.test/time').value > birthDate", []),
        ("birthDate.extension('http://x.test/time').value > @1974-12-25T07:35:44Z", [True]),
        ("name.family.type().name", ["string", "string"]),
        ("contained.type().name", ["Organization"]),
        ("Resource.id | DomainResource.id", ["p"]),
        ("Observation.id", []),
        ("nothing.at.all", []),
        ("name.exists(family = 'Trần').not()", [False]),
        ("managingOrganization.resolve().name", ["Trạm y tế"]),
        ("contained.select(%rootResource.id)", ["p"]),
        ("getResourceKey()", ["Patient/p"]),
        ("generalPractitioner.getReferenceKey()", ["Practitioner/d"]),
        ("generalPractitioner.getReferenceKey('Patient')", []),
        ("name.family.aggregate($total & $this, '')", ["NguyễnTrần"]),
        ("(active | deceased).allTrue()", [False]),
        ("{} and false", [False]),
        ("({} or {}).empty()", [True]),
        ("birthDate.toString() + 'x'", ["1974-12-25x"]),
        ("birthDate + 1 year", ["1975-12-25"]),
        ("(2 years + 1 year).toString()", ["3 years"]),
        ("(1 year - 1 month).toString()", ["11 month"]),
        ("(6 months + 1 year).toString()", ["18 months"]),
        ("(2 years / 1 year).value", [2]),
        ("(1 week + 1 day).toString()", ["8 day"]),
        ("(1 'm' + 10 'cm').toString()", ["110 'cm'"]),
        ("(10 'cm' - 1 'm').toString()", ["-90 'cm'"]),
        ("(1 year + 1 day).empty()", [True]),
        ("(1 year * 1 year).empty()", [True]),
        ("@2024-01-31 + 1 month", ["2024-02-29"]),
        ("@T23:30 + 45 minutes", ["00:15"]),
        ("@2024 + 24 months", ["2026"]),
        ("1 'kg' = 1000 'g'", [True]),
        ("1 'kg' < 1 'm'", []),
        ("1.10 = 1.1", [True]),
        ("1.1 / 3 ~ 0.37", [True]),
        ("(1 | 1.0 | true | '1').count()", [3]),
    ],
)
def test_what_an_expression_gives(text: str, wanted: list[Any]) -> None:
    assert evaluate(text, PATIENT) == wanted


def test_a_class_of_r4_gives_what_its_json_gives() -> None:
    quantity = r4.Quantity(value=Decimal("5.10"), unit="mmol/L")
    observation = r4.Observation(status="final", code=r4.CodeableConcept(text="Glucose"), valueQuantity=quantity)
    assert evaluate("value.value", observation) == [Decimal("5.10")]
    assert str(evaluate("value.value", observation)[0]) == "5.10"
    assert evaluate("value.unit = 'mmol/L' and code.text = 'Glucose'", observation) == [True]


def test_references_within_a_bundle_are_resolved_there() -> None:
    assert evaluate("entry.resource.subject.resolve().name.family", BUNDLE) == ["Nguyễn", "Trần"]
    assert evaluate("entry.resource.ofType(Observation).value * 2", BUNDLE)[0]["value"] == Decimal("10.20")


def test_other_references_are_resolved_by_a_service() -> None:
    asked: list[str] = []

    def resolve(reference: str) -> dict[str, Any]:
        asked.append(reference)
        return {"resourceType": "Practitioner", "id": "d", "active": True}

    services = fhirpath.Services(resolve=resolve)
    assert evaluate("generalPractitioner.resolve().active", PATIENT, services=services) == [True]
    assert asked == ["Practitioner/d"]
    assert evaluate("generalPractitioner.resolve()", PATIENT) == []


def test_terminology_and_profiles_are_asked_of_services() -> None:
    services = fhirpath.Services(
        member_of=lambda coded, url: (coded, url) == (True, "http://x.test/vs"),
        conforms_to=lambda resource, url: resource["id"] == "p" and url == "http://x.test/profile",
        subsumes=lambda one, other: one["code"] < other["code"],
    )
    assert evaluate("active.memberOf('http://x.test/vs')", PATIENT, services=services) == [True]
    assert evaluate("conformsTo('http://x.test/profile')", PATIENT, services=services) == [True]
    codings = {
        "resourceType": "Parameters",
        "parameter": [{"valueCoding": {"code": "a"}}, {"valueCoding": {"code": "b"}}],
    }
    asked = "parameter[0].value.subsumes(%resource.parameter[1].value)"
    assert evaluate(asked, codings, services=services) == [True]
    for text in ("active.memberOf('http://x.test/vs')", "conformsTo('http://x.test/profile')"):
        with pytest.raises(fhirpath.EvaluationError):
            evaluate(text, PATIENT)


def test_what_is_traced_goes_to_a_service() -> None:
    seen: list[tuple[str, int]] = []
    services = fhirpath.Services(trace=lambda name, items: seen.append((name, len(items))))
    assert evaluate("name.trace('all').family.trace('families', length())", PATIENT, services=services) == [
        "Nguyễn",
        "Trần",
    ]
    assert seen == [("all", 2), ("families", 2)]


def test_places_of_what_is_found() -> None:
    found = fhirpath.compile("name.given | contained.name").items(PATIENT)
    assert [node.path for node in found] == [
        "Patient.name[0].given[0]",
        "Patient.name[0].given[1]",
        "Patient.contained[0].name",
    ]
    assert [(node.key, node.index) for node in found] == [("given", 0), ("given", 1), ("name", None)]


def test_an_expression_starts_at_its_context() -> None:
    name = fhirpath.compile("name[1]").items(PATIENT)[0]
    assert evaluate("family", PATIENT, context=name) == ["Trần"]
    assert evaluate("%resource.id & %context.family", PATIENT, context=name) == ["pTrần"]


def test_whether_a_condition_holds() -> None:
    assert fhirpath.compile("active").holds(PATIENT)
    assert not fhirpath.compile("deceased").holds(PATIENT)
    assert not fhirpath.compile("nothing").holds(PATIENT)
    assert fhirpath.compile("nothing").holds(PATIENT, unknown=True)
    assert fhirpath.compile("value > 1").holds({"value": 2}, type="Quantity")


@pytest.mark.parametrize(
    "text",
    [
        "name.given1",
        "Encounter.name",
        "(deceased as Period).start.x",
        "name.where(famly = 'x')",
        "deceasedBoolean",
        "iif(active, name, contact).famly",
    ],
)
def test_paths_that_cannot_exist_are_found_without_data(text: str) -> None:
    with pytest.raises(fhirpath.SemanticError):
        analysis.check(fhirpath.compile(text), "Patient")


@pytest.mark.parametrize(
    "text", ["none()", "where()", "name.first(1)", "is(Nothing)", "%nothing", "ofType(1)", "defineVariable('ucum', 1)"]
)
def test_what_has_no_meaning_is_an_error(text: str) -> None:
    with pytest.raises(fhirpath.SemanticError):
        evaluate(text, PATIENT)


@pytest.mark.parametrize(
    "text",
    [
        "name = 1 < 2 < 'a'",
        "name.single()",
        "1 + 'a'",
        "name & 'x'",
        "birthDate + 1 'mo'",
        "active < true",
        "name.family.toString()",
    ],
)
def test_what_does_not_fit_is_an_error(text: str) -> None:
    with pytest.raises(fhirpath.EvaluationError):
        evaluate(text, PATIENT)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(1 | 2.5).sum()", [Decimal("3.5")]),
        ("(1 'cm' | 2 'm').max().toString()", ["2 'm'"]),
        ("(1 | 2).avg()", [Decimal("1.5")]),
        ("(@2015 | @2014-01-01).min()", ["2014-01-01"]),
        ("(@2015 | @2015-01-01).min()", []),
        ("{}.sum()", []),
        ("birthDate.yearOf()", [1974]),
        ("birthDate.hourOf()", []),
        ("@2012-01-01T12:30:40.002-07:00.millisecondOf()", [2]),
        ("@2012-01-01T12:30:40-07:00.millisecondOf()", []),
        ("@2012-01-01T12:30:40.002+08:45.timezoneOffsetOf()", [Decimal("8.75")]),
        ("@2012-01-01T12:30:40.002Z.dateOf()", ["2012-01-01"]),
        ("@2012-01-01T12:30.timeOf()", ["12:30"]),
        ("@T10:30.minuteOf()", [30]),
        ("10 'g' / 2 months", []),
        ("(4 months / 2).toString()", ["2 months"]),
    ],
)
def test_sums_and_components(text: str, wanted: list[Any]) -> None:
    assert evaluate(text, PATIENT) == wanted


@pytest.mark.parametrize("text", ["('a' | 1).sum()", "'x'.yearOf()", "@T10:30.dateOf()", "1.timeOf()"])
def test_what_has_no_sum_or_component_is_refused(text: str) -> None:
    with pytest.raises(fhirpath.EvaluationError):
        evaluate(text, PATIENT)
