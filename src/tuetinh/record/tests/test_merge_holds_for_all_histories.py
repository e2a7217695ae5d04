"""Whatever is merged, written and unmerged in whatever order: each resource is where the rules say, none is lost.

A model of the rules in plain Python runs beside the record.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .merge_world import call, made, observation

pytestmark = pytest.mark.django_db
PEOPLE = 3
STEP = st.one_of(
    st.tuples(st.just("write"), st.integers(0, PEOPLE - 1), st.none()),
    st.tuples(st.just("within"), st.integers(0, PEOPLE - 1), st.integers(0, 20)),
    st.tuples(st.just("change"), st.integers(0, 20), st.none()),
    st.tuples(st.just("delete"), st.integers(0, 20), st.none()),
    st.tuples(st.just("merge"), st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1)),
    st.tuples(st.just("unmerge"), st.integers(0, PEOPLE - 1), st.none()),
)


class Model:
    """Where everything should be. into: who was merged into whom; things: owners, marks and what they lie within."""

    def __init__(self) -> None:
        self.into: dict[int, int] = {}
        self.things: list[dict[str, Any]] = []
        self.theirs: dict[int, set[int]] = {}  # by source of a merge in force: the things that go back
        self.since: dict[int, int] = {}  # how many things there were at the merge

    def survivor(self, person: int) -> int:
        while person in self.into:
            person = self.into[person]
        return person

    def write(self, person: int, within: int | None) -> None:
        number = len(self.things)
        at = person
        while at in self.into:
            self.theirs[at].add(number)
            at = self.into[at]
        self.things.append({"owner": at, "mark": 0, "deleted": False, "within": within})

    def can_merge(self, source: int, target: int) -> bool:
        return source != target and source not in self.into and target not in self.into

    def merge(self, source: int, target: int) -> None:
        mine = {i for i, thing in enumerate(self.things) if thing["owner"] == source and not thing["deleted"]}
        self.theirs[source], self.since[source], self.into[source] = mine, len(self.things), target
        for i in mine:
            self.things[i]["owner"] = target

    def can_unmerge(self, source: int) -> bool:
        return source in self.into and self.into[source] not in self.into

    def unmerge(self, source: int) -> None:
        target, mine = self.into.pop(source), self.theirs.pop(source)
        others = set().union(*(self.theirs[s] for s, t in self.into.items() if t == target), set())
        for i in range(self.since[source], len(self.things)):
            thing = self.things[i]
            if thing["owner"] == target and i not in others and not thing["deleted"] and thing["within"] in mine:
                mine.add(i)
        for i in mine:
            if self.things[i]["owner"] == target and not self.things[i]["deleted"]:
                self.things[i]["owner"] = source


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(steps=st.lists(STEP, min_size=4, max_size=22))
def test_everything_is_where_the_rules_say(fhir: Any, steps: list[tuple[str, int, int | None]]) -> None:
    people = [made(fhir, gender="male", birthDate=f"19{50 + i}") for i in range(PEOPLE)]
    whole = [fhir.get(f"/Patient/{p}").json() for p in people]
    model, ids, versions = Model(), list[str](), list[int]()
    for verb, one, other in steps:
        if verb in ("write", "within"):
            inner = other % len(ids) if other is not None and ids else None
            if inner is not None and model.things[inner]["deleted"]:
                continue
            more = {} if inner is None else {"derivedFrom": [{"reference": f"Observation/{ids[inner]}"}]}
            # What lies within something is the affair of the same person.
            who = one if inner is None else model.things[inner]["owner"]
            ids.append(fhir.post("/Observation", observation(people[who], **more)).json()["id"])
            versions.append(1)
            model.write(who, inner)
        elif verb in ("change", "delete") and ids:
            thing, id_ = model.things[one % len(ids)], ids[one % len(ids)]
            if thing["deleted"]:
                continue
            if verb == "delete":
                fhir.send("DELETE", f"/Observation/{id_}")
                thing["deleted"] = True
                continue
            thing["mark"] += 1
            body = fhir.get(f"/Observation/{id_}").json() | {"note": [{"text": str(thing["mark"])}]}
            assert fhir.put(f"/Observation/{id_}", body).status_code == 200
        elif verb == "merge" and other is not None:
            status = call(fhir, "merge", people[one], people[other]).status_code
            assert (status == 200) == model.can_merge(one, other)
            if status == 200:
                model.merge(one, other)
        elif verb == "unmerge":
            status = call(fhir, "unmerge", people[one]).status_code
            assert (status == 200) == model.can_unmerge(one)
            if status == 200:
                model.unmerge(one)
    for thing, id_ in zip(model.things, ids, strict=True):
        answer = fhir.get(f"/Observation/{id_}")
        if thing["deleted"]:
            assert answer.status_code == 410
            continue
        body = answer.json()
        assert body["subject"]["reference"] == f"Patient/{people[thing['owner']]}"
        assert body.get("note", [{"text": "0"}])[0]["text"] == str(thing["mark"])
        history = fhir.get(f"/Observation/{id_}/_history").json()["entry"]
        assert [int(e["resource"]["meta"]["versionId"]) for e in history] == list(
            range(int(body["meta"]["versionId"]), 0, -1)
        )
    for person in range(PEOPLE):
        wanted = {
            id_
            for thing, id_ in zip(model.things, ids, strict=True)
            if thing["owner"] == model.survivor(person) and not thing["deleted"]
        }
        found = fhir.get(f"/Observation?patient={people[person]}&_count=100").json().get("entry", [])
        assert {e["resource"]["id"] for e in found} == wanted
        now = fhir.get(f"/Patient/{people[person]}").json()
        links = [f"Patient/{people[model.into[person]]}"] if person in model.into else []
        links += [f"Patient/{people[s]}" for s, t in model.into.items() if t == person]
        assert sorted(link["other"]["reference"] for link in now.get("link", [])) == sorted(links)
        assert now["active"] is (person not in model.into)
        if not links:
            assert {k: v for k, v in now.items() if k != "meta"} == {
                k: v for k, v in whole[person].items() if k != "meta"
            }
