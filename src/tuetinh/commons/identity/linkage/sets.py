"""Labelled sets: read in whatever form they come, linked, and compared with the truth."""

from __future__ import annotations

import csv
import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from sys import stdout
from typing import TextIO

from tuetinh.commons.identity.linkage import features, forms, groups, runs, scoring
from tuetinh.commons.identity.linkage.features import UNIQUE, Features
from tuetinh.commons.identity.linkage.groups import LOWEST, Link
from tuetinh.commons.identity.linkage.model import Model, shipped
from tuetinh.commons.identity.linkage.simulate import rows as simulated_rows


@dataclass(frozen=True, slots=True)
class People:
    """Vietnamese people with the truth: id to person. told: what was done to a record."""

    people: list[Features]
    truth: dict[str, str]
    told: dict[str, str]


def simulated(people: int, seed: int) -> People:
    """Invented people, of whom one in eight stands twice."""
    return vietnamese(simulated_rows(people, seed))


def vietnamese(rows: Iterable[dict[str, str]]) -> People:
    """People of rows with the columns of `simulate.Row`, any of which but id and person may be missing."""
    found = People([], {}, {})
    for row in rows:
        numbers = [(kind, row[kind]) for kind in (*UNIQUE, "phone") if row.get(kind)]
        plain = {name: row.get(name) or "" for name in ("birth", "sex", "address", "commune", "mother")}
        found.people.append(features.of(row["id"], row.get("name") or "", numbers=numbers, **plain))
        found.truth[row["id"]] = row["person"]
        found.told[row["id"]] = row.get("what") or ""
    return found


def levels(model: Model, known: People, pairs: Sequence[Link]) -> list[tuple[int, ...]]:
    """Which level of each comparison holds, for each pair."""
    con = runs.connect()
    runs.load(con, known.people)
    _register(con, pairs)
    sql = f"SELECT {', '.join(scoring.gammas(model))} FROM ({scoring.sides('wanted')})"
    return [tuple(row) for row in con.execute(sql).fetchall()]


def _register(con: object, pairs: Sequence[Link]) -> None:
    import pyarrow as pa

    columns = {"l": [a for a, _ in pairs], "r": [b for _, b in pairs]}
    con.register("wanted", pa.table(columns))  # type: ignore[attr-defined]


# -- the report -------------------------------------------------------------------------------------------------------

WANTED = (0.995, 0.97)  # precision and recall
LADDER = (-4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
DECIDED = 100.0  # bits of a number that decides


def report(folder: Path | None, people: int, out: TextIO = stdout) -> int:
    """Link each labelled set of the folder, or invented Vietnamese people, and print how far it agrees with the truth.

    A set is a .csv or .parquet with a column of ids and one of people (or ids such as `rec-7-dup-0`); Vietnamese ones
    have the columns of `simulate.Row`. Returns 0 when every set has the precision and recall of `WANTED`.
    """
    if folder is None:
        sets = iter([(f"{people} invented people", list(simulated_rows(people, seed=2)))])
    else:
        files = sorted(p for p in folder.iterdir() if p.suffix in (".csv", ".parquet"))
        sets = ((p.name, _read(p)) for p in files if not p.stem.endswith("_labels"))
    good = []
    for name, rows in sets:
        try:
            with _quiet():
                good.append(_report_one(name, rows, out))
        except ValueError as error:
            print(f"{name}: left out: {error}", file=out)
    return 0 if good and all(good) else 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the steps of Splink's learning, which it tells as warnings."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _read(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, skipinitialspace=True))
    from pyarrow import parquet

    table = parquet.read_table(path).to_pylist()
    return [{k: "" if v is None else str(v) for k, v in row.items()} for row in table]


def _report_one(name: str, rows: list[dict[str, str]], out: TextIO) -> bool:
    began = time.monotonic()
    if not rows:
        message = "it is empty"
        raise ValueError(message)
    truth, weights, known, least = _weighed(rows)
    suggested = list(groups.joins(weights, known))
    chosen = max(least, groups.threshold(suggested, WANTED[0]))
    true = set(_pairs(truth))
    print(f"{name}: {len(rows)} records, {len(true)} true pairs, {time.monotonic() - began:.0f} s", file=out)
    print("  from bits   pairs alone: precision recall   groups: precision recall", file=out)
    best = (0.0, 0.0)
    for step in sorted({*LADDER, chosen}):
        alone = _quality({pair for pair, weight in weights.items() if weight >= step}, true)
        joined = _quality(set(_pairs(groups.groups(suggested, step))), true)
        mark = "  <- same person" if step == chosen else ""
        told = f"{alone[0]:.4f} {alone[1]:.4f}           {joined[0]:.4f} {joined[1]:.4f}{mark}"
        print(f"  {step:9.1f}                {told}", file=out)
        best = joined if step == chosen else best
    return best[0] >= WANTED[0] and best[1] >= WANTED[1]


def _weighed(rows: list[dict[str, str]]) -> tuple[dict[str, str], dict[Link, float], float, float]:
    """The truth, the weights of the candidates with the prior in them, the prior, and the least bits of one person.

    Vietnamese people are weighed by the model in the package, others by one that is learned without their labels: there
    two records are one person when that is likelier than not.
    """
    known = forms.form(list(rows[0]))
    if "person" in rows[0] and "cccd" in rows[0]:
        model, mine = shipped(), vietnamese(rows)
        return mine.truth, _vietnamese_weights(model, mine), model.prior, model.thresholds.same
    truth, factors = _truth(rows, known), forms.link(rows, known)
    prior = groups.prior(list(factors.values()), len(rows))
    return truth, {pair: factor + prior for pair, factor in factors.items()}, prior, 0.0


def _vietnamese_weights(model: Model, mine: People) -> dict[Link, float]:
    """Weights of the candidates; a number that decides counts as decided."""
    con = runs.connect()
    runs.load(con, mine.people)
    found = {}
    for pair in runs.link(con, model, LOWEST):
        grade, _ = scoring.judged(model, pair.weight, pair.levels)
        weight = DECIDED if grade == scoring.CERTAIN else pair.weight
        found[min(pair.left, pair.right), max(pair.left, pair.right)] = weight
    return found


def _truth(rows: list[dict[str, str]], known: forms.Form) -> dict[str, str]:
    """Record to person. The FEBRL sets say it in the id."""
    if known.person:
        return {row[known.id]: row[known.person] for row in rows}
    numbered = {row[known.id]: re.match(r"rec-(\d+)-", row[known.id]) for row in rows}
    if not all(numbered.values()):
        message = "it says nowhere who is the same person"
        raise ValueError(message)
    return {id_: match[1] for id_, match in numbered.items() if match}


def _pairs(groups: dict[str, str]) -> Iterable[Link]:
    by_person: dict[str, list[str]] = {}
    for id_, person in groups.items():
        by_person.setdefault(person, []).append(id_)
    return (tuple(sorted(pair)) for ids in by_person.values() for pair in combinations(ids, 2))  # type: ignore[misc]


def _quality(found: set[Link], true: set[Link]) -> tuple[float, float]:
    """Precision and recall."""
    right = len(found & true)
    return right / len(found) if found else 1.0, right / len(true) if true else 1.0
