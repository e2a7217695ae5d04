"""The tables of pathology: services, stains, report templates, morphology (`data/SOURCES.md`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
from django.utils.translation import get_language

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Service:
    """What can be asked for. kind: `histology`, `cytology` or `frozen`; routine, urgent: minutes until it is late."""

    code: str
    key: str
    kind: str
    template: str
    routine: int
    urgent: int
    names: tuple[str, str]

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]

    def minutes(self, *, urgent: bool) -> int:
        """Minutes from reception to the report."""
        return self.urgent if urgent else self.routine


@dataclass(frozen=True, slots=True)
class Stain:
    """A stain. extra: asked for besides the usual ones, and charged."""

    key: str
    service: str
    extra: bool
    names: tuple[str, str]

    @property
    def name(self) -> str:
        """Its name in the language of the page."""
        return self.names[get_language() == "en"]


class Field(msgspec.Struct, frozen=True):
    """A structured part of a report, with its choices."""

    key: str
    name: str
    name_en: str
    choices: tuple[str, ...]
    required: bool = False

    @property
    def label(self) -> str:
        """Its name in the language of the page."""
        return self.name_en if get_language() == "en" else self.name


class Template(msgspec.Struct, frozen=True):
    """A form of report. microscopy: words to begin with."""

    key: str
    name: str
    name_en: str
    microscopy: str
    fields: tuple[Field, ...]

    @property
    def label(self) -> str:
        """Its name in the language of the page."""
        return self.name_en if get_language() == "en" else self.name


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def services() -> dict[str, Service]:
    """Services by key."""
    return {
        row["key"]: Service(
            row["code"], row["key"], row["kind"], row["template"], int(row["minutes"]), int(row["urgent"]),
            (row["name"], row["name_en"]),
        )
        for row in _rows("services.csv")
    }  # fmt: skip


@cache
def stains() -> dict[str, Stain]:
    """Stains by key."""
    return {
        row["key"]: Stain(row["key"], row["service"], row["extra"] == "yes", (row["name"], row["name_en"]))
        for row in _rows("stains.csv")
    }


@cache
def templates() -> dict[str, Template]:
    """Report templates by key."""
    found = msgspec.json.decode((_DATA / "templates.json").read_bytes(), type=tuple[Template, ...])
    return {one.key: one for one in found}


@cache
def morphology() -> dict[str, str]:
    """Names of ICD-O-3 morphology codes."""
    return {row["code"]: row["name"] for row in _rows("morphology.csv")}
