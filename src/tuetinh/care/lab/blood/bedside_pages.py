"""Pages at the bed and of reactions: scan person and bag, measure, end, report, investigate."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab.blood import bedside, queries, reactions
from tuetinh.care.lab.blood.facts import VITALS
from tuetinh.care.lab.blood.groups import ABO, Group
from tuetinh.care.lab.blood.models import BloodAllocation, BloodReaction
from tuetinh.care.lab.blood.order_pages import BANK, METHODS, STAGES
from tuetinh.care.lab.blood.tables import components, rule, words
from tuetinh.care.lab.blood.wire_isbt128 import HANOI
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.prints import written_day
from tuetinh.commons.access.api import asker, desk, owner_names, place_name
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate

FIELDS = [(key, name, unit) for key, (_code, unit, name) in VITALS.items()]
UNITS = {"/min": "/phút", "mm[Hg]": "mmHg", "Cel": "°C"}


def _fields(typed: dict[str, str]) -> list[tuple[str, str, str, str]]:
    return [(key, name, UNITS[unit], typed.get(key, "")) for key, name, unit in FIELDS]


@desk("nurse", "doctor")
@require_http_methods(["GET", "POST"])
@never_cache
def at_the_bed(request: HttpRequest) -> HttpResponse:
    """Scan the wristband and the bag, test both groups, measure, begin; what waits and runs stands beside it."""
    me, status, refused = asker(request), 200, ""
    typed = {key: str(value)[:400] for key, value in request.POST.items()}
    if request.method == "POST":
        try:
            made = bedside.start(
                me, person=typed.get("person", ""), scanned=typed.get("scanned", ""), values=typed,
                person_abo=typed.get("person_abo", ""), unit_abo=typed.get("unit_abo", ""),
            )  # fmt: skip
        except LabError as error:
            refused, status = str(error), 422
        else:
            messages.success(request, _("Đúng người, đúng túi, tương hợp. Bắt đầu truyền."))
            return redirect("lab:transfusion", made.pk)
    page = paginate(request, queries.at_the_bed(me.facility))
    waiting = list(page.object_list)
    names = names_of(me, {one.order.patient for one in waiting})
    context = {
        "refused": refused, "typed": typed, "fields": _fields(typed), "abo": ABO, "page": page,
        "rows": [
            (one, names.get(one.order.patient, ""), _component(one), *STAGES[one.stage], bedside.overdue(one))
            for one in waiting
        ],
    }  # fmt: skip
    return render(request, "lab/blood_bedside.html", context, status=status)


def _component(one: BloodAllocation) -> str:
    return components()[one.unit.component].name


def _begun(request: HttpRequest, allocation_id: int) -> BloodAllocation:
    rows = BloodAllocation.objects.filter(pk=allocation_id, order__facility=asker(request).facility)
    found = rows.exclude(procedure="").select_related("unit", "order").first()
    if not found:
        raise Http404
    return found


@desk(*BANK)
@require_GET
@never_cache
def transfusion(request: HttpRequest, allocation_id: int) -> HttpResponse:
    """One transfusion: its measurements, the next one, the end, a reaction."""
    return _shown(request, _begun(request, allocation_id))


def _shown(
    request: HttpRequest, found: BloodAllocation, typed: dict[str, str] | None = None, status: int = 200
) -> HttpResponse:
    me = asker(request)
    context = {
        "allocation": found, "unit": found.unit, "group": Group(found.unit.abo, found.unit.rhd),
        "banner": banner(me, found.order.patient), "component": components()[found.unit.component],
        "stage": STAGES[found.stage], "method": METHODS[found.method], "fields": _fields(typed or {}),
        "moments": queries.moments(me, found), "heads": FIELDS, "kinds": words("reaction").values(),
        "minutes": rule("observe_minutes"), "reactions": list(found.reactions.order_by("id")),
        "acts": me.role in ("nurse", "doctor"), "typed": typed or {},
    }  # fmt: skip
    return render(request, "lab/blood_transfusion.html", context, status=status)


@desk("nurse", "doctor")
@require_POST
def measure(request: HttpRequest, allocation_id: int) -> HttpResponse:
    """Keep measurements; with `end` the transfusion ends by them."""
    found, me = _begun(request, allocation_id), asker(request)
    typed = {key: str(value)[:40] for key, value in request.POST.items()}
    try:
        if "end" in typed:
            bedside.finish(me, allocation_id, typed)
            messages.success(request, _("Đã kết thúc truyền máu."))
        else:
            bedside.observe(me, allocation_id, typed)
            messages.success(request, _("Đã ghi chỉ số."))
    except LabError as error:
        messages.error(request, str(error))
        return _shown(request, found, typed, 422)
    return redirect("lab:transfusion", allocation_id)


@desk("nurse", "doctor")
@require_POST
def react(request: HttpRequest, allocation_id: int) -> HttpResponse:
    """Stop, and report a reaction."""
    found, told = _begun(request, allocation_id), request.POST
    try:
        made = reactions.report(
            asker(request), allocation_id, told.get("kind", ""), told.get("signs", ""), severe="severe" in told
        )
    except LabError as error:
        messages.error(request, str(error))
        return _shown(request, found, {"signs": told.get("signs", "")}, 422)
    messages.success(request, _("Đã ngừng truyền và báo phản ứng."))
    return redirect("lab:blood-reaction", made.pk)


@desk(*BANK)
@require_GET
def sheet(request: HttpRequest, allocation_id: int) -> HttpResponse:
    """The transfusion sheet on paper."""
    me, found = asker(request), _begun(request, allocation_id)
    about = banner(me, found.order.patient)
    accounts = owner_names({found.prepared_by, found.issued_by}, ())[0]
    data = {
        "facility": {"name": place_name("Organization", found.order.facility)},
        "patient": {"name": about.name, "number": about.number, "sex": about.sex, "birth": written_day(about.birth)},
        "component": components()[found.unit.component].names[0], "din": found.unit.din,
        "product": found.unit.product, "group": str(Group(found.unit.abo, found.unit.rhd)),
        "volume": str(found.unit.volume), "expires": found.unit.expires, "method": str(METHODS[found.method]),
        "prepared": accounts.get(found.prepared_by, found.prepared_by),
        "issued": accounts.get(found.issued_by, found.issued_by), "issued_at": found.issued_at,
        "started": found.started_at, "ended": found.ended_at, "stopped": found.stage == "stopped",
        "heads": [name for _key, name, _unit in FIELDS],
        "rows": [_line(one) for one in queries.moments(me, found)],
    }  # fmt: skip
    return respond_pdf(request, pdf("lab/blood_sheet.typ", data, "A4"), f"phieu-truyen-mau-{found.unit.din}.pdf")


def _line(one: queries.Moment) -> list[str]:
    return [_clock(one.at), *(value.replace(".", ",") for value in one.values)]


def _clock(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(HANOI).strftime("%H:%M %d/%m")


@desk(*BANK)
@require_GET
@never_cache
def reaction_list(request: HttpRequest) -> HttpResponse:
    """Reactions to transfusions, the open ones first."""
    me = asker(request)
    page = paginate(request, queries.reactions(me.facility))
    names = names_of(me, {one.allocation.order.patient for one in page.object_list})
    kinds = words("reaction")
    rows = [(one, kinds[one.kind].name, names.get(one.allocation.order.patient, "")) for one in page.object_list]
    return render(request, "lab/blood_reactions.html", {"page": page, "rows": rows})


@desk(*BANK)
@require_http_methods(["GET", "POST"])
@never_cache
def reaction(request: HttpRequest, reaction_id: int) -> HttpResponse:
    """The investigation of a reaction; POST writes what a step found."""
    me = asker(request)
    rows = BloodReaction.objects.filter(pk=reaction_id, facility=me.facility)
    found = rows.select_related("allocation__unit", "allocation__order").first()
    if not found:
        raise Http404
    step, text, status = request.POST.get("step", ""), request.POST.get("text", ""), 200
    if request.method == "POST":
        try:
            reactions.answer(me, reaction_id, step, text)
        except LabError as error:
            messages.error(request, str(error))
            status = 422
        else:
            messages.success(request, _("Đã ghi bước điều tra."))
            return redirect("lab:blood-reaction", reaction_id)
    names = owner_names({said["by"] for steps in found.steps.values() for said in steps}, ())[0]
    steps = [
        (one, [(said, names.get(said["by"], said["by"])) for said in found.steps.get(code, [])])
        for code, one in words("step").items()
    ]
    context = {
        "reaction": found, "unit": found.allocation.unit, "kind": words("reaction")[found.kind].name, "steps": steps,
        "banner": banner(me, found.allocation.order.patient), "needed": reactions.NEEDED, "step": step, "text": text,
        "choices": [one for code, one in words("step").items() if me.role == "lab" or code not in reactions.BANKS],
    }  # fmt: skip
    return render(request, "lab/blood_reaction.html", context, status=status)
