"""Both validations of results, by a technician or a rule and by who signs; the second hands them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from tuetinh.care.insurance.api import claim_is_changed, stop
from tuetinh.care.lab import facts
from tuetinh.care.lab.actions import at_bench, keep_tube, lock
from tuetinh.care.lab.errors import CriticalOpen, HeldBack, Incomplete, QualityFailed
from tuetinh.care.lab.microbiology.release import bill, warn
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results import facts as result_facts
from tuetinh.care.lab.results import notices, signing
from tuetinh.care.lab.results.entry import reports, source_of
from tuetinh.care.lab.results.rules import Automatic
from tuetinh.care.lab.results.work import Work, Writes, work_on
from tuetinh.care.lab.samples.orders import add
from tuetinh.care.lab.statistics import lines
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

BY_RULE = "Duyệt tự động"  # who validates where no person does
Stage = Tube.Stage


def verify(asker: Asker, number: str, *, note: str = "") -> Tube:
    """The technician's validation. note: why it holds against what is held, which is due then.

    Raises Incomplete without any result, HeldBack, QualityFailed.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage == Stage.VERIFIED:
            return tube
        if tube.stage != Stage.RESULTED:
            raise Incomplete
        if tube.holds and not note.strip():
            raise HeldBack
        desk = at_bench(asker)
        work = work_on(desk, tube)
        if _awaits(work):
            raise Incomplete
        _fit(work)
        writes = Writes(desk)
        _verified(asker, writes, work, note.strip()[:500])
        writes.keep()
        tube.stage = Stage.VERIFIED
        keep_tube(tube)
    return tube


def granted(work: Work) -> Automatic | None:
    """The rule by which the results of a tube need no technician: all are there, and nothing is held of them."""
    tube, open_ = work.tube, [id_ for id_, order in work.orders.items() if order.status != "revoked"]
    rule = work.judge.automatic(what.code for id_ in open_ if (what := work.test(id_)))
    if not rule or tube.stage != Stage.RESULTED or tube.holds or tube.critical or _stopped(work):
        return None
    whole = all(facts.observation_id(order.id or "", one.key) in work.results for order, one in work.slots())
    return rule if whole else None


def validate_by_rule(work: Work, rule: Automatic) -> None:
    """The technician's validation of results that were written, granted by a rule."""
    asker = replace(SYSTEM, account=BY_RULE, facility=work.tube.facility)
    writes = Writes(asker)
    _verified(asker, writes, work, rule.code)
    writes.keep()
    work.tube.stage = Stage.VERIFIED
    keep_tube(work.tube)


def _verified(asker: Asker, writes: Writes, work: Work, note: str = "") -> None:
    """Mark what a technician has validated, and order what the results ask for."""
    tube = work.tube
    fresh = [f"Observation/{result.id}" for result in _ready(work)]
    if fresh:
        writes.put(result_facts.validation(asker, fresh, "technical-validation", note), known=False)
    tube.verified_at, tube.verified_by = datetime.now(UTC), asker.account
    have = [what.code for id_ in work.orders if (what := work.test(id_))]
    for rule, what in list(work.judge.reflexes(work.results.values(), have)):
        if what.specimen == facts.ordered_specimen(work.orders.values()):
            like = next(iter(work.orders.values()))
            made = add(asker, writes.desk, tube, [what], like, intent="reflex-order", note=rule.vi)
            work.add(made)


def release(
    asker: Asker, number: str, *, reasons: Mapping[str, str] | None = None, answers: Asker | None = None
) -> Tube:
    """The doctor's validation: sign and hand out. Results and reports become final, complete orders completed.

    Where nobody is named to sign, the technician's validation is part of it. Raises Incomplete without any result,
    NotSignatory, NotVerified, QualityFailed, and CriticalOpen while nobody was told of a critical value. Analytes
    without result leave the report partial and the tube at work; releasing again later hands out the rest. Raises
    insurance's Stopped; reasons: why to go on against what stopped it before; answers: who says so, if not the asker.
    """
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage == Stage.RELEASED:
            return tube
        if tube.stage not in (Stage.RESULTED, Stage.VERIFIED):
            raise Incomplete
        signing.check(asker, tube)
        if tube.critical:
            raise CriticalOpen
        desk = at_bench(asker)
        work = work_on(desk, tube)
        if _awaits(work):
            raise Incomplete
        _fit(work)
        writes = Writes(desk)
        if tube.stage == Stage.RESULTED:
            _verified(asker, writes, work)
        _signed(asker, writes, work)
        complete = reports(writes, work, "final")
        for id_ in complete:
            order = work.orders[id_]
            if order.status != "completed":
                order.status = "completed"
                writes.put(order, known=True)
        writes.keep()
        whole = len(complete) == sum(o.status != "revoked" for o in work.orders.values())
        tube.stage, tube.holds = Stage.RELEASED if whole else Stage.RESULTED, []
        tube.released_at = datetime.now(UTC) if whole else tube.released_at
        keep_tube(tube)
        lines.released(work, complete)
        claim_is_changed(tube.encounter, _("Trả kết quả xét nghiệm sau khi gửi: gửi lại."))
        stop(answers or asker, tube.encounter, "result", reasons=reasons)
    return tube


def _signed(asker: Asker, writes: Writes, work: Work) -> None:
    """Make results final, mark who signed them, and tell surveillance of what it must know."""
    fresh = _ready(work)
    for result in fresh:
        result.status, result.issued = "final", facts.now()
        if asker.practitioner:
            result.performer = [*(result.performer or []), facts.ref("Practitioner", asker.practitioner)]
        writes.put(result, known=True)
    if fresh:
        targets = [f"Observation/{result.id}" for result in fresh]
        writes.put(result_facts.validation(asker, targets, "medical-validation"), known=False)
    notices.tell(writes, work.judge, fresh, work.tube.facility)
    warn(writes, work, fresh)
    bill(asker, writes.desk, work, fresh)


def _ready(work: Work) -> list[r4.Observation]:
    """The results that may be validated: new ones, but for cultures that still grow."""
    return [r for r in work.results.values() if r.status == "preliminary" and not facts.unfinished(r)]


def _awaits(work: Work) -> bool:
    """Whether only cultures are new that have not come to an end."""
    return not _ready(work) and any(facts.unfinished(result) for result in work.results.values())


def _fit(work: Work) -> None:
    """Raise QualityFailed where a new result is of a test that quality control has stopped on its machine."""
    if _stopped(work):
        raise QualityFailed


def _stopped(work: Work) -> bool:
    fresh = (result for result in work.results.values() if result.status == "preliminary")
    return any(work.quality.get(source_of(result)) == "blocked" for result in fresh)
