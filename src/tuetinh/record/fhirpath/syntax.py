"""The syntax tree of an expression; `str` of a node is FHIRPath again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal

from tuetinh.record.fhirpath.values import Date, DateTime, Quantity, Time

# Binary operators by how tightly they bind (FHIRPath N1, 8 Operator Precedence), a higher number binds tighter.
BINDING = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "~": 5,
    "!=": 5,
    "!~": 5,
    "<=": 6,
    "<": 6,
    ">": 6,
    ">=": 6,
    "|": 7,
    "is": 8,
    "as": 8,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
UNARY = 11
TERM = 12

# Operators whose words may be names of elements or functions too; the other words must be delimited as names.
NAMES_TOO = frozenset(["as", "contains", "in", "is"])
KEYWORDS = frozenset(["div", "mod", "and", "or", "xor", "implies", "true", "false"])
_ESCAPES = {"\\": "\\\\", "'": "\\'", "`": "\\`", "\r": "\\r", "\n": "\\n", "\t": "\\t", "\f": "\\f"}


def quoted(text: str, mark: str) -> str:
    """A string or a delimited name as it is written."""
    return mark + "".join(char if char in "'`" and char != mark else _ESCAPES.get(char, char) for char in text) + mark


def named(text: str) -> str:
    """A name, delimited when it must be."""
    plain = text.isascii() and text.isidentifier() and text not in KEYWORDS
    return text if plain else quoted(text, "`")


class Node:
    """Any part of an expression."""

    binding = TERM

    def within(self, binding: int) -> str:
        """Its text as an operand, in brackets when it binds less tightly than that."""
        return str(self) if self.binding >= binding else f"({self})"


@dataclass(frozen=True)
class Literal(Node):
    """A constant: Python's bool, int, Decimal or str, or one of `values`."""

    value: bool | int | Decimal | str | Date | DateTime | Time | Quantity

    def __str__(self) -> str:
        match self.value:
            case bool():
                return "true" if self.value else "false"
            case str():
                return quoted(self.value, "'")
            case Date():
                return f"@{self.value}"
            case DateTime():
                return f"@{self.value}" if len(self.value.parts) > 3 else f"@{self.value}T"
            case Time():
                return f"@T{self.value}"
            case Quantity(value, unit):
                shown = str(self.value).rpartition(" ")[2] if " " not in unit else ""
                return f"{value:f} {shown}" if shown and shown[0] != "'" else f"{value:f} {quoted(unit, chr(39))}"
            case Decimal():
                return f"{self.value:f}"
            case _:
                return str(self.value)


@dataclass(frozen=True)
class Empty(Node):
    """`{}`"""

    def __str__(self) -> str:
        return "{}"


@dataclass(frozen=True)
class Variable(Node):
    """`%name`"""

    name: str

    def __str__(self) -> str:
        return f"%{named(self.name)}"


@dataclass(frozen=True)
class Special(Node):
    """`$this`, `$index` or `$total`, named without the sign."""

    name: str

    def __str__(self) -> str:
        return f"${self.name}"


@dataclass(frozen=True)
class Member(Node):
    """An element by its name, or the type of the context at the beginning of a path."""

    name: str

    def __str__(self) -> str:
        return named(self.name)


@dataclass(frozen=True)
class Call(Node):
    """A function with its arguments."""

    name: str
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{named(self.name)}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class Path(Node):
    """`left.right`, where the right side is a member, a call or a special."""

    left: Node
    right: Node

    def __str__(self) -> str:
        return f"{self.left.within(TERM)}.{self.right}"


@dataclass(frozen=True)
class Indexer(Node):
    """`left[index]`"""

    left: Node
    index: Node

    def __str__(self) -> str:
        return f"{self.left.within(TERM)}[{self.index}]"


@dataclass(frozen=True)
class Unary(Node):
    """`+` or `-` before an operand."""

    sign: str
    operand: Node
    binding = UNARY

    def __str__(self) -> str:
        return f"{self.sign}{self.operand.within(UNARY)}"


@dataclass(frozen=True)
class Binary(Node):
    """An operator between two operands."""

    operator: str
    left: Node
    right: Node

    @property
    def binding(self) -> int:  # type: ignore[override]
        return BINDING[self.operator]

    def __str__(self) -> str:
        return f"{self.left.within(self.binding)} {self.operator} {self.right.within(self.binding + 1)}"


@dataclass(frozen=True)
class TypeName(Node):
    """`FHIR.Patient`, `System.String` or a name alone."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{named(self.namespace)}.{named(self.name)}" if self.namespace else named(self.name)


@dataclass(frozen=True)
class TypeTest(Node):
    """`operand is Type` or `operand as Type`."""

    operator: str
    operand: Node
    type: TypeName
    binding = BINDING["is"]

    def __str__(self) -> str:
        return f"{self.operand.within(self.binding)} {self.operator} {self.type}"


def walk(tree: Node) -> Iterator[Node]:
    """Every part of a tree, itself first."""
    yield tree
    for field in fields(tree):  # type: ignore[arg-type]
        value = getattr(tree, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Node):
                yield from walk(part)
