"""Connected systems and apps: made, and proved by secret or by a signed assertion (RFC 7521, RFC 7523, SMART)."""

from __future__ import annotations

import hmac
import json
import re
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from django.db import IntegrityError, transaction
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from tuetinh.commons.access.models import Assertion, Client, Token
from tuetinh.commons.access.oauth.words import OAuthError, digest, new_secret

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("ES384", "RS384")
LONGEST = 300  # seconds that an assertion may live (SMART: at most five minutes)
LEEWAY = 30
KEYS_LIMIT = 64 * 1024
KEYS_SECONDS = 3600.0  # for which fetched keys are believed
KEYS_AGAIN = 30.0  # before a `kid` that is not known makes us look again
MOST_KEYS = 20
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)

_fetched: dict[str, tuple[float, float, dict[str, Any]]] = {}  # by address: when, believed for how long, the keys


class Proof(NamedTuple):
    """What a client sent to prove itself. assertion: a signed JWT, else id and secret; audience: who it must name."""

    client_id: str
    secret: str = ""
    assertion: str = ""
    audience: str = ""


def create_client(id_: str, name: str, *, scopes: str = "system/*.cruds", facility: str = "") -> str:
    """Make or renew a connected system and return its secret, which is told this once only."""
    secret = new_secret()
    fields = {"name": name, "scopes": scopes, "facility": facility, "secret_digest": digest(secret), "is_active": True}
    Client.objects.update_or_create(id=id_, defaults=fields)
    Token.objects.filter(client_id=id_).delete()
    return secret


def prove(proof: Proof, *, public: bool = False) -> Client:
    """Return the client that the proof is of. Raises OAuthError `invalid_client`.

    public: a client that has nothing to prove itself by is taken by its id alone.
    """
    if proof.assertion:
        return _by_assertion(proof)
    client = Client.objects.filter(id=proof.client_id, is_active=True).first()
    if client and client.is_public and public and not proof.secret:
        return client
    known = bytes(client.secret_digest) if client and client.secret_digest else bytes(32)
    if not hmac.compare_digest(digest(proof.secret), known) or not client:
        raise OAuthError("invalid_client", "unknown client or wrong secret", 401)
    return client


def _by_assertion(proof: Proof) -> Client:
    """RFC 7523, 3: signature, iss, sub, aud, exp and a jti that was not used before."""
    try:
        header = jws.extract_compact(proof.assertion.encode()).headers()
        claimed = json.loads(jws.extract_compact(proof.assertion.encode()).payload)
    except (JoseError, ValueError, TypeError):
        raise _refused("the assertion is no signed JWT") from None
    issuer = claimed.get("iss") if isinstance(claimed, dict) else None
    if not isinstance(issuer, str) or "\0" in issuer or (proof.client_id and proof.client_id != issuer):
        raise _refused("iss must be the client's id")
    client = Client.objects.filter(id=issuer, is_active=True).first()
    if client is None or not (client.jwks or client.jwks_url):
        raise _refused("the client is not known, or not by keys")
    if header.get("alg") not in ALGORITHMS:
        raise _refused(f"the algorithm must be one of {', '.join(ALGORITHMS)}")
    key = _key(client, header)
    try:
        claims = jwt.decode(proof.assertion, key, algorithms=[str(header["alg"])]).claims
    except (JoseError, ValueError, TypeError):
        raise _refused("the signature is wrong") from None
    _check(claims, client, proof.audience)
    return client


def _check(claims: dict[str, Any], client: Client, audience: str) -> None:
    """What the claims must say, and that their jti is new; raises OAuthError."""
    now = time.time()
    expires, jti, aud = claims.get("exp"), claims.get("jti"), claims.get("aud")
    if claims.get("iss") != client.pk or claims.get("sub") != client.pk:
        raise _refused("iss and sub must be the client's id")
    if audience not in (aud if isinstance(aud, list) else [aud]):
        raise _refused("aud must be the address of the token endpoint")
    if isinstance(expires, bool) or not isinstance(expires, int | float) or not abs(expires) < 1e11:
        raise _refused("exp is missing")
    if expires < now - LEEWAY:
        raise _refused("the assertion has expired")
    if expires > now + LONGEST + LEEWAY:
        raise _refused("exp must be within five minutes")
    for name in ("nbf", "iat"):
        moment = claims.get(name, 0)
        if isinstance(moment, bool) or not isinstance(moment, int | float) or moment > now + LEEWAY:
            raise _refused(f"{name} is in the future")
    if not isinstance(jti, str) or not 0 < len(jti) <= 255:
        raise _refused("jti is missing")
    Assertion.objects.filter(expires__lt=datetime.fromtimestamp(now - 2 * LEEWAY, UTC)).delete()
    try:
        with transaction.atomic():
            Assertion.objects.create(client=client, digest=digest(jti), expires=datetime.fromtimestamp(expires, UTC))
    except IntegrityError:
        raise _refused("this jti was used before") from None


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, 401)


# -- keys -------------------------------------------------------------------------------------------------------------


def _key(client: Client, header: dict[str, Any]) -> ECKey | RSAKey:
    """The client's key that the header names. An unknown `kid` makes us look for new keys, but not at once again."""
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise _refused("the header names no kid")
    if header.get("jku", client.jwks_url) != client.jwks_url:
        raise _refused("jku is not the address of keys that the client is registered with")
    if client.jwks:
        found = _find(client.jwks, kid)
    else:
        found = _find(_fetch(client.jwks_url, KEYS_SECONDS), kid)
        if found is None:
            found = _find(_fetch(client.jwks_url, KEYS_AGAIN), kid)
    wanted = ECKey if header["alg"] == "ES384" else RSAKey
    if not isinstance(found, wanted):
        raise _refused("no key of the client has this kid")
    return found


def _find(keys: dict[str, Any], kid: str) -> ECKey | RSAKey | None:
    for one in keys["keys"]:
        if one.get("kid") == kid:
            return _import(one)
    return None


def _import(key: dict[str, Any]) -> ECKey | RSAKey:
    """A public key strong enough for its algorithm. Raises OAuthError `invalid_client`."""
    try:
        found = KeySet.import_key_set({"keys": [key]}).keys[0]
        if isinstance(found, ECKey) and found.curve_name == "P-384":
            return found
        if isinstance(found, RSAKey) and found.public_key.key_size >= 2048:
            return found
    except (JoseError, ValueError, TypeError, KeyError):
        pass
    raise _refused("the key is neither RSA of 2048 bits nor EC of P-384")


def check_keys(keys: object) -> dict[str, Any]:
    """The JWKS of a client with public keys only. Raises ValueError when it has none, bad ones, or a private one."""
    listed = keys.get("keys") if isinstance(keys, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_KEYS:
        raise ValueError("no keys")
    for one in listed:
        if not isinstance(one, dict) or not isinstance(one.get("kid"), str) or "d" in one or "k" in one:
            raise ValueError("a key without kid, or one that is not public")
    return {"keys": listed}


def check_keys_url(url: str) -> str:
    """The address of a client's keys: https, or http on this very machine. Raises ValueError."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.fragment or not parts.hostname:
        raise ValueError("not an address of keys")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise ValueError("keys come by https")
    return url


def _fetch(url: str, believed: float) -> dict[str, Any]:
    """The keys at an address, kept for so many seconds, or fewer if it says so. Raises OAuthError `invalid_client`."""
    at, longest, keys = _fetched.get(url, (0.0, 0.0, {}))
    if keys and time.monotonic() - at < min(believed, longest):
        return keys
    try:
        with httpx.stream("GET", check_keys_url(url), timeout=5, headers={"accept": "application/json"}) as answer:
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > KEYS_LIMIT:
                    raise ValueError("too large")
            if answer.status_code != 200:  # a redirect is not followed: the administrator named this address
                raise ValueError("not there")
            longest = _kept_for(answer.headers.get("cache-control", ""))
        keys = check_keys(json.loads(body))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        raise _refused("the client's keys cannot be fetched") from None
    _fetched[url] = (time.monotonic(), longest, keys)
    return keys


def _kept_for(cache_control: str) -> float:
    """For how many seconds keys may be kept, as their sender says (SMART: never longer)."""
    if re.search(r"\bno-(?:store|cache)\b", cache_control, re.IGNORECASE):
        return 0.0
    told = _MAX_AGE.search(cache_control)
    return min(float(told[1]), KEYS_SECONDS) if told else KEYS_SECONDS
