"""Claim files of other systems: bring one, see how far it is, read what became of each claim."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.insurance.errors import InsuranceError
from tuetinh.care.insurance.intake import actions
from tuetinh.care.insurance.intake.run import outcomes, told_outcome
from tuetinh.care.insurance.models import ClaimImport, ImportOutcome
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.ui.api import paginate

STATES = {
    "stored": gettext_lazy("Đã lưu"),
    "updated": gettext_lazy("Đã cập nhật"),
    "unchanged": gettext_lazy("Không đổi"),
    "refused": gettext_lazy("Không nhận"),
}


class FileForm(forms.Form):
    """A file to bring."""

    file = forms.FileField(label=gettext_lazy("Tệp hồ sơ (.xml, .gz, .zip)"))


@desk("cashier", "admin")
@require_http_methods(["GET", "POST"])
@never_cache
def imports(request: HttpRequest) -> HttpResponse:
    """The files that were brought, newest first, and how far they are; POST brings another one."""
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            brought = actions.bring(asker(request), file.name, file.chunks())
        except InsuranceError as error:
            form.add_error("file", str(error))
        else:
            messages.success(request, _("Đã nhận tệp. Việc nhập vẫn tiếp tục khi rời trang này."))
            return redirect("insurance:import", brought[0].pk) if len(brought) == 1 else redirect("insurance:imports")
    page = paginate(request, actions.imports(asker(request)))
    counts = _counts([one.pk for one in page.object_list])
    rows = [_row(one, counts[one.pk]) for one in page.object_list]
    context = {"form": form, "page": page, "rows": rows, "running": any(not row["ended"] for row in rows)}
    return render(request, "insurance/imports.html", context, status=422 if form.errors else 200)


@desk("cashier", "admin")
@require_GET
@never_cache
def one(request: HttpRequest, import_id: int) -> HttpResponse:
    """The report of one file: its claims of a `state`, with what was found in each."""
    found = _found(request, import_id)
    state = request.GET.get("state", "")
    asked = found.outcomes.order_by("place", "pk")
    page = paginate(request, asked.filter(state=state) if state in STATES else asked)
    counts = _counts([found.pk])[found.pk]
    context = {
        "one": _row(found, counts), "page": page, "state": state,
        "states": [(name, label, counts[name]) for name, label in STATES.items()],
        "rows": [(outcome, STATES[outcome.state]) for outcome in page.object_list],
        "facility": place_name("Organization", found.facility),
    }  # fmt: skip
    return render(request, "insurance/import.html", context)


@desk("cashier", "admin")
@require_GET
@never_cache
def report(request: HttpRequest, import_id: int) -> StreamingHttpResponse:
    """The report as JSON, one claim a line."""
    found = _found(request, import_id)
    headers = {
        "Content-Disposition": f'attachment; filename="nhap-ho-so-{found.pk}.ndjson"',
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(_lines(found), content_type="application/x-ndjson", headers=headers)


def _lines(run: ClaimImport) -> Iterator[bytes]:
    for outcome in outcomes(run):
        yield json.dumps(told_outcome(outcome, run.name), ensure_ascii=False).encode() + b"\n"


def _counts(ids: list[int]) -> dict[int, Counter[str]]:
    """How many claims of each import came out how: one query."""
    found: dict[int, Counter[str]] = {id_: Counter() for id_ in ids}
    for run, state, count in (
        ImportOutcome.objects.filter(run__in=ids).values_list("run", "state").annotate(n=Count("pk")).order_by()
    ):
        found[run][state] = count
    return found


def _row(run: ClaimImport, counts: Counter[str]) -> dict[str, Any]:
    share = 100 if run.ended else min(run.done * 100 // max(run.size, 1), 99)
    return {"run": run, "counts": counts, "share": share, "ended": run.ended, "total": sum(counts.values())}


def _found(request: HttpRequest, import_id: int) -> ClaimImport:
    found = actions.imports(asker(request)).filter(pk=import_id).first()
    if found is None:
        raise Http404
    return found
