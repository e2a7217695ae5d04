"""What a value set contains: includes, excludes, filters, imports, versions, pages."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.operate import answer
from tuetinh.record.terminology.standard import standard_library

URL = "http://t.example/cs"


def _concept(code: str, *below: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"code": code, "display": f"Display {code}", "concept": list(below), **more}


def _property(code: str, **value: Any) -> dict[str, Any]:
    return {"code": code, **value}


OLD = [_property("status", valueCode="retired")]
TREE = [
    _concept(
        "a", _concept("a1", _concept("a1x"), property=OLD), _concept("a2", property=[_property("n", valueInteger=7)])
    ),
    _concept("b", property=[_property("notSelectable", valueBoolean=True)]),
]
CODES = {
    "resourceType": "CodeSystem",
    "url": URL,
    "version": "1.0.0",
    "content": "complete",
    "status": "active",
    "property": [
        {"code": "status", "uri": "http://hl7.org/fhir/concept-properties#status", "type": "code"},
        {"code": "n", "type": "integer"},
    ],
    "concept": TREE,
}


@pytest.fixture
def library() -> Library:
    library = Library(standard_library())
    library.add(CODES)
    library.add({**CODES, "version": "1.1.0", "concept": [*TREE, _concept("c")]})
    return library


def _value_set(*include: dict[str, Any], exclude: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    compose: dict[str, Any] = {"include": list(include)} | ({"exclude": list(exclude)} if exclude else {})
    return {"resourceType": "ValueSet", "url": "http://t.example/vs", "status": "active", "compose": compose, **more}


def _ask(library: Library, value_set: dict[str, Any], **values: Any) -> tuple[int, dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"name": "valueSet", "resource": value_set}]
    rows += [{"name": name.replace("_", "-"), "valueString": value} for name, value in values.items()]
    return answer(library, "ValueSet", "expand", {"resourceType": "Parameters", "parameter": rows})


def _codes(library: Library, value_set: dict[str, Any], **values: Any) -> list[str]:
    status, body = _ask(library, value_set, excludeNested="true", **values)
    assert status == 200, body
    return [row["code"] for row in body["expansion"].get("contains", [])]


def _filter(property_: str, op: str, value: str) -> dict[str, Any]:
    return {"system": URL, "filter": [{"property": property_, "op": op, "value": value}]}


@pytest.mark.parametrize(
    ("filter_", "codes"),
    [
        (("concept", "is-a", "a"), ["a", "a1", "a1x", "a2"]),
        (("concept", "descendent-of", "a"), ["a1", "a1x", "a2"]),
        (("concept", "is-not-a", "a"), ["b", "c"]),
        (("concept", "child-of", "a"), ["a1", "a2"]),
        (("concept", "descendent-leaf", "a"), ["a1x", "a2"]),
        (("concept", "generalizes", "a1x"), ["a", "a1", "a1x"]),
        (("concept", "in", "a, b"), ["a", "b"]),
        (("concept", "not-in", "a,b"), ["a1", "a1x", "a2", "c"]),
        (("concept", "=", "b"), ["b"]),
        (("concept", "regex", "a[0-9]"), ["a1", "a2"]),
        (("display", "regex", ".*x"), ["a1x"]),
        (("n", "=", "7"), ["a2"]),
        (("n", "exists", "true"), ["a2"]),
        (("n", "exists", "false"), ["a", "a1", "a1x", "b", "c"]),
        (("parent", "=", "a1"), ["a1x"]),
        (("child", "=", "a1x"), ["a1"]),
        (("status", "in", "retired"), ["a1"]),
        (("inactive", "=", "true"), ["a1"]),
        (("notSelectable", "=", "true"), ["b"]),
    ],
)
def test_every_filter_lets_through_what_it_says(
    library: Library, filter_: tuple[str, str, str], codes: list[str]
) -> None:
    assert _codes(library, _value_set(_filter(*filter_))) == codes


def test_filters_of_one_include_all_hold(library: Library) -> None:
    both = {**_filter("concept", "is-a", "a"), "filter": []}
    for filter_ in (("concept", "is-a", "a"), ("concept", "regex", ".{2}")):
        both["filter"] += _filter(*filter_)["filter"]
    assert _codes(library, _value_set(both)) == ["a1", "a2"]


def test_includes_add_up_and_excludes_take_away(library: Library) -> None:
    one, two = _filter("concept", "is-a", "a1"), {"system": URL, "concept": [{"code": "b"}, {"code": "none"}]}
    assert _codes(library, _value_set(one, two, one)) == ["a1", "a1x", "b"]
    assert _codes(library, _value_set(one, two, exclude=({"system": URL, "concept": [{"code": "a1"}]},))) == [
        "a1x",
        "b",
    ]


def test_imports_of_one_include_are_cut_with_each_other(library: Library) -> None:
    library.add(_value_set(_filter("concept", "is-a", "a"), url="http://t.example/one"))
    library.add(_value_set(_filter("concept", "regex", ".*[1b].*"), url="http://t.example/two"))
    cut = {"valueSet": ["http://t.example/one", "http://t.example/two"]}
    assert _codes(library, _value_set(cut)) == ["a1", "a1x"]
    assert _codes(library, _value_set({**cut, "system": URL, "concept": [{"code": "a1x"}, {"code": "b"}]})) == ["a1x"]


def test_the_version_of_the_include_counts_then_the_client_s(library: Library) -> None:
    whole = {"system": URL}
    assert "c" in _codes(library, _value_set(whole))
    assert "c" not in _codes(library, _value_set({**whole, "version": "1.0.0"}))
    assert "c" not in _codes(library, _value_set(whole), system_version=f"{URL}|1.0.0")
    assert "c" in _codes(library, _value_set({**whole, "version": "1.1.x"}), system_version=f"{URL}|1.0.0")
    assert "c" not in _codes(library, _value_set({**whole, "version": "1.1.0"}), force_system_version=f"{URL}|1.0.x")
    status, body = _ask(library, _value_set({**whole, "version": "1.1.0"}), check_system_version=f"{URL}|1.0.x")
    assert (status, body["issue"][0]["code"]) == (422, "exception")


def test_the_tree_closes_over_what_is_left_out(library: Library) -> None:
    _, body = _ask(library, _value_set({"system": URL}), activeOnly="true")
    (a, *_) = body["expansion"]["contains"]
    assert [row["code"] for row in a["contains"]] == ["a1x", "a2"]


def test_pages_together_are_the_whole(library: Library) -> None:
    whole = _codes(library, _value_set({"system": URL}))
    pages = [_codes(library, _value_set({"system": URL}), count="2", offset=str(start)) for start in range(0, 8, 2)]
    assert [code for page in pages for code in page] == whole
    _, body = _ask(library, _value_set({"system": URL}), count="0")
    assert (body["expansion"]["total"], "contains" in body["expansion"]) == (len(whole), False)


def test_text_is_found_without_accents_in_every_name(library: Library) -> None:
    names = [{"language": "vi", "value": "Sốt xuất huyết"}]
    library.add({**CODES, "url": "http://t.example/vi", "concept": [_concept("d", designation=names), _concept("e")]})
    value_set = _value_set({"system": "http://t.example/vi"})
    assert _codes(library, value_set, filter="XUAT sot") == ["d"]
    assert _codes(library, value_set, filter="xuat nothing") == []


def test_what_is_nearest_to_the_text_comes_first(library: Library) -> None:
    names = {"x1": "Fever with rash", "x2": "Rash, then fever", "x3": "Rash", "rash": "Another", "x4": "None"}
    codes = [{"code": code, "display": display} for code, display in names.items()]
    library.add({**CODES, "url": "http://t.example/near", "concept": codes})
    assert _codes(library, _value_set({"system": "http://t.example/near"}), filter="rash") == ["rash", "x2", "x3", "x1"]


@pytest.mark.parametrize(
    ("value_set", "status", "code"),
    [
        (_value_set(_filter("concept", "is-a", "")), 422, "invalid"),
        (_value_set(_filter("nothing", "=", "x")), 422, "not-supported"),
        (_value_set(_filter("n", "is-a", "x")), 422, "not-supported"),
        (_value_set(_filter("concept", "regex", "(")), 422, "invalid"),
        (_value_set(_filter("concept", "regex", "(?=a)a")), 422, "invalid"),
        (_value_set({"system": "http://t.example/none"}), 404, "not-found"),
        (_value_set({"system": URL, "version": "9"}), 404, "not-found"),
        (_value_set({"valueSet": ["http://t.example/none"]}), 404, "not-found"),
        (_value_set({"valueSet": ["http://t.example/circle"]}), 422, "processing"),
        (_value_set({"system": "urn:ietf:rfc:3986"}), 422, "not-supported"),
    ],
)
def test_what_cannot_be_worked_out_is_refused(
    library: Library, value_set: dict[str, Any], status: int, code: str
) -> None:
    library.add(_value_set({"valueSet": ["http://t.example/circle"]}, url="http://t.example/circle"))
    found, body = _ask(library, value_set)
    assert (found, body["issue"][0]["code"]) == (status, code)


@pytest.mark.parametrize("content", ["", "not-present"])
def test_what_is_listed_of_an_unknown_code_system_is_taken_as_it_is(library: Library, content: str) -> None:
    """Forms ask for lists of LOINC and SNOMED CT codes, which not every country may carry."""
    if content:
        library.add({**CODES, "url": "http://loinc.org", "content": content, "concept": []})
    rows = [{"code": "8480-6", "display": "Tâm thu"}, {"code": "8462-4"}]
    value_set = _value_set({"system": "http://loinc.org", "concept": rows}, {"system": URL, "concept": [{"code": "a"}]})
    value_set["compose"]["exclude"] = [{"system": "http://loinc.org", "concept": [{"code": "8462-4"}]}]
    _, body = _ask(library, value_set)
    first, second = body["expansion"]["contains"]
    assert first == {"system": "http://loinc.org", "code": "8480-6", "display": "Tâm thu"}
    assert (second["system"], second["code"]) == (URL, "a")


def test_a_whole_that_is_too_large_must_be_paged(library: Library) -> None:
    library.add({**CODES, "url": "http://t.example/big", "concept": [_concept(str(n)) for n in range(1001)]})
    value_set = _value_set({"system": "http://t.example/big"})
    status, body = _ask(library, value_set)
    assert (status, body["issue"][0]["code"]) == (422, "too-costly")
    assert len(_codes(library, value_set, count="1000")) == 1000


def test_a_hostile_expression_ends_at_once(library: Library) -> None:
    long = "a" * 5000 + "!"
    library.add({**CODES, "url": "http://t.example/long", "concept": [{"code": long}]})
    value_set = _value_set({**_filter("concept", "regex", "(a+)+"), "system": "http://t.example/long"})
    assert _codes(library, value_set) == []


def test_units_and_languages_show_their_common_codes_and_say_so(library: Library) -> None:
    _, body = _ask(library, _value_set({"system": "http://unitsofmeasure.org"}), count="5")
    assert body["expansion"]["extension"][0]["valueBoolean"] is True
    assert len(body["expansion"]["contains"]) == 5


def test_units_are_found_by_their_names(library: Library) -> None:
    units = _value_set({"system": "http://unitsofmeasure.org"})
    assert "mg/dL" in _codes(library, units, filter="milligram per deciliter")
