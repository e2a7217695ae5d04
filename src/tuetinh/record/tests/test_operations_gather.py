"""$everything, $lastn and $document gather what belongs together, for those who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.django_db
SYSTEM = "http://x.test/codes"


def code(*codes: str) -> dict[str, Any]:
    return {"coding": [{"system": SYSTEM, "code": c} for c in codes]}


@pytest.fixture
def cast(fhir: Any) -> dict[str, Any]:
    """Two people; the first with a visit, its doctor, and five observations."""

    def make(type_: str, **content: Any) -> str:
        return fhir.post(f"/{type_}", {"resourceType": type_, **content}).json()["id"]

    doctor = make("Practitioner", name=[{"family": "Lê"}])
    one, two = make("Patient", gender="male"), make("Patient", gender="female")
    subject = {"reference": f"Patient/{one}"}
    visit = make("Encounter", status="finished", subject=subject, period={"start": "2024-03-01"},
                 participant=[{"individual": {"reference": f"Practitioner/{doctor}"}}],
                 **{"class": {"code": "AMB"}})  # fmt: skip
    given = ((("a",), "2024-01-01"), (("a", "A"), "2024-03-01"), (("A",), "2024-02-01"), (("b",), "2023-01-01"))
    within = {"encounter": {"reference": f"Encounter/{visit}"}}
    observations = [
        make("Observation", status="final", subject=subject, code=code(*codes), effectiveDateTime=day,
             **(within if day == "2024-03-01" else {}))
        for codes, day in given
    ]  # fmt: skip
    own = make("Observation", status="final", subject={"reference": f"Patient/{two}"}, code=code("a"))
    return {"own": own, "doctor": doctor, "one": one, "two": two, "visit": visit, "observations": observations}


def names(answer: Any) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json().get("entry", [])}


def test_everything_has_what_names_the_person_second(fhir: Any, cast: dict[str, Any]) -> None:
    two = {"reference": f"Patient/{cast['two']}"}

    def make(type_: str, **content: Any) -> str:
        return f"{type_}/{fhir.post(f'/{type_}', {'resourceType': type_, **content}).json()['id']}"

    one = {"reference": f"Patient/{cast['one']}"}
    beside = {
        make("Observation", status="final", subject=one, performer=[two], code=code("b")),
        make("Appointment", status="proposed", participant=[{"actor": p, "status": "accepted"} for p in (one, two)]),
        make("Group", type="person", actual=True, member=[{"entity": one}, {"entity": two}]),
    }
    make("Observation", status="final", subject=one, focus=[two], code=code("b"))
    before = {f"Patient/{cast['two']}", f"Observation/{cast['own']}"}
    assert names(fhir.get(f"/Patient/{cast['two']}/$everything")) == before | beside
    assert names(fhir.get(f"/Patient/{cast['two']}/$everything?_type=Observation")) >= {sorted(beside)[-1]}


def test_everything_of_a_patient(fhir: Any, cast: dict[str, Any]) -> None:
    whole = {f"Patient/{cast['one']}", f"Encounter/{cast['visit']}", f"Practitioner/{cast['doctor']}"}
    whole |= {f"Observation/{id_}" for id_ in cast["observations"]}
    place = f"/Patient/{cast['one']}/$everything"
    assert names(fhir.get(place)) == whole
    assert names(fhir.send("POST", place)) == whole
    assert names(fhir.get(f"{place}?_type=Encounter")) == {f"Encounter/{cast['visit']}"}
    both = names(fhir.get(f"{place}?_type=Encounter,Practitioner"))
    assert both == {f"Encounter/{cast['visit']}", f"Practitioner/{cast['doctor']}"}
    spring = names(fhir.get(f"{place}?start=2024-02-15&end=2024-03&_type=Observation"))
    assert spring == {f"Observation/{cast['observations'][1]}"}
    assert names(fhir.get(f"{place}?_since=2999-01-01T00:00:00Z")) == set()
    found: set[str] = set()
    pages, following = 0, f"{place}?_count=2"
    while following:
        page = fhir.get(following)
        found |= names(page)
        pages += 1
        link = next((x["url"] for x in page.json()["link"] if x["relation"] == "next"), "")
        following = link.removeprefix("http://record.test/fhir")
    assert (found, pages) == (whole, 3)


def test_everything_of_an_encounter(fhir: Any, cast: dict[str, Any]) -> None:
    found = names(fhir.get(f"/Encounter/{cast['visit']}/$everything"))
    here = {f"Encounter/{cast['visit']}", f"Patient/{cast['one']}", f"Practitioner/{cast['doctor']}"}
    assert found == here | {f"Observation/{cast['observations'][1]}"}


@pytest.mark.parametrize("query", ["_count=x", "_type=Nothing", "_since=yesterday", "start=1", "_page=-1", "who=me"])
def test_everything_refuses_what_it_does_not_understand(fhir: Any, cast: dict[str, Any], query: str) -> None:
    answer = fhir.get(f"/Patient/{cast['one']}/$everything?{query}")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == [query.partition("=")[0]]


def test_everything_is_for_those_who_may_read_it(fhir: Any, cast: dict[str, Any]) -> None:
    place = f"/Patient/{cast['one']}/$everything"
    assert fhir.get(place, "outsider").status_code == 403
    assert fhir.get(place, "citizen").status_code == 404
    assert fhir.get(f"/Encounter/{cast['visit']}/$everything", "citizen").status_code == 404
    assert fhir.get("/Patient/nobody/$everything").status_code == 404
    mine = {"resourceType": "Patient", "id": "citizen-of-the-cast"}
    fhir.put("/Patient/citizen-of-the-cast", mine)
    assert names(fhir.get("/Patient/citizen-of-the-cast/$everything", "citizen")) == {"Patient/citizen-of-the-cast"}


def test_lastn_groups_by_shared_codes(fhir: Any, cast: dict[str, Any]) -> None:
    o = cast["observations"]
    place = f"/Observation/$lastn?patient=Patient/{cast['one']}"
    assert names(fhir.get(place)) == {f"Observation/{o[1]}", f"Observation/{o[3]}"}
    assert names(fhir.get(f"{place}&max=2&code=a,A")) == {f"Observation/{o[1]}", f"Observation/{o[2]}"}
    assert fhir.get("/Observation/$lastn").status_code == 400
    assert fhir.get(f"{place}&max=0").json()["issue"][0]["expression"] == ["max"]
    assert fhir.get(place, "outsider").status_code == 403
    assert names(fhir.get(place, "citizen")) == set()


def test_document_holds_all_that_the_composition_refers_to(
    fhir: Any, cast: dict[str, Any], stored_count: Callable[[], int]
) -> None:
    composition = {
        "resourceType": "Composition", "status": "final", "type": code("x"), "date": "2024-03-01", "title": "Tóm tắt",
        "subject": {"reference": f"Patient/{cast['one']}"},
        "author": [{"reference": f"Practitioner/{cast['doctor']}"}],
        "section": [{"entry": [{"reference": f"Observation/{cast['observations'][0]}"}]}],
    }  # fmt: skip
    id_ = fhir.post("/Composition", composition).json()["id"]
    before = stored_count()
    answer = fhir.get(f"/Composition/{id_}/$document")
    body = answer.json()
    assert (body["type"], body["entry"][0]["resource"]["id"]) == ("document", id_)
    assert names(answer) == {
        f"Composition/{id_}", f"Patient/{cast['one']}", f"Practitioner/{cast['doctor']}",
        f"Observation/{cast['observations'][0]}",
    }  # fmt: skip
    for name in (id_, f"Composition/{id_}", f"http://record.test/fhir/Composition/{id_}"):
        assert names(fhir.get(f"/Composition/$document?id={name}")) == names(answer)
    assert stored_count() == before
    assert fhir.send("POST", f"/Composition/{id_}/$document?persist=true", "reader").status_code == 403
    assert stored_count() == before
    kept = fhir.send("POST", f"/Composition/{id_}/$document?persist=true").json()
    assert fhir.get(f"/Bundle/{kept['id']}").json() == kept
    assert fhir.get(f"/Composition/{id_}/$document", "citizen").status_code == 404
    fhir.send("DELETE", f"/Observation/{cast['observations'][0]}")
    assert fhir.get(f"/Composition/{id_}/$document").status_code == 422


def test_gathering_keeps_to_scopes_with_a_query(fhir: Any, cast: dict[str, Any]) -> None:
    category = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]
    }
    result = {"resourceType": "Observation", "status": "final", "code": code("lab"), "category": [category]}
    id_ = fhir.post("/Observation", result | {"subject": {"reference": f"Patient/{cast['one']}"}}).json()["id"]
    everything = names(fhir.get(f"/Patient/{cast['one']}/$everything", "lab-app"))
    assert everything == {f"Patient/{cast['one']}", f"Observation/{id_}"}
    assert names(fhir.get(f"/Observation/$lastn?patient=Patient/{cast['one']}", "lab-app")) == {f"Observation/{id_}"}
    query = "{ id ObservationList(_reference: patient) { id } }"
    asked = fhir.get(f"/Patient/{cast['one']}/$graphql", "lab-app", params={"query": query})
    assert asked.json()["data"]["ObservationList"] == [{"id": id_}]
    hidden = f"/Observation/{cast['observations'][0]}"
    for name in ("$meta", "$validate", "$diff"):
        assert fhir.get(f"{hidden}/{name}", "lab-app").status_code == 404
    added = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
    assert fhir.post(f"{hidden}/$meta-add", added, "lab-app").status_code in (403, 404)
    assert fhir.get(hidden).json()["meta"]["versionId"] == "1"


def test_everything_reads_dates_in_the_zone_of_the_node(fhir: Any, cast: dict[str, Any]) -> None:
    subject = {"reference": f"Patient/{cast['two']}"}
    late = {"resourceType": "Observation", "status": "final", "code": code("z"), "subject": subject}
    id_ = fhir.post("/Observation", late | {"effectiveDateTime": "2024-01-31T17:30:00Z"}).json()["id"]  # 00:30 there
    place = f"/Patient/{cast['two']}/$everything?_type=Observation"
    assert f"Observation/{id_}" in names(fhir.get(f"{place}&start=2024-02-01&end=2024-02-01"))
    assert f"Observation/{id_}" not in names(fhir.get(f"{place}&end=2024-01-31"))


def test_pages_of_a_posted_everything_keep_its_parameters(fhir: Any, cast: dict[str, Any]) -> None:
    parameters = [{"name": "_type", "valueString": "Observation"}, {"name": "_count", "valueInteger": 3}]
    body = {"resourceType": "Parameters", "parameter": parameters}
    first = fhir.post(f"/Patient/{cast['one']}/$everything", body)
    following = next(x["url"] for x in first.json()["link"] if x["relation"] == "next")
    second = fhir.get(following.removeprefix("http://record.test/fhir"))
    assert names(first) | names(second) == {f"Observation/{id_}" for id_ in cast["observations"]}
    assert fhir.get(f"/Patient/{cast['one']}/$everything?_count=0").status_code == 400


def test_lastn_is_of_each_patient(fhir: Any, cast: dict[str, Any]) -> None:
    both = names(fhir.get(f"/Observation/$lastn?patient={cast['one']},{cast['two']}&code=a"))
    assert len(both) == 2
    assert f"Observation/{cast['observations'][1]}" in both
    for query in ("patient:missing=true", f"patient={cast['one']}&_sort=date", f"patient={cast['one']}&_include=*"):
        assert fhir.get(f"/Observation/$lastn?{query}").status_code == 400


def test_a_get_stores_no_document(fhir: Any, cast: dict[str, Any], stored_count: Callable[[], int]) -> None:
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "x"},
        "date": "2024-01-01",
        "title": "x",
        "author": [{"reference": f"Practitioner/{cast['doctor']}"}],
    }
    id_ = fhir.post("/Composition", composition).json()["id"]
    before = stored_count()
    assert fhir.get(f"/Composition/{id_}/$document?persist=true").status_code == 400
    assert stored_count() == before
    by_type = fhir.get(f"/Composition/$document?id={id_}")
    assert names(by_type) == {f"Composition/{id_}", f"Practitioner/{cast['doctor']}"}
    assert fhir.send("POST", f"/Composition/{id_}/$document?persist=true").status_code == 200
    assert stored_count() == before + 1


def test_lastn_takes_the_conditions_of_a_search_in_parameters_too(fhir: Any, cast: dict[str, Any]) -> None:
    def asked(*parts: dict[str, Any]) -> Any:
        return fhir.post("/Observation/$lastn", {"resourceType": "Parameters", "parameter": list(parts)})

    whose = {"name": "patient", "valueString": f"Patient/{cast['one']}"}
    assert names(asked(whose)) == names(fhir.get(f"/Observation/$lastn?patient=Patient/{cast['one']}"))
    named = {"name": "subject", "valueReference": {"reference": f"Patient/{cast['one']}"}}
    two = names(asked(named, {"name": "max", "valuePositiveInt": 2}, {"name": "code", "valueString": "a"}))
    assert len(two) == 2
    assert asked({"name": "patient", "valuePeriod": {"start": "2024"}}).status_code == 400


def pages(fhir: Any, path: str, who: str = "system") -> list[set[str]]:
    """What each page brings, but for what comes along."""
    found = []
    while path:
        answer = fhir.get(path, who)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        found.append(
            {
                f"{e['resource']['resourceType']}/{e['resource']['id']}"
                for e in bundle.get("entry", [])
                if e["search"]["mode"] == "match"
            }
        )
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        path = following[0].removeprefix("http://record.test/fhir") if following else ""
    return found


def test_everything_of_all_patients_page_by_page(fhir: Any, cast: dict[str, Any]) -> None:
    mine = {f"Observation/{id_}" for id_ in (*cast["observations"], cast["own"])}
    mine |= {f"Patient/{cast['one']}", f"Patient/{cast['two']}", f"Encounter/{cast['visit']}"}
    every = pages(fhir, "/Patient/$everything?_count=3")
    assert max(map(len, every)) <= 3
    assert sum(map(len, every)) == len(set().union(*every))
    assert mine <= set().union(*every)
    assert not any(name.startswith("Practitioner/") for name in set().union(*every))
    along = fhir.get("/Patient/$everything?_count=1000&_type=Encounter,Practitioner").json()["entry"]
    assert f"Practitioner/{cast['doctor']}" in {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in along}
    kinds = {name.partition("/")[0] for page in pages(fhir, "/Patient/$everything?_type=Observation") for name in page}
    assert kinds == {"Observation"}
    assert pages(fhir, "/Patient/$everything?_since=2099-01-01T00:00:00Z") == [set()]
    assert fhir.get("/Patient/$everything", "outsider").status_code == 403
    assert set().union(*pages(fhir, "/Patient/$everything", "citizen")) <= {"Patient/citizen-of-the-cast"}


def test_everything_of_a_group(fhir: Any, cast: dict[str, Any]) -> None:
    group = {"resourceType": "Group", "type": "person", "actual": True}
    member = [{"entity": {"reference": f"Patient/{cast['two']}"}}]
    gone = {"entity": {"reference": f"Patient/{cast['one']}"}, "inactive": True}
    id_ = fhir.post("/Group", group | {"member": [*member, gone]}).json()["id"]
    wanted = [f"Group/{id_}", f"Patient/{cast['two']}", f"Observation/{cast['own']}"]
    assert pages(fhir, f"/Group/{id_}/$everything") == [set(wanted)]
    assert pages(fhir, f"/Group/{id_}/$everything?_count=1") == [set(wanted[:2]), {wanted[2]}]
    empty = fhir.post("/Group", group).json()["id"]
    assert pages(fhir, f"/Group/{empty}/$everything") == [{f"Group/{empty}"}]
    assert fhir.get("/Group/nothing/$everything").status_code == 404
    assert fhir.get(f"/Group/{id_}/$everything", "outsider").status_code == 403
