"""Text to syntax tree, by operator precedence."""

from __future__ import annotations

from decimal import Decimal

from tuetinh.record.fhirpath.errors import LimitError, ParseError
from tuetinh.record.fhirpath.lexer import Token, tokens
from tuetinh.record.fhirpath.syntax import (
    BINDING,
    NAMES_TOO,
    TERM,
    UNARY,
    Binary,
    Call,
    Empty,
    Indexer,
    Literal,
    Member,
    Node,
    Path,
    Special,
    TypeName,
    TypeTest,
    Unary,
    Variable,
)
from tuetinh.record.fhirpath.values import Quantity, calendar_unit

LONGEST = 20_000
# Deeper than any published constraint, and safe for the interpreter's own stack.
DEEPEST = 100

_SPECIALS = frozenset(["this", "index", "total"])


def parse(text: str) -> Node:
    """The tree of an expression. ParseError, or LimitError for one that is too long or too deep."""
    if len(text) > LONGEST:
        raise LimitError(f"the expression is longer than {LONGEST} characters")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(tokens(text))
        self.place = 0
        self.depth = 0

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def whole(self) -> Node:
        tree = self.expression(1)
        if self.now.kind != "end":
            raise self.unexpected()
        return tree

    def unexpected(self) -> ParseError:
        return ParseError(f"unexpected {self.now.text[:20]!r}", self.now.position)

    def next(self) -> Token:
        token = self.now
        self.place += 1
        return token

    def symbol(self, text: str) -> bool:
        """Whether the symbol stands here; if so, go past it."""
        found = self.now.kind == "symbol" and self.now.text == text
        self.place += found
        return found

    def need(self, text: str) -> None:
        if not self.symbol(text):
            raise self.unexpected()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise LimitError(f"the expression is nested more than {DEEPEST} levels deep")

    def expression(self, least: int) -> Node:
        """An operand and every operator behind it that binds at least so tightly."""
        outer = self.depth
        self.deeper()
        left = self.operand()
        while (binding := self.operator()) >= least:
            self.deeper()
            word = self.next().text
            if binding == TERM:
                left = self.behind(word, left)
            elif word in ("is", "as"):
                left = TypeTest(word, left, self.type_name())
                if self.operator() == TERM:
                    raise self.unexpected()
            else:
                left = Binary(word, left, self.expression(binding + 1))
        self.depth = outer
        return left

    def operator(self) -> int:
        token = self.now
        if token.kind == "symbol" and token.text in (".", "["):
            return TERM
        return BINDING.get(token.text, 0) if token.kind in ("symbol", "name") else 0

    def behind(self, word: str, left: Node) -> Node:
        """What stands behind `.` or `[`."""
        if word == ".":
            return Path(left, self.invocation(keywords=True))
        index = self.expression(1)
        self.need("]")
        return Indexer(left, index)

    def operand(self) -> Node:
        if self.now.kind == "symbol" and self.now.text in "+-":
            return Unary(self.next().text, self.expression(UNARY))
        return self.term()

    def term(self) -> Node:
        token = self.now
        match token.kind, token.text:
            case "number", _:
                return self.number()
            case "temporal", _:
                self.next()
                assert token.value is not None  # noqa: S101
                return Literal(token.value)
            case "string", text:
                self.next()
                return Literal(text)
            case "name", "true" | "false" as text:
                self.next()
                return Literal(text == "true")
            case "symbol", "(":
                self.next()
                inner = self.expression(1)
                self.need(")")
                return inner
            case "symbol", "{":
                self.next()
                self.need("}")
                return Empty()
            case "symbol", "%":
                self.next()
                return self.variable()
        return self.invocation()

    def number(self) -> Node:
        """A number, or a quantity when a unit follows."""
        value = self.next().value
        assert isinstance(value, int | Decimal)  # noqa: S101
        if self.now.kind == "string":
            return Literal(Quantity(Decimal(value), self.next().text))
        if self.now.kind == "name" and calendar_unit(self.now.text):
            return Literal(Quantity(Decimal(value), self.next().text))
        return Literal(value)

    def variable(self) -> Node:
        if self.now.kind not in ("name", "delimited", "string"):
            raise self.unexpected()
        return Variable(self.next().text)

    def invocation(self, *, keywords: bool = False) -> Node:
        """A member, function or special. With `keywords`, behind a point, `div` is a name too, as in `text.div`."""
        token = self.now
        if token.kind == "special" and token.text in _SPECIALS:
            self.next()
            return Special(token.text)
        name = self.next().text if keywords and token.kind == "name" else self.name()
        if not self.symbol("("):
            return Member(name)
        arguments: list[Node] = []
        if not self.symbol(")"):
            arguments.append(self.expression(1))
            while self.symbol(","):
                arguments.append(self.expression(1))
            self.need(")")
        return Call(name, tuple(arguments))

    def name(self) -> str:
        token = self.now
        if token.kind != "delimited" and (
            token.kind != "name" or (token.text in BINDING and token.text not in NAMES_TOO)
        ):
            raise self.unexpected()
        return self.next().text

    def type_name(self) -> TypeName:
        first = self.name()
        return TypeName(first, self.name()) if self.symbol(".") else TypeName("", first)
