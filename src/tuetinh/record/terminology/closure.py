"""Closure tables (R4 terminology-service.html#closure): which codes that a client has seen lie under which others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tuetinh.record.terminology.library import Library


class Seen(NamedTuple):
    """A code that the client has sent, and the number of the call that brought it."""

    system: str
    version: str
    code: str
    call: int


def added(known: Sequence[Seen], sent: Iterable[tuple[str, str, str]], call: int) -> list[Seen]:
    """The codes that were sent (system, version, code) and were not there yet."""
    there = {(own.system, own.code) for own in known}
    found: dict[tuple[str, str], Seen] = {}
    for system, version, code in sent:
        if (system, code) not in there:
            found.setdefault((system, code), Seen(system, version, code, call))
    return list(found.values())


def closure(library: Library, name: str, known: Sequence[Seen], after: int, version: int) -> dict[str, Any]:
    """A ConceptMap with the relations that came after the call `after`; `subsumes` says that the source is-a target."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for below, above in _relations(library, known, after):
        groups.setdefault((below.system, below.version), {}).setdefault(below.code, []).append(above.code)
    return {
        "resourceType": "ConceptMap",
        "name": name,
        "version": str(version),
        "status": "active",
        "date": datetime.now(UTC).date().isoformat(),
        "group": [
            {
                "source": system,
                "target": system,
                "element": [
                    {"code": code, "target": [{"code": other, "equivalence": "subsumes"} for other in above]}
                    for code, above in elements.items()
                ],
            }
            for (system, _), elements in groups.items()
        ],
    }


def _relations(library: Library, known: Sequence[Seen], after: int) -> Iterator[tuple[Seen, Seen]]:
    """Every pair of codes of one system, one under the other, of which one came after."""
    by_code = {(own.system, own.code): own for own in known}
    for below in known:
        system = library.system(below.system, below.version)
        for code in sorted(system.ancestors(below.code)) if system else ():
            above = by_code.get((below.system, code))
            if above is not None and max(below.call, above.call) > after:
                yield below, above
