"""What a study tells of its dose, whatever tells it: exposures, in the units of the register."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

# By UCUM code without its signs, to the unit of the register: mGy; mGy·cm; Gy·cm².
_UNITS: Final = {
    "ctdi": {"mgy": "1", "gy": "1000", "ugy": "0.001", "dgy": "100"},
    "dlp": {"mgycm": "1", "gycm": "1000", "ugycm": "0.001"},
    "dap": {
        "gym2": "10000", "gycm2": "1", "dgycm2": "0.1", "cgycm2": "0.01", "mgycm2": "0.001", "ugym2": "0.01",
        "mgym2": "10",
    },
    "seconds": {"s": "1", "ms": "0.001", "min": "60"},
}  # fmt: skip
_UNITS["agd"] = _UNITS["ctdi"]
MOST: Final = Decimal(10**8)  # from which on a number is no dose, in the unit of the register


@dataclass(frozen=True, slots=True)
class Event:
    """One exposure. uid: its Irradiation Event UID, "" where none is told."""

    uid: str = ""
    protocol: str = ""
    region: str = ""
    ctdi: Decimal | None = None
    dlp: Decimal | None = None
    dap: Decimal | None = None
    agd: Decimal | None = None

    def as_json(self) -> dict[str, str]:
        """What is known of it."""
        return {name: str(value) for name, value in asdict(self).items() if value}


@dataclass(slots=True)
class Told:
    """What was told of a study. totals: of what is told for all exposures together. machine: maker, model, station."""

    events: list[Event] = field(default_factory=list)
    totals: dict[str, Decimal] = field(default_factory=dict)
    machine: str = ""
    modality: str = ""

    def add(self, name: str, amount: Decimal | None) -> None:
        """Add to a total."""
        if amount is not None:
            self.totals[name] = self.totals.get(name, Decimal(0)) + amount

    def sum_of(self, name: str) -> Decimal | None:
        """All exposures together, each once, however many reports repeat it; else what the totals say."""
        whole = sum(found, Decimal(0)) if (found := self._each(name)) else self.totals.get(name)
        return whole if whole is None or whole < MOST else None

    def most_of(self, name: str) -> Decimal | None:
        """The largest of the exposures."""
        return max(self._each(name), default=self.totals.get(name))

    def _each(self, name: str) -> list[Decimal]:
        return [value for one in once(self.events) if (value := getattr(one, name, None)) is not None]

    def words(self, name: str) -> str:
        """The names of protocols or regions of the exposures, each once."""
        return ", ".join(dict.fromkeys(filter(None, (getattr(one, name) for one in self.events))))


def once(events: Iterable[Event]) -> list[Event]:
    """Exposures, each once: reports of a machine repeat what earlier ones told."""
    found: dict[str, Event] = {}
    for place, one in enumerate(events):
        found[one.uid or f"#{place}"] = one
    return list(found.values())


def amount(quantity: str, value: Any, unit: str) -> Decimal | None:
    """A number in the unit of the register; None where it is no dose, or its unit is another one's."""
    plain = unit.replace(".", "").replace("*", "").replace("·", "").replace("µ", "u").replace("²", "2").lower()
    factor = _UNITS[quantity].get(plain)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    if factor is None or not number.is_finite() or not 0 <= number * Decimal(factor) < MOST:
        return None
    return number * Decimal(factor)
