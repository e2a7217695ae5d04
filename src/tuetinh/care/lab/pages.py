"""The technician's desk: the worklist, one tube with its results, prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.insurance.api import Finding, Stopped, reasons_given, shown
from tuetinh.care.lab import actions, facts, prints, queries, words
from tuetinh.care.lab.asked import number_in
from tuetinh.care.lab.catalogue import Bench, analytes, benches
from tuetinh.care.lab.errors import REFUSALS, BadValue, LabError, NoTube
from tuetinh.care.lab.models import Analyser, Shipment, Tube
from tuetinh.care.lab.quality import reagents
from tuetinh.care.lab.results import board as boards
from tuetinh.care.lab.results import entry, pictures, signing, validation
from tuetinh.care.lab.results.rules import Hold
from tuetinh.care.lab.results.work import Work, work_on
from tuetinh.care.lab.samples import order_pages
from tuetinh.care.lab.samples.plan import REJECTIONS
from tuetinh.care.lab.samples.queries import coming
from tuetinh.commons.access.api import asker, desk, fresh
from tuetinh.commons.documents.api import Paper, respond_pdf
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate
from tuetinh.record.asker import Asker

LISTS = {
    "receive": gettext_lazy("Chờ nhận mẫu"),
    "analyse": gettext_lazy("Đang phân tích"),
    "validate": gettext_lazy("Chờ duyệt"),
    "sign": gettext_lazy("Chờ ký"),
    "done": gettext_lazy("Đã trả hôm nay"),
}
MACHINE = "lab-machine"  # in the session: what results were last read from
BULK = {"validate": "lab:verify-passed", "sign": "lab:release-passed"}


def _here(request: HttpRequest) -> str:
    return str(request.user.facility)  # type: ignore[union-attr]


@desk("lab")
@require_GET
def worklist(request: HttpRequest) -> HttpResponse:
    """Tubes of the facility by what is to do with them; a scanned number opens its tube at once, or its shipment."""
    text = request.GET.get("q", "").strip()
    if text and (found := Tube.objects.filter(facility=_here(request), number=text).first()):
        return redirect("lab:tube", found.number)
    if text and (parcel := Shipment.objects.filter(receiver=_here(request), tubes__number=text).first()):
        return redirect("lab:shipment", parcel.number)
    which = request.GET.get("list", "receive")
    which = which if which in LISTS else "receive"
    bench = request.GET.get("bench", "")
    bench = bench if bench in benches() else ""
    counts = queries.counts(_here(request), bench)
    page = paginate(request, queries.worklist(_here(request), which, text[:20], bench))
    rows = [(line, *words.STAGES[line.tube.stage]) for line in queries.lines(asker(request), list(page.object_list))]
    tabs = [(key, label, counts[key]) for key, label in LISTS.items()]
    context = {"page": page, "rows": rows, "which": which, "tabs": tabs, "q": text, "facility": _here(request)}
    context |= {"benches": benches().values(), "bench": bench, "now": timezone.now(), "bulk": BULK.get(which, "")}
    context["coming"] = coming(_here(request)).count() if which == "receive" else 0
    return render(request, "lab/worklist.html", context)


@desk("lab")
@require_GET
@never_cache
def tube(request: HttpRequest, number: str) -> HttpResponse:
    """One tube: its person, its results with what was before, and the next step as the one big button."""
    return _tube_page(request, _owned(request, number), edit="edit" in request.GET)


def _tube_page(
    request: HttpRequest,
    found: Tube,
    *,
    edit: bool = False,
    wrong: str = "",
    typed: dict[str, str] | None = None,
    machine: int = 0,
    stopped: Sequence[Finding] = (),
    status: int = 200,
) -> HttpResponse:
    who = asker(request)
    work = work_on(who, found)
    rows = [
        {
            "row": row,
            "flag": words.FLAGS.get(row.flag),
            "typed": (typed or {}).get(row.id, ""),
            "wrong": row.id == wrong,
            "line": _sparkline(row),
        }
        for row in queries.grid(who, work)
    ]
    by_hand = any(item["row"].analyte.kind != "culture" for item in rows)  # a culture is kept at its own bench
    stage, icon = words.STAGES[found.stage]
    signers = signing.named(found.facility)
    context = {
        "tube": found,
        "rows": rows,
        "banner": banner(who, found.patient),
        "stage": stage,
        "stage_icon": icon,
        "stopped": stopped,
        "amends": any(facts.told(result) for result in work.results.values()),
        "edit": by_hand and (edit or found.stage == Tube.Stage.RECEIVED),
        "by_hand": by_hand,
        "error": str(BadValue("").message) if wrong else "",
        "machines": Analyser.objects.filter(facility=found.facility, enabled=True).order_by("name"),
        "machine": machine or request.session.get(MACHINE, 0),
        "machine_wrong": wrong == "machine",
        "open": found.stage in (Tube.Stage.ORDERED, Tube.Stage.RECEIVED),
        "has_results": bool(work.results),
        "rejections": REJECTIONS.items(),
        "ordered": order_pages.ordered(work),
        "addable": order_pages.addable(work),
        "packs": reagents.used_for(found.facility, found.lines.all()) if found.released_at else [],
        "parts": _parts(work),
        "holds": _holds(work),
        "pictures": _pictures(who, work),
        "two_steps": bool(signers),
        "signs": not signers or who.account in signers,
        "remarked": found.stage in (Tube.Stage.RESULTED, Tube.Stage.VERIFIED) and queries.is_from_here(who, found),
        "calls": boards.calls(who, found.facility, encounter=found.encounter, count=5) if found.critical_at else [],
        "others": Tube.objects.filter(encounter=found.encounter).exclude(pk=found.pk).order_by("id"),
    }
    return render(request, "lab/tube.html", context, status=400 if wrong else 200)


def _pictures(who: Asker, work: Work) -> list[tuple[str, str, list[pictures.Picture]]]:
    """The orders of a tube with their pictures: id, test, pictures."""
    found = pictures.of_work(who, work)
    named = ((id_, facts.ordered_test(order)) for id_, order in work.orders.items() if order.status != "revoked")
    return [(id_, what.name, found.get(id_, [])) for id_, what in named if what]


def _parts(work: Work) -> list[Bench]:
    """The benches to which an aliquot of a tube may go."""
    keys = work.tube.benches if work.tube.stage == Tube.Stage.RECEIVED and not work.tube.parent_id else []
    return [benches()[key] for key in keys] if len(keys) > 1 else []


def _holds(work: Work) -> list[tuple[str, str]]:
    """Why something of a tube is held, each reason once, and what."""
    found: dict[str, list[str]] = {}
    for code, key in work.tube.holds:
        analyte, rule = analytes().get(key), work.judge.named(code)
        if analyte and isinstance(rule, Hold):
            found.setdefault(rule.text, []).append(analyte.name)
    return [(why, ", ".join(names)) for why, names in found.items()]


def _sparkline(row: queries.Row) -> str:
    """Points of a small SVG line of 100 × 24 through the last values, where there are at least two."""
    values = [value for _at, value in row.points]
    if len(values) < 2:
        return ""
    low, span = min(values), (max(values) - min(values)) or 1
    step = 96 / (len(values) - 1)
    return " ".join(
        f"{2 + place * step:.1f},{22 - 20 * (value - low) / span:.1f}" for place, value in enumerate(values)
    )


def _owned(request: HttpRequest, number: str) -> Tube:
    found = Tube.objects.filter(facility=_here(request), number=number).first()
    if not found:
        raise Http404
    return found


def _step(request: HttpRequest, number: str, do: Callable[[], object], done: str) -> HttpResponse:
    """Do one thing with a tube and show it again, with what came of it."""
    try:
        do()
    except NoTube as error:
        raise Http404 from error
    except REFUSALS as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("lab:tube", number)


@desk("lab")
@require_POST
def receive(request: HttpRequest, number: str) -> HttpResponse:
    """Take the tube in."""
    return _step(request, number, lambda: actions.receive_specimen(asker(request), number), _("Đã nhận mẫu."))


@desk("lab")
@require_POST
def reject(request: HttpRequest, number: str) -> HttpResponse:
    """Refuse the tube."""
    reject = partial(actions.reject_specimen, reason=request.POST.get("reason", ""), code=request.POST.get("code", ""))
    return _step(request, number, lambda: reject(asker(request), number), _("Đã từ chối mẫu."))


@desk("lab")
@require_POST
def cancel(request: HttpRequest, number: str) -> HttpResponse:
    """Revoke the orders of the tube."""
    reason = request.POST.get("reason", "")
    return _step(request, number, lambda: actions.cancel_orders(asker(request), number, reason), _("Đã hủy chỉ định."))


@desk("lab")
@require_POST
def results(request: HttpRequest, number: str) -> HttpResponse:
    """Keep typed results; a wrong one is told beside its field, and nothing that was typed is lost."""
    found = _owned(request, number)
    told = ("csrfmiddlewaretoken", "reason", "machine")
    typed = {key: str(value)[:200] for key, value in request.POST.items() if key not in told}
    reason, machine = request.POST.get("reason", ""), number_in(request.POST, "machine")
    try:
        entry.enter_results(asker(request), number, typed, reason=reason, machine=machine)
    except BadValue as error:
        return _tube_page(request, found, edit=True, wrong=error.field, typed=typed, machine=machine)
    except LabError as error:
        messages.error(request, str(error))
        return _tube_page(request, found, edit=True, typed=typed, machine=machine)
    request.session[MACHINE] = machine  # most tubes of a bench are read from the same one
    messages.success(request, _("Đã ghi kết quả."))
    return redirect("lab:tube", number)


@desk("lab")
@require_POST
def critical(request: HttpRequest, number: str) -> HttpResponse:
    """Log a call about the critical values."""
    told, answered = request.POST.get("told", ""), request.POST.get("answered") != "no"
    log = partial(entry.log_call, told=told, answered=answered, read_back=request.POST.get("read_back") == "yes")
    done = _("Đã xác nhận.") if answered else _("Đã ghi cuộc gọi; vẫn phải gọi lại.")
    return _step(request, number, lambda: log(asker(request), number), done)


@desk("lab")
@require_POST
def verify(request: HttpRequest, number: str) -> HttpResponse:
    """The technician's validation."""
    note = request.POST.get("note", "")
    return _step(request, number, lambda: validation.verify(asker(request), number, note=note), _("Đã duyệt kỹ thuật."))


@fresh("sign")
@desk("lab")
@require_POST
def release(request: HttpRequest, number: str) -> HttpResponse:
    """Validate and hand out."""
    reasons = reasons_given(request.POST)
    try:
        release = lambda: validation.release(asker(request), number, reasons=reasons)  # noqa: E731
        return _step(request, number, release, _("Đã trả kết quả."))
    except Stopped as error:
        found = shown(asker(request), error.problems)
        return _tube_page(request, _owned(request, number), stopped=found, status=error.status)


@desk("lab", "doctor", "nurse", "station")
@require_GET
def label(request: HttpRequest, number: str) -> HttpResponse:
    """The label of the tube, 50 × 30 mm."""
    return respond_pdf(request, prints.label(asker(request), _owned(request, number)), f"nhan-{number}.pdf")


@desk("lab", "doctor", "nurse", "station")
@require_GET
def sheet(request: HttpRequest, number: str) -> HttpResponse:
    """The sheet of results, A5 or with `?paper=A4` A4."""
    paper: Paper = "A4" if request.GET.get("paper") == "A4" else "A5"
    found = Tube.objects.filter(number=number).first()
    if not found or not queries.reported(asker(request), [found]):
        raise Http404
    return respond_pdf(request, prints.sheet(asker(request), found, paper), f"ket-qua-{number}.pdf")
