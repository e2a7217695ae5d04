"""Mathematical functions (FHIRPath N1, 5.7). What has no real answer, such as the root of -1, is empty."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any

from tuetinh.record.fhirpath.arithmetic import DECIMALS, fit
from tuetinh.record.fhirpath.errors import EvaluationError
from tuetinh.record.fhirpath.nodes import type_of
from tuetinh.record.fhirpath.registry import scalar
from tuetinh.record.fhirpath.values import Quantity

Number = int | Decimal


def _real(operation: Any, *numbers: Number) -> Decimal | None:
    try:
        result: Decimal = operation(*(Decimal(number) for number in numbers))
    except (DecimalException, ValueError):
        return None
    fitted: Decimal | None = fit(result)
    return fitted


@scalar("abs", object)
def _abs(value: Any) -> Any:
    match value:
        case bool():
            pass
        case int() | Decimal():
            return fit(abs(value))
        case Quantity():
            return Quantity(abs(value.value), value.unit)
    raise EvaluationError(f"abs() does not take a {type_of(value)}")


def _whole(value: Number, rounding: str) -> int | None:
    if isinstance(value, Decimal) and value.adjusted() > 12:
        return None
    whole: int | None = fit(int(Decimal(value).quantize(Decimal(1), rounding)))
    return whole


@scalar("ceiling", Decimal)
def _ceiling(value: Number) -> int | None:
    return _whole(value, ROUND_CEILING)


@scalar("floor", Decimal)
def _floor(value: Number) -> int | None:
    return _whole(value, ROUND_FLOOR)


@scalar("truncate", Decimal)
def _truncate(value: Number) -> int | None:
    return _whole(value, ROUND_DOWN)


@scalar("round", Decimal, int, optional=1)
def _round(value: Number, digits: int = 0) -> Decimal | None:
    if not 0 <= digits <= 30:
        raise EvaluationError("round() takes 0 to 30 digits")
    return _real(lambda number: number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, DECIMALS), value)


@scalar("exp", Decimal)
def _exp(value: Number) -> Decimal | None:
    return _real(DECIMALS.exp, value)


@scalar("ln", Decimal)
def _ln(value: Number) -> Decimal | None:
    return _real(DECIMALS.ln, value) if value > 0 else None


@scalar("log", Decimal, Decimal)
def _log(value: Number, base: Number) -> Decimal | None:
    if value <= 0 or base <= 0 or base == 1:
        return None
    wide = Context(prec=50)
    # Rounded once more, so that the logarithm of 16 to the base 2 is 4.
    return _real(lambda one, two: Context(prec=30).plus(wide.divide(wide.ln(one), wide.ln(two))), value, base)


@scalar("power", Decimal, Decimal)
def _power(value: Number, exponent: Number) -> Number | None:
    result = _real(DECIMALS.power, value, exponent)
    if result is not None and type(value) is int and type(exponent) is int and exponent >= 0:
        whole: int | None = fit(int(result)) if result.adjusted() < 12 else None
        return whole
    return result


@scalar("sqrt", Decimal)
def _sqrt(value: Number) -> Decimal | None:
    return _real(DECIMALS.sqrt, value) if value >= 0 else None
