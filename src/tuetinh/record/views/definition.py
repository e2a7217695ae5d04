"""A ViewDefinition, read and checked (SQL on FHIR 2.0, StructureDefinition-ViewDefinition)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tuetinh.record import fhirpath
from tuetinh.record.fhirpath.model import kinds
from tuetinh.record.fhirpath.nodes import Node, system
from tuetinh.record.types import RESOURCE_TYPES

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_TYPES = frozenset(RESOURCE_TYPES)
# Deeper than anybody writes, and what a database can still plan.
_DEEPEST = 12
_MOST_COLUMNS = 500
_CONSTANTS = {
    "value" + name[0].upper() + name[1:]: name
    for name in (
        *("base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer"),
        *("oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid"),
    )
}


class ViewError(ValueError):
    """A view that cannot be run; the message names the place."""


class _Column(msgspec.Struct):
    path: str
    name: str
    collection: bool = False
    type: str = ""


class _Where(msgspec.Struct):
    path: str


class _Select(msgspec.Struct):
    column: list[_Column] = []
    select: list[_Select] = []
    unionAll: list[_Select] = []
    forEach: str | None = None
    forEachOrNull: str | None = None
    repeat: list[str] = []


class _View(msgspec.Struct):
    resource: str
    select: list[_Select]
    name: str = ""
    constant: list[dict[str, Any]] = []
    where: list[_Where] = []


@dataclass(frozen=True)
class Column:
    """One column: what it is called, its FHIR type ("" when the view does not say), and what gives its value."""

    name: str
    path: fhirpath.Expression
    collection: bool = False
    type: str = ""

    @property
    def counts(self) -> bool:
        """Whether %rowIndex is in it: then it has a value in a row of nothing too, where %rowIndex is 0."""
        return "rowIndex" in self.path.variables


@dataclass(frozen=True)
class Select:
    """A selection: `each` gives the elements that have a row each, `repeat` does so at every depth."""

    columns: tuple[Column, ...]
    selects: tuple[Select, ...]
    union: tuple[Select, ...]
    each: fhirpath.Expression | None = None
    or_null: bool = False
    repeat: tuple[fhirpath.Expression, ...] = ()

    def all_columns(self) -> Iterator[Column]:
        """Its columns in their order: its own, those of the selections in it, those of the union."""
        yield from self.columns
        for select in self.selects:
            yield from select.all_columns()
        if self.union:
            yield from self.union[0].all_columns()

    def blank(self) -> Iterator[tuple[Column, bool]]:
        """All columns, and whether each has a value in the row that stands for no element (forEachOrNull): those of
        the row itself that count, and none of what would go over elements below."""
        yield from ((column, column.counts) for column in self.columns)
        for select in (*self.selects, *self.union[:1]):
            around = select.each is None and not select.repeat
            yield from ((column, around and valued) for column, valued in select.blank())


@dataclass(frozen=True)
class View:
    """A view that can be run. `constants` are FHIRPath values."""

    resource: str
    name: str
    root: Select
    where: tuple[fhirpath.Expression, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column in the order of the output."""
        return tuple(self.root.all_columns())


def read(definition: Any) -> View:
    """The view of a ViewDefinition as JSON values. ViewError with the place of what is wrong."""
    if isinstance(definition, dict):
        type_name = str(definition.get("resourceType", "ViewDefinition"))
        if not type_name.endswith("ViewDefinition"):
            raise ViewError(f"a {type_name[:60]} is no ViewDefinition")
    try:
        raw = msgspec.convert(definition, _View)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ViewError(str(error)) from None
    if raw.resource not in _TYPES:
        raise ViewError(f"there is no resource type {raw.resource[:60]!r} - at `$.resource`")
    if raw.name and not _NAME.fullmatch(raw.name):
        raise ViewError("a name is made of letters, digits and underscores - at `$.name`")
    if not raw.select:
        raise ViewError("a view selects something - at `$.select`")
    constants = dict(_constant(each, f"$.constant[{place}]") for place, each in enumerate(raw.constant))
    reader = _Reader(constants)
    selects = reader.selects(raw.select, "$.select", 1)
    where = tuple(reader.path(each.path, f"$.where[{place}].path") for place, each in enumerate(raw.where))
    view = View(raw.resource, raw.name, Select((), selects, ()), where, constants)
    _check_names(view)
    return view


def _constant(given: Mapping[str, Any], place: str) -> tuple[str, Any]:
    name = given.get("name")
    values = [key for key in given if key.startswith("value")]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ViewError(f"a constant has a name of letters, digits and underscores - at `{place}.name`")
    if len(values) != 1 or values[0] not in _CONSTANTS or isinstance(given[values[0]], dict | list):
        raise ViewError(f"a constant has one value of a primitive type - at `{place}`")
    return name, system(Node(given[values[0]], kinds()[_CONSTANTS[values[0]]]))


class _Reader:
    def __init__(self, constants: Mapping[str, Any]) -> None:
        self.known = frozenset(constants) | {"rowIndex"}

    def path(self, text: str, place: str) -> fhirpath.Expression:
        try:
            expression = fhirpath.compile(text)
        except fhirpath.FHIRPathError as error:
            raise ViewError(f"{error} - at `{place}`") from None
        for name in expression.variables:
            if name not in self.known and not fhirpath.is_constant(name):
                raise ViewError(f"there is no constant %{name} - at `{place}`")
        return expression

    def selects(self, given: list[_Select], place: str, depth: int) -> tuple[Select, ...]:
        return tuple(self.select(each, f"{place}[{index}]", depth) for index, each in enumerate(given))

    def select(self, given: _Select, place: str, depth: int) -> Select:
        if depth > _DEEPEST:
            raise ViewError(f"selections are nested more than {_DEEPEST} deep - at `{place}`")
        if sum([given.forEach is not None, given.forEachOrNull is not None, bool(given.repeat)]) > 1:
            raise ViewError(f"only one of forEach, forEachOrNull and repeat may be given - at `{place}`")
        each = given.forEach if given.forEachOrNull is None else given.forEachOrNull
        columns = tuple(
            Column(column.name, self.path(column.path, f"{place}.column[{index}].path"), column.collection, column.type)
            for index, column in enumerate(given.column)
        )
        return Select(
            columns,
            self.selects(given.select, f"{place}.select", depth + 1),
            self.selects(given.unionAll, f"{place}.unionAll", depth + 1),
            None if each is None else self.path(each, f"{place}.forEach"),
            given.forEachOrNull is not None,
            tuple(self.path(text, f"{place}.repeat[{index}]") for index, text in enumerate(given.repeat)),
        )


def _check_names(view: View) -> None:
    """Names are fit for a database and unique; the branches of a union have the same ones in the same order."""
    names = [column.name for column in view.columns]
    if not 0 < len(names) <= _MOST_COLUMNS:
        raise ViewError(f"a view has 1 to {_MOST_COLUMNS} columns, not {len(names)}")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ViewError(f"{name[:60]!r} is no column name: letters, digits and underscores")
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise ViewError(f"the column {twice} is defined twice")
    _check_unions(view.root)


def _check_unions(select: Select) -> None:
    branches = [[column.name for column in each.all_columns()] for each in select.union]
    for names in branches[1:]:
        if names != branches[0]:
            raise ViewError(f"the branches of a union have different columns: {branches[0]} and {names}")
    for each in (*select.selects, *select.union):
        _check_unions(each)
