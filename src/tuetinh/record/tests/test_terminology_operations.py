"""The terminology service over the API: on the types, on stored resources, by GET and by POST."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tuetinh.record.validate import check

pytestmark = pytest.mark.django_db

SYSTEM = "http://tests.example/CodeSystem/fruit"
VALUE_SET = "http://tests.example/ValueSet/citrus"
CODES = {
    "resourceType": "CodeSystem",
    "id": "fruit",
    "url": SYSTEM,
    "version": "1.0.0",
    "name": "Fruit",
    "status": "active",
    "content": "complete",
    "caseSensitive": True,
    "hierarchyMeaning": "is-a",
    "language": "en",
    "concept": [
        {
            "code": "citrus",
            "display": "Citrus",
            "concept": [
                {"code": "orange", "display": "Orange", "designation": [{"language": "vi", "value": "Quả cam"}]},
                {"code": "lime", "display": "Lime", "designation": [{"language": "vi", "value": "Quả chanh"}]},
            ],
        },
        {"code": "plum", "display": "Plum"},
    ],
}
SET = {
    "resourceType": "ValueSet",
    "id": "citrus",
    "url": VALUE_SET,
    "status": "active",
    "compose": {
        "include": [{"system": SYSTEM, "filter": [{"property": "concept", "op": "descendent-of", "value": "citrus"}]}]
    },
}
MAP = {
    "resourceType": "ConceptMap",
    "id": "colours",
    "url": "http://tests.example/ConceptMap/colours",
    "status": "active",
    "group": [
        {
            "source": SYSTEM,
            "target": "http://tests.example/CodeSystem/colour",
            "element": [{"code": "lime", "target": [{"code": "green", "equivalence": "wider"}]}],
        }
    ],
}


@pytest.fixture(scope="module")
def fruit(fhir: Any) -> Any:
    for resource in (CODES, SET, MAP):
        stored = fhir.put(f"/{resource['resourceType']}/{resource['id']}", resource)
        assert stored.status_code in (200, 201), stored.text
    return fhir


def _values(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        row["name"]: next((value for key, value in row.items() if key != "name"), None) for row in answer["parameter"]
    }


def _codes(answer: dict[str, Any]) -> list[str]:
    return [row["code"] for row in answer["expansion"].get("contains", ())]


def test_a_stored_value_set_is_expanded_by_its_url(fruit: Any) -> None:
    answer = fruit.get("/ValueSet/$expand", params={"url": VALUE_SET})
    assert answer.status_code == 200, answer.text
    assert _codes(answer.json()) == ["orange", "lime"]
    assert answer.json()["expansion"]["total"] == 2


def test_a_stored_value_set_is_expanded_at_its_place(fruit: Any) -> None:
    answer = fruit.get("/ValueSet/citrus/$expand", params={"filter": "qua cam", "displayLanguage": "vi"})
    assert [row["display"] for row in answer.json()["expansion"]["contains"]] == ["Quả cam"]


def test_a_value_set_itself_is_expanded(fruit: Any) -> None:
    answer = fruit.post("/ValueSet/$expand", SET)
    assert answer.status_code == 200, answer.text
    assert _codes(answer.json()) == ["orange", "lime"]


def test_the_language_of_the_header_counts(fruit: Any) -> None:
    answer = fruit.get("/ValueSet/citrus/$expand", headers={"accept-language": "vi"})
    assert [row["display"] for row in answer.json()["expansion"]["contains"]] == ["Quả cam", "Quả chanh"]


def test_pages_are_cut_from_the_whole(fruit: Any) -> None:
    answer = fruit.get("/ValueSet/$expand", params={"url": VALUE_SET, "offset": 1, "count": 1}).json()
    assert (_codes(answer), answer["expansion"]["total"], answer["expansion"]["offset"]) == (["lime"], 2, 1)


def test_what_the_standard_defines_is_there(fruit: Any) -> None:
    answer = fruit.get("/ValueSet/$expand", params={"url": "http://hl7.org/fhir/ValueSet/administrative-gender"})
    assert _codes(answer.json()) == ["male", "female", "other", "unknown"]


def test_a_change_is_seen_at_once(fruit: Any) -> None:
    url = "http://tests.example/ValueSet/changing"
    value_set = {**SET, "id": "changing", "url": url}
    for codes in (["plum"], ["plum", "lime"]):
        value_set["compose"] = {"include": [{"system": SYSTEM, "concept": [{"code": code} for code in codes]}]}
        fruit.put("/ValueSet/changing", value_set)
        assert _codes(fruit.get("/ValueSet/$expand", params={"url": url}).json()) == codes
    fruit.send("DELETE", "/ValueSet/changing")
    assert fruit.get("/ValueSet/$expand", params={"url": url}).status_code == 404


@pytest.mark.parametrize(("code", "result"), [("lime", True), ("plum", False), ("nothing", False)])
def test_a_code_is_validated(fruit: Any, code: str, result: bool) -> None:
    by_get = fruit.get("/ValueSet/$validate-code", params={"url": VALUE_SET, "system": SYSTEM, "code": code})
    assert _values(by_get.json())["result"] is result
    coding = {"name": "coding", "valueCoding": {"system": SYSTEM, "code": code}}
    by_post = fruit.post("/ValueSet/citrus/$validate-code", {"resourceType": "Parameters", "parameter": [coding]})
    assert _values(by_post.json())["result"] is result


def test_a_concept_is_looked_up(fruit: Any) -> None:
    answer = fruit.get("/CodeSystem/$lookup", params={"system": SYSTEM, "code": "lime", "property": "parent"})
    values = _values(answer.json())
    assert (values["display"], values["name"], values["version"]) == ("Lime", "Fruit", "1.0.0")
    parts = [row["part"] for row in answer.json()["parameter"] if row["name"] == "property"]
    assert [{"name": "code", "valueCode": "parent"}, {"name": "value", "valueCode": "citrus"}] in [p[:2] for p in parts]


@pytest.mark.parametrize(
    ("one", "other", "outcome"),
    [
        ("citrus", "lime", "subsumes"),
        ("lime", "citrus", "subsumed-by"),
        ("lime", "lime", "equivalent"),
        ("lime", "plum", "not-subsumed"),
    ],
)
def test_codes_are_related(fruit: Any, one: str, other: str, outcome: str) -> None:
    answer = fruit.get("/CodeSystem/$subsumes", params={"system": SYSTEM, "codeA": one, "codeB": other})
    assert _values(answer.json()) == {"outcome": outcome}


def test_a_code_is_translated(fruit: Any) -> None:
    answer = fruit.get("/ConceptMap/$translate", params={"system": SYSTEM, "code": "lime", "url": MAP["url"]}).json()
    (match,) = (row["part"] for row in answer["parameter"] if row["name"] == "match")
    assert {"name": "equivalence", "valueCode": "wider"} in match
    assert {"name": "source", "valueUri": MAP["url"]} in match
    assert fruit.get("/ConceptMap/colours/$translate", params={"system": SYSTEM, "code": "plum"}).json()["parameter"][
        0
    ] == {"name": "result", "valueBoolean": False}


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/ValueSet/$expand", {}, 400),
        ("/ValueSet/$expand", {"url": "http://tests.example/none"}, 404),
        ("/ValueSet/$expand", {"url": VALUE_SET, "count": "-1"}, 400),
        ("/ValueSet/$expand", {"url": VALUE_SET, "displayLanguage": "-"}, 422),
        ("/ValueSet/nothing/$expand", {}, 404),
        ("/ValueSet/$validate-code", {"url": VALUE_SET}, 400),
        ("/CodeSystem/$lookup", {"system": SYSTEM}, 400),
        ("/CodeSystem/$lookup", {"system": SYSTEM, "code": "nothing"}, 404),
        ("/CodeSystem/$lookup", {"system": "http://tests.example/none", "code": "x"}, 404),
        ("/CodeSystem/$subsumes", {"system": SYSTEM, "codeA": "lime"}, 400),
        ("/ConceptMap/$translate", {"system": SYSTEM}, 400),
        ("/ConceptMap/$translate", {"url": "http://tests.example/none", "code": "x"}, 404),
    ],
)
def test_what_cannot_be_answered_is_refused(fruit: Any, path: str, params: dict[str, str], status: int) -> None:
    answer = fruit.get(path, params=params)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), answer.text


def test_an_outsider_may_not_ask(fruit: Any) -> None:
    assert fruit.get("/ValueSet/$expand", "outsider", params={"url": VALUE_SET}).status_code == 403


def test_answers_are_valid_r4(fruit: Any) -> None:

    expanded = fruit.get(
        "/ValueSet/$expand", params={"url": "http://terminology.hl7.org/ValueSet/v3-ActMood", "count": "50"}
    )
    looked_up = fruit.get("/CodeSystem/$lookup", params={"system": SYSTEM, "code": "lime", "property": "*"})
    refused = fruit.get("/ValueSet/$expand", params={"url": "http://tests.example/none"})
    for answer in (expanded, looked_up, refused):
        resource, problems = check(answer.content)
        assert (resource is not None, problems) == (True, []), answer.text[:500]


def _closure(fruit: Any, name: str, codes: tuple[str, ...] = (), version: str = "", who: str = "system") -> Any:
    rows: list[dict[str, Any]] = [{"name": "name", "valueString": name}]
    rows += [{"name": "concept", "valueCoding": {"system": SYSTEM, "code": code}} for code in codes]
    rows += [{"name": "version", "valueString": version}] if version else []
    return fruit.post("/$closure", {"resourceType": "Parameters", "parameter": rows}, who)


def _pairs(answer: Any) -> set[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    elements = [element for group in answer.json().get("group", ()) for element in group["element"]]
    return {(element["code"], target["code"]) for element in elements for target in element["target"]}


def test_a_closure_table_grows_by_what_is_sent(fruit: Any) -> None:
    assert _closure(fruit, "mine", ("lime",)).status_code == 404
    assert _pairs(_closure(fruit, "mine")) == set()
    assert _pairs(_closure(fruit, "mine", ("lime", "plum"))) == set()
    assert _pairs(_closure(fruit, "mine", ("citrus",))) == {("lime", "citrus")}
    assert _pairs(_closure(fruit, "mine", ("orange", "lime"))) == {("orange", "citrus")}
    assert _pairs(_closure(fruit, "mine", version="1")) == {("lime", "citrus"), ("orange", "citrus")}
    assert _pairs(_closure(fruit, "mine", version="2")) == {("orange", "citrus")}
    assert _closure(fruit, "mine", version="x").status_code == 400


def test_a_closure_table_is_its_owner_s(fruit: Any) -> None:
    _closure(fruit, "own")
    assert _closure(fruit, "own", ("lime",), who="doctor").status_code == 404


def test_the_code_systems_are_listed(fruit: Any) -> None:
    answer = fruit.get("/metadata", params={"mode": "terminology"})
    _, problems = check(answer.content)
    assert (answer.status_code, [p for p in problems if p.severity == "error"]) == (200, [])
    listed = {row["uri"]: row.get("version") for row in answer.json()["codeSystem"]}
    assert listed[SYSTEM] == [{"code": "1.0.0"}]
    assert "http://unitsofmeasure.org" in listed


def test_what_is_quoted_is_text_that_fhir_allows(fhir: Any) -> None:
    answer = fhir.get("/CodeSystem/$lookup?system=urn:nobody%00x&code=%00")
    assert answer.status_code == 404
    assert "\0" not in json.loads(answer.content)["issue"][0]["details"]["text"]


def test_subsumes_on_a_stored_code_system(fruit: Any) -> None:
    answer = fruit.get("/CodeSystem/fruit/$subsumes", params={"codeA": "citrus", "codeB": "lime"})
    assert answer.json()["parameter"] == [{"name": "outcome", "valueCode": "subsumes"}]
    said = {"system": "http://x", "codeA": "citrus", "codeB": "lime"}
    other = fruit.get("/CodeSystem/fruit/$subsumes", params=said)
    assert other.status_code == 400
    assert fruit.get("/CodeSystem/nothing/$subsumes?codeA=a&codeB=b").status_code == 404


def test_expands_what_is_bound_to_an_element(fruit: Any) -> None:
    profile = {
        "resourceType": "StructureDefinition",
        "url": "http://tests.example/StructureDefinition/fruit",
        "name": "Fruit",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Observation",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
        "derivation": "constraint",
        "differential": {
            "element": [
                {"id": "Observation", "path": "Observation"},
                {
                    "id": "Observation.code",
                    "path": "Observation.code",
                    "binding": {"strength": "required", "valueSet": VALUE_SET},
                },
            ]
        },
    }
    assert fruit.post("/StructureDefinition", profile).status_code == 201

    def codes(context: str, **more: str) -> Any:
        answer = fruit.get("/ValueSet/$expand", params={"context": context, **more})
        assert answer.status_code == 200, answer.text
        return {one["code"] for one in answer.json()["expansion"]["contains"]}

    assert codes(f"{profile['url']}#Observation.code") == {"orange", "lime"}
    assert codes(f"{profile['url']}#Observation.code", filter="ora") == {"orange"}
    core = "http://hl7.org/fhir/StructureDefinition/"
    assert codes(f"{core}Observation#Observation.status") >= {"final", "amended", "entered-in-error"}
    assert codes(f"{core}Patient#Patient.contact.gender") == {"male", "female", "other", "unknown"}
    said = {"context": f"{core}Observation#Observation.status", "system": SYSTEM, "code": "lime"}
    assert _values(fruit.get("/ValueSet/$validate-code", params=said).json())["result"] is False
    for unknown in ("http://nowhere#Observation.code", f"{core}Observation#Observation.nothing", f"{core}Observation"):
        assert fruit.get("/ValueSet/$expand", params={"context": unknown}).status_code == 404


def test_finds_the_concepts_that_have_properties(fruit: Any) -> None:
    system = {
        "resourceType": "CodeSystem",
        "id": "colour",
        "url": "http://tests.example/CodeSystem/colour",
        "status": "active",
        "content": "complete",
        "property": [{"code": "hue", "type": "code"}, {"code": "dark", "type": "boolean"}],
        "concept": [
            {"code": code, "property": [{"code": "hue", "valueCode": hue}, {"code": "dark", "valueBoolean": dark}]}
            for code, hue, dark in (("navy", "blue", True), ("sky", "blue", False), ("wine", "red", True))
        ],
    }
    assert fruit.put("/CodeSystem/colour", system).status_code == 201
    blue = [{"name": "code", "valueCode": "hue"}, {"name": "value", "valueCode": "blue"}]
    dark = [{"name": "code", "valueCode": "dark"}, {"name": "value", "valueBoolean": True}]

    def find(path: str, *properties: list[dict[str, Any]], **more: Any) -> Any:
        rows = [{"name": "property", "part": part} for part in properties]
        plain = [{"name": name.rstrip("_"), **value} for name, value in more.items()]
        return fruit.post(path, {"resourceType": "Parameters", "parameter": [*rows, *plain]})

    def codes(answer: Any) -> list[tuple[str, list[str]]]:
        assert answer.status_code == 200, answer.text
        assert [p for p in check(answer.content)[1] if p.severity == "error"] == []
        return [
            (
                next(p["valueCoding"]["code"] for p in row["part"] if p["name"] == "code"),
                [p["part"][0]["valueCode"] for p in row["part"] if p["name"] == "unmatched"],
            )
            for row in answer.json().get("parameter", [])
        ]

    exact, some = {"valueBoolean": True}, {"valueBoolean": False}
    path = "/CodeSystem/colour/$find-matches"
    assert codes(find(path, blue, dark, exact=exact)) == [("navy", [])]
    assert codes(find(path, blue, dark, exact=some)) == [("navy", []), ("sky", ["dark"]), ("wine", ["hue"])]
    by_type = find("/CodeSystem/$find-matches", blue, exact=exact, system={"valueUri": system["url"]})
    assert codes(by_type) == [("navy", []), ("sky", [])]
    below = [{"name": "code", "valueCode": "parent"}, {"name": "value", "valueCode": "citrus"}]
    assert codes(find("/CodeSystem/fruit/$find-matches", below, exact=exact)) == [("orange", []), ("lime", [])]
    red = [{"name": "code", "valueCode": "hue"}, {"name": "value", "valueCode": "green"}]
    assert codes(find(path, red, exact=exact)) == []
    assert find(path, exact=exact).status_code == 400
    assert find(path, blue).status_code == 400
    assert find(path, blue, exact=exact, compositional=exact).status_code == 422
    ucum = {"valueUri": "http://unitsofmeasure.org"}
    assert find("/CodeSystem/$find-matches", blue, exact=exact, system=ucum).status_code == 422
    assert find("/CodeSystem/$find-matches", blue, exact=exact, system={"valueUri": "http://no"}).status_code == 404
