"""The statements that write and read resources, each a function of the resource type.

A write is one statement: the row, its index rows, the feed and the access log stand or fall together even without an
explicit transaction. Statements name the partition of the type, so plans are small and stay prepared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from tuetinh.record import inherited, labels, origin
from tuetinh.record.search.entries import Index

INDEXES = {
    "date": ("param, low, high", "%s::text[], %s::timestamptz[], %s::timestamptz[]"),
    "number": (
        "param, system, code, unit, low, high, base, base_low, base_high",
        "%s::text[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::numeric[],"
        " %s::text[], %s::numeric[], %s::numeric[]",
    ),
    "string": ("param, norm, exact", "%s::text[], %s::text[], %s::text[]"),
}
# Entries are made with the search parameters as they are now, or not at all (see `search.additions`).
CURRENT = "%s::bigint = coalesce((SELECT number FROM record.search_generation), 0)"
# What is done with a record that was opened in an emergency is done for that (v3 PurposeOfUse).
OPENED = "k.holder = 'Account/' || {account} AND k.kind = 'glass' AND k.until > {at}"
PURPOSE = f"""CASE WHEN EXISTS (
    SELECT FROM record.relation k WHERE k.patient = {{by}}.patient AND {OPENED}) THEN 'BTG' ELSE {{purpose}} END"""
# What one account did to one patient's record in one transaction is one entry, whatever statements it took.
ONE_ENTRY = """ON CONFLICT (number, account, action, patient, at) WHERE number IS NOT NULL DO UPDATE SET
    type = CASE WHEN excluded.type = ANY (string_to_array(a.type, ',')) THEN a.type
      ELSE a.type || ',' || excluded.type END,
    id = CASE WHEN excluded.type = a.type AND excluded.id = a.id THEN a.id ELSE '' END,
    what = coalesce(a.what, ARRAY[a.type || '/' || a.id])
      || coalesce(excluded.what, ARRAY[excluded.type || '/' || excluded.id])"""
FEED = (
    """feed AS (
  INSERT INTO record.feed (at, type, id, version, shard, patient, custodian, labels, change)
  SELECT new.updated, '{t}', new.id, new.version, new.shard, new.patient, new.custodian, new.labels, %s FROM new
), audit AS (
  INSERT INTO record.audit AS a (at, number, account, role, facility, purpose, client, action, type, id, what, patient,
    practitioner, address, agent)
  SELECT now(), pg_current_xact_id(), %s, %s, %s, """
    + PURPOSE.format(by="e", account="%s", at="e.updated", purpose="%s")
    + """, %s, %s, '{t}', e.id, e.what, e.patient, %s, %s, %s
  FROM (SELECT patient, max(updated) AS updated, CASE count(*) WHEN 1 THEN min(id) ELSE '' END AS id,
    CASE WHEN count(*) > 1 THEN array_agg('{t}/' || id ORDER BY id) END AS what FROM new GROUP BY patient) e
  """
    + ONE_ENTRY
    + """
)
SELECT id, key FROM new"""
)
COLUMNS = "id, version, updated, patient, deleted, body"
# A list whose length the planner cannot see: of one that it sees, it plans each statement anew.
_LISTED = "id = ANY(ARRAY(SELECT unnest(%s::text[])))"
_LOCK = f"""WITH gate AS MATERIALIZED (
  SELECT record.pass(%s::text[] || ARRAY(
    SELECT DISTINCT patient FROM record."{{type}}" WHERE type = '{{type}}' AND {{one}} AND patient IS NOT NULL)) AS free
)
SELECT {COLUMNS}, key, shard, custodian, labels, free FROM gate CROSS JOIN record."{{type}}" r
WHERE type = '{{type}}' AND {{one}} {{order}}FOR UPDATE OF r"""


def array(values: Iterable[str | None]) -> str:
    """A PostgreSQL array literal. NUL, which PostgreSQL's text cannot hold, is left out: it only serves search."""
    items = list(values)
    text = '","'.join(["\0" if v is None else v for v in items])
    plain = "\\" not in text and text.count('"') == 2 * len(items) - 2 and text.count("\0") == items.count(None)
    if items and plain:
        return ('{"' + text + '"}').replace('"\0"', "NULL")
    return "{" + ",".join(["NULL" if v is None else f'"{_escaped(v)}"' for v in items]) + "}"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\0" in value:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "")
    return value


def token_array(tokens: Iterable[int]) -> str:
    """The `tokens` column as an array literal."""
    return "{" + ",".join(map(str, tokens)) + "}"


def index_rows(index: Index) -> tuple[str, list[str]]:
    """Which index tables the index fills, as letters for the statement, and their array parameters."""
    letters, params = "", []
    for name, rows in (("date", index.dates), ("number", index.numbers), ("string", index.strings)):
        if rows:
            letters += name[0]
            params += [array(map(_text, column)) for column in zip(*rows, strict=True)]
    return letters, params


def many_index_rows(ids: Sequence[str], indexes: Sequence[Index]) -> tuple[str, list[str]]:
    """The same for many resources: each index row comes with the id of its resource."""
    letters, params = "", []
    for name, field in (("date", "dates"), ("number", "numbers"), ("string", "strings")):
        rows = [(id_, *row) for id_, index in zip(ids, indexes, strict=True) for row in getattr(index, field)]
        if rows:
            letters += name[0]
            params += [array(map(_text, column)) for column in zip(*rows, strict=True)]
    return letters, params


def _index_parts(type_: str, letters: str, *, many: bool) -> str:
    parts = ""
    for name, (columns, values) in INDEXES.items():
        if name[0] in letters:
            source = f"unnest(%s::text[], {values}) AS i(id, {columns}) JOIN new USING (id)"
            if not many:
                source = f"unnest({values}) AS i({columns}) CROSS JOIN new"
            fields = ", ".join(f"i.{c}" for c in columns.split(", "))
            parts += f"""{name}_rows AS (
  INSERT INTO record."{type_}_{name}" (type, shard, key, {columns})
  SELECT '{type_}', new.shard, new.key, {fields} FROM {source}
), """
    return parts


def _labels(type_: str, own: str, names: str, unless: str = "false") -> str:
    """The labels of a row: its own, and those of what it names where the type has them from others.

    unless: a condition under which nothing that is named has any.
    """
    if type_ not in inherited.TYPES:
        return own
    left = labels.ELSEWHERE if type_ in labels.AT_HOME else 0
    return f"{own} | CASE WHEN {unless} THEN 0 ELSE record.inherited({names}::text[]) << {left} END"


RETURNING = "RETURNING id, key, shard, version, updated, patient, custodian, labels"


@lru_cache(maxsize=4096)
def insert(type_: str, letters: str) -> str:
    """Store the first version of one resource, unless it names a person who was merged: then nothing is returned."""
    return (
        f"""WITH new AS (
  INSERT INTO record."{type_}" (type, id, shard, version, updated, patient, custodian, labels, tokens, body)
  SELECT '{type_}', %s, %s, 1, %s::timestamptz, %s, %s, {_labels(type_, "%s::integer", "%s")},
    %s::bigint[], %b WHERE {CURRENT} AND record.pass(%s::text[]) {RETURNING}
), """
        + _index_parts(type_, letters, many=False)
        + FEED.format(t=type_)
    )


@lru_cache(maxsize=4096)
def insert_many(type_: str, letters: str) -> str:
    """Store the first versions of many resources of one type; those that name merged people are not returned.

    The gates of all whom they name are passed at once, each resource's own only where somebody was merged; so are the
    labels of all that they name looked up.
    """
    plain = ", record.inherited(%s::text[]) = 0 AS plain" if type_ in inherited.TYPES else ""
    return (
        f"""WITH gate AS MATERIALIZED (
  SELECT record.pass(%s::text[]) AS free{plain}
), new AS (
  INSERT INTO record."{type_}" (type, id, shard, version, updated, patient, custodian, labels, tokens, body)
  SELECT '{type_}', i.id, i.shard, 1, %s::timestamptz, i.patient, i.custodian,
    {_labels(type_, "i.labels", "i.names", "gate.plain")}, i.tokens::bigint[], i.body
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::integer[], %s::text[], %s::text[], %b::bytea[],
    %s::text[]) AS i(id, shard, patient, custodian, labels, names, tokens, body, people) CROSS JOIN gate
  WHERE {CURRENT} AND (gate.free OR record.pass(i.people::text[])) {RETURNING}
), """
        + _index_parts(type_, letters, many=True)
        + FEED.format(t=type_)
    )


@lru_cache(maxsize=4096)
def replace(type_: str, letters: str) -> str:
    """Put a new version in the place of the one that the caller has locked, which goes to history.

    The second parameter is the generation; null for a tombstone, which has no entries.
    """
    clean = "".join(
        f"""no_{name} AS (DELETE FROM record."{type_}_{name}" AS i USING target WHERE i.key = target.key), """
        for name in INDEXES
    )
    return (
        f"""WITH target AS (
  SELECT * FROM record."{type_}" WHERE type = '{type_}' AND id = %s AND ({CURRENT}) IS NOT FALSE
), old AS (
  INSERT INTO record."{type_}_history"
    (type, id, shard, version, key, updated, xid, patient, custodian, labels, deleted, body)
  SELECT type, id, shard, version, key, updated, xid, patient, custodian, labels, deleted, body FROM target
), new AS (
  UPDATE record."{type_}" AS r SET shard = %s, version = %s, updated = %s::timestamptz, xid = pg_current_xact_id(),
    patient = %s, custodian = %s, labels = {_labels(type_, "%s::integer", "%s")}, deleted = %s,
    tokens = %s::bigint[], body = %b
  FROM target WHERE r.type = '{type_}' AND r.id = target.id
  RETURNING r.id, r.key, r.shard, r.version, r.updated, r.patient, r.custodian, r.labels
), """
        + clean
        + _index_parts(type_, letters, many=False)
        + FEED.format(t=type_)
    )


@lru_cache(maxsize=4096)
def replace_many(type_: str, letters: str) -> str:
    """Put new versions in the place of many of a type that the caller has locked, which go to history."""
    clean = "".join(
        f"""no_{name} AS (DELETE FROM record."{type_}_{name}" AS i USING target WHERE i.key = target.key), """
        for name in INDEXES
    )
    return (
        f"""WITH given AS (
  SELECT * FROM unnest(
    %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::integer[], %s::text[], %s::text[],
    %b::bytea[]) AS g(id, updated, shard, patient, custodian, labels, names, tokens, body)
), target AS (
  SELECT r.* FROM record."{type_}" r JOIN given USING (id) WHERE r.type = '{type_}'
), old AS (
  INSERT INTO record."{type_}_history"
    (type, id, shard, version, key, updated, xid, patient, custodian, labels, deleted, body)
  SELECT type, id, shard, version, key, updated, xid, patient, custodian, labels, deleted, body FROM target
), new AS (
  UPDATE record."{type_}" AS r SET shard = g.shard, version = r.version + 1, updated = g.updated,
    xid = pg_current_xact_id(), patient = g.patient, custodian = g.custodian,
    labels = {_labels(type_, "g.labels", "g.names")},
    tokens = g.tokens::bigint[], body = g.body
  FROM given g WHERE r.type = '{type_}' AND r.id = g.id
  RETURNING r.id, r.key, r.shard, r.version, r.updated, r.patient, r.custodian, r.labels
), """
        + clean
        + _index_parts(type_, letters, many=True)
        + FEED.format(t=type_)
    )


@lru_cache(maxsize=512)
def reindex(type_: str, letters: str) -> str:
    """Store index rows of resources whose keys stand in the place of ids."""
    parts = _index_parts(type_, letters, many=True).rstrip().rstrip(",")
    return f"""WITH new AS (
  SELECT n.id, n.id::bigint AS key, n.shard FROM unnest(%s::text[], %s::text[]) AS n(id, shard)
), {parts} SELECT 1 LIMIT 0"""


@lru_cache(maxsize=512)
def read(type_: str) -> str:
    """The current version by id."""
    return f"""SELECT {COLUMNS} FROM record."{type_}" WHERE type = '{type_}' AND id = %s"""


@lru_cache(maxsize=512)
def read_many(type_: str) -> str:
    """Current versions by a list of ids."""
    return f"""SELECT {COLUMNS} FROM record."{type_}" WHERE type = '{type_}' AND {_LISTED}"""


@lru_cache(maxsize=512)
def read_owners(type_: str) -> str:
    """Whose the resources of a list of ids are."""
    return f"""SELECT id, patient, custodian FROM record."{type_}" WHERE type = '{type_}' AND {_LISTED}"""


@lru_cache(maxsize=512)
def lock(type_: str) -> str:
    """The current version by id, locked until the transaction ends; at the end whether nobody concerned was merged.

    The gates are passed before the row is locked: a merge that shut one may want the row.
    """
    return _LOCK.format(type=type_, one="id = %s", order="")


@lru_cache(maxsize=512)
def lock_many(type_: str) -> str:
    """The same by a list of ids, locked in their order."""
    return _LOCK.format(type=type_, one=_LISTED, order="ORDER BY id ")


@lru_cache(maxsize=512)
def version(type_: str) -> str:
    """One version by id and number."""
    return f"""SELECT {COLUMNS} FROM record."{type_}" WHERE type = '{type_}' AND id = %s AND version = %s
UNION ALL SELECT {COLUMNS} FROM record."{type_}_history" WHERE type = '{type_}' AND id = %s AND version = %s"""


@lru_cache(maxsize=512)
def versions(type_: str) -> str:
    """Versions of one resource below a number, newest first, with how many there are of whatever number.

    Of those since a moment, before another, and not replaced until a third.
    """
    wanted = f"type = '{type_}' AND id = %s AND updated >= %s AND updated < %s"
    every = f"""SELECT {COLUMNS} FROM record."{type_}" WHERE {wanted}
UNION ALL SELECT {COLUMNS} FROM record."{type_}_history" WHERE {wanted}"""
    ranked = f"""SELECT {COLUMNS}, lead(updated, 1, 'infinity') OVER (ORDER BY version) AS until FROM ({every}) v"""
    kept = f"SELECT {COLUMNS}, count(*) OVER () AS of FROM ({ranked}) v WHERE until > %s"
    return f"SELECT {COLUMNS}, of FROM ({kept}) v WHERE version < %s ORDER BY version DESC LIMIT %s"


@lru_cache(maxsize=512)
def old_bodies(type_: str) -> str:
    """What the superseded versions of a resource held."""
    return f"""SELECT body FROM record."{type_}_history" WHERE type = '{type_}' AND id = %s AND body IS NOT NULL"""


@lru_cache(maxsize=512)
def taken(type_: str) -> str:
    """Which of a list of ids exist, also where the asker does not see them."""
    return f"SELECT id FROM record.taken('{type_}', %s::text[]) AS id"


def write_params(asker: Any, action: str) -> tuple[str | None, ...]:
    """The parameters of the feed and access log parts."""
    who = (asker.account, asker.role, asker.facility, asker.account, asker.purpose, asker.client)
    return (action, *who, action, asker.practitioner or None, *origin.where())
