"""Who stands in a relation to a patient, and what a patient has forbidden: what the row policies go by.

Modules above keep both in step with the facts that they come from. Each row names its fact as its `source`
(`Type/id`), so that a change or the end of the fact takes its rows along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tuetinh.record.search.values import date_range
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step

__all__ = ["FOREVER", "Denial", "Relation", "date_range", "forbid", "keep"]

FOREVER = "infinity"


class Relation(NamedTuple):
    """holder: `Organization/12104`, `Practitioner/7`, `Account/17`, … until: an instant of PostgreSQL, or `FOREVER`.

    kind: `treating`, `episode`, `referral` and `consultation` hold for some days after their end, as the asker's sight
    says; `registered`, `invitation`, `guardian` and `consent` end with it; so does `glass`, which holds whatever the
    patient forbids.
    """

    patient: str
    holder: str
    kind: str
    source: str
    until: str = FOREVER


class Denial(NamedTuple):
    """facility: id of the Organization, "" for every one. purpose: v3 PurposeOfUse, "" for every one."""

    patient: str
    facility: str
    purpose: str
    source: str
    until: str = FOREVER


_KEEP = """WITH wanted AS (SELECT * FROM unnest({columns}, %s::timestamptz[]) AS w({names}, until)),
gone AS (
  DELETE FROM record.{table} k WHERE k.source = ANY (%s::text[])
    AND NOT EXISTS (SELECT FROM wanted w WHERE ({keys_k}) = ({keys_w}))
)
INSERT INTO record.{table} AS k ({names}, until) SELECT {names}, until FROM wanted
ON CONFLICT ({names}) DO UPDATE SET until = excluded.until WHERE k.until <> excluded.until"""


def _statement(table: str, names: Sequence[str]) -> str:
    return _KEEP.format(
        table=table,
        names=", ".join(names),
        columns=", ".join("%s::text[]" for _ in names),
        keys_k=", ".join(f"k.{name}" for name in names),
        keys_w=", ".join(f"w.{name}" for name in names),
    )


_RELATIONS = _statement("relation", Relation._fields[:-1])
_DENIALS = _statement("denial", Denial._fields[:-1])


def keep(sources: Sequence[str], relations: Sequence[Relation]) -> Step[None]:
    """Let exactly these relations come from these facts, in the transaction that writes them."""
    yield Query(_RELATIONS, _params(sources, relations, Relation))


def forbid(sources: Sequence[str], denials: Sequence[Denial]) -> Step[None]:
    """Let exactly these denials come from these facts, in the transaction that writes them."""
    yield Query(_DENIALS, _params(sources, denials, Denial))


def _params(sources: Sequence[str], rows: Sequence[Relation | Denial], row: type[NamedTuple]) -> tuple[str, ...]:
    unique = list(dict.fromkeys(rows))
    columns = list(zip(*unique, strict=True)) or [()] * len(row._fields)
    return (*(array(column) for column in columns), array(sources))
