"""Asks the rules of a visit's tables: one meaning for an open order, a claim, and a month of claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tuetinh.care.insurance.checks import Problem, check, is_time
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.files import FileClaim
from tuetinh.care.insurance.rules.language import Book, Known, Program, Rule, fields
from tuetinh.care.insurance.rules.vocabulary import Around, Facts
from tuetinh.care.insurance.tables import Row, Tables, decision, decision_on

CV = "CV 1245/BHXH-CNTT"
_NAMED = re.compile(r"\{([A-Z0-9_]+)\}")
# Of the decision of a file, where that of the day is another. By QĐ 130 and 4750 one could write before one had to;
# that files of QĐ 4750 are refused after its time, nobody has said.
OF_ANOTHER_TIME = {
    ("4210", "4750"): "block", ("4210", "3176"): "block", ("130", "4750"): "block", ("130", "3176"): "block",
    ("3176", "4210"): "warn", ("3176", "4750"): "warn", ("4750", "3176"): "hint",
}  # fmt: skip
NAMES_4210 = {"MA_BENH": "MA_BENH_CHINH", "MA_BENHKHAC": "MA_BENH_KT", "MA_THE": "MA_THE_BHYT"}


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
    english = reads_english()
    return [problem for program in programs for problem in _asked(program, facts, english=english)]


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
    made = f"{claim.made}2359" if re.fullmatch(r"[0-9]{8}", claim.made) else now
    found = examine(claim.tables, in_force(), by=claim.decision, around=Around(now=max(now, made)))
    return [*_around_claim(claim, now), *_of_its_time(claim), *_sequence(claim), *found]


def _around_claim(claim: FileClaim, now: str) -> Iterator[Problem]:
    """What the envelope says that no claim should come in (CV 1245): who sends it, and on what day it was made."""
    if "XML0" in claim.tables:
        return  # a notice has none
    here = (claim.tables.get("XML1") or [{}])[0].get("MA_CSKCB", "")
    if not re.fullmatch("[0-9A-Z]{5}", claim.facility):
        yield Problem("", 0, "MACSKCB", "format", _("Không phải mã cơ sở khám chữa bệnh."), CV)
    elif here and here != claim.facility:
        told = _("Khác %(other)s của bảng tổng hợp.") % {"other": "MA_CSKCB"}
        yield Problem("", 0, "MACSKCB", "same", told, CV, severity="warn")
    if not is_time(claim.made, "yyyymmdd"):
        yield Problem("", 0, "NGAYLAP", "format", _("Không đúng dạng %(form)s.") % {"form": "yyyymmdd"}, CV)
    elif claim.made > now[:8]:
        yield Problem("", 0, "NGAYLAP", "TIME-MADE", _("Ngày lập hồ sơ ở tương lai."), CV, severity="warn")
    if claim.again:
        yield Problem("XML1", 1, "MA_LK", "duplicate", _("Trong tệp đã có hồ sơ mang mã đợt điều trị này."), CV)


def _of_its_time(claim: FileClaim) -> Iterator[Problem]:
    """A claim in the words of a decision that was not, or no longer, in force when the visit ended."""
    end = (claim.tables.get("XML1") or [{}])[0].get("NGAY_RA", "")[:8]
    if not is_time(end, "yyyymmdd"):
        return
    wanted, by = decision_on(f"{end[:4]}-{end[4:6]}-{end[6:]}"), claim.decision
    severity = OF_ANOTHER_TIME.get((by, wanted))
    if severity:
        told = _("Lượt khám kết thúc ngày này phải lập theo QĐ %(wanted)s, tệp theo QĐ %(by)s.")
        where = f"QĐ {wanted}/QĐ-BYT"
        yield Problem("XML1", 1, "NGAY_RA", "version", told % {"wanted": wanted, "by": by}, where, severity=severity)


def _sequence(claim: FileClaim) -> Iterator[Problem]:
    """The first field of a table that does not stand where the decision has it, which nobody is known to refuse."""
    for name, rows in claim.tables.items():
        fields_ = decision(claim.decision).tables[name].fields
        place = {field.name: n for n, field in enumerate(fields_)}
        for number_, row in enumerate(rows, 1):
            here = [place[field] for field in row if field in place]
            moved = next((after for before, after in pairwise(here) if after < before), None)
            if moved is not None:
                told = _("Không đúng thứ tự các trường của quyết định.")
                where = f"QĐ {claim.decision}/QĐ-BYT, bảng {name.removeprefix('XML')}, trường {moved + 1}"
                yield Problem(name, number_, fields_[moved].name, "sequence", told, where, severity="hint")
                break


def _as_today(row: Row) -> Row:
    """A row of table 1 of QĐ 4210 under the names of today."""
    return row | {new: row[old] for old, new in NAMES_4210.items() if old in row}


def _as_then(problem: Problem) -> Problem:
    old = {new: old for old, new in NAMES_4210.items()}
    return replace(problem, field=old[problem.field]) if problem.field in old else problem


def _asked(program: Program, facts: Facts, *, english: bool) -> Iterator[Problem]:
    for place, row in enumerate(facts.tables.get(program.table) or [], 1):
        for rule in program.faults(Known(program.table, facts, place, row)):
            yield problem_of(rule, place, row, english=english)


def reads_english() -> bool:
    """Whether the reader's language is English."""
    return (get_language() or "").startswith("en")


def problem_of(rule: Rule, place: int, row: Row, *, english: bool) -> Problem:
    """What a rule says of a row."""
    text = rule.en if english and rule.en else rule.vi
    known = fields(rule.table)
    if "{" in text:
        text = _NAMED.sub(lambda found: row.get(found[1], "") if found[1] in known else found[0], text)
    label = known[rule.field].label
    return Problem(
        rule.table, place, rule.field, rule.code, text, rule.clause, label, rule.severity, row.get(rule.field, "")
    )
