"""The mathematical operators (FHIRPath N1, 6.6). None stands for the empty collection."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from decimal import ROUND_DOWN, Context, Decimal, DecimalException
from typing import Any

from tuetinh.record.fhirpath.context import LONGEST_TEXT
from tuetinh.record.fhirpath.errors import EvaluationError, LimitError
from tuetinh.record.fhirpath.nodes import type_of
from tuetinh.record.fhirpath.values import CALENDAR, Date, DateTime, Quantity, Time, calendar_unit
from tuetinh.record.terminology import ucum

# Precision and range far beyond what N1 asks for (28 digits, 8 decimals).
DECIMALS = Context(prec=40, Emax=999, Emin=-999)
_INTEGER = 2**31

_MONTHS = {"year": Decimal(12), "month": Decimal(1)}
_CODES = {code: word for word, code in CALENDAR.items() if code}
_SECONDS = {
    "week": Decimal(604800),
    "day": Decimal(86400),
    "hour": Decimal(3600),
    "minute": Decimal(60),
    "second": Decimal(1),
    "millisecond": Decimal("0.001"),
}


def apply(operator: str, left: Any, right: Any) -> Any:
    """`left operator right` for System values."""
    if operator == "&":
        return _joined(left, right)
    try:
        if _number(left) and _number(right):
            return fit(_numbers(operator, left, right))
        if isinstance(left, Quantity) or isinstance(right, Quantity):
            return _quantities(operator, left, right)
    except DecimalException:
        return None
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return _joined(left, right)
    raise EvaluationError(f"{type_of(left)} {operator} {type_of(right)} has no meaning")


def fit(value: Any) -> Any:
    """The number, or None when it is beyond what its type holds."""
    if type(value) is int:
        return value if -_INTEGER <= value < _INTEGER else None
    return value if not isinstance(value, Decimal) or value.is_finite() else None


def _number(value: Any) -> bool:
    return type(value) in (int, Decimal)


def _joined(left: Any, right: Any) -> str:
    if not isinstance(left, str) or not isinstance(right, str):
        raise EvaluationError(f"{type_of(left)} & {type_of(right)} has no meaning")
    if len(left) + len(right) > LONGEST_TEXT:
        raise LimitError(f"a text is longer than {LONGEST_TEXT} characters")
    return left + right


def _numbers(operator: str, left: int | Decimal, right: int | Decimal) -> int | Decimal | None:
    if operator in ("/", "div", "mod") and right == 0:
        return None
    whole = type(left) is int and type(right) is int
    one, other = Decimal(left), Decimal(right)
    match operator:
        case "+":
            return left + right if whole else DECIMALS.add(one, other)
        case "-":
            return left - right if whole else DECIMALS.subtract(one, other)
        case "*":
            return left * right if whole else DECIMALS.multiply(one, other)
        case "/":
            return DECIMALS.divide(one, other)
        case "div":
            return int(DECIMALS.divide_int(one, other))
        case "mod":
            rest = DECIMALS.remainder(one, other)
            return int(rest) if whole else rest
    raise EvaluationError(f"{operator} is no operator of numbers")


def _quantities(operator: str, left: Any, right: Any) -> Any:
    if isinstance(left, Date | DateTime | Time) and isinstance(right, Quantity) and operator in "+-":
        return moved(left, right if operator == "+" else Quantity(-right.value, right.unit))
    if not isinstance(left, Quantity):
        left = Quantity(Decimal(left)) if _number(left) and operator in ("*", "/") else left
    if not isinstance(right, Quantity):
        right = Quantity(Decimal(right)) if _number(right) and operator in ("*", "/") else right
    if not isinstance(left, Quantity) or not isinstance(right, Quantity) or operator in ("div", "mod"):
        raise EvaluationError(f"{type_of(left)} {operator} {type_of(right)} has no meaning")
    if operator in ("+", "-"):
        return _sum(operator, left, right)
    if operator == "/" and right.value == 0:
        return None
    alike = operator == "/" and _code(left.unit) == _code(right.unit)
    if not alike and not _has_unit(operator, left.unit, right.unit):
        return None
    value = _numbers(operator, left.value, right.value)
    return None if fit(value) is None else Quantity(Decimal(value or 0), _unit(operator, left.unit, right.unit))


def _sum(operator: str, left: Quantity, right: Quantity) -> Quantity | None:
    """In the finer of the two units (FHIRPath N1, 6.6.3); empty when they are of different kinds."""
    codes = _code(left.unit), _code(right.unit)
    in_left = _converted(Decimal(1), codes[1], codes[0])
    if in_left is None:
        return None
    one: Decimal | None = left.value
    other: Decimal | None = right.value
    unit = right.unit if in_left < 1 else left.unit
    if in_left < 1:
        one = _converted(left.value, *codes)
    else:
        other = _converted(right.value, codes[1], codes[0])
    if one is None or other is None:
        return None
    total = _numbers(operator, one, other)
    return None if fit(total) is None else Quantity(Decimal(total or 0), unit)


def _converted(value: Decimal, unit: str, wanted: str) -> Decimal | None:
    """A value in another unit; years and months of the calendar can be told in each other alone."""
    if unit == wanted:
        return value
    months = [_MONTHS.get(each) for each in (unit, wanted)]
    if months[0] and months[1]:
        return DECIMALS.divide(DECIMALS.multiply(value, months[0]), months[1])
    return ucum.convert(value, unit, wanted)


def _code(unit: str) -> str:
    """The code of UCUM; of a calendar's year or month, which have none, the word."""
    word = calendar_unit(unit)
    return (word and CALENDAR[word]) or word or unit


def _has_unit(operator: str, left: str, right: str) -> bool:
    """Whether there is a unit of the product: none of UCUM is as long as a year or month of the calendar."""
    if right == "1" or (left == "1" and operator == "*"):
        return True
    return not any(calendar_unit(unit) in ("year", "month") for unit in (left, right))


def _unit(operator: str, left: str, right: str) -> str:
    one, other = _code(left), _code(right)
    if other == "1":
        return left if one in _MONTHS else one
    if operator == "/":
        return "1" if one == other else f"{one}/{_factor(other)}"
    if one == "1":
        return right if other in _MONTHS else other
    return f"{one}.{_factor(other)}"


def _factor(code: str) -> str:
    return f"({code})" if "/" in code or "." in code else code


def moved(moment: Date | DateTime | Time, by: Quantity) -> Date | DateTime | Time | None:
    """A date or time plus a duration (FHIRPath N1, 6.6.7); None beyond the years 1 to 9999."""
    word = calendar_unit(by.unit) or _CODES.get(by.unit)
    if word is None:
        raise EvaluationError(f"{by.unit!r} is no duration that can be added to a date or time")
    value = by.value
    if word not in ("second", "millisecond"):
        value = value.quantize(Decimal(1), ROUND_DOWN, DECIMALS)
    if abs(value) > 10**13:
        return None
    if isinstance(moment, Time):
        return _moved_time(moment, word, value)
    parts = _moved_date(moment.parts, word, value)
    if parts is None:
        return None
    return DateTime(parts, moment.zone) if isinstance(moment, DateTime) else Date(tuple(int(part) for part in parts))


def _moved_time(moment: Time, word: str, value: Decimal) -> Time:
    if word not in _SECONDS or word in ("week", "day"):
        raise EvaluationError(f"a {word} cannot be added to a time")
    units = (Decimal(3600), Decimal(60), Decimal(1))
    total = sum((Decimal(part) * unit for part, unit in zip(moment.parts, units, strict=False)), Decimal(0))
    total = (total + value * _SECONDS[word]) % 86400
    if total < 0:
        total += 86400
    return Time(_clock(total, moment.parts))


def _clock(total: Decimal, like: tuple[int | Decimal, ...]) -> tuple[int | Decimal, ...]:
    """Seconds of a day as hour, minute and second, with as many parts and decimals as there were."""
    minutes, second = divmod(total, 60)
    hour, minute = divmod(int(minutes), 60)
    if len(like) < 3:
        return (hour, minute)[: len(like)]
    digits = Decimal(like[2]).as_tuple().exponent
    given = second.normalize(DECIMALS).as_tuple().exponent
    places = min(int(digits), int(given), 0)
    return (hour, minute, second.quantize(Decimal(1).scaleb(places), ROUND_DOWN))


Parts = tuple[int | Decimal, ...]


def _moved_date(parts: Parts, word: str, value: Decimal) -> Parts | None:
    """Durations finer than the precision count as whole units of it, a month as 30 and a year as 365 days."""
    if word in ("year", "month"):
        months = int(value) * (12 if word == "year" else 1)
        return _plus_months(parts, months if len(parts) > 1 else int(Decimal(months) / 12) * 12)
    seconds = value * _SECONDS[word]
    if len(parts) < 3:
        days = int(seconds / 86400)
        return _plus_months(parts, int(Decimal(days) / 365) * 12 if len(parts) == 1 else int(Decimal(days) / 30))
    return _plus_seconds(parts, seconds)


def _plus_months(parts: Parts, months: int) -> Parts | None:
    whole = int(parts[0]) * 12 + (int(parts[1]) - 1 if len(parts) > 1 else 0) + months
    year, month = divmod(whole, 12)
    if not 1 <= year <= 9999:
        return None
    if len(parts) < 3:
        return (year, month + 1)[: len(parts)]
    day = min(int(parts[2]), monthrange(year, month + 1)[1])
    return (year, month + 1, day, *parts[3:])


def _plus_seconds(parts: Parts, seconds: Decimal) -> Parts | None:
    day = date(int(parts[0]), int(parts[1]), int(parts[2]))
    units = (Decimal(3600), Decimal(60), Decimal(1))
    clock = sum((Decimal(part) * unit for part, unit in zip(parts[3:], units, strict=False)), Decimal(0))
    # What is finer than the precision is cut off towards the moment itself.
    unit = Decimal(86400) if len(parts) == 3 else units[len(parts) - 4]
    if len(parts) < 6:
        seconds = int(seconds / unit) * unit
    days, rest = divmod(clock + seconds, 86400)
    if rest < 0:
        days, rest = days - 1, rest + 86400
    try:
        day += timedelta(days=int(days))
    except OverflowError:
        return None
    return (day.year, day.month, day.day, *(_clock(rest, parts[3:]) if len(parts) > 3 else ()))
