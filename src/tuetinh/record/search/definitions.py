"""What a SearchParameter of a user says, checked before the record answers by it (FHIR R4, searchparameter.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tuetinh.record import fhirpath, r4
from tuetinh.record.errors import Issue, Unprocessable
from tuetinh.record.search.composites import Composite, compose
from tuetinh.record.search.expressions import Unsupported
from tuetinh.record.search.params import INDEXED, Param, official
from tuetinh.record.types import RESOURCE_TYPES

ABSTRACT = frozenset({"Resource", "DomainResource"})
NO_DOMAIN = frozenset({"Bundle", "Binary", "Parameters"})
LONGEST = 2000
MOST_COMPONENTS = 3

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,63}", re.ASCII)
_START = re.compile(r"(\(*)\s*([A-Za-z]\w*)")
_TOGETHER = (("token", "token"), ("token", "reference"), ("token", "quantity"), ("token", "number", "number"))


def read(resource: r4.SearchParameter) -> list[Param]:
    """Return the parameter as each of its base types has it; none where official ones answer it already.

    Raises Unprocessable with every fault.
    """
    faults = [*_head(resource), *(_composite(resource) if resource.type == "composite" else _expression(resource))]
    found: list[Param] = []
    if not faults:
        for type_ in bases(resource):
            one = _of_type(resource, type_)
            known = official(type_).get(one.code)
            if known is not None and known.url in (resource.url, resource.derivedFrom):
                continue
            if known is not None:
                text = f"{one.code!r} of {type_} is the official {known.url}; take another code, or derive from that"
                faults.append(Issue("error", "duplicate", text, "SearchParameter.code"))
            elif not one.expression:
                text = f"the expression says nothing of {type_}, which is a base"
                faults.append(Issue("error", "invalid", text, "SearchParameter.expression"))
            else:
                faults += _fits(one)
                found.append(one)
    if faults:
        raise Unprocessable(issues=list(dict.fromkeys(faults)))
    return found


def bases(resource: r4.SearchParameter) -> tuple[str, ...]:
    """Return the concrete types of its bases."""
    given = [base for base in resource.base or () if base]
    if "Resource" in given:
        return RESOURCE_TYPES
    if "DomainResource" in given:
        return tuple(t for t in RESOURCE_TYPES if t not in NO_DOMAIN or t in given)
    return tuple(dict.fromkeys(given))


def check_composite(param: Param, own: Sequence[Param]) -> None:
    """Raise Unprocessable unless the parts of a composite are parameters of its type that can be asked together."""
    try:
        made: Composite = compose(param, tuple(own))
    except (Unsupported, ValueError) as error:
        raise Unprocessable(str(error), "SearchParameter.component") from None
    kinds = tuple(part.param.type for part in made.parts)
    if "composite" in kinds:
        message = "a composite cannot be part of a composite"
        raise Unprocessable(message, "SearchParameter.component")
    if made.place is not None and kinds not in _TOGETHER:
        message = f"parts of the types {', '.join(kinds)} within a repeating element are not indexed together"
        raise Unprocessable(message, "SearchParameter.component")


def _head(resource: r4.SearchParameter) -> Iterator[Issue]:
    place = "SearchParameter."
    if not _CODE.fullmatch(resource.code or "") and not _names_official(resource):
        text = "a code is a letter, then up to 63 letters, digits, hyphens and underscores"
        yield Issue("error", "value", text, place + "code")
    if resource.type not in (*INDEXED, "composite") and not _names_official(resource):
        text = f"parameters of type {resource.type} are not answered here; {', '.join(INDEXED)} and composite are"
        yield Issue("error", "not-supported", text, place + "type")
    for n, base in enumerate(resource.base or ()):
        if base not in RESOURCE_TYPES and base not in ABSTRACT:
            yield Issue("error", "value", f"there is no resource type {base!r}", f"{place}base[{n}]")
    for n, target in enumerate(resource.target or ()):
        if target not in RESOURCE_TYPES:
            yield Issue("error", "value", f"there is no resource type {target!r}", f"{place}target[{n}]")


def _names_official(resource: r4.SearchParameter) -> bool:
    types = [t for t in bases(resource) if t in RESOURCE_TYPES]
    known = [official(t).get(resource.code or "") for t in types]
    return bool(known) and all(p is not None and p.url in (resource.url, resource.derivedFrom) for p in known)


def _expression(resource: r4.SearchParameter) -> Iterator[Issue]:
    place = "SearchParameter.expression"
    if _names_official(resource):
        return
    if not resource.expression:
        yield Issue("error", "required", "without an expression nothing can be found", place)
    elif len(resource.expression) > LONGEST:
        yield Issue("error", "too-long", f"an expression has {LONGEST} characters at most", place)
    else:
        try:
            fhirpath.compile(resource.expression)
        except fhirpath.FHIRPathError as error:
            yield Issue("error", "invalid", f"the expression is no FHIRPath: {error}", place)


def _composite(resource: r4.SearchParameter) -> Iterator[Issue]:
    place = "SearchParameter.component"
    parts = resource.component or []
    if not 2 <= len(parts) <= MOST_COMPONENTS:
        yield Issue("error", "required", f"a composite has 2 to {MOST_COMPONENTS} components", place)
    if not resource.expression:
        text = "a composite needs an expression: the element from which its components are taken"
        yield Issue("error", "required", text, "SearchParameter.expression")


def _fits(param: Param) -> Iterator[Issue]:
    """What is wrong between the expression and the type."""
    if param.type == "composite":
        return
    place = "SearchParameter.expression"
    try:
        leaves = param.leaves
    except Unsupported as error:
        yield Issue("error", "not-supported", str(error), place)
        return
    if not leaves:
        text = f"the expression leads to nothing of {param.base} that a {param.type} can be"
        yield Issue("error", "invalid", text, "SearchParameter.type")
    elif param.type != "token" and any(leaf.exists for leaf in leaves):
        text = f"exists() is true or false, which is a token, not a {param.type}"
        yield Issue("error", "invalid", text, "SearchParameter.type")


def _of_type(resource: r4.SearchParameter, type_: str) -> Param:
    parts = tuple((str(part.definition), str(part.expression)) for part in resource.component or ())
    about = " | ".join(_about(type_, resource.expression or ""))
    targets = tuple(target for target in resource.target or () if target)
    return Param(type_, str(resource.code), str(resource.type), about, targets, str(resource.url), parts)


def _about(type_: str, expression: str) -> Iterable[str]:
    """Return the alternatives of a union that are about a type, beginning with its name."""
    for alternative in alternatives(expression):
        start = _START.match(alternative)
        if start is None or start[2] in (type_, *ABSTRACT):
            yield alternative
        elif start[2] not in RESOURCE_TYPES:
            yield f"{start[1]}{type_}.{alternative[start.end(1) :].lstrip()}"


def alternatives(expression: str) -> list[str]:
    """Split a union at its top level."""
    parts, depth, start, quoted = [], 0, 0, False
    for at, char in enumerate(expression):
        quoted ^= char == "'"
        depth += ((char == "(") - (char == ")")) * (not quoted)
        if char == "|" and depth == 0 and not quoted:
            parts.append(expression[start:at].strip())
            start = at + 1
    return [part for part in (*parts, expression[start:].strip()) if part]
