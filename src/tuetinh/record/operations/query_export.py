"""`$sqlquery-export` (SQL on FHIR 2.1, operations): SQL over views in the background, as files to fetch.

Queries are given as for `$sqlquery-run`. A view that a query depends on is contained in its Library, comes along in the
call (`view`, found by its URL, else by its name as the query has it), or is a Binary of the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from tuetinh.record import r4
from tuetinh.record.errors import BadRequest, Unprocessable
from tuetinh.record.operations.declare import Asked, Operation, Param, Reply, of_some_type
from tuetinh.record.operations.view_export import COMMON, MOST, OUT, VIEWS, begin, definition_of, few, named
from tuetinh.record.operations.views import DEFINITION, bound, contained, form_of, library_of, read_view, stored
from tuetinh.record.steps import Step, computed
from tuetinh.record.views import source
from tuetinh.record.views.query import Query, QueryError


def sqlquery_export(asked: Asked) -> Step[Reply]:
    """Begin an export of queries; every one and its views are read, and their types allowed, before it is promised."""
    if "respond-async" not in asked.prefer:
        raise BadRequest("an export is asynchronous: send Prefer: respond-async")
    form = form_of(asked)
    given = few(asked, "query")
    if bool(asked.id) == bool(given):
        raise BadRequest("query is for the calls that do not name the Library, and required there", "query")
    if given and asked.many("parameters"):
        raise BadRequest("the parameters of a query that is given stand in it", "parameters")
    brought = yield from _brought(asked)
    views: dict[bytes, dict[str, Any]] = {}  # each once, by its definition
    types: set[str] = set()
    queries: dict[str, dict[str, Any]] = {}
    for number, one in enumerate(given or [{"parameters": asked.many("parameters")}], 1):
        if not asked.id and ("queryResource" in one) == ("queryReference" in one):
            raise BadRequest("one of queryResource and queryReference is required", "query")
        library = yield from library_of(asked, _first(one, "queryResource"), _first(one, "queryReference"))
        parameters = _first(one, "parameters")
        query, _ = bound(library, parameters)
        yield from computed(partial(_check, query))
        name = named(one, "query", library.name, number, queries)
        tables: dict[str, str] = {}
        for label, reference in query.views.items():
            definition = contained(library, reference) or _of(brought, label, reference)
            if not definition:
                definition = brought[reference] = yield from stored(asked, reference)  # once, however many ask for it
            view = read_view(definition)
            source.allow(asked.asker, view)
            types.add(view.resource)
            made = {"name": f"table.{len(views) + 1}", "view": msgspec.json.decode(definition)}
            tables[label] = views.setdefault(definition, made)["name"]
            if len(views) > MOST:
                raise BadRequest(f"the queries are of more than {MOST} views", "query")
        queries[name] = {
            "name": name,
            "library": r4.encode(library).decode(),
            "parameters": "" if parameters is None else r4.encode(parameters).decode(),
            "tables": tables,
        }
    wanted = {"views": list(views.values()), "queries": list(queries.values()), "types": sorted(types), "form": form}
    return (yield from begin(asked, wanted))


def _first(one: Mapping[str, list[Any]], name: str) -> Any:
    return next(iter(one.get(name, ())), None)


def _check(query: Query) -> None:
    try:
        from tuetinh.record.views.answer import check  # DuckDB takes memory, for those who ask for it

        check(query)
    except QueryError as error:
        raise Unprocessable(str(error), "query") from None


def _brought(asked: Asked) -> Step[dict[str, bytes]]:
    """The views that come along, by their URL and by their name."""
    found: dict[str, bytes] = {}
    for one in few(asked, "view"):
        definition = yield from definition_of(asked, one)
        read_view(definition)
        plain = msgspec.json.decode(definition)
        for key in (plain.get("url"), one.get("name", [plain.get("name")])[0]):
            if key and found.setdefault(key, definition) != definition:
                raise BadRequest(f"two views have the name {key[:200]}", "view")
    return found


def _of(brought: Mapping[str, bytes], label: str, reference: str) -> bytes | None:
    return brought.get(reference) or brought.get(reference.partition("|")[0]) or brought.get(label)


OPERATIONS = (
    Operation(
        "sqlquery-export",
        DEFINITION + "sqlquery-export",
        ("system", "type", "instance"),
        sqlquery_export,
        types=frozenset(["Library"]),
        affects=True,
        who=of_some_type("r"),
        params=(
            Param(
                "query",
                max=None,
                parts=(
                    Param("name", "string"),
                    Param("queryReference", "Reference"),
                    Param("queryResource", "Library"),
                    Param("parameters", "Parameters"),
                ),
            ),
            Param("parameters", "Parameters"),
            Param(VIEWS.name, max=None, parts=VIEWS.parts),
            *COMMON,
        ),
        out=OUT,
    ),
)
