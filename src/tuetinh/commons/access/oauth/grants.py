"""What people allow apps: launch, authorization code with PKCE, tokens, their renewal and end (RFC 6749, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q

from tuetinh.commons.access import idle
from tuetinh.commons.access.models import Client, Grant, Launch, Refresh, Session, Token
from tuetinh.commons.access.oauth import asking, keys, scopes
from tuetinh.commons.access.oauth.words import CODE, LAUNCH, LIFETIME, ONLINE, REFRESH, OAuthError, digest, new_secret
from tuetinh.commons.access.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuetinh.commons.access.models import Account

SEEN = timedelta(minutes=1)  # how exactly the last use of a client is known
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
Answer = dict[str, object]


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person said yes to. session: key of the browser session, which `online_access` ends with."""

    client: Client
    account: Account
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    patient: str = ""
    encounter: str = ""
    nonce: str = ""
    session: str = ""


# -- systems ----------------------------------------------------------------------------------------------------------


def issue(client: Client, wanted: str) -> tuple[str, list[str]]:
    """Give a system its token; returns it and the scopes it carries. Raises OAuthError `invalid_scope`."""
    if client.is_public:
        raise OAuthError("unauthorized_client", "a public client gets no token of its own")
    granted = scopes.grant(wanted, client.scopes)
    now = datetime.now(UTC)
    Token.objects.filter(client=client, grant=None, expires__lt=now).delete()
    return _token(client, None, granted, now), granted


def _token(client: Client, grant: Grant | None, names: Iterable[str], now: datetime) -> str:
    token = new_secret()
    unused = Q(last_used=None) | Q(last_used__lt=now - SEEN)
    Client.objects.filter(unused, pk=client.pk).update(last_used=now)
    Token.objects.create(
        digest=digest(token), client=client, grant=grant, scopes=" ".join(names), expires=now + LIFETIME
    )
    return token


# -- people -----------------------------------------------------------------------------------------------------------


def start_launch(client: Client, account: Account, patient: str, encounter: str = "") -> str:
    """The opaque token that tells an app which launch it belongs to."""
    token = new_secret()
    now = datetime.now(UTC)
    Launch.objects.filter(expires__lt=now).delete()
    Launch.objects.create(
        digest=digest(token),
        client=client,
        account=account,
        patient=patient,
        encounter=encounter,
        expires=now + LAUNCH,
    )
    return token


def find_launch(token: str, client: Client, account: Account) -> Launch:
    """The launch that this person began for this app. Raises OAuthError `invalid_request`."""
    found = Launch.objects.filter(
        digest=digest(token), client=client, account=account, expires__gt=datetime.now(UTC)
    ).first()
    if found is None:
        raise OAuthError("invalid_request", "the launch is not known or too old")
    return found


def end_launch(token: str) -> bool:
    """Use a launch up; False when somebody did so before."""
    return Launch.objects.filter(digest=digest(token)).delete()[0] > 0


def allow(consent: Consent) -> str:
    """Keep what the person allowed and return the authorization code."""
    code = new_secret()
    now = datetime.now(UTC)
    Grant.objects.create(
        client=consent.client,
        account=consent.account,
        scopes=" ".join(consent.scopes),
        patient=consent.patient,
        encounter=consent.encounter,
        redirect_uri=consent.redirect_uri,
        challenge=consent.challenge,
        nonce=consent.nonce,
        session=consent.session,
        code_digest=digest(code),
        code_expires=now + CODE,
    )
    return code


def exchange(client: Client, code: str, redirect_uri: str, verifier: str, base: str) -> Answer:
    """The tokens for a code. A code used twice ends what it gave (RFC 6749, 4.1.2). Raises OAuthError."""
    if not code or not redirect_uri or not verifier:
        raise OAuthError("invalid_request", "code, redirect_uri and code_verifier are required")
    with transaction.atomic():
        grant = Grant.objects.select_for_update().filter(code_digest=digest(code), client=client).first()
        if grant is not None and grant.code_used:
            end(grant)
            fault = "the code was used before"
        else:
            fault = _fault(grant, redirect_uri, verifier)
            if grant is not None:
                Grant.objects.filter(pk=grant.pk).update(code_used=True, ended=bool(fault) or grant.ended)
        if grant is not None and not fault:
            return _answer(grant, base, grant.scopes.split(), fresh=True)
    raise OAuthError("invalid_grant", fault)


def _fault(grant: Grant | None, redirect_uri: str, verifier: str) -> str:
    if grant is None:
        return "the code is not known"
    if grant.code_expires < datetime.now(UTC) or _over(grant):
        return "the code has expired"
    if grant.redirect_uri != redirect_uri:
        return "redirect_uri is not that of the authorization"
    if not _VERIFIER.fullmatch(verifier):
        return "code_verifier is malformed"
    given = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return "" if hmac.compare_digest(given, grant.challenge) else "code_verifier is wrong"


def refresh(client: Client | None, token: str, wanted: str, base: str) -> Answer:
    """New tokens for a refresh token, which is then used up; one used twice ends the grant. Raises OAuthError.

    client: None for a public one that did not say which it is; the token tells.
    """
    if not token:
        raise OAuthError("invalid_request", "refresh_token is required")
    with transaction.atomic():
        kept = (
            Refresh.objects.select_for_update(of=("self",))
            .select_related("grant", "grant__account", "grant__client")
            .filter(digest=digest(token), **({} if client is None else {"grant__client": client}))
            .first()
        )
        if kept is not None and client is None and not kept.grant.client.is_public:
            raise OAuthError("invalid_client", "the client must prove itself", 401)
        if kept is not None and kept.used:
            end(kept.grant)
        elif kept is not None and kept.expires > datetime.now(UTC) and not _over(kept.grant):
            names = _narrowed(kept.grant, wanted)
            Refresh.objects.filter(pk=kept.pk).update(used=True)
            idle.used(kept.grant.account)
            return _answer(kept.grant, base, names, fresh=False)
    raise OAuthError("invalid_grant", "the refresh token is not known, used, expired or revoked")


def _narrowed(grant: Grant, wanted: str) -> list[str]:
    """The scopes of a renewal: those granted, or fewer (RFC 6749, 6)."""
    granted = grant.scopes.split()
    if not wanted:
        return granted
    plain, data = scopes.split(wanted)
    limits = [scopes.read(s) for s in granted if s not in scopes.PLAIN]
    met = [str(one) for one in scopes.cut(data, limits)]
    if not set(plain) <= set(granted) or not {str(one) for one in scopes.merged(data)} <= set(met):
        raise OAuthError("invalid_scope", "a renewal cannot have more scopes than were granted")
    return [*plain, *met]


def _over(grant: Grant) -> bool:
    """Whether a grant has ended, or its person or app is shut out, or (online_access) its session has ended."""
    if grant.ended or not grant.account.is_active or not grant.client.is_active:
        return True
    if "online_access" in grant.scopes.split() and grant.session:
        return not Session.objects.filter(session_key=grant.session, expire_date__gt=datetime.now(UTC)).exists()
    return False


def end(grant: Grant) -> None:
    """End a grant and all tokens that it gave."""
    Grant.objects.filter(pk=grant.pk).update(ended=True)
    grant.tokens.all().delete()
    grant.refreshes.all().delete()


def _answer(grant: Grant, base: str, names: list[str], *, fresh: bool) -> Answer:
    """The token response (SMART App Launch 2, "obtain access token")."""
    now = datetime.now(UTC)
    answer: Answer = {
        "access_token": _token(grant.client, grant, names, now),
        "token_type": "Bearer",
        "expires_in": int(LIFETIME.total_seconds()),
        "scope": " ".join(names),
    }
    answer |= _context(grant)
    granted = grant.scopes.split()
    for scope, lifetime in (("offline_access", REFRESH), ("online_access", ONLINE)):
        if scope in granted:
            token = new_secret()
            Refresh.objects.create(digest=digest(token), grant=grant, expires=now + lifetime)
            answer["refresh_token"] = token
            break
    if "fhirUser" in names and (user := fhir_user(grant.account, base)):
        answer["fhirUser"] = user
    if "openid" in names:
        answer["id_token"] = _identity(grant, base, names, fresh=fresh)
    return answer


def _context(grant: Grant) -> Answer:
    """The launch context as apps are told it (SMART App Launch 2, "launch context arrives with your access_token")."""
    told: Answer = {"patient": grant.patient, "need_patient_banner": True} if grant.patient else {}
    return told | ({"encounter": grant.encounter} if grant.encounter else {})


def fhir_user(account: Account, base: str) -> str:
    """The address of the resource that the person is, or ""."""
    if account.practitioner:
        return f"{base}/fhir/Practitioner/{account.practitioner}"
    return f"{base}/fhir/Patient/{account.patient}" if account.patient else ""


def _identity(grant: Grant, base: str, names: list[str], *, fresh: bool) -> str:
    """The identity token (OpenID Connect Core, 2)."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": base,
        "sub": str(grant.account_id),
        "aud": grant.client_id,
        "iat": now,
        "exp": now + int(LIFETIME.total_seconds()),
        "auth_time": int(grant.at.timestamp()),
    }
    if fresh and grant.nonce:
        claims["nonce"] = grant.nonce
    if {"fhirUser", "profile"} & set(names) and (user := fhir_user(grant.account, base)):
        claims["fhirUser"] = user
    if "profile" in names:
        claims["name"] = grant.account.full_name
    return keys.sign(claims)


# -- later ------------------------------------------------------------------------------------------------------------


def revoke(client: Client, token: str) -> None:
    """End a token of this client, or with a refresh token all of its grant (RFC 7009); unknown ones are no error."""
    kept = Refresh.objects.select_related("grant").filter(digest=digest(token), grant__client=client).first()
    if kept is not None:
        end(kept.grant)
    Token.objects.filter(digest=digest(token), client=client).delete()


def introspect(client: Client, token: str, base: str) -> Answer:
    """What a token is good for (RFC 7662, SMART "token introspection"): active as long as the door takes it.

    A client is told of its own tokens, one with the scope `introspection` of everyone's. Scopes are those that the
    token has now: within what the person's desk may.
    """
    whose = {} if scopes.INTROSPECTION in client.scopes.split() else {"client": client}
    found = Token.objects.select_related("grant", "grant__account").filter(digest=digest(token), **whose).first()
    asker = asking.asker_of(token) if found else None
    if found is None or asker is None:
        return {"active": False}
    answer: Answer = {
        "active": True,
        "scope": found.scopes,
        "client_id": found.client_id,
        "token_type": "Bearer",
        "exp": int(found.expires.timestamp()),
        "iss": base,
    }
    grant = found.grant
    if grant is None:
        return answer | {"sub": found.client_id}
    plain, _data = scopes.split(found.scopes)
    answer |= {"scope": " ".join([*plain, *sorted(asker.scopes)]), "sub": str(grant.account_id)} | _context(grant)
    if "fhirUser" in plain and (user := fhir_user(grant.account, base)):
        answer["fhirUser"] = user
    return answer


def what_may(client: Client, account: Account, wanted: str) -> list[str]:
    """What an app that asks for these scopes can get from this person: within its registration and the desk.

    Raises OAuthError `invalid_scope` for scopes that are malformed, or when nothing on data is left of some.
    """
    plain, data = scopes.split(wanted)
    allowed_plain, allowed = scopes.split(client.scopes)
    if any(one.level == "system" for one in data):
        raise OAuthError("invalid_scope", "system scopes are not for apps that people use")
    met = scopes.cut(data, [one for one in allowed if one.level != "system"])
    own = [scopes.read(s) for s in ROLES[account.role].scopes]
    within = [one for scope in met for limit in own if (one := scopes.meet(scope, limit))]
    granted = [name for name in plain if name in allowed_plain and name != scopes.INTROSPECTION]
    if data and not within:
        raise OAuthError("invalid_scope", "none of the requested scopes is allowed to this app and this person")
    if not granted and not within:
        raise OAuthError("invalid_scope", "scope is required")
    return [*granted, *map(str, scopes.merged(within))]
