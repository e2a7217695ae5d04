"""Invariants that are run by their FHIRPath expressions, each broken once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tuetinh.record.validate import check

STRUCTURE: dict[str, Any] = {
    "resourceType": "StructureDefinition",
    "url": "http://x.test/StructureDefinition/a",
    "name": "A",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {"element": [{"id": "Patient", "path": "Patient"}, {"id": "Patient.name", "path": "Patient.name"}]},
}
QUESTIONNAIRE: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "status": "active",
    "item": [{"linkId": "1", "type": "group", "item": [{"linkId": "1.1", "type": "string", "maxLength": 3}]}],
}
WHEN = {"question": "1", "operator": "exists", "answerBoolean": True}


def item(**fields: Any) -> dict[str, Any]:
    return QUESTIONNAIRE | {"item": [{"linkId": "1", "type": "string", **fields}]}


def keys(resource: dict[str, Any]) -> list[str]:
    _, problems = check(json.dumps(resource).encode())
    return [p.message.rpartition("(")[2].rstrip(")") for p in problems if p.severity == "error"]


@pytest.mark.parametrize(
    "resource",
    [
        STRUCTURE,
        QUESTIONNAIRE,
        item(enableWhen=[WHEN]),
        {
            "resourceType": "Task",
            "status": "draft",
            "intent": "order",
            "authoredOn": "2020-01-01",
            "lastModified": "2020",
        },
        {
            "resourceType": "CodeSystem",
            "status": "active",
            "content": "complete",
            "concept": [{"code": "a"}, {"code": "b"}],
        },
        {"resourceType": "CareTeam", "participant": [{"onBehalfOf": {"display": "x"}, "member": {"display": "y"}}]},
    ],
)
def test_what_is_right_is_accepted(resource: dict[str, Any]) -> None:
    assert keys(resource) == []


BROKEN = [
    ("que-1", item(type="group")),
    ("que-10", item(type="date", maxLength=3)),
    ("que-7", item(enableWhen=[{"question": "1", "operator": "exists", "answerInteger": 1}])),
    ("que-12", item(enableWhen=[WHEN, WHEN, WHEN])),
    ("que-13", item(initial=[{"valueString": "a"}, {"valueString": "b"}])),
    ("sdf-4", {k: v for k, v in STRUCTURE.items() if k != "baseDefinition"}),
    ("sdf-6", {k: v for k, v in STRUCTURE.items() if k != "differential"}),
    (
        "sdf-8a",
        STRUCTURE | {"differential": {"element": [{"id": "a", "path": "Patient"}, {"id": "b", "path": "Group.x"}]}},
    ),
    (
        "sdf-17",
        STRUCTURE
        | {"differential": {"element": [{"id": "Patient.name", "path": p} for p in ("Patient", "Patient.name")]}},
    ),
    ("eld-3", STRUCTURE | {"differential": {"element": [{"id": "Patient", "path": "Patient", "max": "-1"}]}}),
    (
        "inv-1",
        {"resourceType": "Task", "status": "draft", "intent": "order", "authoredOn": "2020", "lastModified": "2019"},
    ),
    (
        "csd-1",
        {"resourceType": "CodeSystem", "status": "active", "content": "complete", "concept": [{"code": "a"}] * 2},
    ),
    ("tcp-2", {"resourceType": "TerminologyCapabilities", "status": "active", "date": "2020", "kind": "requirements"}),
]


@pytest.mark.parametrize(("key", "resource"), BROKEN, ids=[key for key, _ in BROKEN])
def test_what_is_broken_is_named(key: str, resource: dict[str, Any]) -> None:
    assert keys(resource) == [key]


def test_a_warning_does_not_refuse() -> None:
    resource, problems = check(json.dumps(QUESTIONNAIRE | {"name": "không hoa"}).encode())
    assert resource is not None
    assert [(p.severity, "que-0" in p.message) for p in problems] == [("warning", True)]
