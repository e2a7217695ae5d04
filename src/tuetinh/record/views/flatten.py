"""Rows of a view over resources in memory, by the processing model of SQL on FHIR."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from tuetinh.record import fhirpath
from tuetinh.record.fhirpath.nodes import Node, plain, root
from tuetinh.record.views.definition import Column, Select, View, ViewError

Row = tuple[Any, ...]
# One resource must not become a table of its own.
_MOST_ROWS = 100_000
# For one expression over one resource; a view has many of both.
_STEPS = 200_000


def rows(view: View, resources: Iterable[Any]) -> Iterator[Row]:
    """The rows of every resource of the view's type, the values in the order of `view.columns`.

    Resources are JSON values or classes of `record.r4`. A value is a str, bool, int, Decimal or JSON object, None when
    there is none, a list for a collection. ViewError where the data does not fit the view, such as two values in a
    column for one.
    """
    for resource in resources:
        node = root(resource)
        if node.kind.name == view.resource:
            yield from rows_of(view, node)


def rows_of(view: View, node: Node) -> list[Row]:
    """The rows of one resource."""
    run = _Run(view)
    try:
        return run.select(view.root, node, 0) if run.included(node) else []
    except fhirpath.FHIRPathError as error:
        raise ViewError(str(error)) from None


class _Run:
    def __init__(self, view: View) -> None:
        self.view = view

    def items(self, path: fhirpath.Expression, node: Node, index: int) -> list[Any]:
        return path.items(node, variables={**self.view.constants, "rowIndex": index}, steps=_STEPS)

    def included(self, node: Node) -> bool:
        """Whether every filter is true of the resource; what is no Boolean is an error in the view."""
        for path in self.view.where:
            found = self.items(path, node, 0)
            answer = fhirpath.system(found[0]) if len(found) == 1 else None
            if len(found) > 1 or (found and not isinstance(answer, bool)):
                raise ViewError(f"the filter {path} does not give a Boolean")
            if not answer:
                return False
        return True

    def select(self, select: Select, node: Node, index: int) -> list[Row]:
        """`index` is the %rowIndex of what is around."""
        foci = self.foci(select, node, index)
        found: list[Row] = []
        for place, focus in foci:
            found += self.joined(select, focus, place)
            if len(found) > _MOST_ROWS:
                raise ViewError(f"one resource gives more than {_MOST_ROWS} rows")
        if not foci and select.or_null:
            return [tuple(self.blank(column, valued=valued) for column, valued in select.blank())]
        return found

    def blank(self, column: Column, *, valued: bool) -> Any:
        if valued:
            return self.value(column, Node({}), 0)
        return [] if column.collection else None

    def foci(self, select: Select, node: Node, index: int) -> list[tuple[int, Node]]:
        if select.each is not None:
            return list(enumerate(_nodes(self.items(select.each, node, index))))
        if select.repeat:
            return list(enumerate(self.repeated(select, node, index)))
        return [(index, node)]

    def repeated(self, select: Select, node: Node, index: int) -> list[Node]:
        """Everything that the paths reach, again and again, each before what is below it."""
        found: list[Node] = []
        waiting = [node]
        while waiting:
            current = waiting.pop()
            if current is not node:
                found.append(current)
            below = [each for path in select.repeat for each in _nodes(self.items(path, current, index))]
            waiting += reversed(below)
            if len(found) > _MOST_ROWS:
                raise ViewError(f"repeat goes through more than {_MOST_ROWS} elements")
        return found

    def joined(self, select: Select, focus: Node, index: int) -> list[Row]:
        """The product of the columns, the rows of every selection, and those of the union."""
        own: Row = tuple(self.value(column, focus, index) for column in select.columns)
        parts: list[list[Row]] = [self.select(each, focus, index) for each in select.selects]
        if select.union:
            parts.append([row for branch in select.union for row in self.select(branch, focus, index)])
        size = 1
        for part in parts:
            size *= len(part)
        if size > _MOST_ROWS:
            raise ViewError(f"one resource gives more than {_MOST_ROWS} rows")
        return [sum(combination, own) for combination in product(*parts)]

    def value(self, column: Column, focus: Node, index: int) -> Any:
        found = [each for each in map(plain, self.items(column.path, focus, index)) if each is not None]
        if column.collection:
            return found
        if len(found) > 1:
            raise ViewError(f"the column {column.name} has {len(found)} values where it takes one")
        return found[0] if found else None


def _nodes(items: list[Any]) -> list[Node]:
    """Values as elements, so that `forEach` may go over what a function gives too."""
    return [item if isinstance(item, Node) else Node(item) for item in items]
