"""What follows when isolates are handed out: the warning of multi-resistance, the charge of the antibiogram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import cast

from tuetinh.care.billing.api import NoPrice, charge
from tuetinh.care.lab import facts as lab_facts
from tuetinh.care.lab.microbiology import facts
from tuetinh.care.lab.microbiology.lists import rows
from tuetinh.care.lab.results.rules import Marker
from tuetinh.care.lab.results.work import Work, Writes
from tuetinh.commons.catalogues.api import service
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

WITH_ANTIBIOGRAM = "24.0005.1716"  # a culture that is billed with identification and antibiogram


@cache
def _services() -> dict[str, tuple[str, str]]:
    return {row["method"]: (row["code"], row["per"]) for row in rows("services.csv")}


def warn(writes: Writes, work: Work, results: Iterable[r4.Observation]) -> None:
    """Warn infection control of the marks of final isolates; take a warning back that a correction has made wrong."""
    isolates = [one for one in results if lab_facts.key_of(one) == "ORGANISM" and one.status != "preliminary"]
    if not isolates:
        return
    markers = {rule.mark: rule for rule in work.judge.book.rules.values() if isinstance(rule, Marker) and rule.alert}
    ids = {facts.flag_id(one.id or "", mark): (one, mark) for one in isolates for mark in markers}
    known = cast("dict[str, r4.Flag]", record.read_many(writes.desk, "Flag", ids))
    for id_, (one, mark) in ids.items():
        holds = one.status != "entered-in-error" and mark in facts.read_isolate(one).marks
        if holds and (id_ not in known or known[id_].status != "active"):
            writes.put(facts.flag(one, markers[mark]), known=id_ in known)
        elif not holds and id_ in known and known[id_].status == "active":
            known[id_].status = "entered-in-error"
            writes.put(known[id_], known=True)


def bill(asker: Asker, desk: Asker, work: Work, fresh: Iterable[r4.Observation]) -> None:
    """Charge the antibiograms of isolates that are handed out, to the orders of their cultures."""
    of_order: dict[str, Counter[str]] = {}
    for one in fresh:
        if lab_facts.key_of(one) == "ORGANISM":
            for order in {lab_facts.id_of(ref) for ref in one.basedOn or []}:
                of_order.setdefault(order, Counter()).update(_work_on(facts.read_isolate(one)))
    if not of_order:
        return
    visit = cast(r4.Encounter, record.read(desk, "Encounter", work.tube.encounter))
    for order, counted in of_order.items():
        what = lab_facts.ordered_test(work.orders[order])
        for code, quantity in counted.items() if what and what.code != WITH_ANTIBIOGRAM else ():
            named = service(code)
            with suppress(NoPrice):  # what has no price here is no reason to keep a result back
                charge(
                    asker, visit, code, quantity, source_reference=f"ServiceRequest/{order}",
                    display=named.name if named else code,
                )  # fmt: skip


def _work_on(isolate: facts.Isolate) -> Counter[str]:
    """The services of an antibiogram, each as often as it was done."""
    counted: Counter[str] = Counter()
    for one in isolate.tests:
        code, per = _services()["machine" if isolate.device else one.method]
        counted[code] = 1 if per == "isolate" else counted[code] + 1
    return counted
