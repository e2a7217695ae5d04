"""The relying party of each provider: where to send people, and what its answer says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.django_client.apps import DjangoOAuth2App
from authlib.integrations.django_client.integration import DjangoIntegration
from joserfc.errors import JoseError

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.outside.administering import PURPOSE, check_address
from tuetinh.record import seals

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from tuetinh.commons.access.models import Provider

KEEP = 3600.0  # seconds for which metadata and keys are believed; an unknown key makes us look again at once
SECONDS = 10  # that a provider may take
LEEWAY = 60  # seconds between its clock and ours
# Signatures that only the provider can make; one with a secret that we share, or none, would prove nothing.
ALGORITHMS = frozenset(
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
)
Claims = dict[str, Any]

_parties: dict[tuple[object, ...], tuple[float, DjangoOAuth2App]] = {}


def begin(request: HttpRequest, provider: Provider, back: str, **more: Any) -> HttpResponse:
    """Send the browser to the provider, with state, nonce and PKCE kept in its session.

    back: our address that it returns to. more: parameters of the request, as `prompt`. Raises AccessError `outside`.
    """
    try:
        return cast("HttpResponse", _party(provider).authorize_redirect(request, back, **more))
    except (requests.RequestException, OAuthError, RuntimeError, ValueError) as error:
        raise AccessError("outside") from error


def finish(request: HttpRequest, provider: Provider, *needed: str) -> tuple[Claims, str]:
    """What the provider says of whoever comes back, and its identity token. Raises AccessError `outside`.

    Checked are state, PKCE, and of the token signature, iss, aud, azp, exp, nonce (OpenID Connect Core, 3.1.3.7).
    needed: claims that are fetched from its userinfo endpoint where the token has them not.
    """
    options = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
    }
    try:
        party = _party(provider)
        _check_issuer(request, party, provider)
        token = party.authorize_access_token(request, claims_options=options, leeway=LEEWAY)
        claims: Claims = dict(token.get("userinfo") or {})
        if not claims.get("sub") or (isinstance(claims["aud"], list) and claims["aud"] != [provider.client_id]):
            raise AccessError("outside")
        if any(name not in claims for name in needed) and "userinfo_endpoint" in party.server_metadata:
            told = dict(party.userinfo(token=token))
            claims = (told if told.get("sub") == claims["sub"] else {}) | claims
    except (requests.RequestException, OAuthError, JoseError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise AccessError("outside") from error
    return claims, str(token["id_token"])


def logout_url(provider: Provider, id_token: str, back: str) -> str:
    """Where the browser logs out of the provider (RP-Initiated Logout 1.0), or "" where it offers no such place."""
    try:
        told = _party(provider).create_logout_url(back, id_token, client_id=provider.client_id)
        return str(told["url"])
    except (requests.RequestException, OAuthError, RuntimeError, ValueError, AccessError):
        return ""


def _party(provider: Provider) -> DjangoOAuth2App:
    """The relying party of a provider with its metadata, made anew each hour and when the provider is changed."""
    key = (provider.pk, provider.issuer, provider.client_id, bytes(provider.secret))
    until, party = _parties.get(key, (0.0, None))
    if party is None or until < time.monotonic():
        party = _made(provider)
        _parties[key] = (time.monotonic() + KEEP, party)
    return party


def _made(provider: Provider) -> DjangoOAuth2App:
    issuer = check_address(provider.issuer)
    secret = seals.unseal(PURPOSE, provider.secret) if provider.secret else None
    party = DjangoOAuth2App(
        DjangoIntegration(provider.pk),
        name=provider.pk,
        client_id=provider.client_id,
        client_secret=secret.decode() if secret else None,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile", "code_challenge_method": "S256", "default_timeout": SECONDS},
    )
    metadata = party.load_server_metadata()
    if metadata.get("issuer") != provider.issuer:  # OpenID Connect Discovery, 4.3
        raise ValueError("the metadata are another issuer's")
    offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    metadata["id_token_signing_alg_values_supported"] = [one for one in offered if one in ALGORITHMS]
    return party


def _check_issuer(request: HttpRequest, party: DjangoOAuth2App, provider: Provider) -> None:
    """That the answer is this provider's and was not mixed up with another one's (RFC 9207, 2.4)."""
    told = request.GET.get("iss")
    expected = party.server_metadata.get("authorization_response_iss_parameter_supported")
    if (told is None and expected) or (told is not None and told != provider.issuer):
        raise ValueError("the answer is another issuer's")
