"""A population's resources as NDJSON, like Synthea's in shape, from a seed: the same for the same seed, at any size.

A person has 3 to 17 visits, each with a diagnosis, six measurements and a medicine: about 91 resources a person. They
are written as they are made, one file a resource type, so memory stays flat.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

TYPES = ("Organization", "Patient", "Encounter", "Condition", "Observation", "MedicationRequest")
"""In the order in which they are imported: what is referred to comes first."""
CARDS = "http://fhir.tuetinh.vn/sid/bhyt"
STATIONS = 130
SAMPLED = 1000
FAMILY = [
    "Lò",
    "Quàng",
    "Cà",
    "Vì",
    "Tòng",
    "Lường",
    "Giàng",
    "Vừ",
    "Sùng",
    "Mùa",
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Hoàng",
    "Vũ",
    "Đặng",
    "Bùi",
]
MIDDLE = [
    "Thị",
    "Văn",
    "A",
    "Ngọc",
    "Minh",
    "Thu",
    "Hữu",
    "Đức",
    "Thanh",
    "Kim",
]
GIVEN = [
    "Pâng",
    "Ín",
    "Xôm",
    "Dung",
    "Lan",
    "Hoa",
    "Hương",
    "Mai",
    "Dính",
    "Chứ",
    "Páo",
    "Sua",
    "Tủa",
    "Nam",
    "Hùng",
    "Sơn",
    "Thắng",
    "Hải",
    "Bình",
    "Dương",
    "Inh",
    "Ban",
    "Thu",
    "Yến",
]
MEASURES = (  # LOINC, what it is called, unit, lowest and highest in tenths
    ("8302-2", "Body height", "cm", 1400, 1850),
    ("29463-7", "Body weight", "kg", 380, 950),
    ("8867-4", "Heart rate", "/min", 550, 1200),
    ("8480-6", "Systolic blood pressure", "mm[Hg]", 950, 1900),
    ("4548-4", "Hemoglobin A1c", "%", 45, 120),
    ("14749-6", "Glucose", "mmol/L", 35, 160),
    ("718-7", "Hemoglobin", "g/dL", 70, 175),
    ("2160-0", "Creatinine", "umol/L", 400, 1800),
)
DISEASES = [
    "I10",
    "E11.9",
    "J06.9",
    "J20.9",
    "K29.7",
    "M54.5",
    "A09",
    "B02.9",
    "N39.0",
    "J45.9",
    "E78.5",
    "I25.9",
    "K21.9",
    "L20.9",
    "H10.9",
    "J18.9",
    "A15.0",
    "B18.1",
]
MEDICINES = ("Amlodipin 5 mg", "Metformin 500 mg", "Paracetamol 500 mg", "Amoxicilin 500 mg", "Omeprazol 20 mg")


class Person(NamedTuple):
    """By what a person is found."""

    id: str
    name: str
    card: str
    birth: str


@dataclass(slots=True)
class Written:
    """What was written: counts by type, bytes, and some of the people, sampled evenly."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TYPES, 0))
    size: int = 0
    people: list[Person] = field(default_factory=list)

    @property
    def resources(self) -> int:
        """How many of all types."""
        return sum(self.counts.values())


def write(folder: Path, resources: int, seed: int, told: Written) -> None:
    """Write more whole people, after those in `told`, until all that was written are so many resources."""
    with ExitStack() as files:
        out = {type_: files.enter_context((folder / f"{type_}.ndjson").open("wb")) for type_ in TYPES}

        def put(resource: dict[str, Any]) -> None:
            line = json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            out[resource["resourceType"]].write(line)
            told.counts[resource["resourceType"]] += 1
            told.size += len(line)

        for number in range(0 if told.size else STATIONS):
            put({"resourceType": "Organization", "id": f"station-{number}", "name": f"Trạm y tế {number}"})
        while told.resources < resources:
            number = told.counts["Patient"]
            for resource in _life(random.Random(f"{seed}-{number}"), number):
                if resource["resourceType"] == "Patient":
                    _sample(told.people, _found_by(resource), number, random.Random(f"{seed}-{number}-sample"))
                put(resource)


def _found_by(patient: dict[str, Any]) -> Person:
    card = patient["identifier"][0]["value"]
    return Person(patient["id"], patient["name"][0]["given"][-1], card, patient["birthDate"])


def _sample(kept: list[Person], one: Person, number: int, rng: random.Random) -> None:
    """Reservoir sampling: everyone has the same chance to be kept."""
    if len(kept) < SAMPLED:
        kept.append(one)
    elif (place := rng.randrange(number + 1)) < SAMPLED:
        kept[place] = one


def _life(rng: random.Random, number: int) -> Iterator[dict[str, Any]]:
    birth = f"{rng.randint(1930, 2022)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    station = f"Organization/station-{rng.randrange(STATIONS)}"
    patient = {
        "resourceType": "Patient",
        "id": _id(rng),
        "identifier": [{"system": CARDS, "value": f"DN4{number:012}"}],
        "active": True,
        "name": [{"use": "official", "family": rng.choice(FAMILY), "given": [rng.choice(MIDDLE), rng.choice(GIVEN)]}],
        "telecom": [{"system": "phone", "value": f"09{rng.randint(10**7, 10**8 - 1)}"}],
        "gender": rng.choice(("female", "male")),
        "birthDate": birth,
        "address": [{"line": [f"Bản {rng.randint(1, 900)}"], "district": "Tuần Giáo", "country": "VN"}],
        "managingOrganization": {"reference": station},
    }
    yield patient
    who = {"reference": f"Patient/{patient['id']}"}
    first = datetime(2016, 1, 1, tzinfo=UTC)
    for _ in range(rng.randint(3, 17)):
        at = first + timedelta(minutes=rng.randrange(10 * 365 * 24 * 60))
        yield from _visit(rng, who, station, at.isoformat())


def _visit(rng: random.Random, who: dict[str, str], station: str, at: str) -> Iterator[dict[str, Any]]:
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    visit = {
        "resourceType": "Encounter",
        "id": _id(rng),
        "status": "finished",
        "class": {"system": act, "code": rng.choice(("AMB", "AMB", "AMB", "IMP", "EMER"))},
        "subject": who,
        "period": {"start": at, "end": at},
        "serviceProvider": {"reference": station},
    }
    yield visit
    about = {"subject": who, "encounter": {"reference": f"Encounter/{visit['id']}"}}
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    yield {
        "resourceType": "Condition",
        "id": _id(rng),
        "clinicalStatus": {"coding": [{"system": clinical, "code": rng.choice(("active", "resolved"))}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": rng.choice(DISEASES)}]},
        **about,
        "onsetDateTime": at,
    }
    kinds = "http://terminology.hl7.org/CodeSystem/observation-category"
    for code, name, unit, low, high in rng.sample(MEASURES, 6):
        yield {
            "resourceType": "Observation",
            "id": _id(rng),
            "status": "final",
            "category": [{"coding": [{"system": kinds, "code": "vital-signs" if "2" in code else "laboratory"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": name}]},
            **about,
            "effectiveDateTime": at,
            "valueQuantity": {
                "value": rng.randint(low, high) / 10,
                "unit": unit,
                "system": "http://unitsofmeasure.org",
                "code": unit,
            },
        }
    yield {
        "resourceType": "MedicationRequest",
        "id": _id(rng),
        "status": rng.choice(("active", "completed")),
        "intent": "order",
        "medicationCodeableConcept": {"text": rng.choice(MEDICINES)},
        **about,
        "authoredOn": at,
    }


def _id(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
