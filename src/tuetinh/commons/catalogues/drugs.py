"""A starter formulary of medicines that districts and communes use; a facility's own list replaces it by its prices."""

from __future__ import annotations

import csv
from functools import cache

import msgspec

from .store import DATA
from .wordsearch import WordIndex, words


class Drug(msgspec.Struct, frozen=True):
    """A medicine by active ingredient, strength and form.

    `substance_code` is the national code of the ingredient where it is known, else empty; `dose_unit` is what a dose is
    counted in where a `unit` (bottle, tube, inhaler) holds many doses, else empty; `control` is `GN` (narcotic) or `HT`
    (psychotropic) for controlled medicines; `demo_price` (₫ a unit) is invented for demonstrations.
    """

    code: str
    substance_code: str
    name: str
    strength: str
    form: str
    unit: str
    dose_unit: str
    route_code: str
    route: str
    control: str
    demo_price: int

    @property
    def label(self) -> str:
        """Ingredient, strength and form, as on a prescription."""
        return f"{self.name} {self.strength}, {self.form}"


@cache
def _drugs() -> dict[str, Drug]:
    with (DATA / "formulary.csv").open(encoding="utf-8", newline="") as lines:
        return {r["code"]: msgspec.convert(r, Drug, strict=False) for r in csv.DictReader(lines)}


@cache
def _index() -> tuple[WordIndex, list[str]]:
    names = [(" ".join(words(f"{d.name} {d.strength} {d.form}")), " ".join(words(d.name))) for d in _drugs().values()]
    return WordIndex(names, [0.0] * len(names)), list(_drugs())


def drug(code: str) -> Drug | None:
    """The medicine of a code of the formulary."""
    return _drugs().get(code)


def drugs() -> list[Drug]:
    """The whole formulary."""
    return list(_drugs().values())


def search_drugs(text: str, limit: int = 12) -> list[Drug]:
    """Type-ahead over medicines by ingredient, strength and form."""
    index, order = _index()
    return [_drugs()[order[e]] for _, e in index.find(words(text), limit)]
