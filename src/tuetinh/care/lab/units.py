"""Units as analysers write them, and numbers brought to ours."""

from __future__ import annotations

import re
from decimal import Context, Decimal

from tuetinh.care.lab.catalogue import Analyte
from tuetinh.record.terminology import api as ucum

_SIGNS = str.maketrans({"μ": "u", "µ": "u", "^": "*", "×": "x", " ": None})
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_POWER = re.compile(f"10([{''.join(map(chr, _RAISED))}]+)")
_MONOVALENT = frozenset({"NA", "K", "CL"})  # a milliequivalent is a millimole
_EQUIVALENT = re.compile(r"m?eq(?![a-z])")
# What UCUM takes for a mere ratio, and is another scale: slope and intercept of the IFCC-NGSP master equation.
_SCALES = {("HBA1C", "mmol/mol"): (Decimal("0.09148"), Decimal("2.152"), 1)}
_SAME_SIZE = {
    "10*9/l": {"10*3/ul", "k/ul"},
    "10*12/l": {"10*6/ul", "m/ul"},
    "u/l": {"iu/l"},
    "miu/l": {"uiu/ml", "mu/l", "uu/ml"},
    "miu/ml": {"iu/l", "mu/ml", "u/l"},
    "iu/ml": {"kiu/l"},
    "fl": {"um3"},
    "/ul": {"cells/ul", "/mm3", "cells/mm3"},
    "copies/ml": {"cps/ml", "cp/ml"},
    "s": {"sec", "secs", "second", "seconds"},
    "mm/h": {"mm/hr", "mm/1h"},
}


def _tidy(unit: str) -> str:
    return _POWER.sub(lambda found: f"10*{found[1].translate(_RAISED)}", unit).translate(_SIGNS)


def _plain(unit: str) -> str:
    text = _tidy(unit).lower().removeprefix("x").replace("10e", "10*").replace("10**", "10*")
    return re.sub(r"[\[\]{}]", "", text)


def same(unit: str, analyte: Analyte) -> bool:
    """Whether a unit as an analyser writes it is the analyte's (`10^9/L`, `G/L`, `10*3/uL`, `umol/L`, `μmol/L`)."""
    said, ours = _plain(unit), _plain(analyte.unit)
    if said == ours or (analyte.key in _MONOVALENT and said == "meq/l"):
        return True
    return said == _plain(analyte.shown) or said in _SAME_SIZE.get(ours, ())


def alike(one: str, other: str) -> bool:
    """Whether two units are one, written in two ways."""
    return _plain(one) == _plain(other)


def to_ours(number: Decimal, unit: str, analyte: Analyte) -> Decimal | None:
    """The number in the analyte's unit by UCUM (`13.2 g/dL` is `132.0 g/L`); None when the units are of two kinds."""
    if same(unit, analyte):
        return number
    if scale := _SCALES.get((analyte.key, _plain(unit))):
        slope, intercept, digits = scale
        return round(slope * number + intercept, digits)
    if _EQUIVALENT.match(_plain(unit)):  # how much of it is a mole depends on its charge
        return None
    found = ucum.convert(number, _tidy(unit).removeprefix("x"), analyte.unit)
    return None if found is None else as_precise(found, number)


def as_precise(value: Decimal, sent: Decimal) -> Decimal:
    """A value with as many digits as were sent, where that leaves it equal: digits say how finely it was measured.

    Else with one more, and three at least: 98 mg/dL of glucose are 5.44 mmol/L.
    """
    count = len(sent.as_tuple().digits)
    short = Context(prec=count).create_decimal(value)
    return (short if short == value else Context(prec=max(count + 1, 3)).create_decimal(value).normalize()) + 0
