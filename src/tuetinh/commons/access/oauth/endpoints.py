"""The endpoints that programs call: token, revoke, introspect, keys, configuration."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from tuetinh.commons.access import limits
from tuetinh.commons.access.api import open_to_all
from tuetinh.commons.access.models import Client
from tuetinh.commons.access.oauth import asking, configuration, grants, keys
from tuetinh.commons.access.oauth.clients import ASSERTION, Proof, prove
from tuetinh.commons.access.oauth.scopes import INTROSPECTION
from tuetinh.commons.access.oauth.words import LIFETIME, OAuthError
from tuetinh.commons.access.proof import attempts, noting

CALLS_AN_HOUR = 20_000  # of one client: tokens live for an hour, so nobody needs as many


def base_of(request: HttpRequest) -> str:
    """The address of the node as the client sees it."""
    return request.build_absolute_uri("/")[:-1]


@open_to_all
@csrf_exempt
@never_cache
@sensitive_post_parameters()
@require_POST
def token(request: HttpRequest) -> JsonResponse:
    """OAuth 2.0 token endpoint: systems by client_credentials, apps by code and refresh token (RFC 6749, 3.2)."""
    try:
        answer = _token(request)
    except OAuthError as error:
        return refusal(request, error)
    return JsonResponse(answer, headers={"Pragma": "no-cache"})


def _token(request: HttpRequest) -> grants.Answer:
    if request.GET or any(len(values) > 1 for _, values in request.POST.lists()):
        raise OAuthError("invalid_request", "parameters come once, and in the body")  # RFC 6749, 3.2
    form = request.POST
    kind, base = form.get("grant_type", ""), base_of(request)
    if kind == "client_credentials":
        access, scopes = grants.issue(_proved(request, public=False), form.get("scope", ""))
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
            "scope": " ".join(scopes),
        }
    if kind == "refresh_token" and _proof(request) == Proof(""):
        # A public app proves nothing by its id, and SMART's own client does not send it (SMART App Launch 2, 4.1).
        return grants.refresh(None, form.get("refresh_token", ""), form.get("scope", ""), base)
    client = _proved(request)
    if kind == "authorization_code":
        return grants.exchange(
            client, form.get("code", ""), form.get("redirect_uri", ""), form.get("code_verifier", ""), base
        )
    if kind == "refresh_token":
        return grants.refresh(client, form.get("refresh_token", ""), form.get("scope", ""), base)
    code = "unsupported_grant_type" if kind else "invalid_request"
    raise OAuthError(code, "grant_type must be authorization_code, refresh_token or client_credentials")


@open_to_all
@csrf_exempt
@sensitive_post_parameters()
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """End a token (RFC 7009); the client proves itself first."""
    try:
        grants.revoke(_proved(request), request.POST.get("token", ""))
    except OAuthError as error:
        return refusal(request, error)
    return HttpResponse(status=200)


@open_to_all
@csrf_exempt
@never_cache
@sensitive_post_parameters()
@require_POST
def introspect(request: HttpRequest) -> JsonResponse:
    """What a token is good for (RFC 7662). The client proves itself first, or by a token that may introspect."""
    try:
        client = _introspecting(request)
        if not (asked := request.POST.get("token", "")):
            raise OAuthError("invalid_request", "token is required")
    except OAuthError as error:
        return refusal(request, error)
    return JsonResponse(grants.introspect(client, asked, base_of(request)))


def _introspecting(request: HttpRequest) -> Client:
    """Who asks: by its own proof, so that a public client cannot, or by a Bearer token (RFC 7662, 2.1 and 2.3)."""
    if not request.headers.get("Authorization", "").lower().startswith("bearer "):
        return _proved(request, public=False)
    asker = asking.bearer_of(request)
    if asker is None:
        raise OAuthError("invalid_token", "the token is not known, expired or revoked", 401)
    if INTROSPECTION not in asker.scopes:
        raise OAuthError("insufficient_scope", f"the token needs the scope {INTROSPECTION}", 401)
    _spend(asker.client)
    return Client.objects.get(pk=asker.client)


@open_to_all
@require_GET
def jwks(request: HttpRequest) -> JsonResponse:
    """The keys that identity tokens are signed by."""
    del request
    return JsonResponse(keys.public_keys(), headers={"Cache-Control": "max-age=3600"})


@open_to_all
@require_GET
def smart_configuration(request: HttpRequest) -> JsonResponse:
    """Where tokens come from and which scopes there are (SMART App Launch 2, conformance)."""
    return JsonResponse(configuration.smart_configuration(base_of(request)))


@open_to_all
@require_GET
def openid_configuration(request: HttpRequest) -> JsonResponse:
    """The same for clients of OpenID Connect."""
    return JsonResponse(configuration.openid_configuration(base_of(request)))


def refusal(request: HttpRequest, error: OAuthError) -> JsonResponse:
    """An error as RFC 6749, 5.2 has it."""
    body = {"error": error.code, "error_description": error.description}
    headers = {"Pragma": "no-cache", "Cache-Control": "no-store"}
    if error.wait:
        headers["Retry-After"] = str(error.wait)
    if error.code in ("invalid_token", "insufficient_scope"):
        headers["WWW-Authenticate"] = f'Bearer realm="tuetinh", error="{error.code}"'  # RFC 6750, 3
    elif error.status == 401 and not request.POST.get("client_assertion"):
        headers["WWW-Authenticate"] = 'Basic realm="tuetinh"'
    return JsonResponse(body, status=error.status, headers=headers)


def _proved(request: HttpRequest, *, public: bool = True) -> Client:
    """The client that has proved itself; who fails too often at one address waits there. Raises OAuthError."""
    proof = _proof(request)
    who = f"client {proof.client_id} {limits.network_of(request)}"
    try:
        attempts.check(request, who)
        client = prove(proof, public=public)
    except limits.Slow as slow:
        raise OAuthError("slow_down", "too many requests, or too many that failed", 429, slow.seconds) from None
    except OAuthError as error:
        attempts.failed(request, who)
        noting.system_turned_away(proof.client_id, error.code)
        raise
    _spend(client.pk)
    return client


def _spend(client: str) -> None:
    try:
        limits.spend("client", client, CALLS_AN_HOUR)
    except limits.Slow as slow:
        raise OAuthError("slow_down", "too many requests", 429, slow.seconds) from None


def _proof(request: HttpRequest) -> Proof:
    """How the client proves itself: one way only (RFC 6749, 2.3)."""
    form = request.POST
    header = request.headers.get("Authorization", "")
    given = ("client_secret" in form) + bool(header) + ("client_assertion" in form or "client_assertion_type" in form)
    if given > 1:
        raise OAuthError("invalid_request", "use one way of client authentication only")
    if "client_assertion" in form or "client_assertion_type" in form:
        if form.get("client_assertion_type") != ASSERTION or not form.get("client_assertion"):
            raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION}")
        audience = f"{base_of(request)}/oauth/token"
        return Proof(form.get("client_id", ""), assertion=form["client_assertion"], audience=audience)
    if not header:
        return Proof(form.get("client_id", ""), form.get("client_secret", ""))
    scheme, _space, value = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, _colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise OAuthError("invalid_client", "the Authorization header is not Basic credentials", 401) from None
    name = unquote_plus(name).replace("\x00", "")
    if form.get("client_id", name) != name:
        raise OAuthError("invalid_request", "client_id is not that of the Authorization header")
    return Proof(name, unquote_plus(secret))
