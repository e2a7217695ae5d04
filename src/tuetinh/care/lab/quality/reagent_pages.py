"""Pages of reagents: what is there, one reagent with its lots and open packs, and what a lot was used for."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab.asked import number_in
from tuetinh.care.lab.catalogue import test
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.models import Reagent, ReagentLot
from tuetinh.care.lab.quality import reagents
from tuetinh.care.lab.quality.forms import ReagentForm, ReceiveForm, machines
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def stock(request: HttpRequest) -> HttpResponse:
    """The reagents with what is left of each; POST adds one."""
    me, form, status = asker(request), ReagentForm(), 200
    if request.method == "POST":
        form, status = ReagentForm(request.POST), 422
        if form.is_valid():
            try:
                made = reagents.save(me, None, **form.cleaned_data)
            except LabError as error:
                form.add_error("name", str(error))
            else:
                messages.success(request, _("Đã thêm hóa chất."))
                return redirect("lab:reagent", made.pk)
    wanting = "wanting" in request.GET
    rows = reagents.wanting(me.facility) if wanting else reagents.stock(me.facility)
    page = paginate(request, rows)
    context = {"page": page, "rows": page.object_list, "form": form, "wanting": wanting, "soon": reagents.soon()}
    return render(request, "lab/reagents.html", context, status=status)


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def reagent(request: HttpRequest, reagent_id: int) -> HttpResponse:
    """One reagent: its lots, its open packs; POST takes packs in."""
    me = asker(request)
    found = Reagent.objects.filter(pk=reagent_id, facility=me.facility).first()
    if not found:
        raise Http404
    form, status = ReceiveForm(), 200
    if request.method == "POST":
        form, status = ReceiveForm(request.POST), 422
        if form.is_valid():
            try:
                reagents.receive(me, reagent_id, **form.cleaned_data)
            except LabError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _("Đã nhập kho."))
                return redirect("lab:reagent", reagent_id)
    page = paginate(request, reagents.lots(found))
    context = {
        "reagent": found, "page": page, "lots": page.object_list, "opened": reagents.opened(found), "form": form,
        "machines": machines(me.facility), "today": reagents.today(),
        "tests": [known.name for code in found.tests if (known := test(code))],
        "edit": ReagentForm(initial={name: getattr(found, name) for name in ReagentForm.base_fields}),
    }  # fmt: skip
    return render(request, "lab/reagent.html", context, status=status)


@desk("lab")
@require_POST
def change(request: HttpRequest, reagent_id: int) -> HttpResponse:
    """Change what a reagent is."""
    form = ReagentForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(error for errors in form.errors.values() for error in errors))
        return redirect("lab:reagent", reagent_id)
    return _done(
        request, reagent_id, lambda: reagents.save(asker(request), reagent_id, **form.cleaned_data), _("Đã ghi.")
    )


@desk("lab")
@require_POST
def open_pack(request: HttpRequest, reagent_id: int, lot_id: int) -> HttpResponse:
    """Open a pack of a lot on a machine."""
    machine = request.POST.get("machine", "")[:200]
    do = lambda: reagents.open_pack(asker(request), lot_id, machine)  # noqa: E731
    return _done(request, reagent_id, do, _("Đã mở một hộp."))


@desk("lab")
@require_POST
def discard(request: HttpRequest, reagent_id: int, lot_id: int) -> HttpResponse:
    """Throw packs of a lot away."""
    count, why = number_in(request.POST, "packs"), request.POST.get("why", "")
    return _done(request, reagent_id, lambda: reagents.discard(asker(request), lot_id, count, why), _("Đã hủy hộp."))


@desk("lab")
@require_POST
def finish(request: HttpRequest, reagent_id: int, move_id: int) -> HttpResponse:
    """Note that an open pack is used up."""
    return _done(request, reagent_id, lambda: reagents.finish(asker(request), move_id), _("Đã ghi hết hộp."))


def _done(request: HttpRequest, reagent_id: int, do: Callable[[], object], said: str) -> HttpResponse:
    if not Reagent.objects.filter(pk=reagent_id, facility=asker(request).facility).exists():
        raise Http404
    try:
        do()
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("lab:reagent", reagent_id)


@desk("lab")
@require_GET
@never_cache
def used(request: HttpRequest, lot_id: int) -> HttpResponse:
    """The orders that were measured with a lot: whom to call back when it is found bad."""
    me = asker(request)
    lot = ReagentLot.objects.select_related("reagent").filter(pk=lot_id, reagent__facility=me.facility).first()
    if not lot:
        raise Http404
    page = paginate(request, reagents.made_with(lot))
    rows = [(line, known.name if (known := test(line.test)) else line.test) for line in page.object_list]
    return render(request, "lab/lot_used.html", {"lot": lot, "page": page, "rows": rows})
