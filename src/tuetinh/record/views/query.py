"""SQL over views (SQL on FHIR 2.1, profile SQLQuery): a Library with one SELECT, run by DuckDB over the views' rows.

The query sees the tables that its views make and nothing else: no files, no network, no extensions, no settings, and
it ends after a time and within a memory of its own.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tuetinh.record import r4

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
# A placeholder stands outside of quotes and is no part of a cast (`::`).
_PARAMETER = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|::)|:([A-Za-z_][A-Za-z0-9_]*)""", re.DOTALL
)
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "code": (str,),
    "uri": (str,),
    "id": (str,),
    "date": (str,),
    "dateTime": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "decimal": (Decimal, int),
}


class QueryError(ValueError):
    """A query that cannot be run; the message says why."""


@dataclass(frozen=True)
class Query:
    """SQL with `$name` placeholders, the types of its parameters, and the references of its views by their labels."""

    sql: str
    parameters: dict[str, str]
    views: dict[str, str]

    def bound(self, given: r4.Parameters | None) -> dict[str, Any]:
        """The values of every parameter. QueryError for one that is missing, not known or of another type."""
        values: dict[str, Any] = {}
        for each in (given.parameter if given else None) or []:
            type_ = self.parameters.get(each.name or "")
            if type_ is None:
                raise QueryError(f"the query has no parameter {(each.name or '')[:80]!r}")
            name = f"value{type_[0].upper()}{type_[1:]}"
            value = getattr(each, name, None)
            if type_ not in _TYPES or not isinstance(value, _TYPES[type_]):
                raise QueryError(f"the parameter {each.name} is a {type_}")
            values[each.name or ""] = value
        if missing := set(self.parameters) - set(values):
            raise QueryError(f"the parameter {min(missing)} is required")
        return values


@dataclass(frozen=True)
class Table:
    """The Parquet files of a view's rows under the name that the query has for it."""

    label: str
    paths: tuple[Path, ...]


def read(library: r4.Library) -> Query:
    """The query of a Library. QueryError for what is none."""
    content = [each for each in library.content or [] if (each.contentType or "").startswith("application/sql")]
    chosen = next((each for each in content if "duckdb" in (each.contentType or "")), content[0] if content else None)
    if chosen is None or not chosen.data:
        raise QueryError("the Library has no content of the type application/sql")
    try:
        text = base64.b64decode(chosen.data).decode()
    except ValueError:
        raise QueryError("the SQL of the Library is no UTF-8 in base64") from None
    parameters = {each.name or "": each.type or "" for each in library.parameter or [] if each.use == "in"}
    views: dict[str, str] = {}
    for related in library.relatedArtifact or []:
        if related.type == "depends-on":
            label = related.label or ""
            if not _LABEL.fullmatch(label) or label in views:
                raise QueryError(f"{label[:80]!r} is no label, or stands twice")
            views[label] = related.resource or related.url or ""
    return Query(_placed(text, parameters), parameters, views)


def _placed(text: str, parameters: dict[str, str]) -> str:
    """`:name` as DuckDB's `$name`."""

    def place(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        if found[2] not in parameters:
            raise QueryError(f"the query has no parameter {found[2]}")
        return f"${found[2]}"

    return _PARAMETER.sub(place, text)
