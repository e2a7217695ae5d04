"""How an operation is declared: its name, its places, its parameters, and the step that answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Literal

from tuetinh.record import permits, r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.steps import Step

Level = Literal["system", "type", "instance"]


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter that an operation takes.

    type: FHIR's name of the type: a primitive (`uri`, `date`, `integer`…), a datatype (`Coding`, `Reference`, …), a
    resource type or `Resource`; "" when it has `parts`, `Element` for a value of any datatype. max: None for any
    number. raw: a resource that arrives as its JSON, unchecked, because what is wrong with it is the answer; among
    parts one whose type R4 does not know, which arrives as a Binary of its JSON.
    """

    name: str
    type: str = ""
    min: int = 0
    max: int | None = 1
    parts: tuple[Param, ...] = ()
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Out:
    """A parameter that an operation returns (`return` alone: the answer is that resource itself)."""

    name: str
    type: str
    min: int = 0
    max: int | None = 1


@dataclass(frozen=True)
class Asked:
    """One call of an operation.

    values: what was given for each declared parameter: str, int, bool or Decimal for primitives (dates as text), a
    class of `r4` for datatypes and resources, the same mapping again for parameters with parts. others: the pairs of
    the address that are not declared, for an operation that is `open`. accept: the media type that is wanted, "" for
    FHIR. language: the header Accept-Language. by_get: nothing may be changed.
    """

    asker: Asker
    name: str
    base: str
    path: str
    type: str = ""
    id: str = ""
    values: Mapping[str, list[Any]] = field(default_factory=dict)
    others: list[tuple[str, str]] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    accept: str = ""
    body: bytes = b""
    media: str = ""
    prefer: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    by_get: bool = False

    def one(self, name: str, default: Any = None) -> Any:
        """The single value of a parameter."""
        given = self.values.get(name)
        return given[0] if given else default

    def many(self, name: str) -> list[Any]:
        """All values of a parameter, none when it was not given."""
        return self.values.get(name, [])


@dataclass(frozen=True)
class Reply:
    """The answer. `body`: a resource, its JSON, or (with `media`) bytes of another format; None for no content.

    file: what is sent in the place of a body, from where it stands, and closed.
    seen: (type, id, patient) of every record that the asker learned something of, for the access log.
    """

    body: r4.Resource | bytes | None
    status: int = 200
    media: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)
    file: IO[bytes] | None = None

    def encoded(self) -> bytes:
        """The body as bytes."""
        return r4.encode(self.body) if isinstance(self.body, r4.Resource) else self.body or b""


def anyone(asker: Asker) -> None:
    """Everybody who is known may call it."""


def of_some_type(letter: str) -> Callable[[Asker], None]:
    """Who may do it (one letter of `cruds`) with resources of some type; the step looks at each type."""

    def check(asker: Asker) -> None:
        if not any(asker.may_some(letter, type_) for type_ in r4.RESOURCES):
            raise Forbidden(f"{permits.WORDS[letter]} of no resource type is within the scopes of this account")

    return check


def administrators(asker: Asker) -> None:
    """Who may change what holds for everybody."""
    if not asker.administers:
        raise Forbidden("this is for administrators, with scopes of the level system")


@dataclass(frozen=True)
class Operation:
    """An operation as the door knows it.

    definition: canonical of its OperationDefinition. types: resource types at the levels `type` and `instance`, None
    for all. affects: it changes something, so it is called by POST alone and runs in one transaction. letter: the scope
    (of `cruds`) on the type that it needs; "" where the step looks at every resource itself. who: raises Forbidden for
    an asker who may not call it, whatever is asked; it comes before anything of the call is read. open: undeclared
    pairs of the address are search parameters, not errors. media: formats beside FHIR's that it can answer in; takes:
    formats of a body that it reads itself.
    """

    name: str
    definition: str
    levels: tuple[Level, ...]
    step: Callable[[Asked], Step[Reply]]
    types: frozenset[str] | None = None
    affects: bool = False
    letter: str = "r"
    who: Callable[[Asker], None] = anyone
    open: bool = False
    params: tuple[Param, ...] = ()
    out: tuple[Out, ...] = (Out("return", "Resource", 1),)
    media: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()

    def at(self, level: Level, type_: str) -> bool:
        """Whether it may be called there."""
        return level in self.levels and (level == "system" or self.types is None or type_ in self.types)

    @property
    def by_get(self) -> bool:
        """Whether GET is allowed: nothing changes (operations.html, 3.2.0.1)."""
        return not self.affects
