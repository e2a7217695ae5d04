"""Who may do what at the door, from tables (`permissions/`): no row may be missing. Pages: test_every_url_refuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.db import connections

from tuetinh.care.imaging.dicomweb import ups
from tuetinh.care.imaging.dicomweb.door import ROUTES as ROUTES_TO_PICTURES
from tuetinh.care.imaging.dicomweb.door import DicomDoor
from tuetinh.commons.access.api import authenticate
from tuetinh.node.asgi import LEAN, SOCKETS, Application
from tuetinh.node.tests.permissions import GROUPS, rights, table
from tuetinh.node.tests.permissions.world import HOME, OTHERS, PATIENTS, World, mark, patient_of
from tuetinh.record import operations
from tuetinh.record.door.routes import ROUTES
from tuetinh.record.tests.door_world import url

pytestmark = pytest.mark.django_db
TYPES = [name for name in table("rights")[0] if name != "asker"]
ASKERS = [row["asker"] for row in table("rights")]
SEEING = [
    name
    for name in table("sight")[0]
    if name not in ("case", "written at", "relation to 12104", "12104 forbidden", "label")
]
LETTERS = {"read": "r", "search": "s", "create": "c", "update": "u", "delete": "d"}
JSON = {"content-type": "application/fhir+json", "if-match": 'W/"77"'}  # a version that nothing has: nothing is changed
CASES = [row["case"] for row in table("sight")]


# -- the door ---------------------------------------------------------------------------------------------------------


def test_every_interaction_and_operation_has_a_row() -> None:
    interactions = {(row["method"], row["shape"]) for row in table("interactions")}
    assert {(route.method, route.shape) for route in ROUTES} == interactions
    said = {(r["operation"], r["level"]) for r in table("operations")}
    assert {(one.name, level) for one in operations.known() for level in one.levels} == said
    assert set(SEEING) == {asker for asker in ASKERS if "s" in rights(asker, "Observation")} - SAME


SAME = {"nurse-app", "lab-app", "imaging-app", "pharmacist-app", "archivist-app", "station-app"}
"""Whose rows are those of the session of the same role."""


def _ask(matrix: World, who: str, interaction: str, type_: str) -> int:
    path = f"/{type_}" + ("/none" if interaction in ("read", "update", "delete") else "")
    method = {"read": "GET", "search": "GET", "create": "POST", "update": "PUT", "delete": "DELETE"}[interaction]
    body = {"content": b"{}", "headers": JSON} if method in ("POST", "PUT") else {}
    return int(matrix.send(method, path + "?_count=1" * (interaction == "search"), who, **body).status_code)


@pytest.mark.parametrize("who", ASKERS)
def test_each_asker_has_the_rights_of_the_table_and_no_others(matrix: World, who: str) -> None:
    found = {}
    for type_ in TYPES:
        letters = ""
        for interaction, letter in LETTERS.items():
            if type_ == "AuditEvent" and letter in "ud":
                continue
            status = _ask(matrix, who, interaction, type_)
            assert status in (200, 204, 400, 401, 403, 404, 422), (interaction, type_, status)
            assert (status == 401) == (who == "anonymous")
            letters += letter if status not in (401, 403) else ""
        found[type_] = "".join(sorted(letters))
    assert found == {type_: "".join(sorted(rights(who, type_))) for type_ in TYPES}


@pytest.mark.parametrize("row", table("interactions"), ids=lambda row: f"{row['method']} {row['shape']}")
def test_each_interaction_needs_the_right_of_the_table(matrix: World, row: dict[str, str]) -> None:
    type_ = "AuditEvent" if "AuditEvent" in row["shape"] else "Patient"
    values = {"{type}": type_, "{compartment}": "Patient", "{id}": "p-yes-no", "{version}": "7", "{job}": "none"}
    path = row["shape"].replace("{file}", "none")
    for name, value in values.items():
        path = path.replace(name, value)
    query = "?_id=none" if row["shape"] == "/{type}" and row["method"] != "POST" else "?_type=Patient" * (path == "/")
    if path == "/_search":
        query = "?_type=Patient"
    form = {"data": {"_count": "1"}} if path.endswith("_search") else {"content": BODY, "headers": JSON}
    for who in ASKERS:
        status = matrix.send(
            row["method"], path.rstrip("/") + query, who, **(form if row["method"] in WRITE else {})
        ).status_code
        if row["right"] == "open":
            assert status == 200, who
        elif who == "anonymous":
            assert status == 401
        elif len(row["right"]) == 1:
            assert (status == 403) == (row["right"] not in rights(who, type_)), (who, status)
        else:
            assert status in (200, 400, 404), (who, status)


WRITE = ("POST", "PUT", "PATCH", "DELETE")
BODY = b"{}"  # which is no resource


@pytest.mark.parametrize("row", table("operations"), ids=lambda row: f"{row['level']} {row['type']}${row['operation']}")
def test_each_operation_needs_the_right_of_the_table(matrix: World, row: dict[str, str]) -> None:
    place = {"system": "", "type": f"/{row['type']}", "instance": f"/{row['type']}/none"}[row["level"]]
    for who in ASKERS:
        for body in (b"", b'{"resourceType":'):  # what is sent is looked at only when it is from somebody who may
            answer = matrix.send("POST", f"{place}/${row['operation']}", who, content=body, headers=JSON)
            if who == "anonymous":
                assert answer.status_code == 401
            elif (may := _may_call(who, row)) is not None:
                assert (answer.status_code == 403) == (not may), (who, answer.text)
            assert answer.status_code < 500, answer.text


def _may_call(who: str, row: dict[str, str]) -> bool | None:
    """Whether the table lets the asker call the operation; None where it depends on what else the types say."""
    right = row["right"]
    if right.startswith("="):
        return who in right.split()
    if right.endswith(" of some type"):
        return any(right[0] in rights(who, type_) for type_ in TYPES)
    return right in rights(who, row["type"]) if len(right) == 1 and row["type"] in TYPES else None


# -- the door to pictures ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(matrix: World) -> Iterator[Callable[[str, str, str], int]]:
    """Asks the door to pictures as somebody: method, path, who; returns the status."""
    pool = matrix.door.pool

    async def opened() -> tuple[DicomDoor, httpx.AsyncClient]:
        door = DicomDoor(pool, lambda scope: authenticate(scope, pool))
        return door, httpx.AsyncClient(transport=httpx.ASGITransport(door), timeout=60)

    door, http = matrix.run(opened())

    def ask(method: str, path: str, who: str) -> int:
        url = f"http://record.test/dicom-web{path}"
        return int(matrix.run(http.request(method, url, headers=matrix.credentials[who])).status_code)

    yield ask
    matrix.run(http.aclose())
    matrix.run(door.close())


def test_every_route_to_pictures_has_a_row() -> None:
    paths = [row["path"] for row in table("pictures")]
    routes = [pattern for pattern, _ in ROUTES_TO_PICTURES]
    routes += [one for name, one in vars(ups).items() if isinstance(one, re.Pattern) and name != "EVENTS"]
    assert [one.pattern for one in routes if not any(one.fullmatch(path) for path in paths)] == []


@pytest.mark.parametrize("row", table("pictures"), ids=lambda row: f"{row['method']} {row['path']}")
def test_each_route_to_pictures_needs_the_right_of_the_table(
    pictures: Callable[[str, str, str], int], row: dict[str, str]
) -> None:
    named = row["right"].split() if row["right"].startswith("=") else None
    may = {who for who in ASKERS if (who in named if named is not None else "r" in rights(who, "ImagingStudy"))}
    answers = {who: pictures(row["method"], row["path"], who) for who in ASKERS}
    assert {who for who, status in answers.items() if status not in (401, 403)} == may
    assert answers["anonymous"] == 401
    assert [(who, status) for who, status in answers.items() if status >= 500] == []


# -- what answers beside the door and the pages -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def lean(matrix: World) -> Iterator[Callable[[str, str, str], int]]:
    """Asks a node as somebody: `http` or `socket`, path, who; returns the status, of a socket 101 when it opens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUETINH_DATABASE_URL", url())
        patch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", 0)
        application = Application(frozenset({"web"}))
        matrix.run(application.startup())
        yield lambda kind, path, who: matrix.run(_first(application, kind, path, matrix.credentials[who]))
        matrix.run(application.shutdown())
        for thread in application._executor._threads:  # of pages, which leave the database with their answers
            thread.join(5)


async def _first(application: Application, kind: str, path: str, headers: dict[str, str]) -> int:
    """What a node answers first."""
    name, _, query = path.partition("?")
    raw = [(b"host", b"record.test"), (b"origin", b"http://record.test")]
    raw += [(key.encode(), value.encode()) for key, value in headers.items()]
    scope = {
        "type": "websocket" if kind == "socket" else "http", "method": "GET", "path": name, "raw_path": name.encode(),
        "query_string": query.encode(), "headers": raw, "scheme": "http", "client": ("127.0.0.1", 1),
        "server": ("record.test", 80), "http_version": "1.1", "root_path": "", "subprotocols": [],
    }  # fmt: skip
    begun, told = (
        [{"type": "websocket.connect"} if kind == "socket" else {"type": "http.request"}],
        asyncio.Queue[Any](),
    )

    async def receive() -> Any:
        return begun.pop() if begun else await asyncio.Event().wait()

    asked = asyncio.create_task(application(scope, receive, told.put))
    answer = await asyncio.wait_for(told.get(), 30)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    return {"websocket.accept": 101, "websocket.close": 403}.get(answer["type"]) or int(answer["status"])


def test_every_lean_handler_and_websocket_has_a_row() -> None:
    for kind, handlers in {"http": LEAN, "socket": SOCKETS}.items():
        paths = [row["path"].partition("?")[0] for row in table("lean") if row["kind"] == kind]
        first = {next((name for name, one in handlers.items() if one.fullmatch(path)), "") for path in paths}
        assert first >= handlers.keys(), kind


@pytest.mark.parametrize("row", table("lean"), ids=lambda row: f"{row['kind']} {row['path']}")
def test_each_lean_way_is_for_those_of_the_table(lean: Callable[[str, str, str], int], row: dict[str, str]) -> None:
    words = row["who"].split()
    may = {who for who in ASKERS if words[:1] == ["open"] or {who, *_groups(who)} & set(words)}
    answers = {who: lean(row["kind"], row["path"].replace("HERE", HOME), who) for who in ASKERS}
    assert {who for who, status in answers.items() if status not in (401, 403)} == may
    assert [(who, status) for who, status in answers.items() if status >= 500] == []


def _groups(who: str) -> set[str]:
    found = {name for name in ("staff",) if who in GROUPS[name]}
    return found | ({"pictures"} if "r" in rights(who, "ImagingStudy") else set())


# -- which rows exist -------------------------------------------------------------------------------------------------


@cache
def visible(who: str) -> frozenset[str]:
    """The cases that exist for an asker, by the table."""
    return frozenset(row["case"] for row in table("sight") if row[who] == "+")


def marks(text: str, word: str = "DAU") -> set[str]:
    """The cases whose words are in a text."""
    return set(re.findall(rf"{word}-(\d\d)", text))


def each(matrix: World, who: str, urls: list[str], good: str = "200") -> set[str]:
    """The cases whose GET in a batch goes well, one for each case in their order."""
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    answer = matrix.send("POST", "", who, json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    return {case for case, entry in zip(CASES, answer["entry"], strict=True) if entry["response"]["status"][:3] == good}


def found(matrix: World, who: str, urls: list[str]) -> set[str]:
    """The cases whose search in a batch finds something."""
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    answer = matrix.send("POST", "", who, json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    return {case for case, e in zip(CASES, answer["entry"], strict=True) if e.get("resource", {}).get("entry")}


def get(path: str) -> Callable[[World, str], set[str]]:
    """A way that leads to texts."""
    return lambda matrix, who: marks(matrix.get(path, who).text)


def per_patient(path: str) -> Callable[[World, str], set[str]]:
    """The same, once for each patient."""
    return lambda matrix, who: {m for id_ in PATIENTS for m in marks(matrix.get(path.format(id_), who).text)}


OF_TYPE = "/Observation?code=matrix&_count=100"
EVERYBODY = ",".join(PATIENTS)
VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Observation",
    "select": [{"column": [{"name": "value", "path": "value.ofType(string)"}]}],
}
GRAPHQL = '{ObservationList(code:"matrix",_count:100){valueString}}'
WAYS: dict[str, Callable[[World, str], set[str]]] = {
    "search": get(OF_TYPE),
    "search by POST": lambda p, who: marks(
        p.send("POST", "/Observation/_search", who, data={"code": "matrix", "_count": "100"}).text
    ),
    "search by text": get("/Observation?value-string=DAU&_count=100"),
    "search by date, sorted": get("/Observation?date=2026-01-01&code=matrix&_sort=-date,_id&_count=100"),
    "search all types": get("/?_type=Observation&_lastUpdated=ge2020&_count=100"),
    "search by chain": get("/Observation?subject:Patient.family=Matrix&_count=100"),
    "search by patients": get(f"/Observation?patient={EVERYBODY}&_count=100"),
    "compartment": per_patient("/Patient/{}/Observation?_count=100"),
    "whole compartment": per_patient("/Patient/{}/*?_count=200&_type=Observation"),
    "_revinclude": get(f"/Patient?_id={EVERYBODY}&_revinclude=Observation:patient"),
    "_has as an oracle": lambda p, who: found(
        p, who, [f"Patient?_has:Observation:patient:value-string={mark(c)}" for c in CASES]
    ),
    "ids as an oracle": lambda p, who: found(p, who, [f"Observation?_id=o-{case}&_elements=id" for case in CASES]),
    "read": lambda p, who: each(p, who, [f"Observation/o-{case}" for case in CASES]),
    "version read": lambda p, who: each(p, who, [f"Observation/o-{case}/_history/1" for case in CASES]),
    "history": lambda p, who: each(p, who, [f"Observation/o-{case}/_history" for case in CASES]),
    "history of the type": get("/Observation/_history?_count=200"),
    "history of all": get("/_history?_count=1000"),
    "$everything": per_patient("/Patient/{}/$everything?_type=Observation"),
    "$graphql": get(f"/$graphql?query={quote(GRAPHQL)}"),
    "$lastn": per_patient("/Observation/$lastn?patient=Patient/{}&max=50&code=matrix"),
    "$viewdefinition-run": lambda p, who: marks(p.post("/$viewdefinition-run", _given(VIEW), who).text),
    "$diff": lambda p, who: {c for c in CASES if p.get(f"/Observation/o-{c}/$diff", who).status_code in (200, 400)},
}
"""Every way on which an Observation may come to light."""


def _given(view: dict[str, Any]) -> dict[str, Any]:
    parameter = [{"name": "viewResource", "resource": view}, {"name": "_format", "valueCode": "json"}]
    return {"resourceType": "Parameters", "parameter": parameter}


@pytest.mark.parametrize("who", SEEING)
def test_what_exists_is_seen_on_every_way_and_nothing_else(matrix: World, who: str) -> None:
    seen = {way: way_of(matrix, who) for way, way_of in WAYS.items() if not _is_closed(who, way)}
    expected = set(visible(who))
    assert [way for way in seen if seen[way] != expected] == []


def _is_closed(who: str, way: str) -> bool:
    """Whether a way needs more than the rights on Observation."""
    over_patients = way in ("_revinclude", "_has as an oracle", "$everything", "search by chain", "$graphql")
    return who == "vital-signs-app" and (
        over_patients or way in ("search all types", "whole compartment", "$viewdefinition-run", "history of all")
    )


@pytest.mark.parametrize("who", sorted(set(ASKERS) - set(SEEING) - SAME))
def test_who_has_no_right_on_observations_finds_none_on_any_way(matrix: World, who: str) -> None:
    for way, way_of in WAYS.items():
        if way in ("read", "version read", "history", "_has as an oracle", "ids as an oracle") and who == "anonymous":
            assert matrix.send("POST", "", who, json={"resourceType": "Bundle", "type": "batch"}).status_code == 401
        else:
            assert way_of(matrix, who) == set(), way


@pytest.mark.parametrize("who", SEEING)
def test_numbers_tell_of_nothing_else(matrix: World, who: str) -> None:
    ways = ["_summary=count", "_total=accurate&_count=1"] + ["_total=estimate&_count=1"] * (who != "system")
    for way in ways:
        assert matrix.get(f"/Observation?code=matrix&{way}", who).json()["total"] == len(visible(who)), way


@pytest.mark.parametrize("who", SEEING)
def test_other_types_follow_the_same_rows(matrix: World, who: str) -> None:
    for type_, word in OTHERS.items():
        expected = set(visible(who)) if "s" in rights(who, type_) else set()
        seen = {
            "search": marks(matrix.get(f"/{type_}?patient={EVERYBODY}&_count=100", who).text, word),
            "history of the type": marks(matrix.get(f"/{type_}/_history?_count=200", who).text, word),
            "read": each(matrix, who, [f"{type_}/x-{case}" for case in CASES]),
            "version read": each(matrix, who, [f"{type_}/x-{case}/_history/1" for case in CASES]),
            "compartment": set[str]().union(
                *(marks(matrix.get(f"/Patient/{one}/{type_}?_count=100", who).text, word) for one in PATIENTS)
            ),
        }
        assert [way for way in seen if seen[way] != expected] == [], type_


@pytest.mark.parametrize("who", [who for who in SEEING if who != "vital-signs-app"])
def test_what_a_report_brings_along_is_what_exists(matrix: World, who: str) -> None:
    answer = matrix.get("/DiagnosticReport?_id=all&_include=DiagnosticReport:result", who)
    alone = who.startswith(("citizen", "doctor-app-launched"))  # the report is in nobody's compartment
    blind = who in ("archivist", "doctor-of-12001", "imaging", "pharmacist")  # to labels of its results, or to it
    assert marks(answer.text) == (set() if alone or blind else set(visible(who)))


@pytest.mark.parametrize("who", ["doctor-app", "system"])
def test_what_does_not_exist_is_not_changed(matrix: World, who: str) -> None:
    """Who sees it is told that its version is another one; all others, that there is none (or that it is gone)."""
    for row in table("sight"):
        path = f"/Observation/o-{row['case']}"
        body = {"resourceType": "Observation", "id": f"o-{row['case']}", "status": "final", "code": {"text": "x"}}
        body["subject"] = {"reference": f"Patient/{patient_of(row)}"}
        stale = {"if-match": 'W/"77"'}
        statuses = (
            matrix.send("PUT", path, who, json=body, headers=stale).status_code,
            matrix.send("DELETE", path, who, headers=stale).status_code,
        )
        assert statuses == ((412, 412) if row["case"] in visible(who) else (412, 204)), row
    unchanged = matrix.get("/Observation?code=matrix&_count=100").json()["entry"]
    assert {entry["resource"]["meta"]["versionId"] for entry in unchanged} == {"1"}
    assert len(unchanged) == len(CASES)
