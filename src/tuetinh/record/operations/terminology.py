"""The operations of the terminology service (R4 terminology-service.html); the work is done in `record.terminology`.

They are one file because they are one step: what is asked becomes Parameters, the library is brought up to date, and
the operation of that name answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from tuetinh.record import built_in, r4
from tuetinh.record.errors import NotFound
from tuetinh.record.operations.declare import Asked, Level, Operation, Out, Param, Reply
from tuetinh.record.profiles.library import CORE as CORE_TYPES
from tuetinh.record.profiles.library import Library
from tuetinh.record.profiles.stored import library as profiles
from tuetinh.record.search.expressions import rules
from tuetinh.record.steps import Step, computed
from tuetinh.record.terminology.edge import as_r4
from tuetinh.record.terminology.operate import answer
from tuetinh.record.terminology.shelf import refresh

_encode = msgspec.json.Encoder(decimal_format="number").encode
_WHOLE = {"CodeSystem": "codeSystem", "ValueSet": "valueSet", "ConceptMap": "conceptMap"}


def terminology(asked: Asked) -> Step[Reply]:
    """Answer an operation on CodeSystem, ValueSet or ConceptMap, on the type or on a stored resource."""
    rows = list(_rows(asked))
    seen = []
    if asked.id:
        found = yield from built_in.read(asked.asker, asked.type, asked.id)
        resource = msgspec.json.decode(found.body or b"{}", type=dict[str, Any])
        rows.append({"name": _WHOLE[asked.type], "resource": resource})
        seen.append((asked.type, asked.id, found.patient))
    if (context := asked.one("context")) and not {"url", "valueSet"} & {row["name"] for row in rows}:
        library = yield from profiles()
        rows.append({"name": "url", "valueString": _bound(library, context)})
    shelf = yield from refresh()
    parameters = {"resourceType": "Parameters", "parameter": rows}
    status, body = yield from computed(
        lambda: answer(shelf.library, asked.type, asked.name, parameters, asked.language)
    )
    return Reply(_encode(as_r4(body)), status, seen=seen)


def _bound(library: Library, context: str) -> str:
    """The value set to which an element of a profile or type is bound: `http://…/StructureDefinition/x#Type.element`."""
    url, _, path = context.partition("#")
    rule = library.tree(f"{url}#{path}") if path else None
    if rule is not None and rule.binding is not None:
        return rule.binding[1]
    found: dict[str, Any] = {"type": url.removeprefix(CORE_TYPES)}
    type_, *names = path.split(".")
    for name in names if type_ == found["type"] else ():
        found = rules()["types"].get(found.get("type"), {}).get("elements", {}).get(name, {})
    if "codes" not in found:
        raise NotFound(f"no value set is bound to {context[:200]!r}, as far as it is known here")
    return f"http://hl7.org/fhir/ValueSet/{found['codes']}"


def _rows(asked: Asked) -> Iterator[dict[str, Any]]:
    """What was given, as rows of Parameters."""
    for name, values in asked.values.items():
        for value in values:
            yield _row(name, value)


def _row(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, r4.Resource):
        return {"name": name, "resource": msgspec.json.decode(r4.encode(value))}
    if isinstance(value, r4.Element):
        return {"name": name, f"value{type(value).__name__}": msgspec.json.decode(_encode(value))}
    if isinstance(value, dict):
        return {"name": name, "part": [_row(inner, one) for inner, several in value.items() for one in several]}
    if isinstance(value, bool):
        return {"name": name, "valueBoolean": value}
    if isinstance(value, int | Decimal):
        return {"name": name, "valueInteger" if isinstance(value, int) else "valueDecimal": value}
    return {"name": name, "valueString": value}


def _params(text: str) -> tuple[Param, ...]:
    """`code:code url:uri property:code*`, a star for those that may be given many times."""
    pairs = (part.partition(":") for part in text.split())
    return tuple(Param(name, kind.rstrip("*"), max=None if kind.endswith("*") else 1) for name, _, kind in pairs)


_COMMON = "displayLanguage:string useSupplement:canonical* tx-resource:Resource* "
_VERSIONS = (
    "system-version:canonical* check-system-version:canonical* force-system-version:canonical* "
    "default-valueset-version:canonical* "
)
_CODE = "code:code system:uri systemVersion:string display:string coding:Coding codeableConcept:CodeableConcept "
_CHECKS = "date:dateTime abstract:boolean activeOnly:boolean lenient-display-validation:boolean "
_CODE_SYSTEM, _VALUE_SET, _CONCEPT_MAP = (frozenset((type_,)) for type_ in _WHOLE)
_TYPE: tuple[Level, ...] = ("type",)
_BOTH: tuple[Level, ...] = ("type", "instance")
CORE = "http://hl7.org/fhir/OperationDefinition/"

OPERATIONS = (
    Operation(
        "lookup",
        CORE + "CodeSystem-lookup",
        _TYPE,
        terminology,
        _CODE_SYSTEM,
        params=_params(
            _COMMON + _VERSIONS + "code:code system:uri version:string coding:Coding date:dateTime property:code*"
        ),
    ),
    Operation(
        "find-matches",
        CORE + "CodeSystem-find-matches",
        _BOTH,
        terminology,
        _CODE_SYSTEM,
        params=(
            *_params("system:uri version:string exact:boolean compositional:boolean"),
            Param(
                "property",
                max=None,
                parts=(
                    Param("code", "code", 1),
                    Param("value", "Element", 1),
                    Param("subproperty", max=None, parts=(Param("code", "code", 1), Param("value", "Element", 1))),
                ),
            ),
        ),
        out=(Out("match", "Element", 0, None),),
    ),
    Operation(
        "subsumes",
        CORE + "CodeSystem-subsumes",
        _BOTH,
        terminology,
        _CODE_SYSTEM,
        params=_params("codeA:code codeB:code system:uri version:string codingA:Coding codingB:Coding"),
    ),
    Operation(
        "validate-code",
        CORE + "CodeSystem-validate-code",
        _BOTH,
        terminology,
        _CODE_SYSTEM,
        params=_params(_COMMON + _VERSIONS + _CODE + _CHECKS + "url:uri codeSystem:CodeSystem version:string"),
    ),
    Operation(
        "expand",
        CORE + "ValueSet-expand",
        _BOTH,
        terminology,
        _VALUE_SET,
        params=_params(
            _COMMON
            + _VERSIONS
            + "url:uri valueSet:ValueSet valueSetVersion:string context:uri contextDirection:code filter:string "
            "date:dateTime offset:integer count:integer includeDesignations:boolean designation:string* "
            "includeDefinition:boolean activeOnly:boolean excludeNested:boolean excludeNotForUI:boolean "
            "excludePostCoordinated:boolean exclude-system:canonical* property:string* limit:integer"
        ),
    ),
    Operation(
        "validate-code",
        CORE + "ValueSet-validate-code",
        _BOTH,
        terminology,
        _VALUE_SET,
        params=_params(
            _COMMON
            + _VERSIONS
            + _CODE
            + _CHECKS
            + "url:uri context:uri valueSet:ValueSet valueSetVersion:string inferSystem:boolean "
            "valueset-membership-only:boolean"
        ),
    ),
    Operation(
        "batch-validate-code",
        CORE + "ValueSet-batch-validate-code",
        _TYPE,
        terminology,
        _VALUE_SET,
        params=_params(
            _COMMON + _VERSIONS + _CHECKS + "url:uri valueSet:ValueSet valueSetVersion:string validation:Parameters*"
        ),
    ),
    Operation(
        "related",
        CORE + "ValueSet-related",
        _TYPE,
        terminology,
        _VALUE_SET,
        params=_params(
            _COMMON
            + _VERSIONS
            + "thisUrl:uri thisValueSet:ValueSet otherUrl:uri otherValueSet:ValueSet diagnostics:boolean"
        ),
    ),
    Operation(
        "translate",
        CORE + "ConceptMap-translate",
        _BOTH,
        terminology,
        _CONCEPT_MAP,
        params=_params(
            "url:uri conceptMap:ConceptMap conceptMapVersion:string code:code system:uri version:string source:uri "
            "coding:Coding codeableConcept:CodeableConcept target:uri targetsystem:uri reverse:boolean "
            "tx-resource:Resource*"
        ),
    ),
)
