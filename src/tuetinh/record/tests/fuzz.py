"""Strategies for everything that the FHIR API takes, made from the types and search parameters of the record itself."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tuetinh.record import operations
from tuetinh.record.r4 import RESOURCES
from tuetinh.record.search.params import params
from tuetinh.record.validate.model import TYPES, Element, Type

LONGEST = 60_000  # an address beyond is not sent by httpx
KINDS = ("Patient", "Observation", "Basic", "Condition", "Encounter", "Questionnaire", "MedicationRequest", "Bundle")
IDS = ("a", "b", "Zz-9.", "0" * 64)
ODD_TEXTS = (
    "%",
    "_",
    "\\",
    "'",
    '"',
    "a,b",
    "a|b",
    "a$b",
    "\\,",
    "\u202e",
    "Ở",
    "ﬃ",
    "𝕬",
    "\ud7ff",
    "x" * 3000,
    "(a+)+$",
    "\0",
)
VALUES: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "integer": (0, -1, 2147483647, -2147483648),
    "unsignedInt": (0, 5),
    "positiveInt": (1, 2147483647),
    "decimal": (0, -0.0, 1.50, 1e-9, 10**40, 0.1),
    "date": ("2026", "2026-02", "2024-02-29", "0001-01-01", "9999-12-31"),
    "dateTime": ("2026-01-31T23:59:60Z", "2026", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"),
    "instant": ("2026-01-31T08:00:00.123456789+07:00", "0001-01-01T00:00:00+14:00"),
    "time": ("00:00:00", "23:59:59.999"),
    "id": IDS,
    "oid": ("urn:oid:1.2.3",),
    "uuid": ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",),
    "uri": ("http://x", "urn:a:b", "#a"),
    "url": ("http://x/a?b=c",),
    "canonical": ("http://x|1", "http://x#a"),
    "base64Binary": (base64.b64encode(b"x" * 20).decode(),),
    "code": ("a", "final", "active"),
    "markdown": ("*a*", "<b>"),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml">a</div>', '<div xmlns="http://www.w3.org/1999/xhtml"/>'),
}
RARE = ("id", "extension", "modifierExtension", "contained", "fhir_comments")
JUNK = (
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    "",
    " ",
    "a",
    [],
    {},
    [None],
    [[]],
    {"a": 1},
    {"resourceType": "Patient"},
    "\0",
    "2026-13",
)
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "zz")
MODIFIERS = (
    "",
    "missing",
    "exact",
    "contains",
    "not",
    "text",
    "in",
    "not-in",
    "above",
    "below",
    "of-type",
    "identifier",
)
MODIFIERS += ("Patient", "iterate", "zz", ":", "")
RESULTS = (
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_summary",
    "_elements",
    "_total",
    "_contained",
    "_type",
    "_page",
)
RESULTS += ("_format", "_pretty", "_list", "_text", "_content", "_filter", "_has", "_query", "_score", "_since", "_at")


def primitive(rng: Random, element: Element) -> Any:
    """A value that the element takes, most times."""
    if element.values:
        return rng.choice(sorted(element.values))
    if element.fhir in VALUES:
        return rng.choice(VALUES[element.fhir])
    return rng.choice(("a", "Lò Thị Pâng", "1", *ODD_TEXTS[:-1]))


def made(rng: Random, type_: Type, depth: int = 0) -> dict[str, Any]:
    """An instance of a type: what it must have, and some of what it may."""
    found: dict[str, Any] = {}
    chosen: set[str] = set()
    required = {*type_.required, *(rng.choice(names) for _, names in type_.choices)}
    if not required:  # an element has a value (ele-1)
        required = {rng.choice([name for name in type_.elements if name not in RARE and name[0] != "_"])}
    for name, element in type_.elements.items():
        if name not in required and rng.random() > (0.25 if depth == 0 else 0.12):
            continue
        if element.choice and (element.choice in chosen or (name not in required and element.choice in required)):
            continue
        if (name == "id" and depth == 0) or (depth > 0 and name in RARE) or name.startswith("_"):
            continue
        if depth > 4 and name not in required:
            continue
        if element.choice:
            chosen.add(element.choice)
        value = value_of(rng, element, depth)
        found[name] = (
            [value, *(value_of(rng, element, depth) for _ in range(rng.choice((0, 0, 1, 3))))]
            if element.many
            else value
        )
    return found


def value_of(rng: Random, element: Element, depth: int) -> Any:
    """A value of an element: an object of its type, or a primitive."""
    if element.type is None:
        return primitive(rng, element)
    if element.fhir in ("Resource", "DomainResource"):
        return {"resourceType": "Basic", "id": rng.choice(IDS), "code": {"text": "x"}}
    if element.fhir == "Extension":
        return {"url": "http://x", rng.choice(("valueString", "valueCode")): "a"}
    if element.fhir == "Reference":
        target = rng.choice(sorted(element.targets) or ["Patient"])
        return {"reference": f"{target if target in RESOURCES else 'Patient'}/{rng.choice(IDS)}"}
    return made(rng, element.type, depth + 1)


def resource(rng: Random, kind: str, depth: int = 0) -> dict[str, Any]:
    """A resource that is sound but for an invariant that it may break."""
    return {"resourceType": kind} | made(rng, TYPES[kind], depth)


def mutated(rng: Random, body: Any) -> Any:
    """The same with one place replaced, doubled, renamed or taken away."""
    here = body
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return body
        key = rng.choice(keys)
        if not isinstance(here[key], (dict, list)) or not here[key] or rng.random() < 0.3:
            break
        here = here[key]
    match rng.randrange(4):
        case 0:
            del here[key]
        case 1 if isinstance(here, dict):
            here[rng.choice(("_" + str(key), "zz", str(key) + "X", "extension", "resourceType"))] = here[key]
        case 2:
            here[key] = [here[key]]
        case _:
            here[key] = rng.choice(JUNK)
    return body


def value_text(rng: Random) -> str:
    """The value of a search parameter."""
    plain = ("a", "2026-01-31", "5.4|http://unitsofmeasure.org|mg", "http://x|a", "|a", "a|", "Patient/a", "#a", "true")
    text = rng.choice(PREFIXES) + rng.choice((*plain, *ODD_TEXTS, "", "-1", "1e999", "0.00000001", "2026-99", "9" * 50))
    return ",".join([text] * rng.choice((1, 1, 1, 2, 40)))


COMPARISONS = (
    "eq",
    "ne",
    "co",
    "sw",
    "ew",
    "gt",
    "lt",
    "ge",
    "le",
    "ap",
    "sa",
    "eb",
    "pr",
    "po",
    "ss",
    "sb",
    "in",
    "ni",
    "re",
)


def expression(rng: Random, kind: str, depth: int = 0) -> str:
    """A `_filter`, sound most times."""
    if depth < 4 and rng.random() < 0.5:
        inner = expression(rng, kind, depth + 1)
        form = rng.choice(("({})", "not ({})", "{} and", "{} or", "{}"))
        return form.format(inner) + (f" {expression(rng, kind, depth + 1)}" if form[-1] in "dr" else "")
    code = rng.choice([*params(kind)])
    if rng.random() < 0.2:
        code = f"{code}.{rng.choice([*params(rng.choice(KINDS))])}"
    value = rng.choice(("true", "false", value_text(rng), f'"{value_text(rng)}"'))
    return f"{code} {rng.choice(COMPARISONS)} {value}"


def parameter(rng: Random, kind: str) -> tuple[str, str]:
    """A search parameter of a type with any modifier, alone, chained or reversed."""
    if rng.random() < 0.15:
        return "_filter", expression(rng, kind)
    if rng.random() < 0.3:
        name = rng.choice(RESULTS)
        codes = [*params(kind)]
        options = (
            rng.choice(codes),
            f"-{rng.choice(codes)}",
            f"{kind}:{rng.choice(codes)}",
            "*",
            "0",
            "-1",
            "1000000000",
        )
        return name, rng.choice((*options, "true", "count", "accurate", "text", "xml", value_text(rng)))
    code = rng.choice([*params(kind)])
    modifier = rng.choice(MODIFIERS)
    name = code + (":" + modifier if modifier else "")
    for _ in range(rng.choice((0, 0, 0, 1, 2, 5))):
        target = rng.choice(KINDS)
        name = rng.choice(
            (f"{name}.{rng.choice([*params(target)])}", f"_has:{target}:{rng.choice([*params(target)])}:{name}")
        )
    return name, rng.choice(("true", "false", value_text(rng))) if modifier == "missing" else value_text(rng)


def query(rng: Random, kind: str) -> str:
    """A query string."""
    pairs = [parameter(rng, kind) for _ in range(rng.choice((0, 1, 1, 2, 3, 5)))]
    text = "&".join(f"{quote(name, safe=':')}={quote(value)}" for name, value in pairs)[:LONGEST]
    return text if rng.random() > 0.05 else text + rng.choice(("&%ff=%fe", "&=", "&&", "&a", "%", "&%00=%00"))


def entry(rng: Random) -> dict[str, Any]:
    """An entry of a batch or transaction."""
    kind = rng.choice(KINDS[:6])
    method = rng.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "ZZ"))
    url = {"POST": kind, "GET": f"{kind}?{query(rng, kind)}"}.get(method, f"{kind}/{rng.choice(IDS)}")
    body = resource(rng, kind)
    if method == "PUT":
        body["id"] = url.partition("/")[2]
    asked = {"method": method, "url": url}
    for name, value in (("ifMatch", 'W/"1"'), ("ifNoneExist", query(rng, kind)), ("ifNoneMatch", "*"), ("zz", 1)):
        if rng.random() < 0.06:
            asked[name] = value  # type: ignore[assignment]
    return {
        "fullUrl": rng.choice(("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", "http://x/Patient/1")),
        "resource": body,
        "request": asked,
    }


def bundle(rng: Random) -> dict[str, Any]:
    """A Bundle to be acted on."""
    entries = [entry(rng) for _ in range(rng.choice((0, 1, 2, 4)))]
    return {
        "resourceType": "Bundle",
        "type": rng.choice(("batch", "transaction", "transaction", "history")),
        "entry": entries,
    }


def parameters(rng: Random, name: str) -> dict[str, Any]:
    """The Parameters of an operation: its own, with sound and unsound values, and others."""
    known = [p.name for o in operations.known() if o.name == name for p in o.params]
    kinds = (
        "valueString",
        "valueCode",
        "valueUri",
        "valueInteger",
        "valueBoolean",
        "valueCoding",
        "resource",
        "part",
        "zz",
    )
    made_: list[dict[str, Any]] = []
    for _ in range(rng.choice((0, 1, 2, 3))):
        kind = rng.choice(kinds)
        value: Any = rng.choice(JUNK[:9])
        if kind == "resource":
            value = resource(rng, rng.choice(("ValueSet", "CodeSystem", "Patient", "ConceptMap")))
        elif rng.random() < 0.7:
            value = {
                "valueInteger": 1,
                "valueBoolean": True,
                "valueCoding": {"system": "http://x", "code": "a"},
                "part": [],
            }.get(kind, rng.choice(("http://hl7.org/fhir/ValueSet/administrative-gender", "male", "Patient/a")))
        made_.append({"name": rng.choice([*known, "zz"]), kind: value})
    return {"resourceType": "Parameters", "parameter": made_}


def patch(rng: Random) -> Any:
    """A JSON Patch."""
    paths = (
        "/name/0/family",
        "/id",
        "/meta",
        "/resourceType",
        "",
        "/",
        "/zz/0",
        "/name/-",
        "/active",
        "/~1~0",
        "/name/99",
    )
    ops = ("add", "remove", "replace", "move", "copy", "test", "zz")
    return [
        {"op": rng.choice(ops), "path": rng.choice(paths), "from": rng.choice(paths), "value": rng.choice(JUNK)}
        for _ in range(rng.choice((0, 1, 2, 4)))
    ]


def fhirpath_patch(rng: Random) -> dict[str, Any]:
    """A FHIRPath Patch."""
    paths = (
        "Patient.name",
        "Patient.name[0]",
        "Patient",
        "Patient.descendants()",
        "1/0",
        "Patient.where(",
        "Patient.birthDate",
        "''",
    )
    parts = [
        {"name": "type", "valueCode": rng.choice(("add", "insert", "delete", "replace", "move", "zz"))},
        {"name": "path", "valueString": rng.choice(paths)},
        {"name": "name", "valueString": rng.choice(("name", "zz", "birthDate"))},
        {"name": "value", rng.choice(("valueString", "valueDate", "part", "zz")): rng.choice(JUNK)},
        {"name": "index", "valueInteger": rng.choice((0, -1, 99, "a"))},
    ]
    rng.shuffle(parts)
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts[: rng.randrange(6)]}]}


def text_of(body: Any) -> bytes:
    """JSON as bytes; NUL and lone surrogates as escapes."""
    return json.dumps(body).encode()


RANDOM = st.integers(0, 2**32).map(Random)
