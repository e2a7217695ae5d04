"""The words of an expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from tuetinh.record.fhirpath.errors import ParseError
from tuetinh.record.fhirpath.values import Date, DateTime, Time, parse_date, parse_datetime, parse_time

_TOKEN = re.compile(
    r"""
    (?P<space> (?:\s | //[^\n\r]* | /\*.*?\*/)+ )
  | (?P<number> [0-9]+ (?:\.[0-9]+)? )
  | (?P<time> @T [0-9:]+ (?:\.[0-9]+)? )
  | (?P<date> @ [0-9]{4} (?:-[0-9]{2} (?:-[0-9]{2})?)?
        (?: T (?: [0-9]{2} (?: :[0-9]{2} (?: :[0-9]{2} (?:\.[0-9]+)? )? )? (?: Z | [+-][0-9]{2}:[0-9]{2} )? )? )? )
  | (?P<string> '(?:[^'\\]|\\.)*' )
  | (?P<delimited> `(?:[^`\\]|\\.)*` )
  | (?P<special> \$[a-z]+ )
  | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<symbol> <= | >= | != | !~ | [-+*/&|=~<>.,()\[\]{}%] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<char>.))", re.DOTALL)
_CONTROL = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}
_INTEGER_MAX = 2**31 - 1


class Token(NamedTuple):
    """`kind` is number, temporal, string, delimited, special, name, symbol or end."""

    kind: str
    text: str
    position: int
    value: int | Decimal | Date | DateTime | Time | None = None


def tokens(text: str) -> Iterator[Token]:
    """Every word and, last, the end. ParseError for a character that begins none."""
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found or (text.startswith("/*", position) and found.lastgroup != "space"):
            raise ParseError(f"unexpected {text[position : position + 8]!r}", position)
        kind, word = found.lastgroup or "", found[0]
        if kind != "space":
            yield _token(kind, word, position)
        position = found.end()
    yield Token("end", "the end", len(text))


def _token(kind: str, word: str, position: int) -> Token:
    match kind:
        case "number":
            return Token(kind, word, position, _number(word, position))
        case "date" | "time":
            return Token("temporal", word, position, _temporal(kind, word, position))
        case "string" | "delimited":
            return Token(kind, _unescaped(word[1:-1]), position)
        case "special":
            return Token(kind, word[1:], position)
        case _:
            return Token(kind, word, position)


def _number(word: str, position: int) -> int | Decimal:
    if "." in word:
        return Decimal(word)
    if len(word) > 10 or int(word) > _INTEGER_MAX:
        raise ParseError(f"the integer {word[:20]} is out of range", position)
    return int(word)


def _temporal(kind: str, word: str, position: int) -> Date | DateTime | Time:
    value: Date | DateTime | Time | None
    if kind == "time":
        value = parse_time(word[2:])
    else:
        value = parse_datetime(word[1:]) if "T" in word else parse_date(word[1:])
    if value is None:
        raise ParseError(f"{word!r} is no date or time", position)
    return value


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def char(found: re.Match[str]) -> str:
        if found["code"]:
            return chr(int(found["code"], 16))
        return _CONTROL.get(found["char"], found["char"])

    return _ESCAPE.sub(char, text)
