"""What can be said of an expression without any data: whether its paths exist in the types of FHIR R4."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tuetinh.record.fhirpath.engine import named_type
from tuetinh.record.fhirpath.errors import SemanticError
from tuetinh.record.fhirpath.expression import Expression
from tuetinh.record.fhirpath.model import UNKNOWN, Kind, kinds
from tuetinh.record.fhirpath.syntax import (
    Binary,
    Call,
    Indexer,
    Member,
    Node,
    Path,
    Special,
    TypeName,
    TypeTest,
    Unary,
    Variable,
)

# Functions whose items are some of their input.
_IN_ORDER = frozenset({"first", "last", "skip", "tail", "take"})
_CHOOSING = {"checkModifiers", "defineVariable", "distinct", "exclude", "intersect", "single", "sort", "trace", "where"}
_SAME = _IN_ORDER | _CHOOSING
_BY_ITEM = frozenset({"aggregate", "all", "exists", "repeat", "repeatAll", "select", "sort", "trace", "where"})
_DECIDING = frozenset({"=", "!=", "~", "!~", "<", "<=", ">", ">=", "and", "or", "xor", "implies", "in", "contains"})
# The types of what these functions give.
_GIVING = {
    **dict.fromkeys(("all", "allFalse", "allTrue", "anyFalse", "anyTrue", "empty", "exists", "hasValue"), "boolean"),
    **dict.fromkeys(("isDistinct", "not", "subsetOf", "supersetOf", "contains", "startsWith", "endsWith"), "boolean"),
    **dict.fromkeys(("matches", "matchesFull", "toBoolean"), "boolean"),
    **dict.fromkeys(("lower", "upper", "substring", "replace", "replaceMatches", "trim", "join", "split"), "string"),
    **dict.fromkeys(("encode", "decode", "escape", "unescape", "toChars", "toString"), "string"),
    **dict.fromkeys(("count", "length", "indexOf", "lastIndexOf", "toInteger"), "integer"),
    "toDecimal": "decimal",
    "toDate": "date",
    "toDateTime": "dateTime",
    "toQuantity": "Quantity",
}


@dataclass(frozen=True)
class Shape:
    """The types that items can have, None when that is not known, and whether they have an order."""

    kinds: frozenset[Kind] | None
    ordered: bool = True


_ANY = Shape(None)


def check(expression: Expression, type_name: str, *, order: bool = False) -> None:
    """SemanticError when a path of the expression cannot exist below the type, by its name in `record.r4`.

    With `order`, functions that need an order are refused after ones that have none, such as `children()`.
    """
    if type_name not in kinds():
        raise SemanticError(f"there is no type {type_name}")
    here = Shape(frozenset([kinds()[type_name]]))
    _Check(here, order=order).shape(expression.tree, here, here, first=True)


def types(expression: Expression, type_name: str) -> frozenset[str] | None:
    """The names of the types that its items can have, over a type; None when that is not known.

    SemanticError when a path cannot exist.
    """
    here = Shape(frozenset([kinds()[type_name]]))
    found = _Check(here, order=False).shape(expression.tree, here, here, first=True).kinds
    return None if found is None else frozenset(kind.name for kind in found)


class _Check:
    def __init__(self, root: Shape, *, order: bool) -> None:
        self.root = root
        self.order = order

    def shape(self, tree: Node, focus: Shape, this: Shape, *, first: bool = False) -> Shape:
        """The shape of a part, evaluated over `focus`; `first` says that it begins a path."""
        match tree:
            case Member(name):
                return self.member(name, focus, first=first)
            case Path(left, right):
                return self.shape(right, self.shape(left, focus, this, first=first), this)
            case Indexer(left, index):
                self.shape(index, this, this, first=True)
                return self.in_order("[]", self.shape(left, focus, this, first=first))
            case Call(name, arguments):
                return self.call(name, arguments, focus, this)
            case Special("this"):
                return this
            case Variable("context" | "resource"):
                return self.root
            case Unary(_, operand):
                self.shape(operand, focus, this, first=True)
            case TypeTest(operator, operand, type_name):
                found = self.shape(operand, focus, this, first=True)
                return self.typed(type_name, found) if operator == "as" else _of("boolean")
            case Binary(operator, left, right):
                sides = self.shape(left, focus, this, first=True), self.shape(right, focus, this, first=True)
                if operator == "|":
                    return _either(*sides)
                return _of("string") if operator == "&" else _of("boolean") if operator in _DECIDING else _ANY
        return _ANY

    def member(self, name: str, focus: Shape, *, first: bool) -> Shape:
        if focus.kinds is None:
            return _ANY
        if first and name in kinds() and name[0].isupper():
            own = frozenset(kind for kind in focus.kinds if kind.is_a(name))
            if own:
                return replace(focus, kinds=own)
        found: set[Kind] = set()
        for kind in focus.kinds:
            found.update(target for _, target in kind.steps.get(name, ()))
        if not found:
            raise SemanticError(f"{' or '.join(sorted(kind.name for kind in focus.kinds))} has no element {name}")
        open_ended = UNKNOWN in found or any(kind.name == "Resource" for kind in found)
        return Shape(None if open_ended else frozenset(found), focus.ordered)

    def call(self, name: str, arguments: tuple[Node, ...], focus: Shape, this: Shape) -> Shape:
        if name in ("is", "as", "ofType"):
            return _of("boolean") if name == "is" else self.typed(named_type(arguments[0]), focus)
        if name == "getReferenceKey":
            return _ANY
        inner = replace(focus, ordered=True) if name in (*_BY_ITEM, "iif", "defineVariable") else this
        given = [self.shape(argument, inner, inner, first=True) for argument in arguments]
        if name in _IN_ORDER:
            return self.in_order(f"{name}()", focus)
        if name in _SAME:
            return focus
        match name:
            case "select":
                return given[0]
            case "union" | "combine":
                return _either(focus, given[0])
            case "iif" if len(given) == 3:
                return _either(given[1], given[2])
            case "extension":
                return Shape(frozenset([kinds()["Extension"]]))
            case "children" | "descendants":
                return Shape(None, ordered=False)
        return _of(_GIVING[name]) if name in _GIVING else _ANY

    def in_order(self, what: str, focus: Shape) -> Shape:
        if self.order and not focus.ordered:
            raise SemanticError(f"{what} needs an order that its input does not have")
        return focus

    @staticmethod
    def typed(type_name: TypeName, focus: Shape) -> Shape:
        fhir = type_name.namespace in ("", "FHIR") and type_name.name in kinds()
        return Shape(frozenset([kinds()[type_name.name]]) if fhir else None, focus.ordered)


def _of(name: str) -> Shape:
    return Shape(frozenset([kinds()[name]]))


def _either(one: Shape, other: Shape) -> Shape:
    if one.kinds is None or other.kinds is None:
        return _ANY
    return Shape(one.kinds | other.kinds)
