"""Writes that come during a merge are neither lost nor left with the one who vanishes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .merge_world import call, made, observation

pytestmark = pytest.mark.django_db


def merging(name: str, source: str, target: str) -> dict[str, Any]:
    reference = {"reference": f"Patient/{source}"}, {"reference": f"Patient/{target}"}
    names = ("source-patient", "target-patient")
    parts = [{"name": n, "valueReference": r} for n, r in zip(names, reference, strict=True)]
    return {"resourceType": "Parameters", "parameter": parts}


def test_creates_and_updates_during_a_merge_and_its_undoing(fhir: Any) -> None:
    source, target = made(fhir), made(fhir)
    old = [fhir.post("/Observation", observation(source)).json() for _ in range(40)]
    done: list[Any] = []

    async def write(stop: asyncio.Event, number: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            mine = old[(number * 7 + turn) % len(old)]
            new = await fhir.asend("POST", "/Observation", json=observation(source))
            both = {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [
                    {"resource": observation(source), "request": {"method": "POST", "url": "Observation"}},
                    {
                        "resource": mine | {"note": [{"text": f"{number}.{turn}"}]},
                        "request": {"method": "PUT", "url": f"Observation/{mine['id']}"},
                    },
                ],
            }
            pair = await fhir.asend("POST", "/", json=both)
            assert (new.status_code, pair.status_code) == (201, 200), (new.text, pair.text)
            done.append(new.json()["id"])
            done.append(pair.json()["entry"][0]["response"]["location"].partition("Observation/")[2].partition("/")[0])

    async def drive() -> list[int]:
        stop = asyncio.Event()
        writers = [asyncio.create_task(write(stop, n)) for n in range(4)]
        await asyncio.sleep(0.2)
        statuses = []
        for name in ("merge", "unmerge", "merge"):
            answer = await fhir.asend("POST", f"/Patient/${name}", json=merging(name, source, target))
            statuses.append(answer.status_code)
            await asyncio.sleep(0.2)
        stop.set()
        await asyncio.gather(*writers)
        return statuses

    assert fhir.run(drive()) == [200, 200, 200]
    every = {*done, *(one["id"] for one in old)}
    owners = {fhir.get(f"/Observation/{id_}").json()["subject"]["reference"] for id_ in every}
    assert owners == {f"Patient/{target}"}
    assert call(fhir, "unmerge", source).status_code == 200
    owners = {fhir.get(f"/Observation/{id_}").json()["subject"]["reference"] for id_ in every}
    assert owners == {f"Patient/{source}"}


def test_of_many_merges_at_once_one_wins(fhir: Any, ask: Any) -> None:
    one, two, three = made(fhir), made(fhir), made(fhir)
    id_ = fhir.post("/Observation", observation(one)).json()["id"]
    pairs = [(one, two), (two, one), (one, three), (three, one), (two, three), (three, two)]
    answers = fhir.together(*(fhir.asend("POST", "/Patient/$merge", json=merging("merge", *pair)) for pair in pairs))
    assert {a.status_code for a in answers} <= {200, 409, 422}
    won = [pair for pair, answer in zip(pairs, answers, strict=True) if answer.status_code == 200]
    in_force = ask("SELECT source, target FROM record.merge WHERE source = ANY(%s)", [one, two, three])
    assert sorted(in_force) == sorted(won)
    links = {p: fhir.get(f"/Patient/{p}").json().get("link", []) for p in (one, two, three)}
    replaced = {p: x["other"]["reference"] for p, some in links.items() for x in some if x["type"] == "replaced-by"}
    assert {p: ref.partition("/")[2] for p, ref in replaced.items()}.keys() == {s for s, _ in won}
    owner = fhir.get(f"/Observation/{id_}").json()["subject"]["reference"].partition("/")[2]
    assert owner not in replaced
