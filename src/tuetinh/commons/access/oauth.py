"""Tokens of connected systems and the lean check of who asks at the `/fhir` door.

OAuth 2.0 client credentials (RFC 6749, 4.4) with SMART App Launch 2 scopes. Secrets and tokens are 256 random bits,
so a plain SHA-256 of them is as hard to turn back as they are to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from psycopg.rows import TupleRow, tuple_row

from tuetinh.commons.access.models import Account, Client, Token
from tuetinh.commons.access.roles import ROLES
from tuetinh.record.asker import Asker
from tuetinh.record.types import RESOURCE_TYPES

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

LIFETIME = timedelta(hours=1)
KEEP = 4.0  # seconds that an answer is believed, so a revoked token or session ends within five
KEEP_AT_MOST = 10_000

_SCOPE = re.compile(r"(system)/(\*|[A-Z][A-Za-z]+)\.(\*|read|write|c?r?u?d?s?)")
_V1 = {"*": "cruds", "read": "rs", "write": "cud"}
_answers: dict[bytes, tuple[float, Asker | None]] = {}


class OAuthError(Exception):
    """A refusal in the words of RFC 6749, 5.2. `code` is its `error`, `status` the HTTP status."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code, self.description, self.status = code, description, status


def digest(secret: str) -> bytes:
    """SHA-256 of a token or a client's secret."""
    return hashlib.sha256(secret.encode()).digest()


def create_client(id_: str, name: str, *, scopes: str = "system/*.cruds", facility: str = "") -> str:
    """Make or renew a connected system and return its secret, which is told this once only."""
    secret = secrets.token_urlsafe(32)
    fields = {"name": name, "scopes": scopes, "facility": facility, "secret_digest": digest(secret), "is_active": True}
    Client.objects.update_or_create(id=id_, defaults=fields)
    Token.objects.filter(client_id=id_).delete()
    return secret


def normalise(scope: str) -> tuple[str, str]:
    """Split a SMART v1 or v2 system scope into resource type and letters of `cruds`.

    Raises OAuthError `invalid_scope` for anything else.
    """
    match = _SCOPE.fullmatch(scope)
    if not match or not match[3] or (match[2] != "*" and match[2] not in RESOURCE_TYPES):
        raise OAuthError("invalid_scope", f"scope {scope[:80]!r} is not of the form system/Type.cruds")
    return match[2], _V1.get(match[3], match[3])


def grant(wanted: str, allowed: str) -> list[str]:
    """Cut the wanted scopes down to the allowed ones; no wish means all. Nothing left is `invalid_scope`."""
    limits = [normalise(scope) for scope in allowed.split()]
    granted: dict[str, set[str]] = {}
    for type_, letters in map(normalise, (wanted or allowed).split()):
        for limit, may in limits:
            if "*" in (type_, limit) or type_ == limit:
                name = limit if type_ == "*" else type_
                granted.setdefault(name, set()).update(set(letters) & set(may))
    scopes = [
        f"system/{name}.{''.join(x for x in 'cruds' if x in letters)}" for name, letters in granted.items() if letters
    ]
    if not scopes:
        raise OAuthError("invalid_scope", "none of the requested scopes is allowed to this client")
    return scopes


def issue(client_id: str, secret: str, wanted: str) -> tuple[str, list[str]]:
    """Give a token to a client that proves itself; returns the token and the scopes it carries.

    Raises OAuthError `invalid_client` or `invalid_scope`.
    """
    client = prove(client_id, secret)
    scopes = grant(wanted, client.scopes)
    token = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    Token.objects.filter(client=client, expires__lt=now).delete()
    Token.objects.create(digest=digest(token), client=client, scopes=" ".join(scopes), expires=now + LIFETIME)
    return token, scopes


def prove(client_id: str, secret: str) -> Client:
    """Return the client whose secret this is. Raises OAuthError `invalid_client`."""
    client = Client.objects.filter(id=client_id, is_active=True).first()
    known = bytes(client.secret_digest) if client else bytes(32)
    if not hmac.compare_digest(digest(secret), known) or not client:
        raise OAuthError("invalid_client", "unknown client or wrong secret", 401)
    return client


def smart_configuration(base: str) -> dict[str, object]:
    """The SMART configuration of a node at this address, also served below `/fhir`."""
    return {
        "issuer": base,
        "token_endpoint": f"{base}/oauth/token",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.cruds", "system/*.rs", "system/*.*"],
        "capabilities": ["client-confidential-symmetric", "permission-v1", "permission-v2"],
    }


def revoke(token: str) -> None:
    """End a token (RFC 7009); an unknown one is no error."""
    Token.objects.filter(digest=digest(token)).delete()


async def authenticate(
    scope: MutableMapping[str, Any], pool: AsyncConnectionPool[AsyncConnection[TupleRow]]
) -> Asker | None:
    """Tell who sends an ASGI request: a connected system by its Bearer token, or a person by the browser's session.

    Returns None for nobody, and for a token or session that is unknown, expired, revoked, or of a disabled account.
    """
    bearer, session = _credentials(scope)
    if not bearer and not session:
        return None
    secret = (b"bearer " + bearer.encode()) if bearer else (b"session " + session.encode())
    key = hashlib.sha256(secret).digest()  # the cache holds no secret
    until, asker = _answers.get(key, (0.0, None))
    now = time.monotonic()
    if until > now:
        return asker
    async with pool.connection() as conn:
        asker = await (_by_token(conn, bearer) if bearer else _by_session(conn, session))
    if len(_answers) >= KEEP_AT_MOST:
        _answers.clear()
    _answers[key] = (now + KEEP, asker)
    return asker


def _credentials(scope: MutableMapping[str, Any]) -> tuple[str, str]:
    """Bearer token and session key of a request. A token, even a bad one, goes before the cookie."""
    session = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return (token.strip(), "") if scheme.lower() == "bearer" and token.strip() else ("", "")
        if name == b"cookie":
            try:
                cookie = SimpleCookie(value.decode("latin-1")).get(settings.SESSION_COOKIE_NAME)
            except CookieError:
                cookie = None
            session = cookie.value if cookie else session
    return "", session


_SYSTEM = """
SELECT c.id, c.facility, t.scopes FROM access_token t JOIN access_client c ON c.id = t.client_id
WHERE t.digest = %s AND t.expires > now() AND c.is_active
"""
_SESSION = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > now()"
_ACCOUNT = """
SELECT id, username, full_name, role, facility, room, practitioner, patient, password
FROM access_account WHERE id = %s AND is_active AND NOT must_change_password
"""


async def _by_token(conn: AsyncConnection[TupleRow], token: str) -> Asker | None:
    row = await _one(conn, _SYSTEM, digest(token))
    if row is None:
        return None
    client, facility, scopes = row
    return Asker(f"client:{client}", "system", facility, "HOPERAT", frozenset(scopes.split()))


async def _by_session(conn: AsyncConnection[TupleRow], key: str) -> Asker | None:
    row = await _one(conn, _SESSION, key)
    data = SessionStore(key).decode(row[0]) if row else {}
    if not str(data.get(SESSION_KEY, "")).isdigit():
        return None
    found = await _one(conn, _ACCOUNT, int(data[SESSION_KEY]))
    if found is None:
        return None
    names = ("id", "username", "full_name", "role", "facility", "room", "practitioner", "patient", "password")
    account = Account(**dict(zip(names, found, strict=True)))
    if not hmac.compare_digest(account.get_session_auth_hash(), data.get(HASH_SESSION_KEY, "")):
        return None  # the password has changed since
    role = ROLES[account.role]
    patient = account.patient or "-" if role.level == "patient" else None
    return Asker(str(account.pk), role.name, account.facility, role.purpose, role.api_scopes, patient)


async def _one(conn: AsyncConnection[TupleRow], sql: str, value: object) -> TupleRow | None:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(sql, [value])
        return await cursor.fetchone()
