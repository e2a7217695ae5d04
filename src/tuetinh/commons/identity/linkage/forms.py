"""Labelled sets of other countries: columns by their names, a model that Splink learns on the set, without its labels.

Our own model speaks of Vietnamese people; here the same method is measured where others have measured theirs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tuetinh.commons.identity.linkage import groups, runs
from tuetinh.commons.identity.linkage.groups import Link

COLUMNS = Path(__file__).parent.parent / "data" / "linkage_columns.json"
SEED = 7
PAIRS = 5e5  # random ones, for u
Rows = list[dict[str, str]]


class Form(NamedTuple):
    """kinds: of each column that is compared: `name`, `text`, `code`, `date`, `number`, `email`. person: the truth."""

    id: str
    person: str
    kinds: dict[str, str]


def form(header: Sequence[str]) -> Form:
    """Map columns by the list of names in data/linkage_columns.json. Raises ValueError for a set without a truth."""
    known = msgspec.json.decode(COLUMNS.read_bytes(), type=dict[str, list[str]])
    kind_of = {name: kind for kind, names in known.items() for name in names}
    found = {
        column: kind_of.get(re.sub(r"[^a-z0-9]+", "_", column.strip().lower()).strip("_"), "") for column in header
    }
    ids = [c for c, kind in found.items() if kind == "id"]
    people = [c for c, kind in found.items() if kind == "person"]
    if not ids:
        message = f"no column of {', '.join(header)} is a record's id; known names are in {COLUMNS.name}"
        raise ValueError(message)
    kinds = {c: k for c, k in found.items() if k and k not in ("id", "person", "skip")}
    return Form(ids[0], people[0] if people else "", kinds)


def _levels(column: str, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    left, right = f'"{column}_l"', f'"{column}_r"'
    others = [name for name in names if name != column]
    turned = " OR ".join(f'({left} = "{o}_r" AND {right} = "{o}_l")' for o in others)
    crossed = " OR ".join(f'({left} = "{o}_r" OR {right} = "{o}_l")' for o in others)
    days = f"abs(date_diff('day', try_cast({left} AS date), try_cast({right} AS date)))"
    near = {
        "name": [
            *([turned] if turned else []),
            f"jaro_winkler_similarity({left}, {right}) >= 0.92 OR damerau_levenshtein({left}, {right}) <= 1",
            *([crossed] if crossed else []),
            f"jaro_winkler_similarity({left}, {right}) >= 0.8 OR left({left}, 3) = left({right}, 3)",
        ],
        "text": [
            f"damerau_levenshtein({left}, {right}) <= 2 OR jaro_winkler_similarity({left}, {right}) >= 0.92",
            f"jaro_winkler_similarity({left}, {right}) >= 0.8",
        ],
        "date": [
            f"damerau_levenshtein({left}, {right}) <= 1",
            f"{days} <= 31",
            f"damerau_levenshtein({left}, {right}) <= 2",
            f"{days} <= 366",
            f"left({left}, 4) = left({right}, 4)",
        ],
        "number": [f"damerau_levenshtein({left}, {right}) <= 1", f"damerau_levenshtein({left}, {right}) <= 2"],
        "email": [
            f"damerau_levenshtein({left}, {right}) <= 2",
            f"split_part({left}, '@', 1) = split_part({right}, '@', 1)",
            f"jaro_winkler_similarity({left}, {right}) >= 0.88",
        ],
        "code": [f"damerau_levenshtein({left}, {right}) <= 1"],
        "sex": [],
    }[kind]
    told = [f"{left} = {right}", *near, "ELSE"]
    levels: list[dict[str, Any]] = [
        {"sql_condition": f"{left} IS NULL OR {right} IS NULL", "label_for_charts": "null", "is_null_level": True}
    ]
    for number, condition in enumerate(told):
        level: dict[str, Any] = {"sql_condition": condition, "label_for_charts": str(number)}
        if number == 0 and kind in ("name", "text"):
            level["tf_adjustment_column"] = column
        levels.append(level)
    return levels


def _rules(kinds: dict[str, str]) -> list[str]:
    """Blocks: whole strong columns, pairs of the others, and names with beginnings of dates."""
    strong = [c for c, k in kinds.items() if k in ("number", "email", "date")]
    weak = [c for c, k in kinds.items() if k in ("name", "text", "code")]
    rules = [f'l."{c}" = r."{c}"' for c in strong]
    rules += [f'l."{a}" = r."{a}" AND l."{b}" = r."{b}"' for a, b in combinations(weak, 2)]
    for date in (c for c, k in kinds.items() if k == "date"):
        for name in (c for c, k in kinds.items() if k == "name"):
            rules += [f'left(l."{date}", 4) = left(r."{date}", 4) AND left(l."{name}", 2) = left(r."{name}", 2)']
    for one in (c for c, k in kinds.items() if k in ("text", "email")):
        rules += [f'left(l."{one}", 6) = left(r."{one}", 6)']
    names = [c for c, k in kinds.items() if k == "name"]
    rules += [f'l."{a}" = r."{b}" AND l."{b}" = r."{a}"' for a, b in combinations(names, 2)]
    return rules


def link(rows: Rows, known: Form) -> dict[Link, float]:
    """What is said for one person, in bits without a prior: of the candidates, then of all pairs within the parts that
    these hold together."""
    import duckdb
    import pyarrow as pa
    from splink.backends.duckdb import DuckDBAPI

    runs.quiet()
    con = duckdb.connect()
    con.register("given", pa.table(_columns(rows, known)))
    con.execute("CREATE TABLE record AS SELECT * FROM given")
    api = DuckDBAPI(con)
    linker = _learned(api.register("record"), known, len(rows))
    found = _factors(con, linker.inference.predict(threshold_match_weight=groups.LOWEST), known, len(rows))
    numbered = [(record, number) for number, part in enumerate(_parts(rows, known, found)) for record in part]
    con.register("part", pa.table({"id": [r for r, _ in numbered], "part": [n for _, n in numbered]}))
    con.execute(f'CREATE TABLE parted AS SELECT record.*, part FROM record JOIN part ON part.id = "{known.id}"')
    for column in (c for c, k in known.kinds.items() if k in ("name", "text")):
        linker.table_management.compute_tf_table(column)
    inner = linker.inference.predict_within(
        api.register("parted"),
        blocking_rules_to_generate_predictions=["l.part = r.part"],
        threshold_match_weight=groups.LOWEST,
    )
    return found | _factors(con, inner, known, len(rows))


def _parts(rows: Rows, known: Form, found: dict[Link, float]) -> list[list[str]]:
    """Which records are worth comparing with all others of their part; a small set is one."""
    if len(rows) <= groups.MOST:
        return [[row[known.id] for row in rows]]
    near = [pair for pair, factor in found.items() if factor + _prior(len(rows)) >= groups.CONNECTED]
    return [part for part in groups.parts(near) if 2 < len(part) <= groups.MOST]


def _columns(rows: Rows, known: Form) -> dict[str, list[str | None]]:
    """Texts in small letters, dates as yyyy-mm-dd."""
    found: dict[str, list[str | None]] = {known.id: [row[known.id] for row in rows]}
    for column, kind in known.kinds.items():
        texts = [(row.get(column) or "").strip().lower() for row in rows]
        if kind == "date":
            texts = [re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", text) for text in texts]
        found[column] = [text or None for text in texts]
    return found


def _prior(records: int) -> float:
    """The bits with which Splink begins: one other record of each person."""
    return -log2(max(records - 1, 1))


def _learned(frame: Any, known: Form, records: int) -> Any:
    """A linker that has learned on the set, without its labels."""
    from splink import Linker, block_on

    names = [c for c, k in known.kinds.items() if k == "name"]
    settings = {
        "link_type": "dedupe_only",
        "unique_id_column_name": known.id,
        "blocking_rules_to_generate_predictions": _rules(known.kinds),
        "comparisons": [
            {"output_column_name": c, "comparison_levels": _levels(c, k, names)} for c, k in known.kinds.items()
        ],
        "retain_matching_columns": False,
        "probability_two_random_records_match": min(0.5, 1.0 / records),
    }
    linker = Linker(frame, settings)
    linker.training.estimate_u_using_random_sampling(max_pairs=PAIRS, seed=SEED)
    strong = [c for c, k in known.kinds.items() if k in ("number", "email", "date")]
    for column in [*strong, *(names[:2] if len(strong) < 2 else names[:1])]:
        linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(f'"{column}"'), fix_probability_two_random_records_match=True
        )
    return linker


def _factors(con: Any, found: Any, known: Form, records: int) -> dict[Link, float]:
    sql = f'SELECT "{known.id}_l", "{known.id}_r", match_weight FROM {found.physical_name}'
    rows = con.execute(sql).fetchall()
    return {(min(str(a), str(b)), max(str(a), str(b))): float(w) - _prior(records) for a, b, w in rows}
