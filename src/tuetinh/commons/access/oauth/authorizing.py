"""The pages where a person lets an app in: launch from a person's page, and the consent (RFC 6749, 4.1; SMART)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_deny
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.commons.access.api import asker, desk, signed_in
from tuetinh.commons.access.models import Account, Client
from tuetinh.commons.access.oauth import grants, plain_words
from tuetinh.commons.access.oauth.endpoints import base_of
from tuetinh.commons.access.oauth.words import OAuthError
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.identity import api as identity
from tuetinh.record import api as record
from tuetinh.record.errors import RecordError

if TYPE_CHECKING:
    from django.http import QueryDict

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
MOST = 500  # characters of state and nonce


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorization request that is in order. scopes: what would be granted; picks: the person chooses whom."""

    scopes: list[str]
    patient: str = ""
    encounter: str = ""
    picks: bool = False


@signed_in
@never_cache
@xframe_options_deny
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Ask the person whether the app may; the answer goes to the app's own address only.

    An unknown app or address is refused here, for there is nobody safe to send the person back to.
    """
    wanted = request.GET
    client = Client.objects.filter(pk=wanted.get("client_id", ""), is_active=True).first()
    address = wanted.get("redirect_uri", "")
    if client is None or not address or address not in _addresses(request, client):
        return render(request, "access/app_unknown.html", status=400)
    try:
        asked = _read(request, client, wanted)
        if request.method == "POST":
            return _decided(request, client, asked)
    except OAuthError as error:
        return _back(request, {"error": error.code, "error_description": error.description})
    return _ask(request, client, asked)


def _addresses(request: HttpRequest, client: Client) -> list[str]:
    """The addresses that the app registered, those of this node in full."""
    return [f"{base_of(request)}{uri}" if uri.startswith("/") else uri for uri in client.redirect_uris.split()]


def _read(request: HttpRequest, client: Client, wanted: QueryDict) -> Asked:
    """Check the request. Raises OAuthError."""
    if any(len(values) > 1 for name, values in wanted.lists() if name != "q"):
        raise OAuthError("invalid_request", "parameters come once")
    if wanted.get("response_type") != "code":
        code = "unsupported_response_type" if wanted.get("response_type") else "invalid_request"
        raise OAuthError(code, "response_type must be code")
    if not 0 < len(wanted.get("state", "")) <= MOST or len(wanted.get("nonce", "")) > 200:
        raise OAuthError("invalid_request", "state is required")
    if wanted.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(wanted.get("code_challenge", "")):
        raise OAuthError("invalid_request", "code_challenge with code_challenge_method S256 is required")
    if wanted.get("aud", "").rstrip("/") != f"{base_of(request)}/fhir":
        raise OAuthError("invalid_request", "aud must be the address of this FHIR server")
    scopes = grants.what_may(client, _account(request), wanted.get("scope", ""))
    return _context(request, client, wanted, scopes)


def _context(request: HttpRequest, client: Client, wanted: QueryDict, scopes: list[str]) -> Asked:
    """Whom the app is to be about. Raises OAuthError."""
    me = _account(request)
    is_citizen = ROLES[me.role].level == "patient"
    token = wanted.get("launch", "")
    if bool(token) is not ("launch" in scopes):
        raise OAuthError("invalid_request", "the scope launch and the parameter launch belong together")
    if token:
        begun = grants.find_launch(token, client, me)
        return Asked(scopes, begun.patient, begun.encounter)
    if "launch/patient" not in scopes and not any(scope.startswith("patient/") for scope in scopes):
        return Asked(scopes)
    if is_citizen:
        if not me.patient:
            raise OAuthError("access_denied", "this account has no health record")
        return Asked(scopes, me.patient)
    if "launch/patient" not in scopes:
        raise OAuthError("invalid_scope", "patient scopes need launch or launch/patient")
    return Asked(scopes, picks=True)


def _ask(request: HttpRequest, client: Client, asked: Asked, status: int = 200) -> HttpResponse:
    """The consent page; with a search where the person chooses whom the app is about."""
    found = []
    text = request.GET.get("q", "")[:100]
    if asked.picks and text:
        try:
            found = identity.find_people(asker(request), text, limit=8)
        except RecordError:
            found = []
    about = ""
    if asked.patient:
        try:
            about = identity.banner(asker(request), asked.patient).name
        except RecordError:
            return _back(request, {"error": "access_denied", "error_description": "the person is not known here"})
    context = {
        "client": client,
        "sentences": plain_words.sentences(asked.scopes),
        "asked": asked,
        "about": about,
        "found": found,
        "q": text,
        "kept": [(name, value) for name, value in request.GET.items() if name != "q"],
        "host": urlsplit(request.GET["redirect_uri"]).netloc,
    }
    return render(request, "access/consent.html", context, status=status)


def _decided(request: HttpRequest, client: Client, asked: Asked) -> HttpResponse:
    """Send the person back with a code, or with the refusal."""
    if request.POST.get("decision") != "allow":
        return _back(request, {"error": "access_denied", "error_description": "the person said no"})
    patient = asked.patient
    if asked.picks:
        patient = request.POST.get("patient", "")
        if not _exists(request, patient):
            return _ask(request, client, asked, status=422)
    if token := request.GET.get("launch", ""):
        grants.find_launch(token, client, _account(request))
        if not grants.end_launch(token):
            raise OAuthError("invalid_request", "the launch was used before")
    consent = grants.Consent(
        client=client,
        account=_account(request),
        scopes=tuple(asked.scopes),
        redirect_uri=request.GET["redirect_uri"],
        challenge=request.GET["code_challenge"],
        patient=patient,
        encounter=asked.encounter,
        nonce=request.GET.get("nonce", ""),
        session=request.session.session_key or "",
    )
    return _back(request, {"code": grants.allow(consent)})


def _exists(request: HttpRequest, patient: str) -> bool:
    try:
        record.read(asker(request), "Patient", patient)
    except RecordError:
        return False
    return True


def _back(request: HttpRequest, answer: dict[str, str]) -> HttpResponse:
    """To the app's address, checked before, with its state and who answers (RFC 9207, against mix-up)."""
    address = request.GET["redirect_uri"]
    state = request.GET.get("state", "")
    pairs = answer | ({"state": state} if state else {}) | {"iss": base_of(request)}
    response = redirect(f"{address}{'&' if '?' in address else '?'}{urlencode(pairs)}")
    response["Referrer-Policy"] = "no-referrer"
    patch_vary_headers(response, ["Cookie"])
    return response


@desk("doctor", "nurse", "station")
@never_cache
@require_POST
def launch(request: HttpRequest, client_id: str) -> HttpResponse:
    """Begin an app about the person on whose page the button was pressed (SMART App Launch 2, EHR launch)."""
    me = _account(request)
    client = Client.objects.filter(pk=client_id, is_active=True).exclude(launch_url="").first()
    patient, encounter = request.POST.get("patient", ""), request.POST.get("encounter", "")
    if client is None or not _exists(request, patient):
        raise Http404
    if encounter and not _is_visit(request, patient, encounter):
        raise Http404
    token = grants.start_launch(client, me, patient, encounter)
    address = f"{base_of(request)}{client.launch_url}" if client.launch_url.startswith("/") else client.launch_url
    return redirect(f"{address}?{urlencode({'iss': f'{base_of(request)}/fhir', 'launch': token})}")


def _is_visit(request: HttpRequest, patient: str, encounter: str) -> bool:
    """Whether this is a visit of the person."""
    try:
        found = record.read(asker(request), "Encounter", encounter)
    except RecordError:
        return False
    subject = getattr(found, "subject", None)
    return subject is not None and subject.reference == f"Patient/{patient}"


def _account(request: HttpRequest) -> Account:
    return request.user  # type: ignore[return-value]
