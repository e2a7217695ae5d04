"""Conditional interactions (FHIR R4 http.html, 3.1.0.7.1 and following): a search says which resource is meant."""

from __future__ import annotations

from typing import NamedTuple

from tuetinh.record import permits
from tuetinh.record.asker import Asker
from tuetinh.record.errors import BadRequest, MultipleMatches, issues_of
from tuetinh.record.search import run as searching
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step


class Match(NamedTuple):
    """The one resource that a condition names."""

    type: str
    id: str
    version: int


def find(asker: Asker, type_: str, query: str) -> Step[Match | None]:
    """The resource that matches, or None. Raises MultipleMatches, or BadRequest for a bad condition."""
    permits.allow(asker, "s", type_)
    wanted, problems = yield from searching.read(type_, query)
    if any(p.severity == "error" for p in problems):
        raise BadRequest(issues=issues_of(problems))
    if not wanted.conditions:
        message = "a conditional interaction needs search parameters"
        raise BadRequest(message)
    rows = yield from searching.matching(asker, wanted, 2)
    if len(rows) > 1:
        message = f"more than one {type_} matches {query[:200]}"
        raise MultipleMatches(message)
    return Match(rows[0][0], rows[0][1], rows[0][3]) if rows else None


def find_alone(asker: Asker, type_: str, query: str) -> Step[Match | None]:
    """Like `find`, while nobody else may act on the same condition until the transaction ends."""
    name = array([f"{type_}?{query}"])
    yield Query("SELECT pg_advisory_xact_lock(hashtextextended(n, 0)) FROM unnest(%s::text[]) n", (name,))
    return (yield from find(asker, type_, query))
