"""A search parameter that was stored is indexed to its end, though the node is killed at once; all processes answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuetinh.node.tests.conftest import token
from tuetinh.node.tests.test_kill_while_results_arrive import kill

pytestmark = pytest.mark.long

Start = Callable[..., Any]
URL = "http://example.org/fhir/StructureDefinition/house"
PARAMETER = {
    "resourceType": "SearchParameter",
    "id": "house",
    "url": "http://example.org/fhir/SearchParameter/house",
    "name": "House",
    "status": "active",
    "description": "The number of the household",
    "code": "house",
    "base": ["Patient"],
    "type": "string",
    "expression": f"Patient.extension('{URL}').value",
}
PEOPLE = 40


def person(number: int) -> dict[str, Any]:
    extension = [{"url": URL, "valueString": f"Nhà số {number % 2}"}]
    return {"resourceType": "Patient", "id": f"housed-{number}", "extension": extension}


def put(door: httpx.Client, resource: dict[str, Any]) -> None:
    answer = door.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


def test_an_index_is_finished_after_a_kill(start: Start, built: Path) -> None:
    node = start(built, command="demo")
    with httpx.Client(base_url=node.url, headers=token(node), timeout=20) as door:
        for number in range(PEOPLE):
            put(door, person(number))
        put(door, PARAMETER)
        kill(node)
    node = start(built, command="demo")
    with httpx.Client(base_url=node.url, headers=token(node), timeout=20) as door:
        put(door, person(PEOPLE))
        until = time.monotonic() + 60
        while door.get("/fhir/Patient?house=nha").status_code == 400 and time.monotonic() < until:
            time.sleep(0.1)
        found = door.get("/fhir/Patient?house=nha so 0&_count=1000&_elements=id").json()
        assert {entry["resource"]["id"] for entry in found["entry"]} == {f"housed-{n}" for n in range(0, PEOPLE + 1, 2)}
        [work] = door.get("/fhir/SearchParameter/house/$reindex-status").json()["parameter"]
        assert {"name": "status", "valueCode": "completed"} in work["part"]
