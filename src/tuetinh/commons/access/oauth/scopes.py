"""SMART scopes, versions 1 and 2: read, and cut down to what is allowed (SMART App Launch 2, scopes)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from tuetinh.commons.access.oauth.words import OAuthError
from tuetinh.record.granular import NotGranular, read_query
from tuetinh.record.types import RESOURCE_TYPES

if TYPE_CHECKING:
    from tuetinh.commons.access.roles import Role

LAUNCH = frozenset({"launch", "launch/patient", "launch/encounter"})
IDENTITY = frozenset({"openid", "fhirUser", "profile"})
REFRESHING = frozenset({"offline_access", "online_access"})
INTROSPECTION = "introspection"  # of a resource server: it may ask what the tokens of others are good for
PLAIN = LAUNCH | IDENTITY | REFRESHING | {INTROSPECTION}
MOST = 4000  # characters of a request's scopes

_SCOPE = re.compile(r"(system|user|patient)/(\*|[A-Z][A-Za-z]+)\.(\*|read|write|c?r?u?d?s?)(?:\?([^\s?]{1,500}))?")
_V1 = {"*": "cruds", "read": "rs", "write": "cud"}


class Scope(NamedTuple):
    """One scope on data. type: a resource type or `*`. letters: of `cruds`, in this order. query: "" for all of it."""

    level: str
    type: str
    letters: str
    query: str = ""

    def __str__(self) -> str:
        return f"{self.level}/{self.type}.{self.letters}{'?' if self.query else ''}{self.query}"


def read(scope: str) -> Scope:
    """Read a SMART v1 or v2 scope on data. Raises OAuthError `invalid_scope` for anything else."""
    match = _SCOPE.fullmatch(scope)
    if not match or not match[3] or (match[2] != "*" and match[2] not in RESOURCE_TYPES):
        raise OAuthError("invalid_scope", f"scope {scope[:80]!r} is not of the form level/Type.cruds")
    found = Scope(match[1], match[2], _V1.get(match[3], match[3]), match[4] or "")
    if found.query:
        if found.type == "*":
            raise OAuthError("invalid_scope", f"scope {scope[:80]!r} has a query, so it needs a resource type")
        try:
            read_query(found.type, found.query)
        except NotGranular as error:
            raise OAuthError("invalid_scope", f"scope {scope[:80]!r}: {error}") from None
    return found


def split(text: str) -> tuple[list[str], list[Scope]]:
    """The plain scopes and the scopes on data of a space-separated list, each once. Raises OAuthError."""
    if len(text) > MOST:
        raise OAuthError("invalid_scope", "too many scopes")
    names = list(dict.fromkeys(text.split()))
    return [n for n in names if n in PLAIN], [read(n) for n in names if n not in PLAIN]


def meet(wanted: Scope, limit: Scope) -> Scope | None:
    """What both allow, on the level of the wanted one; None when that is nothing.

    Two different queries are both kept: a resource must fulfil each, which is their parameters joined.
    """
    if "*" not in (wanted.type, limit.type) and wanted.type != limit.type:
        return None
    letters = "".join(x for x in wanted.letters if x in limit.letters)
    if not letters:
        return None
    queries = dict.fromkeys(q for q in (wanted.query, limit.query) if q)
    type_ = limit.type if wanted.type == "*" else wanted.type
    return Scope(wanted.level, type_, letters, "&".join(queries))


def merged(scopes: Iterable[Scope]) -> list[Scope]:
    """The same rights with the letters of each level, type and query together, first named first."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for one in scopes:
        found.setdefault((one.level, one.type, one.query), set()).update(one.letters)
    return [
        Scope(level, type_, "".join(x for x in "cruds" if x in letters), query)
        for (level, type_, query), letters in found.items()
    ]


def cut(wanted: Iterable[Scope], allowed: Iterable[Scope]) -> list[Scope]:
    """Cut the wanted scopes down to the allowed ones, level by level."""
    limits = list(allowed)
    met = (meet(one, limit) for one in wanted for limit in limits if one.level == limit.level)
    return merged(one for one in met if one)


def grant(wanted: str, allowed: str) -> list[str]:
    """Cut what a system wants down to what it may have; no wish means all. Nothing left is `invalid_scope`."""
    plain, data = split(wanted or allowed)
    if set(plain) - {INTROSPECTION} or any(one.level != "system" for one in data):
        raise OAuthError("invalid_scope", f"a system gets scopes of the form system/Type.cruds, and {INTROSPECTION}")
    allowed_plain, limits = split(allowed)
    scopes = [*(name for name in plain if name in allowed_plain), *map(str, cut(data, limits))]
    if not scopes:
        raise OAuthError("invalid_scope", "none of the requested scopes is allowed to this client")
    return scopes


def for_person(scopes: Iterable[str], role: Role) -> frozenset[str]:
    """What an app may do for a person: its scopes on data, within what the person's own desk may."""
    data = [read(s) for s in scopes if s not in PLAIN]
    own = [read(s) for s in role.scopes]
    met = (meet(one, limit) for one in data for limit in own)
    return frozenset(str(one) for one in merged(one for one in met if one))
