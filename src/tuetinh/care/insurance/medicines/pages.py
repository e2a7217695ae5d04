"""The administrator's page of medicines and their codes, first those without."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.care.insurance.errors import BadCatalogue
from tuetinh.care.insurance.medicines import actions
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.catalogues.api import CatalogueError, drug, drugs, fold, medicine_codes, without_code
from tuetinh.commons.ui.api import paginate

LARGEST = 10_000_000  # bytes of a catalogue


@desk("admin", at="facility")
@require_http_methods(["GET", "POST"])
@never_cache
def medicines(request: HttpRequest) -> HttpResponse:
    """Medicines without a code, with `all` every one, with a scrap `q` of their names; POST enters `code` of one."""
    me, wrong, typed = asker(request), "", request.POST.get("code", "")
    medicine = request.POST.get("medicine", "")
    if request.method == "POST":
        try:
            actions.enter(me, medicine, typed)
        except CatalogueError as error:
            wrong = str(error)
        else:
            if "HX-Request" not in request.headers:
                messages.success(request, _("Đã lưu mã thuốc."))
                return redirect(request.get_full_path())
    codes = medicine_codes(me.facility)
    known = drug(medicine)
    if "HX-Request" in request.headers and request.method == "POST" and known:
        context = {
            "one": known,
            "own": typed if wrong else codes.get(known.code, ""),
            "wrong": wrong,
            "saved": not wrong,
        }
        return render(request, "insurance/medicine_row.html", context, status=422 if wrong else 200)
    words, every = fold(request.GET.get("q", "")).split(), "all" in request.GET
    bare = without_code(me.facility)
    found = [one for one in (drugs() if every else bare) if all(word in fold(one.label) for word in words)]
    page = paginate(request, found)
    rows = [
        (
            one,
            typed if wrong and one.code == medicine else codes.get(one.code, ""),
            wrong if one.code == medicine else "",
        )
        for one in page.object_list
    ]
    context = {"page": page, "rows": rows, "every": every, "q": request.GET.get("q", ""), "missing": len(bare)}
    context["approved"] = bool(bare) and actions.approved_medicines(me.facility)
    return render(request, "insurance/medicines.html", context, status=422 if wrong else 200)


@desk("admin", at="facility")
@require_POST
def take(request: HttpRequest) -> HttpResponse:
    """Take a `file`: the facility's own catalogue."""
    file = request.FILES.get("file")
    if file is None or (file.size or 0) > LARGEST:
        messages.error(request, _("Chọn tệp Excel của danh mục, không quá 10 MB."))
        return redirect("insurance:medicines")
    try:
        taken = actions.take(asker(request), file.read())
    except (BadCatalogue, CatalogueError) as error:
        messages.error(request, str(error))
        return redirect("insurance:medicines")
    _tell(request, taken)
    return redirect("insurance:medicines")


@desk("admin", at="facility")
@require_POST
def take_approved(request: HttpRequest) -> HttpResponse:
    """Take the codes of the insurer's catalogue 03/DM for medicines without one."""
    try:
        _tell(request, actions.take_approved(asker(request)))
    except CatalogueError as error:
        messages.error(request, str(error))
    return redirect("insurance:medicines")


def _tell(request: HttpRequest, taken: actions.Taken) -> None:
    told = ngettext("%(n)d thuốc nhận mã, %(same)d như cũ.", "%(n)d thuốc nhận mã, %(same)d như cũ.", taken.new)
    messages.success(request, told % {"n": taken.new, "same": taken.same})
    if taken.several:
        names = "; ".join(one.label for one in taken.several[:5])
        messages.warning(request, _("Có nhiều mã cho một hoạt chất, hãy nhập tay: %(names)s") % {"names": names})
