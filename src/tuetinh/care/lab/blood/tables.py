"""The tables of the blood bank: components, rules, levels and words, with how sure each is (`data/SOURCES.md`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.utils.translation import get_language

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Component:
    """A kind of unit. kind: what compatibility asks, `red`, `whole`, `plasma` or `platelets`; volume: usual, in ml.

    retype: its group is tested again before it is released. expiring_days: how long before its end it is shown.
    """

    key: str
    kind: str
    names: tuple[str, str]
    volume: int
    temperature: str
    expiring_days: int
    retype: bool

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]

    @property
    def matched(self) -> bool:
        """Whether it holds red cells, which are cross-matched."""
        return self.kind in ("red", "whole")


@dataclass(frozen=True, slots=True)
class Word:
    """A choice of a list: an indication, a reason, a kind of reaction or a step."""

    code: str
    names: tuple[str, str]

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table."""
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def components() -> dict[str, Component]:
    """The components by key."""
    return {
        row["key"]: Component(
            row["key"], row["kind"], (row["name"], row["name_en"]), int(row["volume"]), row["temperature"],
            int(row["expiring_days"]), row["retype"] == "yes",
        )
        for row in rows("components.csv")
    }  # fmt: skip


@cache
def rule(key: str) -> int:
    """The figure of a rule."""
    return {row["key"]: int(row["value"]) for row in rows("rules.csv")}[key]


@cache
def levels() -> dict[tuple[str, str, str], int]:
    """Below how many units a component of a group (`red`, `O`, `+`) is low."""
    return {(row["component"], row["abo"], row["rhd"]): int(row["units"]) for row in rows("levels.csv")}


@cache
def words(which: str) -> dict[str, Word]:
    """The choices of `indication`, `discard`, `reaction` or `step`, by code."""
    return {
        row["code"]: Word(row["code"], (row["name"], row["name_en"]))
        for row in rows("words.csv")
        if row["list"] == which
    }
