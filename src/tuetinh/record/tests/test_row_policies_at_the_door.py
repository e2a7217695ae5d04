"""The connections of the door serve one asker after the other, and none for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_the_door_serves_many_askers_on_few_connections(fhir: Any, ask: Callable[..., list[Any]]) -> None:
    made = fhir.post("/Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "x"}})
    path = f"/Observation/{made.json()['id']}"
    calls = [fhir.asend("GET", path, who) for _ in range(30) for who in ("system", "outsider", "reader", "citizen")]
    answers = fhir.together(*calls)
    assert [answer.status_code for answer in answers] == [200, 403, 200, 404] * 30
    assert ask('SELECT count(*) FROM record."Observation" WHERE id = %s', made.json()["id"]) == [(1,)]
