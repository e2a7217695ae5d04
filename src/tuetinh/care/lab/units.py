"""Units as analysers write them, and numbers brought to ours."""

from __future__ import annotations

import re
from decimal import Context, Decimal

from tuetinh.care.lab.catalogue import Analyte
from tuetinh.record.terminology import api as ucum

_SIGNS = str.maketrans({"μ": "u", "µ": "u", "^": "*", " ": None})
_MONOVALENT = frozenset({"NA", "K", "CL"})  # a milliequivalent is a millimole
_SAME_SIZE = {
    "10*9/l": {"10*3/ul", "k/ul"},
    "10*12/l": {"10*6/ul", "m/ul"},
    "u/l": {"iu/l"},
    "miu/l": {"uiu/ml"},
    "fl": {"um3"},
    "s": {"sec"},
}


def _plain(unit: str) -> str:
    text = unit.translate(_SIGNS).lower().removeprefix("x").replace("10e", "10*").replace("10**", "10*")
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
    found = ucum.convert(number, unit.translate(_SIGNS), analyte.unit)
    return None if found is None else as_precise(found, number)


def as_precise(value: Decimal, sent: Decimal) -> Decimal:
    """A value with as many digits as were sent, where that leaves it equal: digits say how finely it was measured."""
    short = Context(prec=len(sent.as_tuple().digits)).create_decimal(value)
    return (short if short == value else value.normalize()) + 0
