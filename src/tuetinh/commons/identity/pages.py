"""Finding people from any page, and the page of one person."""

from __future__ import annotations

from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access import api as access
from tuetinh.commons.identity import links, queries, report_pages
from tuetinh.record.errors import Gone, NotFound

STAFF = ("reception", "doctor", "nurse", "lab", "imaging", "pharmacist", "cashier", "archivist", "station")
POPOVER, PAGE = 8, 25
SOUGHT = "identity.sought"  # kept in the session between two pages


@require_http_methods(["GET", "POST"])
@access.desk(*STAFF)
@never_cache
def people(request: HttpRequest) -> HttpResponse:
    """Who fits `q`: a list for the search field of the shell, a page of its own without JavaScript.

    `q` comes by POST and waits in the session, so that no address, log or history holds it. A certain single hit of
    the page, as after a scan, opens at once.
    """
    asker = access.asker(request)
    fragment = request.headers.get("HX-Request") == "true"
    typed = (request.POST.get("q", "") if request.method == "POST" else request.session.pop(SOUGHT, "")).strip()
    hits = queries.find_people(asker, typed, limit=POPOVER if fragment else PAGE)
    rows = [(hit, links.first(asker.role, hit.id)) for hit in hits]
    if request.method == "POST" and not fragment:
        if len(rows) == 1 and "|" in typed:
            return redirect(rows[0][1])
        request.session[SOUGHT] = typed
        return redirect("identity:people")
    template = "identity/found.html" if fragment else "identity/people.html"
    return render(request, template, {"q": typed, "rows": rows})


GROUPS = {
    "all": gettext_lazy("Tất cả"),
    "children": gettext_lazy("Dưới 6 tuổi"),
    "elderly": gettext_lazy("Từ 60 tuổi"),
}


@require_GET
@access.desk("station")
@never_cache
def residents(request: HttpRequest) -> HttpResponse:
    """The people whom this station looks after, of an age `group`."""
    group = request.GET.get("group", "all")
    group = group if group in GROUPS else "all"
    try:
        found = queries.residents(access.asker(request), group, request.GET.get("next") or None)
    except ValueError as error:  # a page that nobody gave out
        raise Http404 from error
    context = {"found": found, "group": group, "groups": GROUPS.items()}
    return render(request, "identity/residents.html", context)


@require_GET
@access.desk(*STAFF)
def person(request: HttpRequest, patient_id: str) -> HttpResponse:
    """One person: the banner, their numbers, and what this desk can do for them."""
    asker = access.asker(request)
    try:
        banner = queries.banner(asker, patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    context = {
        "person": banner,
        "links": links.links(asker.role, patient_id),
        "gives": asker.role in access.CITIZENS_DESKS,
        "has_account": asker.role in access.CITIZENS_DESKS and access.has_account(patient_id),
        "reports": asker.role in report_pages.DESKS,
    }
    return render(request, "identity/person.html", context)


PAPERS = ("cccd", "cmnd", "passport")


@access.fresh("rules")
@require_POST
@access.desk(*access.CITIZENS_DESKS)
@sensitive_post_parameters("number")
@sensitive_variables("password")
@never_cache
def account(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Give the person whose papers the desk has seen an account for their own pages; its password is shown once.

    Asks for the `number` of an identity paper, where the record knows one. Who has an account already gets a new
    password, with a `reason`.
    """
    try:
        banner = queries.banner(access.asker(request), patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    by, known = cast("access.Account", request.user), banner.identifiers
    papers = {known[kind] for kind in PAPERS if kind in known}
    number, reason = request.POST.get("number", "").strip()[:40], request.POST.get("reason", "")[:500]
    shown: dict[str, Any] = {"patient": patient_id, "numbers": papers, "number": number, "reason": reason}
    has = access.has_account(patient_id)
    context = {"person": banner, "has_account": has, "papers": papers, "reason": reason}
    if not {"number", "reason"} & request.POST.keys():
        return render(request, "identity/account_form.html", context)
    try:
        if has:
            given, password = access.reset_citizen_account(by, **shown)
        else:
            username = (known.get("cccd") or known.get("mrn") or f"nd-{patient_id[-8:]}").lower()
            given, password = access.give_citizen_account(by, full_name=banner.name, username=username, **shown)
    except access.AccessError as error:
        return render(request, "identity/account_form.html", context | {"fault": error.message}, status=422)
    return render(request, "identity/account.html", {"person": banner, "account": given, "password": password})
