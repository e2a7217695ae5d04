"""What other modules may call: a `Language` says what its expressions may name, and makes them ready to be asked."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cel_expr_python import cel

__all__ = ["ARITHMETIC", "LONGEST", "BadExpression", "Expression", "Language", "as_decimals", "function", "worded"]

log = logging.getLogger(__name__)
LONGEST = 4000  # characters of an expression
REMEMBERED = 256  # answers of an expression, which says the same of the same values
_UNASKED: Final = object()
_WHOLE = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'" + r"|(?<![\w.])\d+(?![\w.])")
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


class BadExpression(ValueError):
    """An expression that cannot be: its text says what, and where in the expression."""


class Expression:
    """One expression, ready to be asked. words: the names of its language that it uses."""

    def __init__(self, text: str, compiled: cel.Expression, words: frozenset[str]) -> None:
        self.text, self.compiled, self.words = text, compiled, words
        self._said: dict[tuple[tuple[type, Any], ...], Any] = {}

    def value(self, known: Mapping[str, Any]) -> Any:
        """What it says of known values, by word; None where that cannot be told, as a word has no value."""
        if not self.words <= known.keys():
            return None
        try:
            key = tuple((type(known[word]), known[word]) for word in self.words)
            answer = self._said.get(key, _UNASKED)
        except TypeError:  # lists and maps, which are asked of anew
            return self._asked(known)
        if answer is _UNASKED:
            if len(self._said) >= REMEMBERED:
                self._said.clear()
            answer = self._said[key] = self._asked(known)
        return answer

    def _asked(self, known: Mapping[str, Any]) -> Any:
        try:
            answer = self.compiled.eval(data={word: known[word] for word in self.words})
        except RuntimeError as error:
            log.warning("%r cannot be asked: %s", self.text, str(error).partition("[")[0].strip())
            return None
        return None if answer.type() == cel.Type.ERROR else answer.plain_value()


class Language:
    """What expressions may name: words with their types, and functions."""

    def __init__(self, words: Mapping[str, cel.Type], extensions: Sequence[cel.CelExtension] = ()) -> None:
        self.words = dict(words)
        self.environment = cel.NewEnv(variables=self.words, extensions=list(extensions))

    def read(self, text: str, returns: cel.Type) -> Expression:
        """Make an expression of this type ready. Whole numbers are decimals. Raises BadExpression."""
        if len(text) > LONGEST:
            raise BadExpression(f"> {LONGEST}")
        try:
            compiled = self.environment.compile(as_decimals(text))
        except RuntimeError as error:
            raise BadExpression(worded(str(error))) from error
        if compiled.return_type() != returns:
            raise BadExpression(f"{compiled.return_type().name()} ≠ {returns.name()}")
        named = set(_NAME.findall(_STRINGS.sub('""', text)))
        return Expression(text, compiled, frozenset(named & self.words.keys()))


def as_decimals(text: str) -> str:
    """Whole numbers as decimals: CEL would not compare 1 with 1.0."""
    return _WHOLE.sub(lambda found: found[0] if found[0][0] in "\"'" else f"{found[0]}.0", text)


def worded(error: str) -> str:
    """What CEL has against an expression, without its own frame."""
    first = error.partition("\n")[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ")
    return first.replace("<input>:", "").replace(" (in container '')", "").strip()


def function(name: str, work: Callable[..., Any], returns: cel.Type, *takes: cel.Type) -> cel.FunctionDecl:
    """A function that expressions may call."""
    return cel.FunctionDecl(name, [cel.Overload(name, return_type=returns, parameters=list(takes), impl=work)])


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except (ValueError, OverflowError):  # NaN, which no comparison holds for
        return math.nan


_NUMBER = cel.Type.DOUBLE
ARITHMETIC = cel.CelExtension(
    "tuetinh.arithmetic",
    [
        function("pow", _power, _NUMBER, _NUMBER, _NUMBER),
        function("least", min, _NUMBER, _NUMBER, _NUMBER),
        function("most", max, _NUMBER, _NUMBER, _NUMBER),
    ],
)
"""`pow(x, y)`, `least(x, y)` and `most(x, y)` of two numbers."""
