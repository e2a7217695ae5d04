"""A hostile expression ends with a clear error, soon."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.record import fhirpath
from tuetinh.record.tests.test_fhirpath_parser import TREES

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "1",
    "active": True,
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "http://x.test/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "name": [{"use": "official", "family": "Nguyễn", "given": ["Văn", "An"]}, {"given": ["Ba"]}],
    "contact": [{"gender": "male", "name": {"family": "Trần"}}],
    "multipleBirthInteger": 2,
}
WIDE = {"resourceType": "Bundle", "entry": [{"resource": PATIENT}] * 300}


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "-" * 5000 + "1",
        "a" + ".a" * 5000,
        "1" + "+1" * 5000,
        "iif(true," * 500 + "1" + ")" * 500,
        "a" * 30000,
    ],
    ids=["brackets", "signs", "path", "sum", "calls", "long"],
)
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(fhirpath.LimitError):
        fhirpath.compile(text)


@pytest.mark.parametrize(
    "text",
    [
        "descendants().select(%resource.descendants().select(%resource.descendants()))",
        "repeat(descendants() | %resource)" + ".repeatAll(%resource)",
        "repeatAll($this)",
        "descendants().aggregate($total | %resource.descendants(), {}).count()",
        "descendants().aggregate($total & $total & 'x', 'x')",
        "descendants().aggregate($total.replace('x', 'xxxxxxxxxx'), 'x')",
        "descendants().combine(descendants()).select(%resource.descendants().intersect(%resource.descendants())).count()",
        "descendants().all(%resource.descendants().where($this = 'x').empty())",
    ],
)
def test_what_is_too_dear_is_stopped(text: str) -> None:
    begun = time.monotonic()
    with pytest.raises(fhirpath.LimitError):
        fhirpath.evaluate(text, WIDE)
    # Not a measure of speed: without a limit these would run for hours.
    assert time.monotonic() - begun < 60


def test_a_pattern_that_backtracks_elsewhere_is_harmless() -> None:
    text = "a" * 5000
    assert fhirpath.evaluate("%text.matches('^(a+)+$')", PATIENT, variables={"text": text + "b"}) == [False]
    assert fhirpath.evaluate("%text.replaceMatches('(a|a)*', '')", PATIENT, variables={"text": text}) == [""]


@pytest.mark.parametrize("text", ["'a'.matches('(')", "'a'.matches('(?=a)')", "'a'.replaceMatches('a', '$9')"])
def test_a_pattern_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(fhirpath.EvaluationError):
        fhirpath.evaluate(text, PATIENT)


@pytest.mark.parametrize(
    "text",
    [
        "2147483647 + 1",
        "10.power(999999)",
        "(1.0).exp().power(99999)",
        "1 / 0",
        "99999999.0.power(999.0)",
        "10000.0.exp()",
    ],
)
def test_numbers_beyond_all_bounds_are_empty(text: str) -> None:
    assert fhirpath.evaluate(text, PATIENT) == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES)
def test_any_tree_is_evaluated_or_refused(tree: Any) -> None:
    try:
        expression = fhirpath.Expression(str(tree))
        expression.items(PATIENT, steps=20_000)
    except fhirpath.FHIRPathError as error:
        assert str(error)


CALLS = st.sampled_from(
    [
        *("empty()", "not()", "exists()", "count()", "first()", "tail()", "children()", "descendants()", "distinct()"),
        *("toString()", "toInteger()", "toDecimal()", "toQuantity()", "toDate()", "toDateTime()", "toTime()", "type()"),
        *("lowBoundary()", "highBoundary(17)", "precision()", "abs()", "round(2)", "ln()", "sqrt()", "upper()"),
        *("where($this is string)", "select(given)", "repeat(given)", "all($this = 'An')", "ofType(HumanName)"),
        *("as(string)", "substring(1, 2)", "join(',')", "split('n')", "toChars()", "sort()", "extension('x')"),
        *("resolve()", "hasValue()", "getValue()", "htmlChecks()", "getReferenceKey()", "getResourceKey()", "single()"),
        *("union($this)", "exclude(name)", "aggregate($total & $this, '')", "iif($this, 1, 2)", "trace('x')", "name"),
        *("given", "family", "value", "birthDate", "contact", "multipleBirth", "comparable(1 'm')", "matches('A.')"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(CALLS, min_size=1, max_size=5), st.sampled_from(["", " = 1", " ~ name", " + 1 day", " & 'x'", " | 2"]))
def test_any_chain_of_functions_is_evaluated_or_refused(calls: list[str], rest: str) -> None:
    try:
        fhirpath.evaluate(".".join(["$this", *calls]) + rest, PATIENT)
    except fhirpath.FHIRPathError as error:
        assert str(error)


KEYS = ["reference", "url", "modifierExtension", "resourceType", "name", "given", "_given", "value", "contained", "id"]
FIELDS = ["name", "_name", "contact", "birthDate", "contained", "deceasedBoolean"]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda parts: st.one_of(
        st.lists(parts, max_size=3),
        st.dictionaries(st.sampled_from(KEYS), parts),
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON),
    CALLS,
)
def test_data_of_any_shape_does_no_harm(fields: dict[str, Any], call: str) -> None:
    resource = {"resourceType": "Patient", **fields}
    for text in (
        f"$this.{call}",
        f"name.{call}",
        f"contained.{call}",
        f"name.given.{call}",
        f"descendants().{call}",
        f"birthDate.{call}",
        "deceased or birthDate < today()",
    ):
        try:
            fhirpath.evaluate(text, resource)
        except fhirpath.FHIRPathError as error:
            assert str(error)
