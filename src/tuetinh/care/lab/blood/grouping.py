"""Groups of people: what a sample shows, and what is known of a person from all of their samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from tuetinh.care.lab import facts as lab_facts
from tuetinh.care.lab.actions import as_desk, lock
from tuetinh.care.lab.blood import facts
from tuetinh.care.lab.blood.errors import Discrepancy, SamePerson
from tuetinh.care.lab.blood.groups import GRADES, REAGENTS, UNKNOWN, Group, Unclear, determine
from tuetinh.care.lab.blood.tables import rule
from tuetinh.care.lab.errors import BadValue, NeedsReason, NotAllowed, WrongStage
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results.entry import keep_readings
from tuetinh.care.lab.results.facts import who
from tuetinh.care.lab.results.work import work_on
from tuetinh.commons.identity.api import age_days
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

SAMPLE = ("22.0279.1269", "22.0291.1280", "22.0259.1339")  # ABO, Rh(D), antibody screen
SECOND = SAMPLE[:2]
NEGATIVE, POSITIVE = "Âm tính", "Dương tính"
HELD = (Tube.Stage.RECEIVED, Tube.Stage.RESULTED, Tube.Stage.VERIFIED, Tube.Stage.RELEASED)
NAMES = {
    "anti_a": gettext_lazy("Anti-A"),
    "anti_b": gettext_lazy("Anti-B"),
    "anti_d": gettext_lazy("Anti-D"),
    "control": gettext_lazy("Chứng"),
    "a1_cells": gettext_lazy("Hồng cầu A1"),
    "b_cells": gettext_lazy("Hồng cầu B"),
}
UNCLEAR = {
    "control": gettext_lazy("chứng không âm tính"),
    "forward": gettext_lazy("xét nghiệm xuôi yếu hoặc thiếu"),
    "reverse": gettext_lazy("xét nghiệm ngược yếu hoặc thiếu"),
    "differ": gettext_lazy("xuôi và ngược khác nhau"),
    "rhd": gettext_lazy("kháng nguyên D yếu hoặc thiếu"),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of a sample. group: None where it is not clear, for the reason (of UNCLEAR)."""

    group: Group | None
    reason: str = ""


def type_sample(
    asker: Asker, number: str, reactions: Mapping[str, str], screen: str = "", *, reason: str = ""
) -> Typed:
    """Keep the reactions of a sample, its group and its antibody screen.

    An unclear group is kept as such, and blocks. Another group than this sample had before needs a reason, which stays
    with what it was. screen: NEGATIVE, POSITIVE or "". Raises BadValue, WrongStage, NeedsReason.
    """
    for reagent in REAGENTS:
        if reactions.get(reagent, "") not in ("", *GRADES):
            raise BadValue(reagent)
    with transaction.atomic():
        tube = lock(asker, number)
        if tube.stage not in HELD:
            raise WrongStage
        desk = as_desk(asker)
        person = cast(r4.Patient, record.read(desk, "Patient", tube.patient))
        typed = _typed(person, reactions)
        old = record.read_many(desk, "Observation", [facts.group_id(tube)]).get(facts.group_id(tube))
        made = facts.group(asker, tube, typed.group, {key: reactions.get(key, "") for key in REAGENTS}, _names())
        if isinstance(old, r4.Observation):
            _corrected(made, old, typed.group, reason)
        record.put_many(desk, [made])
        _results(asker, tube, typed.group, screen, reason)
        publish(f"lab:{tube.facility}")
    return typed


def _names() -> dict[str, str]:
    return {key: str(name) for key, name in NAMES.items()}


def _typed(person: r4.Patient, reactions: Mapping[str, str]) -> Typed:
    days = age_days(person.birthDate or "", timezone.localdate())
    try:
        return Typed(determine(reactions, reverse=days is None or days >= rule("reverse_from_days")))
    except Unclear as error:
        return Typed(None, error.reason)


def _corrected(made: r4.Observation, old: r4.Observation, found: Group | None, reason: str) -> None:
    before = facts.group_of(old)
    made.note = old.note
    if before and before != found:
        if not reason.strip():
            raise NeedsReason
        text = f"Trước khi sửa: {before}. Lý do: {reason.strip()[:500]}"
        made.note = [*(old.note or []), r4.Annotation(text=text, time=lab_facts.now())]
        made.status = "corrected" if found else "preliminary"


def _results(asker: Asker, tube: Tube, found: Group | None, screen: str, reason: str) -> None:
    """The same in words, as results of the tests that were ordered of the sample."""
    said = {"ABO": found.abo, "RHD": "D dương" if found.rhd == "+" else "D âm"} if found else {}
    if screen in (NEGATIVE, POSITIVE):
        said["ABSC"] = screen
    work = work_on(as_desk(asker), tube)
    readings = {
        lab_facts.observation_id(order.id or "", analyte.key): lab_facts.Reading(text=said[analyte.key])
        for order, analyte in work.slots()
        if analyte.key in said
    }
    keep_readings(asker, work, readings, reason=reason)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person's group.

    group: of all samples, None where there is none or they differ. confirmed: by two samples that were drawn apart, as
    far as the rules ask for it. antibodies: whether any screen was ever positive.
    """

    samples: tuple[r4.Observation, ...]
    group: Group | None
    confirmed: bool
    conflict: bool
    antibodies: bool

    @property
    def too_close(self) -> int:
        """Minutes by which two samples that say the same should have been drawn apart and were not, 0 for none."""
        alike = self.group is not None and not self.confirmed and len(self.samples) > 1
        return rule("second_sample_minutes") if alike else 0

    @property
    def usable(self) -> Group:
        """The group by which units are chosen: the ABO group is unknown until it is confirmed."""
        if not self.group:
            return Group(UNKNOWN, UNKNOWN)
        return self.group if self.confirmed else Group(UNKNOWN, self.group.rhd)


def known(asker: Asker, patient: str) -> Known:
    """What all samples of a person say, of every facility that may be seen. In one search."""
    codes = f"http://loinc.org|{facts.GROUP},http://loinc.org|890-4"
    query = f"patient=Patient/{patient}&code={codes}&status=final,amended,corrected,preliminary&_count=200"
    page = record.search(as_desk(asker), "Observation", query)
    found = cast("list[r4.Observation]", page.resources)
    samples = tuple(one for one in found if facts.group_of(one) and one.status != "preliminary")
    groups = {facts.group_of(one) for one in samples}
    group = groups.pop() if len(groups) == 1 else None
    return Known(
        samples=samples,
        group=group,
        confirmed=group is not None and (not rule("second_sample") or _drawn_apart(samples)),
        conflict=len(groups) > 1,
        antibodies=any(one.valueString == POSITIVE for one in found),
    )


def _drawn_apart(samples: tuple[r4.Observation, ...]) -> bool:
    """Whether two samples were drawn at two times: two tubes of one draw do not tell a wrong person."""
    times = sorted(datetime.fromisoformat(one.effectiveDateTime or one.issued or "") for one in samples)
    return len(times) > 1 and times[-1] - times[0] >= timedelta(minutes=rule("second_sample_minutes"))


def resolve_conflict(asker: Asker, patient: str, observation_id: str, reason: str) -> r4.Observation:
    """Mark the group of a person's sample as entered in error, for a reason, by another person than who tested it.

    Raises NotAllowed, NeedsReason, SamePerson, and Discrepancy where the person's samples do not differ.
    """
    if asker.role not in ("lab", "system"):
        raise NotAllowed
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        desk = as_desk(asker)
        found = cast("dict[str, r4.Observation]", record.lock_many(desk, "Observation", [observation_id]))
        wrong = found.get(observation_id)
        if not wrong or lab_facts.id_of(wrong.subject) != patient or not facts.group_of(wrong):
            raise Discrepancy
        if not known(asker, patient).conflict:
            raise Discrepancy
        if who(asker) in (wrong.performer or []):
            raise SamePerson
        wrong.status = "entered-in-error"
        wrong.note = [
            *(wrong.note or []),
            r4.Annotation(authorReference=who(asker), text=reason.strip()[:500], time=lab_facts.now()),
        ]
        record.update(desk, wrong)
        publish(f"lab:{asker.facility}")
    return wrong


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample that holds for a cross-match. screen: NEGATIVE or POSITIVE."""

    tube: Tube
    group: Group
    screen: str


def recent_tubes(facility: str, patient: str) -> list[Tube]:
    """The tubes of a person that are still fresh enough, newest first."""
    since = timezone.now() - timedelta(hours=rule("sample_hours"))
    rows = Tube.objects.filter(facility=facility, patient=patient, benches__contains=["transfusion"])
    return list(rows.filter(ordered_at__gte=since).exclude(stage__in=["rejected", "cancelled"]).order_by("-id")[:20])


def sample_for(asker: Asker, facility: str, patient: str) -> Sample | None:
    """The newest sample of a person that is fresh, grouped and screened; None where there is none."""
    tubes = [tube for tube in recent_tubes(facility, patient) if tube.stage in HELD]
    screens = {f"{id_}-ABSC": tube for tube in tubes for id_ in tube.orders}
    wanted = [*(facts.group_id(tube) for tube in tubes), *screens]
    found = cast("dict[str, r4.Observation]", record.read_many(as_desk(asker), "Observation", wanted))
    for tube in tubes:
        grouped = found.get(facts.group_id(tube))
        group = facts.group_of(grouped) if grouped and grouped.status in ("final", "corrected") else None
        screen = next((found[id_].valueString or "" for id_ in found if screens.get(id_) == tube), "")
        if group and screen in (NEGATIVE, POSITIVE):
            return Sample(tube, group, screen)
    return None
