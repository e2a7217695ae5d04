"""Versions, languages and libraries; and that no request breaks the service."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuetinh.record.terminology import language, versions
from tuetinh.record.terminology.edge import as_r4
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.operate import OPERATIONS, answer
from tuetinh.record.terminology.standard import standard_library


@pytest.mark.parametrize(
    ("wanted", "version", "yes"),
    [
        ("1.0.0", "1.0.0", True),
        ("1.0.x", "1.0.7", True),
        ("1.x.x", "1.2.0", True),
        ("1.x", "1.2.3", True),
        ("1", "1.0.0", False),
        ("1.0.x", "1.1.0", False),
        ("1.0.x", "1.0", False),
    ],
)
def test_a_version_fits_its_pattern(wanted: str, version: str, yes: bool) -> None:
    assert versions.matches(wanted, version) is yes


@pytest.mark.parametrize(
    ("known", "newest"),
    [
        (["1.9.0", "1.10.0"], "1.10.0"),
        (["1.0.0-rc1", "1.0.0"], "1.0.0"),
        (["2018-08-12", "2019-01-01"], "2019-01-01"),
        (["", "0.1"], "0.1"),
    ],
)
def test_the_newest_version_is_known(known: list[str], newest: str) -> None:
    assert versions.newest(known) == newest
    assert versions.newest(reversed(known)) == newest


def test_languages_are_ranked_by_weight_and_closeness() -> None:
    asked = language.parse("vi;q=0.5, en-GB, *;q=0")
    assert (asked.tags, asked.fallback) == (("en-gb", "vi"), False)
    ranks = [asked.rank(tag) for tag in ("en-GB", "en", "vi", "vi-VN", "de", "")]
    assert ranks == [0, 1, 2, 3, None, None]


@pytest.mark.parametrize("text", ["-", "en,,vi", "en;q=x", "a b"])
def test_what_is_no_list_of_languages_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        language.parse(text)


def test_what_is_stored_hides_what_the_standard_defines() -> None:
    url = "http://hl7.org/fhir/administrative-gender"
    own = {
        "resourceType": "CodeSystem",
        "url": url,
        "version": "0.1",
        "content": "complete",
        "concept": [{"code": "x"}],
    }
    upper = Library(standard_library()).over([own])
    found = upper.system(url)
    assert found is not None
    assert list(found.concepts) == ["x"]
    below = upper.system(url, "4.0.1")
    assert below is not None
    assert "male" in below.concepts


_VALUES: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.text(max_size=12),
    st.sampled_from(
        [
            "http://hl7.org/fhir/administrative-gender",
            "http://hl7.org/fhir/ValueSet/administrative-gender",
            "http://unitsofmeasure.org",
            "male",
            "en,*;q=0",
            "1.x",
            "*",
        ]
    ),
    st.fixed_dictionaries({}, optional={"system": st.text(max_size=5), "code": st.text(max_size=5)}),
    st.fixed_dictionaries({"coding": st.lists(st.fixed_dictionaries({"code": st.text(max_size=5)}), max_size=2)}),
)
_ODD_NAMES = ("url", "system", "code", "coding", "codeableConcept", "display", "displayLanguage", "count", "offset")
_ODD_NAMES += ("filter", "property", "version", "abstract", "inferSystem", "valueSetVersion", "codeA", "codeB")
_ODD_NAMES += ("codingA", "codingB", "targetsystem", "sourceCode", "reverse", "source", "system-version")
_ODD_NAMES += ("useSupplement", "thisUrl", "otherUrl", "designation", "activeOnly", "force-system-version")
_NAMES = st.sampled_from(_ODD_NAMES)
_INCLUDE: Any = st.fixed_dictionaries(
    {},
    optional={
        "system": st.sampled_from(["http://hl7.org/fhir/administrative-gender", "http://unitsofmeasure.org", "x"]),
        "version": st.sampled_from(["4.0.1", "4.x", "x"]),
        "concept": st.lists(st.fixed_dictionaries({"code": st.sampled_from(["male", "kg", ""])}), max_size=2),
        "filter": st.lists(
            st.fixed_dictionaries(
                {
                    "property": st.sampled_from(["concept", "display", "canonical", "x"]),
                    "op": st.sampled_from(["=", "is-a", "in", "regex", "exists", "generalizes", "x"]),
                    "value": st.text(alphabet="a(*[\\,g", max_size=5),
                }
            ),
            max_size=2,
        ),
        "valueSet": st.lists(st.sampled_from(["http://hl7.org/fhir/ValueSet/administrative-gender", "x"]), max_size=2),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_INCLUDE, max_size=3), st.lists(_INCLUDE, max_size=2), st.sampled_from(["expand", "validate-code"]))
def test_no_value_set_breaks_the_service(include: list[Any], exclude: list[Any], operation: str) -> None:
    value_set = {"resourceType": "ValueSet", "compose": {"include": include, "exclude": exclude}}
    coding = {"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}
    rows = [{"name": "valueSet", "resource": value_set}, {"name": "coding", "valueCoding": coding}]
    status, _ = answer(standard_library(), "ValueSet", operation, {"resourceType": "Parameters", "parameter": rows})
    assert status in (200, 404, 422)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(OPERATIONS)),
    st.lists(st.tuples(_NAMES, _VALUES), max_size=6),
)
def test_no_request_breaks_the_service(operation: tuple[str, str], values: list[tuple[str, Any]]) -> None:
    rows = [{"name": name, "valueString": value} for name, value in values]
    status, body = answer(standard_library(), *operation, {"resourceType": "Parameters", "parameter": rows})
    assert status in (200, 400, 404, 422)
    assert (status == 200) == (body["resourceType"] != "OperationOutcome")


def _in_time(library: Library, type_: str, name: str, rows: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    return answer(library, type_, name, {"resourceType": "Parameters", "parameter": rows})


@pytest.mark.parametrize("operation", ["expand", "validate-code"])
def test_imports_that_meet_again_and_again_are_worked_out_once(operation: str) -> None:
    """Each of 30 layers imports the next one twice: 2^30 ways lead to the ground."""
    library = Library(standard_library())
    include: list[dict[str, Any]] = [{"system": "http://hl7.org/fhir/administrative-gender"}]
    for layer in range(30):
        url = f"http://t.example/{layer}"
        library.add({"resourceType": "ValueSet", "url": url, "compose": {"include": include}})
        include = [{"valueSet": [url]}, {"valueSet": [url, f"{url}|"]}]
    coding = {"name": "coding", "valueCoding": {"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}}
    status, _ = _in_time(library, "ValueSet", operation, [{"name": "url", "valueUri": "http://t.example/29"}, coding])
    assert status == 200


def test_maps_that_refer_to_each_other_come_to_an_end() -> None:
    library = Library()
    for name in range(12):
        groups = [
            {"source": "s", "target": "t", "unmapped": {"mode": "other-map", "url": f"http://t.example/{other}"}}
            for other in range(12)
        ]
        library.add({"resourceType": "ConceptMap", "url": f"http://t.example/{name}", "group": groups})
    rows = [{"name": name, "valueString": value} for name, value in (("system", "s"), ("code", "x"))]
    status, body = _in_time(library, "ConceptMap", "translate", rows)
    assert (status, body["parameter"][0]["valueBoolean"]) == (200, False)


def test_a_very_deep_hierarchy_can_be_shown() -> None:
    codes = [{"code": str(n), "property": [{"code": "parent", "valueCode": str(n - 1)}]} for n in range(900)]
    library = Library()
    library.add({"resourceType": "CodeSystem", "url": "http://t.example/deep", "concept": codes})
    value_set = {"resourceType": "ValueSet", "compose": {"include": [{"system": "http://t.example/deep"}]}}
    status, body = _in_time(library, "ValueSet", "expand", [{"name": "valueSet", "resource": value_set}])
    assert (status, body["expansion"]["total"]) == (200, 900)
    assert len(as_r4(body)["expansion"]["contains"]) > 1
