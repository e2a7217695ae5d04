"""Syntax tree to closures, and the operators (FHIRPath N1, 4 and 6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tuetinh.record.fhirpath import arithmetic, compare
from tuetinh.record.fhirpath.context import Context, one
from tuetinh.record.fhirpath.errors import EvaluationError, SemanticError
from tuetinh.record.fhirpath.functions.fhir import reference_key
from tuetinh.record.fhirpath.model import SYSTEM_TYPES, kinds
from tuetinh.record.fhirpath.nodes import Node, system, type_of
from tuetinh.record.fhirpath.registry import FUNCTIONS, Eval, Items
from tuetinh.record.fhirpath.sets import union
from tuetinh.record.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    Indexer,
    Literal,
    Member,
    Path,
    Special,
    TypeName,
    TypeTest,
    Unary,
    Variable,
)
from tuetinh.record.fhirpath.syntax import Node as Syntax
from tuetinh.record.fhirpath.values import Quantity, TypeInfo

_TYPE_FUNCTIONS = ("is", "as", "ofType")


def build(tree: Syntax, *, first: bool = True) -> Eval:
    """The closure of a part. `first` says that it begins a path, where a name may be the type of the context."""
    match tree:
        case Literal(value):
            return lambda items, context: [value]
        case Empty():
            return lambda items, context: []
        case Variable(name):
            return lambda items, context: context.variable(name)
        case Special(name):
            return _special(name)
        case Member(name):
            return _start(name) if first and name in kinds() and name[0].isupper() else _step(name)
        case Path(left, right):
            return _chain(build(left, first=first), build(right, first=False))
        case Indexer(left, index):
            return _indexer(build(left, first=first), build(index))
        case Call(name, arguments):
            return _call(name, arguments)
        case Unary(sign, operand):
            return _unary(sign, _scoped(operand))
        case TypeTest(operator, operand, type_name):
            test = type_test(type_name)
            return _chain(_scoped(operand), _as(test) if operator == "as" else _is(test))
        case Binary(operator, left, right):
            return _binary(operator, _scoped(left), _scoped(right))
    raise SemanticError(f"{tree} cannot be evaluated")


def _scoped(tree: Syntax) -> Eval:
    """A part whose variables are its own; nearly none defines any."""
    run = build(tree)
    if not _defines(tree):
        return run

    def scoped(items: Items, context: Context) -> Items:
        outer = context.variables
        found = run(items, context)
        context.variables = outer
        return found

    return scoped


def _defines(tree: Syntax) -> bool:
    """Whether a part of it, outside the arguments of its functions, defines a variable."""
    match tree:
        case Call(name):
            return name == "defineVariable"
        case Path(left, right):
            return _defines(left) or _defines(right)
        case Indexer(left):
            return _defines(left)
        case Unary(operand=operand) | TypeTest(operand=operand):
            return _defines(operand)
    return False


def _special(name: str) -> Eval:
    if name == "index":
        return lambda items, context: [] if context.index is None else [context.index]
    if name == "total":
        return lambda items, context: context.total
    return lambda items, context: context.this


def _chain(left: Eval, right: Eval) -> Eval:
    return lambda items, context: right(left(items, context), context)


def _step(name: str) -> Eval:
    def step(items: Items, context: Context) -> Items:
        context.spend(1 + len(items))
        found: Items = []
        for item in items:
            if type(item) is Node:
                found += item.child(name)
            else:
                found += _part(item, name)
        context.spend(len(found))
        return found

    return step


def _part(item: Any, name: str) -> Items:
    """The elements of the System types that have any."""
    if isinstance(item, TypeInfo) and name in ("namespace", "name"):
        return [getattr(item, name)]
    if isinstance(item, Quantity) and name in ("value", "unit"):
        return [getattr(item, name)]
    return []


def _start(name: str) -> Eval:
    step = _step(name)

    def start(items: Items, context: Context) -> Items:
        own = [item for item in items if type(item) is Node and item.kind.is_a(name)]
        return own or step(items, context)

    return start


def _indexer(left: Eval, index: Eval) -> Eval:
    def run(items: Items, context: Context) -> Items:
        found = left(items, context)
        place = system(one(index(context.this, context), "an index"))
        if place is None:
            return []
        if type(place) is not int:
            raise EvaluationError(f"an index is an Integer, not a {type_of(place)}")
        return [found[place]] if 0 <= place < len(found) else []

    return run


def _call(name: str, arguments: tuple[Syntax, ...]) -> Eval:
    if name in _TYPE_FUNCTIONS:
        if len(arguments) != 1:
            raise SemanticError(f"{name}() takes one type")
        test = type_test(named_type(arguments[0]))
        return {"is": _is, "as": _as, "ofType": _of_type}[name](test)
    if name == "getReferenceKey" and len(arguments) < 2:
        return reference_key(_wanted(arguments))
    function = FUNCTIONS.get(name)
    if function is None:
        raise SemanticError(f"there is no function {name}()")
    if not function.least <= len(arguments) <= function.most:
        wanted = str(function.least) if function.least == function.most else f"{function.least} to {function.most}"
        raise SemanticError(f"{name}() takes {wanted} arguments, not {len(arguments)}")
    if name == "sort":
        return function.bind(tuple(_sort_key(argument) for argument in arguments))
    return function.bind(tuple(_scoped(argument) for argument in arguments))


def _sort_key(argument: Syntax) -> Eval:
    """In `sort` a minus stands for descending order, of texts too: the key is a pair of that and the value."""
    descending = isinstance(argument, Unary) and argument.sign == "-"
    run = build(argument.operand if isinstance(argument, Unary) and descending else argument)
    return lambda items, context: [descending, *run(items, context)]


Test = Callable[[Any], bool]


def named_type(argument: Syntax) -> TypeName:
    """The type that an argument of `is`, `as` or `ofType` names."""
    match argument:
        case Member(name):
            return TypeName("", name)
        case Path(Member(namespace), Member(name)):
            return TypeName(namespace, name)
    raise SemanticError(f"{argument} is no type")


def _wanted(arguments: tuple[Syntax, ...]) -> str | None:
    """The resource type that `getReferenceKey` is given, as a type or as a text."""
    match arguments:
        case (Literal(str() as name),):
            return name
        case (argument,):
            return named_type(argument).name
    return None


def type_test(type_name: TypeName) -> tuple[Test, Test]:
    """Whether an item is of a type or one derived from it; and, for `as` and `ofType`, the same but for primitives,
    which are not taken for their base: a code is a string, but `ofType(string)` does not find it."""
    namespace, name = type_name.namespace, type_name.name
    fhir = namespace in ("", "FHIR") and name in kinds()
    own = namespace in ("", "System") and name in SYSTEM_TYPES
    # A known namespace without the type names nothing that could be there; so does a bare name that is none.
    if not fhir and not own and (namespace not in ("FHIR", "System") or not name[:1].isupper()):
        raise SemanticError(f"there is no type {type_name}")

    def is_a(item: Any) -> bool:
        if type(item) is Node:
            return fhir and item.kind.is_a(name)
        return own and (name == "Any" or type_of(item).name == name)

    def as_a(item: Any) -> bool:
        if type(item) is Node and item.kind.primitive:
            return fhir and item.kind.name == name
        return is_a(item)

    return is_a, as_a


def _is(test: tuple[Test, Test]) -> Eval:
    def run(items: Items, context: Context) -> Items:
        item = one(items, "is")
        return [] if item is None else [test[0](item)]

    return run


def _as(test: tuple[Test, Test]) -> Eval:
    def run(items: Items, context: Context) -> Items:
        item = one(items, "as")
        return [item] if item is not None and test[1](item) else []

    return run


def _of_type(test: tuple[Test, Test]) -> Eval:
    def run(items: Items, context: Context) -> Items:
        context.spend(len(items))
        return [item for item in items if test[1](item)]

    return run


def _unary(sign: str, operand: Eval) -> Eval:
    def run(items: Items, context: Context) -> Items:
        value = system(one(operand(items, context), sign))
        if value is None:
            return []
        if isinstance(value, Quantity):
            return [Quantity(-value.value if sign == "-" else value.value, value.unit)]
        if type(value) not in (int, Decimal):
            raise EvaluationError(f"{sign}{type_of(value)} has no meaning")
        return [-value if sign == "-" else value]

    return run


def truth(items: Items, what: str) -> bool | None:
    """A collection as a condition: one item that is no Boolean is true (FHIRPath N1, 5.7 singleton evaluation)."""
    item = system(one(items, what))
    return item if item is None or type(item) is bool else True


def _binary(operator: str, left: Eval, right: Eval) -> Eval:
    if operator in _LOGIC:
        return _LOGIC[operator](left, right)
    if operator in _COLLECTIONS:
        answer = _COLLECTIONS[operator]

        def collections(items: Items, context: Context) -> Items:
            one_side, other = left(items, context), right(items, context)
            context.spend(1 + len(one_side) + len(other))
            return answer(one_side, other, context)

        return collections
    if operator in _ORDER:
        return _ordered(operator, left, right)

    def calculate(items: Items, context: Context) -> Items:
        context.spend(1)
        one_side = system(one(left(items, context), operator))
        other = system(one(right(items, context), operator))
        if operator == "&":
            one_side, other = ("" if each is None else each for each in (one_side, other))
        if one_side is None or other is None:
            return []
        return _maybe(arithmetic.apply(operator, one_side, other))

    return calculate


def _maybe(value: Any) -> Items:
    return [] if value is None else [value]


def _unequal(left: Items, right: Items) -> bool | None:
    same = compare.equal(left, right)
    return None if same is None else not same


def _membership(items: Items, within: Items, what: str) -> Items:
    item = one(items, what)
    if item is None:
        return []
    return [any(compare.equal_items(item, each) for each in within)]


_COLLECTIONS: dict[str, Callable[[Items, Items, Context], Items]] = {
    "=": lambda left, right, _: _maybe(compare.equal(left, right)),
    "!=": lambda left, right, _: _maybe(_unequal(left, right)),
    "~": lambda left, right, _: [compare.equivalent(left, right)],
    "!~": lambda left, right, _: [not compare.equivalent(left, right)],
    "|": union,
    "in": lambda left, right, _: _membership(left, right, "in"),
    "contains": lambda left, right, _: _membership(right, left, "contains"),
}
_ORDER: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


def _ordered(operator: str, left: Eval, right: Eval) -> Eval:
    holds = _ORDER[operator]

    def run(items: Items, context: Context) -> Items:
        context.spend(1)
        one_side, other = one(left(items, context), operator), one(right(items, context), operator)
        if one_side is None or other is None:
            return []
        sign = compare.order(one_side, other)
        return [] if sign is None else [holds(sign)]

    return run


def _and(left: Eval, right: Eval) -> Eval:
    def run(items: Items, context: Context) -> Items:
        one_side = truth(left(items, context), "and")
        if one_side is False:
            return [False]
        other = truth(right(items, context), "and")
        if other is False:
            return [False]
        return [] if one_side is None or other is None else [True]

    return run


def _or(left: Eval, right: Eval) -> Eval:
    def run(items: Items, context: Context) -> Items:
        one_side = truth(left(items, context), "or")
        if one_side:
            return [True]
        other = truth(right(items, context), "or")
        if other:
            return [True]
        return [] if one_side is None or other is None else [False]

    return run


def _xor(left: Eval, right: Eval) -> Eval:
    def run(items: Items, context: Context) -> Items:
        one_side, other = truth(left(items, context), "xor"), truth(right(items, context), "xor")
        return [] if one_side is None or other is None else [one_side != other]

    return run


def _implies(left: Eval, right: Eval) -> Eval:
    def run(items: Items, context: Context) -> Items:
        one_side = truth(left(items, context), "implies")
        if one_side is False:
            return [True]
        other = truth(right(items, context), "implies")
        if other:
            return [True]
        return [] if one_side is None or other is None else [False]

    return run


_LOGIC = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}
