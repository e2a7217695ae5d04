"""Results that surveillance must be told of: the notice is a Task in the record, and so on the change feed at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from tuetinh.care.lab.results import facts
from tuetinh.care.lab.results.judge import Judge
from tuetinh.care.lab.results.work import Writes
from tuetinh.record import api as record
from tuetinh.record import r4


def tell(writes: Writes, judge: Judge, results: Iterable[r4.Observation], facility: str) -> None:
    """Tell of the final results that are notifiable; take a notice back whose result was corrected to none."""
    told = ("final", "amended", "corrected", "entered-in-error")
    final = {facts.case_id(r): r for r in results if r.status in told}
    if not final:
        return
    known = cast("dict[str, r4.Task]", record.read_many(writes.desk, "Task", final))
    for id_, result in final.items():
        rule = None if result.status == "entered-in-error" else judge.notifiable(result)
        notice = known.get(id_)
        if rule and (notice is None or notice.status == "cancelled"):
            writes.put(facts.case(result, rule, facility), known=notice is not None)
        elif not rule and notice and notice.status != "cancelled":
            notice.status, notice.statusReason = "cancelled", r4.CodeableConcept(text="Kết quả đã được sửa.")
            writes.put(notice, known=True)
