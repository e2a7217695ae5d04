"""Makes the data of person matching: name frequencies from ../shared, then the model from invented people.

usage: python tools/make_linkage_model.py [PEOPLE]   (default 120000; needs no database)
m is counted among pairs of records of one person; u among random pairs: by chance a person meets everyone.
Writes src/tuetinh/commons/identity/data/{names,linkage}.json.
"""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from random import Random

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuetinh.node.settings")
import django
import msgspec

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src/tuetinh/commons/identity/data"
SHARED = ROOT.parent / "shared/data/vietnam/person_names"
POPULATION = 1_500_000  # of a province; one in eight stands twice
RANDOM_PAIRS = 4_000_000
# What a desk never does by mistake, or what invented families cannot show: bits at most, or at least.
FLOORS = {
    ("name", "other"): -30.0,
    ("name", "given"): -6.0,
    ("number", "other"): -12.0,
    ("number", "slip"): 3.0,
    ("name", "given slip"): -6.0,
    ("birth", "other"): -14.0,
    ("sex", "other"): -7.0,
}
CEILINGS = {"home": 9.0, "number": 40.0}
THRESHOLDS = {"same": 2.0, "review": -6.0}


def write_names() -> None:
    """Frequencies of surnames, middle and given names."""
    tables = {}
    for kind in ("surname", "middle", "given"):
        with (SHARED / f"{kind}_frequency.csv").open(encoding="utf-8", newline="") as file:
            tables[kind] = {row[kind]: int(row["count"]) for row in csv.DictReader(file)}
    DATA.mkdir(exist_ok=True)
    (DATA / "names.json").write_bytes(msgspec.json.format(msgspec.json.encode(tables), indent=1))


def learn(people: int) -> None:
    """Count how often each level holds among matches and among random pairs."""
    from tuetinh.commons.identity.linkage import sets
    from tuetinh.commons.identity.linkage.comparisons import COMPARISONS
    from tuetinh.commons.identity.linkage.model import Comparison, Level, Model, Thresholds

    known = sets.simulated(people, seed=1)
    rng = Random(1)
    groups: dict[str, list[str]] = {}
    for id_, person in known.truth.items():
        groups.setdefault(person, []).append(id_)
    same = [tuple(sorted(pair)) for ids in groups.values() for pair in combinations(ids, 2)]
    ids = list(known.truth)
    chance = {tuple(sorted(rng.sample(ids, 2))) for _ in range(RANDOM_PAIRS // 10)}
    blank = Model(
        1 / POPULATION,
        [
            Comparison(name, [Level(sql, label, 0.5, 0.5, label == "null") for label, sql in levels])
            for name, levels in COMPARISONS.items()
        ],
        Thresholds(**THRESHOLDS),
    )
    matched = sets.levels(blank, known, same)
    random_ = sets.levels(blank, known, [pair for pair in chance if known.truth[pair[0]] != known.truth[pair[1]]])
    for at, comparison in enumerate(blank.comparisons):
        mine, theirs = Counter(row[at] for row in matched), Counter(row[at] for row in random_)
        _fill(comparison, mine, theirs)
    (DATA / "linkage.json").write_bytes(msgspec.json.format(msgspec.json.encode(blank), indent=1))


def _fill(comparison: object, mine: Counter[int], theirs: Counter[int]) -> None:
    name = comparison.output_column_name
    told = [i for i, level in enumerate(comparison.comparison_levels) if not level.is_null_level]
    for counts, field in ((mine, "m_probability"), (theirs, "u_probability")):
        total = sum(counts[i] for i in told) + 0.5 * len(told)
        for i in told:
            setattr(comparison.comparison_levels[i], field, (counts[i] + 0.5) / total)
    for i in told:
        level = comparison.comparison_levels[i]
        bits = level.weight
        if (floor := FLOORS.get((name, level.label_for_charts))) is not None:
            bits = min(bits, floor)
        bits = min(bits, CEILINGS.get(name, 24.0))
        level.m_probability = float(f"{level.u_probability * 2**bits:.4g}")
        level.u_probability = float(f"{level.u_probability:.4g}")
        if level.m_probability > 1:
            level.m_probability, level.u_probability = 1.0, float(f"{2**-bits:.4g}")
    for level in comparison.comparison_levels:
        if level.is_null_level:
            level.m_probability = level.u_probability = None


if __name__ == "__main__":
    write_names()
    django.setup()
    learn(int(sys.argv[1]) if len(sys.argv) > 1 else 120_000)
