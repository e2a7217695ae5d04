"""PATCH in its three forms: alone, conditional, in Bundles; refused where it does not fit or may not be."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuetinh.record import formats
from tuetinh.record.conformance import run
from tuetinh.record.errors import RecordError
from tuetinh.record.patch import FHIRPATH_PATCH, JSON_PATCH, XML_PATCH, Patch, apply

BODY = {
    "resourceType": "Patient",
    "name": [{"family": "Lê", "given": ["A", "B"], "_given": [None, {"id": "g"}]}],
    "gender": "male",
    "multipleBirthInteger": 2,
}
JSON = [{"op": "replace", "path": "/gender", "value": "female"}]
XML = b'<diff xmlns="http://hl7.org/fhir"><replace sel="Patient/gender/@value">female</replace></diff>'


def operation(type_: str, path: str, **parts: Any) -> dict[str, Any]:
    """Parameters with one operation; parts as `value_code="female"`, `index=1`."""
    part: list[dict[str, Any]] = [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        stem, _, kind = name.partition("_")
        part.append({"name": stem, f"value{kind or ('Integer' if isinstance(value, int) else 'String')}": value})
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}


FHIRPATH = operation("replace", "Patient.gender", value_Code="female")
FORMS: dict[str, tuple[str, bytes]] = {
    "json": (JSON_PATCH, json.dumps(JSON).encode()),
    "xml": (XML_PATCH, XML),
    "fhirpath": (FHIRPATH_PATCH, json.dumps(FHIRPATH).encode()),
    "fhirpath in XML": ("application/fhir+xml", formats.write(json.dumps(FHIRPATH).encode())),
}


def test_the_suites_agree(shared: Path) -> None:
    found = list(run("patch", shared / "data/fhir/graphql_patch_misc"))
    assert [case.name for case in found if not case.passed] == []
    assert len(found) == 78


def patched(parameters: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(
        apply(json.dumps(BODY).encode(), Patch(FHIRPATH_PATCH, json.dumps(parameters).encode()))
    )
    return result


@pytest.mark.parametrize(
    ("parameters", "place", "expected"),
    [
        (operation("add", "Patient", name="birthDate", value_Date="2020-01-01"), "birthDate", "2020-01-01"),
        (operation("add", "Patient", name="deceased", value_Boolean=True), "deceasedBoolean", True),
        (operation("replace", "Patient.multipleBirth", value_Boolean=True), "multipleBirthBoolean", True),
        (operation("delete", "Patient.name.given[1]"), "name", [{"family": "Lê", "given": ["A"]}]),
        (operation("delete", "Patient.photo"), "gender", "male"),
        (
            operation("insert", "Patient.name.given", index=0, value="Z"),
            "name",
            [{"family": "Lê", "given": ["Z", "A", "B"], "_given": [None, None, {"id": "g"}]}],
        ),
        (
            operation("move", "Patient.name.given", source=1, destination=0),
            "name",
            [{"family": "Lê", "given": ["B", "A"], "_given": [{"id": "g"}, None]}],
        ),
        (
            operation("add", "Patient.gender", name="extension", value_Extension={"url": "http://x", "valueCode": "m"}),
            "_gender",
            {"extension": [{"url": "http://x", "valueCode": "m"}]},
        ),
    ],
)  # fmt: skip
def test_fhirpath_patch_reaches_every_kind_of_element(parameters: dict[str, Any], place: str, expected: Any) -> None:
    assert patched(parameters)[place] == expected


@pytest.mark.parametrize(
    "parameters",
    [
        operation("add", "Patient", name="colour", value="red"),
        operation("add", "Patient", name="gender", value_Code="male"),
        operation("replace", "Patient.photo", value_Code="male"),
        operation("replace", "Patient.name.given", value="x"),
        operation("replace", "Patient", value="x"),
        operation("delete", "Patient"),
        operation("insert", "Patient.gender", index=0, value_Code="male"),
        operation("insert", "Patient.name.given", index=9, value="x"),
        operation("move", "Patient.name.given", source=0, destination=-1),
        operation("replace", "Patient.name.given.count()", value="x"),
        operation("replace", "Patient..", value="x"),
        operation("replace", "Patient.descendants().descendants().descendants()" * 9, value="x"),
        operation("explode", "Patient.gender"),
        {"resourceType": "Parameters", "parameter": [{"name": "other", "valueCode": "x"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation"}]},
    ],
)
def test_fhirpath_patch_that_does_not_fit_names_its_operation(parameters: dict[str, Any]) -> None:
    with pytest.raises(RecordError) as refused:
        patched(parameters)
    assert refused.value.status in (400, 422)
    assert refused.value.issues[0].expression == "Parameters.parameter[0]"


XPATHS = st.sampled_from(
    ["Patient", "//*", "f:Patient/f:name", "Patient/@id", "..", "/", "../..", "text()", "f:Patient/f:gender/@value"]
) | st.text("ab:/@*[]()'\"=.1 ", max_size=20)  # fmt: skip


@given(
    name=st.sampled_from(["add", "replace", "remove"]),
    selector=XPATHS,
    content=st.sampled_from(["", "x", "<gender value='x'/>", "<a/><b/>", "<!-- c -->"]),
    how=st.sampled_from(["", 'pos="before"', 'pos="after"', 'pos="prepend"', 'type="@value"', 'type="namespace::p"']),
)
@settings(max_examples=400, deadline=None)
def test_any_xml_patch_is_done_or_refused(name: str, selector: str, content: str, how: str) -> None:
    from xml.sax.saxutils import quoteattr

    text = f'<diff xmlns="http://hl7.org/fhir"><{name} sel={quoteattr(selector)} {how}>{content}</{name}></diff>'
    try:
        apply(json.dumps(BODY).encode(), Patch(XML_PATCH, text.encode()))
    except RecordError as error:
        assert error.status in (400, 422)


@pytest.fixture
def person(fhir: Any) -> dict[str, Any]:
    return fhir.post("/Patient", BODY).json()


@pytest.mark.django_db
@pytest.mark.parametrize("form", FORMS)
def test_every_form_alone_and_conditional(fhir: Any, person: dict[str, Any], form: str) -> None:
    media, body = FORMS[form]
    headers = {"content-type": media}
    stale = headers | {"if-match": 'W/"7"'}
    assert fhir.send("PATCH", f"/Patient/{person['id']}", content=body, headers=stale).status_code == 412
    fresh = headers | {"if-match": 'W/"1"'}
    answer = fhir.send("PATCH", f"/Patient/{person['id']}", content=body, headers=fresh)
    assert (answer.status_code, answer.json()["gender"], answer.headers["etag"]) == (200, "female", 'W/"2"'), (
        answer.text
    )
    again = fhir.send("PATCH", f"/Patient?_id={person['id']}", content=body, headers=headers)
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"3"')
    assert again.json()["name"] == person["name"]
    assert fhir.send("PATCH", "/Patient?_id=nobody", content=body, headers=headers).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["transaction", "batch"])
@pytest.mark.parametrize("form", ["json", "xml", "fhirpath"])
def test_every_form_in_a_bundle(fhir: Any, person: dict[str, Any], kind: str, form: str) -> None:
    media, body = FORMS[form]
    binary = {"resourceType": "Binary", "contentType": media, "data": base64.b64encode(body).decode()}
    entry = {
        "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "resource": FHIRPATH if form == "fhirpath" else binary,
        "request": {"method": "PATCH", "url": f"Patient/{person['id']}"},
    }
    answer = fhir.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
    assert answer.json()["entry"][0]["response"]["status"] == "200 OK", answer.text
    assert fhir.get(f"/Patient/{person['id']}").json()["gender"] == "female"


@pytest.mark.django_db
@pytest.mark.parametrize("form", FORMS)
def test_who_may_not_changes_nothing(
    fhir: Any, person: dict[str, Any], stored_count: Callable[[], int], form: str
) -> None:
    media, body = FORMS[form]
    before = stored_count()
    for who, status in (("reader", 403), ("outsider", 403), ("citizen", 404), ("stranger", 401)):
        answer = fhir.send("PATCH", f"/Patient/{person['id']}", who, content=body, headers={"content-type": media})
        assert answer.status_code == status
    assert stored_count() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "parameters",
    [
        operation("replace", "Patient.gender", value_Code="purple"),
        operation("delete", "Patient.id"),
        operation("replace", "Patient.birthDate | Patient.gender", value_Integer=7),
    ],
)
def test_a_result_that_is_not_valid_is_not_stored(
    fhir: Any, person: dict[str, Any], stored_count: Callable[[], int], parameters: dict[str, Any]
) -> None:
    before = stored_count()
    headers = {"content-type": "application/fhir+json"}
    answer = fhir.send("PATCH", f"/Patient/{person['id']}", json=parameters, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert stored_count() == before
