"""What is said of one resource in memory is what a search says."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tuetinh.record import r4
from tuetinh.record.search import index, parse
from tuetinh.record.search.holds import Facts, holds, is_plain
from tuetinh.record.tests.conftest import Client

pytestmark = pytest.mark.django_db
UCUM = "http://unitsofmeasure.org"


def quantity(value: float, unit: str, **more: Any) -> dict[str, Any]:
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit, **more}}


def observation(**more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "2345-7", "display": "Đường huyết"}], "text": "Glucose"}
    return {"resourceType": "Observation", "status": "final", "code": code} | more


OBSERVATIONS = [
    observation(effectiveDateTime="2026-03-01", subject={"reference": "Patient/a"}, **quantity(5.4, "mmol/L")),
    observation(effectiveDateTime="2026-03-01T08:00:00Z", subject={"reference": "Patient/b"}, **quantity(6, "g/L")),
    observation(effectivePeriod={"start": "2026-02-01"}, status="amended", **quantity(6000, "mg/L")),
    observation(effectiveDateTime="2026", **quantity(7, "mmol/L", comparator=">")),
    observation(effectiveDateTime="2025-12-31T23:59:59Z", valueString="âm tính"),
    observation(
        status="preliminary",
        component=[{"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}, **quantity(150, "mm[Hg]")}],
    ),
]
QUERIES = (
    *("status=final", "status:not=final", "status=final,amended", "code=http://loinc.org|2345-7", "code=|2345-7"),
    *("code:text=glu", "code:text=duong", "subject=Patient/a", "subject=a", "patient=a", "subject:missing=true"),
    *("date=2026-03-01", "date=2026", "date=ne2026-03-01", "date=gt2026-03-01", "date=lt2026-03-01", "date=ge2026"),
    *("date=le2026-02-01", "date=sa2026-02-28", "date=eb2026-01-01", "date=ap2026-03", "date:missing=true"),
    *("value-quantity=6||g/L", "value-quantity=6|http://unitsofmeasure.org|g/L", "value-quantity=gt5.4"),
    *("value-quantity=5.4", "value-quantity=ne5.4", "value-quantity=lt6|http://unitsofmeasure.org|g/L"),
    *("value-quantity=ge7||mmol/L", "value-quantity=sa7", "value-quantity=le5.4", "value-quantity:missing=true"),
    *(
        "value-string=am",
        "value-string:exact=âm tính",
        "value-string:contains=tinh",
        "combo-code=http://loinc.org|8480-6",
    ),
    *("component-code-value-quantity=http://loinc.org|8480-6$gt140", "code-value-quantity=2345-7$gt5"),
    *("_lastUpdated=gt2020", "_lastUpdated=lt2020", "_content=glucose", "combo-value-quantity=gt140||mm[Hg]"),
    *("_filter=status eq final and not (value-quantity gt 5.4 or date lt 2026)", "_filter=not (subject re Patient/a)"),
    *(
        "_filter=status ne final or value-string co tinh",
        "_filter=value-quantity pr false and not (not (date pr true))",
    ),
)


def test_the_two_say_the_same(fhir: Client) -> None:
    stored = [fhir.post("/Observation", one).json() for one in OBSERVATIONS]
    ids = ",".join(one["id"] for one in stored)
    told: dict[str, set[int]] = {}
    for query in (*QUERIES, f"_id={stored[0]['id']},{stored[3]['id']}"):
        found = fhir.get(f"/Observation?{query}&_id={ids}&_count=100")
        assert found.status_code == 200, (query, found.text)
        hits = {entry["resource"]["id"] for entry in found.json().get("entry", [])}
        told[query] = {n for n, one in enumerate(stored) if one["id"] in hits}
    mine: dict[str, set[int]] = {}
    for query in told:
        search, problems = parse.parse("Observation", query)
        assert problems == []
        assert all(is_plain(one) for one in search.conditions), query
        mine[query] = {n for n, one in enumerate(stored) if all(holds(c, facts(one)) for c in search.conditions)}
    assert mine == told
    assert sum(0 < len(found) < len(stored) for found in told.values()) > 30  # the queries tell resources apart


def facts(one: dict[str, Any]) -> Facts:
    resource = r4.decode(json.dumps(one).encode())
    return Facts("Observation", one["id"], datetime.fromisoformat(one["meta"]["lastUpdated"]), index.extract(resource))
