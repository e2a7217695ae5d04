"""What the laboratory prints: the label of a tube and the sheet of results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from tuetinh.care.lab import actions, facts, queries, words
from tuetinh.care.lab.barcode import code128_svg, datamatrix_svg
from tuetinh.care.lab.results import pictures
from tuetinh.care.lab.results.work import work_on
from tuetinh.commons.access.api import owner_names, place_name
from tuetinh.commons.documents.api import Paper, pdf
from tuetinh.commons.identity.api import banner
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

if TYPE_CHECKING:
    from tuetinh.care.lab.models import Tube
    from tuetinh.care.lab.results.work import Work


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
    """The sheet of the results of a tube, with what ISO 15189:2012, 5.8.3 asks of a report.

    What is not released is not on it.
    """
    person = banner(asker, tube.patient)
    work = work_on(asker, tube)
    grid = queries.grid(asker, work)
    told = [row for row in grid if row.value and row.status not in ("preliminary", "")]
    signatures = _signatures(asker, [row.id for row in told])
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
        "released": tube.released_at or signatures[-1]["when"],
        "awaited": ", ".join(dict.fromkeys(row.test for row in grid if row.id not in {one.id for one in told})),
        "state": _state(tube, told),
        "rows": [_line(work, row) for row in told],
        "isolates": _isolates(grid),
        "pictures": [{"title": title, "drawn": svg} for title, svg in pictures.for_print(asker, work)],
        "signatures": signatures,
    }
    return pdf("lab/sheet.typ", data | _origin(asker, work), paper)


def _line(work: Work, row: queries.Row) -> dict[str, Any]:
    device = work.results[row.id].device
    return {
        "test": row.test,
        "machine": (device.display or "") if device else "",
        "name": row.analyte.names[0],
        "value": row.value.replace(".", ",") if row.analyte.numeric else row.value,
        "unit": row.unit,
        "limits": row.limits,
        "flag": str(words.FLAGS[row.flag][0]) if row.flag in words.FLAGS and row.flag not in ("N", "NEG") else "",
        "notes": row.notes,
    }


def _state(tube: Tube, told: Iterable[queries.Row]) -> str:
    """That a sheet is not the first or not the last of its tube, "" for one that is both."""
    if any(row.status in ("corrected", "amended") for row in told):
        return "Bản đã sửa đổi"
    return "" if tube.stage == "released" else "Kết quả từng phần"


def _origin(asker: Asker, work: Work) -> dict[str, Any]:
    """Who asked for what is on the sheet, for a person who is where, and what was drawn when."""
    desk, tube = actions.at_bench(asker), work.tube
    visit = cast("r4.Encounter | None", record.read_many(desk, "Encounter", [tube.encounter]).get(tube.encounter))
    drawn = cast("r4.Specimen | None", record.read_many(desk, "Specimen", [tube.specimen]).get(tube.specimen))
    sender = facts.id_of(visit.serviceProvider) if visit else ""
    places = [one.location.display or "" for one in (visit.location if visit else None) or [] if one.location]
    from_elsewhere = place_name("Organization", sender) if sender not in ("", tube.facility) else ""
    return {
        "requester": ", ".join(_names([order.requester for order in work.orders.values() if order.requester])),
        "place": " · ".join(filter(None, (*places[-1:], from_elsewhere))),
        "specimen": (drawn.type.text or "") if drawn and drawn.type else "",
        "collected": tube.collected_at,
    }


def _signatures(asker: Asker, results: Sequence[str]) -> list[dict[str, str]]:
    """Who validated the results of a sheet and who signed them, the last of each."""
    roles = {"technical-validation": "NGƯỜI THỰC HIỆN", "medical-validation": "NGƯỜI DUYỆT KẾT QUẢ"}
    steps: dict[str, r4.Provenance] = {}
    if results:
        targets = ",".join(f"Observation/{id_}" for id_ in results)
        page = record.search(actions.at_bench(asker), "Provenance", f"target={targets}&_sort=recorded&_count=200")
        for one in cast("list[r4.Provenance]", page.resources):
            codes = (one.activity.coding if one.activity else None) or []
            steps |= {coding.code or "": one for coding in codes}
    return [
        {
            "role": role,
            "name": ", ".join(_names([agent.who for agent in steps[step].agent or [] if agent.who])),
            "when": _written_moment(steps[step].recorded or ""),
        }
        for step, role in roles.items()
        if step in steps
    ] or [{"role": roles["medical-validation"], "name": "", "when": ""}]


def _written_moment(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(actions.HANOI):%H:%M %d/%m/%Y}" if at else ""


def _names(people: Sequence[r4.Reference]) -> list[str]:
    """The names of practitioners, each once; of a reference to none, what it shows or the name of its account."""
    ids = {id_ for one in people if (id_ := facts.id_of(one))}
    known = cast("dict[str, r4.Practitioner]", record.read_many(SYSTEM, "Practitioner", ids)) if ids else {}
    accounts = owner_names({one.display for one in people if one.display}, ())[0]
    found = []
    for one in people:
        person, shown = known.get(facts.id_of(one)), one.display or ""
        found.append((person.name[0].text or "") if person and person.name else accounts.get(shown, shown))
    return list(dict.fromkeys(filter(None, found)))


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
                    "unit": "mm" if test.method == "disk" else "mg/L", "sir": test.sir,
                    "limits": " · ".join(filter(None, (test.limits, *test.why))),
                }
                for test in isolate.tests
            ],
        }
        for row in grid
        if row.status not in ("preliminary", "")
        for isolate in row.isolates
    ]  # fmt: skip
