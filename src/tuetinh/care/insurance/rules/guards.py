"""What a condition cannot hold without, asked before the condition itself: most rules are not about most rows.

Of the parts that `&&` and `||` join, those count that mean the same in Python as in CEL: a comparison of words, texts
and numbers, and of what our own functions say of them; a word that is (not) one of some; how a text begins or ends, or
whether a plain pattern fits it; a number that is no whole one; a list that has a text, or anything at all, or of which
all or one are so; a word or an answer that is true or false. Anything else may hold. They become one function of Python
for all conditions of a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

Read = Callable[[str], str]
"""How Python reads a word of a condition."""

_WORD = r"[A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]*)?"
_TEXT, _NUMBER = r'"[^"\\]*"', r"[0-9]+(?:\.[0-9]+)?"
_CALL = rf"[a-z_]+\((?:[^()\"]|{_TEXT})*\)"
_VALUE = rf"(?:{_CALL}|{_WORD}(?: \* {_NUMBER})?|{_TEXT}|{_NUMBER}|[a-z_]+)"
_COMPARED = re.compile(rf"({_VALUE})\s*(==|!=|<=|>=|<|>)\s*({_VALUE})")
_CALLED = re.compile(r"([a-z_]+)\((.*)\)", re.DOTALL)
_ARGUMENT = rf"(?:\[{_TEXT}(?:,\s*{_TEXT})*\]|{_WORD}|{_TEXT}|[a-z_]+)"
_ARGUMENTS = re.compile(rf"{_ARGUMENT}(?:,\s*{_ARGUMENT})*")
_TIMES = re.compile(rf"({_WORD}) \* ({_NUMBER})")
_EACH = re.compile(rf"(!?)({_WORD}|cac_ma\({_WORD}\))\.(all|exists)\(([a-z_]+),(.*)\)", re.DOTALL)
_WITHIN = re.compile(rf"(!\()?({_WORD}) in (cac_ma\({_WORD}\))(?(1)\))")
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

    known: functions that a word may be read by, and those of conditions.
    """
    kept: dict[str, str] = {}
    functions = frozenset(known)

    def once(word: str) -> str:
        """What stands in the row is read once for all conditions; what must be worked out, when it is asked for."""
        text = read(word)
        return text if _takes_long(text) else kept.setdefault(text, f"w{len(kept)}")

    tests = [sorted(guards(condition, once, functions), key=_cost) for condition in conditions]
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


def _cost(test: str) -> int:
    """What is asked first is cheap: what stands in the row, then what a function says of it."""
    return 2 if _takes_long(test) else 1 if "(" in test else 0


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


SCOPE: Final[dict[str, Any]] = {"matches": _matches}
"""What guards call."""


def guards(condition: str, read: Read, functions: frozenset[str] = frozenset()) -> list[str]:
    """What must be true of the words for a condition to hold, in Python; nothing where that cannot be told.

    functions: those that Python calls as the condition does.
    """
    return _Reader(read, functions).guards(condition)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a condition, or a part of it. each: the names in Python of what stands for one of a list."""

    read: Read
    functions: frozenset[str]
    each: Mapping[str, str] = field(default_factory=dict)
    depth: int = 0

    def guards(self, condition: str) -> list[str]:
        """As above."""
        if self.depth > _DEEPEST:
            return []
        either = _parts(condition, "||")
        if len(either) > 1:
            found = [" and ".join(self.deeper().guards(part)) for part in either]
            return ["(" + " or ".join(found) + ")"] if all(found) else []
        if "?" in _tops(condition):
            return []
        asked = (self.guard(part.strip()) for part in _parts(condition, "&&"))
        return [guard for guard in asked if guard]

    def deeper(self, **each: str) -> _Reader:
        """The reader of what stands in brackets."""
        return replace(self, each={**self.each, **each}, depth=self.depth + 1)

    def guard(self, part: str) -> str:
        """What must be true for a part that nothing joins, or ""."""
        if match := _COMPARED.fullmatch(part):
            sides = self.value(match[1]), self.value(match[3])
            return f"{sides[0]} {match[2]} {sides[1]}" if all(sides) else ""
        if (match := _WITHIN.fullmatch(part)) and (some := self.value(match[3])):
            return f"{self.read(match[2])} {'not in' if match[1] else 'in'} {some}"
        if (match := _EACH.fullmatch(part)) and len(_tops(part)) == 2 * (1 + match[2].endswith(")")):
            return self.of_each(*match.groups())
        if (match := re.fullmatch(f"(!?)({_CALL})", part)) and (answer := self.value(match[2])):
            return f"not {answer}" if match[1] else answer
        return _guard(part, self)

    def of_each(self, negated: str, some: str, how: str, name: str, asked: str) -> str:
        """What all or one of a list must be; of those that must not all be so, only what an answer says exactly."""
        place, values = f"each{len(self.each)}", self.value(some)
        within = self.deeper(**{name: place})
        if not values:
            return ""
        if negated:
            answers = [
                within.value(one) if re.fullmatch(_CALL, one) else "" for one in map(str.strip, _parts(asked, "||"))
            ]
            exact = how == "all" and all(answers)
            return f"not all({' or '.join(answers)} for {place} in {values})" if exact else ""
        found = " and ".join(within.guards(asked))
        if not found:
            return values if how == "exists" else ""
        return f"{'all' if how == 'all' else 'any'}({found} for {place} in {values})"

    def value(self, text: str) -> str:
        """A word, text, number, one of a list, or what a function says of such, in Python; "" for anything else."""
        text = text.strip()
        if re.fullmatch(_WORD, text):
            return self.read(text)
        if re.fullmatch(_TEXT, text):
            return repr(text[1:-1])
        if re.fullmatch(_NUMBER, text):
            return _number(text)
        if match := _TIMES.fullmatch(text):
            return f"{self.read(match[1])} * {number}" if (number := _number(match[2])) else ""
        if text in self.each:
            return self.each[text]
        match = _CALLED.fullmatch(text)
        if match is None or match[1] not in self.functions or not _ARGUMENTS.fullmatch(match[2]):
            return ""
        told = [self.argument(one) for one in re.findall(_ARGUMENT, match[2])]
        return f"{match[1]}({', '.join(told)})" if all(told) else ""

    def argument(self, text: str) -> str:
        """The same of a list of texts too."""
        return repr([one[1:-1] for one in re.findall(_TEXT, text)]) if text.startswith("[") else self.value(text)


def _number(text: str) -> str:
    found = repr(float(text))
    return "" if found == "inf" else found


def _guard(part: str, reader: _Reader) -> str:
    read = reader.read
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
        return " and ".join(reader.deeper().guards(part[1:-1]))
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
