"""Chains, sorts and includes over a public Bundle that was made to try them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.django_db
FILE = "data/fhir/microsoft_fhir_server_r4/Bundle-ChainingSortAndSearchValidation.json"


@pytest.fixture(scope="module")
def stored(fhir: Any, shared: Path) -> dict[str, dict[str, Any]]:
    bundle = json.loads((shared / FILE).read_text(encoding="utf-8-sig"))
    answer = fhir.post("", bundle)
    assert answer.status_code == 200, answer.text[:500]
    return {f"{r['resourceType']}/{r['id']}": r for r in (entry["resource"] for entry in bundle["entry"])}


def found(fhir: Any, query: str) -> list[str]:
    answer = fhir.get(query)
    assert answer.status_code == 200, answer.text[:500]
    entries = [entry["resource"] for entry in answer.json().get("entry", ())]
    return [f"{r['resourceType']}/{r['id']}" for r in entries]


def test_roles_are_found_by_where_they_lead(fhir: Any, stored: dict[str, dict[str, Any]]) -> None:
    roles = {name: r for name, r in stored.items() if r["resourceType"] == "PractitionerRole"}
    assert set(found(fhir, "/PractitionerRole?_count=100")) == set(roles)
    for parameter in ("practitioner", "organization"):
        for type_id in {r[parameter]["reference"] for r in roles.values() if parameter in r}:
            target = stored.get(type_id)
            if target is None:
                continue
            expected = {n for n, r in roles.items() if r.get(parameter, {}).get("reference") == type_id}
            type_, id_ = type_id.split("/")
            assert set(found(fhir, f"/PractitionerRole?{parameter}:{type_}._id={id_}&_count=100")) == expected
            assert set(found(fhir, f"/{type_}?_id={id_}&_has:PractitionerRole:{parameter}:active=true")) <= {type_id}
