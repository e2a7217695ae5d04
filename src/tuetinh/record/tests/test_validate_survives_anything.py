from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.record import r4
from tuetinh.record.validate import Problem, check
from tuetinh.record.validate.model import TYPES

NAMES = sorted({name for type_ in TYPES.values() for name in type_.elements} | {"resourceType"})
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["Patient", "Observation", "Bundle", "#a", "Patient/1", "final", "2020-01-01", "urn:uuid:x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=25,
)


def judged(data: bytes) -> tuple[r4.Resource | None, list[Problem]]:
    """What `check` says, with what must hold for whatever it says."""
    resource, problems = check(data)
    assert (resource is None) == any(problem.severity == "error" for problem in problems)
    for problem in problems:
        assert problem.severity in ("error", "warning")
        assert problem.message
    return resource, problems


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    judged(data)


@given(st.sampled_from(sorted(r4.RESOURCES)), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_json(kind: str, elements: dict[str, Any]) -> None:
    judged(json.dumps({**elements, "resourceType": kind}).encode())


@cache
def examples(shared: Path) -> list[bytes]:
    found = []
    with tarfile.open(shared / "data/fhir/examples/hl7.fhir.r4.examples-4.0.1-instances.tar.gz") as tar:
        for member in tar:
            handle = tar.extractfile(member) if member.size < 6000 else None
            if handle is not None:
                found.append(handle.read())
    return found[::4]


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_examples(shared: Path, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(examples(shared)))
    place = data.draw(st.integers(0, len(body) - 1))
    judged(body[:place] + data.draw(st.binary(max_size=4)) + body[place + data.draw(st.integers(0, 9)) :])


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_examples_with_one_value_replaced(shared: Path, data: st.DataObject) -> None:
    resource = json.loads(data.draw(st.sampled_from(examples(shared))))
    here: Any = resource
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(here[key], (dict, list)) or not here[key] or data.draw(st.booleans()):
            break
        here = here[key]
    here[key] = data.draw(JSON)
    judged(json.dumps(resource).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"resourceType":"Patient","extension":' + b'[{"url":"http://x","extension":' * 5_000,
        b'{"resourceType":"Questionnaire","status":"draft","item":' * 90 + b"1" + b"}" * 90,
    ],
)
def test_depth_bombs(body: bytes) -> None:
    assert judged(body)[0] is None


def test_nesting_beyond_the_limit_is_named() -> None:
    body = '{"resourceType":"Patient","extension":[' + '{"url":"http://x","extension":[' * 150
    body += '{"url":"http://x","valueString":"x"}' + "]}" * 150 + "]}"
    _, problems = judged(body.encode())
    assert [problem.code for problem in problems] == ["structure"]
    assert problems[0].message == "is nested too deeply (more than 80 levels)"


@pytest.mark.parametrize("number", ["1e999999999", "1" * 5000, "-" + "9" * 300, "1e-5000", "0." + "0" * 5000 + "1"])
def test_huge_numbers(number: str) -> None:
    body = (
        f'{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{number}}}}}'
    )
    _, problems = judged(body.encode())
    assert [(problem.code, problem.path) for problem in problems] == [("value", "Observation.valueQuantity.value")]


def test_many_problems_are_bounded() -> None:
    _, problems = judged(json.dumps({"resourceType": "Patient", "name": [{}] * 5000}).encode())
    assert len(problems) == 500
