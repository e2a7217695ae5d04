"""Keeps every page behind a desk, logs what it read, and speaks the language that the person chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from django.utils.http import urlencode

from tuetinh.commons.access import sessions
from tuetinh.commons.access.api import asker, asker_of
from tuetinh.commons.access.pages import bad_request, forbidden
from tuetinh.commons.access.proof import fresh, policy
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.ui.api import is_at
from tuetinh.record import pace
from tuetinh.record.audit import REFUSED, given_out, note, one_request
from tuetinh.record.errors import TooMany
from tuetinh.record.origin import come_from
from tuetinh.record.postgresql.base import NODE
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

UNMARKED = frozenset[str]()


class DeskMiddleware:
    """Lets a request through to a view only for the roles that `desk` marked it with; fails closed.

    Anonymous people go to the login page; a view with no mark is refused to everyone. What `fresh` marked asks for a
    proof again when the last one is too long ago.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        """Return the refusal, or None to let the view answer."""
        del args
        roles: frozenset[str] | None = getattr(view, "desk_roles", UNMARKED)
        if roles is not None and (refusal := _refused(request, view, roles)) is not None:
            return refusal
        if _has_nul(request, kwargs):
            return bad_request(request)
        enter(asker(request) if request.user.is_authenticated else NODE)
        if roles is None or not request.user.is_authenticated:
            return None
        if request.method in ("GET", "HEAD") and (slow := _too_fast(request)) is not None:
            return slow
        sessions.touch(request)
        if not roles.issuperset(ROLES):
            if request.user.must_change_password:
                return redirect("access:password")
            if policy.needs_factor(request.user):
                return redirect("access:security")
        action = getattr(view, "fresh_for", "")
        return fresh.demand(request, action) if action and request.method == "POST" else None


def _refused(request: HttpRequest, view: Callable[..., object], roles: frozenset[str]) -> HttpResponse | None:
    """The answer to who may not open the page, whatever they send."""
    if not request.user.is_authenticated:
        return _to_login(request)
    if request.user.role not in roles or not is_at(getattr(view, "desk_at", ""), request.user.facility):
        return forbidden(request)
    return None


def _too_fast(request: HttpRequest) -> HttpResponse | None:
    """The answer to whoever opens more pages than a person does (`record.pace`), else None."""
    try:
        pace.read(asker(request))
    except TooMany as error:
        response = render(request, "access/fast.html", {"seconds": error.seconds}, status=429)
        response["Retry-After"] = str(error.seconds)
        return response
    return None


def _has_nul(request: HttpRequest, kwargs: dict[str, object]) -> bool:
    """Tell whether some input carries U+0000, which no text of PostgreSQL may hold and no person types."""
    forms = [request.GET]
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        forms.append(request.POST)
    values = [str(value) for value in kwargs.values()]
    values += [text for form in forms for name, texts in form.lists() for text in (name, *texts)]
    return any("\x00" in str(value) for value in values)


def _to_login(request: HttpRequest) -> HttpResponse:
    """Ask to log in; a part of a page (HTMX) makes the whole page go there, and comes back to that page."""
    is_part = request.headers.get("HX-Request") == "true"
    back = request.headers.get("HX-Current-URL", "/") if is_part else request.get_full_path()
    url = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}"
    if is_part:
        return HttpResponse(status=401, headers={"HX-Redirect": url})
    return redirect(url)


class AccessLogMiddleware:
    """Logs what a page has read as one look at each patient, and who was refused a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        here = come_from(
            str(request.META.get("REMOTE_ADDR") or ""),
            request.headers.get("X-Forwarded-For", ""),
            request.headers.get("User-Agent", ""),
        )
        if request.META.get("QUERY_STRING"):
            here.ask(request.get_full_path())
        with one_request(here):
            response = self.get_response(request)
            if response.status_code == 403 and request.user.is_authenticated:
                here.ask(request.get_full_path())
                note(asker_of(request.user), "page", "", "", None, outcome=REFUSED, reason="desk")
            elif response.status_code == 200 and (action := _given_out(response)):
                here.ask(request.get_full_path())
                if not given_out(action) and request.user.is_authenticated:
                    note(asker_of(request.user), action, "", "", None)
            return response


def _given_out(response: HttpResponse) -> str:
    """How an answer leaves the house: printed, or as a file; "" for a page."""
    if response.get("Content-Type", "").startswith("application/pdf"):
        return "print"
    return "export" if response.get("Content-Disposition", "").startswith("attachment") else ""


class NothingKeptMiddleware:
    """Has browsers and proxies keep nothing of what somebody who is logged in was shown (OWASP ASVS 4, 8.2.1)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.user.is_authenticated and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response


class LanguageMiddleware:
    """Vietnamese unless the person chose another language: a browser's own language does not decide."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        if language not in dict(settings.LANGUAGES):
            language = settings.LANGUAGE_CODE
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response
