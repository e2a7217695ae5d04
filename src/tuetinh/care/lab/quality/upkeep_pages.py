"""Pages of the upkeep of machines and of the documents of the quality system."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.care.lab.asked import number_in
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.quality import documents, upkeep
from tuetinh.care.lab.quality.forms import DoneForm, ProcedureForm, UpkeepForm
from tuetinh.care.lab.quality.reagents import soon, today
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def plans(request: HttpRequest) -> HttpResponse:
    """What is due for the machines and what was done; POST plans more."""
    me = asker(request)
    form, status = UpkeepForm(me.facility), 200
    if request.method == "POST":
        form, status = UpkeepForm(me.facility, request.POST), 422
        if form.is_valid():
            try:
                upkeep.plan(me, **form.cleaned_data)
            except LabError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _("Đã lập kế hoạch."))
                return redirect("lab:upkeep")
    page = paginate(request, upkeep.plans(me.facility))
    context = {
        "page": page, "rows": page.object_list, "form": form, "done": DoneForm(initial={"on": today()}),
        "log": upkeep.log(me.facility)[:30], "today": today(), "soon": soon(),
    }  # fmt: skip
    return render(request, "lab/upkeep.html", context, status=status)


@desk("lab")
@require_POST
def carry_out(request: HttpRequest) -> HttpResponse:
    """Log that something planned was done."""
    form, chosen = DoneForm(request.POST), number_in(request.POST, "upkeep")
    if not form.is_valid() or chosen < 1:
        messages.error(request, _("Chọn việc, ghi ngày và người làm."))
        return redirect("lab:upkeep")
    return _done(
        request, "lab:upkeep", lambda: upkeep.carry_out(asker(request), chosen, **form.cleaned_data), _("Đã ghi.")
    )


@desk("lab")
@require_POST
def end(request: HttpRequest, upkeep_id: int) -> HttpResponse:
    """Plan it no more."""
    return _done(request, "lab:upkeep", lambda: upkeep.end(asker(request), upkeep_id), _("Đã ngừng."))


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def procedures(request: HttpRequest) -> HttpResponse:
    """The documents in force; POST puts a version into force."""
    me, form, status = asker(request), ProcedureForm(initial={"effective_on": today()}), 200
    if request.method == "POST":
        form, status = ProcedureForm(request.POST), 422
        if form.is_valid():
            try:
                documents.publish(me, **form.cleaned_data)
            except LabError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _("Đã ban hành."))
                return redirect("lab:procedures")
    page = paginate(request, documents.in_force(me))
    context = {"page": page, "rows": page.object_list, "form": form, "today": today(), "soon": soon()}
    return render(request, "lab/procedures.html", context, status=status)


@desk("lab")
@require_POST
def read(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that one has read a document."""
    return _done(request, "lab:procedures", lambda: documents.read(asker(request), pk), _("Đã ghi là đã đọc."))


@desk("lab")
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a document out of force."""
    return _done(request, "lab:procedures", lambda: documents.withdraw(asker(request), pk), _("Đã thu hồi."))


def _done(request: HttpRequest, to: str, do: Callable[[], object], said: str) -> HttpResponse:
    try:
        do()
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect(to)
