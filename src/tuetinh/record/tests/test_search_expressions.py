"""Every official search parameter can be indexed, and takes something out of HL7's own examples."""

from __future__ import annotations

import tarfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tuetinh.record import r4
from tuetinh.record.hashes import token_hash
from tuetinh.record.search.entries import EMITS, Index
from tuetinh.record.search.expressions import Unsupported, compile_expression, walk
from tuetinh.record.search.index import COLUMNS, extract, marks
from tuetinh.record.search.params import INDEXED, UNANSWERED, WORDS, Param, params
from tuetinh.record.search.reading import TABLES
from tuetinh.record.types import RESOURCE_TYPES

OFFICIAL = [(type_, code) for type_ in RESOURCE_TYPES for code in params(type_)]


def test_covers_the_official_parameters() -> None:
    known = {(t, c): params(t)[c] for t, c in OFFICIAL}
    assert len({p.url for p in known.values()}) == 1378
    assert {p.type for p in known.values()} == {*INDEXED, "composite", "special"}


@pytest.mark.parametrize("type_", RESOURCE_TYPES)
def test_every_expression_ends_at_values_that_can_be_indexed(type_: str) -> None:
    empty = []
    for param in params(type_).values():
        if param.type in INDEXED and not param.leaves and param.code not in UNANSWERED | WORDS:
            empty.append(param.code)
        assert all(leaf.exists or (param.type, leaf.type) in EMITS for leaf in param.leaves), param.code
    # R4 itself has no DeviceDefinition.classification.
    assert empty == (["classification"] if type_ == "DeviceDefinition" else [])


def test_parameters_answered_by_others() -> None:
    observation, encounter = params("Observation"), params("Encounter")
    assert observation["combo-code"].indexed_as == ("code", "component-code")
    assert observation["patient"].indexed_as == ("subject",)
    assert observation["patient"].resolves == "Patient"
    assert encounter["practitioner"].indexed_as == ("participant",)
    assert params("AuditEvent")["patient"].indexed_as == ("agent", "entity")
    assert observation["code"].indexed_as == ("code",)


@pytest.mark.parametrize(
    "expression",
    ["Patient.nothing", "Patient.name.select(family)", "Patient.name[", "Patient..name", "Patient.name as Money", "§"],
)
def test_refuses_other_expressions(expression: str) -> None:
    with pytest.raises(Unsupported):
        compile_expression("Patient", expression)


def test_custom_expression_over_an_extension() -> None:
    (leaf,) = compile_expression("Patient", "Patient.extension('https://example.org/tribe').value.ofType(string)")
    tribe = r4.Extension(url="https://example.org/tribe", valueString="Lự")
    assert [hop.attribute for hop in leaf.hops] == ["extension", "valueString"]
    assert leaf.hops[0].where == ("url", "https://example.org/tribe")
    assert walk([r4.Patient(extension=[tribe])], leaf.hops) == ["Lự"]


@pytest.fixture(scope="session")
def examples(shared: Path) -> list[Any]:
    with tarfile.open(shared / "data/fhir/examples/hl7.fhir.r4.examples-4.0.1-instances.tar.gz") as archive:
        files = [archive.extractfile(m) for m in archive if m.name.endswith(".json")]
        found = []
        for file in files:
            try:
                found.append(r4.decode(file.read() if file else b""))
            except msgspec.DecodeError:
                continue
    return found


def test_examples_yield_entries_for_every_value(examples: list[Any]) -> None:
    """Wherever a parameter's path leads to a value in an example, that example has an entry of the parameter."""
    missing: dict[str, set[str]] = defaultdict(set)
    seen = set()
    for resource in examples:
        type_ = type(resource).__name__
        index = extract(resource)
        for param in params(type_).values():
            plain = [leaf for leaf in param.leaves if not (leaf.exists or leaf.resolves)]
            if param.code in COLUMNS or not any(walk([resource], leaf.hops) for leaf in plain):
                continue
            seen.add((type_, param.code))
            if not has_entry(param, index):
                missing[f"{type_}.{param.code}"].add(resource.id)
    assert len(seen) > 700
    # Repetitions without an event or bounds, which name no moment.
    assert missing == {
        "CarePlan.activity-date": {"example"},
        "ServiceRequest.occurrence": {"physiotherapy", "benchpress"},
    }


def has_entry(param: Param, index: Index) -> bool:
    if param.type in TABLES:
        rows = [*index.dates, *index.numbers, *index.strings]
        return any(row[0] in param.indexed_as for row in rows)
    names = [param.code] if marks(param) else param.indexed_as
    return any(token_hash(name, "", "", "") in index.tokens for name in names)
