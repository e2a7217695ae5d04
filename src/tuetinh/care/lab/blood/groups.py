"""Blood groups: what reactions say, and which unit a person may have. Pure: tables in, answers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from tuetinh.care.lab.blood.tables import rows, rule

UNKNOWN = "?"
ABO = ("O", "A", "B", "AB")
GRADES = ("0", "w", "1+", "2+", "3+", "4+", "mf", "H")  # w: weak, mf: mixed field, H: haemolysis
REAGENTS = ("anti_a", "anti_b", "anti_d", "control", "a1_cells", "b_cells")


@dataclass(frozen=True, slots=True)
class Group:
    """An ABO group and whether the antigen D is there: `+` or `-`. Each is UNKNOWN of a person as long as it is."""

    abo: str
    rhd: str

    @property
    def isbt(self) -> str:
        """Its code in ISBT 128, data structure 002."""
        return next(isbt for isbt, group in by_isbt().items() if group == self)

    @property
    def snomed(self) -> str:
        """Its concept in SNOMED CT."""
        return next(code for code, group in by_snomed().items() if group == self)

    def __str__(self) -> str:
        return f"{self.abo} Rh(D){'+' if self.rhd == '+' else '−'}"


@cache
def by_isbt() -> dict[str, Group]:
    """The groups by their codes in ISBT 128."""
    return {row["isbt"]: Group(row["abo"], row["rhd"]) for row in rows("groups.csv")}


@cache
def by_snomed() -> dict[str, Group]:
    """The groups by their concepts in SNOMED CT."""
    return {row["snomed"]: Group(row["abo"], row["rhd"]) for row in rows("groups.csv")}


@cache
def _donors() -> dict[tuple[str, str], tuple[frozenset[str], bool]]:
    return {
        (row["kind"], row["recipient"]): (frozenset(row["donors"].split()), row["rhd"] == "strict")
        for row in rows("compatibility.csv")
    }


def compatible(kind: str, recipient: Group, unit: Group) -> bool:
    """Whether a person may have a unit of a kind of component."""
    donors, strict = _donors()[kind, recipient.abo]
    if unit.abo not in donors:
        return False
    return not strict or unit.rhd == "-" or recipient.rhd == "+"


class Unclear(Exception):
    """Reactions from which no group follows. reason: `control`, `forward`, `reverse`, `differ` or `rhd`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def determine(reactions: Mapping[str, str], *, reverse: bool = True) -> Group:
    """The group that the reactions with the six reagents show. Raises Unclear where anything speaks against it.

    reverse: whether serum is tested against cells too; the newborn have no antibodies yet.
    """
    if reactions.get("control") != "0":
        raise Unclear("control")
    forward = _read(reactions, ("anti_a", "anti_b"), rule("forward_at_least"), "forward")
    abo = {(False, False): "O", (True, False): "A", (False, True): "B", (True, True): "AB"}[forward]
    if reverse:
        cells = _read(reactions, ("a1_cells", "b_cells"), rule("reverse_at_least"), "reverse")
        if cells != (not forward[0], not forward[1]):
            raise Unclear("differ")
    [d_antigen] = _read(reactions, ("anti_d",), rule("forward_at_least"), "rhd")
    return Group(abo, "+" if d_antigen else "-")


def _read(reactions: Mapping[str, str], reagents: tuple[str, ...], weakest: int, name: str) -> tuple[bool, ...]:
    found = []
    for reagent in reagents:
        grade = reactions.get(reagent, "")
        strength = int(grade[0]) if grade[:1].isdigit() else -1
        if strength != 0 and strength < weakest:
            raise Unclear(name)
        found.append(strength > 0)
    return tuple(found)
