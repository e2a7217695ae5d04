"""`Patient/$merge`: what moves, what both people look like, what is refused, who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .merge_world import call, found, made, number, observation, told

pytestmark = pytest.mark.django_db


def test_what_names_the_source_names_the_target(fhir: Any) -> None:
    source = made(fhir, identifier=[number("1"), number("3")], birthDate="1980-01-01", name=[{"text": "Lò Văn A"}])
    target = made(fhir, identifier=[number("2")], name=[{"text": "Lò Văn Á"}])
    mine = fhir.post("/Observation", observation(source)).json()
    theirs = fhir.post("/Observation", observation(target)).json()
    group = {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": f"Patient/{p}"}} for p in (source, target)],
    }
    group = fhir.post("/Group", group).json()
    answer = call(fhir, "merge", source, target)
    assert answer.status_code == 200, answer.text
    parts = {p["name"]: p["resource"] for p in answer.json()["parameter"]}
    assert parts["outcome"]["issue"][0]["diagnostics"] == "2 resources moved: Group 1, Observation 1"
    assert parts["result"] == fhir.get(f"/Patient/{target}").json()

    moved = fhir.get(f"/Observation/{mine['id']}").json()
    assert (moved["subject"]["reference"], moved["meta"]["versionId"]) == (f"Patient/{target}", "2")
    assert fhir.get(f"/Observation/{mine['id']}/_history/1").json() == mine
    assert fhir.get(f"/Observation/{theirs['id']}").json() == theirs
    members = fhir.get(f"/Group/{group['id']}").json()["member"]
    assert [m["entity"]["reference"] for m in members] == [f"Patient/{target}"] * 2

    gone, stays = fhir.get(f"/Patient/{source}").json(), fhir.get(f"/Patient/{target}").json()
    assert gone["active"] is False
    assert gone["link"] == [{"other": {"reference": f"Patient/{target}"}, "type": "replaced-by"}]
    assert stays["link"] == [{"other": {"reference": f"Patient/{source}"}, "type": "replaces"}]
    assert stays["identifier"] == [number("2"), number("1", use="old"), number("3", use="old")]
    assert (stays["birthDate"], stays["name"]) == ("1980-01-01", [{"text": "Lò Văn Á"}])
    assert found(fhir, f"Observation?patient={target}") == sorted([mine["id"], theirs["id"]])


def test_a_search_for_the_source_finds_what_the_survivor_has(fhir: Any) -> None:
    source, target = made(fhir), made(fhir)
    ids = [fhir.post("/Observation", observation(p)).json()["id"] for p in (source, target, source)]
    assert call(fhir, "merge", source, target).status_code == 200
    assert found(fhir, f"Observation?patient={source}") == sorted(ids)
    assert found(fhir, f"Observation?subject=Patient/{source}&code=8867-4") == sorted(ids)
    assert found(fhir, f"Patient/{source}/Observation") == sorted(ids)
    assert fhir.get(f"/Observation?patient={source}&_summary=count").json()["total"] == 3
    pages, url = [], f"/Observation?patient={source}&_count=2"
    while url:
        page = fhir.get(url).json()
        pages.append([e["resource"]["id"] for e in page["entry"]])
        url = next((x["url"].partition("/fhir")[2] for x in page["link"] if x["relation"] == "next"), "")
    assert [len(page) for page in pages] == [2, 1]
    everything = fhir.get(f"/Patient/{source}/$everything").json()["entry"]
    assert {e["resource"]["id"] for e in everything} == {target, source, *ids}  # the source has a link to the target


def test_what_is_written_in_the_name_of_the_source_comes_to_the_survivor(fhir: Any) -> None:
    source, target = made(fhir), made(fhir)
    old = fhir.post("/Observation", observation(source)).json()
    assert call(fhir, "merge", source, target).status_code == 200
    new = fhir.post("/Observation", observation(source)).json()
    assert new["subject"]["reference"] == f"Patient/{target}"
    assert fhir.get(f"/Observation/{new['id']}").json() == new
    again = fhir.put(f"/Observation/{old['id']}", old | {"status": "amended"}).json()
    assert (again["subject"]["reference"], again["status"]) == (f"Patient/{target}", "amended")
    both = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": observation(p), "request": {"method": "POST", "url": "Observation"}} for p in (source, target)
        ],
    }
    assert fhir.post("/", both).status_code == 200
    assert len(found(fhir, f"Observation?subject=Patient/{target}")) == 4


def test_the_source_stays_merged_whatever_is_written_into_it(fhir: Any) -> None:
    source, target = made(fhir), made(fhir)
    assert call(fhir, "merge", source, target).status_code == 200
    body = {"resourceType": "Patient", "id": source, "active": True, "gender": "male"}
    written = fhir.put(f"/Patient/{source}", body).json()
    assert (written["active"], written["gender"]) == (False, "male")
    assert written["link"] == [{"other": {"reference": f"Patient/{target}"}, "type": "replaced-by"}]


def test_the_target_as_it_is_to_be(fhir: Any) -> None:
    source, target = made(fhir), made(fhir, identifier=[number("2")])
    result = {
        "resourceType": "Patient",
        "id": target,
        "identifier": [number("2")],
        "gender": "female",
        "link": [{"other": {"reference": f"Patient/{source}"}, "type": "replaces"}],
    }
    for wrong, text in (
        ({"id": source}, f"result-patient must have the id of the target, {target}"),
        ({"link": []}, f"result-patient must have a link of type replaces to Patient/{source}"),
    ):
        given = {k: v for k, v in {**result, **wrong}.items() if v}
        answer = call(fhir, "merge", source, target, result_patient={"resource": given})
        assert (answer.status_code, told(answer)) == (422, text)
    assert call(fhir, "merge", source, target, result_patient={"resource": result}).status_code == 200
    stays = fhir.get(f"/Patient/{target}").json()
    assert {k: v for k, v in stays.items() if k != "meta"} == result


def test_people_are_named_by_their_numbers(fhir: Any) -> None:
    source, target = made(fhir, identifier=[number("n1")]), made(fhir, identifier=[number("n2"), number("n3")])

    def merged(*values: str) -> Any:
        parts = [{"name": "source-patient-identifier", "valueIdentifier": number(values[0])}]
        parts += [{"name": "target-patient-identifier", "valueIdentifier": number(v)} for v in values[1:]]
        return fhir.post("/Patient/$merge", {"resourceType": "Parameters", "parameter": parts})

    assert told(merged("n1", "nobody")) == "target-patient-identifier fits no Patient"
    assert told(merged("n1", "n2", "n1")) == "target-patient-identifier fits no Patient"
    assert merged("n1", "n2", "n3").status_code == 200
    assert fhir.get(f"/Patient/{source}").json()["link"][0]["other"]["reference"] == f"Patient/{target}"


def test_a_preview_changes_nothing(fhir: Any, stored_count: Callable[[], int], ask: Any) -> None:
    source, target = made(fhir), made(fhir)
    fhir.post("/Observation", observation(source))
    before = stored_count()
    answer = call(fhir, "merge", source, target, preview={"valueBoolean": True})
    parts = {p["name"]: p["resource"] for p in answer.json()["parameter"]}
    assert parts["outcome"]["issue"][0]["diagnostics"] == "1 resources would move: Observation 1"
    assert parts["result"]["link"] == [{"other": {"reference": f"Patient/{source}"}, "type": "replaces"}]
    assert stored_count() == before
    assert ask("SELECT count(*) FROM record.merge WHERE source = %s", source) == [(0,)]


def test_what_makes_no_sense_is_refused(fhir: Any, stored_count: Callable[[], int]) -> None:
    a, b, c, gone = (made(fhir) for _ in range(4))
    assert fhir.send("DELETE", f"/Patient/{gone}").status_code in (200, 204)
    assert call(fhir, "merge", a, b).status_code == 200
    before = stored_count()
    for (source, target), status, text in (
        ((a, a), 422, "source and target are the same Patient"),
        ((a, c), 422, f"Patient/{a} was merged into Patient/{b} already"),
        ((c, a), 422, f"Patient/{a} was merged into Patient/{b} already"),
        ((b, a), 422, f"Patient/{a} was merged into Patient/{b} already"),
        ((c, gone), 422, f"Patient/{gone} was deleted"),
        ((gone, c), 422, f"Patient/{gone} was deleted"),
        ((c, "nobody-at-all"), 404, "Patient/nobody-at-all is not known"),
    ):
        answer = call(fhir, "merge", source, target)
        assert (answer.status_code, told(answer)) == (status, text)
    answer = fhir.post("/Patient/$merge", {"resourceType": "Parameters"})
    assert (answer.status_code, told(answer)) == (400, "source-patient or source-patient-identifier is required")
    answer = call(fhir, "merge", "x/y", c)
    assert answer.status_code == 400
    assert stored_count() == before


@pytest.mark.parametrize("who", ["reader", "outsider", "citizen", "lab-app", "patient-app", ""])
@pytest.mark.parametrize("name", ["merge", "unmerge"])
def test_who_may_not(fhir: Any, stored_count: Callable[[], int], name: str, who: str) -> None:
    source, target = made(fhir), made(fhir)
    if name == "unmerge":
        assert call(fhir, "merge", source, target).status_code == 200
    before = stored_count()
    assert call(fhir, name, source, target, who).status_code == (403 if who else 401)
    assert stored_count() == before


def test_the_access_log_tells(fhir: Any, ask: Any) -> None:
    source, target = made(fhir), made(fhir)
    fhir.post("/Observation", observation(source))
    assert call(fhir, "merge", source, target, "doctor").status_code == 200
    logged = ask(
        "SELECT account, type, patient FROM record.audit WHERE action = 'merge' AND patient IN (%s, %s)", source, target
    )
    assert sorted(logged) == sorted([("doctor", "Observation,Patient", target), ("doctor", "Patient", source)])
