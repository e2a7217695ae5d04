"""The pathologist's desk: cases at work, one case from the parts to the signed report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab.asked import number_in, person_of
from tuetinh.care.lab.errors import REFUSALS
from tuetinh.care.lab.pathology import cases, facts, queries, reports
from tuetinh.care.lab.pathology.errors import NotAPicture
from tuetinh.care.lab.pathology.models import PathologyCase
from tuetinh.care.lab.pathology.tables import morphology, services, stains, templates
from tuetinh.care.lab.results import pictures
from tuetinh.care.lab.results.signing import named
from tuetinh.commons.access.api import asker, desk, fresh, owner_names
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record
from tuetinh.record.asker import Asker

STAGES = {
    "ordered": (gettext_lazy("Chờ nhận"), "inbox"),
    "received": (gettext_lazy("Chờ phẫu tích"), "scissors"),
    "grossed": (gettext_lazy("Chờ nhuộm"), "color-swatch"),
    "stained": (gettext_lazy("Chờ đọc"), "microscope"),
    "drafted": (gettext_lazy("Chờ ký"), "signature"),
    "signed": (gettext_lazy("Đã ký"), "check"),
    "cancelled": (gettext_lazy("Đã hủy"), "x"),
}


@desk("lab")
@require_GET
@never_cache
def worklist(request: HttpRequest) -> HttpResponse:
    """Cases by what is to do with them, and how fast the services are; a scanned number opens its case."""
    me, text = asker(request), request.GET.get("q", "").strip()
    number = text.upper().partition("-")[0]
    if number and (found := PathologyCase.objects.filter(facility=me.facility, number=number).first()):
        return redirect("lab:pathology-case", found.pk)
    stage = request.GET.get("stage", "ordered")
    stage = stage if stage in STAGES else "ordered"
    counts = queries.counts(me.facility)
    page = paginate(request, queries.cases(me.facility, stage, text[:20]))
    names = names_of(me, {case.patient for case in page.object_list})
    context = {
        "page": page, "stage": stage, "q": text, "facility": me.facility, "now": timezone.now(),
        "rows": [(case, names.get(case.patient, ""), services()[case.service].name) for case in page.object_list],
        "tabs": [(key, label, counts.get(key, 0)) for key, (label, _icon) in STAGES.items() if key != "cancelled"],
        "pace": queries.pace(me.facility), "days": queries.DAYS,
    }  # fmt: skip
    return render(request, "lab/pathology.html", context)


@desk("doctor")
@require_http_methods(["GET", "POST"])
@never_cache
def of_visit(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The cases of a visit, and a new request."""
    me = asker(request)
    patient = person_of(me, encounter_id)
    typed, error, status = request.POST, "", 200
    if request.method == "POST":
        try:
            cases.ask(
                me, encounter_id, typed.get("service", ""), typed.get("parts", "").splitlines(),
                typed.get("clinical", ""), urgent="urgent" in typed,
            )  # fmt: skip
        except REFUSALS as refused:
            error, status = str(refused), 422
        else:
            messages.success(request, _("Đã gửi yêu cầu giải phẫu bệnh."))
            return redirect("lab:pathology-visit", encounter_id)
    found = PathologyCase.objects.filter(facility=me.facility, patient=patient).order_by("-id")[:50]
    context = {
        "banner": banner(me, patient), "services": services().values(), "typed": typed, "error": error,
        "rows": [(case, services()[case.service].name, *STAGES[case.stage]) for case in found],
    }  # fmt: skip
    return render(request, "lab/pathology_visit.html", context, status=status)


@desk("lab", "doctor")
@require_GET
@never_cache
def case(request: HttpRequest, case_id: int) -> HttpResponse:
    """One case: what was asked, its parts, blocks and slides, what was read, and the next step."""
    return shown(request, _case(request, case_id))


def _case(request: HttpRequest, case_id: int) -> PathologyCase:
    found = PathologyCase.objects.filter(pk=case_id, facility=asker(request).facility).first()
    if not found:
        raise Http404
    return found


def shown(request: HttpRequest, found: PathologyCase, typed: dict[str, str] | None = None, status: int = 200) -> Any:
    """The page of a case; typed: what a refused form held."""
    me = asker(request)
    sections, report = reports.sections(me, found), reports.current(me, found)
    form = templates().get(request.GET.get("template") or (typed or {}).get("template", "") or found.template)
    form = form or templates()[found.template]
    asked = record.read_many(me, "ServiceRequest", [found.request]).get(found.request)
    values = {key: one.valueString or "" for key, one in sections.items()} | (typed or {})
    values.setdefault("micro", form.microscopy if found.stage == "stained" else "")
    signers = named(found.facility)
    read = me.role == "lab" or found.stage == "signed"  # a draft is the laboratory's
    context = {
        "case": found, "service": services()[found.service], "stage": STAGES[found.stage], "now": timezone.now(),
        "banner": banner(me, found.patient), "pieces": queries.pieces(found), "stains": stains().values(),
        "clinical": next((note.text for note in getattr(asked, "note", None) or []), ""),
        "sections": [(one.code.text, one) for one in sections.values()] if read else [], "report": report,
        "pictures": facts.pictures_of(report) or _pictures(me, found), "templates": templates().values(), "form": form,
        "fields": [(field, values.get(field.key, "")) for field in form.fields], "values": values,
        "code": (typed or {}).get("code", facts.code_of(report)), "codes": morphology().items(),
        "opinions": list(found.opinions.order_by("id")), "works": me.role == "lab",
        "signs": not signers or me.account in signers, "correcting": "correct" in request.GET,
        "signer": owner_names({found.signed_by}, ())[0].get(found.signed_by, ""),
    }  # fmt: skip
    return render(request, "lab/pathology_case.html", context, status=status)


def _pictures(me: Asker, found: PathologyCase) -> list[str]:
    query = f"patient=Patient/{found.patient}&based-on=ServiceRequest/{found.request}&_count=100"
    return sorted(one.id or "" for one in record.search(me, "Media", query).resources)


def _draft(told: Any) -> reports.Draft:
    form = templates().get(told.get("template", ""))
    return reports.Draft(
        template=told.get("template", ""), microscopy=told.get("micro", ""), diagnosis=told.get("diagnosis", ""),
        fields={field.key: told.get(field.key, "") for field in (form.fields if form else ())},
        code=told.get("code", "").strip()[:20],
    )  # fmt: skip


@desk("lab")
@require_POST
def step(request: HttpRequest, case_id: int, step: str) -> HttpResponse:
    """Do one thing with a case."""
    me, found, told = asker(request), _case(request, case_id), request.POST
    blocks = {key[7:]: number_in(told, key) for key in told if key.startswith("blocks-")}
    steps: dict[str, tuple[Callable[[], object], str]] = {
        "receive": (lambda: cases.receive(me, case_id), _("Đã nhận và cho số.")),
        "cancel": (lambda: cases.cancel(me, case_id, told.get("reason", "")), _("Đã hủy yêu cầu.")),
        "gross": (lambda: cases.gross(me, case_id, told.get("gross", ""), blocks), _("Đã ghi đại thể.")),
        "stain": (
            lambda: cases.stain(me, number_in(told, "piece"), told.getlist("stain")), _("Đã tạo tiêu bản; in nhãn."),
        ),
        "picture": (lambda: _picture(me, request, case_id), _("Đã thêm ảnh.")),
        "draft": (lambda: reports.draft(me, case_id, _draft(told)), _("Đã ghi bản nháp.")),
        "call": (
            lambda: reports.call(
                me, case_id, told.get("told", ""), answered=told.get("answered") != "no",
                read_back=told.get("read_back") == "yes",
            ),
            _("Đã ghi cuộc gọi."),
        ),
        "opinion": (
            lambda: reports.ask_opinion(me, case_id, told.get("asked_of", ""), told.get("question", "")),
            _("Đã xin ý kiến thứ hai."),
        ),
        "answer": (
            lambda: reports.answer_opinion(me, number_in(told, "opinion"), told.get("text", "")),
            _("Đã ghi ý kiến thứ hai."),
        ),
    }  # fmt: skip
    if step not in steps:
        raise Http404
    return _done(request, found, *steps[step])


@fresh("sign")
@desk("lab")
@require_POST
def sign(request: HttpRequest, case_id: int, what: str) -> HttpResponse:
    """Sign a report, an addendum or a correction."""
    me, found, told = asker(request), _case(request, case_id), request.POST
    steps: dict[str, tuple[Callable[[], object], str]] = {
        "report": (lambda: reports.sign(me, case_id), _("Đã ký và trả kết quả.")),
        "addendum": (lambda: reports.add(me, case_id, told.get("text", "")), _("Đã ký phần bổ sung.")),
        "correction": (
            lambda: reports.correct(me, case_id, _draft(told), told.get("reason", "")), _("Đã ký bản sửa."),
        ),
    }  # fmt: skip
    if what not in steps:
        raise Http404
    return _done(request, found, *steps[what])


def _done(request: HttpRequest, found: PathologyCase, do: Callable[[], object], done: str) -> HttpResponse:
    try:
        do()
    except REFUSALS as error:
        messages.error(request, str(error))
        return shown(request, found, {key: str(value) for key, value in request.POST.items()}, 422)  # type: ignore[no-any-return]
    messages.success(request, done)
    return redirect("lab:pathology-case", found.pk)


def _picture(me: Asker, request: HttpRequest, case_id: int) -> object:
    file = request.FILES.get("picture")
    if file is None or (file.size or 0) > pictures.LARGEST:
        raise NotAPicture
    return cases.add_picture(me, case_id, request.POST.get("title", ""), file.read())
