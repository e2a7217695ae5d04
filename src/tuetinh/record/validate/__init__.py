"""Whether JSON is a valid FHIR R4 resource, and if not, everything that is wrong with it.

Checked: JSON itself (UTF-8, no repeated names), elements and their types and cardinalities, one variant of a choice,
the formats of primitives and real calendar days, required bindings whose codes the definitions carry wholly, the form
and the target types of references, contained resources (dom-2 to dom-5), narratives (txt-1, txt-2), extensions
(ext-1), and the invariants of the base definitions. Profiles and terminology beyond required codes have their own
place.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tuetinh.record import r4
from tuetinh.record.validate import parse
from tuetinh.record.validate.problem import Problem
from tuetinh.record.validate.walk import Walk

__all__ = ["Problem", "check"]

_encode = msgspec.json.Encoder(decimal_format="number").encode
_PLACE = re.compile(r" - at `\$(?P<path>[^`]*)`$")


def check(data: bytes | dict[str, Any]) -> tuple[r4.Resource | None, list[Problem]]:
    """The resource and its warnings, or None and every problem. Takes JSON bytes or plain values; never raises."""
    if not isinstance(data, bytes):
        try:
            data = _encode(data)
        except (TypeError, ValueError, RecursionError) as error:
            return None, [Problem("error", "structure", "", f"is no JSON: {error}")]
    try:
        plain = parse.quick(data)
    except (ValueError, ArithmeticError, RecursionError):
        return None, _explain(data)
    if not isinstance(plain, dict):
        return None, _explain(data)
    problems = Walk(plain).problems
    if any(problem.severity == "error" for problem in problems):
        return None, _explain(data)
    try:
        resource = r4.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return None, _explain(data, error)
    if parse.structural_quotes(data) != parse.structural_quotes(r4.encode(resource)):
        return None, _explain(data)
    return resource, problems


def _explain(data: bytes, error: Exception | None = None) -> list[Problem]:
    """The slow second look at something that was refused."""
    plain, broken = parse.careful(data)
    if broken:
        return [broken]
    if not isinstance(plain, dict):
        return [Problem("error", "structure", "", "a resource must be a JSON object")]
    problems = Walk(plain).problems
    if any(problem.severity == "error" for problem in problems):
        return problems
    return [*problems, _from_decoder(plain, str(error or "the JSON is not valid"))]


def _from_decoder(plain: dict[str, Any], message: str) -> Problem:
    """What the decoder of the types said, should the walk have missed it."""
    found = _PLACE.search(message)
    path = f"{plain.get('resourceType', '')}{found['path']}" if found else ""
    return Problem("error", "structure", path.replace("[...]", "[*]"), _PLACE.sub("", message))
