"""The rules at the desk: what they find in a visit as it is now, and who goes on against a block, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.errors import MayNotOverride, Stopped
from tuetinh.care.insurance.models import RuleOverride
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.weigh import weigh
from tuetinh.record.asker import SYSTEM, Asker

RULES = replace(SYSTEM, purpose="HPAYMT")  # a rule may need facts that the desk it is shown at may not read


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding as a desk shows it. key: names it in a form; may: whether this role may go on against it."""

    problem: Problem
    key: str
    may: bool


def findings(asker: Asker, encounter_id: str, *moments: str) -> list[Problem]:
    """What the rules of these moments find in an insured visit as it is now; nothing in one without a card.

    Rules of the diagnosis are of the Ministry's coding, which is for every visit.
    """
    from tuetinh.care.insurance.claims import open_tables

    tables, around = open_tables(RULES, encounter_id)
    insured = bool(tables["XML1"][0].get("MA_THE_BHYT"))
    asked = [moment for moment in moments if insured or moment == "diagnose"]
    book = in_force(asker.facility)
    found = [problem for moment in asked for problem in weigh(tables, book, when=moment, around=around)]
    return let_pass(encounter_id, list(dict.fromkeys(found)))


def stop(asker: Asker, encounter_id: str, *moments: str, reasons: Mapping[str, str] | None = None) -> list[Problem]:
    """Ask the rules about what was just done, inside its transaction; returns what they remark without stopping it.

    reasons: why to go on, by the key of a finding; each is kept. Raises Stopped with what still blocks, and
    MayNotOverride.
    """
    found = findings(asker, encounter_id, *moments)
    given = {key: reason.strip() for key, reason in (reasons or {}).items() if reason.strip()}
    blocking = [problem for problem in found if problem.severity == "block"]
    going_on = [problem for problem in blocking if key_of(problem) in given]
    for problem in going_on:
        override(asker, encounter_id, problem, given[key_of(problem)])
    if len(going_on) < len(blocking):
        raise Stopped([problem for problem in found if problem not in going_on])
    return [problem for problem in found if problem.severity != "block"]


def override(asker: Asker, encounter_id: str, problem: Problem, reason: str) -> None:
    """Keep that somebody goes on against a block, and why. Raises MayNotOverride."""
    rule = in_force(asker.facility).rules.get(problem.code)
    if rule is None or asker.role not in rule.override or not reason.strip():
        raise MayNotOverride
    with transaction.atomic():
        RuleOverride.objects.get_or_create(
            encounter=encounter_id, rule=problem.code, field=problem.field, value=problem.value[:255],
            defaults={
                "facility": asker.facility, "table": problem.table, "reason": reason.strip()[:500],
                "at": timezone.now(), "account": asker.account, "role": asker.role,
            },
        )  # fmt: skip


def let_pass(encounter_id: str, problems: list[Problem]) -> list[Problem]:
    """The problems, with blocks that somebody went on against as warnings that tell why.

    Nobody can against what is wrong with a field itself; rules are written in capitals.
    """
    if not any(problem.severity == "block" and problem.code.isupper() for problem in problems):
        return problems
    passed = {(o.rule, o.field, o.value): o for o in RuleOverride.objects.filter(encounter=encounter_id)}

    def told(problem: Problem) -> Problem:
        known = passed.get((problem.code, problem.field, problem.value[:255]))
        if known is None or problem.severity != "block":
            return problem
        words = _("Đã cho qua: %(reason)s") % {"reason": known.reason}
        return replace(problem, severity="warn", reason=f"{problem.reason} {words}")

    return [told(problem) for problem in problems]


def shown(asker: Asker, problems: Iterable[Problem]) -> list[Finding]:
    """The problems as this desk shows them."""
    rules = in_force(asker.facility).rules

    def may(problem: Problem) -> bool:
        rule = rules.get(problem.code)
        return problem.severity == "block" and rule is not None and asker.role in rule.override

    return [Finding(problem, key_of(problem), may(problem)) for problem in problems]


def key_of(problem: Problem) -> str:
    """What names a finding in a form: its rule, field and what the field says."""
    return f"{problem.code}:{problem.field}:{problem.value}"


def reasons_given(posted: Mapping[str, object]) -> dict[str, str]:
    """The reasons of a posted form: `reason-for:KEY` by key."""
    return {name.removeprefix("reason-for:"): str(posted[name]) for name in posted if name.startswith("reason-for:")}
