"""Codings wherever they stand: codes that their code system does not have, and displays that are not theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuetinh.record.fhirpath import Node
from tuetinh.record.profiles.library import Library
from tuetinh.record.terminology.api import CodeSystem, code_forms
from tuetinh.record.validate.problem import Problem

URIS = "urn:ietf:rfc:3986"


def problems(library: Library, root: Node) -> Iterator[Problem]:
    """What is wrong with the codings of a resource, as far as their code systems are known."""
    for node in root.descendants():
        if node.kind.name == "Coding" and isinstance(node.value, dict):
            yield from _coding(library, node, node.value)
        elif node.kind.name == "Quantity" and isinstance(node.value, dict) and node.value.get("code"):
            yield from _coding(library, node, {k: v for k, v in node.value.items() if k in ("system", "code")})


def _coding(library: Library, node: Node, coding: dict[str, Any]) -> Iterator[Problem]:
    system, code = str(coding.get("system", "")), str(coding.get("code", ""))
    if system and ":" not in system and not system.startswith("#"):
        yield Problem("error", "value", f"{node.path}.system", "must be an absolute URI")
        return
    if "/ValueSet/" in system and library.value_set(system):
        # Only a warning: the national guide asks for such codings.
        yield Problem("warning", "invalid", node.path, f"{system[:200]} is a value set, not a code system")
        return
    if library.is_supplement(system):
        yield Problem("error", "code-invalid", node.path, f"{system[:200]} is a supplement, not a code system")
        return
    if system == URIS:
        return  # any URI is a code of it
    known = library.code_system(system, str(coding.get("version", "")))
    concept = known.find(code) if known else None
    if known is None or concept is None:
        if code and (wrong := unknown(known, system, code)):
            yield Problem("error", "code-invalid", node.path, wrong)
        return
    display = coding.get("display")
    names = {_plain(name) for name in (concept.display, *(d.value for d in concept.designations)) if name}
    if isinstance(display, str) and names and _plain(display) not in names:
        message = f"{display[:80]!r} is not a display of {code[:80]}: that is {concept.display[:80]!r}"
        yield Problem("warning", "invalid", f"{node.path}.display", message)


def unknown(known: CodeSystem | None, system: str, code: str) -> str:
    """Why a code that is not found in its code system is none of it; empty when nobody can tell."""
    if known is not None and known.content == "complete":
        return f"{code[:80]!r} is not a code of {system[:200]}"
    return code_forms.reason(system, code)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
