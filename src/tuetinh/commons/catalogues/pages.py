"""Type-ahead of the desks: JSON for the combobox of the pages, a list of options for HTMX."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext, gettext_lazy
from django.views.decorators.http import require_GET

from tuetinh.commons.access.api import asker, desk

from . import api

STAFF = (
    "reception",
    "doctor",
    "nurse",
    "lab",
    "imaging",
    "pharmacist",
    "cashier",
    "archivist",
    "station",
    "official",
    "admin",
)
CONTROLLED = {"GN": gettext_lazy("gây nghiện"), "HT": gettext_lazy("hướng thần")}
_LONGEST = 200  # of what is typed
_MOST = 20
_WIDE = 200  # services that are looked through for those of a kind
Option = dict[str, str]


def _option(value: str, label: str, *, code: str = "", hint: str = "", pill: str = "", tone: str = "") -> Option:
    """A line of the list: `value` goes into the form, `code` stands before the label, `hint` and `pill` after it."""
    return {"value": value, "code": code, "label": label, "hint": hint, "pill": pill, "tone": tone}


def _answer(request: HttpRequest, find: Callable[[str], list[Option]]) -> HttpResponse:
    typed = request.GET.get("q", "")[:_LONGEST].strip()
    options = find(typed) if typed else []
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse(options, safe=False)
    return render(request, "catalogues/options.html", {"options": options})


@require_GET
@desk(*STAFF)
def icd10(request: HttpRequest) -> HttpResponse:
    """Diagnoses by code or name."""

    def find(typed: str) -> list[Option]:
        english = (get_language() or "vi").startswith("en")
        return [
            _option(
                e.code,
                capfirst(e.en if english else e.vi),
                code=e.code,
                hint=e.vi if english else e.en,
                pill=", ".join(e.badges),
                tone="warning" if e.badges else "",
            )
            for e in api.search_icd10(typed)
        ]

    return _answer(request, find)


@require_GET
@desk(*STAFF)
def services(request: HttpRequest) -> HttpResponse:
    """Services by code or name; `group` keeps one chapter of TT 23/2024, `done` surgery and procedures."""
    group = request.GET.get("group") or None

    def find(typed: str) -> list[Option]:
        names = api.service_groups()
        found = api.search_services(typed, group, limit=_WIDE) if "done" in request.GET else None
        wanted = [s for s in found if api.is_procedure(s)][:_MOST] if found else api.search_services(typed, group)
        return [
            _option(s.code, s.name, code=s.code, hint=capfirst(names.get(s.group, "").lower()), pill=s.rank)
            for s in wanted
        ]

    return _answer(request, find)


@require_GET
@desk(*STAFF)
def drugs(request: HttpRequest) -> HttpResponse:
    """Medicines by ingredient, strength, form; one that the insurer's code is not known of says so."""

    def find(typed: str) -> list[Option]:
        found = api.search_drugs(typed)
        bare = {one.code for one in found if not one.substance_code}
        bare -= api.medicine_codes(asker(request).facility).keys() if bare else set()

        def notes(d: api.Drug) -> list[str]:
            return [str(CONTROLLED[d.control])] if d.control else []

        return [
            _option(
                d.code,
                f"{d.name} {d.strength}",
                hint=f"{d.form} · {d.route}",
                pill=" · ".join([*notes(d), *([gettext("chưa có mã BHYT")] if d.code in bare else [])]),
                tone="danger" if d.control else "warning" if d.code in bare else "",
            )
            for d in found
        ]

    return _answer(request, find)


@require_GET
@desk(*STAFF)
def supplies(request: HttpRequest) -> HttpResponse:
    """Supplies of the facility's price list by code or name."""

    def find(typed: str) -> list[Option]:
        rows = api.priced(asker(request).facility, "supply", timezone.localdate())
        words = api.fold(typed).split()
        fit = [row for row in rows if all(word in api.fold(f"{row.code} {row.name}") for word in words)]
        return [_option(row.code, row.name, code=row.code, hint=row.unit) for row in fit[:_MOST]]

    return _answer(request, find)


@require_GET
@desk(*STAFF)
def communes(request: HttpRequest) -> HttpResponse:
    """Communes and provinces by name; those of `province` first. An old name shows what it is called now."""
    near = request.GET.get("province") or None

    def find(typed: str) -> list[Option]:
        whole = [_option(p.code, api.written(p)) for p in api.provinces_typed(typed)[:2]]
        parts = [
            _option(one.code, api.written(one), code=gettext("%s nay là") % old if old else "")
            for old, one in api.places_typed(typed, province_code=near)
        ]
        return [*whole, *parts]

    return _answer(request, find)
