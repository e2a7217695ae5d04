"""Asks the rules of a visit's tables: one meaning for an open order, a claim, and a month of claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tuetinh.care.insurance.checks import Problem, check
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.files import FileClaim
from tuetinh.care.insurance.rules.language import Book, Program, Rule, fields
from tuetinh.care.insurance.rules.vocabulary import Around, Facts, number, words
from tuetinh.care.insurance.tables import Row, Tables

NAMES_4210 = {"MA_BENH": "MA_BENH_CHINH", "MA_BENHKHAC": "MA_BENH_KT"}


def weigh(tables: Tables, book: Book, *, when: str, around: Around | None = None) -> list[Problem]:
    """What the rules of a moment find in the tables, in the order of tables, rows and rules.

    Those in force on the day on which the visit ended (today for an open one) are asked.
    """
    known = around or Around()
    if not known.now:
        known = replace(known, now=timezone.localtime().strftime("%Y%m%d%H%M"))
    facts = Facts(tables, known)
    day = (facts.visit.get("NGAY_RA") or known.now)[:8]
    programs = book.programs(when, f"{day[:4]}-{day[4:6]}-{day[6:]}")
    return [problem for program in programs for problem in _asked(program, facts)]


def examine(tables: Tables, book: Book, *, by: str, around: Around | None = None) -> list[Problem]:
    """Everything that speaks against a claim: its fields by the description of the decision, and the rules."""
    asked = tables
    if by == "4210" and tables.get("XML1"):
        asked = tables | {"XML1": [_as_today(row) for row in tables["XML1"]]}
    found = [*check(tables, by=by), *weigh(asked, book, when="claim", around=around)]
    return [_as_then(problem) for problem in found] if by == "4210" else found


def examine_file_claim(claim: FileClaim) -> list[Problem]:
    """Everything that speaks against a claim of a file, as of now or of the day it was made, if later."""
    if claim.error is not None:
        return []
    now = timezone.localtime().strftime("%Y%m%d%H%M")
    made = claim.made if re.fullmatch(r"[0-9]{8}", claim.made) else ""
    found = examine(claim.tables, in_force(), by=claim.decision, around=Around(now=max(now, f"{made}2359")))
    if made > now[:8]:
        told = _("Ngày lập hồ sơ ở tương lai.")
        found.insert(0, Problem("", 0, "NGAYLAP", "TIME-MADE", told, "CV 1245/BHXH-CNTT", severity="warn"))
    return found


def _as_today(row: Row) -> Row:
    """A row of table 1 of QĐ 4210 under the names of today."""
    return row | {new: row[old] for old, new in NAMES_4210.items() if old in row}


def _as_then(problem: Problem) -> Problem:
    old = {new: old for old, new in NAMES_4210.items()}
    return replace(problem, field=old[problem.field]) if problem.field in old else problem


def _asked(program: Program, facts: Facts) -> Iterator[Problem]:
    said = {name: _value(facts.visit.get(field, ""), number_=amount) for name, field, amount in program.visit}
    for place, row in enumerate(facts.tables.get(program.table) or [], 1):
        known: dict[str, Any] = said | {
            name: _value(row.get(name, ""), number_=amount) for name, amount in program.fields
        }
        for word in words(program.table):
            if word.name in program.words:
                known[word.name] = word.worth(facts, place, row)
        for rule in program.faults(known):
            yield problem_of(rule, place, row)


def problem_of(rule: Rule, place: int, row: Row) -> Problem:
    """What a rule says of a row, in the reader's language."""
    text = rule.en if (get_language() or "").startswith("en") and rule.en else rule.vi
    for name in fields(rule.table):
        if f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", row.get(name, ""))
    label = fields(rule.table)[rule.field].label
    return Problem(
        rule.table, place, rule.field, rule.code, text, rule.clause, label, rule.severity, row.get(rule.field, "")
    )


def _value(text: str, *, number_: bool) -> float | str:
    return number(text) if number_ else text
