"""`$viewdefinition-export`, `$sqlquery-export`: from the kick-off to files of every format, whose rows, refusals."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
from typing import Any

import pyarrow.parquet as pq
import pytest

from tuetinh.record.asker import Asker
from tuetinh.record.bulk import files, ledger, queries, running, tables
from tuetinh.record.tests.bulk_world import ASYNC, aside, path_of, work

pytestmark = pytest.mark.django_db
BASE = "http://record.test/fhir"
EXPORT = "/$viewdefinition-export"
VIEW: dict[str, Any] = {
    "resourceType": "ViewDefinition",
    "name": "people",
    "resource": "Patient",
    "select": [{"column": [{"name": "id", "path": "id"}, {"name": "gender", "path": "gender"}]}],
}
VISITS: dict[str, Any] = {
    "resourceType": "ViewDefinition",
    "resource": "Observation",
    "select": [{"column": [{"name": "id", "path": "id"}]}],
}
HOA, BINH = {"id": "hoa", "gender": "female"}, {"id": "binh", "gender": "male"}


@pytest.fixture(scope="module")
def there(fhir: Any, askers: dict[str, Asker]) -> Any:
    """Two patients, an observation of one of them, and a Group of the other."""
    for one in (HOA, BINH):
        fhir.put(f"/Patient/{one['id']}", {"resourceType": "Patient", **one})
    about = {"subject": {"reference": "Patient/hoa"}, "code": {"text": "x"}, "status": "final"}
    fhir.put("/Observation/x", {"resourceType": "Observation", "id": "x"} | about)
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    fhir.put("/Group/g", group | {"member": [{"entity": {"reference": "Patient/binh"}}]})
    everything = askers["system"].sight
    askers["hoa"] = Asker("71", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), "hoa", sight=everything)
    askers["narrow"] = Asker("70", "system", scopes=frozenset({"system/Observation.rs"}), sight=everything)
    return fhir


def asked(*views: dict[str, Any], **values: Any) -> dict[str, Any]:
    """A kick-off. views: as they are, or parts by their names."""
    parts = [[{"name": "viewResource", "resource": each}] if "resourceType" in each else _parts(each) for each in views]
    plain = [{"name": name, **value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": [*({"name": "view", "part": p} for p in parts), *plain]}


def _parts(named: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {"name": "valueString", "viewResource": "resource", "viewReference": "valueReference"}
    return [{"name": name, kinds[name]: value} for name, value in named.items()]


def start(fhir: Any, body: dict[str, Any], who: str = "system") -> Any:
    return fhir.send("POST", EXPORT, who, headers=ASYNC, json=body)


def values(answer: Any) -> dict[str, Any]:
    """What Parameters tell, outputs as names with their addresses."""
    found: dict[str, Any] = {}
    for one in answer.json()["parameter"]:
        if one["name"] == "output":
            parts = [p.get("valueString") or p["valueUri"] for p in one["part"]]
            found.setdefault("output", {})[parts[0]] = [url.removeprefix(BASE) for url in parts[1:]]
        else:
            found[one["name"]] = next(value for name, value in one.items() if name.startswith("value"))
    return found


def result(fhir: Any, path: str, who: str = "system") -> dict[str, list[str]]:
    """Have an export done; the addresses of its files by view."""
    work()
    answer = fhir.get(path, who)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{BASE}{path}/result")
    answer = fhir.get(f"{path}/result", who)
    assert answer.status_code == 200, answer.text
    return values(answer).get("output", {})


def rows(fhir: Any, body: dict[str, Any], who: str = "system") -> dict[str, list[dict[str, Any]]]:
    """The rows of an export as NDJSON, by view."""
    made = result(fhir, path_of(start(fhir, body, who)), who)
    texts = {name: [fhir.get(path, who).text for path in paths] for name, paths in made.items()}
    return {
        name: [json.loads(line) for text in several for line in text.splitlines()] for name, several in texts.items()
    }


def test_from_the_kick_off_to_the_end(there: Any) -> None:
    tracking = {"valueString": "thang-1"}
    answer = start(there, asked(VIEW, clientTrackingId=tracking))
    path = path_of(answer)
    first = values(answer)
    assert first == {
        "exportId": path.rpartition("/")[2],
        "clientTrackingId": "thang-1",
        "status": "accepted",
        "location": f"{BASE}{path}",
    }
    waiting = there.get(path)
    assert (waiting.status_code, waiting.headers["x-progress"]) == (202, "waiting for its turn")
    assert values(waiting) == first
    assert there.get(f"{path}/result").status_code == 404
    made = result(there, path)
    assert made == {"people": [f"{path}/people.part1.ndjson"]}
    told = values(there.get(f"{path}/result"))
    assert (told["status"], told["_format"], told["clientTrackingId"]) == ("completed", "ndjson", "thang-1")
    file = there.get(made["people"][0], headers={"accept-encoding": "identity"})
    assert file.headers["content-type"] == "application/x-ndjson"
    assert int(file.headers["content-length"]) == len(file.content)
    assert [json.loads(line) for line in file.text.splitlines()] == [HOA, BINH]
    assert there.send("DELETE", path).status_code == 202
    for gone in (path, f"{path}/result", made["people"][0]):
        assert there.get(gone).status_code == 404


@pytest.mark.parametrize(
    ("form", "header", "text"),
    [
        ("csv", True, "id,gender\r\nhoa,female\r\nbinh,male\r\n"),
        ("csv", False, "hoa,female\r\nbinh,male\r\n"),
        ("json", True, '[\n{"id":"hoa","gender":"female"},\n{"id":"binh","gender":"male"}\n]\n'),
    ],
)
def test_other_formats(there: Any, form: str, header: bool, text: str) -> None:
    body = asked(VIEW, _format={"valueCode": form}, header={"valueBoolean": header})
    made = result(there, path_of(start(there, body)))
    assert made["people"][0].endswith(f"/people.part1.{form}")
    assert there.get(made["people"][0]).text == text


def test_parquet_is_whole_also_when_a_view_has_no_rows(there: Any) -> None:
    nobody = VIEW | {"name": "nobody", "where": [{"path": "gender = 'other'"}]}
    made = result(there, path_of(start(there, asked(VIEW, nobody, _format={"valueCode": "parquet"}))))
    read = {name: pq.read_table(io.BytesIO(there.get(paths[0]).content)) for name, paths in made.items()}
    assert {name: table.to_pylist() for name, table in read.items()} == {"people": [HOA, BINH], "nobody": []}
    assert read["nobody"].column_names == ["id", "gender"]


def test_several_views_stored_or_given_each_by_its_name(there: Any) -> None:
    data = base64.b64encode(json.dumps(VIEW).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json", "data": data}
    id_ = there.post("/Binary", binary).json()["id"]
    stored = {"name": "of_store", "viewReference": {"reference": f"Binary/{id_}"}}
    found = rows(there, asked(VISITS, stored, {"name": "again", "viewResource": VIEW}))
    assert found == {"view-1": [{"id": "x"}], "of_store": [HOA, BINH], "again": [HOA, BINH]}


@pytest.mark.parametrize(
    ("narrowed", "people", "visits"),
    [
        ({"patient": {"valueReference": {"reference": "Patient/hoa"}}}, [HOA], [{"id": "x"}]),
        ({"group": {"valueReference": {"reference": "Group/g"}}}, [BINH], []),
        (
            {
                "patient": {"valueReference": {"reference": "Patient/hoa"}},
                "group": {"valueReference": {"reference": "Group/g"}},
            },
            [],
            [],
        ),
        ({"_since": {"valueInstant": "2099-01-01T00:00:00Z"}}, [], []),
    ],
)
def test_narrowed(there: Any, narrowed: dict[str, Any], people: list[Any], visits: list[Any]) -> None:
    assert rows(there, asked(VIEW, VISITS, **narrowed)) == {"people": people, "view-2": visits}


def test_a_person_gets_rows_of_the_own_compartment(there: Any) -> None:
    assert rows(there, asked(VIEW), "hoa") == {"people": [HOA]}


def test_who_is_in_the_files_is_in_the_access_log(there: Any, ask: Any) -> None:
    rows(there, asked(VISITS))
    logged = "SELECT patient, type FROM record.audit WHERE action = '$viewdefinition-export' ORDER BY position"
    assert ask(logged)[-1] == ("hoa", "Observation")


def test_nobody_gets_what_their_scopes_do_not_reach(there: Any) -> None:
    refused = start(there, asked(VIEW), "narrow")
    assert refused.status_code == 403
    path = path_of(start(there, asked(VISITS), "narrow"))
    for who in ("system", "hoa"):
        assert there.get(path, who).status_code == 404
    made = result(there, path, "narrow")
    assert there.get(made["view-1"][0], "system").status_code == 404
    assert there.send("DELETE", path, "system").status_code == 404
    assert there.get(made["view-1"][0], "narrow").status_code == 200


TWICE = asked({"name": "a", "viewResource": VIEW}, {"name": "a", "viewResource": VISITS})


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (asked(header={"valueBoolean": True}), 400, "the parameter view is required"),
        (asked({"name": "../x", "viewResource": VIEW}), 400, "has a name of 1 to 64 letters"),
        (TWICE, 400, "two of them have the name a"),
        (asked({"name": "a"}), 400, "one of viewResource and viewReference is required"),
        (asked(VIEW | {"select": []}), 422, "the view cannot be run"),
        (asked({"resourceType": "Patient"}), 422, "the view is not JSON"),
        (asked({"viewReference": {"reference": "Binary/nowhere"}}), 404, "Binary/nowhere"),
        (asked(VIEW, _format={"valueCode": "xlsx"}), 400, "the format 'xlsx' is not given"),
        (asked(VIEW, source={"valueString": "s3://x"}), 400, "no parameter 'source'"),
        (asked(VIEW, patient={"valueReference": {"reference": "Patient/no"}}), 422, "Patient/no is not known"),
        (asked(VIEW, group={"valueReference": {"reference": "Group/no"}}), 404, "Group/no"),
        (asked(VIEW, group={"valueReference": {"reference": "Patient/hoa"}}), 400, "refers to no Group"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_promised(there: Any, body: Any, status: int, why: str) -> None:
    answer = start(there, body)
    assert answer.status_code == status, answer.text
    assert why in answer.text
    assert "content-location" not in answer.headers


def test_it_must_be_asked_for_as_asynchronous(there: Any) -> None:
    assert "respond-async" in there.post(EXPORT, asked(VIEW)).text
    assert there.get(EXPORT).status_code == 405


def test_rows_that_do_not_fit_end_the_export(there: Any) -> None:
    there.put("/Patient/two", {"resourceType": "Patient", "id": "two", "name": [{"family": "A"}, {"family": "B"}]})
    view = VIEW | {"select": [{"column": [{"name": "family", "path": "name.family"}]}]}
    path = path_of(start(there, asked(view)))
    work()
    assert there.get(path).status_code == 303
    failed = there.get(f"{path}/result")
    assert failed.status_code == 500
    assert "the view cannot be run" in failed.text
    assert "family" in failed.text
    there.send("DELETE", "/Patient/two")


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_another_worker_goes_on_with_whole_files(there: Any, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """The first one leaves in the middle of the second file; of what it wrote there nothing comes twice."""
    monkeypatch.setattr(tables, "FILE_ROWS", 1)
    monkeypatch.setattr(tables.source, "_SIZES", (1,))
    path = path_of(start(there, asked(VIEW, _format={"valueCode": form})))
    id_ = path.rpartition("/")[2]

    def leave() -> None:
        job = running._taken(id_)
        assert job is not None
        first = tables.Tables(job)
        while len([file for file in job.files if file.whole]) < 1:
            assert first._turn()
        monkeypatch.setattr(tables, "FILE_ROWS", 100)
        first._page("people", first._views[0][1], set())
        assert [file.whole for file in ledger.take(id_).files] == [True]  # type: ignore[union-attr]
        first.close()

    aside(leave)
    made = result(there, path)["people"]
    assert [one.rpartition("/")[2] for one in made] == [f"people.part1.{form}", f"people.part2.{form}"]
    read = {
        "ndjson": lambda content: [json.loads(line) for line in content.splitlines()],
        "parquet": lambda content: pq.read_table(io.BytesIO(content)).to_pylist(),
    }[form]
    assert [read(there.get(one).content) for one in made] == [[HOA], [BINH]]


# -- queries over views -----------------------------------------------------------------------------------------------

QUERIES = "/$sqlquery-export"


def library(sql: str, *views: str, **more: Any) -> dict[str, Any]:
    """A query over `people`, and what else it names."""
    return {
        "resourceType": "Library",
        "status": "active",
        "type": {"coding": [{"code": "sql-query"}]},
        "relatedArtifact": [{"type": "depends-on", "resource": one, "label": one.rpartition("/")[2]} for one in views],
        "content": [{"contentType": "application/sql", "data": base64.b64encode(sql.encode()).decode()}],
    } | more


def queried(*queries: dict[str, Any], views: tuple[dict[str, Any], ...] = (VIEW,), **values: Any) -> dict[str, Any]:
    """A kick-off. queries: the parts of each by their names."""
    kinds = {"name": "valueString", "queryReference": "valueReference"}
    parts = [[{"name": name, kinds.get(name, "resource"): value} for name, value in one.items()] for one in queries]
    body = asked(*views, **values)
    return body | {"parameter": [*({"name": "query", "part": part} for part in parts), *body["parameter"]]}


def query_start(fhir: Any, body: dict[str, Any], who: str = "system", path: str = QUERIES) -> Any:
    return fhir.send("POST", path, who, headers=ASYNC, json=body)


def told(fhir: Any, answer: Any, who: str = "system") -> dict[str, list[Any]]:
    """The rows of an export of queries as NDJSON, by query."""
    made = result(fhir, path_of(answer), who)
    texts = {name: "".join(fhir.get(path, who).text for path in paths) for name, paths in made.items()}
    return {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}


PEOPLE = library("SELECT gender, count(*)::integer AS n FROM people GROUP BY 1 ORDER BY 1", "people")
BOUND = {"parameter": [{"name": "g", "type": "code", "use": "in"}]}
GIVEN = {"resourceType": "Parameters", "parameter": [{"name": "g", "valueCode": "male"}]}


def test_queries_over_views_that_come_along(there: Any) -> None:
    """Each by its name, with its own parameters; the rows of the views themselves are given to nobody."""
    of_gender = library("SELECT id FROM people WHERE gender = :g", "https://example.org/people|2", **BOUND)
    of_gender["relatedArtifact"][0]["label"] = "people"
    body = queried(
        {"queryResource": PEOPLE},
        {"name": "men", "queryResource": of_gender, "parameters": GIVEN},
        views=(VIEW | {"url": "https://example.org/people"},),
    )
    answer = query_start(there, body)
    counted = [{"gender": "female", "n": 1}, {"gender": "male", "n": 1}]
    assert told(there, answer) == {"query-1": counted, "men": [{"id": "binh"}]}
    path = path_of(answer)
    assert sorted(file.name for file in files.folder(path.rpartition("/")[2]).iterdir()) == [
        "men.part1.ndjson",
        "query-1.part1.ndjson",
    ]
    assert there.get(f"{path}/table.1.part1.parquet").status_code == 404


def test_a_stored_query_with_stored_views_is_exported_where_it_stands(there: Any) -> None:
    data = base64.b64encode(json.dumps(VIEW).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json", "data": data}
    people = there.post("/Binary", binary).json()["id"]
    query = library("SELECT id FROM people WHERE gender = :g", f"Binary/{people}", name="Men", **BOUND)
    query["relatedArtifact"][0]["label"] = "people"
    id_ = there.post("/Library", query).json()["id"]
    body = {"resourceType": "Parameters", "parameter": [{"name": "parameters", "resource": GIVEN}]}
    assert told(there, query_start(there, body, path=f"/Library/{id_}{QUERIES}")) == {"Men": [{"id": "binh"}]}
    named = queried({"queryReference": {"reference": f"Library/{id_}"}, "parameters": GIVEN}, views=())
    assert told(there, query_start(there, named, path=f"/Library{QUERIES}")) == {"Men": [{"id": "binh"}]}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_queries_of_some_people_in_other_formats(there: Any, form: str) -> None:
    group = {"valueReference": {"reference": "Group/g"}}
    body = queried({"queryResource": PEOPLE}, _format={"valueCode": form}, group=group)
    made = result(there, path_of(query_start(there, body)))
    content = there.get(made["query-1"][0]).content
    if form == "csv":
        assert content == b"gender,n\r\nmale,1\r\n"
    else:
        assert pq.read_table(io.BytesIO(content)).to_pylist() == [{"gender": "male", "n": 1}]


def test_a_query_gets_rows_of_the_own_compartment_and_is_in_the_access_log(there: Any, ask: Any) -> None:
    logged = "SELECT patient, type FROM record.audit WHERE action = '$sqlquery-export' ORDER BY position"
    before = len(ask(logged))
    answer = query_start(there, queried({"queryResource": PEOPLE}), "hoa")
    assert told(there, answer, "hoa") == {"query-1": [{"gender": "female", "n": 1}]}
    assert ("hoa", "Patient") in ask(logged)[before:]
    assert query_start(there, queried({"queryResource": PEOPLE}), "narrow").status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (queried(), 400, "query is for the calls that do not name the Library, and required there"),
        (queried({"name": "a"}), 400, "one of queryResource and queryReference is required"),
        (queried({"queryReference": {"reference": "Library/no"}}), 404, "Library/no"),
        (queried({"queryResource": PEOPLE | {"content": [{"contentType": "text/plain"}]}}), 400, "application/sql"),
        (queried({"queryResource": library("SELEC 1", "people")}), 422, "syntax error"),
        (queried({"queryResource": library("DELETE FROM people", "people")}), 422, "one SELECT"),
        (queried({"queryResource": PEOPLE}, views=()), 400, "a view is stored as a Binary; 'people' names none"),
        (queried({"queryResource": PEOPLE | BOUND}), 400, "the parameter g is required"),
        (queried(*[{"name": "a", "queryResource": PEOPLE}] * 2), 400, "two of them have the name a"),
        (queried({"queryResource": PEOPLE}, source={"valueString": "s3://x"}), 400, "no parameter 'source'"),
    ],
)
def test_queries_that_cannot_be_run_are_refused_at_once(there: Any, body: Any, status: int, why: str) -> None:
    answer = query_start(there, body)
    assert answer.status_code == status, answer.text
    assert why in answer.text


def test_sql_that_fails_ends_the_export(there: Any) -> None:
    path = path_of(query_start(there, queried({"queryResource": library("SELECT nothing FROM people", "people")})))
    work()
    failed = there.get(f"{path}/result")
    assert failed.status_code == 500
    assert "query-1: the query failed: Binder Error" in failed.text
    assert not files.folder(path.rpartition("/")[2]).exists()


def test_sql_that_fails_by_its_rows_does_not_show_them_and_is_in_the_access_log(there: Any, ask: Any) -> None:
    logged = "SELECT count(*) FROM record.audit WHERE action = '$sqlquery-export' AND patient = 'hoa'"
    ((before,),) = ask(logged)
    sql = "SELECT error(string_agg(gender, ',')) FROM people"
    path = path_of(query_start(there, queried({"queryResource": library(sql, "people")})))
    work()
    failed = there.get(f"{path}/result")
    assert "query-1: the query failed: " in failed.text
    assert "female" not in failed.text
    assert ask(logged) == [(before + 1,)]


@pytest.mark.parametrize("between", [True, False])
def test_a_worker_that_leaves_a_query_loses_nothing(there: Any, monkeypatch: Any, *, between: bool) -> None:
    """It leaves at once, also a query that would take long; the next one ends the export."""
    text = "SELECT 1 AS n" if between else "SELECT count(*) AS n FROM range(100000000) a, range(100000000) b"
    body = queried({"name": "a", "queryResource": library(text, "people")}, {"name": "b", "queryResource": PEOPLE})
    path = path_of(query_start(there, body))
    id_ = path.rpartition("/")[2]
    begun = threading.Event()
    move = ledger.move

    def moved(job: Any, *seen: Any) -> None:
        move(job, *seen)
        if job.progress.startswith("b:" if between else "a:"):
            begun.set()

    async def leave() -> None:
        task = asyncio.create_task(running.work(id_))
        await asyncio.to_thread(begun.wait, 30)
        await asyncio.sleep(0 if between else 0.3)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.cancelled()

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "move", moved)
        aside(lambda: asyncio.run(leave()))
    assert there.get(path).status_code == 202
    if between:
        assert sorted(result(there, path)) == ["a", "b"]
    else:
        assert there.send("DELETE", path).status_code == 202


def test_a_query_of_an_export_that_is_deleted_ends(there: Any) -> None:
    text = "SELECT count(*) AS n FROM range(100000000) a, range(100000000) b"
    path = path_of(query_start(there, queried({"name": "a", "queryResource": library(text, "people")})))
    id_ = path.rpartition("/")[2]
    working = threading.Thread(target=aside, args=(lambda: asyncio.run(running.work(id_)),))
    working.start()
    while working.is_alive() and not list(files.folder(id_).glob("query-*")):
        time.sleep(0.05)
    assert there.send("DELETE", path).status_code == 202
    working.join(timeout=20)
    assert not working.is_alive()
    assert not files.folder(id_).exists()


def test_another_worker_goes_on_with_the_next_query(there: Any) -> None:
    body = queried({"name": "a", "queryResource": PEOPLE}, {"name": "b", "queryResource": PEOPLE})
    path = path_of(query_start(there, body))

    def leave() -> None:
        job = running._taken(path.rpartition("/")[2])
        assert job is not None
        first = queries.Queries(job)
        while first.place.get("query") != 1:
            assert first._turn()
        first.close()

    aside(leave)
    made = result(there, path)
    assert {name: len(paths) for name, paths in made.items()} == {"a": 1, "b": 1}
