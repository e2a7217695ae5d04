r"""`_filter`: an expression of comparisons with `and`, `or`, `not` and parentheses (FHIR R4, search_filter.html).

`given eq "Hoa" and (birthdate ge 1980 or not (gender eq male))`. A path is a search parameter or a chain. Each
comparison is read as the parameter with a prefix or modifier is, so that both find the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tuetinh.record.search.conditions import AllOf, AnyOf, Condition, NoneOf, Refused

MAX_DEPTH = 20
_TOKEN = re.compile(r'\s*(?:(?P<mark>[()])|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()"]+))', re.DOTALL)

ORDERED = frozenset({"date", "number", "quantity"})
# Comparisons by the types of parameters that they fit: what stands behind the name, and before the value.
_PREFIXES = frozenset({"gt", "lt", "ge", "le", "ap", "sa", "eb"})
_MODIFIERS = {
    "co": ({"string"}, ":contains"),
    "sw": ({"string"}, ""),
    "in": ({"token"}, ":in"),
    "ni": ({"token"}, ":not-in"),
    "ss": ({"token"}, ":below"),
    "sb": ({"token"}, ":above"),
    "re": ({"reference"}, ""),
}
_PLAIN = frozenset({"token", "reference", "uri", *ORDERED})

Read = Callable[[str, str], Condition]
Kinds = Callable[[str], frozenset[str]]


def read_filter(text: str, read: Read, kinds: Kinds) -> Condition:
    """Return the condition that an expression says. Raises Refused with what is wrong and where.

    read: reads a parameter by its name and value. kinds: the types of what a name leads to.
    """
    return _Reader(text, read, kinds).whole()


class _Reader:
    def __init__(self, text: str, read: Read, kinds: Kinds) -> None:
        self.text, self.at = text, 0
        self.read, self.kinds = read, kinds

    def whole(self) -> Condition:
        found = self.any_of(0)
        if (more := self.peek()) is not None:
            raise Refused("invalid", f"has {more[1][:40]!r} where it should end")
        return found

    def peek(self) -> tuple[str, str] | None:
        """Kind and text of the next token, which stays."""
        if not self.text[self.at :].strip():
            return None
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise Refused("invalid", f"cannot be read from {self.text[self.at :].strip()[:40]!r} on")
        kind = str(match.lastgroup)
        return kind, match[kind]

    def take(self, wanted: str = "") -> tuple[str, str]:
        """The next token, which must be the wanted one. Raises Refused."""
        found = self.peek()
        if found is None or (wanted and found != ("mark", wanted)):
            raise Refused(
                "invalid", f"lacks {wanted or 'a part'} {f'before {found[1][:40]!r}' if found else 'at its end'}"
            )
        match = _TOKEN.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return found

    def follows(self, word: str) -> bool:
        """Take a word if it comes next."""
        if self.peek() != ("word", word):
            return False
        self.take()
        return True

    def any_of(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise Refused("too-costly", f"has more than {MAX_DEPTH} parentheses in each other")
        found = [self.all_of(depth)]
        while self.follows("or"):
            found.append(self.all_of(depth))
        return found[0] if len(found) == 1 else AnyOf(tuple(found))

    def all_of(self, depth: int) -> Condition:
        found = [self.one(depth)]
        while self.follows("and"):
            found.append(self.one(depth))
        return found[0] if len(found) == 1 else AllOf(tuple(found))

    def one(self, depth: int) -> Condition:
        if self.peek() == ("mark", "("):
            self.take()
            inner = self.any_of(depth + 1)
            self.take(")")
            return inner
        kind, name = self.take()
        if kind == "word" and name == "not" and self.peek() == ("mark", "("):
            return NoneOf(self.one(depth))
        if kind != "word" or "[" in name:
            raise Refused(
                "invalid", f"has {name[:40]!r} in the place of a parameter; filters within a path are not read"
            )
        operator, value = self.take()[1], self.take()
        if value[0] == "mark":
            raise Refused("invalid", f"compares {name[:40]!r} with nothing")
        plain = re.sub(r"\\(.)", r"\1", value[1], flags=re.DOTALL) if value[0] == "text" else value[1]
        return self.compare(name, operator, plain.replace("\\", "\\\\"))

    def compare(self, name: str, operator: str, value: str) -> Condition:
        kinds = self.kinds(name)
        if operator == "pr":
            if value not in ("true", "false"):
                raise Refused("invalid", f"{name} pr {value[:40]!r} is neither true nor false")
            return self.read(f"{name}:missing", "false" if value == "true" else "true")
        if operator == "ne" and kinds <= ORDERED:
            return self.read(name, f"ne{value}")
        if operator == "ne":
            return AllOf((self.read(f"{name}:missing", "false"), NoneOf(self.compare(name, "eq", value))))
        if operator == "eq" and kinds == {"string"}:
            return self.read(f"{name}:exact", value)
        if operator == "eq" and kinds <= _PLAIN:
            return self.read(name, f"eq{value}" if kinds <= ORDERED else value)
        if operator in _PREFIXES and kinds <= ORDERED:
            return self.read(name, f"{operator}{value}")
        fits, modifier = _MODIFIERS.get(operator, (set[str](), ""))
        if kinds <= fits:
            return self.read(f"{name}{modifier}", value)
        told = " or ".join(sorted(kinds))
        raise Refused("not-supported", f"{operator[:40]!r} is no comparison that is answered for {name[:80]}, a {told}")
