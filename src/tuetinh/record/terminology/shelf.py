"""The library that the server answers from: the standard's, what modules register, and what users store in the record.

What is stored is looked at anew whenever the change feed has moved; only what changed is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from tuetinh.record.steps import Query, Step, computed
from tuetinh.record.terminology import standard
from tuetinh.record.terminology.coded import Coded
from tuetinh.record.terminology.compose import Composer
from tuetinh.record.terminology.expand import PURPOSE
from tuetinh.record.terminology.inquiry import Inquiry
from tuetinh.record.terminology.issues import TerminologyError
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.membership import Findings, Membership

TYPES = ("CodeSystem", "ValueSet", "ConceptMap")
_NAMES = ", ".join(f"'{type_}'" for type_ in TYPES)
# Of overlapping transactions a later position may be visible first, hence the count beside it.
_MARK = f"SELECT coalesce(max(position), 0), count(*) FROM record.feed WHERE type IN ({_NAMES})"
_KNOWN = f"SELECT type, id, version FROM record.resource WHERE type IN ({_NAMES}) AND NOT deleted"
_BODIES = "SELECT type, id, version, body FROM record.resource WHERE type = %s AND id = ANY(%s) AND NOT deleted"

Codes = frozenset[tuple[str, str]]


@dataclass
class Shelf:
    """The library at one position of the feed, with what was worked out from it."""

    library: Library
    mark: tuple[int, int] = (-1, -1)
    bodies: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)
    expansions: dict[str, Codes | None] = field(default_factory=dict)

    def expansion(self, url: str) -> Codes | None:
        """System and code of everything in a value set (`url` or `url|version`); None when that is not known."""
        if url not in self.expansions:
            if len(self.expansions) >= 512:
                self.expansions.clear()
            self.expansions[url] = self._expansion(url)
        return self.expansions[url]

    def _expansion(self, url: str) -> Codes | None:
        inquiry = Inquiry(self.library, {"parameter": [{"name": "url", "valueUri": url}]})
        try:
            value_set = inquiry.value_set()
            if value_set is None:
                return None
            listed, left = self._listed(value_set)
            composer = Composer(inquiry, left, PURPOSE)
            entries = composer.entries(left)
        except TerminologyError:
            return None
        if composer.used.unclosed or any(own.content == "fragment" for own in composer.used.systems.values()):
            return None
        return listed | {(entry.system.url, entry.concept.code) for entry in entries}

    def _listed(self, value_set: Mapping[str, Any]) -> tuple[Codes, dict[str, Any]]:
        """The codes that a value set lists of code systems that are not here, and the value set without these lists.

        To be found, a listed code needs no definition; it does to be expanded with its display.
        """
        compose = value_set.get("compose")
        if compose is None:
            return frozenset(), {**value_set}
        parts: dict[str, list[dict[str, Any]]] = {"include": [], "exclude": []}
        codes: dict[str, set[tuple[str, str]]] = {"include": set(), "exclude": set()}
        for kind, rest in parts.items():
            for part in compose.get(kind, ()):
                system, rows = part.get("system", ""), part.get("concept")
                if rows and not part.get("valueSet") and self.library.system(system, part.get("version", "")) is None:
                    codes[kind] |= {(system, row.get("code", "")) for row in rows}
                else:
                    rest.append(part)
        left = {**value_set, "compose": {**compose, **parts}}
        return frozenset(codes["include"] - codes["exclude"]), left

    def url_of(self, id_: str) -> str | None:
        """The canonical URL of a stored ValueSet; None where there is none."""
        _, body = self.bodies.get(("ValueSet", id_), (0, b""))
        return (msgspec.json.decode(body, type=dict[str, Any]).get("url") if body else None) or None

    def contains(self, url: str, system: str, code: str) -> bool | None:
        """Whether a value set has a code, also where it cannot be listed; None when that is not known."""
        codes = self.expansion(url)
        if codes is not None:
            return (system, code) in codes
        inquiry = Inquiry(self.library, {"parameter": [{"name": "url", "valueUri": url}]})
        findings = Findings()
        try:
            value_set = inquiry.value_set()
            if value_set is None:
                return None
            hits = Membership(Composer(inquiry, value_set, PURPOSE)).hits(value_set, Coded(system, code), findings)
        except TerminologyError:
            return None
        return True if hits else None if findings.stuck else False


@cache
def base() -> Library:
    """What the standard and VN Core define; modules register their code systems here."""
    # The guides' data lie with their profiles, whose own library stands upon this one.
    from tuetinh.record.profiles.library import guide_codes

    return Library(standard.standard_library().over(guide_codes()))


_now: list[Shelf] = []


def current() -> Shelf:
    """The shelf as this process last saw it."""
    if not _now:
        _now.append(Shelf(base()))
    return _now[0]


def refresh() -> Step[Shelf]:
    """The shelf as the record is now."""
    ((position, count),) = yield Query(_MARK)
    shelf = current()
    if shelf.mark == (position, count):
        return shelf
    known = {(type_, id_): version for type_, id_, version in (yield Query(_KNOWN))}
    bodies = {key: own for key, own in shelf.bodies.items() if known.get(key) == own[0]}
    for type_ in TYPES:
        wanted = [id_ for (own, id_) in known if own == type_ and (own, id_) not in bodies]
        if wanted:
            for own, id_, version, body in (yield Query(_BODIES, (type_, wanted))):
                bodies[own, id_] = (version, bytes(body))
    library = yield from computed(lambda: _library(bodies))
    _now[:] = [Shelf(library, (position, count), bodies)]
    return _now[0]


def _library(bodies: dict[tuple[str, str], tuple[int, bytes]]) -> Library:
    stored = Library(base())
    for _, body in bodies.values():
        resource = msgspec.json.decode(body, type=dict[str, Any])
        if resource.get("url"):
            stored.add(resource)
    return stored
