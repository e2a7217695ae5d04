"""What a condition cannot hold without, asked before the condition itself: most rules are not about most rows.

Of the parts that `&&` and `||` join, those count that mean the same in Python as in CEL: a comparison of words, texts
and numbers; a word that is (not) one of some; how a text begins or ends; a list that has a text, or anything at all; a
word that is true or false. Anything else may hold.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Known = Mapping[str, Any]
_WORD = r"[A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]*)?"
_TEXT, _NUMBER = r'"[^"\\]*"', r"[0-9]+(?:\.[0-9]+)?"
_COMPARED = re.compile(rf"({_WORD})\s*(==|!=|<=|>=|<|>)\s*(?:({_WORD})|({_TEXT})|({_NUMBER}))")
_ONE_OF = re.compile(rf"(!\()?({_WORD}) in (?:\[({_TEXT}(?:,\s*{_TEXT})*)\]|({_WORD}))(?(1)\))")
_HAS = re.compile(rf"({_TEXT}) in ({_WORD})")
_ANY = re.compile(rf"({_WORD})\.exists\((?:[^()]|\([^()]*\))*\)")
_END = re.compile(rf"({_WORD})\.(startsWith|endsWith)\(({_TEXT})\)")
_TRUE = re.compile(rf"(!?)({_WORD})")
_PIECES = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|&&|\|\||[()\[\]{}?]')
_OPERATORS = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


class Guard(NamedTuple):
    """A test of what is known. word, texts: where nothing counts but which of these texts the word is, or none."""

    test: Callable[[Known], bool]
    word: str = ""
    texts: frozenset[str] = frozenset()


def guards(condition: str) -> list[Guard]:
    """What must be true of the words for a condition to hold; nothing where that cannot be told."""
    either = _parts(condition, "||")
    if len(either) > 1:
        found = [[guard.test for guard in guards(part)] for part in either]
        return [Guard(lambda known: any(all(test(known) for test in one) for one in found))] if all(found) else []
    if "?" in _tops(condition):
        return []
    asked = (_guard(part.strip()) for part in _parts(condition, "&&"))
    return [guard for guard in asked if guard is not None]


def _guard(part: str) -> Guard | None:
    if match := _COMPARED.fullmatch(part):
        return _comparison(match[1], match[2], *match.groups()[2:])
    if match := _ONE_OF.fullmatch(part):
        wanted, word, other = match[1] is None, match[2], match[4]
        if other:
            return Guard(lambda known: (known[word] in known[other]) is wanted)
        texts = frozenset(one[1:-1] for one in re.findall(_TEXT, match[3]))
        return Guard(lambda known: (known[word] in texts) is wanted, word, texts)
    if match := _HAS.fullmatch(part):
        text, word = match[1][1:-1], match[2]
        return Guard(lambda known: text in known[word])
    if match := _ANY.fullmatch(part):
        word = match[1]
        return Guard(lambda known: bool(known[word]))
    if match := _END.fullmatch(part):
        word, method, text = match[1], match[2].lower(), match[3][1:-1]
        return Guard(lambda known: bool(getattr(known[word], method)(text)))
    if match := _TRUE.fullmatch(part):
        wanted, word = not match[1], match[2]
        return Guard(lambda known: known[word] is wanted)
    if part.startswith("(") and _tops(part) == ["(", ")"]:
        tests = [guard.test for guard in guards(part[1:-1])]
        return Guard(lambda known: all(test(known) for test in tests)) if tests else None
    return None


def _comparison(word: str, sign: str, other: str | None, text: str | None, number: str | None) -> Guard:
    how = _OPERATORS[sign]
    if other:
        return Guard(lambda known: bool(how(known[word], known[other])))
    if text and sign in ("==", "!="):
        one = text[1:-1]
        return Guard(lambda known: bool(how(known[word], one)), word, frozenset([one]))
    value = text[1:-1] if text else float(number or 0)
    return Guard(lambda known: bool(how(known[word], value)))


def _tops(condition: str) -> list[str]:
    """The signs at the top of a condition: what joins its parts, and the brackets that open and close there."""
    depth, found = 0, []
    for piece in _PIECES.finditer(condition):
        depth -= piece[0] in ")]}"
        if depth == 0 and piece[0][0] not in "\"'":
            found.append(piece[0])
        depth += piece[0] in "([{"
    return found


def _parts(condition: str, sign: str) -> list[str]:
    """The parts that a sign joins at the top of a condition."""
    depth, start, parts = 0, 0, []
    for piece in _PIECES.finditer(condition):
        if piece[0] in "([{":
            depth += 1
        elif piece[0] in ")]}":
            depth -= 1
        elif depth == 0 and piece[0] == sign:
            parts.append(condition[start : piece.start()])
            start = piece.end()
    return [*parts, condition[start:]]
