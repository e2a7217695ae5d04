"""Which checks an examination needs, and what answers and record together find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.rooms.queries import protocols
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.care.imaging.rules.kinds import Check
from tuetinh.care.imaging.safety import known
from tuetinh.care.imaging.safety.known import Kidneys, Person
from tuetinh.care.imaging.safety.models import SafetyCheck
from tuetinh.care.imaging.safety.questions import QUESTIONS, Question
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is to be known before an examination. key: what it is; stops: until a doctor lets it pass."""

    key: str
    said: str
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Needed:
    """The checks of an examination of a person."""

    exam: Exam
    person: Person
    checks: tuple[Check, ...]

    @property
    def questions(self) -> list[Question]:
        """What is asked, each once."""
        return [one for kind in dict.fromkeys(check.check_ for check in self.checks) for one in QUESTIONS[kind]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the record tells for these checks."""

    findings: list[Finding] = field(default_factory=list)
    kidneys: Kidneys | None = None


def needed(asker: Asker, exams: Sequence[Exam]) -> dict[int, Needed]:
    """The checks that examinations need, by their id; those that need none are left out."""
    how = protocols(exams, asker.facility)
    rules = in_force(asker.facility).of(Check)
    people = cast("dict[str, r4.Patient]", record.read_many(asker, "Patient", {exam.patient for exam in exams}))
    found = {}
    for exam in exams:
        person = known.person_of(people[exam.patient]) if exam.patient in people else Person(exam.patient, "", "")
        contrast = how[exam.pk].contrast if exam.pk in how else ""
        checks = tuple(one for one in rules if one.concerns(exam.modality, contrast, person.sex, person.age))
        if checks:
            found[exam.pk] = Needed(exam, person, checks)
    return found


def told(asker: Asker, wanted: Needed, answers: Mapping[str, str]) -> Facts:
    """What stops an examination or is to be known, by the record and by these answers (none yet: the record alone)."""
    facts = Facts(kidneys=_kidneys(asker, wanted))
    for check in wanted.checks:
        facts.findings.extend(_JUDGES[check.check_](asker, wanted.person, check, answers, facts.kidneys))
    return facts


def _kidneys(asker: Asker, wanted: Needed) -> Kidneys | None:
    asked = any(check.check_ in ("renal", "metformin") for check in wanted.checks)
    return known.kidneys(asker, wanted.person) if asked else None


Findings = list[Finding]
Answers = Mapping[str, str]


def _pregnancy(asker: Asker, person: Person, check: Check, answers: Answers, _kidneys: Kidneys | None) -> Findings:
    if known.is_pregnant(asker, person.id, check.codes):
        return [Finding("pregnancy:record", _("Hồ sơ ghi đang có thai."))]
    return _answered(answers, "pregnant", "pregnancy:told", _("Có thai hoặc có thể có thai."))


def _allergy(asker: Asker, person: Person, check: Check, answers: Answers, _kidneys: Kidneys | None) -> Findings:
    names = known.allergies(asker, person.id, check.words)
    found = (
        [Finding("allergy:record", _("Hồ sơ ghi dị ứng: %(names)s.") % {"names": ", ".join(names)})] if names else []
    )
    return found or _answered(answers, "reaction", "allergy:told", _("Đã từng phản ứng với thuốc, hoặc không rõ."))


def _renal(asker: Asker, person: Person, check: Check, answers: Answers, kidneys: Kidneys | None) -> Findings:
    limit = check.limit or 0
    if kidneys and _is_new(kidneys, check):
        if kidneys.egfr is None:
            words = _("Không tính được eGFR (dưới 18 tuổi hoặc thiếu tuổi, giới): bác sĩ xem creatinin.")
            return [Finding("renal:unknown", words)]
        if kidneys.egfr < limit:
            return [Finding("renal:low", _("eGFR %(egfr)s, dưới %(limit)s.") % {"egfr": kidneys.egfr, "limit": limit})]
        return []
    words = _("Không có creatinin trong %(days)s ngày qua và có nguy cơ bệnh thận.") % {"days": check.days}
    return _answered(answers, "kidney", "renal:unknown", words)


def _metformin(asker: Asker, person: Person, check: Check, answers: Answers, kidneys: Kidneys | None) -> Findings:
    takes = known.drugs(asker, person.id, check.words)
    if not takes and answers.get("metformin", "no") == "no":
        return []
    if kidneys and _is_new(kidneys, check) and kidneys.egfr is not None:
        if kidneys.egfr >= (check.limit or 0):
            return [Finding("metformin:goes-on", _("Đang dùng metformin; eGFR cho phép dùng tiếp."), stops=False)]
        return [Finding("metformin:low", _("Đang dùng metformin và eGFR thấp: ngừng metformin trước khi tiêm."))]
    return [Finding("metformin:unknown", _("Đang dùng metformin mà chưa có eGFR: thử creatinin trước khi tiêm."))]


def _implant(asker: Asker, person: Person, check: Check, answers: Answers, _kidneys: Kidneys | None) -> Findings:
    names = known.implants(asker, person.id, check.words, check.codes)
    found = [Finding("implant:record", _("Hồ sơ ghi: %(names)s.") % {"names": ", ".join(names)})] if names else []
    for question in QUESTIONS["implant"]:
        found += _answered(answers, question.key, f"implant:{question.key}", str(question.words))
    return found


def _is_new(kidneys: Kidneys, check: Check) -> bool:
    return kidneys.on >= timezone.localdate() - timedelta(days=check.days or 0)


def _answered(answers: Answers, question: str, key: str, said: str) -> Findings:
    """A finding where the answer is not no; none while there is no answer."""
    return [Finding(key, said)] if answers.get(question, "no") != "no" else []


_JUDGES = {
    "pregnancy": _pregnancy, "allergy": _allergy, "renal": _renal, "metformin": _metformin, "implant": _implant,
}  # fmt: skip


def states(asker: Asker, exams: Sequence[Exam]) -> dict[int, str]:
    """How the checks of examinations stand, by id: `missing`, `stopped`, `passed`; without one where none is needed."""
    wanted = needed(asker, exams)
    rows = SafetyCheck.objects.in_bulk(list(wanted))
    return {pk: ("stopped" if rows[pk].blocks else "passed") if pk in rows else "missing" for pk in wanted}
