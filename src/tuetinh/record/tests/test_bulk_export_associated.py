"""Provenances come along with what is exported (`includeAssociatedData`), each once."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record.tests.bulk_world import ASYNC, Made, export

pytestmark = pytest.mark.django_db


def provenance(id_: str, *targets: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "id": id_,
        "target": [{"reference": target} for target in targets],
        "recorded": "2026-01-02T03:04:05Z",
        "agent": [{"who": {"display": "Trạm"}}],
    }


@pytest.fixture(scope="module")
def there(fhir: Any) -> Any:
    """Results of two people, the first of which was corrected, and what tells where they come from."""
    for id_ in ("one", "two"):
        fhir.put(f"/Patient/{id_}", {"resourceType": "Patient", "id": id_})
        for status in ("preliminary", "final") if id_ == "one" else ("final",):
            about = {"status": status, "code": {"text": "x"}, "subject": {"reference": f"Patient/{id_}"}}
            fhir.put(f"/Observation/o-{id_}", {"resourceType": "Observation", "id": f"o-{id_}"} | about)
    fhir.put("/Organization/o", {"resourceType": "Organization", "id": "o", "name": "Trạm"})
    for body in (
        provenance("of-both", "Observation/o-one", "Observation/o-two"),
        provenance("of-first", "Observation/o-one/_history/1"),
        provenance("of-second", "Observation/o-one/_history/2"),
        provenance("of-patient", "Patient/one", "Observation/o-one"),
        provenance("of-place", "Organization/o"),
        provenance("of-two", "http://record.test/fhir/Observation/o-two", "Observation/o-two"),
    ):
        assert fhir.put(f"/Provenance/{body['id']}", body).status_code == 201
    return fhir


def provenances(made: Made) -> list[str]:
    return sorted(line["id"] for line in made.lines(type_="Provenance"))


LATEST = "includeAssociatedData=LatestProvenanceResources"
RELEVANT = "includeAssociatedData=RelevantProvenanceResources"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/Patient/$export?_type=Observation&{LATEST}", ["of-both", "of-patient", "of-second", "of-two"]),
        (
            f"/Patient/$export?_type=Observation&{RELEVANT}",
            ["of-both", "of-first", "of-patient", "of-second", "of-two"],
        ),
        (f"/Patient/$export?_type=Observation&patient=Patient/two&{RELEVANT}", ["of-both", "of-two"]),
        (f"/Patient/$export?_type=Patient&{LATEST}", ["of-patient"]),
        (
            f"/Patient/$export?_type=Patient,Observation,Provenance&{LATEST}",
            ["of-both", "of-first", "of-patient", "of-second", "of-two"],
        ),
        (f"/$export?_type=Organization&{LATEST}", ["of-place"]),
        (f"/$export?_type=Observation&_typeFilter=Observation%3F_id=o-two&{LATEST}", ["of-both", "of-two"]),
        (
            f"/$export?_type=Observation,Provenance&{LATEST}",
            ["of-both", "of-first", "of-patient", "of-place", "of-second", "of-two"],
        ),
        (
            f"/$export?_type=Observation&organizeOutputBy=Patient&{LATEST}",
            ["of-both", "of-patient", "of-second", "of-two"],
        ),
        ("/Patient/$export?_type=Observation", []),
    ],
)
def test_provenances_come_once(there: Any, path: str, expected: list[str]) -> None:
    assert provenances(export(there, path)) == expected


def test_they_have_the_elements_that_are_wanted(there: Any) -> None:
    made = export(there, f"/Patient/$export?_type=Patient&_elements=Provenance.recorded&{LATEST}")
    (line,) = made.lines(type_="Provenance")
    assert set(line) == {"resourceType", "id", "meta", "target", "recorded", "agent"}  # what must be there stays
    assert made.manifest["error"] == []


def test_they_need_the_scope_of_provenances(there: Any) -> None:
    refused = there.get(f"/$export?_type=Organization&{LATEST}", "system-with-less", headers=ASYNC)
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (403, ["includeAssociatedData"])
