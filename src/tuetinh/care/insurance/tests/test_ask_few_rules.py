"""Which rules are asked of a row: those that its words leave open, and none is left out that would hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cel_expr_python import cel

from tuetinh.care.insurance.rules.book import delivered_book
from tuetinh.care.insurance.rules.guards import SCOPE, asked_first, guards
from tuetinh.care.insurance.rules.language import Known, environment
from tuetinh.care.insurance.rules.vocabulary import IN_PYTHON, Around, Facts
from tuetinh.care.insurance.tests.test_every_rule import CASES, NOW, changed
from tuetinh.commons.expressions.api import as_decimals


@pytest.mark.parametrize(
    ("condition", "known", "holds"),
    [
        ('A == "1"', {"A": "1"}, [True]),
        ('A == "1"', {"A": "2"}, [False]),
        ('A != "" && B > 2.5', {"A": "x", "B": 2.5}, [True, False]),
        ("A > XML1.B", {"A": 3.0, "XML1.B": float("nan")}, [False]),
        ('A in ["1", "2"] && !(B in ["1"])', {"A": "2", "B": "1"}, [True, False]),
        ('A == "1" || B == "1"', {"A": "2", "B": "1"}, [True]),
        ('(A == "1" || (B == "1" && C)) && D', {"A": "2", "B": "1", "C": False, "D": True}, [False, True]),
        ('A.exists(x, x == "1") && "q" in A', {"A": []}, [False, False]),
        ("!(A in B)", {"A": 1.0, "B": [2.0]}, [True]),
        ('A.endsWith("00") && A.startsWith("2")', {"A": "100"}, [True, False]),
        ('A == "1" ? B : C', {}, []),
        ('A == "a && b"', {"A": "a && b"}, [True]),
        ('A == "1" || minutes(A) > 1', {}, []),
        ('dau(A, ["S"]) && A.matches("(x+)+y") && A + B < C', {}, []),
        ('A.matches("b") && !A.matches("^a[0-9]{2}(;[^;]*)*$")', {"A": "xbx"}, [True, True]),
        ('!A.matches("^a[0-9]{2}(;[^;]*)*$")', {"A": "a12;x;y"}, [False]),
        ('!A.matches("^a$")', {"A": "a\n"}, [True]),
        ('A.matches("a$|b$")', {}, []),
        ("A != double(int(A))", {"A": 2.0}, [False]),
        ("A != double(int(A))", {"A": 2.5}, [True]),
        ("A != double(int(A))", {"A": float("nan")}, [True]),
        ("A.exists(x, true) == B.exists(x, true)", {}, []),
    ],
)
def test_what_a_condition_cannot_hold_without(condition: str, known: dict[str, Any], holds: list[bool]) -> None:
    tests = guards(condition, lambda word: f"known[{word!r}]")
    assert [bool(eval(test, {"known": known, **SCOPE})) for test in tests] == holds


@pytest.mark.parametrize(
    ("condition", "known", "holds"),
    [
        ("phut(A, B) < 5 && phut(A, B) >= 0", {"A": "202611020815", "B": "202611020819"}, [True, True]),
        ("phut(A, B) < 5", {"A": "202611020815", "B": ""}, [False]),
        ("A > ngay(B, C)", {"A": 3.0, "B": "20261101", "C": "20261103"}, [True]),
        ('dau(A, ["S", "T"]) && !co_dau(B, ["E1"])', {"A": "T14", "B": ["E11"]}, [True, False]),
        ("A in cac_ma(B) && !(A in cac_ma(C))", {"A": "I10", "B": "E11;I10", "C": "I10"}, [True, False]),
        ("cac_ma(A).all(a, ngay(a, B) > 0)", {"A": "20261101;20261103", "B": "20261102"}, [False]),
        ("cac_ma(A).all(a, ngay(a, B) > 0)", {"A": "", "B": "20261102"}, [True]),
        ("cac_ma(A).exists(a, ngay(a, B) > 0)", {"A": "20261101;20261103", "B": "20261102"}, [True]),
        ('A.exists(a, dau(a, ["x"]) && a != "xy")', {"A": ["y", "xy"]}, [False]),
        ("A.exists(a, a.size() > 2)", {"A": []}, [False]),
        ("A.all(a, a.size() > 2)", {}, []),
        ('!A.all(a, co_ma("MA_TINH_63", a) || co_ma("MA_TINH_34", a))', {"A": ["01", "99"]}, [True]),
        ('!A.all(a, co_ma("MA_TINH_63", a) && B)', {}, []),
        ("!A.exists(a, dau(a, B))", {}, []),
        ('dau(A + B, ["S"]) && dau(A, ["S" + B]) && eval(A) == "1"', {}, []),
        ("A < B * 0.15", {"A": 14.0, "B": 100.0}, [True]),
        ("phut(A, B) < 5 == true", {}, []),
    ],
)
def test_our_functions_say_the_same_in_python(condition: str, known: dict[str, Any], holds: list[bool]) -> None:
    tests = guards(condition, lambda word: f"known[{word!r}]", frozenset(IN_PYTHON))
    assert [bool(eval(test, {"known": known, **SCOPE, **IN_PYTHON})) for test in tests] == holds


@pytest.mark.parametrize("times", [19, 25, 200])
def test_brackets_within_brackets_are_read_as_far_as_python_can(times: int) -> None:
    """What is too deep may hold: the condition itself is asked then."""
    first = asked_first(["(" * times + 'A == "1"' + ")" * times, 'A == "1"'], "known", lambda word: f"known[{word!r}]")
    assert first({"A": "1"}) == (0, 1)
    assert first({"A": "2"}) == (() if times == 19 else (0,))


@pytest.mark.parametrize(
    ("condition", "known"),
    [
        ("A == \"\n' + known.clear() + '{x}\"", {"A": "\n' + known.clear() + '{x}"}),
        ('A in ["]", "}", "\'"]', {"A": "'"}),
        ("A < " + "9" * 400, {"A": 1.0}),  # more than Python's numbers hold
    ],
)
def test_texts_and_numbers_of_a_condition_are_never_run(condition: str, known: dict[str, Any]) -> None:
    told = dict(known)
    first = asked_first([condition, condition + ' && B == "1"'], "known", lambda word: f"known[{word!r}]")
    assert first(known | {"B": "2"}) == (0,)
    assert known == told


@pytest.mark.parametrize(("code", "edits", "around"), CASES, ids=[case[0] for case in CASES])
def test_no_rule_is_left_out_that_would_hold(code: str, edits: dict[str, Any], around: Around) -> None:
    tables = changed(edits)
    facts = Facts(tables, replace(around, now=NOW))
    for program in delivered_book().programs("claim", "2026-11-02"):
        made = [environment(program.table).compile(as_decimals(rule.condition)) for rule in program.rules]
        for place, row in enumerate(tables.get(program.table) or [], 1):
            known = Known(program.table, facts, place, row)
            data = {word: known[word] for words in program.words for word in words}
            holding = [rule.code for rule, one in zip(program.rules, made, strict=True) if _true(one.eval(data=data))]
            assert [rule.code for rule in program.faults(Known(program.table, facts, place, row))] == holding


def _true(answer: cel.Value) -> bool:
    return answer.type() != cel.Type.ERROR and answer.value() is True
