"""`$viewdefinition-run` and `$sqlquery-run`: formats, limits, whose rows, and every way to be refused."""

from __future__ import annotations

import base64
import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.parquet as pq
import pytest

from tuetinh.record.views import answer as answer_of_queries
from tuetinh.record.views import source

pytestmark = pytest.mark.django_db
RUNS = "SELECT count(*) FROM record.audit WHERE action LIKE '$%%-run' AND patient = %s"

PEOPLE = [
    {"resourceType": "Patient", "gender": "female", "name": [{"family": "Nguyễn", "given": ["Thị", "Hoa"]}]},
    {"resourceType": "Patient", "gender": "male", "name": [{"family": "Trần"}, {"family": "Lê"}], "active": True},
    {"resourceType": "Patient", "gender": "male"},
]
VIEW: dict[str, Any] = {
    "resourceType": "ViewDefinition",
    "name": "people",
    "resource": "Patient",
    "select": [
        {
            "column": [
                {"name": "key", "path": "getResourceKey()", "type": "string"},
                {"name": "gender", "path": "gender", "type": "code"},
                {"name": "active", "path": "active", "type": "boolean"},
            ]
        },
        {"forEachOrNull": "name", "column": [{"name": "family", "path": "family", "type": "string"}]},
    ],
}


@pytest.fixture
def people(fhir: Any) -> list[str]:
    return [f"Patient/{fhir.post('/Patient', person).json()['id']}" for person in PEOPLE]


def given(**values: Any) -> dict[str, Any]:
    parameters = [
        {"name": name.removesuffix("_"), ("resource" if isinstance(value, dict) else _typed(value)): value}
        for name, value in values.items()
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def _typed(value: Any) -> str:
    return {bool: "valueBoolean", int: "valueInteger"}.get(type(value), "valueCode")


def issue(answer: Any) -> str:
    assert answer.json()["resourceType"] == "OperationOutcome", answer.text
    return answer.json()["issue"][0]["diagnostics"]


def rows(fhir: Any, view: dict[str, Any], who: str = "system", **values: Any) -> list[dict[str, Any]]:
    answer = fhir.post("/$viewdefinition-run", given(viewResource=view, **values), who)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def of(found: list[dict[str, Any]], keys: list[str]) -> list[dict[str, Any]]:
    return [row | {"key": keys.index(row["key"])} for row in found if row["key"] in keys]


WANTED = [
    {"key": 0, "gender": "female", "active": None, "family": "Nguyễn"},
    {"key": 1, "gender": "male", "active": True, "family": "Trần"},
    {"key": 1, "gender": "male", "active": True, "family": "Lê"},
    {"key": 2, "gender": "male", "active": None, "family": None},
]


def test_rows_of_the_record_as_ndjson(fhir: Any, people: list[str]) -> None:
    assert of(rows(fhir, VIEW), people) == WANTED


def test_a_view_that_postgresql_cannot_run_gives_the_same_kind_of_rows(fhir: Any, people: list[str]) -> None:
    view = VIEW | {"select": [*VIEW["select"], {"column": [{"name": "low", "path": "meta.lastUpdated < now()"}]}]}
    assert of(rows(fhir, view), people) == [row | {"low": True} for row in WANTED]


def test_csv_with_and_without_header(fhir: Any, people: list[str]) -> None:
    answer = fhir.post("/$viewdefinition-run?_format=csv", given(viewResource=VIEW))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    table = list(csv.reader(io.StringIO(answer.text)))
    assert table[0] == ["key", "gender", "active", "family"]
    assert [people[1], "male", "true", "Trần"] in table
    bare = fhir.post("/$viewdefinition-run?_format=csv", given(viewResource=VIEW, header=False))
    assert bare.text == answer.text.partition("\r\n")[2]


def test_parquet_by_the_accept_header(fhir: Any, people: list[str]) -> None:
    headers = {"accept": "application/vnd.apache.parquet"}
    answer = fhir.post("/$viewdefinition-run", given(viewResource=VIEW), headers=headers)
    assert answer.status_code == 200, answer.text
    table = pq.read_table(io.BytesIO(answer.content))
    assert [str(field.type) for field in table.schema] == ["string", "string", "bool", "string"]
    assert of(table.to_pylist(), people) == WANTED


@contextmanager
def of_many_names(fhir: Any, count: int) -> Iterator[dict[str, Any]]:
    """Two patients, and the view that gives for each of them every name beside every name."""
    names = [{"family": f"Nguyễn {n}"} for n in range(count)]
    ids = [fhir.post("/Patient", {"resourceType": "Patient", "name": names}).json()["id"] for _ in range(2)]
    columns = [{"forEach": "name", "column": [{"name": n, "path": "family"}]} for n in ("one", "other")]
    yield VIEW | {"select": columns, "where": [{"path": f"name.count() = {count}"}]}
    for id_ in ids:
        fhir.send("DELETE", f"/Patient/{id_}")


def test_more_rows_than_one_resource_may_give_come_of_two(fhir: Any) -> None:
    with of_many_names(fhir, 230) as view:
        answer = fhir.post("/$viewdefinition-run?_format=csv", given(viewResource=view, header=False))
    assert 230 * 230 < source._MOST_ROWS < answer.content.count(b"\n") == 2 * 230 * 230


def test_no_row_is_left_out_in_any_form(fhir: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_MOST_ROWS", 10_000)  # of one resource; both give more
    with of_many_names(fhir, 75) as view:
        in_all_forms(fhir, view, 2 * 75 * 75)


def in_all_forms(fhir: Any, view: dict[str, Any], count: int) -> None:
    for form in ("ndjson", "csv"):
        answer = fhir.post(f"/$viewdefinition-run?_format={form}", given(viewResource=view, header=False))
        assert len(answer.content.splitlines()) == count
    found = fhir.post("/$viewdefinition-run?_format=parquet", given(viewResource=view))
    assert pq.read_table(io.BytesIO(found.content)).num_rows == count
    query = library("SELECT one, other FROM people", "#view")
    query["contained"] = [binary(view) | {"id": "view"}]
    answer = fhir.post("/$sqlquery-run?_format=ndjson", given(queryResource=query))
    assert len(answer.content.splitlines()) == count, answer.text[:500]


def test_json_and_a_limit(fhir: Any, people: list[str]) -> None:
    answer = fhir.post("/$viewdefinition-run?_format=json&_limit=2", given(viewResource=VIEW))
    assert len(answer.json()) == 2
    assert fhir.post("/$viewdefinition-run?_limit=0", given(viewResource=VIEW)).status_code == 400


def test_resources_that_come_along_instead_of_the_record(fhir: Any) -> None:
    body = given(viewResource=VIEW)
    body["parameter"] += [{"name": "resource", "resource": person | {"id": "x"}} for person in PEOPLE[:2]]
    answer = fhir.post("/$viewdefinition-run?_format=json", body)
    assert [row["family"] for row in answer.json()] == ["Nguyễn", "Trần", "Lê"]


def test_a_citizen_has_rows_of_the_own_record_only(fhir: Any, people: list[str]) -> None:
    fhir.put("/Patient/citizen-of-the-cast", PEOPLE[0] | {"id": "citizen-of-the-cast"})
    assert [row["key"] for row in rows(fhir, VIEW, "citizen")] == ["Patient/citizen-of-the-cast"]


def test_one_patient_is_asked_for(fhir: Any, people: list[str]) -> None:
    answer = fhir.post(f"/$viewdefinition-run?patient={people[1]}&_format=json", given(viewResource=VIEW))
    assert {row["key"] for row in answer.json()} == {people[1]}


def test_members_of_a_group_are_asked_for(fhir: Any, people: list[str]) -> None:
    member = [{"entity": {"reference": people[2]}}]
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": member}
    id_ = fhir.post("/Group", group).json()["id"]
    for query in (f"group=Group/{id_}", f"group=Group/{id_}&patient={people[2]}"):
        answer = fhir.post(f"/$viewdefinition-run?{query}&_format=json", given(viewResource=VIEW))
        assert [row["key"] for row in answer.json()] == [people[2]], answer.text
    nobody = fhir.post(f"/$viewdefinition-run?group=Group/{id_}&patient={people[0]}", given(viewResource=VIEW))
    assert (nobody.status_code, nobody.text) == (200, "")
    assert fhir.post("/$viewdefinition-run?group=Group/none", given(viewResource=VIEW)).status_code == 404
    assert fhir.post("/$viewdefinition-run?patient=Patient/none", given(viewResource=VIEW)).status_code == 422


def test_an_outsider_is_refused(fhir: Any, people: list[str]) -> None:
    answer = fhir.post("/$viewdefinition-run", given(viewResource=VIEW), "outsider")
    assert answer.status_code == 403
    assert people[0] not in answer.text


def binary(view: dict[str, Any]) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(view).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json", "data": data}


def test_a_stored_view_by_its_reference(fhir: Any, people: list[str]) -> None:
    id_ = fhir.post("/Binary", binary(VIEW)).json()["id"]
    answer = fhir.get(f"/$viewdefinition-run?viewReference=Binary/{id_}&_format=json")
    assert answer.status_code == 200, answer.text
    assert of(answer.json(), people) == WANTED
    assert fhir.get("/$viewdefinition-run?viewReference=Binary/none").status_code == 404
    assert fhir.get("/$viewdefinition-run?viewReference=Patient/x").status_code == 400


FAULTS = [
    ({"resourceType": "Patient"}, "no ViewDefinition"),
    ({"resourceType": "ViewDefinition"}, "missing required field"),
    (VIEW | {"resource": "Person1"}, "no resource type"),
    (VIEW | {"select": []}, "selects something"),
    (VIEW | {"select": [{"column": [{"name": "a", "path": "name..family"}]}]}, "select[0].column[0].path"),
    (VIEW | {"select": [{"column": [{"name": "a", "path": "%none"}]}]}, "no constant"),
    (VIEW | {"select": [{"column": [{"name": "a b", "path": "id"}]}]}, "no column name"),
    (VIEW | {"select": VIEW["select"] * 2}, "defined twice"),
    (VIEW | {"select": [{"forEach": "name", "forEachOrNull": "name", "column": []}]}, "only one of"),
]


@pytest.mark.parametrize(("view", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_a_view_that_is_wrong_is_refused_with_its_place(fhir: Any, view: dict[str, Any], said: str) -> None:
    answer = fhir.post("/$viewdefinition-run", given(viewResource=view))
    assert answer.status_code == 422
    assert said in issue(answer)


@pytest.mark.parametrize("path", ["name.family", "name.family.trim()", "name.select(family)"])
def test_two_values_where_one_is_taken(fhir: Any, people: list[str], path: str) -> None:
    view = VIEW | {"select": [{"column": [{"name": "family", "path": path}]}]}
    answer = fhir.post("/$viewdefinition-run", given(viewResource=view))
    assert answer.status_code == 422
    assert ("the column family has 2 values" in issue(answer)) == ("trim" not in path)


def test_no_view_and_no_known_format(fhir: Any) -> None:
    assert fhir.post("/$viewdefinition-run", {"resourceType": "Parameters"}).status_code in (400, 422)
    assert fhir.post("/$viewdefinition-run?_format=xlsx", given(viewResource=VIEW)).status_code in (400, 406)


def library(sql: str, view: str, **parameters: str) -> dict[str, Any]:
    found = {
        "resourceType": "Library",
        "status": "active",
        "type": {"coding": [{"code": "sql-query"}]},
        "relatedArtifact": [{"type": "depends-on", "resource": view, "label": "people"}],
        "content": [{"contentType": "application/sql", "data": base64.b64encode(sql.encode()).decode()}],
    }
    if parameters:
        found["parameter"] = [{"name": name, "type": type_, "use": "in"} for name, type_ in parameters.items()]
    return found


@pytest.fixture
def stored(fhir: Any) -> str:
    return f"Binary/{fhir.post('/Binary', binary(VIEW)).json()['id']}"


def test_sql_over_a_view_with_a_parameter(fhir: Any, people: list[str], stored: str) -> None:
    sql = (
        "SELECT family, length(family)::integer AS n FROM people WHERE gender = :gender AND ':x' <> :key AND key = :key"
    )
    query = library(sql, stored, gender="string", key="string")
    bound = {"gender": "female", "key": people[0]}
    parts = [{"name": name, "valueString": value} for name, value in bound.items()]
    values = {"resourceType": "Parameters", "parameter": parts}
    answer = fhir.post("/$sqlquery-run?_format=json", given(queryResource=query, parameters=values))
    assert answer.status_code == 200, answer.text
    assert answer.json() == [{"family": "Nguyễn", "n": 6}]


def test_a_stored_query_is_run_where_it_stands(fhir: Any, people: list[str], stored: str) -> None:
    id_ = fhir.post("/Library", library("SELECT count(*) AS n FROM people WHERE family = 'Lê'", stored)).json()["id"]
    answer = fhir.get(f"/Library/{id_}/$sqlquery-run?_format=csv")
    assert answer.status_code == 200, answer.text
    assert int(answer.text.split()[1]) >= 1


def test_a_query_brings_its_view_along(fhir: Any, people: list[str]) -> None:
    query = library("SELECT count(*) AS n FROM people WHERE gender = 'female'", "#view")
    query["contained"] = [binary(VIEW) | {"id": "view"}]
    answer = fhir.post("/$sqlquery-run", given(queryResource=query), headers={"accept": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert int(answer.text.split()[1]) >= 1
    query["relatedArtifact"][0]["resource"] = "#none"
    assert fhir.post("/$sqlquery-run", given(queryResource=query)).status_code in (400, 422)


CLOSED = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "COPY people TO '/tmp/people.csv'",
    "ATTACH '/tmp/x.db'",
    "INSTALL httpfs",
    "SET memory_limit = '8GB'",
    "SELECT 1; SELECT 2",
    "DELETE FROM people",
    "SELECT nothing FROM people",
    "SELEC 1",
]


@pytest.mark.parametrize("sql", CLOSED)
def test_a_query_reaches_nothing_but_its_views(fhir: Any, stored: str, sql: str) -> None:
    answer = fhir.post("/$sqlquery-run", given(queryResource=library(sql, stored)))
    assert answer.status_code == 422, answer.text
    assert "/root" not in answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT error(family) FROM people WHERE family = 'Nguyễn'",
        "SELECT error(string_agg(family, ',')) FROM people",
        "SELECT family::integer FROM people WHERE family = 'Nguyễn'",
        # after thousands of good rows
        "SELECT CASE WHEN x = 5000 THEN error(family) END FROM range(9000) r(x), people WHERE family = 'Nguyễn'",
    ],
)
def test_a_query_that_fails_by_its_rows_does_not_show_them_and_is_in_the_access_log(
    fhir: Any, people: list[str], stored: str, ask: Any, sql: str
) -> None:
    with logged_once(ask, people[0]):
        answer = fhir.post("/$sqlquery-run", given(queryResource=library(sql, stored)))
    assert (answer.status_code, answer.json()["resourceType"]) == (422, "OperationOutcome")
    assert "the query failed: " in answer.text
    assert "Nguyễn" not in answer.text


@contextmanager
def logged_once(ask: Any, name: str) -> Iterator[None]:
    """What is run meanwhile is in the access log of a patient, once."""
    id_ = name.removeprefix("Patient/")
    before = ask(RUNS, id_)[0][0]
    yield
    for _ in range(100):  # it is stored soon
        if (found := ask(RUNS, id_)[0][0]) > before:
            break
        time.sleep(0.05)
    assert found == before + 1


@pytest.mark.parametrize("operation", ["viewdefinition", "sqlquery"])
def test_a_view_that_fails_in_the_middle_is_in_the_access_log(
    fhir: Any, people: list[str], ask: Any, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """The second patient has two names where the view takes one; the rows of the first were read by then."""
    monkeypatch.setattr(source, "_SIZES", (1,))
    view = VIEW | {"select": [{"column": [{"name": "family", "path": "name.family"}]}]}
    query = library("SELECT 1", "#view") | {"contained": [binary(view) | {"id": "view"}]}
    body = given(viewResource=view) if operation == "viewdefinition" else given(queryResource=query)
    member = [{"entity": {"reference": one}} for one in people[:2]]
    group = fhir.post("/Group", {"resourceType": "Group", "type": "person", "actual": True, "member": member}).json()
    with logged_once(ask, people[0]):
        answer = fhir.post(f"/${operation}-run?group=Group/{group['id']}", body)
    assert (answer.status_code, "the column family has 2 values" in issue(answer)) == (422, True)


@pytest.mark.parametrize(
    ("sql", "limit", "most", "why"),
    [
        ("SELECT count(*) FROM range(100000000) a, range(100000000) b", "SECONDS", 0.3, "takes too long"),
        ("SELECT repeat('x', 1000) FROM range(100000)", "MOST_BYTES", 1_000_000, "is larger than"),
    ],
)
def test_a_query_has_an_end(
    fhir: Any, stored: str, monkeypatch: pytest.MonkeyPatch, sql: str, limit: str, most: float, why: str
) -> None:
    monkeypatch.setattr(answer_of_queries, limit, most)
    answer = fhir.post("/$sqlquery-run", given(queryResource=library(sql, stored)))
    assert (answer.status_code, why in answer.text) == (422, True), answer.text


def test_parameters_are_checked_by_name_and_type(fhir: Any, stored: str) -> None:
    query = library("SELECT :n AS n", stored, n="integer")
    assert "is required" in issue(fhir.post("/$sqlquery-run", given(queryResource=query)))
    for name, value in (("m", {"valueInteger": 1}), ("n", {"valueString": "1"})):
        values = {"resourceType": "Parameters", "parameter": [{"name": name, **value}]}
        answer = fhir.post("/$sqlquery-run", given(queryResource=query, parameters=values))
        assert answer.status_code == 400
    unknown = library("SELECT :other", stored)
    assert fhir.post("/$sqlquery-run", given(queryResource=unknown)).status_code == 400
