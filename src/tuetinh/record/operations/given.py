"""What a call gives for the parameters of an operation: checked against the declaration, or refused by name."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tuetinh.record import r4
from tuetinh.record.errors import BadRequest, Invalid, Issue
from tuetinh.record.operations.declare import Operation, Param
from tuetinh.record.validate import check
from tuetinh.record.validate.primitives import CHECKERS

CONTROL = frozenset({"_format", "_pretty", "_summary", "_elements"})
_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_INTEGER = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)
Values = dict[str, list[Any]]
Pairs = list[tuple[str, str]]


def from_address(operation: Operation, pairs: Pairs, *, lenient: bool = False) -> tuple[Values, Pairs]:
    """The values in an address, and the pairs that are not declared. Raises BadRequest naming the parameter."""
    declared = {param.name: param for param in operation.params}
    values: Values = {}
    others: Pairs = []
    for name, text in pairs:
        param = declared.get(name)
        if param is not None:
            values.setdefault(name, []).append(_from_text(param, text))
        elif operation.open:
            others.append((name, text))
        elif name not in CONTROL and not lenient:
            raise _unknown(operation, name)
    return values, [pair for pair in others if pair[0] not in CONTROL]


def from_body(operation: Operation, body: bytes, *, lenient: bool = False) -> tuple[Values, Pairs]:
    """The values in a body, Parameters or the resource itself where the operation takes one, and what is not declared.

    Raises Invalid for what is no resource, BadRequest naming the parameter for what does not fit.
    """
    raw = next((param for param in operation.params if param.raw), None)
    if raw is not None:
        values, body = _set_apart(raw, body)
        if not body:
            return values, []
    else:
        values = {}
        if any(part.raw for param in operation.params for part in param.parts):
            body = _wrapped(body)
    resource, problems = check(body)
    if isinstance(resource, r4.Parameters):
        parts, others = resource.parameter or [], []
        if operation.open:
            declared = {param.name for param in operation.params}
            others = [(p.name or "", _as_text(p)) for p in parts if p.name not in declared]
            parts = [p for p in parts if p.name in declared]
        return values | _from_parts(operation, operation.params, parts, lenient=lenient), others
    whole = [p for p in operation.params if _is_resource(p.type)]
    if resource is None:
        raise Invalid(problems)
    fitting = [p for p in whole if p.type in ("Resource", resource.resourceType)]
    named = [p for p in fitting if p.name.lower() == resource.resourceType.lower()]
    if len(named or fitting) == 1:
        return {(named or fitting)[0].name: [resource]}, []
    message = f"${operation.name} takes Parameters, not {resource.resourceType}"
    raise BadRequest(message)


def _set_apart(raw: Param, body: bytes) -> tuple[Values, bytes]:
    """The unchecked value of a raw parameter, and the Parameters that are left ("" when there are none)."""
    try:
        parameters = msgspec.json.decode(body, type=_Loose)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {raw.name: [body]}, b""
    if parameters.resourceType != "Parameters":
        return {raw.name: [body]}, b""
    name = msgspec.json.encode(raw.name)
    mine = [p for p in parameters.parameter if bytes(p.get("name", b"")) == name and "resource" in p]
    rest = [p for p in parameters.parameter if p not in mine]
    left = msgspec.json.encode({"resourceType": "Parameters", "parameter": rest}) if rest else b""
    return {raw.name: [bytes(p["resource"]) for p in mine]} if mine else {}, left


def _wrapped(body: bytes) -> bytes:
    """Parameters whose parts hold resources of types that R4 does not know, each as a Binary of its JSON."""
    try:
        parameters = msgspec.json.decode(body, type=_Loose)
        if parameters.resourceType != "Parameters":
            return body
        for parameter in parameters.parameter:
            parts = msgspec.json.decode(parameter.get("part", b"[]"), type=list[dict[str, msgspec.Raw]])
            for part in parts:
                given = part.get("resource", b"{}")
                if msgspec.json.decode(given, type=_Typed).resourceType not in ("", *r4.RESOURCES):
                    binary = r4.Binary(contentType="application/json", data=base64.b64encode(given).decode())
                    part["resource"] = msgspec.Raw(r4.encode(binary))
            if parts:
                parameter["part"] = msgspec.Raw(msgspec.json.encode(parts))
        return msgspec.json.encode(parameters)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body  # what is wrong with it is told where it is checked


class _Typed(msgspec.Struct):
    resourceType: str = ""


class _Loose(msgspec.Struct):
    resourceType: str
    parameter: list[dict[str, msgspec.Raw]] = []


def complete(operation: Operation, values: Mapping[str, Sequence[Any]]) -> None:
    """Raise BadRequest when a parameter is missing or stands too often; every one is named."""
    issues = list(_counted(operation.params, values, ""))
    if issues:
        raise BadRequest(issues=issues)


def _counted(params: Iterable[Param], values: Mapping[str, Sequence[Any]], place: str) -> Iterable[Issue]:
    for param in params:
        count = len(values.get(param.name, ()))
        name = f"{place}{param.name}"
        if count < param.min:
            yield Issue("error", "required", f"the parameter {name} is required", name)
        elif param.max is not None and count > param.max:
            yield Issue("error", "invalid", f"the parameter {name} may be given {_times(param.max)}", name)
        if param.parts:
            for value in values.get(param.name, ()):
                yield from _counted(param.parts, value, f"{name}.")


def _times(number: int) -> str:
    return "once only" if number == 1 else f"{number} times at most"


def _from_text(param: Param, text: str) -> Any:
    """The value of a primitive parameter in an address."""
    kind = "uri" if param.type == "Reference" else param.type
    if kind not in CHECKERS:
        message = f"the parameter {param.name} cannot be given in an address: POST it in Parameters"
        raise BadRequest(message, param.name)
    value: Any = text
    if kind == "boolean":
        value = {"true": True, "false": False}.get(text)
    elif kind in _NUMBERS:
        value = int(text) if _INTEGER.fullmatch(text) else None
    elif kind == "decimal":
        value = Decimal(text) if _DECIMAL.fullmatch(text) else None
    elif kind in ("dateTime", "instant"):
        value = text.replace(" ", "+")  # a "+" that the client did not escape
    if value is None or CHECKERS[kind](value) is not None:
        raise _wrong(param)
    return r4.Reference(reference=text) if param.type == "Reference" else value


def _from_parts(
    operation: Operation,
    params: Sequence[Param],
    parts: Sequence[r4.ParametersParameter],
    *,
    lenient: bool,
    place: str = "",
) -> Values:
    declared = {param.name: param for param in params}
    values: Values = {}
    for part in parts:
        name = part.name or ""
        param = declared.get(name)
        if param is None:
            if lenient:
                continue
            raise _unknown(operation, place + name)
        if param.parts:
            inner = _from_parts(operation, param.parts, part.part or [], lenient=lenient, place=f"{name}.")
            values.setdefault(name, []).append(inner)
        else:
            values.setdefault(name, []).append(_from_part(param, part))
    return values


def _from_part(param: Param, part: r4.ParametersParameter) -> Any:
    """The value of a parameter of Parameters. A text may come as any of FHIR's text types, if it has the right form."""
    if part.resource is not None:
        if param.type in ("Resource", part.resource.resourceType):
            return part.resource
        raise _wrong(param)
    value = next((v for name in _VALUES if (v := getattr(part, name)) is not None), None)
    if value is None:
        raise _wrong(param)
    if param.type == "Element":
        return value
    if param.type in CHECKERS:
        if isinstance(value, r4.Element) or CHECKERS[param.type](value) is not None:
            raise _wrong(param)
        return value
    if type(value).__name__ != param.type:
        if param.type == "Reference" and isinstance(value, str):
            return r4.Reference(reference=value)
        raise _wrong(param)
    return value


def _as_text(part: r4.ParametersParameter) -> str:
    """A parameter of Parameters as it would stand in an address. Raises BadRequest for what could not."""
    value, name = next((v for n in _VALUES if (v := getattr(part, n)) is not None), None), (part.name or "")[:80]
    if isinstance(value, r4.Reference):
        value = value.reference
    if value is None or isinstance(value, r4.Element):
        message = f"the parameter {name} must be a primitive value or a Reference"
        raise BadRequest(message, name)
    return str(value).lower() if isinstance(value, bool) else str(value)


_VALUES = [n for n in r4.ParametersParameter.__struct_fields__ if n.startswith("value") and not n.endswith("_ext")]


def _is_resource(type_: str) -> bool:
    return type_ == "Resource" or type_ in r4.RESOURCES


def _unknown(operation: Operation, name: str) -> BadRequest:
    return BadRequest(f"${operation.name} has no parameter {name[:80]!r}", name[:80])


def _wrong(param: Param) -> BadRequest:
    return BadRequest(f"the parameter {param.name} must be a {param.type or 'group of parts'}", param.name)
