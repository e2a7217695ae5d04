"""Everyone against everyone by Splink, on DuckDB: the candidates by shared keys, weighed by the model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from tuetinh.commons.identity.linkage import scoring
from tuetinh.commons.identity.linkage.features import COLUMNS, TYPES, UNIQUE, Features, blocks, hashed
from tuetinh.commons.identity.linkage.model import Model

if TYPE_CHECKING:
    import duckdb

CROWD = 300  # people who share one key: it says too little to compare them all
CHUNK = 20_000


class Pair(NamedTuple):
    """Two people and what speaks for one; levels: the position of the level in each comparison of the model."""

    left: str
    right: str
    weight: float
    levels: tuple[int, ...]


def connect(memory: str = "", folder: str = "") -> duckdb.DuckDBPyConnection:
    """A database in memory; beyond `memory` (such as `2GB`) it uses the folder."""
    import duckdb

    con = duckdb.connect()
    if memory:
        con.execute(f"SET memory_limit = '{memory}'; SET preserve_insertion_order = false")
    if folder:
        con.execute(f"SET temp_directory = '{folder}'")
    con.execute(scoring.table("person"))
    con.execute("ALTER TABLE person ADD COLUMN keys bigint[]")
    return con


def load(con: duckdb.DuckDBPyConnection, people: Iterable[Features]) -> int:
    """Put people into the table `person`; returns how many."""
    import pyarrow as pa

    schema = pa.schema([(c, _arrow(pa, TYPES.get(c, "text"))) for c in COLUMNS] + [("keys", pa.list_(pa.int64()))])
    source, done = iter(people), 0
    while chunk := list(islice(source, CHUNK)):
        columns = [list(column) for column in zip(*(astuple(one) for one in chunk), strict=True)]
        columns.append([keys(one) for one in chunk])
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        con.register("chunk", pa.Table.from_arrays(arrays, schema=schema))
        con.execute("INSERT INTO person SELECT * FROM chunk")
        con.unregister("chunk")
        done += len(chunk)
    return done


def quiet() -> None:
    """Let Splink say nothing but errors."""
    for name in ("splink", "sqlglot"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _arrow(pa: object, name: str) -> object:
    kinds = {
        "text": pa.string(),  # type: ignore[attr-defined]
        "text[]": pa.list_(pa.string()),  # type: ignore[attr-defined]
        "double": pa.float64(),  # type: ignore[attr-defined]
        "boolean": pa.bool_(),  # type: ignore[attr-defined]
    }
    return kinds[name]


def keys(one: Features) -> list[int]:
    """All keys of a person: the blocks, and each number as one."""
    numbers = [hashed(f"{kind}|{value}") for kind in UNIQUE for value in getattr(one, kind)]
    return [*blocks(one), *numbers, *(hashed(f"phone|{value}") for value in one.phones)]


def link(con: duckdb.DuckDBPyConnection, model: Model, above: float) -> Iterator[Pair]:
    """Weigh everyone in `person` who shares a key with another; the pairs from `above` bits on, in no order."""
    from splink import Linker
    from splink.backends.duckdb import DuckDBAPI

    quiet()
    con.execute(
        "CREATE OR REPLACE TABLE crowded AS SELECT key FROM (SELECT unnest(keys) AS key FROM person) "
        f"GROUP BY key HAVING count(*) > {CROWD} OR count(*) = 1"
    )
    con.execute(
        "CREATE OR REPLACE TABLE told AS SELECT p.* EXCLUDE (keys), coalesce(k.keys, []::bigint[]) AS keys "
        "FROM person p LEFT JOIN (SELECT id, list(key) AS keys FROM (SELECT id, unnest(keys) AS key FROM person) "
        "ANTI JOIN crowded USING (key) GROUP BY id) k USING (id)"
    )
    settings = model.settings() | {
        "link_type": "dedupe_only",
        "unique_id_column_name": "id",
        "blocking_rules_to_generate_predictions": [{"blocking_rule": "l.keys = r.keys", "arrays_to_explode": ["keys"]}],
        "retain_matching_columns": False,
    }
    api = DuckDBAPI(con)
    found = Linker(api.register("told"), settings).inference.predict(threshold_match_weight=above)
    con.execute(
        f"CREATE OR REPLACE TABLE found AS SELECT id_l AS l, id_r AS r, match_weight FROM {found.physical_name}"
    )
    found.drop_table_from_database_and_remove_from_cache()
    sides = scoring.sides("found", more="match_weight")
    cursor = con.execute(f"SELECT l, r, more, {', '.join(scoring.gammas(model))} FROM ({sides})")
    while rows := cursor.fetchmany(CHUNK):
        for left, right, weight, *levels in rows:
            yield Pair(left, right, weight, tuple(levels))
