"""What a condition cannot hold without, asked before the condition itself: most rules are not about most rows.

Of the parts that `&&` and `||` join, those count that mean the same in Python as in CEL: a comparison of words, texts
and numbers; a word that is (not) one of some; how a text begins or ends, or whether a plain pattern fits it; a number
that is no whole one; a list that has a text, or anything at all; a word that is true or false. Anything else may hold.
They become one function of Python for all conditions of a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

Read = Callable[[str], str]
"""How Python reads a word of a condition."""

_WORD = r"[A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]*)?"
_TEXT, _NUMBER = r'"[^"\\]*"', r"[0-9]+(?:\.[0-9]+)?"
_COMPARED = re.compile(rf"({_WORD})\s*(==|!=|<=|>=|<|>)\s*(?:({_WORD})|({_TEXT})|({_NUMBER}))")
_ONE_OF = re.compile(rf"(!\()?({_WORD}) in (?:\[({_TEXT}(?:,\s*{_TEXT})*)\]|({_WORD}))(?(1)\))")
_HAS = re.compile(rf"({_TEXT}) in ({_WORD})")
_ANY = re.compile(rf"({_WORD})\.exists\((?:[^()]|\([^()]*\))*\)")
_END = re.compile(rf"({_WORD})\.(startsWith|endsWith)\(({_TEXT})\)")
_TRUE = re.compile(rf"(!?)({_WORD})")
_MATCHES = re.compile(rf"(!?)({_WORD})\.matches\(({_TEXT})\)")
_PLAIN = re.compile(r"\^?(?:[\w;.,|/ (){}?*+-]|\[\^?[\w;-]+\])*\$?", re.ASCII)  # means the same in Python as in RE2
_LISTED = re.compile(r"\(([;,|])\[\^\1\]\*\)\*")  # more of what a sign parts: one way only to read it
_AGAIN = re.compile(r"\)[*+{]")  # a group again and again, in which Python may try without end
_NOT_WHOLE = re.compile(rf"({_WORD}) != double\(int\(\1\)\)")
_PIECES = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|&&|\|\||[()\[\]{}?]')
_DEEPEST = 20  # brackets within each other, of which Python takes less than CEL


def asked_first(
    conditions: Iterable[str], arguments: str, read: Read, **known: Callable[[str], Any]
) -> Callable[..., tuple[int, ...]]:
    """The function of these arguments that tells which of the conditions may hold, by their places.

    known: functions that a word may be read by.
    """
    kept: dict[str, str] = {}

    def once(word: str) -> str:
        """What stands in the row is read once for all conditions; what must be worked out, when it is asked for."""
        text = read(word)
        return text if _takes_long(text) else kept.setdefault(text, f"w{len(kept)}")

    tests = [sorted(guards(condition, once), key=_takes_long) for condition in conditions]
    lines = [f"def may_hold({arguments}):", " found = []", *(f" {name} = {text}" for text, name in kept.items())]
    for place, asked in enumerate(tests):
        lines.append(f" if {' and '.join(asked) or 'True'}: found.append({place})")
    scope: dict[str, Any] = {**SCOPE, **known}
    # A condition gives names of words, and texts and numbers as Python writes them itself.
    exec("\n".join([*lines, " return tuple(found)"]), scope)  # noqa: S102
    found: Callable[..., tuple[int, ...]] = scope["may_hold"]
    return found


def _takes_long(test: str) -> bool:
    """Whether a word must be worked out for it; what stands in the row is asked first."""
    return "known[" in test


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


SCOPE: Final[dict[str, Any]] = {"matches": _matches}
"""What guards call."""


def guards(condition: str, read: Read, depth: int = 0) -> list[str]:
    """What must be true of the words for a condition to hold, in Python; nothing where that cannot be told."""
    if depth > _DEEPEST:
        return []
    either = _parts(condition, "||")
    if len(either) > 1:
        found = [" and ".join(guards(part, read, depth + 1)) for part in either]
        return ["(" + " or ".join(found) + ")"] if all(found) else []
    if "?" in _tops(condition):
        return []
    asked = (_guard(part.strip(), read, depth) for part in _parts(condition, "&&"))
    return [guard for guard in asked if guard]


def _guard(part: str, read: Read, depth: int) -> str:
    if match := _COMPARED.fullmatch(part):
        word, sign, other, text, number = match.groups()
        value = read(other) if other else repr(text[1:-1]) if text else repr(float(number))
        return f"{read(word)} {sign} {value}" if value != "inf" else ""
    if match := _ONE_OF.fullmatch(part):
        other = match[4]
        some = read(other) if other else "{" + ", ".join(repr(one[1:-1]) for one in re.findall(_TEXT, match[3])) + "}"
        return f"{read(match[2])} {'not in' if match[1] else 'in'} {some}"
    if match := _HAS.fullmatch(part):
        return f"{match[1][1:-1]!r} in {read(match[2])}"
    if match := _ANY.fullmatch(part):
        return read(match[1])
    if match := _END.fullmatch(part):
        return f"{read(match[1])}.{match[2].lower()}({match[3][1:-1]!r})"
    if match := _MATCHES.fullmatch(part):
        pattern = match[3][1:-1]
        if not _PLAIN.fullmatch(pattern) or _AGAIN.search(_LISTED.sub("", pattern)):
            return ""
        ending = rf"{pattern[:-1]}\Z" if pattern.endswith("$") else pattern
        return f"{'not ' if match[1] else ''}matches({ending!r}, {read(match[2])})"
    if match := _NOT_WHOLE.fullmatch(part):
        return f"{read(match[1])} % 1 != 0"
    if match := _TRUE.fullmatch(part):
        return f"{read(match[2])} is {not match[1]}"
    if part.startswith("(") and _tops(part) == ["(", ")"]:
        return " and ".join(guards(part[1:-1], read, depth + 1))
    return ""


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
