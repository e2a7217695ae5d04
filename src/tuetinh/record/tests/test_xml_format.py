"""FHIR XML: the same resource in another form, losing nothing, and refusing what attacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tuetinh.record import formats
from tuetinh.record.errors import RecordError
from tuetinh.record.sources import documents
from tuetinh.record.validate import check

XML = {"content-type": "application/fhir+xml"}
PATIENT = b"""<?xml version="1.0" encoding="UTF-8"?>
<!-- a person --><Patient xmlns="http://hl7.org/fhir">
  <text><status value="generated"/><h:div xmlns:h="http://www.w3.org/1999/xhtml">a <h:b>b</h:b> c</h:div></text>
  <contained><Organization><id value="o"/><name value="X"/></Organization></contained>
  <name><family value="L\xc3\xaa"/><given value="A"/><given id="g"><extension url="http://x.test/e">
    <valueDecimal value="1.50"/></extension></given></name>
  <birthDate value="1920-01-01"/><managingOrganization><reference value="#o"/></managingOrganization></Patient>"""


def exact(data: bytes) -> Any:
    return _canonical(json.loads(data, parse_float=lambda text: ("decimal", Decimal(text).as_tuple())))


def _canonical(value: Any) -> Any:
    """Narratives compare as markup: quotes and empty elements may be written in two ways."""
    if isinstance(value, dict):
        return {k: _markup(v) if k == "div" and isinstance(v, str) else _canonical(v) for k, v in value.items()}
    return [_canonical(v) for v in value] if isinstance(value, list) else value


def _markup(text: str) -> bytes:
    return etree.tostring(etree.fromstring(text.encode()), method="c14n") if text.startswith("<div") else text.encode()


def test_xml_becomes_json_and_back() -> None:
    value = json.loads(formats.read(PATIENT), parse_float=Decimal)
    assert value["text"]["div"] == '<div xmlns="http://www.w3.org/1999/xhtml">a <b>b</b> c</div>'
    assert value["contained"] == [{"resourceType": "Organization", "id": "o", "name": "X"}]
    extension = {"url": "http://x.test/e", "valueDecimal": Decimal("1.50")}
    assert value["name"] == [
        {"family": "Lê", "given": ["A", None], "_given": [None, {"id": "g", "extension": [extension]}]}
    ]
    assert formats.read(formats.write(formats.read(PATIENT))) == formats.read(PATIENT)
    assert b'"valueDecimal":1.50' in formats.read(PATIENT)


def test_every_official_example_comes_back_equal(shared: Path) -> None:
    count = 0
    for name, data, _ in documents([str(shared / "data/fhir/examples")]):
        if b'"resourceType"' in data:
            count += 1
            assert exact(formats.read(formats.write(data))) == exact(data), name
    assert count == 494


def test_the_xml_files_of_others_are_read(shared: Path) -> None:
    folder = shared / "data/fhir"
    files = [*(folder / "graphql_patch_misc/graphql_examples").glob("*.xml")]
    files += (folder / "microsoft_fhir_server_r4").rglob("*.xml")
    assert len(files) == 11
    for file in files:
        resource, problems = check(formats.read(file.read_bytes()))
        assert resource is not None, (file, problems)


def test_the_order_of_elements_is_judged_only_when_asked() -> None:
    data = b"<Patient xmlns='http://hl7.org/fhir'><gender value='male'/><active value='true'/></Patient>"
    assert json.loads(formats.read(data)) == {"resourceType": "Patient", "gender": "male", "active": True}
    with pytest.raises(RecordError, match="wrong place"):
        formats.read(data, ordered=True)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t\r&<>\"'"), min_size=1).filter(
    lambda text: not text.isspace() and not set(text) & {"\ufffe", "\uffff"}
)
DECIMAL = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3)
EXTENSION = st.fixed_dictionaries({"url": st.just("http://x.test/e")}) | st.none()


@given(texts=st.lists(st.tuples(TEXT, EXTENSION), min_size=1, max_size=4), number=DECIMAL, whole=st.integers(0, 2**31))
@settings(max_examples=300, deadline=None)
def test_any_content_comes_back_equal(texts: list[tuple[str, Any]], number: Decimal, whole: int) -> None:
    beside = [e and {"extension": [e | {"valueInteger": whole}]} for _, e in texts]
    name: dict[str, Any] = {"given": [text for text, _ in texts]} | ({"_given": beside} if any(beside) else {})
    value = {"resourceType": "Patient", "extension": [{"url": "http://x.test/d", "valueString": texts[0][0]}]}
    body = json.dumps(value | {"name": [name]}).replace('"valueString"', f'"valueDecimal": {number:f}, "x"')
    body = body.replace(f', "x": {json.dumps(texts[0][0])}', "")
    assert exact(formats.read(formats.write(body.encode()))) == exact(body.encode())


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda t: b"<Patient xmlns='http://hl7.org/fhir'>" + t.encode())
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        check(formats.read(data))
    except RecordError as error:
        assert error.status == 400


LAUGHS = b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
    b"<!ENTITY %c '%b'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)
)
ATTACKS = {
    "billion laughs": LAUGHS + b"]><Patient xmlns='http://hl7.org/fhir'><id value='&j;'/></Patient>",
    "external entity": b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><Patient>&e;</Patient>",
    "outside DTD": b"<!DOCTYPE Patient SYSTEM 'http://127.0.0.1:9/x.dtd'><Patient xmlns='http://hl7.org/fhir'/>",
    "deep": b"<Patient xmlns='http://hl7.org/fhir'>" + b"<extension url='u'>" * 50_000,
    "deep and closed": b"<Patient xmlns='http://hl7.org/fhir'>" + b"<extension url='u'>" * 210
    + b"</extension>" * 210 + b"</Patient>",
    "no XML": b"{}",
    "nothing": b" ",
    "UTF-16": "<Patient/>".encode("utf-16"),
    "no namespace": b"<Patient/>",
    "unknown element": b"<Patient xmlns='http://hl7.org/fhir'><colour value='x'/></Patient>",
    "unknown attribute": b"<Patient xmlns='http://hl7.org/fhir'><gender code='x'/></Patient>",
    "text": b"<Patient xmlns='http://hl7.org/fhir'>text</Patient>",
    "twice": b"<Patient xmlns='http://hl7.org/fhir'><gender value='male'/><gender value='male'/></Patient>",
    "a word for a number": b"<Patient xmlns='http://hl7.org/fhir'><multipleBirthInteger value='two'/></Patient>",
    "unclosed": b"<Patient xmlns='http://hl7.org/fhir'><gender",
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_and_faults_are_refused(fhir: Any, stored_count: Callable[[], int], name: str) -> None:
    before = stored_count()
    answer = fhir.send("POST", "/Patient", content=ATTACKS[name], headers=XML)
    assert answer.status_code == 400, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "root:" not in answer.text
    assert stored_count() == before


@pytest.mark.django_db
def test_the_door_takes_and_gives_xml(fhir: Any) -> None:
    both = XML | {"accept": "application/fhir+xml"}
    made = fhir.send("POST", "/Patient", content=PATIENT, headers=both)
    assert made.status_code == 201, made.text
    assert made.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    id_ = made.headers["location"].split("/")[-3]
    kept = fhir.get(f"/Patient/{id_}").json()
    assert kept["name"][0]["_given"][1]["id"] == "g"
    for path, accept in (
        (f"/Patient/{id_}", "application/fhir+xml"),
        (f"/Patient/{id_}?_format=xml", "application/json"),
        (f"/Patient/{id_}?_format=application/fhir%2Bxml", "*/*"),
        (f"/Patient/{id_}", "text/html, application/fhir+json;q=0.5, application/fhir+xml;q=0.9"),
    ):
        assert formats.read(fhir.get(path, headers={"accept": accept}).content) == formats.read(made.content)
    assert fhir.get(f"/Patient/{id_}", headers={"accept": "text/xml;q=0.1, application/json"}).json() == kept
    for path in (
        f"/Patient?_id={id_}",
        f"/Patient/{id_}/_history",
        "/metadata",
        f"/Patient/{id_}/$meta",
        "/Patient/no",
    ):
        answer = fhir.get(path, headers={"accept": "application/fhir+xml"})
        assert check(formats.read(answer.content))[0] is not None, path
    again = fhir.send("PUT", f"/Patient/{id_}", content=made.content, headers=both)
    assert again.headers["etag"] == 'W/"2"'
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": kept, "request": {"method": "PUT", "url": f"Patient/{id_}"}}]}  # fmt: skip
    done = fhir.send("POST", "", content=formats.write(json.dumps(bundle).encode()), headers=both)
    assert json.loads(formats.read(done.content))["entry"][0]["response"]["status"] == "200 OK"


@pytest.mark.django_db
def test_other_encodings_are_refused(fhir: Any) -> None:
    headers = {"content-type": "application/fhir+xml; charset=iso-8859-1"}
    assert fhir.send("POST", "/Patient", content=PATIENT, headers=headers).status_code == 415
    headers = {"content-type": 'application/fhir+xml; charset="UTF-8"'}
    assert fhir.send("POST", "/Patient", content=PATIENT, headers=headers).status_code == 201


def test_pretty_xml_is_the_same_resource_on_lines(fhir: Any) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Anh <b>Páo</b> <i>khỏe</i></p></div>'
    text = {"status": "generated", "div": div}
    made = {"resourceType": "Patient", "text": text, "name": [{"given": ["A", "B"]}]}
    id_ = fhir.post("/Patient", made).json()["id"]
    answer = fhir.get(f"/Patient/{id_}?_pretty=true&_format=xml")
    assert answer.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[0] == '<?xml version="1.0" encoding="UTF-8"?>'
    assert lines[1:3] == ['<Patient xmlns="http://hl7.org/fhir">', f'  <id value="{id_}"/>']
    assert f"    {div}" in lines
    assert lines[-5:] == ["  <name>", '    <given value="A"/>', '    <given value="B"/>', "  </name>", "</Patient>"]
    plain = fhir.get(f"/Patient/{id_}?_format=xml").content
    assert formats.read(answer.content) == formats.read(plain)
