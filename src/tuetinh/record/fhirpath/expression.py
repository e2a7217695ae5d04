"""An expression, ready to be evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tuetinh.record.fhirpath.context import STEPS, Context, Services
from tuetinh.record.fhirpath.engine import build, truth
from tuetinh.record.fhirpath.errors import LimitError
from tuetinh.record.fhirpath.nodes import plain, root
from tuetinh.record.fhirpath.parser import parse
from tuetinh.record.fhirpath.syntax import Call, Literal, Member, Special, Variable, walk

_LOOKS_AROUND = frozenset(["children", "descendants", "conformsTo", "extension", "hasValue", "resolve"])
_NO_VARIABLES: Mapping[str, Any] = {}
_NO_SERVICES = Services()


class Expression:
    """A compiled expression; `str` of it is the text. It keeps nothing between evaluations."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.tree = parse(text)
            self._run = build(self.tree)
        except RecursionError:
            raise LimitError("the expression is nested too deeply") from None

    def __str__(self) -> str:
        return self.text

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables that must be given: those that it does not define itself."""
        parts = list(walk(self.tree))
        defined = {
            part.arguments[0].value
            for part in parts
            if isinstance(part, Call) and part.name == "defineVariable" and isinstance(part.arguments[0], Literal)
        }
        return frozenset(part.name for part in parts if isinstance(part, Variable)) - defined

    @property
    def names(self) -> frozenset[str] | None:
        """Every element name in it; None when it can look at elements that it does not name."""
        parts = list(walk(self.tree))
        if any(
            isinstance(part, Special | Variable) or (isinstance(part, Call) and part.name in _LOOKS_AROUND)
            for part in parts
        ):
            return None
        return frozenset(part.name for part in parts if isinstance(part, Member))

    def items(
        self,
        resource: Any,
        *,
        context: Any = None,
        variables: Mapping[str, Any] = _NO_VARIABLES,
        services: Services = _NO_SERVICES,
        type: str | None = None,
        steps: int = STEPS,
    ) -> list[Any]:
        """The items as the engine has them: a `Node` with its type and place for each element, else System values.

        `resource` is JSON as Python values, a class of `record.r4` or a Node; `type` names its type when it is no
        resource. `context`, a Node within it, is where the expression starts when that is not the resource itself.
        FHIRPathError when there is no answer; LimitError after `steps` steps.
        """
        node = root(resource if context is None else context, type)
        evaluation = Context(node, variables, services, steps)
        try:
            return self._run(evaluation.this, evaluation)
        except RecursionError:
            raise LimitError("the expression or the data is nested too deeply") from None

    def evaluate(self, resource: Any, **options: Any) -> list[Any]:
        """The items as plain values: JSON of elements, dates and times as text. Takes what `items` takes."""
        return [plain(item) for item in self.items(resource, **options)]

    def holds(self, resource: Any, *, unknown: bool = False, **options: Any) -> bool:
        """Whether it is true of the resource; `unknown` is the answer where the expression gives nothing."""
        answer = truth(self.items(resource, **options), "a condition")
        return unknown if answer is None else answer


@lru_cache(maxsize=2048)
def compile(text: str) -> Expression:
    """The expression of a text, kept for when it is asked for again. ParseError, SemanticError or LimitError."""
    return Expression(text)


def evaluate(
    expression: str,
    resource: Any,
    context: Any = None,
    variables: Mapping[str, Any] = _NO_VARIABLES,
    services: Services = _NO_SERVICES,
) -> list[Any]:
    """The values of an expression over a resource, as plain JSON values. FHIRPathError when there is no answer."""
    return compile(expression).evaluate(resource, context=context, variables=variables, services=services)
