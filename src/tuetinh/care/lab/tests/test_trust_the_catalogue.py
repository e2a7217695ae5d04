"""The catalogue's codes and units are what their standards say."""

from __future__ import annotations

import csv
import gzip
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuetinh.care.lab import catalogue
from tuetinh.care.lab.results.book import in_force
from tuetinh.care.lab.results.judge import Judge, Person
from tuetinh.record.terminology import ucum

DATA = Path(catalogue.__file__).parent / "data"
ROWS = [
    row
    for name in ("analytes", "tests")
    for row in csv.DictReader((DATA / f"{name}.csv").read_text(encoding="utf-8").splitlines())
]


def check_digit(code: str) -> int:
    """Mod 10 of LOINC (Users' Guide, appendix C): from the right, every other digit counts twice."""
    doubled = [int(d) * (2 - place % 2) for place, d in enumerate(reversed(code))]
    return -sum(n // 10 + n % 10 for n in doubled) % 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["key"])
def test_every_loinc_code_keeps_its_check_digit_and_says_how_sure_it_is(row: dict[str, str]) -> None:
    assert row["certainty"] in ("confirmed", "known", "unsure")
    for code in [row["loinc"], *re.findall(r"\d{3,5}-\d", row.get("aliases", ""))]:
        number, digit = code.split("-")
        assert check_digit(number) == int(digit), code


@pytest.mark.django_db
@pytest.mark.parametrize("analyte", catalogue.analytes().values(), ids=lambda analyte: analyte.key)
def test_every_unit_is_ucum_and_every_number_has_limits(analyte: catalogue.Analyte) -> None:
    assert not analyte.unit or ucum.valid(analyte.unit) is None
    for sex in ("male", "female"):
        for days in (1, 400, 5000, 6000, 20_000, None):
            bounds = Judge(in_force(), Person(sex, days), "2026-11-29").bounds(analyte)
            normal, critical = bounds.normal, bounds.critical
            assert analyte.numeric == bool(normal)
            for limits in (normal, critical):
                assert limits.low is None or limits.high is None or limits.low < limits.high
            assert critical.low is None or normal.low is None or critical.low < normal.low
            assert critical.high is None or normal.high is None or critical.high > normal.high


def test_what_is_called_confirmed_stands_in_public_data(shared: Path) -> None:
    named = {code for text in _texts(shared / "data/fhir") for code in _NAMED.findall(text)}
    confirmed = {row["loinc"] for row in ROWS if row["certainty"] == "confirmed"}
    assert confirmed - named == set()
    assert len(confirmed) == 36


_NAMED = re.compile(r'"code"\s*:\s*"(\d{3,5}-\d)"\s*,\s*"display"\s*:\s*"[^"]')


def _texts(folder: Path) -> Iterator[str]:
    for path in (folder / "synthea_r4").glob("*.json.gz"):
        yield gzip.decompress(path.read_bytes()).decode()
    for path in (folder / "microsoft_fhir_server_r4").glob("*.json"):
        yield path.read_text(encoding="utf-8-sig")
    for archive in (*folder.glob("examples/*.tar.gz"), *folder.glob("terminology_tx/*.tar.gz")):
        with tarfile.open(archive) as tar:
            members = (tar.extractfile(m) for m in tar if m.isfile() and m.name.endswith(".json"))
            yield from (member.read().decode("utf-8", "replace") for member in members if member)
