"""The functions by name, and the ways in which they are written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tuetinh.record.fhirpath.context import LONGEST_TEXT, Context, one
from tuetinh.record.fhirpath.errors import EvaluationError, LimitError
from tuetinh.record.fhirpath.nodes import system, type_of
from tuetinh.record.fhirpath.values import Quantity

Items = list[Any]
# Evaluates a part of an expression over its input.
Eval = Callable[[Items, Context], Items]


@dataclass(frozen=True)
class Function:
    """How many arguments it takes, and how it is bound to them."""

    least: int
    most: int
    bind: Callable[[tuple[Eval, ...]], Eval]


FUNCTIONS: dict[str, Function] = {}


def lazy(name: str, least: int = 0, most: int | None = None) -> Callable[[Callable[..., Items]], Callable[..., Items]]:
    """A function of the context, its items and its arguments unevaluated: it decides over what they are evaluated."""

    def register(function: Callable[..., Items]) -> Callable[..., Items]:
        def bind(arguments: tuple[Eval, ...]) -> Eval:
            return lambda items, context: function(context, items, *arguments)

        FUNCTIONS[name] = Function(least, least if most is None else most, bind)
        return function

    return register


def collection(
    name: str, least: int = 0, most: int | None = None
) -> Callable[[Callable[..., Items]], Callable[..., Items]]:
    """A function of the context, its items and the items of each argument, which see the outer `$this`."""

    def register(function: Callable[..., Items]) -> Callable[..., Items]:
        def bind(arguments: tuple[Eval, ...]) -> Eval:
            if not arguments:
                return lambda items, context: function(context, items)

            def run(items: Items, context: Context) -> Items:
                outer = context.this
                return function(context, items, *(argument(outer, context) for argument in arguments))

            return run

        FUNCTIONS[name] = Function(least, least if most is None else most, bind)
        return function

    return register


_WANTED: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    Decimal: (int, Decimal),
    bool: (bool,),
    Quantity: (Quantity,),
}


def value_of(items: Items, wanted: Any, name: str) -> Any:
    """The single System value of a type, None when there is none. `object` takes any type."""
    item = system(one(items, name))
    if item is None or wanted is object:
        return item
    if type(item) not in _WANTED[wanted]:
        raise EvaluationError(f"{name} does not take a {type_of(item)}")
    return item


def scalar(
    name: str, input_type: Any, *types: Any, optional: int = 0
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function of one value and single arguments; empty in, empty out, and None is empty too."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        def bind(arguments: tuple[Eval, ...]) -> Eval:
            def run(items: Items, context: Context) -> Items:
                context.spend(1)
                value = value_of(items, input_type, f"{name}()")
                given = []
                for argument, wanted in zip(arguments, types, strict=False):
                    each = value_of(argument(context.this, context), wanted, f"an argument of {name}()")
                    if each is None:
                        return []
                    given.append(each)
                if value is None:
                    return []
                result = function(value, *given)
                if type(result) is str and len(result) > LONGEST_TEXT:
                    raise LimitError(f"{name}() makes a text longer than {LONGEST_TEXT} characters")
                return [] if result is None else [result]

            return run

        FUNCTIONS[name] = Function(len(types) - optional, len(types), bind)
        return function

    return register
