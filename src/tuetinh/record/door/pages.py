"""Bundles of search results and of history, put together from stored bytes without decoding them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
from django.conf import settings

from tuetinh.record import built_in, r4, summary, versioning
from tuetinh.record.asker import Asker
from tuetinh.record.bundling import bundle
from tuetinh.record.errors import BadRequest, Issue, issues_of, outcome
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.steps import Step
from tuetinh.record.validate.problem import Problem
from tuetinh.record.versioning import Stored

PAGE = "_page"
Seen = Callable[[str, str | None], None]
Pairs = Sequence[tuple[str, str]]


class Result(NamedTuple):
    """A searchset and whose resources are in it."""

    body: bytes
    seen: list[tuple[str, str | None]]


def searchset(
    asker: Asker,
    type_: str | None,
    pairs: Pairs,
    base: str,
    *,
    lenient: bool = False,
    compartment: tuple[str, str] | None = None,
) -> Step[Result]:
    """Search, in a compartment where one is named, and put the page together.

    Raises BadRequest for parameters that are not understood.
    """
    page = next((value for name, value in pairs if name == PAGE), None)
    wanted, problems = yield from searching.read(type_, [p for p in pairs if p[0] != PAGE], lenient=lenient)
    if any(p.severity == "error" for p in problems):
        raise BadRequest(issues=issues_of(problems))
    mode = summary.check_mode(wanted.summary)
    if wanted.includes and mode == "text":
        message = "_include and _revinclude do not go with _summary=text (R4 search.html, 3.1.1.5.8)"
        raise BadRequest(message, "_summary")
    if wanted.elements:
        wanted = _of_known_elements(wanted, lenient=lenient)
    address = f"{base}/{type_ or ''}"
    if compartment:
        wanted = parse.in_compartment(wanted, *compartment)
        address = f"{base}/{'/'.join(compartment)}/{type_ or '*'}"
    query = wanted.query()
    links = [("self", _link(address, query, page))]
    if mode == "count" or wanted.count == 0:
        total = yield from built_in.total(asker, wanted)
        return Result(bundle("searchset", [], links, total), [(type_ or "", None)])
    try:
        found = yield from built_in.search(asker, wanted, secret=settings.SECRET_KEY.encode(), page=page)
    except searching.PageRefused as error:
        message = "the page token is not of this search"
        raise BadRequest(message, PAGE) from error
    if found.next:
        links.append(("next", _link(address, query, found.next)))
    entries, seen = [], []
    place = base.encode()
    for hit in found.hits:
        if hit.mode != "match" and not (asker.may_some("r", hit.type) or asker.may_some("s", hit.type)):
            continue
        elements = wanted.elements if hit.mode == "match" else None
        body = summary.cut(hit.body, mode, elements) if mode or elements else hit.body
        parts = (place, hit.type.encode(), hit.id.encode(), body, hit.mode.encode())
        entries.append(b'{"fullUrl":"%b/%b/%b","resource":%b,"search":{"mode":"%b"}}' % parts)
        seen.append((hit.type, hit.patient))
    if found.cut:
        text = f"more than {searching.MAX_INCLUDED} resources would be included; the others are left out"
        problems = [*problems, Problem("warning", "too-costly", "", text)]
    if problems:
        entries.append(b'{"resource":%b,"search":{"mode":"outcome"}}' % outcome(issues_of(problems)))
    return Result(bundle("searchset", entries, links, found.total), seen or [(type_ or "", None)])


def _link(address: str, query: str, page: str | None) -> str:
    """The address of a page."""
    parts = [*([query] if query else []), *([urlencode({PAGE: page})] if page else [])]
    return f"{address}?{'&'.join(parts)}" if parts else address


def history_entry(one: Stored, base: str, mode: str | None = None, elements: Sequence[str] = ()) -> bytes:
    """A version, or the parts of it that are asked for, as an entry of a history Bundle."""
    name = f"{one.type}/{one.id}"
    entry: dict[str, object] = {"fullUrl": f"{base}/{name}"}
    if one.body is not None:
        entry["resource"] = msgspec.Raw(summary.cut(one.body, mode, elements))
    method = "DELETE" if one.body is None else "POST" if one.version == 1 else "PUT"
    entry["request"] = {"method": method, "url": one.type if method == "POST" else name}
    status = {"DELETE": "204 No Content", "POST": "201 Created", "PUT": "200 OK"}[method]
    entry["response"] = {
        "status": status,
        "location": f"{base}/{name}/_history/{one.version}",
        "etag": f'W/"{one.version}"',
        "lastModified": versioning.instant(one.updated),
    }
    return msgspec.json.encode(entry)


def warning(text: str) -> bytes:
    """An OperationOutcome that says what went well."""
    return outcome([Issue("information", "informational", text)])


def _of_known_elements(wanted: parse.Search, *, lenient: bool) -> parse.Search:
    """The search with those of its `_elements` that there are. Raises BadRequest for another, unless lenient."""
    types = wanted.types or r4.RESOURCES
    if not lenient:
        summary.check_elements(types, wanted.elements)
    known = frozenset(name for name in wanted.elements if summary.is_element(types, name))
    if known == wanted.elements:
        return wanted
    pairs = [pair for pair in wanted.pairs if pair[0] != "_elements"]
    pairs += [("_elements", ",".join(sorted(known)))] if known else []
    return replace(wanted, elements=known, pairs=tuple(pairs))
