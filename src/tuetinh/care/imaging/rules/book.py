"""The rules in force: those that come with the house (`data/`), and what people made of them since."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tuetinh.care.imaging.rules.kinds import KINDS, Assist, Check, Protocol, Reference, Rule, Sheet
from tuetinh.care.imaging.rules.models import RuleChange
from tuetinh.commons.rules.api import Ledger
from tuetinh.record.text import fold

_DATA: Final = Path(__file__).parents[1] / "data"
_FILES: Final = {"protocols": Protocol, "checks": Check, "references": Reference, "assists": Assist}
_LISTS: Final = ("modalities", "words", "sheets", "codes", "services")
R = TypeVar("R", bound=Rule)


@cache
def delivered() -> tuple[Rule, ...]:
    """The rules as they came."""
    found: list[Rule] = []
    for name, kind in _FILES.items():
        with (_DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                told: dict[str, object] = {key: value for key, value in row.items() if value}
                told |= {key: [one.strip() for one in row[key].split(";")] for key in _LISTS if row.get(key)}
                found.append(msgspec.convert(told, kind, strict=False))
    return (*found, *msgspec.json.decode((_DATA / "sheets.json").read_bytes(), type=list[Sheet]))


class Book:
    """Rules, ready to be asked."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = {rule.code: rule for rule in rules}

    def of(self, kind: type[R]) -> list[R]:
        """The rules of a kind that are in use."""
        return [rule for rule in self.rules.values() if isinstance(rule, kind) and rule.on]

    def protocol(self, code: str) -> Protocol | None:
        """A protocol in use."""
        found = self.rules.get(code)
        return found if isinstance(found, Protocol) and found.on else None

    def protocols(self, modality: str) -> list[Protocol]:
        """The protocols in use of a modality."""
        return [one for one in self.of(Protocol) if modality in one.modalities]

    def protocol_for(self, modality: str, service: str) -> Protocol | None:
        """The protocol that fits a service best, the first of several that fit alike."""
        name = fold(service)
        fitting = [one for one in self.protocols(modality) if one.weight(modality, name) >= 0]
        return max(fitting, key=lambda one: one.weight(modality, name), default=None)

    def sheets(self, protocol: Protocol) -> list[Sheet]:
        """What a protocol asks people to do, in its order."""
        found = (self.rules.get(code) for code in protocol.sheets)
        return [one for one in found if isinstance(one, Sheet) and one.on]

    def references(self, modality: str, said: str, age: int | None) -> dict[str, Reference]:
        """The reference levels of an examination by quantity; said: its protocol, region and service."""
        words = fold(said)
        best: dict[str, tuple[int, Reference]] = {}
        for one in self.of(Reference):
            weight = one.weight(modality, words, age)
            if weight >= 0 and (one.quantity not in best or weight > best[one.quantity][0]):
                best[one.quantity] = (weight, one)
        return {quantity: one for quantity, (_, one) in best.items()}


LEDGER: Final = Ledger(RuleChange, KINDS, delivered, Book)
in_force = LEDGER.in_force
