"""Expressions say what they may name, and are told nothing that they are not given."""

from __future__ import annotations

import math

import pytest
from cel_expr_python import cel

from tuetinh.commons.expressions.api import ARITHMETIC, BadExpression, Language, as_decimals

LANGUAGE = Language({"K": cel.Type.DOUBLE, "sex": cel.Type.STRING}, [ARITHMETIC])


def test_whole_numbers_are_decimals_but_not_in_texts() -> None:
    assert as_decimals('K > 6 && sex == "1" || pow(K, 0.5) < 2') == 'K > 6.0 && sex == "1" || pow(K, 0.5) < 2.0'


def test_a_condition_answers_and_a_missing_word_leaves_it_open() -> None:
    asked = LANGUAGE.read('K > 6 && sex == "female"', cel.Type.BOOL)
    assert asked.words == {"K", "sex"}
    assert asked.value({"K": 6.5, "sex": "female"}) is True
    assert asked.value({"K": 5.0, "sex": "female"}) is False
    assert asked.value({"K": 6.5}) is None


def test_a_formula_calculates() -> None:
    asked = LANGUAGE.read("least(pow(K, 2), 100) + most(0, 1)", cel.Type.DOUBLE)
    assert asked.value({"K": 3.0}) == 10.0
    assert asked.value({"K": 20.0}) == 101.0
    assert math.isnan(LANGUAGE.read("pow(0 - 1, 0.5)", cel.Type.DOUBLE).value({}))


@pytest.mark.parametrize("text", ["K >", "Z > 1", "K", "open('x')", "K > 'a'", "K > 1" + " " * 4000])
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadExpression):
        LANGUAGE.read(text, cel.Type.BOOL)
