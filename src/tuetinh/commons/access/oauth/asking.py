"""The lean check of who asks at the `/fhir` door: a system or an app by its token, a person by the session."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpResponse, parse_cookie
from django.middleware.csrf import CsrfViewMiddleware
from psycopg.rows import TupleRow, tuple_row

from tuetinh.commons.access.models import Account
from tuetinh.commons.access.oauth.scopes import for_person
from tuetinh.commons.access.oauth.words import digest
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.sessions import SessionStore
from tuetinh.commons.access.sight import rules
from tuetinh.commons.access.sight.rules import Rules
from tuetinh.record import granular
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import run

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from django.http import HttpRequest
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

KEEP = 4.0  # seconds that an answer is believed where `forget` is not called: the database told nobody of a change
KEEP_AT_MOST = 10_000

_answers: dict[bytes, tuple[float, Asker | None]] = {}


def forget() -> None:
    """Believe no answer longer: something that they rest on was changed."""
    global _answers  # noqa: PLW0603 - what is being asked now is kept in the old one
    _answers = {}


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
    answers = _answers
    until, asker = answers.get(key, (0.0, None))
    now = time.monotonic()
    if until > now:
        return asker
    async with pool.connection() as conn:
        asker = await (_by_token(conn, bearer) if bearer else _by_session(conn, session))
    if len(answers) >= KEEP_AT_MOST:
        answers.clear()
    answers[key] = (now + KEEP, asker)
    return asker


def _credentials(scope: MutableMapping[str, Any]) -> tuple[str, str]:
    """Bearer token and session key of a request. A token, even a bad one, goes before the cookie."""
    session = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return (token.strip(), "") if scheme.lower() == "bearer" and token.strip() else ("", "")
        if name == b"cookie":
            session = parse_cookie(value.decode("latin-1")).get(settings.SESSION_COOKIE_NAME, session)
    return "", session


def at_desk(scope: MutableMapping[str, Any], asker: Asker) -> Asker:
    """Who writes by the script of a page of ours: a person with all that the pages of their desk may do.

    The session alone proves nothing, for another site's page can have the browser send it: the request must bring the
    token of our pages and come from them, as a form must. Otherwise, and for a system or app, the asker is as told.
    """
    if asker.client or asker.role not in ROLES:
        return asker
    headers = [header for header in scope["headers"] if header[0] != b"content-type"]  # the body is not its business
    request = ASGIRequest({**scope, "headers": headers}, BytesIO())
    check = _Proof(_nothing)
    check.process_request(request)
    if check.process_view(request, _nothing, (), {}) is not None:
        return asker
    return replace(asker, scopes=ROLES[asker.role].scopes)


class _Proof(CsrfViewMiddleware):
    """Django's check, which tells what is missing instead of drawing a page."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        del request
        return HttpResponse(reason)


def _nothing(_: HttpRequest) -> HttpResponse:
    """A view without marks."""
    return HttpResponse()


# As `proof.policy.needs_factor`.
_LACKS_FACTOR = """(NOT a.has_factor AND EXISTS
  (SELECT FROM access_policy p WHERE a.role = ANY (string_to_array(p.factor_roles, ' '))))"""
_BEARER = f"""
SELECT c.id, c.facility, t.scopes, g.patient, a.id, a.role, a.facility, a.patient, a.practitioner
FROM access_token t JOIN access_client c ON c.id = t.client_id
LEFT JOIN access_grant g ON g.id = t.grant_id LEFT JOIN access_account a ON a.id = g.account_id
WHERE t.digest = %s AND t.expires > now() AND c.is_active
  AND (t.grant_id IS NULL OR (NOT g.ended AND a.is_active AND NOT a.must_change_password AND NOT {_LACKS_FACTOR}))
"""
_SESSION = "SELECT session_data FROM access_session WHERE session_key = %s AND expire_date > now()"
_ACCOUNT = f"""
SELECT id, username, full_name, role, facility, room, practitioner, patient, password
FROM access_account a WHERE id = %s AND is_active AND NOT must_change_password AND NOT {_LACKS_FACTOR}
"""


def bearer_of(request: HttpRequest) -> Asker | None:
    """Tell who calls a page with a Bearer token, as `authenticate` does; a session counts for nothing here."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    asker = asker_of(token.strip())
    if asker is not None and granular.asks_value_sets(asker.scopes):
        run(SYSTEM, granular.ready(asker.scopes))
    return asker


def asker_of(token: str) -> Asker | None:
    """Whom the door would take the bearer of a token for; None for nobody."""
    with connection.cursor() as cursor:
        cursor.execute(_BEARER, [digest(token)])
        return _of_token(cursor.fetchone(), rules.now())


async def _by_token(conn: AsyncConnection[TupleRow], token: str) -> Asker | None:
    return _of_token(await _one(conn, _BEARER, digest(token)), await rules.now_on(conn))


def _of_token(row: TupleRow | None, ruled: Rules) -> Asker | None:
    if row is None:
        return None
    client, facility, scopes, launched, account, role_name, works_at, own, practitioner = row
    if account is None:
        allowed = frozenset(scopes.split())
        sight = rules.of_system(facility)
        return Asker(f"client:{client}", "system", facility, "HOPERAT", allowed, client=client, sight=sight)
    role = ROLES[role_name]
    allowed = for_person(scopes.split(), role)
    patient = None
    if role.level == "patient":
        patient = own or "-"
        if launched and launched != own:
            return None
    elif any(scope.startswith("patient/") for scope in allowed):
        # One asker has one compartment: beside a patient/ scope, a user/ scope reaches no further than the patient.
        patient = launched or "-"
    return ruled.told(Asker(str(account), role.name, works_at, "", allowed, patient, practitioner, client))


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
    asker = Asker(
        str(account.pk), role.name, account.facility, "", role.api_scopes, patient, practitioner=account.practitioner
    )
    return (await rules.now_on(conn)).told(asker)


async def _one(conn: AsyncConnection[TupleRow], sql: str, value: object) -> TupleRow | None:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(sql, [value])
        return await cursor.fetchone()
