"""FHIR JSON as the record keeps it to FHIR XML (R4 xml.html)."""

from __future__ import annotations

import re
from functools import cache
from html.entities import name2codepoint
from itertools import zip_longest
from typing import Any

from lxml import etree

from tuetinh.record.formats.safely import FHIR, XHTML, local, parse
from tuetinh.record.validate.model import TYPES, Element, Type
from tuetinh.record.validate.parse import quick

Json = dict[str, Any]
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_ESCAPED = re.compile(r'[&<>"\t\n\r\x00-\x1f\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_NAMED = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]*);")


def write(data: bytes) -> bytes:
    """The XML of a resource in JSON, which must be valid FHIR."""
    plain = quick(data)
    out: list[str] = [HEAD]
    _resource(plain, out, f' xmlns="{FHIR}"')
    return "".join(out).encode()


def pretty(data: bytes) -> bytes:
    """The same XML on many lines; narratives, where spaces count, stay as they are."""
    root = parse(data)
    _indent(root, "\n")
    return f"{HEAD}\n{etree.tostring(root, encoding='unicode')}\n".encode()


def _indent(node: etree._Element, line: str) -> None:
    """Give each child of an element a line of its own; line: how the element's own begins."""
    if not len(node) or local(node)[0] == XHTML:
        return
    node.text = line + "  "
    for child in node:
        _indent(child, line + "  ")
        child.tail = line + "  "
    node[-1].tail = line


def _escape(text: str) -> str:
    """The text within an attribute. XML 1.0 has no control characters; they become U+FFFD."""
    return _ESCAPED.sub(lambda m: _ESCAPES.get(m[0], "\ufffd"), text)


@cache
def _order(name: str) -> dict[str, int]:
    return {key: place for place, key in enumerate(TYPES[name].elements)}


def _resource(o: Json, out: list[str], attributes: str = "") -> None:
    name = o["resourceType"]
    out.append(f"<{name}{attributes}>")
    _children(o, TYPES[name], out, set())
    out.append(f"</{name}>")


def _children(o: Json, type_: Type, out: list[str], attributes: set[str]) -> None:
    order = _order(type_.name)
    for key in sorted((k for k in o if k in order and k not in attributes), key=order.__getitem__):
        name = key.removeprefix("_")
        if key != name and name in o:
            continue  # written with the value that it stands beside
        element = type_.elements[name]
        value, beside = o.get(name), o.get(f"_{name}")
        if element.many:
            for one, other in zip_longest(value or (), beside or ()):
                _element(name, element, one, other, out)
        else:
            _element(name, element, value, beside, out)


def _element(name: str, element: Element, value: Any, beside: Json | None, out: list[str]) -> None:
    if element.fhir == "xhtml":
        out.append(_NAMED.sub(_entity, value))
    elif element.fhir == "Resource":
        out.append(f"<{name}>")
        _resource(value, out)
        out.append(f"</{name}>")
    elif element.check is None:
        _complex(name, element.type, value, out, "")  # type: ignore[arg-type]
    else:
        text = "" if value is None else f' value="{_text(value)}"'
        if beside:
            _complex(name, TYPES["Element"], beside, out, text)
        else:
            out.append(f"<{name}{text}/>")


def _complex(name: str, type_: Type, o: Json, out: list[str], attributes: str) -> None:
    names = {"id", "url"} if type_.name == "Extension" else {"id"}
    head = "".join(f' {n}="{_escape(o[n])}"' for n in sorted(names) if isinstance(o.get(n), str))
    out.append(f"<{name}{head}{attributes}>")
    _children(o, type_, out, names)
    out.append(f"</{name}>")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _escape(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _entity(match: re.Match[str]) -> str:
    """HTML's named entities, which XML knows only with a DTD."""
    point = name2codepoint.get(match[1])
    return f"&#{point};" if point is not None else match[0]
