"""`$viewdefinition-run` and `$sqlquery-run` (SQL on FHIR 2.1, operations): a view, or SQL over views, run at once.

R4 has no type ViewDefinition. A view is given in the call (`viewResource`), or is stored as a Binary of the media type
application/json whose data is the ViewDefinition (`viewReference`: `Binary/id`). A query is a Library of R4 as the
profile SQLQuery describes it; the views that it depends on are such Binaries, or Binaries that it contains (`#id`).

Every row is made of resources that the asker may see: scopes and compartment hold as they do in a search.
"""

from __future__ import annotations

import base64
import io
import time
from itertools import islice
from typing import Any

import msgspec

from tuetinh.record import contents, r4, store
from tuetinh.record.errors import BadRequest, Unprocessable
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply, of_some_type
from tuetinh.record.steps import Step, computed
from tuetinh.record.views import View, ViewError, read
from tuetinh.record.views import source as rows_of
from tuetinh.record.views.flatten import Row, rows
from tuetinh.record.views.output import MEDIA, write
from tuetinh.record.views.query import Query, QueryError, Table
from tuetinh.record.views.query import read as read_query

DEFINITION = "http://sql-on-fhir.org/OperationDefinition/$"
# An answer is made in memory: more than this is for a bulk export.
MOST_ROWS = 100_000
SECONDS = 60.0

Seen = list[tuple[str, str, str | None]]


def viewdefinition_run(asked: Asked) -> Step[Reply]:
    """The rows of one view, over the record or over the resources that are given."""
    form = _form(asked)
    view = yield from _view(asked)
    limit = _limit(asked)
    given = asked.many("resource")
    seen: Seen = []
    if given:
        found = yield from computed(lambda: _flattened(view, given, limit))
    else:
        found, seen = yield from _gathered(asked, view, limit)
    header = asked.one("header") is not False
    body = yield from computed(lambda: _written(view, found, form, header=header))
    return Reply(body, media=_media(form), seen=seen)


def _written(view: View, found: list[Row], form: str, *, header: bool) -> bytes:
    body = io.BytesIO()
    write(view, found, form, body, header=header)
    return body.getvalue()


def sqlquery_run(asked: Asked) -> Step[Reply]:
    """The result of a query over views of the record."""
    form = _form(asked)
    library = yield from _library(asked)
    try:
        query = read_query(library)
        values = query.bound(asked.one("parameters"))
    except QueryError as error:
        raise BadRequest(str(error)) from None
    tables: list[Table] = []
    seen: Seen = []
    for label, reference in query.views.items():
        contained = _contained(library, reference)
        view = contained or (yield from _stored(asked, reference))
        found, of = yield from _gathered(asked, view, MOST_ROWS, whole=True)
        tables.append(Table(label, view, found))
        seen += of
    limit, header = _limit(asked), asked.one("header") is not False
    body = yield from computed(lambda: _answered(query, values, tables, form, limit, header=header))
    return Reply(body, media=_media(form), seen=seen)


def _answered(
    query: Query, values: dict[str, Any], tables: list[Table], form: str, limit: int, *, header: bool
) -> bytes:
    try:
        from tuetinh.record.views.answer import answer  # DuckDB and Arrow take memory, for those who ask for them

        return answer(query, values, tables, form, limit, header=header)
    except QueryError as error:
        raise Unprocessable(str(error)) from None


def _form(asked: Asked) -> str:
    """The format: `_format` before Accept, NDJSON when neither says."""
    wanted = asked.one("_format") or asked.accept
    form = wanted if wanted in MEDIA else next((name for name, media in MEDIA.items() if media == wanted), "")
    if wanted and not form and wanted != "application/octet-stream":
        raise BadRequest(f"the format {wanted[:80]!r} is not given; {', '.join(MEDIA)} are", "_format")
    return form or ("parquet" if wanted else "ndjson")


def _media(form: str) -> str:
    return "text/csv; charset=utf-8" if form == "csv" else MEDIA[form]


def _limit(asked: Asked) -> int:
    limit = asked.one("_limit", MOST_ROWS)
    if not 0 < limit <= MOST_ROWS:
        raise BadRequest(f"_limit is a number from 1 to {MOST_ROWS}", "_limit")
    return int(limit)


def _view(asked: Asked) -> Step[View]:
    given, reference = asked.many("viewResource"), asked.one("viewReference")
    if len(given) + (reference is not None) != 1:
        raise BadRequest("one of viewResource and viewReference is required", "viewResource")
    if given:
        return _read(given[0])
    return (yield from _stored(asked, reference.reference or ""))


def _contained(library: r4.Library, reference: str) -> View | None:
    """The view in a Binary that the Library carries along."""
    found = (each for each in library.contained or [] if isinstance(each, r4.Binary) and f"#{each.id}" == reference)
    return next((_decoded(each) for each in found), None)


def _stored(asked: Asked, reference: str) -> Step[View]:
    """The view in a Binary of the record. Raises NotFound."""
    type_, _, id_ = reference.removeprefix(f"{asked.base}/").partition("/")
    if type_ != "Binary" or not store.is_id(id_):
        raise BadRequest(f"a view is stored as a Binary; {reference[:200]!r} names none", "viewReference")
    store.allow(asked.asker, "r", "Binary")
    found = yield from store.read(asked.asker, "Binary", id_)
    binary = r4.decode((yield from contents.given(found.body)))
    return _decoded(binary)


def _decoded(binary: r4.Resource) -> View:
    if not isinstance(binary, r4.Binary):
        raise Unprocessable("the Binary holds no view")
    try:
        return _read(base64.b64decode(binary.data or ""))
    except ValueError:
        raise Unprocessable("the Binary holds no view") from None


def _read(data: bytes) -> View:
    """Raises Unprocessable with the place of what is wrong."""
    try:
        return read(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unprocessable("the view is not JSON", "viewResource") from None
    except ViewError as error:
        raise Unprocessable(f"the view cannot be run: {error}", "viewResource") from None


def _library(asked: Asked) -> Step[r4.Library]:
    given, reference = asked.one("queryResource"), asked.one("queryReference")
    if isinstance(given, r4.Library) and not asked.id and reference is None:
        return given
    name = "" if reference is None else reference.reference or ""
    id_ = asked.id or name.removeprefix(f"{asked.base}/").removeprefix("Library/")
    if not store.is_id(id_):
        raise BadRequest("one of queryResource and queryReference is required", "queryResource")
    store.allow(asked.asker, "r", "Library")
    found = yield from store.read(asked.asker, "Library", id_)
    library = r4.decode((yield from contents.given(found.body)))
    if not isinstance(library, r4.Library):
        raise Unprocessable("this is no Library")
    return library


def _gathered(asked: Asked, view: View, limit: int, *, whole: bool = False) -> Step[tuple[list[Row], Seen]]:
    """The rows that the asker may see, up to the limit; `whole` refuses to answer from a part."""
    patient = asked.one("patient")
    ask = rows_of.Ask(
        asked.asker,
        view,
        patient=None if patient is None else (patient.reference or "").rpartition("/")[2],
        since=asked.one("_since"),
        until=time.monotonic() + SECONDS,
    )
    found: list[Row] = []
    seen: dict[tuple[str, str, str | None], None] = {}
    after: int | None = 0
    while after is not None and len(found) < limit + whole:
        page, after = yield from rows_of.page(ask, after)
        if time.monotonic() > ask.until:
            raise Unprocessable("the view takes too long; narrow it, or export it")
        for each in page:
            found.append(each.row)
            seen[view.resource, "", each.patient] = None
    if len(found) > limit and whole:
        raise Unprocessable(f"a view of the query has more than {limit} rows; export it instead")
    return found[:limit], list(seen)


def _flattened(view: View, given: list[Any], limit: int) -> list[Row]:
    try:
        return list(islice(rows(view, given), limit))
    except ViewError as error:
        raise Unprocessable(f"the view cannot be run: {error}") from None


_COMMON = (
    Param("_format", "code"),
    Param("header", "boolean"),
    Param("patient", "Reference"),
    Param("_limit", "integer"),
    Param("_since", "instant"),
)
_MEDIA = frozenset([*MEDIA, *MEDIA.values(), "application/octet-stream"])
_OUT = (Out("return", "Binary", 1),)
OPERATIONS = (
    Operation(
        "viewdefinition-run",
        DEFINITION + "viewdefinition-run",
        ("system",),
        viewdefinition_run,
        letter="",
        who=of_some_type("r"),
        params=(
            *_COMMON,
            Param("viewReference", "Reference"),
            Param("viewResource", "Resource", raw=True),
            Param("resource", "Resource", max=None),
        ),
        out=_OUT,
        media=_MEDIA,
    ),
    Operation(
        "sqlquery-run",
        DEFINITION + "sqlquery-run",
        ("system", "type", "instance"),
        sqlquery_run,
        types=frozenset(["Library"]),
        who=of_some_type("r"),
        params=(
            *_COMMON,
            Param("queryReference", "Reference"),
            Param("queryResource", "Library"),
            Param("parameters", "Parameters"),
        ),
        out=_OUT,
        media=_MEDIA,
    ),
)
