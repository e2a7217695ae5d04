"""Words of the desk for what the catalogues call otherwise, and the diagnoses that a district sees every day."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache

from .store import DATA
from .wordsearch import words

_SHORTEST_UNFINISHED = 6  # letters typed before an unfinished synonym is taken for the whole


@cache
def synonyms(name: str) -> dict[str, str]:
    """Folded phrase to folded phrase, of the file `name`."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return {" ".join(words(r["said"])): " ".join(words(r["catalogue"])) for r in csv.DictReader(lines)}


@cache
def common_diagnoses() -> dict[str, int]:
    """Code to rank among the common ones, 0 first."""
    return {code: rank for rank, code in enumerate((DATA / "common_diagnoses.txt").read_text().split())}


def alternatives(query: Sequence[str], table: Mapping[str, str]) -> list[list[str]]:
    """The query as typed, and as the catalogue would say it."""
    typed = f" {' '.join(query)} "
    readings = [list(query)]
    for said, catalogue in table.items():
        if f" {said} " in typed:
            readings.append(typed.replace(f" {said} ", f" {catalogue} ").split())
        elif len(typed) > _SHORTEST_UNFINISHED + 1 and said.startswith(typed.strip()):
            readings.append(catalogue.split())
    return readings
