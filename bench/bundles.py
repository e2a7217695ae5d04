"""Transaction Bundles to import: Synthea's own from a folder, or ours of the same shape."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any
from uuid import UUID


def synthea(folder: Path) -> list[bytes]:
    """The transaction Bundles of a folder, the places and staff that the people refer to first."""
    found = sorted(folder.rglob("*.json")) + sorted(folder.rglob("*.json.gz"))
    contents = [(p, gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()) for p in found]
    ours = [(p, raw) for p, raw in contents if b'"transaction"' in raw or b'"batch"' in raw]
    return [raw for _, raw in sorted(ours, key=lambda one: "nformation" not in one[0].name)]


def like_synthea(people: int, seed: int = 2026) -> list[bytes]:
    """One Bundle a person: the patient, ten visits, each with a diagnosis, six measurements and a medicine."""
    return [_bundle(random.Random(f"{seed}-{n}"), n) for n in range(people)]


def _bundle(rng: random.Random, n: int) -> bytes:
    entries: list[dict[str, Any]] = []

    def add(resource: dict[str, Any]) -> str:
        url = UUID(int=rng.getrandbits(128), version=4).urn
        request = {"method": "POST", "url": resource["resourceType"]}
        entries.append({"fullUrl": url, "resource": resource, "request": request})
        return url

    who = add(
        {
            "resourceType": "Patient",
            "identifier": [{"system": "urn:bench", "value": f"{n:08}-{rng.getrandbits(32):08x}"}],
            "name": [{"family": "Lò", "given": ["Thị", rng.choice(["Pâng", "Ín", "Xôm", "Dung"])]}],
            "gender": "female",
            "birthDate": f"{rng.randint(1930, 2020)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}",
        }
    )
    for year in range(2016, 2026):
        _visit(
            rng,
            add,
            {"reference": who},
            f"{year}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T08:{rng.randint(10, 59)}:00+07:00",
        )
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


def _visit(rng: random.Random, add: Any, who: dict[str, str], at: str) -> None:
    status = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    visit = {
        "reference": add(
            {"resourceType": "Encounter", "status": "finished", "class": act, "subject": who, "period": {"start": at}}
        )
    }
    add(
        {
            "resourceType": "Condition",
            "clinicalStatus": {"coding": [{"system": status, "code": "active"}]},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": str(rng.randint(10**6, 10**8))}]},
            "subject": who,
            "encounter": visit,
            "onsetDateTime": at,
        }
    )
    for code in ("8302-2", "29463-7", "8867-4", "4548-4", "14749-6", "718-7"):
        add(
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "subject": who,
                "encounter": visit,
                "effectiveDateTime": at,
                "valueQuantity": {"value": rng.randint(40, 190) / 10, "unit": "1"},
            }
        )
    add(
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "Amlodipin 5 mg"},
            "subject": who,
            "encounter": visit,
            "authoredOn": at,
        }
    )
