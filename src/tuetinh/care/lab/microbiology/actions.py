"""What the bench of cultures does: note what is seen, keep isolates with their antibiograms, take a machine's over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone

from tuetinh.care.lab import actions as lab
from tuetinh.care.lab import facts as lab_facts
from tuetinh.care.lab.errors import BadValue, NeedsReason, NoCulture, UnknownOrganism, WrongStage
from tuetinh.care.lab.machines.messages import number as read_number
from tuetinh.care.lab.microbiology import facts
from tuetinh.care.lab.microbiology.breakpoints import DISK, in_force
from tuetinh.care.lab.microbiology.judging import Material, Susceptibility, judge
from tuetinh.care.lab.microbiology.lists import antibiotics, find_organism, phenotypes, sources
from tuetinh.care.lab.models import CultureStep, IsolateProposal, Tube
from tuetinh.care.lab.results import entry
from tuetinh.care.lab.results.work import Work, Writes, work_on
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

MOST = 9  # isolates of one culture
AT_BENCH = frozenset({Tube.Stage.RECEIVED, Tube.Stage.RESULTED, Tube.Stage.VERIFIED, Tube.Stage.RELEASED})
METHODS = frozenset({"disk", "mic", "etest"})


@dataclass(frozen=True, slots=True)
class Draft:
    """An isolate as it is typed. tests: antibiotic, method and value in words; found: `+` or `-` by phenotype."""

    organism: str
    quantity: str = ""
    gram: str = ""
    count: str = ""
    comment: str = ""
    tests: Sequence[tuple[str, str, str]] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    device: str = ""


@dataclass(slots=True)
class Culture:
    """One culture at work: its tube, locked, with everything of it."""

    work: Work
    order: r4.ServiceRequest
    specimen: str  # its kind in the catalogue

    @property
    def result(self) -> r4.Observation | None:
        """What it shows so far."""
        return self.work.results.get(facts.culture_id(self.order.id or ""))

    @property
    def isolates(self) -> list[str]:
        """Ids of what grew."""
        return lab_facts.members(self.result) if self.result else []


def note_step(
    asker: Asker, number: str, order: str, *, outcome: str, hours: int, note: str = "", interim: bool = False,
    reason: str = "",
) -> Tube:  # fmt: skip
    """Note what a culture shows after so many hours. interim: the ward is told before it is validated.

    Something that grew is not taken back by an outcome without growth: its isolates are dropped first. Raises
    NoCulture, WrongStage, BadValue with the field, NeedsReason on a released tube.
    """
    if outcome not in facts.OUTCOMES:
        raise BadValue("outcome")
    if not 0 <= hours <= 24 * 90:
        raise BadValue("hours")
    with transaction.atomic():
        culture = _at_bench(asker, number, order)
        if culture.isolates and outcome != "growth":
            raise WrongStage
        tube = culture.work.tube
        CultureStep.objects.create(
            tube=tube, order=order, hours=hours, outcome=outcome, note=note.strip()[:500], interim=interim,
            at=datetime.now(UTC), account=asker.account,
        )  # fmt: skip
        told = interim or bool(culture.result and facts.is_interim(culture.result))
        result = _culture(culture, outcome, hours, culture.isolates, interim=told)
        _keep(asker, culture, [result], reason)
    return tube


def save_isolate(asker: Asker, number: str, order: str, isolate: int, draft: Draft, *, reason: str = "") -> int:
    """Keep an isolate, 0 for one more, judged by the breakpoints and rules of today; return its number.

    Raises NoCulture, UnknownOrganism, BadValue with the antibiotic, WrongStage, NeedsReason on a released tube.
    """
    organism = find_organism(draft.organism)
    if not organism:
        raise UnknownOrganism
    tests = [one for code, method, text in draft.tests if (one := _typed(code, method, text))]
    with transaction.atomic():
        culture = _at_bench(asker, number, order)
        known = {facts.isolate_id(order, place): place for place in range(1, MOST + 1)}
        if isolate and facts.isolate_id(order, isolate) not in culture.isolates:
            raise NoCulture
        place = isolate or _free(asker, known)
        work, today = culture.work, timezone.localdate()
        source = sources().get(culture.specimen)
        found = {code: sign for code, sign in draft.found.items() if code in phenotypes() and sign in ("+", "-")}
        verdict = judge(
            work.judge.book,
            in_force(work.tube.facility, today),
            today.isoformat(),
            Material(organism, culture.specimen, source.site if source else ""),
            tests,
            found,
        )
        what = facts.Isolate(
            place, organism.code, draft.quantity.strip()[:60], draft.gram.strip()[:100], draft.count.strip()[:60],
            draft.comment.strip()[:300], verdict.tests, found, device=draft.device,
        )  # fmt: skip
        made = facts.isolate(
            culture.order,
            work.tube,
            what,
            source=source.whonet if source else "",
            marks=verdict.marks,
            told=[rule.vi for rule in verdict.told],
        )
        changed = [made]
        if made.id not in culture.isolates:
            members = [*culture.isolates, made.id or ""]
            interim = bool(culture.result and facts.is_interim(culture.result))
            changed.insert(0, _culture(culture, "growth", _hours(work.tube), members, interim=interim))
        _keep(asker, culture, changed, reason)
    return place


def drop_isolate(asker: Asker, number: str, order: str, isolate: int, reason: str) -> Tube:
    """Take an isolate back that was entered in error. Raises NoCulture, NeedsReason."""
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        culture = _at_bench(asker, number, order)
        id_ = facts.isolate_id(order, isolate)
        if id_ not in culture.isolates or not culture.result:
            raise NoCulture
        wrong = culture.work.results[id_]
        wrong.status = "entered-in-error"
        wrong.note = [*(wrong.note or []), r4.Annotation(text=reason.strip()[:300], time=lab_facts.now())]
        members = [one for one in culture.isolates if one != id_]
        interim = facts.is_interim(culture.result)
        shown = _culture(culture, "growth", _hours(culture.work.tube), members, interim=interim)
        _keep(asker, culture, [shown, wrong], reason)
    return culture.work.tube


def take_proposal(asker: Asker, number: str, order: str, proposal: int) -> int:
    """Take over what a machine told of an isolate; return its number at the bench."""
    with transaction.atomic():
        row = _proposal(asker, number, order, proposal)
        told = row.content
        tests = [(code, method, text) for code, method, text, _sir in told["tests"]]
        draft = Draft(organism=told["organism"], tests=tests, found=told.get("found", {}), device=row.machine)
        place = save_isolate(asker, number, order, 0, draft)
        _handled(asker, row, taken=True)
    return place


def refuse_proposal(asker: Asker, number: str, order: str, proposal: int) -> None:
    """Put aside what a machine told of an isolate."""
    with transaction.atomic():
        _handled(asker, _proposal(asker, number, order, proposal), taken=False)


def _proposal(asker: Asker, number: str, order: str, proposal: int) -> IsolateProposal:
    tube = lab.lock(asker, number)
    row = IsolateProposal.objects.filter(pk=proposal, tube=tube, order=order, handled_at__isnull=True).first()
    if not row:
        raise NoCulture
    return row


def _handled(asker: Asker, row: IsolateProposal, *, taken: bool) -> None:
    row.handled_at, row.handled_by, row.taken = datetime.now(UTC), asker.account, taken
    row.save()


def _at_bench(asker: Asker, number: str, order: str) -> Culture:
    tube = lab.lock(asker, number)
    if tube.stage not in AT_BENCH:
        raise WrongStage
    work = work_on(lab.as_desk(asker), tube)
    request = work.orders.get(order)
    what = lab_facts.ordered_test(request) if request else None
    if not request or not what or not facts.is_culture(what) or request.status == "revoked":
        raise NoCulture
    return Culture(work, request, what.specimen)


def _free(asker: Asker, known: Mapping[str, int]) -> int:
    """The first number that was never used: one that was dropped keeps its own."""
    used = record.read_many(lab.as_desk(asker), "Observation", known)
    free = [place for id_, place in known.items() if id_ not in used]
    if not free:
        raise WrongStage
    return free[0]


def _culture(culture: Culture, outcome: str, hours: int, isolates: Sequence[str], *, interim: bool) -> r4.Observation:
    source = sources().get(culture.specimen)
    return facts.culture(
        culture.order, culture.work.tube, outcome, hours, isolates=isolates, call=bool(source and source.call),
        interim=interim,
    )  # fmt: skip


def _hours(tube: Tube) -> int:
    since = tube.received_at or tube.ordered_at
    return int((datetime.now(UTC) - since).total_seconds() // 3600)


def _keep(asker: Asker, culture: Culture, changed: Sequence[r4.Observation], reason: str) -> None:
    work = culture.work
    told = any(lab_facts.told(work.results.get(one.id or "")) for one in changed)
    if (work.tube.stage == Tube.Stage.RELEASED or told) and not reason.strip():
        raise NeedsReason
    writes = Writes(lab.at_bench(asker))
    entry.keep_results(work, changed, writes, reason=reason.strip()[:500])
    writes.keep()


def _typed(code: str, method: str, text: str) -> Susceptibility | None:
    """A test as it was typed; None for one that was not done. Raises BadValue with the antibiotic."""
    if not text.strip():
        return None
    if code not in antibiotics() or method not in METHODS:
        raise BadValue(code)
    found = read_number(text)
    if not found or found[1] < 0 or found[1] > 1024 or (method == DISK and (found[0] or found[1] > 100)):
        raise BadValue(code)
    return Susceptibility(code, method, found[1], found[0])
