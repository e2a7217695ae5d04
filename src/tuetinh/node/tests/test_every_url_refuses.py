"""Every page of every module refuses nobody's, the outsider's and every wrong role's browser, by its own mark.

The table is made from the URL resolver, so that a new page is tried as soon as it has an address. Whom each
page is for stands in `permissions/pages.csv`, to be compared with its mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.urls import URLPattern, URLResolver, get_resolver

from tuetinh.commons.access.middleware import UNMARKED
from tuetinh.node.tests.permissions import EVERYONE, roles, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

VALUES = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000"}
PART = {"HX-Request": "true"}  # as HTMX asks for a part of a page: the refusal comes without the shell and its counts


@dataclass(frozen=True)
class Door:
    """One address and who of the cast may open it by its mark: None is open to all, empty is forgotten."""

    url: str
    name: str
    roles: frozenset[str] | None


@cache
def doors() -> tuple[Door, ...]:
    """Every address of the house, its parameters filled with values that no record has."""
    return tuple(_walk(get_resolver().url_patterns, "/", {}))


def _walk(patterns: list[URLPattern | URLResolver], prefix: str, given: dict[str, Any]) -> Iterator[Door]:
    for pattern in patterns:
        url = prefix + _filled(pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, url, given)
        else:
            yield Door(url, f"{pattern.lookup_str} {pattern.name}", _marked(pattern.callback))


def _marked(view: Callable[..., object]) -> frozenset[str] | None:
    """Who of the cast the mark of a page lets in."""
    marked: frozenset[str] | None = getattr(view, "desk_roles", UNMARKED)
    if marked is None or "admin" not in marked:
        return marked
    admins = {"facility": {"admin"}, "province": {"province"}}.get(getattr(view, "desk_at", ""), {"admin", "province"})
    return (marked - {"admin"}) | admins


def _filled(pattern: URLPattern | URLResolver) -> str:
    """The address of a pattern with its parameters filled."""
    possible = pattern.pattern.regex.pattern if not hasattr(pattern.pattern, "_route") else None
    if possible is not None:
        from django.utils.regex_helper import normalize

        text, names = normalize(possible)[0]
        return text % {name: "1" if name.endswith("_id") else _choice(possible, name) for name in names}
    route = str(pattern.pattern)
    for name, converter in pattern.pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
        for written in (f"<{kind}:{name}>", f"<{name}>"):
            route = route.replace(written, VALUES.get(kind, "x"))
    return route


def _choice(regex: str, name: str) -> str:
    """The first of the words that a group of a regular expression names."""
    return regex.split(f"(?P<{name}>")[1].split(")", maxsplit=1)[0].split("|", maxsplit=1)[0]


def test_table_is_not_empty() -> None:
    assert {"/login", "/accounts", "/accounts/1/disable"} <= {door.url for door in doors()}


def test_every_page_is_marked() -> None:
    assert [door.name for door in doors() if door.roles == UNMARKED] == []


def test_every_page_has_a_row_and_is_for_whom_it_says() -> None:
    said = {row["address"]: roles(row["who"]) for row in table("pages")}
    assert {door.url: door.roles for door in doors()} == said
    assert len(said) == len(table("pages"))


@pytest.mark.parametrize("role", sorted(EVERYONE))
def test_who_may_open_a_page_is_not_sent_away(as_role: Callable[[str], Client], role: str) -> None:
    browser = as_role(role)
    for row in table("pages"):
        allowed = roles(row["who"])
        if allowed is not None and role in allowed:
            answer = browser.get(row["address"])
            assert answer.status_code < 500, row
            assert not (answer.status_code == 302 and answer["Location"].startswith("/login")), row


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_is_sent_to_the_login(as_role: Callable[[str], Client], method: str) -> None:
    browser = as_role("")
    for door in doors():
        if door.roles is None:
            continue
        answer = getattr(browser, method)(door.url)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login"), door


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", sorted(EVERYONE))
def test_wrong_role_is_refused(as_role: Callable[[str], Client], role: str, method: str) -> None:
    _refused(as_role, role, method, PART)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", ["doctor", "outsider"])
def test_whole_pages_are_refused_alike(as_role: Callable[[str], Client], role: str, method: str) -> None:
    _refused(as_role, role, method, {})


def _refused(as_role: Callable[[str], Client], role: str, method: str, headers: dict[str, str]) -> None:
    browser = as_role(role)
    refused = [door for door in doors() if door.roles is not None and role not in door.roles]
    for door in refused:
        written: list[str] = []
        with connections["default"].execute_wrapper(_note_writes(written)):
            answer = getattr(browser, method)(door.url, headers=headers)
        assert answer.status_code == 403, door
        assert written == [], door


def test_outsider_has_no_desk_at_all() -> None:
    assert [door for door in doors() if door.roles and "outsider" in door.roles and door.roles != EVERYONE] == []


def _note_writes(written: list[str]) -> Callable[..., Any]:
    """Collect the statements of a request that change something; the audit of what was read is none of them."""

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        verb, _, rest = str(sql).lstrip().partition(" ")
        if verb.upper() in ("INSERT", "UPDATE", "DELETE") and not rest.startswith("INTO record.audit "):
            written.append(str(sql))
        return execute(sql, params, many, context)

    return wrapper
