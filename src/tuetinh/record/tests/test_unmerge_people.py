"""`Patient/$unmerge`: each has again what is theirs, whatever was written since."""

from __future__ import annotations

from typing import Any

import pytest

from .merge_world import call, made, number, observation, told

pytestmark = pytest.mark.django_db


def bare(resource: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in resource.items() if k != "meta"}


def whose(fhir: Any, type_: str, id_: str) -> str:
    return str(fhir.get(f"/{type_}/{id_}").json()["subject"]["reference"].partition("/")[2])


def test_both_are_as_they_were(fhir: Any) -> None:
    source = made(fhir, identifier=[number("1")], name=[{"text": "Lò Văn A"}], birthDate="1980")
    target = made(fhir, gender="male")
    group = {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": f"Patient/{p}"}} for p in (source, target, source)],
    }
    places = [f"/Patient/{source}", f"/Patient/{target}"]
    performed = observation(target, performer=[{"reference": f"Patient/{source}"}])
    for one in (observation(source), observation(target), performed, group):
        type_ = one["resourceType"]
        places.append(f"/{type_}/{fhir.post(f'/{type_}', one).json()['id']}")
    before = [bare(fhir.get(place).json()) for place in places]
    assert call(fhir, "merge", source, target).status_code == 200
    merged = [fhir.get(place).json() for place in places]
    answer = call(fhir, "unmerge", source, target)
    assert answer.status_code == 200, answer.text
    parts = {p["name"]: p["resource"] for p in answer.json()["parameter"]}
    assert parts["outcome"]["issue"][0]["diagnostics"] == "3 resources went back: Group 1, Observation 2"
    after = [fhir.get(place).json() for place in places]
    assert [bare(one) for one in after] == before
    assert parts["result"] == after[0]
    # Every step is a version of its own; what nobody touched has none.
    assert [int(one["meta"]["versionId"]) for one in merged] == [2, 2, 2, 1, 2, 2]
    assert [int(one["meta"]["versionId"]) for one in after] == [3, 3, 3, 1, 3, 3]
    assert fhir.get(f"{places[2]}/_history/2").json() == merged[2]


def test_what_was_written_since(fhir: Any) -> None:
    """Later changes stay; what was sent for the source, or lies within its things, goes to it."""
    source, target = made(fhir), made(fhir)
    visit = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}}
    theirs = [
        fhir.post("/Encounter", visit | {"subject": {"reference": f"Patient/{p}"}}).json() for p in (source, target)
    ]
    mine = fhir.post("/Observation", observation(source)).json()
    gone = fhir.post("/Observation", observation(source)).json()
    assert call(fhir, "merge", source, target).status_code == 200

    changed = fhir.get(f"/Observation/{mine['id']}").json() | {"status": "amended", "note": [{"text": "sau"}]}
    changed["performer"] = [{"reference": f"Patient/{target}"}]
    assert fhir.put(f"/Observation/{mine['id']}", changed).status_code == 200
    fhir.send("DELETE", f"/Observation/{gone['id']}")

    def later(*visits: int, who: str = target) -> str:
        more = {"derivedFrom": [{"reference": f"Observation/{mine['id']}"}]} if len(visits) > 1 else {}
        more |= {"encounter": {"reference": f"Encounter/{theirs[visits[0]]['id']}"}} if visits else {}
        return str(fhir.post("/Observation", observation(who, **more)).json()["id"])

    free, of_source, of_target, of_both, sent = later(), later(0), later(1), later(1, 0), later(who=source)
    deeper = fhir.post("/Observation", observation(target, derivedFrom=[{"reference": f"Observation/{of_source}"}]))
    fhir.put(f"/Patient/{target}", fhir.get(f"/Patient/{target}").json() | {"birthDate": "1990"})
    fhir.put(f"/Patient/{source}", fhir.get(f"/Patient/{source}").json() | {"gender": "male"})

    answer = call(fhir, "unmerge", source)
    issues = {p["name"]: p["resource"] for p in answer.json()["parameter"]}["outcome"]["issue"]
    assert [i["diagnostics"] for i in issues[1:]] == [
        f"Observation/{of_both} lies within things of both people and stays with Patient/{target}"
    ]
    owners = [whose(fhir, "Observation", i) for i in (free, of_source, of_target, of_both, sent, deeper.json()["id"])]
    assert owners == [target, source, target, target, source, source]
    now = fhir.get(f"/Observation/{mine['id']}").json()
    assert (now["status"], now["note"], now["subject"], now["performer"]) == (
        "amended",
        [{"text": "sau"}],
        {"reference": f"Patient/{source}"},
        [{"reference": f"Patient/{source}"}],
    )
    assert fhir.get(f"/Observation/{gone['id']}").status_code == 410
    stays, back = fhir.get(f"/Patient/{target}").json(), fhir.get(f"/Patient/{source}").json()
    assert bare(stays) == {"resourceType": "Patient", "id": target, "active": True, "birthDate": "1990"}
    assert bare(back) == {"resourceType": "Patient", "id": source, "active": True, "gender": "male"}


def test_a_chain_is_undone_from_its_end(fhir: Any) -> None:
    a, b, c = made(fhir), made(fhir), made(fhir)
    ids = [fhir.post("/Observation", observation(p)).json()["id"] for p in (a, b, c)]
    assert call(fhir, "merge", a, b).status_code == call(fhir, "merge", b, c).status_code == 200
    late = fhir.post("/Observation", observation(a)).json()["id"]
    assert [whose(fhir, "Observation", i) for i in (*ids, late)] == [c, c, c, c]
    answer = call(fhir, "unmerge", a)
    assert (answer.status_code, told(answer)) == (
        422,
        f"Patient/{b} was itself merged into Patient/{c} since; undo that first",
    )
    assert call(fhir, "unmerge", b).status_code == 200
    assert [whose(fhir, "Observation", i) for i in (*ids, late)] == [b, b, c, b]
    assert call(fhir, "unmerge", a).status_code == 200
    assert [whose(fhir, "Observation", i) for i in (*ids, late)] == [a, b, c, a]
    assert all("link" not in fhir.get(f"/Patient/{p}").json() for p in (a, b, c))


def test_two_who_became_one_part_in_any_order(fhir: Any) -> None:
    a, b, t = made(fhir, identifier=[number("a")]), made(fhir, identifier=[number("b")]), made(fhir)
    ids = [fhir.post("/Observation", observation(p)).json()["id"] for p in (a, b, t)]
    assert call(fhir, "merge", a, t).status_code == call(fhir, "merge", b, t).status_code == 200
    assert call(fhir, "unmerge", a).status_code == 200
    assert [whose(fhir, "Observation", i) for i in ids] == [a, t, t]
    stays = fhir.get(f"/Patient/{t}").json()
    assert [i["value"] for i in stays["identifier"]] == ["b"]
    assert [link["other"]["reference"] for link in stays["link"]] == [f"Patient/{b}"]
    assert call(fhir, "unmerge", b).status_code == 200
    assert [whose(fhir, "Observation", i) for i in ids] == [a, b, t]
    assert bare(fhir.get(f"/Patient/{t}").json()) == {"resourceType": "Patient", "id": t, "active": True}


def test_merged_undone_and_merged_again(fhir: Any) -> None:
    a, b = made(fhir), made(fhir)
    id_ = fhir.post("/Observation", observation(a)).json()["id"]
    for _ in range(2):
        assert call(fhir, "merge", a, b).status_code == 200
        assert whose(fhir, "Observation", id_) == b
        assert call(fhir, "unmerge", a).status_code == 200
        assert whose(fhir, "Observation", id_) == a
    # And the other way about.
    assert call(fhir, "merge", b, a).status_code == 200


def test_what_was_never_merged_is_refused(fhir: Any) -> None:
    a, b, c = made(fhir), made(fhir), made(fhir)
    answer = call(fhir, "unmerge", a)
    assert (answer.status_code, told(answer)) == (422, f"Patient/{a} is not merged into anybody")
    assert call(fhir, "merge", a, b).status_code == 200
    answer = call(fhir, "unmerge", a, c)
    assert (answer.status_code, told(answer)) == (422, f"Patient/{a} was merged into Patient/{b}, not Patient/{c}")
    fhir.send("DELETE", f"/Patient/{b}")
    answer = call(fhir, "unmerge", a)
    assert (answer.status_code, told(answer)) == (422, f"Patient/{b} was deleted")


def test_a_preview_of_it_changes_nothing(fhir: Any, stored_count: Any, ask: Any) -> None:
    a, b = made(fhir), made(fhir)
    id_ = fhir.post("/Observation", observation(a)).json()["id"]
    assert call(fhir, "merge", a, b).status_code == 200
    fhir.post("/Observation", observation(b, derivedFrom=[{"reference": f"Observation/{id_}"}]))
    before = stored_count()
    answer = call(fhir, "unmerge", a, preview={"valueBoolean": True})
    parts = {p["name"]: p.get("resource") for p in answer.json()["parameter"]}
    assert parts["outcome"]["issue"][0]["diagnostics"] == "2 resources would go back: Observation 2"
    assert "result" not in parts
    assert stored_count() == before
    moved = "SELECT count(*) FROM record.merge_moved m JOIN record.merge g ON g.id = m.merge WHERE g.source = %s"
    assert ask(moved, a) == [(1,)]
