"""Two facilities without a relation share a door, its connections and its caches, and learn nothing of each other.

Of what is hidden, every answer must be that of what never was.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from procrastinate.contrib.django import app

from tuetinh.commons.access.models import Account
from tuetinh.node.tests.permissions import STAFF, rights, roles, table
from tuetinh.node.tests.permissions.world import OTHERS, PATIENTS, World, mark, patient_of

pytestmark = [pytest.mark.django_db, pytest.mark.long]

ROWS = {row["case"]: row for row in table("sight")}
HIDDEN = "20"  # HIV, written at 12001, without a relation to 12104
ASKER = "doctor-app"  # of 12104, who may write whatever exists
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": f"Patient/{patient_of(ROWS[HIDDEN])}"},
}
JSON = {"content-type": "application/fhir+json"}


def of(who: str) -> set[str]:
    """The cases that exist for an asker."""
    return {row["case"] for row in table("sight") if row[who] == "+"}


def marks(text: str) -> set[str]:
    return set(re.findall(r"DAU-(\d\d)", text))


def unchanged(matrix: World) -> None:
    """Every row is there in its first version, and no other."""
    found = matrix.get("/Observation?code=matrix&_count=100").json()["entry"]
    assert [entry["resource"]["meta"]["versionId"] for entry in found] == ["1"] * len(ROWS)


def told(answer: Any) -> tuple[int, str]:
    """What an answer says, without the id that was asked for."""
    return answer.status_code, re.sub(
        r"o-20|o-none|DAU-20|DAU-none",
        "?",
        re.sub(r'"id":"[^"]*",|[0-9a-f-]{36}|"lastUpdated":"[^"]*"', "", answer.text),
    )


@pytest.mark.parametrize("path", ["{}", "{}/_history", "{}/_history/1", "{}/$meta", "{}/$diff", "{}?_summary=true"])
@pytest.mark.parametrize(
    "headers", [{}, {"if-none-match": 'W/"1"'}, {"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}]
)
def test_what_is_hidden_is_answered_like_what_never_was(matrix: World, path: str, headers: dict[str, str]) -> None:
    there, never = (
        matrix.get(f"/Observation/{path.format(id_)}", ASKER, headers=headers) for id_ in ("o-20", "o-none")
    )
    assert told(there) == told(never)
    assert there.status_code == 404


@pytest.mark.parametrize(
    "query",
    ["value-string=DAU-{}", "_id=o-{}", "_id=o-{}&_total=accurate", "_id=o-{}&_summary=count", "_id=o-{}&_count=0",
     "_id=o-{}&_include=*&_revinclude=DiagnosticReport:result", "_id=o-{}&_sort=-_lastUpdated", "_id=o-{}&_elements=id",
     "value-string:exact=DAU-{}&subject:Patient.family=Matrix", "_id:not=o-{}&value-string:exact=DAU-{}"],
)  # fmt: skip
def test_searches_tell_no_difference(matrix: World, query: str) -> None:
    there, never = (
        matrix.get(f"/Observation?{query.replace('{}', case)}", ASKER).text.replace(case, "?")
        for case in (HIDDEN, "none")
    )
    without = r'"id":"[^"]*"|"lastUpdated":"[^"]*"'
    assert re.sub(without, "", there) == re.sub(without, "", never)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_conditional_changes_are_no_oracle(matrix: World, method: str) -> None:
    body = {
        "content": b'[{"op":"add","path":"/status","value":"final"}]',
        "headers": {"content-type": "application/json-patch+json"},
    }
    answers = [
        matrix.send(method, f"/Observation?value-string:exact=DAU-{case}", ASKER, **(body if method == "PATCH" else {}))
        for case in (HIDDEN, "none")
    ]
    assert told(answers[0]) == told(answers[1])
    unchanged(matrix)


@pytest.mark.parametrize("way", ["If-None-Exist", "PUT", "in a transaction"])
def test_conditional_creates_do_not_find_it(matrix: World, way: str) -> None:
    condition = f"value-string:exact={mark(HIDDEN)}"
    if way == "PUT":
        answer = matrix.put(f"/Observation?{condition}", OBSERVATION, ASKER)
    elif way == "If-None-Exist":
        answer = matrix.post("/Observation", OBSERVATION, ASKER, headers={"if-none-exist": condition})
    else:
        request = {"method": "POST", "url": "Observation", "ifNoneExist": condition}
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": OBSERVATION, "request": request}],
        }
        answer = matrix.post("", bundle, ASKER, headers={"prefer": "return=representation"})
    made = answer.json()["entry"][0]["resource"] if way == "in a transaction" else answer.json()
    assert made["id"] != f"o-{HIDDEN}"
    assert made["meta"]["versionId"] == "1"
    assert mark(HIDDEN) not in answer.text
    matrix.send("DELETE", f"/Observation/{made['id']}")
    unchanged(matrix)


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_references_within_bundles_are_no_oracle(matrix: World, kind: str) -> None:
    def post(case: str) -> tuple[int, str]:
        resource = {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "code": {"text": "x"},
            "result": [{"reference": f"Observation?value-string:exact=DAU-{case}"}],
        }
        request = {"method": "POST", "url": "DiagnosticReport"}
        entries = [
            {"resource": resource, "request": request},
            {"request": {"method": "GET", "url": f"Observation/o-{case}"}},
        ]
        bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
        answer = matrix.post("", bundle, ASKER)
        for entry in answer.json().get("entry", []):
            if place := entry["response"].get("location"):
                matrix.send("DELETE", "/" + place.partition("/_history")[0].removeprefix("http://record.test/fhir/"))
        status, text = told(answer)
        return status, re.sub(r'"(location|etag|lastModified)":"[^"]*"|o-20|o-none', "", text)

    assert post(HIDDEN) == post("none")
    unchanged(matrix)


def test_many_at_once_on_the_same_connections_never_mix(matrix: World) -> None:
    """Prepared statements, pooled connections and what is kept of askers, under requests of everybody."""
    askers = ["doctor", "doctor-of-12001", "station", "citizen", "imaging", "outsider", "system", "vital-signs-app"]
    calls = [who for _ in range(12) for who in askers]
    paths = ["/Observation?code=matrix&_count=100", "/Observation/_history?_count=100"]
    for path in paths:
        answers = matrix.together(*(matrix.asend("GET", path, who) for who in calls))
        for who, answer in zip(calls, answers, strict=True):
            assert marks(answer.text) == (of(who) if who != "outsider" else set()), (who, path)


def test_a_page_token_is_good_for_its_owner_alone(matrix: World) -> None:
    links = matrix.get("/Observation?code=matrix&_count=2", "system").json()["link"]
    following = next(one["url"] for one in links if one["relation"] == "next").removeprefix("http://record.test/fhir")
    assert matrix.get(following, "system").status_code == 200
    for who in ("doctor", "doctor-of-12001", "citizen", "doctor-app", "station"):
        answer = matrix.get(following, who)
        assert (answer.status_code, marks(answer.text)) == (400, set()), who
    for who in ("doctor", "citizen"):  # a place in a history is a number: what is there is asked anew
        assert marks(matrix.get("/Observation/_history?_page=9999999&_count=100", who).text) <= of(who)


def test_a_bulk_job_is_nobody_elses(matrix: World) -> None:
    with app.open():
        begun = matrix.get("/$export?_type=Observation", "system", headers={"prefer": "respond-async"})
    assert begun.status_code == 202
    place = begun.headers["content-location"].removeprefix("http://record.test/fhir")
    for who in ("doctor", "doctor-of-12001", "citizen", "system-of-patients", "admin"):
        for method, path in (("GET", place), ("GET", f"{place}/Observation-1.ndjson"), ("DELETE", place)):
            assert matrix.send(method, path, who).status_code == 404, (who, method, path)
    assert matrix.get(place, "system").status_code == 202
    assert matrix.send("DELETE", place, "system").status_code == 202


def test_matching_names_nobody_outside_of_a_compartment(matrix: World) -> None:
    parameter = [
        {
            "name": "resource",
            "resource": {"resourceType": "Patient", "gender": "female", "name": [{"family": "Matrix"}]},
        }
    ]
    for who in ("citizen", "citizen-app", "doctor-app-launched"):
        answer = matrix.post("/Patient/$match", {"resourceType": "Parameters", "parameter": parameter}, who)
        assert [id_ for id_ in PATIENTS if id_ != "p-yes-no" and id_ in answer.text] == [], who


PAGE_READERS = [("doctor", "12001"), ("citizen", ""), *((role, "12104") for role in sorted(STAFF))]
WORDS = {"Observation": "DAU", **OTHERS}


@pytest.mark.parametrize(("role", "facility"), PAGE_READERS)
def test_no_page_shows_what_does_not_exist(matrix: World, role: str, facility: str) -> None:
    """Every page of a role, with the ids of every patient and visit, and of hidden things, in its address and query."""
    del matrix
    browser = Client()
    account = Account.objects.get(username=f"matrix.{role}.{facility}")
    browser.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    who = {"12001": "doctor-of-12001"}.get(facility) or {"cashier": "imaging"}.get(role, role)  # neither sees labels
    visible = {word: of(who) if "s" in rights(who, type_) else set() for type_, word in WORDS.items()}
    ids = [*PATIENTS, *(f"v-{id_}" for id_ in PATIENTS if id_.startswith("p-yes")), f"o-{HIDDEN}", f"x-{HIDDEN}"]
    for row in table("pages"):
        allowed = roles(row["who"])
        if allowed is not None and role not in allowed:
            continue
        places = (
            [row["address"].replace("/x", f"/{id_}") for id_ in ids] if "/x" in row["address"] else [row["address"]]
        )
        for place in places:
            answer = browser.get(place, {"q": "Matrix", "patient": PATIENTS[0]})
            assert answer.status_code < 500, place
            if answer.streaming:
                continue
            text = answer.content.decode(errors="replace")
            shown = {word: set(re.findall(rf"{word}-(\d\d)", text)) for word in WORDS.values()}
            assert [word for word in shown if not shown[word] <= visible[word]] == [], place
