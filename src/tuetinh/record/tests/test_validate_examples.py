from __future__ import annotations

import gzip
import tarfile
from itertools import islice
from pathlib import Path

from tuetinh.record import r4
from tuetinh.record.validate import check

# Faults that HL7's own examples have.
FAULTY_EXAMPLES = {
    "ActivityDefinition-blood-tubes-supply": ["ActivityDefinition.text.div"],
    "DeviceMetric-example": ["DeviceMetric.parent"],
    "DeviceUseStatement-example": ["DeviceUseStatement.reasonReference[0]"],
    "EventDefinition-example": ["EventDefinition.text.div"],
    "ImplementationGuide-fhir": [
        "ImplementationGuide.manifest.resource[11904].reference",
        "ImplementationGuide.name",
        "ImplementationGuide.status",
    ],
    "Library-zika-virus-intervention-logic": [
        "Library.dataRequirement[0].codeFilter[0].valueSet",
        "Library.dataRequirement[1].codeFilter[0].valueSet",
    ],
    "MedicationRequest-medrx0301": ["MedicationRequest.dispenseRequest.performer"],
}


def test_official_examples_are_accepted_but_for_known_faults(shared: Path) -> None:
    refused = {}
    with tarfile.open(shared / "data/fhir/examples/hl7.fhir.r4.examples-4.0.1-instances.tar.gz") as tar:
        for member in tar:
            handle = tar.extractfile(member)
            if handle is not None:
                resource, problems = check(handle.read())
                if resource is None:
                    refused[Path(member.name).stem] = [problem.path for problem in problems]
    assert {name: [place.removesuffix(".reference") for place in places] for name, places in refused.items()} == {
        name: [place.removesuffix(".reference") for place in places] for name, places in FAULTY_EXAMPLES.items()
    }


def test_synthea_bundles_are_accepted(shared: Path) -> None:
    for path in sorted((shared / "data/fhir/synthea_r4").glob("*.json.gz"))[::20]:
        data = gzip.decompress(path.read_bytes())
        resource, problems = check(data)
        assert problems == [], path.name
        assert resource == r4.decode(data)


def test_bulk_ndjson_is_accepted(shared: Path) -> None:
    for path in sorted((shared / "data/fhir/bulk_ndjson").glob("*.ndjson.gz")):
        with gzip.open(path) as lines:
            for line in islice(lines, 40):
                resource, problems = check(line)
                assert problems == [], path.name
                assert resource is not None


def test_files_that_are_broken_on_purpose_are_refused(shared: Path) -> None:
    folder = shared / "data/fhir/microsoft_fhir_server_r4"

    def places(name: str) -> list[tuple[str, str]]:
        _, problems = check((folder / name).read_bytes())
        return [(problem.code, problem.path) for problem in problems]

    assert places("SmartCommon.json") == [("value", "Bundle.entry[5].resource.subject[0]")]
    assert places("SmartPatientA.json") == [
        ("required", "Bundle.entry[10].resource.participant[0].status"),
        ("required", "Bundle.entry[11].resource.series[0].instance[0].sopClass"),
        ("required", "Bundle.entry[11].resource.series[0].modality"),
    ]
    assert places("DocumentReference-example-relatesTo-code-appends.indexes.json") == [("structure", "")]
    # Written with a byte order mark, which JSON forbids (RFC 8259, 8.1).
    assert places("InvalidCompartmentDefinition.json") == [("structure", "")]
    _, problems = check((folder / "InvalidCompartmentDefinition.json").read_bytes().removeprefix(b"\xef\xbb\xbf"))
    assert [problem.path for problem in problems] == [f"Bundle.entry[{i}].resource.text.div" for i in (0, 1)]
