"""People who stand in the record twice, for the tests of merging."""

from __future__ import annotations

from typing import Any

SYSTEM = "http://x.test/numbers"


def made(fhir: Any, **more: Any) -> str:
    return str(fhir.post("/Patient", {"resourceType": "Patient", "active": True, **more}).json()["id"])


def number(value: str, **more: Any) -> dict[str, Any]:
    return {"system": SYSTEM, "value": value, **more}


def observation(patient: str, **more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "status": "final", "code": code, "subject": subject, **more}


def call(fhir: Any, name: str, source: str, target: str = "", who: str = "system", **more: Any) -> Any:
    parameter: list[dict[str, Any]] = [{"name": "source-patient", "valueReference": {"reference": f"Patient/{source}"}}]
    if target:
        parameter.append({"name": "target-patient", "valueReference": {"reference": f"Patient/{target}"}})
    parameter += [{"name": n.replace("_", "-"), **v} for n, v in more.items()]
    return fhir.post(f"/Patient/${name}", {"resourceType": "Parameters", "parameter": parameter}, who)


def told(answer: Any) -> str:
    assert answer.json()["resourceType"] == "OperationOutcome", answer.text
    return str(answer.json()["issue"][0]["diagnostics"])


def found(fhir: Any, query: str) -> list[str]:
    return sorted(e["resource"]["id"] for e in fhir.get(f"/{query}").json().get("entry", []))
