"""The types of FHIR R4 as FHIRPath sees them: `value[x]` is `value`, a primitive has children too."""

from __future__ import annotations

from functools import cache

from tuetinh.record.validate.rules import RULES

# The base types of primitives (FHIR R4, 2.24 Data Types); all others derive from Element.
_PRIMITIVE_BASE = {
    "code": "string",
    "id": "string",
    "markdown": "string",
    "canonical": "uri",
    "oid": "uri",
    "url": "uri",
    "uuid": "uri",
    "positiveInt": "integer",
    "unsignedInt": "integer",
}
# More candidates than this are looked up by what is there instead of by what could be.
_FEW = 3


class Kind:
    """A type. `steps` has each element's JSON keys and types by its FHIRPath name, `keys` the way back."""

    def __init__(self, name: str, base: Kind | None, *, primitive: bool = False) -> None:
        self.name = name
        self.base = base
        self.primitive = primitive
        self.resource: bool = name == "Resource" or (base is not None and base.resource)
        # What `type()` and `is` call it: elements defined in place have no name of their own.
        self.public = name
        self.steps: dict[str, tuple[tuple[str, Kind], ...]] = {}
        self.keys: dict[str, tuple[str, Kind]] = {}
        self.many: frozenset[str] = frozenset()
        self.line: frozenset[str] = frozenset([name]) | (base.line if base else frozenset())

    def is_a(self, name: str) -> bool:
        """Whether it is the type of that name or derives from it."""
        return name in self.line

    def few(self, name: str) -> tuple[tuple[str, Kind], ...] | None:
        """The JSON keys to look for; None when there are too many."""
        steps = self.steps.get(name, ())
        return steps if len(steps) <= _FEW else None


# Something without a definition: its elements are what its JSON has.
UNKNOWN = Kind("", None)


def _kinds() -> dict[str, Kind]:
    element = Kind("Element", None)
    found = {"Element": element}
    for name in RULES.primitives:
        base = _PRIMITIVE_BASE.get(name)
        if base and base not in found:
            found[base] = Kind(base, element, primitive=True)
        found.setdefault(name, Kind(name, found[base] if base else element, primitive=True))

    def kind(name: str) -> Kind:
        if name not in found:
            rule = RULES.types[name]
            found[name] = Kind(name, kind(rule.base) if rule.base else None)
            if rule.kind == "backbone":
                found[name].public = rule.base
        return found[name]

    for name in RULES.types:
        kind(name)
    return found


def _fill(kinds: dict[str, Kind]) -> None:
    for name, rule in RULES.types.items():
        kind = kinds[name]
        many = set()
        for key, element in rule.elements.items():
            step = element.choice or key
            target = kinds[element.type]
            kind.steps[step] = (*kind.steps.get(step, ()), (key, target))
            kind.keys[key] = (step, target)
            if element.many:
                many.add(key)
        kind.many = frozenset(many)
    for kind in kinds.values():
        line: list[Kind] = []
        above = kind.base
        while above:
            line.append(above)
            above = above.base
        for each in line:
            kind.steps = {**each.steps, **kind.steps}
            kind.keys = {**each.keys, **kind.keys}
            kind.many |= each.many


@cache
def kinds() -> dict[str, Kind]:
    """Every type of R4 by name; elements defined in place are named as the classes of `record.r4` are."""
    found = _kinds()
    _fill(found)
    return found


SYSTEM_TYPES = frozenset(["Any", "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"])
