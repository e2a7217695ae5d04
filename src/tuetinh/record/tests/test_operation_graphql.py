"""$graphql answers as HL7's examples do, for those who may see, and within limits."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import graphql as core
import pytest
from lxml import etree

from tuetinh.record import formats

pytestmark = pytest.mark.django_db
FOLDER = "data/fhir/graphql_patch_misc"
# Searches that the suite answers from a fixed list; ours are tested below with a record of their own.
ELSEWHERE = {"search-simple", "search-full"}


@pytest.fixture(scope="module")
def examples(fhir: Any, shared: Path) -> None:
    for path in sorted((shared / FOLDER / "graphql_examples").iterdir()):
        if path.suffix in (".json", ".xml"):
            data = path.read_bytes()
            resource = json.loads(formats.read(data) if path.suffix == ".xml" else data, parse_float=Decimal)
            if resource.get("id") and resource.get("resourceType") in TYPES:
                place = f"/{resource['resourceType']}/{resource['id']}"
                fhir.send("PUT", place, content=data, headers={"content-type": f"application/fhir+{path.suffix[1:]}"})


TYPES = {"Patient", "Observation", "MedicationDispense", "List", "Condition", "Organization"}


def cases(shared: Path) -> list[Any]:
    manifest = etree.parse(shared / FOLDER / "graphql/manifest.xml").getroot()
    return [test for test in manifest.iterfind("test") if test.get("name") not in ELSEWHERE]


def test_hl7s_examples(fhir: Any, shared: Path, examples: None) -> None:
    count = 0
    for test in cases(shared):
        query = (shared / FOLDER / "graphql" / test.get("source")).read_text(encoding="utf-8")
        context = test.get("context").replace("List/example-long", "List/long")  # the suite names the file there
        place = f"/{context}" if context else "/$graphql"
        variables = {"var": True} if test.get("operation") else {}
        question = {"query": query, "variables": variables, "operationName": test.get("operation")}
        answer = fhir.send("POST", place, json=question)
        if test.get("output") == "$error":
            assert answer.status_code in (400, 422), test.get("name")
        else:
            expected = (shared / FOLDER / "graphql" / test.get("output")).read_text(encoding="utf-8")
            assert answer.status_code == 200, (test.get("name"), answer.text)
            assert answer.json()["data"] == json.loads(expected), test.get("name")
        count += 1
    assert count == 27


def ask(fhir: Any, query: str, who: str = "system", place: str = "/$graphql") -> Any:
    return fhir.send("POST", place, who, content=query.encode(), headers={"content-type": "application/graphql"})


@pytest.fixture
def people(fhir: Any) -> list[str]:
    made = [
        fhir.post("/Patient", {"resourceType": "Patient", "name": [{"family": "Graph"}], "active": True}).json()["id"]
    ]
    other = {"resourceType": "Patient", "name": [{"family": "Graph"}], "active": False}
    made.append(fhir.post("/Patient", other).json()["id"])
    for id_ in made:
        observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
        fhir.post("/Observation", observation | {"subject": {"reference": f"Patient/{id_}"}})
    return made


def test_searches_lists_and_the_way_back(fhir: Any, people: list[str]) -> None:
    inner = "ObservationList(_reference: patient) { status }"
    found = ask(fhir, '{ PatientList(_id: "' + people[0] + '") { id ' + inner + " } }")
    assert found.json() == {"data": {"PatientList": [{"id": people[0], "ObservationList": [{"status": "final"}]}]}}
    edges = "pagesize next edges { mode resource { id } }"
    query = '{ PatientConnection(family: "Graph", _count: 1, _sort: "_id") { ' + edges + " } }"
    page = ask(fhir, query).json()["data"]["PatientConnection"]
    assert (page["pagesize"], [e["mode"] for e in page["edges"]]) == (1, ["match"])
    following = ask(fhir, query.replace("_count", f'_cursor: "{page["next"]}", _count')).json()["data"]
    ids = {page["edges"][0]["resource"]["id"], following["PatientConnection"]["edges"][0]["resource"]["id"]}
    assert ids <= {*people, *ids}
    assert len(ids) == 2
    got = fhir.get(f"/Patient/{people[0]}/$graphql", params={"query": "{ active }"})
    assert got.json() == {"data": {"active": True}}
    assert got.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "query",
    ["", "{", "mutation { x }", "{ Nothing(id: 1) { id } }", "{ PatientList(colour: 1) { id } }", "{ PatientList }",
     "{ PatientList { id { x } } }", "{ ...F } fragment F on Patient { ...F }", "{" + "a{" * 3000, "{ id " * 2000,
     "{ PatientList(name: $x) { name(fhirpath: \"((\") { family } } }", "query A { a } query B { b }",
     "{ PatientList(_count: 1000) { " + "ObservationList(_reference: patient) { id } " * 9 + "} }",
     ],
)  # fmt: skip
def test_what_is_wrong_or_too_much_is_refused(fhir: Any, people: list[str], query: str) -> None:
    answer = ask(fhir, query)
    if answer.status_code == 200:
        assert "ObservationList" in query  # few enough people were found
    else:
        assert answer.status_code in (400, 413, 422), answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_it_shows_no_more_than_reading_would(fhir: Any, people: list[str]) -> None:
    everyone = '{ PatientList(family: "Graph") { id } }'
    assert ask(fhir, everyone, "outsider").status_code == 403
    assert ask(fhir, everyone, "citizen").json() == {"data": {}}
    assert ask(fhir, everyone, "stranger").status_code == 401
    one = f'{{ Patient(id: "{people[0]}") {{ id }} }}'
    assert ask(fhir, one, "outsider").status_code == 403
    assert ask(fhir, one, "citizen").status_code == 422
    assert ask(fhir, "{ id }", "outsider", f"/Patient/{people[0]}/$graphql").status_code == 403
    assert ask(fhir, "{ id }", "citizen", f"/Patient/{people[0]}/$graphql").status_code == 404


def test_tools_learn_what_may_be_asked(fhir: Any, people: list[str]) -> None:
    """By the question that every tool asks, of which graphql-core makes a schema that knows good queries from bad."""
    told = fhir.send("POST", "/$graphql", json={"query": core.get_introspection_query()})
    assert told.status_code == 200, told.text[:500]
    schema = core.build_client_schema(told.json()["data"])
    good = """{
        PatientList(family: "Graph", _count: 5) { __typename id name(use: official) @first { family _family { id } }
            ObservationList(_reference: patient, status: "final") { subject { resource { ... on Patient { id } } } }
        }
        PatientConnection(name: ["a", "b"]) { count next __typename edges { mode resource { id } __typename } }
    }"""
    assert core.validate(schema, core.parse(good)) == []
    assert ask(fhir, good).status_code == 200
    for bad in ("{ PatientList(colour: 1) { id } }", "{ Patient { id } }", "{ ObservationList { nothing } }"):
        assert core.validate(schema, core.parse(bad))
        assert ask(fhir, bad).status_code == 400
    assert ask(fhir, "{ __typename }").json() == {"data": {"__typename": "Query"}}
    one = ask(fhir, '{ __type(name: "HumanName") { kind fields { name } } }', "citizen").json()["data"]["__type"]
    assert one["kind"] == "OBJECT"
    assert {"family", "given", "_family"} <= {field["name"] for field in one["fields"]}
    own = ask(fhir, "{ __schema { queryType { name } } }", place=f"/Patient/{people[0]}/$graphql").json()
    assert own == {"data": {"__schema": {"queryType": {"name": "Patient"}}}}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("{ __schema { types { fields { type { fields { name } } } } } }", 413),
        ("{ a: __schema { types { name } } b: __schema { types { name } } }", 413),
        ("{ " + " ".join(f't{n}: __type(name: "Patient") {{ name }}' for n in range(21)) + " }", 413),
        ("{ __schema { nothing } }", 400),
        ("{ __schema { ...F } } fragment F on __Schema { ...F }", 400),
    ],
)
def test_the_schema_is_not_told_within_itself(fhir: Any, query: str, status: int) -> None:
    assert ask(fhir, query).status_code == status
    assert ask(fhir, query, "stranger").status_code == 401
