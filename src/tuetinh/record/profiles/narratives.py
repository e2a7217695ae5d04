"""What a profile asks of a narrative: whose words they are, and in which languages (R4 narrative.html; HL7's extensions
narrative-source-control and narrative-language-control)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from tuetinh.record.errors import RecordError
from tuetinh.record.fhirpath import Node
from tuetinh.record.formats import safely
from tuetinh.record.profiles.tree import Rule
from tuetinh.record.validate.problem import Problem

ORIGINS = frozenset({"boilerplate", "generated", "original"})
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def problems(node: Node, rule: Rule) -> Iterator[Problem]:
    """What a Narrative lacks of `rule.sources` and `rule.languages`."""
    try:
        div = safely.parse(str(node.value.get("div", "")).encode())
    except RecordError:
        return  # said already by what every narrative must be
    for text in _nobodys(div) if rule.sources else ():
        message = f"the text {text[:60]!r} has no class that tells its source ({', '.join(sorted(ORIGINS))})"
        yield Problem("error", "business-rule", node.path, message)
    if wrong := _languages(node, rule.languages, [lang for child in div if (lang := _language(child))]):
        yield Problem("error", "business-rule", node.path, wrong)


def _languages(node: Node, asked: str, found: list[str]) -> str:
    """What is wrong with the sections in a language: `_yes`, `_no`, `_resource`, or the language that must be there."""
    shown = ", ".join(found)[:80] or "none"
    if asked == "_no":
        return f"must have no sections for languages, but has {shown}" if found else ""
    if asked == "_yes" or not asked:
        return "" if found or not asked else "must have a section for each language"
    resource = node.resource
    wanted = asked if asked != "_resource" else str(resource.value.get("language", "")) if resource else ""
    return "" if not wanted or wanted in found else f"must have a section in the language {wanted[:80]}, not {shown}"


def _language(node: etree._Element) -> str:
    return str(node.get("lang") or node.get(_XML_LANG) or "") if isinstance(node.tag, str) else ""


def _nobodys(node: etree._Element) -> Iterator[str]:
    """Texts that stand in no element whose class tells their source."""
    if isinstance(node.tag, str) and not ORIGINS & set(str(node.get("class", "")).split()):
        if node.text and not node.text.isspace():
            yield node.text.strip()
        for child in node:
            yield from _nobodys(child)
            if child.tail and not child.tail.isspace():
                yield child.tail.strip()
