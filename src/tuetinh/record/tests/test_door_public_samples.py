from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.django_db


def samples(shared: Path) -> list[Path]:
    found = sorted((shared / "data" / "fhir").glob("microsoft_fhir_server_r4*/**/*.json"))
    assert len(found) > 100
    return found


def test_test_files_of_another_server_are_stored_or_refused_with_reasons(fhir: Any, shared: Path) -> None:
    stored = 0
    for file in samples(shared):
        data = file.read_bytes()
        try:
            type_ = json.loads(data).get("resourceType", "Basic")
        except (ValueError, AttributeError):
            type_ = "Basic"
        path = "" if type_ == "Bundle" and (b'"transaction"' in data or b'"batch"' in data) else f"/{type_}"
        answer = fhir.send("POST", path, content=data, headers={"content-type": "application/fhir+json"})
        assert answer.status_code < 500, (file.name, answer.text[:500])
        if answer.status_code < 300:
            stored += 1
        else:
            outcome = answer.json()
            assert outcome["resourceType"] == "OperationOutcome", file.name
            assert all(issue["diagnostics"] for issue in outcome["issue"]), file.name
    assert stored > 100


def test_synthea_transactions_come_in_whole_and_their_people_can_be_found(fhir: Any, shared: Path) -> None:
    import gzip

    files = sorted((shared / "data" / "fhir" / "synthea_r4").glob("*.gz"), key=lambda f: f.stat().st_size)[:3]
    for file in files:
        data = gzip.decompress(file.read_bytes())
        entries = json.loads(data)["entry"]
        answer = fhir.send("POST", "", content=file.read_bytes(), headers={"content-encoding": "gzip"})
        assert answer.status_code == 200, answer.text[:500]
        body = answer.json()
        assert [e["response"]["status"] for e in body["entry"]] == ["201 Created"] * len(entries)
        assert (
            "urn:uuid"
            not in fhir.get(body["entry"][-1]["response"]["location"].removeprefix("http://record.test/fhir")).text
        )
