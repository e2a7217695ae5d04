"""What a search asks of a resource, as typed conditions.

The first ones are answered by the index of the resource itself. `AllOf` and `AnyOf` join others. The last ones look
beyond the resource; `resolve` turns them into the first ones where what they lead to is little, and into `Follows` and
`FollowedBy` where it is much.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tuetinh.record.search.params import Param


class Refused(ValueError):
    """A parameter that is not understood: the FHIR issue type and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Tokens:
    """Any of the hashes is among the resource's tokens; none of them with `negate`.

    selective: few resources have them, as with identifiers and references.
    """

    hashes: tuple[int, ...]
    negate: bool = False
    selective: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """There is (or is not) an entry of the parameters in an index table."""

    table: str
    params: tuple[str, ...]
    present: bool


@dataclass(frozen=True, slots=True)
class DateValue:
    """A prefix and the range that the searched date means, as in `values.date_range`."""

    prefix: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Dates:
    """Any of the values holds for a date of the parameter; `single`: a resource has one at most."""

    params: tuple[str, ...]
    values: tuple[DateValue, ...]
    single: bool = False


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A prefix, the number, its implied range, and the unit if one is asked for.

    base: canonical UCUM unit of all three numbers, for comparison with quantities in any unit of the kind.
    """

    prefix: str
    value: Decimal
    low: Decimal
    high: Decimal
    system: str | None = None
    code: str | None = None
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """Names of number rows of a composite: this one, or all that begin with it and have the ending."""

    text: str
    whole: bool = True
    ending: str = ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Any of the values holds for a number of the parameters, or of the names of a composite.

    ends: what must hold for the upper bound of the same row, when `values` are about the lower one.
    """

    params: tuple[str, ...]
    values: tuple[NumberValue, ...]
    names: tuple[Name, ...] = ()
    ends: tuple[NumberValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Strings:
    """Any of the texts begins (`starts`), equals (`exact`) or is in (`contains`) a text of the parameters."""

    params: tuple[str, ...]
    mode: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ids:
    """The resource has one of the ids (none of them with `negate`), and is of the type where one is named."""

    values: tuple[str, ...]
    type: str | None = None
    negate: bool = False


@dataclass(frozen=True, slots=True)
class Updated:
    """Any of the values holds for the moment of the resource's last change."""

    values: tuple[DateValue, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The position of the resource is not farther than this from a place: degrees (WGS 84) and kilometres."""

    latitude: float
    longitude: float
    kilometres: float


@dataclass(frozen=True, slots=True)
class OfType:
    """The resource is of the type, and the condition holds, which is about that type."""

    type: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class AllOf:
    """All hold."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One holds at least."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """It does not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class InCompartment:
    """For each resource type: one of the hashes is among the tokens, or the id is one of these."""

    tokens: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]  # types that share hashes, and these
    own: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """A reference leads to a resource for which the condition of its type holds (chaining)."""

    param: Param
    targets: tuple[tuple[str, Condition], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of the source type for which the condition holds refers to this one (reverse chaining)."""

    source: str
    param: Param
    condition: Condition


@dataclass(frozen=True, slots=True)
class Near:
    """A reference leads to one of the ids, or to what is below (or above) it in the hierarchy of the type."""

    param: Param
    type: str
    ids: tuple[str, ...]
    up: bool


@dataclass(frozen=True, slots=True)
class Coded:
    """A token is in (or not in) a value set, or above or below a code.

    mode: `in`, `not-in`, `above` or `below`. values: canonical urls for the first two, else (system, code).
    """

    param: Param
    mode: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """The resource is an entry of one of the Lists."""

    lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Canonicals:
    """A canonical of the parameter is one of these, `url` or `url|version`; deeper: or of a version below one.

    hashes: of their urls, of which each is indexed by one, whatever its version.
    """

    param: Param
    hashes: tuple[int, ...]
    texts: tuple[str, ...]
    deeper: bool = False


@dataclass(frozen=True, slots=True)
class Follows:
    """Like Linked to one type, with a condition that is resolved: looked at for each resource.

    within: the references are those of contained resources, of the parameter's type.
    """

    param: Param
    target: str
    condition: Condition
    within: bool = False


@dataclass(frozen=True, slots=True)
class FollowedBy:
    """Like Has, with a condition that is resolved: looked at for each resource."""

    source: str
    param: Param
    condition: Condition


@dataclass(frozen=True, slots=True)
class Contained:
    """A condition about what a resource contains, as `contained.inside` says it of the resource itself.

    ids: the resources for which it holds where they are few.
    """

    condition: Condition
    ids: Ids | None


Plain = Tokens | Present | Dates | Numbers | Strings | Ids | Updated | Within | InCompartment
Beyond = Linked | Has | Near | Coded | Listed
Condition = Plain | AllOf | AnyOf | NoneOf | OfType | Beyond | Canonicals | Follows | FollowedBy | Contained
