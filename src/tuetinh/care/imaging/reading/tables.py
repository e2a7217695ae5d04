"""What the reading room goes by that is data: regions of the body, times to report within."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from django.utils.translation import gettext_lazy

DATA: Final = Path(__file__).parent / "data"
REGIONS: Final = {
    "neuro": gettext_lazy("Sọ não, thần kinh"),
    "spine": gettext_lazy("Cột sống"),
    "neck": gettext_lazy("Đầu, cổ"),
    "chest": gettext_lazy("Ngực"),
    "heart": gettext_lazy("Tim"),
    "breast": gettext_lazy("Vú"),
    "abdomen": gettext_lazy("Bụng"),
    "pelvis": gettext_lazy("Tiểu khung, thai"),
    "limbs": gettext_lazy("Xương khớp"),
    "vessels": gettext_lazy("Mạch máu"),
}
"""The sub-specialities of readers, by the region of the body; `data/regions.csv` has the words that tell them."""


@cache
def _words() -> list[tuple[str, str]]:
    """Words and their region, longer ones first: a wrist (cổ tay) is no neck (cổ)."""
    with (DATA / "regions.csv").open(encoding="utf-8", newline="") as file:
        found = [(word, row["region"]) for row in csv.DictReader(file) for word in row["words"].split("|")]
    return sorted(found, key=lambda pair: -len(pair[0]))


@lru_cache(maxsize=2048)
def regions_of(text: str) -> frozenset[str]:
    """The regions that a description names, none where it names nothing that is known."""
    plain = unicodedata.normalize("NFC", text).lower()
    said, found = f" {' '.join(''.join(sign if sign.isalpha() else ' ' for sign in plain).split())} ", set()
    for word, region in _words():
        if f" {word} " in said:
            found.add(region)
            said = said.replace(f" {word} ", "  ")
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Target:
    """Minutes from the end of an examination to its signature."""

    routine: int
    urgent: int


@cache
def _targets() -> dict[str, Target]:
    with (DATA / "turnaround.csv").open(encoding="utf-8", newline="") as file:
        return {row["modality"]: Target(int(row["routine"]), int(row["urgent"])) for row in csv.DictReader(file)}


def target(modality: str) -> Target:
    """The minutes for a modality."""
    return _targets().get(modality) or _targets()[""]


def targets() -> Iterator[tuple[str, Target]]:
    """Every modality of the table with its minutes, "" for the others."""
    yield from _targets().items()
