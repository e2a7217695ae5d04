"""Pages of microbiology: the incubator, the bench of one tube, an isolate with its antibiogram."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab import queries as lab
from tuetinh.care.lab import words
from tuetinh.care.lab.errors import BadValue, LabError, NoCulture, NoTube, UnknownOrganism
from tuetinh.care.lab.facts import told
from tuetinh.care.lab.microbiology import actions, forms, queries
from tuetinh.care.lab.microbiology.breakpoints import in_force
from tuetinh.care.lab.microbiology.facts import OUTCOMES, Isolate
from tuetinh.care.lab.microbiology.lists import antibiotics, find_organism, organisms, phenotypes, sources
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results.rules import Marker
from tuetinh.care.lab.results.work import Work, work_on
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate


@desk("lab")
@require_GET
@never_cache
def cultures(request: HttpRequest) -> HttpResponse:
    """Cultures at work, the longest first, or those handed out; a scanned number opens its tube at once."""
    me, text = asker(request), request.GET.get("q", "").strip()[:20]
    if text and (found := queries.cultures(me.facility, text=text).filter(number=text).first()):
        return redirect("lab:culture", found.number)
    done = request.GET.get("list") == "done"
    page = paginate(request, queries.cultures(me.facility, done=done, text=text))
    tubes = list(page.object_list)
    steps = queries.last_steps(tubes)
    rows = [
        (line, queries.hours(line.tube), step, OUTCOMES.get(step.outcome, "") if step else "", *_stage(line.tube))
        for line in lab.lines(me, tubes)
        for step in [steps.get(line.tube.pk)]
    ]
    context = {"rows": rows, "page": page, "done": done, "q": text, "facility": me.facility}
    return render(request, "lab/cultures.html", context)


def _stage(tube: Tube) -> tuple[object, str]:
    return words.STAGES[tube.stage]


@desk("lab")
@require_GET
@never_cache
def culture(request: HttpRequest, number: str) -> HttpResponse:
    """The bench of one tube: its cultures with what was seen day by day, what grew, what machines told."""
    return _bench(request, _work(request, number))


def _bench(request: HttpRequest, work: Work, form: forms.StepForm | None = None, order: str = "") -> HttpResponse:
    found, tube = queries.of_tube(work), work.tube
    if not found:
        raise Http404
    marks = {rule.mark: rule for rule in work.judge.book.rules.values() if isinstance(rule, Marker)}
    rows = []
    for one in found:
        blank = forms.StepForm(initial={"hours": queries.hours(tube), "outcome": one.outcome or "no-growth"})
        shown = [(isolate, [marks[m] for m in isolate.marks if m in marks]) for isolate in one.isolates]
        waiting = [(p, organisms().get(p.content["organism"])) for p in one.proposals]
        rows.append((one, form if form and one.order == order else blank, shown, waiting))
    context = {
        "tube": tube, "rows": rows, "banner": banner(asker(request), tube.patient), "hours": queries.hours(tube),
        "outcomes": OUTCOMES, "antibiotics": antibiotics(), "phenotypes": phenotypes(),
        "at_bench": tube.stage in actions.AT_BENCH, "released": _handed_out(work),
        "stage": _stage(tube),
    }  # fmt: skip
    return render(request, "lab/culture.html", context, status=422 if form else 200)


def _handed_out(work: Work) -> bool:
    """Whether what is changed may be a correction, which needs a reason."""
    return work.tube.stage == Tube.Stage.RELEASED or any(told(one) for one in work.results.values())


def _work(request: HttpRequest, number: str) -> Work:
    me = asker(request)
    tube = Tube.objects.filter(facility=me.facility, number=number).first()
    if not tube:
        raise Http404
    return work_on(me, tube)


@desk("lab")
@require_POST
def step(request: HttpRequest, number: str, order: str) -> HttpResponse:
    """Note what a culture shows."""
    form = forms.StepForm(request.POST)
    if not form.is_valid():
        return _bench(request, _work(request, number), form, order)
    return _done(
        request, number, lambda: actions.note_step(asker(request), number, order, **form.cleaned_data), _("Đã ghi.")
    )


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def isolate(request: HttpRequest, number: str, order: str, place: int) -> HttpResponse:
    """One isolate, 0 for one more: what it is, and its antibiogram, judged as it is kept."""
    work = _work(request, number)
    one = next((c for c in queries.of_tube(work) if c.order == order), None)
    known = next((i for i in one.isolates if i.number == place), None) if one else None
    if not one or (place and not known):
        raise Http404
    if request.method != "POST":
        initial = forms.initial(known) if known else None
        return _isolate_page(request, work, one, known, forms.IsolateForm(initial=initial))
    form, wrong = forms.IsolateForm(request.POST), ""
    if form.is_valid():
        draft = form.draft(known.device if known else "")
        reason = form.cleaned_data["reason"]
        try:
            kept = actions.save_isolate(asker(request), number, order, place, draft, reason=reason)
        except UnknownOrganism as error:
            form.add_error("organism", str(error))
        except BadValue as error:
            wrong = error.field
        except LabError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Đã ghi chủng phân lập."))
            return redirect("lab:isolate", number, order, kept)
    return _isolate_page(request, work, one, known, form, wrong=wrong)


def _isolate_page(
    request: HttpRequest, work: Work, one: queries.Culture, known: Isolate | None, form: forms.IsolateForm, *,
    wrong: str = "",
) -> HttpResponse:  # fmt: skip
    tube, typed = work.tube, {key: str(value)[:20] for key, value in request.POST.items()}
    named = str(form.data.get("organism", "")).partition(" – ")[0] or (known.organism if known else "")
    organism, source = find_organism(named), sources().get(one.test.specimen)
    table = in_force(tube.facility, timezone.localdate())
    signs = [
        (phenotype, typed.get(f"found-{code}", known.found.get(code, "") if known else ""))
        for code, phenotype in phenotypes().items()
        if organism and phenotype.groups & set(organism.groups)
    ]
    marks = {rule.mark: rule for rule in work.judge.book.rules.values() if isinstance(rule, Marker)}
    rules = {code: work.judge.named(code) for test in (known.tests if known else ()) for code in test.rules}
    context = {
        "tube": tube, "culture": one, "known": known, "form": form, "banner": banner(asker(request), tube.patient),
        "lines": forms.lines(
            organism,
            table,
            site=source.site if source else "",
            tests=known.tests if known else (),
            typed=typed,
            wrong=wrong,
        ),
        "signs": signs, "methods": forms.METHODS.items(), "table": table, "choices": forms.organism_choices(),
        "marks": [marks[m] for m in (known.marks if known else ()) if m in marks], "rules": rules,
        "released": _handed_out(work), "place": known.number if known else 0,
        "error": _("Gõ số mm, hoặc MIC như 0,5, <=0,25, >8."),
    }  # fmt: skip
    return render(request, "lab/isolate.html", context, status=422 if request.method == "POST" else 200)


@desk("lab")
@require_POST
def drop(request: HttpRequest, number: str, order: str, place: int) -> HttpResponse:
    """Take an isolate back."""
    reason = request.POST.get("reason", "")
    return _done(
        request, number, lambda: actions.drop_isolate(asker(request), number, order, place, reason), _("Đã bỏ chủng.")
    )


@desk("lab")
@require_POST
def proposal(request: HttpRequest, number: str, order: str, proposal_id: int) -> HttpResponse:
    """Take over what a machine told of an isolate, or with `do` = `refuse` put it aside."""
    me = asker(request)
    if request.POST.get("do") == "refuse":
        return _done(
            request, number, lambda: actions.refuse_proposal(me, number, order, proposal_id), _("Đã để riêng.")
        )
    return _done(
        request, number, lambda: actions.take_proposal(me, number, order, proposal_id), _("Đã nhận kết quả của máy.")
    )


def _done(request: HttpRequest, number: str, do: Callable[[], object], told: str) -> HttpResponse:
    try:
        do()
    except (NoTube, NoCulture) as error:
        raise Http404 from error
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, told)
    return redirect("lab:culture", number)
