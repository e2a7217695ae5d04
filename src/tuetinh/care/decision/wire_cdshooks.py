"""CDS Hooks 2.0: discovery, calls and feedback of the registered services, in the standard's JSON.

Discovery is for everyone, from every origin. Calls and feedback need a Bearer token of `/oauth/token`; browsers may
make them from the pages of registered apps. Refusals are a status and `{"error": …}`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.care.decision.api import Call, Card, Service, find, services
from tuetinh.commons.access.api import bearer_of, open_to_all
from tuetinh.record.asker import Asker

OUTCOMES = frozenset({"accepted", "overridden"})
EVERYONE = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS"}
Reader = Callable[[Service, Asker, dict[str, Any]], HttpResponse]


class Refused(ValueError):
    """A request that is not what the standard asks: what is wrong, and the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@open_to_all
@csrf_exempt
@require_http_methods(["GET", "HEAD", "OPTIONS"])
def discovery(request: HttpRequest) -> HttpResponse:
    """GET /cds-services: every service with its hook and prefetch templates."""
    if request.method == "OPTIONS":
        asked = request.headers.get("Access-Control-Request-Headers", "")
        return HttpResponse(status=204, headers=EVERYONE | ({"Access-Control-Allow-Headers": asked} if asked else {}))
    return JsonResponse({"services": [_offered(one) for one in services()]}, headers=EVERYONE)


def _offered(one: Service) -> dict[str, Any]:
    offered = {"hook": one.hook, "title": one.title, "description": one.description, "id": one.id}
    more = {"prefetch": dict(one.prefetch), "usageRequirements": one.usage}
    return offered | {name: value for name, value in more.items() if value}


def _called(view: Reader) -> Callable[[HttpRequest, str], HttpResponse]:
    """A POST to a known service, by someone who is known, with a JSON object; everything else is refused."""

    @open_to_all
    @csrf_exempt
    @require_POST
    @wraps(view)
    def wrapper(request: HttpRequest, id_: str) -> HttpResponse:
        known = find(id_)
        if known is None:
            return _refusal(f"there is no service {id_[:64]!r}", 404)
        asker = bearer_of(request)
        if asker is None:
            return _refusal("who calls is not known: send a Bearer token", 401, {"WWW-Authenticate": "Bearer"})
        try:
            return view(known, asker, _body(request))
        except Refused as error:
            return _refusal(str(error), error.status)

    return wrapper


def _refusal(text: str, status: int, headers: Mapping[str, str] | None = None) -> JsonResponse:
    return JsonResponse({"error": text}, status=status, headers=dict(headers or {}))


def _body(request: HttpRequest) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise Refused("the body is application/json", 415)
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refused("the body is no JSON object")
    return body


@_called
def service(known: Service, asker: Asker, body: dict[str, Any]) -> HttpResponse:
    """POST /cds-services/id: the cards for what is happening."""
    cards = known.answer(read_call(known, asker, body))
    return JsonResponse({"cards": [card_json(card) for card in cards]})


def read_call(known: Service, asker: Asker, body: Mapping[str, Any]) -> Call:
    """Read "HTTP Request" of a call. Raises Refused; 412 where something that is to be sent along is missing."""
    if body.get("hook") != known.hook:
        raise Refused(f"hook: this service is for {known.hook}")
    try:
        instance = str(uuid.UUID(str(body.get("hookInstance"))))
    except ValueError:
        raise Refused("hookInstance: is no UUID") from None
    context, prefetch = body.get("context"), body.get("prefetch") or {}
    if not isinstance(context, dict):
        raise Refused("context: is no object")
    if not isinstance(prefetch, dict):
        raise Refused("prefetch: is no object")
    if missing := [key for key in known.prefetch if key not in prefetch]:
        raise Refused(f"prefetch: {', '.join(missing)} did not come along", 412)
    return Call(asker, known.hook, instance, context, prefetch)


def card_json(card: Card) -> dict[str, Any]:
    """A card as the standard has it ("Card Attributes"), with an id of its own for feedback."""
    label, url = card.source
    told: dict[str, Any] = {
        "uuid": str(uuid.uuid4()),
        "summary": card.summary,
        "detail": card.detail,
        "indicator": card.indicator,
        "source": {"label": label} | ({"url": url} if url else {}),
        "suggestions": [dict(one) for one in card.suggestions],
        "selectionBehavior": card.selection,
        "links": [dict(one) for one in card.links],
    }
    return {name: value for name, value in told.items() if value}


@_called
def feedback(known: Service, asker: Asker, body: dict[str, Any]) -> HttpResponse:
    """POST /cds-services/id/feedback: what became of the cards."""
    told = body.get("feedback")
    if not isinstance(told, list) or not all(isinstance(one, dict) and one.get("card") for one in told):
        raise Refused("feedback: is no list of what became of each card")
    if wrong := [one for one in told if one.get("outcome") not in OUTCOMES]:
        raise Refused(f"feedback: {wrong[0]['card']!r} is neither accepted nor overridden")
    if known.heard is not None:
        known.heard(asker, told)
    return HttpResponse(status=200)
