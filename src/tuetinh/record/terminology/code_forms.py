"""The form of codes whose code systems are not carried: what is no SNOMED CT identifier is no code of SNOMED CT."""

from __future__ import annotations

import re

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"

# SNOMED CT identifiers (TIG 6.2): 6 to 18 digits; before the check digit, the partition says that it is a concept.
_SCTID = re.compile(r"[1-9]\d{5,17}")
_CONCEPT = frozenset({"00", "10"})
# A postcoordinated expression (compositional grammar 2.3.1) starts with a concept, perhaps after its status.
_EXPRESSION = re.compile(r"\s*(?:===|<<<)?\s*\(?\s*(\d+)(?!\w)\s*(?:$|[|+:()].*)", re.DOTALL)
_TERM = re.compile(r"\|[^|]*\|")
_NUMBER = re.compile(r"(?<![\w#.])\d{6,18}(?!\w)")
# LOINC numbers with their check digit (LOINC Users' Guide, appendix C); parts, answers, lists and groups.
_LOINC = re.compile(r"(\d{1,7})-(\d)|L[AGLP]\d{1,7}-\d|MTHU\d{6}")

# The Verhoeff check: the multiplication of the dihedral group of order ten, and the permutation of each place.
_D5 = [[(i + j) % 5 + 5 * (j // 5) if i < 5 else (i - j) % 5 + 5 * (1 - j // 5) for j in range(10)] for i in range(10)]
_P = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
for _ in range(6):
    _P.append([_P[-1][digit] for digit in _P[1]])


def reason(system: str, code: str) -> str:
    """Why a code cannot be one of SNOMED CT or LOINC by its form; empty when it can, or for other systems."""
    if system == SNOMED:
        start = _EXPRESSION.fullmatch(code)
        return "" if start and is_concept(start[1]) else f"{code[:80]!r} is no concept identifier of SNOMED CT"
    if system == LOINC:
        match = _LOINC.fullmatch(code)
        good = match is not None and (match[1] is None or _mod10(match[1]) == int(match[2]))
        return "" if good else f"{code[:80]!r} is no LOINC code: its form or check digit is wrong"
    return ""


def constraint_reason(constraint: str) -> str:
    """Why an expression constraint (ECL) cannot be right: a number in it is no concept identifier; else empty."""
    numbers = _NUMBER.findall(_TERM.sub(" ", constraint))
    wrong = next((number for number in numbers if not is_concept(number)), None)
    return f"{wrong} is no concept identifier of SNOMED CT" if wrong else ""


def is_concept(number: str) -> bool:
    """Whether a number has the form, partition and check digit of a SNOMED CT concept identifier."""
    if _SCTID.fullmatch(number) is None or number[-3:-1] not in _CONCEPT:
        return False
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = _D5[check][_P[place % 8][int(digit)]]
    return check == 0


def _mod10(digits: str) -> int:
    """Luhn's check digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return -total % 10
