from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tuetinh.record import r4
from tuetinh.record.types import RESOURCE_TYPES


def exact(data: bytes) -> Any:
    """JSON with its numbers as they were written, so that 72.50 differs from 72.5."""
    return json.loads(data, parse_float=lambda text: ("float", text), parse_int=lambda text: ("int", text))


def official(shared: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(shared / "data/fhir/examples/hl7.fhir.r4.examples-4.0.1-instances.tar.gz") as tar:
        for member in tar:
            handle = tar.extractfile(member)
            if handle is not None:
                yield member.name, handle.read()


def test_official_examples_come_back_equal_in_value(shared: Path) -> None:
    count = 0
    for name, data in official(shared):
        assert exact(r4.encode(r4.decode(data))) == exact(data), name
        count += 1
    assert count == 494


def test_synthea_bundles_come_back_equal_in_value(shared: Path) -> None:
    for path in sorted((shared / "data/fhir/synthea_r4").glob("*.json.gz"))[::20]:
        data = gzip.decompress(path.read_bytes())
        assert exact(r4.encode(r4.decode(data))) == exact(data), path.name


@pytest.mark.parametrize("number", ["72.50", "0.0", "1", "-3.00", "0.000001", "12345678901234567890.123456789"])
def test_decimals_keep_their_digits(number: str) -> None:
    data = b'{"resourceType":"Observation","valueQuantity":{"value":%s}}' % number.encode()
    observation = r4.decode(data)
    assert isinstance(observation, r4.Observation)
    assert observation.valueQuantity == r4.Quantity(value=Decimal(number))
    assert r4.encode(observation) == data


def test_primitive_extensions_keep_their_place() -> None:
    data = (
        b'{"resourceType":"Patient","name":[{"given":[null,"P\xc3\xa2ng"],"_given":[{"id":"g"},null]}],'
        b'"_birthDate":{"extension":[{"url":"http://x.vn/about","valueString":"about 1950"}]}}'
    )
    patient = r4.decode(data)
    assert isinstance(patient, r4.Patient)
    assert patient.birthDate is None
    assert patient.birthDate_ext is not None
    assert patient.name is not None
    assert patient.name[0].given == [None, "Pâng"]
    assert patient.name[0].given_ext == [r4.Element(id="g"), None]
    assert r4.encode(patient) == data


def test_keywords_take_an_underscore_and_lose_it_on_the_wire() -> None:
    encounter = r4.Encounter(id="e", status="arrived", class_=r4.Coding(code="AMB"))
    assert r4.encode(encounter) == b'{"resourceType":"Encounter","id":"e","status":"arrived","class":{"code":"AMB"}}'
    assert r4.decode(r4.encode(encounter)) == encounter


def test_every_resource_type_has_a_class() -> None:
    assert tuple(r4.RESOURCES) == RESOURCE_TYPES
    assert len(r4.RESOURCES) == 146
    for name, kind in r4.RESOURCES.items():
        resource = r4.decode(b'{"resourceType":"%s"}' % name.encode())
        assert type(resource) is kind
        assert resource.resourceType == name


def test_contained_and_bundled_resources_have_their_own_class() -> None:
    patient = r4.Patient(id="p")
    bundle = r4.Bundle(entry=[r4.BundleEntry(resource=r4.Basic(contained=[patient]))])
    back = r4.decode(r4.encode(bundle))
    assert back == bundle
    parameters = r4.Parameters(parameter=[r4.ParametersParameter(name="x", resource=patient)])
    assert r4.decode(r4.encode(parameters)) == parameters


@pytest.mark.parametrize("body", [b'{"resourceType":"Nothing"}', b"{}", b'{"resourceType":"Patient","nome":1}', b"["])
def test_other_shapes_are_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        r4.decode(body)


FIRST = """
import sys, threading
from tuetinh.record import r4
sys.setswitchinterval(1e-6)
start = threading.Barrier(8)
def decode():
    start.wait()
    r4.decode(b'{"resourceType":"Patient","gender":"female"}')
threads = [threading.Thread(target=decode) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
"""


@pytest.mark.parametrize("_again", range(4))
def test_the_first_resources_may_be_read_by_several_threads_at_once(_again: int) -> None:
    """msgspec ended the process, half of the time, where two threads had it look at the same types at once."""
    assert subprocess.run([sys.executable, "-c", FIRST], check=False, capture_output=True).returncode == 0
