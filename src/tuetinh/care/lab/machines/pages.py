"""The laboratory's machines: who they are, what they mean by their codes, and when they last spoke."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab import words
from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.errors import REASONS, LabError, NoAnalyser
from tuetinh.care.lab.forms import AnalyserForm, CodeForm
from tuetinh.care.lab.machines import analysers, queries
from tuetinh.care.lab.machines.drivers import driver
from tuetinh.care.lab.models import Analyser, Message
from tuetinh.commons.access.api import asker, desk

RECENT = 12  # messages on a machine's page


@desk("lab", "admin")
@require_GET
def machines(request: HttpRequest) -> HttpResponse:
    """The analysers of the facility, each with its connection and its last message."""
    found = queries.machines(asker(request)).prefetch_related("meanings")
    rows = [(row, driver(row.driver)) for row in found]
    return render(request, "lab/machines.html", {"rows": rows, "facility": asker(request).facility})


@desk("lab", "admin")
@require_http_methods(["GET", "POST"])
def new_machine(request: HttpRequest) -> HttpResponse:
    """Register an analyser."""
    form = AnalyserForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = analysers.save(asker(request), None, **form.cleaned_data)
        except LabError as error:
            form.add_error("application", str(error))
        else:
            messages.success(request, _("Đã thêm máy."))
            return redirect("lab:machine", row.pk)
    return render(request, "lab/new_machine.html", {"form": form}, status=422 if request.method == "POST" else 200)


@desk("lab", "admin")
@require_http_methods(["GET", "POST"])
def machine(request: HttpRequest, analyser_id: int) -> HttpResponse:
    """One analyser: its connection, and the table of its codes."""
    row = _owned(request, analyser_id)
    form = AnalyserForm(request.POST or None, initial=_known(row))
    if request.method == "POST" and form.is_valid():
        try:
            analysers.save(asker(request), row.pk, **form.cleaned_data)
        except LabError as error:
            form.add_error("application", str(error))
        else:
            messages.success(request, _("Đã ghi."))
            return redirect("lab:machine", row.pk)
    return _machine_page(request, row, form=form, status=422 if request.method == "POST" else 200)


@desk("lab", "admin")
@require_POST
def teach_code(request: HttpRequest, analyser_id: int) -> HttpResponse:
    """Say what a code of the analyser means."""
    row = _owned(request, analyser_id)
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _machine_page(request, row, code_form=form, status=422)
    analysers.teach(asker(request), row.pk, **form.cleaned_data)
    messages.success(request, _("Đã ghi mã của máy."))
    return redirect("lab:machine", row.pk)


@desk("lab", "admin")
@require_POST
def forget_code(request: HttpRequest, analyser_id: int) -> HttpResponse:
    """Take the meaning of a code back."""
    row = _owned(request, analyser_id)
    analysers.forget(asker(request), row.pk, request.POST.get("code", ""))
    messages.success(request, _("Đã bỏ mã của máy."))
    return redirect("lab:machine", row.pk)


def _machine_page(
    request: HttpRequest,
    row: Analyser,
    *,
    form: AnalyserForm | None = None,
    code_form: CodeForm | None = None,
    status: int = 200,
) -> HttpResponse:
    ours = analytes()
    context = {
        "row": row,
        "form": form or AnalyserForm(initial=_known(row)),
        "code_form": code_form or CodeForm(),
        "model": (model := driver(row.driver)),
        "usual": [(code, ours.get(m.analyte), m) for code, m in model.codes.items()] if model else [],
        "recent": _recent(request, row),
        "codes": [(code, ours.get(code.analyte), code.factor.normalize()) for code in row.meanings.order_by("code")],
    }
    return render(request, "lab/machine.html", context, status=status)


def _recent(request: HttpRequest, row: Analyser) -> list[tuple[Message, object, object]]:
    """The last messages of a machine with where they stand, for those who work with them."""
    here = asker(request)
    if here.role != "lab":
        return []
    found = queries.inbox(here.facility, "live").filter(analyser=row)[:RECENT]
    return [(one, words.STATES[one.state], REASONS.get(one.reason, one.reason)) for one in found]


def _known(row: Analyser) -> dict[str, object]:
    application, _separator, facility = row.sender.partition("|")
    known = {"name": row.name, "application": application, "sending_facility": facility}
    same = (
        "address", "enabled", "driver", "silent_minutes", "serial", "folder", "port", "downloads", "bedside",
        "ministry_code",
    )  # fmt: skip
    return known | {name: getattr(row, name) for name in same}


def _owned(request: HttpRequest, analyser_id: int) -> Analyser:
    row = queries.machines(asker(request)).filter(pk=analyser_id).first()
    if not row:
        raise Http404(NoAnalyser.code)
    return row
