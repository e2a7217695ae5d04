"""A view as one statement of PostgreSQL: the rows are made where the resources are.

`statement` raises Uncompiled for what has no exact form there (dates and times that are compared, calculations,
boundaries, functions over text, `%resource`); such views are run over the resources in memory. Strings in the
statement are quoted by the driver; nothing that a client sent stands in it otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
from psycopg.sql import Literal as SqlLiteral

from tuetinh.record.fhirpath import Expression
from tuetinh.record.fhirpath.engine import named_type
from tuetinh.record.fhirpath.model import UNKNOWN, kinds
from tuetinh.record.fhirpath.syntax import Call, Literal, Node, Path, Variable
from tuetinh.record.fhirpath.values import Date, DateTime, Time
from tuetinh.record.views.definition import Column, Select, View
from tuetinh.record.views.json_path import Scope, Uncompiled, Way, condition, way

__all__ = ["Uncompiled", "statement"]

# Stands for the source until the statement is made; no quoted string can hold it.
_SOURCE = "\0"
_KEY = r"(?:^|/)({type}/[A-Za-z0-9.-]{{1,64}})(?:/_history/[A-Za-z0-9.-]+)?$"


@dataclass(frozen=True)
class Place:
    """Where a selection stands: the SQL of its element and of its row index, and its type."""

    node: str
    index: str
    scope: Scope


def statement(view: View, source: str) -> str:
    """SELECT of `key`, `id`, `patient` and `row`, the values of one row as the text of a JSON array.

    `source` is a SELECT that gives `key`, `id`, `patient` and `doc` (jsonb). A resource without rows comes once, its
    `row` NULL.
    Percent signs of the view are doubled, as the driver wants them beside the placeholders of the source.
    """
    return _Builder(view).whole(_SOURCE).replace("%", "%%").replace(_SOURCE, source)


def quote(text: str) -> str:
    """A string as SQL."""
    if "\0" in text:
        raise Uncompiled("a text with a NUL")
    return SqlLiteral(text).as_string(None)


def _from(found: Way, place: Place) -> str:
    """The SQL of the element where a path begins."""
    node = place.node
    for path in found.before:
        node = f"jsonb_path_query_first({node}, {_path(path)})"
    return node


def _path(text: str) -> str:
    return f"{quote(text)}::jsonpath"


class _Builder:
    def __init__(self, view: View) -> None:
        self.view = view
        self.names = count(1)

    def whole(self, source: str) -> str:
        scope = Scope(kinds()[self.view.resource], constants=self.view.constants)
        conditions = " AND ".join(self.filter(path, scope) for path in self.view.where) or "true"
        columns = [column.name for column in self.view.columns]
        values = ", ".join(f's."{name}"' for name in columns)
        inner = self.select(self.view.root, Place("r.doc", "0::bigint", scope))
        return (
            f"SELECT r.key, r.id, r.patient, s.row::text FROM ({source}) r LEFT JOIN LATERAL"
            f" (SELECT jsonb_build_array({values}) AS row FROM ({inner}) s WHERE {conditions}) s ON true"
        )

    def filter(self, path: Expression, scope: Scope) -> str:
        return f"jsonb_path_exists(r.doc, {_path(f'$ ? ({condition(path.tree, scope).true})')})"

    def select(self, select: Select, place: Place) -> str:
        """A SELECT of its columns by their names."""
        name = f"n{next(self.names)}"
        focus, inner = self.focus(select, place, name)
        values = [f'{self.value(column, inner)} AS "{column.name}"' for column in select.columns]
        tables = [focus]
        for each in select.selects:
            tables.append(self.table(each, inner, values))
        if select.union:
            union = " UNION ALL ".join(self.branch(each, inner) for each in select.union)
            alias = f"u{next(self.names)}"
            values += [f'{alias}."{column.name}"' for column in select.union[0].all_columns()]
            tables.append(f"CROSS JOIN LATERAL ({union}) {alias}")
        return f"SELECT {', '.join(values)} FROM {' '.join(tables)}"

    def branch(self, select: Select, place: Place) -> str:
        values: list[str] = []
        table = self.table(select, place, values)
        return f"SELECT {', '.join(values)} FROM (SELECT 1) {self.alias()} {table}"

    def table(self, select: Select, place: Place, values: list[str]) -> str:
        """The join that brings the rows of a selection; its columns are added to the values."""
        alias = self.alias()
        values += [f'{alias}."{column.name}"' for column in select.all_columns()]
        sql = self.select(select, place)
        if select.or_null and select.each is not None:
            found = way(select.each.tree, place.scope)
            nothing = ", ".join(_blank(column, valued=valued) for column, valued in select.blank())
            there = f"coalesce(jsonb_path_exists({_from(found, place)}, {_path(found.text)}), false)"
            sql += f" UNION ALL SELECT {nothing} WHERE NOT {there}"
        return f"CROSS JOIN LATERAL ({sql}) {alias}"

    def alias(self) -> str:
        return f"s{next(self.names)}"

    def focus(self, select: Select, place: Place, name: str) -> tuple[str, Place]:
        """What a selection goes over, and the place of each."""
        if select.repeat:
            return self.repeated(select, place, name)
        if select.each is None:
            return f"(SELECT 1) {name}", place
        found = way(select.each.tree, place.scope)
        inner = Place(f"{name}.node", f"({name}.place - 1)", replace(place.scope, kind=found.kind, root=False))
        path = f"jsonb_path_query({_from(found, place)}, {_path(found.text)}) WITH ORDINALITY"
        if found.first:
            return f"(SELECT node, place FROM {path} AS f(node, place) ORDER BY place LIMIT 1) {name}", inner
        return f"{path} AS {name}(node, place)", inner

    def repeated(self, select: Select, place: Place, name: str) -> tuple[str, Place]:
        """The elements at every depth, each before what is below it."""
        ways = [way(path.tree, place.scope) for path in select.repeat]
        kind = next((each.kind for each in ways if each.kind is not UNKNOWN), UNKNOWN)
        scope = replace(place.scope, kind=kind, root=False)
        below = [way(path.tree, scope) for path in select.repeat]
        if any(each.kind not in (kind, UNKNOWN) or each.first or each.before for each in (*ways, *below)):
            raise Uncompiled("repeat over elements of different types")

        def step(node: str, found: list[Way]) -> str:
            return " UNION ALL ".join(
                f"SELECT v, {number}, i FROM jsonb_path_query({node}, {_path(each.text)}) WITH ORDINALITY AS q(v, i)"
                for number, each in enumerate(found)
            )

        walk = (
            f"WITH RECURSIVE t(node, place) AS (SELECT v, ARRAY[p, i] FROM ({step(place.node, ways)}) a(v, p, i)"
            f" UNION ALL SELECT v, t.place || ARRAY[p, i] FROM t, LATERAL ({step('t.node', below)}) b(v, p, i))"
            " SELECT node, row_number() OVER (ORDER BY place) AS place FROM t"
        )
        return f"({walk}) {name}", Place(f"{name}.node", f"({name}.place - 1)", scope)

    def value(self, column: Column, place: Place) -> str:
        """The jsonb of a column: an array for a collection, and where the data may hold more than one value."""
        sql, single = self.scalar(column.path.tree, place)
        if column.collection and single:
            return f"CASE WHEN {sql} IS NULL THEN '[]'::jsonb ELSE jsonb_build_array({sql}) END"
        if not column.collection and not single:
            # One value as it is; more of them stay an array, which whoever reads the rows refuses.
            value = "CASE jsonb_array_length(a) WHEN 0 THEN NULL WHEN 1 THEN a -> 0 ELSE a END"
            return f"(SELECT {value} FROM (SELECT {sql}) x(a))"
        return sql

    def scalar(self, tree: Node, place: Place) -> tuple[str, bool]:
        """The SQL of an expression, and whether it is one value (else an array)."""
        match tree:
            case Literal(value):
                return _constant(value), True
            case Variable("rowIndex"):
                return f"to_jsonb({place.index})", True
            case Variable(name) if name in self.view.constants:
                return _constant(self.view.constants[name]), True
            case Call("getResourceKey", ()) if place.scope.root:
                return f"to_jsonb({quote(self.view.resource + '/')} || ({place.node} ->> 'id'))", True
            case Path(left, Call("getReferenceKey", arguments)):
                return self.reference_key(way(left, place.scope), arguments, place), True
            case Path(left, Call("join", arguments)):
                return self.joined(way(left, place.scope), arguments, place), True
        try:
            found = way(tree, place.scope)
        except Uncompiled:
            return self.answer(tree, place), True
        if found.single or found.first:
            return f"nullif(jsonb_path_query_first({_from(found, place)}, {_path(found.text)}), 'null')", True
        all_of = f"jsonb_path_query_array({_from(found, place)}, {_path(f'{found.text} ? (@ != null)')})"
        return f"coalesce({all_of}, '[]'::jsonb)", False

    def answer(self, tree: Node, place: Place) -> str:
        """A Boolean column: true, false or NULL."""
        both = condition(tree, place.scope)
        true, false = (_path(f"$ ? ({text})") for text in (both.true, both.false))
        return (
            f"CASE WHEN jsonb_path_exists({place.node}, {true}) THEN 'true'::jsonb"
            f" WHEN jsonb_path_exists({place.node}, {false}) THEN 'false'::jsonb END"
        )

    def reference_key(self, found: Way, arguments: tuple[Node, ...], place: Place) -> str:
        if not found.single or found.kind.name != "Reference":
            raise Uncompiled("getReferenceKey() of many references")
        wanted = "[A-Z][A-Za-z]+"
        if arguments:
            argument = arguments[0]
            wanted = str(argument.value) if isinstance(argument, Literal) else named_type(argument).name
            if wanted not in kinds():
                raise Uncompiled(f"the type {wanted}")
        reference = f"jsonb_path_query_first({_from(found, place)}, {_path(found.text + '.reference')}) #>> '{{}}'"
        return f"to_jsonb(substring({reference} from {quote(_KEY.format(type=wanted))}))"

    def joined(self, found: Way, arguments: tuple[Node, ...], place: Place) -> str:
        separator = arguments[0] if arguments else Literal("")
        if not isinstance(separator, Literal) or not isinstance(separator.value, str) or not found.kind.is_a("string"):
            raise Uncompiled("join() of something else than texts")
        texts = f"jsonb_path_query({_from(found, place)}, {_path(f'{found.text} ? (@ != null)')})"
        return (
            f"(SELECT to_jsonb(coalesce(string_agg(v #>> '{{}}', {quote(separator.value)} ORDER BY i), ''))"
            f" FROM {texts} WITH ORDINALITY AS j(v, i))"
        )


def _blank(column: Column, *, valued: bool) -> str:
    """The value of a column in the row that stands for no element."""
    if not valued:
        return "'[]'::jsonb" if column.collection else "NULL::jsonb"
    if column.path.tree != Variable("rowIndex"):
        raise Uncompiled("more than %rowIndex where there is no element")
    return "'[0]'::jsonb" if column.collection else "'0'::jsonb"


def _constant(value: Any) -> str:
    match value:
        case bool() | int():
            return f"'{json.dumps(value)}'::jsonb"
        case Decimal():
            return f"'{value:f}'::jsonb"
        case str() | Date() | DateTime() | Time():
            return f"{quote(msgspec.json.encode(str(value)).decode())}::jsonb"
    raise Uncompiled("a constant quantity")
