"""What the laboratory prints: the label of a tube and the sheet of results."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tuetinh.care.lab import actions, queries, words
from tuetinh.care.lab.barcode import code128_svg, datamatrix_svg
from tuetinh.care.lab.results import pictures
from tuetinh.care.lab.results.work import work_on
from tuetinh.commons.access.api import place_name
from tuetinh.commons.documents.api import Paper, pdf
from tuetinh.commons.identity.api import banner

if TYPE_CHECKING:
    from tuetinh.care.lab.models import Tube
    from tuetinh.record.asker import Asker


def written_day(day: str) -> str:
    """A day, month or year of the record as people write it: dd/mm/yyyy."""
    return "/".join(reversed(day.split("-")))


def label(asker: Asker, tube: Tube) -> bytes:
    """The label of a tube, 50 × 30 mm, with its number in Code 128 and in DataMatrix."""
    person = banner(asker, tube.patient)
    [line] = queries.lines(asker, [tube])
    about = " · ".join(filter(None, (person.sex, person.birth[:4])))
    return label_of(number=tube.number, name=person.name, about=about, tests=line.tests, urgent=tube.urgent)


def label_of(*, number: str, name: str, about: str, tests: str, urgent: bool) -> bytes:
    """The same label for whatever has a number in printable ASCII; `zpl.label` draws it for thermal printers."""
    data = {
        "number": number, "barcode": code128_svg(number), "matrix": datamatrix_svg(number),
        "name": name, "about": about, "tests": tests, "urgent": urgent,
    }  # fmt: skip
    return pdf("lab/label.typ", data, "label")


def sheet(asker: Asker, tube: Tube, paper: Paper = "A5") -> bytes:
    """The sheet of the results of a tube; what is not released is not on it."""
    person = banner(asker, tube.patient)
    work = work_on(asker, tube)
    grid = queries.grid(asker, work)
    rows = [
        {
            "test": row.test,
            "name": row.analyte.names[0],
            "value": row.value.replace(".", ",") if row.analyte.numeric else row.value,
            "unit": row.unit,
            "limits": row.limits,
            "flag": str(words.FLAGS[row.flag][0]) if row.flag in words.FLAGS and row.flag not in ("N", "NEG") else "",
        }
        for row in grid
        if row.value and row.status not in ("preliminary", "")
    ]
    data = {
        "facility": {"name": place_name("Organization", tube.facility)},
        "patient": {
            "name": person.name,
            "number": person.number,
            "sex": person.sex,
            "birth": written_day(person.birth),
        },
        "number": tube.number,
        "barcode": code128_svg(tube.number),
        "received": tube.received_at,
        "released": tube.released_at or datetime.now(actions.HANOI),
        "rows": rows,
        "isolates": _isolates(grid),
        "pictures": [{"title": title, "drawn": svg} for title, svg in pictures.for_print(asker, work)],
    }
    return pdf("lab/sheet.typ", data, paper)


def _isolates(grid: list[queries.Row]) -> list[dict[str, Any]]:
    """What grew of the cultures that were handed out, each with its antibiogram."""
    return [
        {
            "name": isolate.name,
            "about": " · ".join(filter(None, (isolate.about, *isolate.marks))),
            "comment": isolate.comment,
            "table": next((test.table for test in isolate.tests), ""),
            "tests": [
                {
                    "name": test.name, "value": test.shown.replace(".", ","),
                    "unit": "mm" if test.method == "disk" else "mg/L", "sir": test.sir, "limits": test.limits,
                }
                for test in isolate.tests
            ],
        }
        for row in grid
        if row.status not in ("preliminary", "")
        for isolate in row.isolates
    ]  # fmt: skip
