"""Isolates for WHONET: one row each under its own field names, as delimited text or as a table `Isolates` of SQLite.

Antibiotics are columns named by code, standard, method and load: `CIP_ED5` a disk of 5 µg by EUCAST, `VAN_NM` a minimal
concentration by CLSI, `PEN_EE` a gradient strip by EUCAST; their values are the zones and concentrations as read.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final, cast

from tuetinh.care.lab import facts as lab_facts
from tuetinh.care.lab.actions import HANOI
from tuetinh.care.lab.microbiology import facts
from tuetinh.care.lab.microbiology.judging import Susceptibility
from tuetinh.care.lab.microbiology.lists import organisms, phenotypes
from tuetinh.care.lab.microbiology.queries import isolates
from tuetinh.commons.identity.api import age
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

COUNTRY: Final = "VNM"
FIELDS: Final = (
    "COUNTRY_A", "LABORATORY", "PATIENT_ID", "SEX", "DATE_BIRTH", "AGE", "INSTITUT", "SPEC_NUM", "SPEC_DATE",
    "SPEC_TYPE", "ISOL_NUM", "ORGANISM", "ORG_TYPE", *(one.whonet for one in phenotypes().values()), "COMMENT",
)  # fmt: skip
_LETTERS: Final = {"EUCAST": "E", "CLSI": "N"}
_METHODS: Final = {"mic": "M", "etest": "E"}
_SEXES: Final = {"male": "m", "female": "f"}


def column(one: Susceptibility) -> str:
    """The column of a test: AMP_ED10, SXT_ED1_2, VAN_EM."""
    standard = _LETTERS.get(one.table.partition(" ")[0], "E")
    if one.method != "disk":
        return f"{one.antibiotic}_{standard}{_METHODS[one.method]}"
    load = one.disk.partition("-")[0]
    whole, _, part = load.partition(".")
    return f"{one.antibiotic}_{standard}D{whole}" + (f"_{part[0]}" if part else "")


def rows(asker: Asker, facility: str, first: date, last: date) -> list[dict[str, str]]:
    """The final isolates of a laboratory of a period, as WHONET keeps them; names of people stay here."""
    found = list(isolates(asker, facility, first, last))
    people = record.read_many(asker, "Patient", {lab_facts.id_of(one.subject) for one in found})
    tubes = record.read_many(asker, "Specimen", {lab_facts.id_of(one.specimen) for one in found})
    return [
        _row(
            one, cast("r4.Patient | None", people.get(lab_facts.id_of(one.subject))),
            cast("r4.Specimen | None", tubes.get(lab_facts.id_of(one.specimen))), facility,
        )
        for one in found
    ]  # fmt: skip


def _row(one: r4.Observation, person: r4.Patient | None, tube: r4.Specimen | None, facility: str) -> dict[str, str]:
    told = facts.read_isolate(one)
    drawn = one.effectiveDateTime or ""  # when the specimen was drawn, else received
    day = datetime.fromisoformat(drawn).astimezone(HANOI).date() if drawn else None
    born = (person.birthDate or "") if person else ""
    known = organisms().get(told.organism)
    number = (tube.accessionIdentifier.value or "") if tube and tube.accessionIdentifier else ""
    signs = {phenotypes()[code].whonet: sign for code, sign in told.found.items() if code in phenotypes()}
    return {
        "COUNTRY_A": COUNTRY, "LABORATORY": facility, "PATIENT_ID": lab_facts.id_of(one.subject),
        "SEX": _SEXES.get((person.gender or "") if person else "", "u"),
        "DATE_BIRTH": born if len(born) == 10 else "", "AGE": str(age(born, day)) if born and day else "",
        "INSTITUT": facility, "SPEC_NUM": number, "SPEC_DATE": day.isoformat() if day else "",
        "SPEC_TYPE": facts.specimen_of(one), "ISOL_NUM": str(told.number), "ORGANISM": told.organism,
        "ORG_TYPE": known.gram if known else "", **signs, "COMMENT": told.comment,
        **{column(test): f"{test.comparator}{test.number}" for test in told.tests if test.number is not None},
    }  # fmt: skip


def columns(found: Iterable[dict[str, str]]) -> list[str]:
    """The fields of WHONET, then the columns of antibiotics in alphabetical order."""
    tests = {name for row in found for name in row} - set(FIELDS)
    return [*FIELDS, *sorted(tests)]


def as_text(found: Sequence[dict[str, str]]) -> bytes:
    """Delimited text as WHONET's import (BacLink) reads it: `|` between fields, a line of names first."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns(found), delimiter="|", restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue().encode()


def as_sqlite(found: Sequence[dict[str, str]]) -> bytes:
    """A database of SQLite with the table `Isolates`."""
    names = columns(found)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whonet.sqlite"
        database = sqlite3.connect(path)
        try:
            listed = ", ".join(f'"{name}" TEXT' for name in names)
            database.execute(f"CREATE TABLE Isolates (ROW_IDX INTEGER PRIMARY KEY, {listed})")
            marks = ", ".join("?" for _ in names)
            quoted = ", ".join(f'"{name}"' for name in names)
            database.executemany(
                f"INSERT INTO Isolates ({quoted}) VALUES ({marks})",
                [[row.get(name, "") for name in names] for row in found],
            )
            database.commit()
        finally:
            database.close()
        return path.read_bytes()
