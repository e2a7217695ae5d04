"""Patch suites of HL7's fhir-test-cases: FHIRPath Patch, JSON Patch and XML Patch, one file each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
from lxml import etree

from tuetinh.record import formats
from tuetinh.record.conformance import Case, attempt
from tuetinh.record.errors import RecordError
from tuetinh.record.patch import fhirpath_patch, json_patch, xml_patch

_encode = msgspec.json.Encoder(decimal_format="number").encode


def cases(folder: Path) -> Iterator[Case]:
    """Every case of the suites below the folder, told apart by what is in them; other files are passed over."""
    for path in sorted(folder.rglob("*.json")):
        yield from _json_cases(path)
    for path in sorted(folder.rglob("*.xml")):
        for case in _xml_cases(path):
            of_xml = case.find("target") is not None
            kind, fault = ("xml", _xml) if of_xml else ("fhirpath", _fhirpath)
            yield attempt(f"{kind}: {case.get('name')}", partial(fault, case))


def _json_cases(path: Path) -> Iterator[Case]:
    try:
        found = json.loads(path.read_bytes(), parse_float=Decimal)
    except ValueError:
        return
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict) and "doc" in one and "patch" in one and not one.get("disabled"):
            yield attempt(f"json: {one.get('comment')}", partial(_json, one))


def _xml_cases(path: Path) -> list[etree._Element]:
    try:
        root = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True)).getroot()
    except etree.XMLSyntaxError:
        return []
    return [case for case in root.iterfind("case") if any(case.find(name) is not None for name in ("diff", "target"))]


def _first(case: etree._Element, name: str) -> etree._Element | None:
    """The one element inside of a part of the case; None when there is none."""
    part = case.find(name)
    return next((node for node in part if isinstance(node.tag, str)), None) if part is not None else None


def _verdict(expected: object, error: str | None, found: object) -> str:
    """How what is found (a RecordError: refused) differs from what is expected; `error`: the expected refusal."""
    if isinstance(found, RecordError):
        return "" if error is not None else str(found)
    if error is not None:
        return f"should be refused: {error}"
    return "" if found == expected else f"gives {str(found)[:500]}"


def _fhirpath(case: etree._Element) -> str:
    source, diff, output = _first(case, "input"), _first(case, "diff"), _first(case, "output")
    refused = case.find("error")
    found: object
    try:
        body, patch = (
            formats.read(etree.tostring(node, with_tail=False)) for node in (source, diff) if node is not None
        )
        found = json.loads(fhirpath_patch.apply(body, patch), parse_float=Decimal)
    except RecordError as error:
        found = error
    expected = None if output is None else json.loads(formats.read(etree.tostring(output)), parse_float=Decimal)
    return _verdict(expected, None if refused is None else "an error", found)


def _json(case: dict[str, object]) -> str:
    found: object
    try:
        patched = json_patch.apply(_encode(case["doc"]), _encode(case["patch"]))
        found = json.loads(patched, parse_float=Decimal)
    except RecordError as error:
        found = error
    error_text = str(case["error"]) if "error" in case else None
    return _verdict(case.get("expected"), error_text, found)


def _xml(case: etree._Element) -> str:
    target, patch, output = _first(case, "target"), case.find("patch"), _first(case, "patched")
    patch = patch if patch is not None else case.find("{*}patch")
    refused = case.find("error")
    found: object
    try:
        if target is None or patch is None:
            found = RecordError("there is no document to patch")
        else:
            found = _canonical(xml_patch.patched(target, patch))
    except RecordError as error:
        found = error
    expected = None if output is None else _canonical(output)
    message = None if refused is None else str(refused.get("message"))
    return _verdict(expected, message, found)


def _canonical(node: etree._Element) -> bytes:
    """Canonical XML without the white space that only lays it out."""
    text = etree.tostring(node, with_tail=False)
    again = etree.fromstring(text, etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True))
    for one in again.iter():
        one.text, one.tail = ((part or "").strip() or None for part in (one.text, one.tail))
    return bytes(etree.tostring(again, method="c14n2"))
