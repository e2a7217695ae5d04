"""SearchParameters that users store: checked, indexed beside the running door, found by, and taken away again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tuetinh.record.asker import Asker
from tuetinh.record.search import evaluated, params, reindex
from tuetinh.record.search import index as search_index
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import arun

pytestmark = pytest.mark.django_db

RELIGION = "http://example.org/fhir/StructureDefinition/religion"
VISITS = "http://example.org/fhir/StructureDefinition/visits"
SYSTEM = "http://example.org/religions"


def parameter(code: str, expression: str = "", type_: str = "token", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": f"sp-{code}",
        "url": f"http://example.org/fhir/SearchParameter/{code}",
        "name": code.replace("-", ""),
        "status": "active",
        "description": code,
        "code": code,
        "base": ["Patient"],
        "type": type_,
        "expression": expression or f"Patient.extension('{RELIGION}').value",
    } | more


def person(id_: str, *extensions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return (
        {"resourceType": "Patient", "id": id_, "active": True}
        | ({"extension": [*extensions]} if extensions else {})
        | more
    )


def religion(code: str) -> dict[str, Any]:
    return {"url": RELIGION, "valueCoding": {"system": SYSTEM, "code": code}}


@pytest.fixture
def index(fhir: Any) -> Any:
    """Do the work of the worker: all of it, or a number of pieces."""

    async def work(pieces: int) -> int:
        done = 0
        async with fhir.door.pool.connection() as conn:
            while done < pieces:
                async with conn.transaction():
                    if not await arun(reindex.advance(), conn):
                        break
                done += 1
        return done

    return lambda pieces=1000: fhir.run(work(pieces))


@pytest.fixture(autouse=True)
def _none_left(fhir: Any, index: Any, ask: Any) -> Any:
    yield
    for type_ in ("SearchParameter", "Patient"):  # a composite goes before its parts
        found = ask(f'SELECT id FROM record."{type_}" WHERE NOT deleted ORDER BY key DESC')
        gone = [{"request": {"method": "DELETE", "url": f"{type_}/{id_}"}} for (id_,) in found]
        assert fhir.post("/", {"resourceType": "Bundle", "type": "transaction", "entry": gone}).status_code == 200
    index()


def store(fhir: Any, *resources: dict[str, Any]) -> None:
    for resource in resources:
        answer = fhir.put(f"/{resource['resourceType']}/{resource['id']}", resource)
        assert answer.status_code in (200, 201), answer.text


def ids(answer: Any) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {entry["resource"]["id"] for entry in answer.json().get("entry", ())}


def issue(answer: Any, status: int) -> tuple[str, str]:
    assert answer.status_code == status, answer.text
    (one,) = answer.json()["issue"]
    return one["code"], one.get("expression", [""])[0]


def test_whether_something_is_there_is_told_of_every_resource(fhir: Any, index: Any) -> None:
    store(fhir, person("one") | {"multipleBirthBoolean": False}, person("none"))
    store(fhir, parameter("twin", expression="Patient.multipleBirth.exists()"))
    index()
    store(fhir, person("later"), person("two") | {"multipleBirthInteger": 2})
    assert ids(fhir.get("/Patient?twin=true")) == {"one", "two"}
    assert ids(fhir.get("/Patient?twin=false")) == {"none", "later"}
    found = fhir.get("/Patient?_sort=-twin,_id").json()["entry"]
    assert [entry["resource"]["id"] for entry in found] == ["one", "two", "later", "none"]


def test_definitions_of_the_server_are_found_and_sorted_by_them_too(fhir: Any, index: Any) -> None:
    about = {"base": ["CompartmentDefinition"]}
    store(fhir, parameter("words", "CompartmentDefinition.name", "string", **about))
    store(fhir, parameter("whose", "CompartmentDefinition.code", **about))
    index()
    assert ids(fhir.get("/CompartmentDefinition?whose=Patient")) == {"patient"}
    for code in ("whose", "words"):
        for sign in ("", "-"):
            found = fhir.get(f"/CompartmentDefinition?_sort={sign}{code}").json()["entry"]
            told = [entry["resource"]["id"] for entry in found]
            assert told == sorted(told, reverse=bool(sign))
            assert len(told) == 5


def test_what_was_stored_before_and_after_is_found(fhir: Any, index: Any) -> None:
    store(fhir, person("before", religion("x")), person("other", religion("y")), person("none"))
    store(fhir, parameter("religion"))
    store(fhir, person("between", religion("x")))
    assert issue(fhir.get("/Patient?religion=x"), 400) == ("incomplete", "religion")
    index()
    store(fhir, person("after", religion("x")))
    assert ids(fhir.get("/Patient?religion=x")) == {"before", "between", "after"}
    assert ids(fhir.get(f"/Patient?religion={SYSTEM}|y")) == {"other"}
    assert ids(fhir.get("/Patient?religion:missing=true&_id=before,none")) == {"none"}
    assert ids(fhir.get("/Patient?religion:not=x&_id=before,none,other")) == {"none", "other"}
    assert [e["resource"]["id"] for e in fhir.get("/Patient?_sort=-religion&_id=before,other").json()["entry"]] == [
        "other",
        "before",
    ]
    store(fhir, person("before", religion("y")))
    assert ids(fhir.get("/Patient?religion=x")) == {"between", "after"}
    fhir.send("DELETE", "/Patient/after")
    assert ids(fhir.get("/Patient?religion=x")) == {"between"}


@pytest.mark.parametrize(
    ("type_", "value", "matches", "differs"),
    [
        ("string", {"valueString": "Nguyễn Ánh"}, "nguyen", "tran"),
        ("date", {"valueDate": "2024-05-01"}, "ge2024-05", "lt2024-05"),
        ("number", {"valueInteger": 7}, "gt6", "8"),
        (
            "quantity",
            {"valueQuantity": {"value": 2, "system": "http://unitsofmeasure.org", "code": "g"}},
            "2000||mg",
            "3",
        ),
        ("uri", {"valueUri": "http://example.org/a/b"}, "http://example.org/a/b", "http://example.org/a"),
        ("reference", {"valueReference": {"reference": "Organization/o"}}, "Organization/o", "Organization/p"),
        ("token", {"valueBoolean": True}, "true", "false"),
        ("token", {"valueCode": "x"}, "x", "y"),
    ],
)
def test_every_type_is_indexed(
    fhir: Any, index: Any, type_: str, value: dict[str, Any], matches: str, differs: str
) -> None:
    store(fhir, person("old", {"url": VISITS} | value))
    store(fhir, parameter("visits", f"Patient.extension.where(url = '{VISITS}').value", type_))
    index()
    store(fhir, person("new", {"url": VISITS} | value), person("bare"))
    matches = matches.replace("2000||mg", "2000|http://unitsofmeasure.org|mg")
    assert ids(fhir.get(f"/Patient?visits={matches}")) == {"old", "new"}
    assert ids(fhir.get(f"/Patient?visits={differs}")) == set()
    assert ids(fhir.get("/Patient?visits:missing=true&_id=old,new,bare")) == {"bare"}


def test_chains_and_includes_follow_an_added_reference(fhir: Any, index: Any) -> None:
    expression = f"Patient.extension('{VISITS}').value.ofType(Reference)"
    store(fhir, parameter("home", expression, "reference", target=["Organization"]))
    index()
    store(fhir, {"resourceType": "Organization", "id": "o", "name": "Trạm"})
    store(fhir, person("one", {"url": VISITS, "valueReference": {"reference": "Organization/o"}}), person("two"))
    assert ids(fhir.get("/Patient?home.name=tram")) == {"one"}
    assert ids(fhir.get("/Patient?_id=one&_include=Patient:home")) == {"one", "o"}
    assert ids(fhir.get("/Organization?_has:Patient:home:_id=one")) == {"o"}
    assert ids(fhir.get("/Organization?_id=o&_revinclude=Patient:home")) == {"o", "one"}


NAMES = [{"use": "official", "family": "Lò", "given": ["Văn", "Cầu"]}, {"use": "old", "family": "Lù"}]
OLDER = {"birthDate": "1950-02-03", "gender": "male", "multipleBirthInteger": 2}
TELECOM = [{"system": "phone", "value": value, "use": use} for value, use in (("0912 345 678", "home"), ("1", "work"))]
STATION, DOCTOR = {"reference": "Organization/o"}, {"reference": "Practitioner/p"}
OTHERS = {"managingOrganization": STATION, "generalPractitioner": [DOCTOR]}


@pytest.mark.parametrize(
    ("type_", "expression", "matches", "differs"),
    [
        ("string", "Patient.name.where(use = 'official' and family.exists()).family", "lo", "lu"),
        ("string", "Patient.name.select(family + ' ' + given.first())", "lo van", "lo cau"),
        ("string", "Patient.name.family.first().lower() | Patient.contact.name.family", "lo", "lu"),
        ("string", "Patient.name.given.join('').lower()", "vancau", "cau"),
        ("token", "Patient.name.where(use = 'old').exists() and Patient.gender = 'male'", "true", "false"),
        ("token", "iif(Patient.gender = 'male', 'nam', 'nu')", "nam", "nu"),
        ("token", "Patient.telecom.where(system = 'phone' and use != 'work')", "0912345678", "1"),
        ("token", "Patient.extension.where(url.endsWith('religion')).value.ofType(Coding)", f"{SYSTEM}|x", "y"),
        ("number", "Patient.name.count()", "2", "3"),
        ("date", "Patient.birthDate.select($this)", "lt1951", "ge1951"),
        ("reference", "Patient.generalPractitioner.where(resolve() is Practitioner and reference.exists())", "p", "q"),
        ("quantity", "(Patient.multipleBirth.ofType(integer).toQuantity())", "2", "3"),
    ],
)
def test_whatever_follows_from_the_resource_can_be_searched(
    fhir: Any, index: Any, type_: str, expression: str, matches: str, differs: str
) -> None:
    """FHIRPath that is more than paths is evaluated: of what was there before, and of what comes."""
    some = [person(id_, religion("x"), name=NAMES, telecom=TELECOM, **OLDER, **OTHERS) for id_ in ("old", "new")]
    store(fhir, some[0])
    store(fhir, parameter("any", expression, type_))
    index()
    store(fhir, some[1], person("bare", gender="female", birthDate="2000", telecom=[{"system": "other", "value": "x"}]))
    assert ids(fhir.get(f"/Patient?any={matches}&_id=old,new")) == {"old", "new"}
    assert ids(fhir.get(f"/Patient?any={differs}&_id=old,new")) == set()
    store(fhir, person("old"))
    assert ids(fhir.get(f"/Patient?any={matches}&_id=old")) == set()


def test_what_is_evaluated_is_found_and_included_but_not_followed(fhir: Any, index: Any) -> None:
    """A person of whom the expression gives no answer, as it takes one value, is stored, and not found by it."""
    store(fhir, {"resourceType": "Organization", "id": "o", "name": "Trạm"})
    store(fhir, parameter("near", "Patient.managingOrganization.where(reference.length() > 3)", "reference"))
    store(fhir, parameter("last", "Patient.name.family.upper()", "string"), parameter("kind", "Patient.gender & 'x'"))
    index()
    store(fhir, person("one", name=NAMES[:1], **OTHERS), person("two", name=NAMES))
    assert ids(fhir.get("/Patient?near=Organization/o")) == {"one"}
    assert ids(fhir.get("/Patient?_id=one&_include=Patient:near")) == {"one", "o"}
    assert ids(fhir.get("/Organization?_id=o&_revinclude=Patient:near")) == {"one", "o"}
    assert ids(fhir.get("/Patient?last=lo")) == {"one"}
    assert [e["resource"]["id"] for e in fhir.get("/Patient?_sort=last&_id=one,two").json()["entry"]] == ["one", "two"]
    for refused in ("/Patient?near.name=tram", "/Patient?_sort=kind", "/Organization?_has:Patient:near:_id=one"):
        assert issue(fhir.get(refused), 400)[0] == "not-supported"


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """For each time that an expression is evaluated, whether on the event loop."""
    found: list[bool] = []

    def watched(resource: Any, expression: str) -> Any:
        found.append(asyncio._get_running_loop() is not None)
        return evaluate(resource, expression)

    evaluate = evaluated.values
    monkeypatch.setattr(evaluated, "values", watched)
    monkeypatch.setattr(search_index, "values", watched)
    search_index._extractor.cache_clear()
    yield found
    search_index._extractor.cache_clear()


def test_expressions_are_evaluated_once_and_beside_the_event_loop(fhir: Any, index: Any, loops: list[bool]) -> None:
    """Of what is written by `PUT`, `POST` and a Bundle, and of what includes are followed from."""
    store(fhir, parameter("near", "Patient.managingOrganization.where(reference.length() > 3)", "reference"))
    index()
    store(fhir, {"resourceType": "Organization", "id": "o", "name": "Trạm"})  # by which the parameter is known
    loops.clear()
    store(fhir, person("one", **OTHERS))
    store(fhir, person("one", active=False, **OTHERS))
    made = fhir.post("/Patient", {"resourceType": "Patient", **OTHERS}).json()["id"]
    entry = {"resource": {"resourceType": "Patient", **OTHERS}, "request": {"method": "POST", "url": "Patient"}}
    assert fhir.post("/", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).status_code == 200
    assert loops == [False] * 4
    assert ids(fhir.get(f"/Patient?_id={made}&_include=Patient:near")) == {made, "o"}
    assert loops == [False] * 5


def test_scopes_with_a_query_evaluate_nothing(fhir: Any, index: Any, askers: Any, loops: list[bool]) -> None:
    store(fhir, parameter("near", "Patient.managingOrganization.where(reference.length() > 3)", "reference"))
    index()
    store(fhir, person("one"), person("two", active=False))
    loops.clear()
    askers["some"] = Asker("73", "system", scopes=frozenset({"system/Patient.rs?active=true"}), sight=EVERYTHING)
    assert (fhir.get("/Patient/one", "some").status_code, fhir.get("/Patient/two", "some").status_code) == (200, 404)
    assert ids(fhir.get("/Patient", "some")) == {"one"}
    assert loops == []


def test_a_composite_of_added_parameters(fhir: Any, index: Any) -> None:
    store(fhir, parameter("religion"), parameter("visits", f"Patient.extension('{VISITS}').value", "number"))
    both = parameter("religion-visits", "Patient", "composite")
    both["component"] = [
        {"definition": parameter("religion")["url"], "expression": f"extension('{RELIGION}').value"},
        {"definition": parameter("visits")["url"], "expression": f"extension('{VISITS}').value"},
    ]
    store(fhir, both)
    index()
    store(fhir, person("one", religion("x"), {"url": VISITS, "valueInteger": 3}), person("two", religion("x")))
    assert ids(fhir.get("/Patient?religion-visits=x$ge3")) == {"one"}
    assert ids(fhir.get("/Patient?religion-visits=y$ge3")) == set()
    assert issue(fhir.send("DELETE", "/SearchParameter/sp-visits"), 422) == ("business-rule", "SearchParameter")
    assert ids(fhir.get("/Patient?religion-visits=x$3")) == {"one"}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"expression": "Patient.name.("}, "SearchParameter.expression"),
        ({"expression": "Patient.nothing"}, "SearchParameter.expression"),
        ({"expression": "Patient.name.select(given + other)"}, "SearchParameter.expression"),
        ({"expression": "Patient.name.exists()", "type": "string"}, "SearchParameter.type"),
        ({"expression": "Patient.name.family.lower()", "type": "date"}, "SearchParameter.type"),
        ({"expression": "Patient.name.family.lowest()"}, "SearchParameter.expression"),
        ({"expression": "Patient.birthDate > today() - 18 years"}, "SearchParameter.expression"),
        ({"expression": "Patient.managingOrganization.resolve().name", "type": "string"}, "SearchParameter.expression"),
        ({"expression": "Patient.gender.memberOf('http://x.vn')"}, "SearchParameter.expression"),
        ({"expression": "Patient.name.where(family = %unknown)"}, "SearchParameter.expression"),
        ({"expression": "Patient.telecom.where(nothing = 'x').value"}, "SearchParameter.expression"),
        ({"expression": "Observation.code"}, "SearchParameter.expression"),
        ({"expression": "Patient.birthDate"}, "SearchParameter.type"),
        ({"expression": None}, "SearchParameter.expression"),
        ({"base": ["Patients"]}, "SearchParameter.base[0]"),
        ({"code": "name", "type": "string", "expression": "Patient.name"}, "SearchParameter.code"),
        ({"code": "_count"}, "SearchParameter.code"),
        ({"code": "a.b"}, "SearchParameter.code"),
        ({"type": "special"}, "SearchParameter.type"),
        ({"type": "composite", "expression": "Patient"}, "SearchParameter.component"),
    ],
)
def test_what_cannot_be_indexed_is_refused_by_its_place(
    fhir: Any, ask: Any, changes: dict[str, Any], place: str
) -> None:
    before = ask("SELECT count(*) FROM record.feed")
    wrong = {name: value for name, value in (parameter("wrong") | changes).items() if value is not None}
    answer = fhir.put("/SearchParameter/sp-wrong", wrong)
    assert answer.status_code in (400, 422), answer.text
    assert place in [e for one in answer.json()["issue"] for e in one.get("expression", [])], answer.text
    assert ask("SELECT count(*) FROM record.feed") == before
    assert ask("SELECT count(*) FROM record.search_parameter WHERE state <> 'leaving'") == [(0,)]


def test_official_parameters_may_be_stored_and_go_on_answering(fhir: Any, ask: Any) -> None:
    official = parameter("name", "Patient.name", "string", url="http://hl7.org/fhir/SearchParameter/Patient-name")
    derived = parameter(
        "name", "Patient.name", "string", derivedFrom="http://hl7.org/fhir/SearchParameter/Patient-name"
    )
    store(fhir, official, derived | {"id": "derived"})
    store(fhir, person("named", name=[{"family": "Lò"}]))
    assert ids(fhir.get("/Patient?name=lo")) == {"named"}
    assert ask("SELECT count(*) FROM record.search_parameter WHERE state <> 'leaving'") == [(0,)]


def test_a_code_is_taken_once(fhir: Any) -> None:
    store(fhir, parameter("religion"))
    other = parameter("religion", url="http://example.org/another") | {"id": "another"}
    assert issue(fhir.put("/SearchParameter/another", other), 409) == ("conflict", "SearchParameter.code")
    assert fhir.get("/SearchParameter/another").status_code == 404
    elsewhere = other | {"base": ["Practitioner"], "expression": f"Practitioner.extension('{RELIGION}').value"}
    store(fhir, elsewhere)


@pytest.mark.parametrize("way", ["retired", "draft", "deleted"])
def test_a_parameter_that_goes_answers_no_more(fhir: Any, index: Any, ask: Any, way: str) -> None:
    store(fhir, person("one", religion("x")), parameter("religion", type_="string"), person("two", religion("x")))
    fhir.send("DELETE", "/Patient/two")
    store(fhir, person("one", {"url": RELIGION, "valueString": "x"}))
    index()
    entries = "SELECT count(*) FROM record.\"Patient_string\" WHERE param LIKE 'religion@%%'"
    assert (ids(fhir.get("/Patient?religion=x")), ask(entries)) == ({"one"}, [(1,)])
    if way == "deleted":
        fhir.send("DELETE", "/SearchParameter/sp-religion")
    else:
        store(fhir, parameter("religion", type_="string", status=way))
    assert issue(fhir.get("/Patient?religion=x"), 400) == ("not-supported", "religion")
    index()
    assert ask(entries) == [(0,)]
    store(fhir, parameter("religion", type_="string"))
    index()
    assert ids(fhir.get("/Patient?religion=x")) == {"one"}


def test_another_definition_never_meets_the_entries_of_the_first(fhir: Any, index: Any) -> None:
    store(fhir, person("one", religion("x")), parameter("religion"))
    index()
    store(fhir, parameter("religion", f"Patient.extension('{VISITS}').value"))
    assert issue(fhir.get("/Patient?religion=x"), 400) == ("incomplete", "religion")
    index()
    assert ids(fhir.get("/Patient?religion=x")) == set()
    store(fhir, parameter("religion", f"Patient.extension('{VISITS}').value", description="the same"))
    assert ids(fhir.get("/Patient?religion=x")) == set()  # and not refused: nothing has to be indexed


def test_all_types_of_an_abstract_base(fhir: Any, index: Any) -> None:
    mark = "http://example.org/mark"
    store(
        fhir,
        {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "extension": [{"url": mark, "valueCode": "m"}]},
    )
    store(fhir, parameter("mark", f"DomainResource.extension('{mark}').value", base=["DomainResource"]))
    index()
    store(fhir, person("one", {"url": mark, "valueCode": "m"}))
    assert ids(fhir.get("/Basic?mark=m")) == {"b"}
    assert ids(fhir.get("/Patient?mark=m")) == {"one"}
    assert fhir.get("/Binary?mark=m").status_code == 400


def test_work_goes_on_where_it_stopped(fhir: Any, index: Any, ask: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(reindex, "BATCH", 2)
    store(fhir, *(person(f"p{n}", religion("x")) for n in range(5)))
    store(fhir, parameter("religion"))
    assert index(2) == 2
    assert ask("SELECT done FROM record.search_parameter WHERE state = 'indexing'") == [(4,)]
    status = fhir.get("/SearchParameter/sp-religion/$reindex-status").json()["parameter"][0]["part"]
    told = {part["name"]: next(v for k, v in part.items() if k != "name") for part in status}
    assert (told["status"], told["done"], told["type"], told["code"]) == ("in-progress", 4, "Patient", "religion")
    store(fhir, person("p0", religion("y")))  # behind the place that is reached
    index()
    assert ids(fhir.get("/Patient?religion=x&_id=p0,p1,p2,p3,p4")) == {"p1", "p2", "p3", "p4"}
    assert ids(fhir.get("/Patient?religion=y&_id=p0")) == {"p0"}


def test_parameters_that_come_together_are_made_in_one_pass(fhir: Any, index: Any) -> None:
    store(fhir, person("one", religion("x"), {"url": VISITS, "valueInteger": 3}))
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"SearchParameter/{one['id']}"}}
        for one in (parameter("religion"), parameter("visits", f"Patient.extension('{VISITS}').value", "number"))
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    index()
    assert fhir.post("/", bundle).status_code == 200
    assert index() == 2  # one batch for both, and its end
    assert ids(fhir.get("/Patient?religion=x&visits=3")) == {"one"}


def test_a_transaction_that_is_undone_leaves_no_parameter(fhir: Any, ask: Any) -> None:
    request = {"method": "PUT", "url": "SearchParameter/sp-religion"}
    wrong = {"resource": person("one"), "request": {"method": "PUT", "url": "Patient/one", "ifMatch": 'W/"99"'}}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": parameter("religion"), "request": request}, wrong],
    }
    assert fhir.post("/", bundle).status_code == 412
    assert ask("SELECT count(*) FROM record.search_parameter WHERE state <> 'leaving'") == [(0,)]
    store(fhir, person("one", religion("x")))
    assert issue(fhir.get("/Patient?religion=x"), 400) == ("not-supported", "religion")


def test_a_process_that_has_not_heard_writes_and_reads_rightly(fhir: Any, index: Any) -> None:
    before = params.added()
    store(fhir, parameter("religion"))
    index()
    assert ids(fhir.get("/Patient?religion=x")) == set()
    after = params.added()
    for known in (before, params.Added(-1, {})):
        params.keep_added(known)
        store(fhir, person("one", religion("x")))
        assert ids(fhir.get("/Patient?religion=x")) == {"one"}
        params.keep_added(known)
        assert ids(fhir.get("/Patient?religion=x")) == {"one"}
        fhir.send("DELETE", "/Patient/one")
    assert params.added().generation == after.generation
    fhir.send("DELETE", "/SearchParameter/sp-religion")
    params.keep_added(after)
    store(fhir, person("one", religion("x")))
    params.keep_added(after)
    assert issue(fhir.get("/Patient?religion=x"), 400) == ("not-supported", "religion")


def test_the_statement_lists_it(fhir: Any, index: Any) -> None:
    def listed() -> list[dict[str, Any]]:
        rest = fhir.get("/metadata").json()["rest"][0]["resource"]
        patient = next(r for r in rest if r["type"] == "Patient")
        return [p for p in patient["searchParam"] if p["name"] == "religion"]

    assert listed() == []
    store(fhir, parameter("religion"))
    assert "Refused until" in listed()[0]["documentation"]
    index()
    assert listed()[0]["definition"] == "http://example.org/fhir/SearchParameter/religion"
    assert "Refused until" not in listed()[0]["documentation"]
    fhir.send("DELETE", "/SearchParameter/sp-religion")
    assert listed() == []


def test_entries_are_made_anew(fhir: Any, index: Any, ask: Any) -> None:
    store(fhir, person("one", name=[{"family": "Lò"}]), person("two", name=[{"family": "Lò"}]))
    ask('DELETE FROM record."Patient_string" RETURNING 1')
    assert ids(fhir.get("/Patient?name=lo&_id=one,two")) == set()
    assert fhir.post("/Patient/one/$reindex", None).json()["parameter"] == [{"name": "count", "valueInteger": 1}]
    assert ids(fhir.get("/Patient?name=lo&_id=one,two")) == {"one"}
    answer = fhir.post("/Patient/$reindex", None)
    assert answer.status_code == 202
    assert fhir.post("/Patient/$reindex", None).status_code == 202
    assert ask("SELECT count(*) FROM record.reindexing WHERE ended IS NULL") == [(1,)]
    index()
    assert ids(fhir.get("/Patient?name=lo&_id=one,two")) == {"one", "two"}
    work = fhir.get("/Patient/$reindex-status").json()["parameter"][0]["part"]
    assert {"name": "status", "valueCode": "completed"} in work


@pytest.mark.parametrize("who", ["doctor", "reader", "outsider", "citizen"])
def test_only_administrators_reindex(fhir: Any, ask: Any, who: str) -> None:
    before = ask("SELECT count(*) FROM record.reindexing")
    for path in ("/$reindex", "/Patient/$reindex", "/Patient/one/$reindex"):
        assert fhir.post(path, None, who).status_code == 403
    assert fhir.get("/$reindex-status", who).status_code == 403
    assert ask("SELECT count(*) FROM record.reindexing") == before


def test_only_administrators_put_a_parameter_to_use(fhir: Any, ask: Any) -> None:
    store(fhir, parameter("religion"))
    known = "SELECT count(*) FROM record.search_parameter WHERE state <> 'leaving'"
    before = ask("SELECT count(*) FROM record.feed"), ask(known)
    mine = parameter("faith", url="http://example.org/faith") | {"id": "sp-faith"}
    for refused in (
        fhir.put("/SearchParameter/sp-faith", mine, "doctor"),
        fhir.put("/SearchParameter/sp-religion", parameter("religion", status="draft"), "doctor"),
        fhir.put("/SearchParameter/sp-religion", parameter("religion", description="x"), "doctor"),
        fhir.send("DELETE", "/SearchParameter/sp-religion", "doctor"),
        fhir.post("/", {"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": mine, "request": {"method": "PUT", "url": "SearchParameter/sp-faith"}}]}, "doctor"),
    ):  # fmt: skip
        assert issue(refused, 403)[0] == "forbidden"
    assert (ask("SELECT count(*) FROM record.feed"), ask(known)) == before
    assert fhir.put("/SearchParameter/sp-faith", mine | {"status": "draft"}, "doctor").status_code == 201
    assert fhir.put("/SearchParameter/sp-faith", mine, "doctor").status_code == 403
    assert fhir.put("/SearchParameter/sp-faith", mine).status_code == 200
    assert ask(known) == [(2,)]
