"""Pages of orders for blood: the list, a new one, and one order from the sample to the issue."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab.asked import number_in, person_of
from tuetinh.care.lab.barcode import code128_svg
from tuetinh.care.lab.blood import grouping, issuing, orders, queries
from tuetinh.care.lab.blood.forms import URGENCIES, OrderForm
from tuetinh.care.lab.blood.groups import GRADES, Group, compatible
from tuetinh.care.lab.blood.models import BloodAllocation, BloodOrder
from tuetinh.care.lab.blood.tables import components
from tuetinh.care.lab.errors import REFUSALS, BadValue
from tuetinh.commons.access.api import asker, desk, fresh
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record

BANK = ("lab", "doctor", "nurse")
STAGES = {
    "reserved": (gettext_lazy("Đã giữ"), "bookmark"),
    "prepared": (gettext_lazy("Chờ người thứ hai"), "user-check"),
    "issued": (gettext_lazy("Đã phát"), "package-export"),
    "running": (gettext_lazy("Đang truyền"), "droplet"),
    "done": (gettext_lazy("Đã truyền xong"), "check"),
    "stopped": (gettext_lazy("Đã ngừng"), "hand-stop"),
    "returned": (gettext_lazy("Đã trả lại"), "arrow-back-up"),
    "freed": (gettext_lazy("Đã bỏ giữ"), "x"),
}
METHODS = {
    "serological": gettext_lazy("Hòa hợp huyết thanh"),
    "electronic": gettext_lazy("Hòa hợp điện tử"),
    "group": gettext_lazy("Theo nhóm máu"),
    "emergency": gettext_lazy("Phát khẩn cấp, chưa làm hòa hợp"),
}
LISTS = {
    "open": gettext_lazy("Đang làm"),
    "done": gettext_lazy("Đã xong"),
    "cancelled": gettext_lazy("Đã hủy"),
}


@desk(*BANK)
@require_GET
@never_cache
def order_list(request: HttpRequest) -> HttpResponse:
    """Orders for blood, the most urgent first."""
    me, which = asker(request), request.GET.get("list", "open")
    which = which if which in LISTS else "open"
    page = paginate(request, queries.orders(me.facility, which))
    names = names_of(me, {row.patient for row in page.object_list})
    urgencies = dict(URGENCIES)
    rows = [
        (row, names.get(row.patient, ""), components()[row.component].name, urgencies[row.urgency])
        for row in page.object_list
    ]
    context = {"page": page, "rows": rows, "which": which, "tabs": LISTS.items(), "facility": me.facility}
    return render(request, "lab/blood_orders.html", context)


@desk("doctor")
@require_http_methods(["GET", "POST"])
@never_cache
def new_order(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Order blood for the person of a visit."""
    me = asker(request)
    patient = person_of(me, encounter_id)
    form = OrderForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = orders.order_blood(me, encounter_id, **form.cleaned_data)
        except REFUSALS as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("Đã dự trù máu."))
            return redirect("lab:blood-order", made.pk)
    context = {"form": form, "banner": banner(me, patient), "state": grouping.known(me, patient), "patient": patient}
    return render(request, "lab/blood_new_order.html", context, status=422 if form.is_bound else 200)


@desk(*BANK)
@require_GET
@never_cache
def order(request: HttpRequest, order_id: int) -> HttpResponse:
    """One order: the sample and group, what fits, what is set aside, and the next step of each bag."""
    me, row = asker(request), _order(request, order_id)
    state = grouping.known(me, row.patient)
    sample = grouping.sample_for(me, row.facility, row.patient)
    request_ = record.read_many(me, "ServiceRequest", [row.request]).get(row.request)
    usable, given = state.usable, queries.allocations(row)
    fitting = queries.fitting(row) if row.stage == BloodOrder.Stage.OPEN and me.role in ("lab", "doctor") else []
    named = [
        (unit, Group(unit.abo, unit.rhd), components()[unit.component].name)
        for unit in fitting
        if compatible(components()[unit.component].kind, usable, Group(unit.abo, unit.rhd))
    ]
    context = {
        "row": row, "banner": banner(me, row.patient), "component": components()[row.component], "state": state,
        "sample": sample, "tubes": grouping.recent_tubes(row.facility, row.patient), "me": me,
        "reason": next((one.text for one in getattr(request_, "reasonCode", None) or []), ""),
        "note": next((one.text for one in getattr(request_, "note", None) or []), ""),
        "urgency": dict(URGENCIES)[row.urgency], "grades": GRADES,
        "fitting": [] if state.conflict else named,
        "emergency": [unit for unit in fitting if unit.abo == "O" and components()[unit.component].kind == "red"],
        "given": [
            (one, components()[one.unit.component], *STAGES[one.stage], METHODS[one.method]) for one in given
        ],
        "wanted": row.quantity - sum(one.stage not in ("returned", "freed") for one in given),
    }  # fmt: skip
    return render(request, "lab/blood_order.html", context)


def _order(request: HttpRequest, order_id: int) -> BloodOrder:
    found = BloodOrder.objects.filter(pk=order_id, facility=asker(request).facility).first()
    if not found:
        raise Http404
    return found


def _step(request: HttpRequest, order_id: int, do: Callable[[], object], done: str) -> HttpResponse:
    _order(request, order_id)
    try:
        do()
    except BadValue:
        messages.error(request, _("Phản ứng không hợp lệ."))
    except REFUSALS as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("lab:blood-order", order_id)


@desk("lab")
@require_POST
def match(request: HttpRequest, order_id: int) -> HttpResponse:
    """Cross-match a unit and set it aside."""
    me, told = asker(request), request.POST
    grades = {phase: told.get(phase, "") for phase in orders.PHASES}
    found: list[BloodAllocation | None] = []

    def do() -> None:
        method = told.get("method", "serological")
        found.append(orders.match(me, order_id, number_in(told, "unit"), method, grades))

    answer = _step(request, order_id, do, _("Đã ghi phản ứng hòa hợp."))
    if found == [None]:
        messages.warning(request, _("Không hòa hợp: đơn vị ở lại kho, chọn đơn vị khác."))
    return answer


@fresh("sign")
@desk("doctor")
@require_POST
def emergency(request: HttpRequest, order_id: int) -> HttpResponse:
    """Release a unit O without a cross-match, signed."""
    me, told = asker(request), request.POST
    release = lambda: orders.release_in_emergency(  # noqa: E731
        me, order_id, number_in(told, "unit"), told.get("reason", "")
    )
    return _step(request, order_id, release, _("Đã ký phát khẩn cấp."))


@desk("doctor", "nurse")
@require_POST
def second(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask for a second sample."""
    return _step(
        request, order_id, lambda: orders.order_second(asker(request), order_id), _("Đã chỉ định mẫu thứ hai.")
    )


@desk(*BANK)
@require_POST
def cancel(request: HttpRequest, order_id: int) -> HttpResponse:
    """Revoke an order."""
    reason = request.POST.get("reason", "")
    return _step(request, order_id, lambda: orders.cancel(asker(request), order_id, reason), _("Đã hủy dự trù."))


@desk(*BANK)
@require_POST
def bag(request: HttpRequest, allocation_id: int, step: str) -> HttpResponse:
    """Do one thing with a bag that is set aside: prepare, issue, free, match afterwards."""
    me, told = asker(request), request.POST
    found = BloodAllocation.objects.filter(pk=allocation_id, order__facility=me.facility).first()
    scanned, grades = told.get("scanned", ""), {phase: told.get(phase, "") for phase in orders.PHASES}
    steps: dict[str, tuple[Callable[[], object], str]] = {
        "prepare": (lambda: issuing.prepare(me, allocation_id, scanned), _("Đã kiểm tra lần một; chờ người thứ hai.")),
        "issue": (lambda: issuing.issue(me, allocation_id, scanned, told.get("person", "")), _("Đã phát máu.")),
        "free": (lambda: issuing.free(me, allocation_id, told.get("reason", "")), _("Đã bỏ giữ.")),
        "match": (lambda: orders.match_afterwards(me, allocation_id, grades), _("Đã ghi phản ứng hòa hợp.")),
    }
    if not found or step not in steps:
        raise Http404
    return _step(request, found.order_id, *steps[step])


@desk(*BANK)
@require_GET
def tag(request: HttpRequest, allocation_id: int) -> HttpResponse:
    """The tag that is tied to a bag: for whom it is, and how it was found to fit."""
    me = asker(request)
    found = BloodAllocation.objects.filter(pk=allocation_id, order__facility=me.facility)
    one = found.select_related("unit", "order").first()
    if not one:
        raise Http404
    about, state = banner(me, one.order.patient), grouping.known(me, one.order.patient)
    data = {
        "name": about.name, "about": " · ".join(filter(None, (about.sex, about.birth[:4], about.number))),
        "group": str(state.group) if state.confirmed else "?",
        "unit": str(Group(one.unit.abo, one.unit.rhd)), "din": one.unit.din, "barcode": code128_svg(one.unit.din),
        "component": components()[one.unit.component].names[0], "expires": one.unit.expires,
        "method": str(METHODS[one.method]), "printed": timezone.now(),
    }  # fmt: skip
    return respond_pdf(request, pdf("lab/blood_tag.typ", data, "label"), f"nhan-mau-{one.unit.din}.pdf")
