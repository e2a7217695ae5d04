"""FHIR XML (R4 xml.html) to FHIR JSON, losing nothing: digits, extensions of primitives, narratives, contained."""

from __future__ import annotations

import re
from copy import deepcopy
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
from lxml import etree

from tuetinh.record.errors import Invalid
from tuetinh.record.formats.safely import FHIR, MAX_DEPTH, XHTML, local, parse
from tuetinh.record.validate.model import RESOURCE_TYPES, TYPES, Element, Type
from tuetinh.record.validate.problem import Path, Problem, render

Json = dict[str, Any]
XSI = "http://www.w3.org/2001/XMLSchema-instance"
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,18})", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,200})(\.\d{1,200})?([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_encode = msgspec.json.Encoder(decimal_format="number").encode


def read(data: bytes, *, ordered: bool = False) -> bytes:
    """The JSON of a resource in XML. Raises XmlRefused for what is no XML, Invalid with every place that does not fit.

    Values are carried over as they are: whether they are right is for validation. ordered: elements out of their order
    (which the schema does not allow, but even national guides have) are refused as well.
    """
    root = parse(data)
    return _encode(resource(root, ordered=ordered))


def resource(root: etree._Element, *, ordered: bool = False) -> Json:
    """The plain values of a resource element. Raises Invalid."""
    reader = _Reader(ordered=ordered)
    found = reader.resource(root, None)
    if reader.problems:
        raise Invalid(reader.problems)
    return found


@cache
def _places(type_: str) -> dict[str, int]:
    """The order in which the elements of a type must stand (xml.html, 2.6.1.2)."""
    return {name: place for place, name in enumerate(k for k in TYPES[type_].elements if k[0] != "_")}


class _Reader:
    def __init__(self, *, ordered: bool) -> None:
        self.ordered = ordered
        self.problems: list[Problem] = []

    def report(self, path: Path | None, message: str, node: etree._Element) -> None:
        if len(self.problems) < 100:
            line = f" (line {node.sourceline})" if node.sourceline else ""
            self.problems.append(Problem("error", "structure", render(path), message + line))

    def resource(self, node: etree._Element, path: Path | None, depth: int = 1) -> Json:
        space, name = local(node)
        if space != FHIR or name not in RESOURCE_TYPES:
            self.report(path, f"there is no resource {name[:80]!r} in the namespace {space[:80]!r}", node)
            return {}
        return {"resourceType": name} | self.object(node, TYPES[name], path or (None, name, None), depth)

    def object(self, node: etree._Element, type_: Type, path: Path, depth: int) -> Json:
        """An element with children."""
        out: Json = {}
        if depth > MAX_DEPTH:
            self.report(path, "is nested too deeply", node)
            return out
        self.attributes(node, type_, path, out)
        if node.text and not node.text.isspace():
            self.report(path, "has text where there should be elements", node)
        places, last = _places(type_.name), -1
        for child in node:
            if child.tail and not child.tail.isspace():
                self.report(path, "has text where there should be elements", child)
            if not isinstance(child.tag, str):
                continue  # a comment
            space, name = local(child)
            element = type_.elements.get(name)
            index = len(out[name]) if element is not None and element.many and name in out else None
            place = (path, name[:64], index)
            if element is None or space != (XHTML if element.fhir == "xhtml" else FHIR):
                message = f"{type_.name} has no element {name[:80]!r} in the namespace {space[:80]!r}"
                self.report(place, message, child)
                continue
            if self.ordered and places[name] < last:
                message = "stands in the wrong place: the order of elements is part of the format"
                self.report(place, message, child)
            last = places[name]
            self.child(child, element, place, out, depth)
        for name in [k for k, v in out.items() if isinstance(v, list) and not any(i is not None for i in v)]:
            del out[name]  # extensions alone: JSON has no list of values for them
        return out

    def attributes(self, node: etree._Element, type_: Type, path: Path, out: Json) -> None:
        for key, value in node.attrib.items():
            name = str(key)
            if (name == "id" and not type_.resource) or (name == "url" and type_.name == "Extension"):
                out[name] = str(value)
            elif not name.startswith("{" + XSI):
                self.report((path, name[:64], None), "is an attribute that is not known here", node)

    def child(self, node: etree._Element, element: Element, path: Path, out: Json, depth: int) -> None:
        name = element.name
        value: Any
        beside: Json | None = None
        if element.fhir == "xhtml":
            value = _markup(node)
        elif element.fhir == "Resource":
            value = self.only_resource(node, path, depth)
        elif element.check is None:
            value = self.object(node, element.type, path, depth + 1)  # type: ignore[arg-type]
        else:
            value, beside = self.primitive(node, element, path, depth)
        if not element.many:
            if name in out or f"_{name}" in out:
                self.report(path, "may stand once only", node)
            if value is not None:
                out[name] = value
            if beside:
                out[f"_{name}"] = beside
            return
        out.setdefault(name, []).append(value)
        if beside or f"_{name}" in out:
            others = out.setdefault(f"_{name}", [])
            others += [None] * (len(out[name]) - 1 - len(others)) + [beside]

    def only_resource(self, node: etree._Element, path: Path, depth: int) -> Json:
        found = [child for child in node if isinstance(child.tag, str)]
        if len(found) != 1:
            self.report(path, "must hold one resource", node)
            return {}
        return self.resource(found[0], path, depth + 1)

    def primitive(self, node: etree._Element, element: Element, path: Path, depth: int) -> tuple[Any, Json | None]:
        """Value and what stands beside it."""
        text = node.attrib.pop("value", None)
        beside = self.object(node, TYPES["Element"], path, depth + 1) if len(node) or node.attrib or node.text else {}
        return None if text is None else typed(str(text), element.fhir), beside or None


def typed(text: str, type_: str) -> Any:
    """The JSON value of an XML one; what has the wrong form stays text, for validation to refuse."""
    if type_ == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if type_ in _INTEGERS:
        return int(text) if _INTEGER.fullmatch(text) else text
    if type_ == "decimal":
        return Decimal(text) if _DECIMAL.fullmatch(text) else text
    return text


def _markup(node: etree._Element) -> str:
    """The xhtml as text, free of the prefixes and namespaces of the document around it."""
    copy = _rebuilt(node)
    copy.tail = None
    return str(etree.tostring(copy, encoding="unicode"))


def _rebuilt(node: etree._Element) -> etree._Element:
    copy = etree.Element(node.tag, {str(k): str(v) for k, v in node.attrib.items()}, nsmap={None: XHTML})
    copy.text, copy.tail = node.text, node.tail
    for child in node:
        copy.append(_rebuilt(child) if isinstance(child.tag, str) else deepcopy(child))
    return copy
