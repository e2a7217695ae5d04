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


# What is not taken, alone and as it is, and why: what stands in the answer.
REFUSED = {
    "Bundle-TransactionWithReferenceInResourceBody.json": (412, "Patient"),
    "DocumentReference-example-relatesTo-code-appends.indexes.json": (400, "must be a JSON object"),
    "DocumentReference-example-relatesTo-code-transforms-replaces-target.indexes.json": (400, "must be a JSON object"),
    "DocumentReference-example-relatesTo-code-transforms.indexes.json": (400, "must be a JSON object"),
    "InvalidCompartmentDefinition.json": (400, "namespace"),
    "ValidCompartmentDefinition.json": (400, "namespace"),  # its narratives are no XHTML: valid are its compartments
    "ResourceWrapperNoVersion.json": (400, "resourceType is required"),
    "SmartCommon.json": (400, "'Practioner'"),
    "SmartPatientA.json": (400, "AppointmentParticipant must have status"),
    "SmartPatientD.json": (400, "is written by this entry and by Bundle.entry[0]"),
    "devicemetric-example.json": (400, "must refer to Device, not to DeviceDefinition"),
    "deviceusestatement-example.json": (400, "not to Procedure"),
    "medicinalproductcontraindication-questionnaire.json": (400, "must have linkId"),
    "plandefinition-example.json": (400, "not well-formed XHTML"),
    "practitionerrole-questionnaire.json": (400, "must have linkId"),
    "specimendefinition-questionnaire.json": (400, "must have linkId"),
}


def test_test_files_of_another_server_are_stored_or_refused_with_reasons(fhir: Any, shared: Path) -> None:
    other = {}
    for file in samples(shared):
        data = file.read_bytes()
        try:
            type_ = json.loads(data.decode("utf-8-sig")).get("resourceType", "Basic")
        except (ValueError, AttributeError):
            type_ = "Basic"
        path = "" if type_ == "Bundle" and (b'"transaction"' in data or b'"batch"' in data) else f"/{type_}"
        answer = fhir.send("POST", path, content=data, headers={"content-type": "application/fhir+json"})
        if answer.status_code not in (200, 201):
            outcome = answer.json()
            assert outcome["resourceType"] == "OperationOutcome", file.name
            other[file.name] = (answer.status_code, " ".join(issue["diagnostics"] for issue in outcome["issue"]))
        status, words = REFUSED.get(file.name, (0, ""))
        found, told = other.get(file.name, (0, ""))
        assert (found, words in told) == (status, True), (file.name, found, told[:300])


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
