"""`$viewdefinition-run` and `$sqlquery-run` (SQL on FHIR 2.1, operations): a view, or SQL over views, run at once.

R4 has no type ViewDefinition. A view is given in the call (`viewResource`), or is stored as a Binary of the media type
application/json whose data is the ViewDefinition (`viewReference`: `Binary/id`). A query is a Library of R4 as the
profile SQLQuery describes it; the views that it depends on are such Binaries, or Binaries that it contains (`#id`).

Every row is made of resources that the asker may see: scopes and compartment hold as they do in a search. Rows go to a
file without a name and from there to the client, so that memory stays flat and nothing but a whole answer is given.
"""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec
from django.conf import settings

from tuetinh.record import contents, permits, r4, reads, versioning
from tuetinh.record.bulk import asking
from tuetinh.record.errors import BadRequest, Unprocessable
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply, of_some_type
from tuetinh.record.steps import Step, computed
from tuetinh.record.views import View, ViewError, read
from tuetinh.record.views import source as rows_of
from tuetinh.record.views.flatten import Row, rows
from tuetinh.record.views.output import MEDIA, Sheet, sheet
from tuetinh.record.views.query import Query, QueryError, Table
from tuetinh.record.views.query import read as read_query

DEFINITION = "http://sql-on-fhir.org/OperationDefinition/$"
# What takes longer is for `tuetinh export --view`.
SECONDS = 60.0

Seen = dict[tuple[str, str, str | None], None]
"""Whose resources the rows are of, in order."""


def viewdefinition_run(asked: Asked) -> Step[Reply]:
    """The rows of one view, over the record or over the resources that are given."""
    form = form_of(asked)
    view = yield from _view(asked)
    limit, given = _limit(asked), asked.many("resource")
    patients = None if given else (yield from _people(asked))
    seen: Seen = {}

    def write(out: IO[bytes]) -> Step[None]:
        with sheet(view, form, out, header=asked.one("header") is not False) as to:
            if given:
                yield from computed(lambda: to.add(_flattened(view, given, limit)))
            else:
                yield from _gather(asked, view, to, seen, limit=limit, patients=patients)

    return (yield from _told(form, seen, write))


def _told(form: str, seen: Seen, write: Callable[[IO[bytes]], Step[None]]) -> Step[Reply]:
    """What is written; where that fails, the refusal, which may tell something of the rows that were read by then."""
    try:
        file = yield from _filed(write)
    except Unprocessable as refusal:
        return Reply(refusal.outcome(), status=refusal.status, seen=list(seen))
    return Reply(None, media=media_of(form), seen=list(seen), file=file)


def _filed(write: Callable[[IO[bytes]], Step[None]]) -> Step[IO[bytes]]:
    """What is written, as a file that stands at its begin and is gone when it is closed."""
    out = tempfile.TemporaryFile(dir=settings.DATA)  # noqa: SIM115 - closed by who sends it
    try:
        yield from write(out)
        out.seek(0)
    except BaseException:
        out.close()
        raise
    return out


def sqlquery_run(asked: Asked) -> Step[Reply]:
    """The result of a query over views of the record."""
    form = form_of(asked)
    library = yield from library_of(asked, asked.one("queryResource"), asked.one("queryReference"))
    query, values = bound(library, asked.one("parameters"))
    limit, header = _limit(asked), asked.one("header") is not False
    patients = yield from _people(asked)
    seen: Seen = {}

    def write(out: IO[bytes]) -> Step[None]:
        with tempfile.TemporaryDirectory(prefix="views-", dir=settings.DATA) as folder:
            tables = [Table(label, (Path(folder) / f"{number}.parquet",)) for number, label in enumerate(query.views)]
            for table in tables:
                reference = query.views[table.label]
                view = read_view(contained(library, reference) or (yield from stored(asked, reference)))
                with table.paths[0].open("xb") as parquet, sheet(view, "parquet", parquet) as to:
                    yield from _gather(asked, view, to, seen, limit=None, patients=patients)
            yield from computed(lambda: _answer(query, values, tables, form, out, limit=limit, header=header))

    return (yield from _told(form, seen, write))


def _answer(
    query: Query,
    values: dict[str, Any],
    tables: list[Table],
    form: str,
    out: IO[bytes],
    *,
    limit: int | None,
    header: bool,
) -> None:
    try:
        from tuetinh.record.views.answer import SECONDS, Limited, answer  # DuckDB takes memory, for those who ask

        answer(query, values, tables, Limited(form, out, limit, header=header), settings.DATA, seconds=SECONDS)
    except QueryError as error:
        raise Unprocessable(str(error)) from None


def form_of(asked: Asked) -> str:
    """The format: `_format` before Accept, NDJSON when neither says."""
    wanted = asked.one("_format") or asked.accept
    form = wanted if wanted in MEDIA else next((name for name, media in MEDIA.items() if media == wanted), "")
    if wanted and not form and wanted != "application/octet-stream":
        raise BadRequest(f"the format {wanted[:80]!r} is not given; {', '.join(MEDIA)} are", "_format")
    return form or ("parquet" if wanted else "ndjson")


def media_of(form: str) -> str:
    """The content type of a format."""
    return "text/csv; charset=utf-8" if form == "csv" else MEDIA[form]


def _limit(asked: Asked) -> int | None:
    limit = asked.one("_limit")
    if limit is not None and limit < 1:
        raise BadRequest("_limit is a number from 1 on", "_limit")
    return limit if limit is None else int(limit)


def _view(asked: Asked) -> Step[View]:
    given, reference = asked.many("viewResource"), asked.one("viewReference")
    if len(given) + (reference is not None) != 1:
        raise BadRequest("one of viewResource and viewReference is required", "viewResource")
    if given:
        return read_view(given[0])
    return read_view((yield from stored(asked, reference.reference or "")))


def contained(library: r4.Library, reference: str) -> bytes | None:
    """The JSON of the view in a Binary that the Library carries along."""
    found = (each for each in library.contained or [] if isinstance(each, r4.Binary) and f"#{each.id}" == reference)
    return next((held(each) for each in found), None)


def stored(asked: Asked, reference: str) -> Step[bytes]:
    """The JSON of the view in a Binary of the record. Raises NotFound."""
    type_, _, id_ = reference.removeprefix(f"{asked.base}/").partition("/")
    if type_ != "Binary" or not versioning.is_id(id_):
        raise BadRequest(f"a view is stored as a Binary; {reference[:200]!r} names none", "viewReference")
    permits.allow(asked.asker, "r", "Binary")
    found = yield from reads.read(asked.asker, "Binary", id_)
    binary = r4.decode((yield from contents.given(found.body)))
    return held(binary)


def held(binary: r4.Resource) -> bytes:
    """The JSON of the view in a Binary. Raises Unprocessable."""
    try:
        return base64.b64decode(binary.data or "") if isinstance(binary, r4.Binary) else b""
    except ValueError:
        raise Unprocessable("the Binary holds no view") from None


def read_view(data: bytes) -> View:
    """The view that is written so. Raises Unprocessable with the place of what is wrong."""
    try:
        return read(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unprocessable("the view is not JSON", "viewResource") from None
    except ViewError as error:
        raise Unprocessable(f"the view cannot be run: {error}", "viewResource") from None


def bound(library: r4.Library, parameters: r4.Parameters | None) -> tuple[Query, dict[str, Any]]:
    """The query of a Library, with the values of its parameters. Raises BadRequest."""
    try:
        query = read_query(library)
        return query, query.bound(parameters)
    except QueryError as error:
        raise BadRequest(str(error)) from None


def library_of(asked: Asked, given: r4.Library | None, reference: r4.Reference | None) -> Step[r4.Library]:
    """The Library at whose place the operation is called, which is given, or which is referred to."""
    if isinstance(given, r4.Library) and not asked.id and reference is None:
        return given
    name = "" if reference is None else reference.reference or ""
    id_ = asked.id or name.removeprefix(f"{asked.base}/").removeprefix("Library/")
    if not versioning.is_id(id_):
        raise BadRequest("one of queryResource and queryReference is required", "queryResource")
    permits.allow(asked.asker, "r", "Library")
    found = yield from reads.read(asked.asker, "Library", id_)
    library = r4.decode((yield from contents.given(found.body)))
    if not isinstance(library, r4.Library):
        raise Unprocessable("this is no Library")
    return library


def _people(asked: Asked) -> Step[list[str] | None]:
    return (yield from asking.within(asked.asker, asked.many("patient"), asked.many("group")))


def _gather(
    asked: Asked, view: View, to: Sheet, seen: Seen, *, limit: int | None, patients: list[str] | None
) -> Step[None]:
    """Write the rows that the asker may see, of these people, up to the limit, and note as they come whose they are."""
    ask = rows_of.Ask(
        asked.asker,
        view,
        patients=patients,
        since=asked.one("_since"),
        until=time.monotonic() + SECONDS,
    )
    after: int | None = 0
    left = limit
    while after is not None and left != 0:
        found, after = yield from rows_of.page(ask, after)
        seen |= {(view.resource, "", each.patient): None for each in found[:left]}
        if time.monotonic() > ask.until:
            raise Unprocessable("the view takes too long; narrow it, or export it")
        if left is not None:
            found = found[:left]
            left -= len(found)
        yield from computed(partial(to.add, [each.row for each in found]))


def _flattened(view: View, given: list[Any], limit: int | None) -> Iterator[Row]:
    try:
        yield from islice(rows(view, given), limit)
    except ViewError as error:
        raise Unprocessable(f"the view cannot be run: {error}") from None


_COMMON = (
    Param("_format", "code"),
    Param("header", "boolean"),
    Param("patient", "Reference"),
    Param("group", "Reference", max=None),
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
