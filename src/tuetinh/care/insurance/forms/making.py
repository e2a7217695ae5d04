"""Make a form beside the page: XLSX or PDF of a month or quarter."""

from __future__ import annotations

import re

from tuetinh.care.insurance.errors import NoForm
from tuetinh.care.insurance.forms.filling import claims, lines
from tuetinh.care.insurance.forms.layouts import Layout, Period, book
from tuetinh.care.insurance.forms.writing import as_pdf, xlsx
from tuetinh.care.insurance.models import Run
from tuetinh.care.insurance.results.work import bounds
from tuetinh.care.insurance.runs import Progress, start
from tuetinh.commons.access.api import place_name
from tuetinh.record import audit
from tuetinh.record.asker import Asker

FORMATS = ("xlsx", "pdf")


def ask(asker: Asker, code: str, period: str, form: str) -> Run:
    """Have a form made. form: `xlsx` or `pdf`. Raises NoForm and AlreadyRunning."""
    layout = book().forms.get(code)
    if layout is None or form not in FORMATS or not fits(layout, period) or not asker.facility:
        raise NoForm
    return start(asker, "form", f"{period} {code} {form}", what={"form": code, "period": period, "format": form})


def fits(layout: Layout, period: str) -> bool:
    """Whether a period is one that the form is made of."""
    shape = r"\d{4}-Q[1-4]" if layout.period == "quarter" else r"\d{4}-\d{2}"
    if not re.fullmatch(shape, period):
        return False
    try:
        bounds(Period(period).months[0])
    except ValueError:
        return False
    return True


def make(run: Run, progress: Progress) -> None:
    """Make it; what was made of the same period before is taken away."""
    layout, period = book().forms[run.what["form"]], Period(run.what["period"])
    rows = lines(layout, claims(run.facility, period, progress), run.facility)
    told = {"facility": place_name("Organization", run.facility), "period": period.told}
    if run.what["format"] == "xlsx":
        run.file, end = xlsx(layout, rows, **told), "xlsx"
    else:
        run.file, end = as_pdf(layout, rows, **told)
    run.name = f"{run.what['form']} {period.key}.{end}"
    Run.objects.filter(facility=run.facility, kind="form", key=run.key, pk__lt=run.pk).update(file=None)


def take(asker: Asker, run: Run) -> bytes:
    """The file of a form, which is logged as given out. Raises NoForm."""
    if run.kind != "form" or run.facility != asker.facility or run.file is None:
        raise NoForm
    audit.note(asker, "export", "Claim", "", None)
    return bytes(run.file)
