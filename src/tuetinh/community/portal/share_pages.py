"""Sharing by a code: the citizen's page that makes it, and the pages that anybody with the code reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

from django.contrib import messages
from django.db.models import Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tuetinh.care.imaging import api as imaging
from tuetinh.commons.access.api import ROLES, asker, desk, open_to_all, place_name
from tuetinh.commons.documents.api import qr, respond_pdf
from tuetinh.commons.identity import api as identity
from tuetinh.community.portal import queries, shares
from tuetinh.community.portal.family import decides
from tuetinh.community.portal.models import Opening, Share
from tuetinh.community.portal.shares import ShareError
from tuetinh.record import api as record
from tuetinh.record import errors, r4
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

P = ParamSpec("P")
OPENED = "portal.opened"  # in the session: the id of the Opening
PAST = 10  # shares that have ended, on the citizen's page
SCOPES = {
    "summary": gettext_lazy("Tóm tắt: dị ứng, bệnh, thuốc, tiêm chủng, kết quả mới"),
    "ordinary": gettext_lazy("Toàn bộ, trừ thông tin nhạy cảm"),
    "all": gettext_lazy("Toàn bộ, cả thông tin nhạy cảm"),
    "exam": gettext_lazy("Phiếu kết quả và hình ảnh của một lần chụp"),
}


@desk("citizen")
@never_cache
@sensitive_post_parameters("pin")
@require_http_methods(["GET", "POST"])
def share(request: HttpRequest) -> HttpResponse:
    """What I share, and who has opened it; make a code by POST, which is shown once."""
    who, fault = asker(request), ""
    if request.method == "POST":
        if not decides(request):
            raise Http404
        hours = request.POST.get("hours", "")
        try:
            made, code = shares.make(
                cast("Account", request.user),
                who,
                request.POST.get("scope", ""),
                int(hours) if hours.isdecimal() and len(hours) < 4 else 0,
                request.POST.get("pin", "").strip(),
            )
        except ShareError as error:
            fault = str(error.message)
        else:
            link = f"{request.build_absolute_uri(reverse('portal:shared'))}#{code}"
            shown = {"made": made, "link": link, "code": _grouped(code), "scope": SCOPES[made.scope]}
            drawn = mark_safe(qr(link))  # noqa: S308 - drawn here, of our own link
            return render(request, "portal/share_made.html", shown | {"qr": drawn})
    patient = str(who.patient)
    now = [(one, SCOPES[one.scope], _openings(one)) for one in _with_openings(shares.active(patient))]
    gone = Share.objects.filter(Q(ended__isnull=False) | Q(until__lte=timezone.now()), patient=patient)
    past = [(one, SCOPES[one.scope], _openings(one)) for one in _with_openings(gone)[:PAST]]
    scopes = [(one, SCOPES[one]) for one in shares.scopes(who)]
    context = {"now": now, "past": past, "scopes": scopes, "hours": shares.HOURS, "fault": fault}
    context["decides"] = decides(request)
    return render(request, "portal/share.html", context, status=422 if fault else 200)


def _with_openings(rows: Any) -> Any:
    opened = Opening.objects.select_related("account").order_by("-at")
    return rows.order_by("-at").prefetch_related(Prefetch("openings", queryset=opened))


def _openings(one: Share) -> list[tuple[Opening, str]]:
    """When it was opened, and where: the desk of a facility, or some device."""
    return [
        (
            opening,
            f"{ROLES[opening.account.role].label} · {place_name('Organization', opening.facility)}"
            if opening.account
            else _("Người có mã, trên một thiết bị"),
        )
        for opening in one.openings.all()
    ]


def _grouped(code: str) -> str:
    """In groups of four, to be read out and typed."""
    return " ".join(code[at : at + 4] for at in range(0, len(code), 4))


@desk("citizen")
@require_POST
def end(request: HttpRequest, share_id: int) -> HttpResponse:
    """Take it back."""
    if not decides(request) or not shares.end(asker(request), share_id):
        raise Http404
    messages.success(request, _("Đã thu lại. Không ai mở được bằng mã đó nữa."))
    return redirect("portal:share")


@open_to_all
@never_cache
@sensitive_post_parameters("code", "pin")
@require_http_methods(["GET", "POST"])
def shared(request: HttpRequest) -> HttpResponse:
    """Open a code by POST. The link carries it behind `#`, which no browser sends and no log holds."""
    fault, status = "", 200
    if request.method == "POST":
        account = cast("Account", request.user) if request.user.is_authenticated else None
        address = request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104 - no address to listen at
        try:
            opening = shares.opened(
                request.POST.get("code", "")[:500], request.POST.get("pin", "")[:20], address, account
            )
        except ShareError as error:
            fault, status = str(error.message), error.status
        else:
            if opening.consent:
                messages.success(request, _("Người bệnh cho cơ sở xem hồ sơ đến khi mã hết hạn."))
                return redirect("identity:person", opening.share.patient)
            request.session[OPENED] = opening.pk
            return redirect("portal:shared-exam" if opening.share.order else "portal:shared-record")
    return render(request, "portal/shared.html", {"fault": fault}, status=status)


def _open(view: Callable[Concatenate[HttpRequest, Asker, Share, P], HttpResponseBase]) -> Any:
    """A page of what was opened: asks as the share, is kept nowhere, and leads to the door once it has ended."""

    @wraps(view)
    def page(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        opening = Opening.objects.select_related("share", "account").filter(pk=request.session.get(OPENED)).first()
        who = shares.asker(opening) if opening else None
        if opening is None or who is None:
            request.session.pop(OPENED, None)
            return redirect("portal:shared")
        try:
            answer = view(request, who, opening.share, *args, **kwargs)
        except (errors.NotFound, errors.Gone, errors.BadRequest) as error:
            raise Http404 from error
        add_never_cache_headers(answer)
        answer["X-Robots-Tag"] = "noindex"
        return answer

    return open_to_all(require_safe(page))


@_open
def shared_record(request: HttpRequest, who: Asker, share: Share) -> HttpResponse:
    """What lasts, what is taken, the newest results; with more than a summary the visits too."""
    if share.order:
        raise Http404
    person = cast("r4.Patient", record.read(who, "Patient", share.patient))
    now, before = queries.medicines(who)
    visits, following = ([], None) if share.scope == Share.Scope.SUMMARY else queries.visits(who, _page(request))
    context = {
        "share": share,
        "scope": SCOPES[share.scope],
        "name": identity.display_name(person),
        "birth": person.birthDate or "",
        "sex": identity.gender_text(person.gender or "unknown"),
        "mine": queries.mine(who),
        "medicines": now,
        "before": before,
        "tests": queries.tests(who),
        "visits": visits,
        "next": following,
    }
    return render(request, "portal/shared_record.html", context)


def _page(request: HttpRequest) -> str | None:
    return request.GET.get("next") or None


@_open
def shared_visit(request: HttpRequest, who: Asker, share: Share, encounter_id: str) -> HttpResponse:
    """One visit of a record that is shared beyond its summary."""
    if share.scope == Share.Scope.SUMMARY or share.order:
        raise Http404
    return render(request, "portal/shared_visit.html", {"told": queries.visit(who, encounter_id), "share": share})


@_open
def shared_exam(request: HttpRequest, who: Asker, share: Share) -> HttpResponse:
    """The pictures of an examination, and the way to its signed report."""
    found = imaging.opened(who, share.order, _address) if share.order else None
    if found is None:
        raise Http404
    person = cast("r4.Patient", record.read(who, "Patient", share.patient))
    context = {"share": share, "found": found, "exam": found.exam, "name": identity.display_name(person)}
    return render(request, "portal/shared_exam.html", context)


def _address(uid: str, frame: int) -> str:
    return reverse("portal:shared-part", args=[uid, frame])


@_open
def shared_report(request: HttpRequest, who: Asker, share: Share) -> HttpResponse:
    """The signed report of an examination as PDF."""
    found = imaging.opened(who, share.order, _address) if share.order else None
    document = imaging.report_of(who, found.exam) if found else None
    if found is None or document is None:
        raise Http404
    return respond_pdf(request, document, f"ket-qua-{found.exam.accession_number}")


@_open
def shared_part(request: HttpRequest, who: Asker, share: Share, uid: str, frame: int) -> HttpResponseBase:
    """A picture, a film or a paper of an examination; of films also a range, which players ask for."""
    piece = imaging.part_of(who, share.order, uid, frame) if share.order else None
    if piece is None:
        raise Http404
    return imaging.respond_piece(request, piece)


@open_to_all
@require_POST
def close(request: HttpRequest) -> HttpResponse:
    """Forget on this device what was opened."""
    request.session.pop(OPENED, None)
    return redirect("portal:shared")
