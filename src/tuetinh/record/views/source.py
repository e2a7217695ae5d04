"""The rows of a view over the record: inside PostgreSQL where it can be compiled, else over the resources in memory.

Resources are gone through by key, a page at a time, so that memory stays flat however many there are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tuetinh.record import contents, permits, steps
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Unprocessable
from tuetinh.record.fhirpath.nodes import root
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step, computed
from tuetinh.record.views.definition import View, ViewError
from tuetinh.record.views.flatten import Row, rows_of
from tuetinh.record.views.sql import Uncompiled, statement

# Resources of a page: fewer where they give many rows, so that a page is never large.
_SIZES = (500, 20, 1)
_MOST_ROWS = 100_000
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@dataclass(frozen=True)
class Ask:
    """Who wants which view of what: of some patients alone, or only of what changed since an instant.

    until: the `time.monotonic()` after which it is given up.
    """

    asker: Asker
    view: View
    patients: Sequence[str] | None = None
    since: str | None = None
    compiled: bool = True
    until: float = math.inf


class Found(NamedTuple):
    """A row, with the resource that it is of."""

    id: str
    patient: str | None
    row: Row


class Page(NamedTuple):
    """Some rows, and the key after which the next page begins; None when this is the last."""

    found: list[Found]
    last: int | None


def compiles(view: View) -> str:
    """Why a view cannot be run inside PostgreSQL; empty when it can."""
    try:
        statement(view, "SELECT 1")
    except Uncompiled as reason:
        return str(reason)
    return ""


def allow(asker: Asker, view: View) -> None:
    """Raise Forbidden for who may not see all resources of the view's type."""
    if not asker.may("s", view.resource):
        permits.allow(asker, "r", view.resource, whole=True)


def page(ask: Ask, after: int = 0) -> Step[Page]:
    """The rows of the next resources that the asker may see.

    Raises Forbidden, and Unprocessable where data does not fit the view or it takes too long.
    """
    allow(ask.asker, ask.view)
    try:
        sql = statement(ask.view, _source(ask, "convert_from(body, 'UTF8')::jsonb AS doc")) if ask.compiled else ""
    except Uncompiled:
        sql = ""
    for size in _SIZES:
        found = yield from (_inside(ask, f"{sql} LIMIT %s", after, size) if sql else _outside(ask, after, size))
        if found is not None:
            return found
    raise Unprocessable(f"one resource gives more than {_MOST_ROWS} rows")


def _inside(ask: Ask, sql: str, after: int, size: int) -> Step[Page | None]:
    """The page as PostgreSQL makes it; None when so many resources give too many rows at once."""
    rows = yield Query(sql, [after, *_params(ask), size, _MOST_ROWS + 1], prepare=False)
    if len(rows) > _MOST_ROWS:
        return None
    keys = {r[0] for r in rows}
    found = yield from computed(lambda: [Found(r[1], r[2], _row(ask.view, r[3])) for r in rows if r[3] is not None])
    filled: list[Found] | None = found
    if any(contents.may_hold(r[3].encode()) for r in rows if r[3] is not None):
        filled = yield from _filled(found)
    return None if filled is None else Page(filled, max(keys) if len(keys) == size else None)


def _outside(ask: Ask, after: int, size: int) -> Step[Page | None]:
    """The page made in memory."""
    rows = yield Query(_source(ask, "body"), [after, *_params(ask), size], prepare=False)
    found = yield from computed(lambda: _flattened(ask, rows))
    if found is not None and any(contents.may_hold(row[3]) for row in rows):
        found = yield from _filled(found)
    return None if found is None else Page(found, rows[-1][0] if len(rows) == size else None)


def _filled(found: list[Found]) -> Step[list[Found] | None]:
    """The rows with their large contents; None when these are too much for one page."""
    filled: list[Found] = []
    total = 0
    for each in found:
        row = []
        for value in each.row:
            given = yield from _given(value)
            row.append(given)
            total += len(given) if isinstance(given, str) else 0
        if total > contents.PAGE and filled:
            return None
        filled.append(each._replace(row=tuple(row)))
    return filled


def _given(value: Any) -> Step[Any]:
    """A value of a row as clients know it."""
    if isinstance(value, list):
        every = []
        for one in value:
            every.append((yield from _given(one)))
        return every
    return (yield from contents.given(value.encode())).decode() if isinstance(value, str) else value


def stream(ask: Ask) -> Iterator[Found]:
    """Every row, on Django's connection. Pages are read as they are needed, not as one snapshot."""
    after: int | None = 0
    while after is not None:
        found, after = steps.run(ask.asker, page(ask, after))
        yield from found


def _flattened(ask: Ask, resources: Sequence[steps.Row]) -> list[Found] | None:
    found: list[Found] = []
    for _, id_, patient, body in resources:
        if time.monotonic() > ask.until:
            raise Unprocessable("the view takes too long; narrow it, or export it")
        try:
            made = rows_of(ask.view, root(_decode(bytes(body))))
        except ViewError as error:
            raise _misfit(error) from None
        found += (Found(id_, patient, row) for row in made)
        if len(found) > _MOST_ROWS:
            return None
    return found


def _misfit(reason: object) -> Unprocessable:
    return Unprocessable(f"the view cannot be run: {reason}")


def _source(ask: Ask, doc: str) -> str:
    """The page of resources that the asker may see."""
    where = ["NOT deleted", "key > %s"]
    if ask.asker.patient is not None:
        where.append("patient = %s")
    if ask.patients is not None:
        where.append("patient = ANY(%s::text[])")
    if ask.since is not None:
        where.append("updated > %s::timestamptz")
    table = f'record."{ask.view.resource}"'
    return f"SELECT key, id, patient, {doc} FROM {table} WHERE {' AND '.join(where)} ORDER BY key LIMIT %s"


def _params(ask: Ask) -> list[Any]:
    given = [ask.asker.patient, None if ask.patients is None else array(ask.patients), ask.since]
    return [each for each in given if each is not None]


def _row(view: View, text: str) -> Row:
    row = tuple(_decode(text))
    for column, value in zip(view.columns, row, strict=True):
        if isinstance(value, list) and not column.collection:
            raise _misfit(f"the column {column.name} has {len(value)} values where it takes one")
    return row
