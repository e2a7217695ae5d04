"""Who stands in a relation to a patient, and what a patient has forbidden: what the row policies go by.

Modules above keep both in step with the facts that they come from. Each row names its fact as its `source`
(`Type/id`), so that a change or the end of the fact takes its rows along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tuetinh.record import r4
from tuetinh.record.search.entries import VERSION, local
from tuetinh.record.search.values import date_range
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step

__all__ = ["EVER", "FOREVER", "Denial", "Relation", "date_range", "forbid", "holds", "keep", "named"]

FOREVER = "infinity"
EVER = "-infinity"


class Relation(NamedTuple):
    """holder: `Organization/12104`, `Practitioner/7`, `Account/17`, … since, until: instants of PostgreSQL.

    kind: `treating`, `episode`, `referral`, `consultation` and `appointment` hold for some days after their end, as the
    asker's sight says; `registered`, `invitation`, `guardian` and `consent` end with it; so does `glass`, which holds
    whatever the patient forbids. What carries a label is opened by care that goes on and that not the asker alone has
    written down, by what the patient allows, and by `glass`: neither by `registered` nor by `appointment`.

    through: sources of relations to the same patient, with spaces between, without which it does not hold: those of who
    gave the right.
    """

    patient: str
    holder: str
    kind: str
    source: str
    until: str = FOREVER
    since: str = EVER
    through: str = ""


class Denial(NamedTuple):
    """facility: id of the Organization, "" for every one, or `Practitioner/7` for one person wherever they work.

    purpose: v3 PurposeOfUse, "" for every one.
    """

    patient: str
    facility: str
    purpose: str
    source: str
    until: str = FOREVER
    since: str = EVER


def holds(patient: str) -> Step[bool]:
    """Whether the asker stands in a relation to the patient that holds, and is not forbidden by the patient."""
    rows = yield Query("SELECT record.related(%s, false)", [patient])
    return bool(rows[0][0])


_KEEP = """WITH wanted AS (
  SELECT * FROM unnest({columns}, %s::timestamptz[], %s::timestamptz[]{types}) AS w({names}, until, since{given})
),
gone AS (
  DELETE FROM record.{table} k WHERE k.source = ANY (%s::text[])
    AND NOT EXISTS (SELECT FROM wanted w WHERE ({keys_k}) = ({keys_w}))
)
INSERT INTO record.{table} AS k ({names}, until, since{more}) SELECT {names}, until, since{values} FROM wanted
ON CONFLICT ({names}) DO UPDATE SET until = excluded.until, since = excluded.since{sets}
  WHERE (k.until, k.since{olds}) <> (excluded.until, excluded.since{news})"""
# Which account alone has brought it about; "" once a second one wrote its fact without letting it last longer, and for
# who is no person.
_MAKER = """CASE WHEN kind IN ('treating', 'episode', 'referral', 'consultation', 'invitation')
  THEN coalesce(substring(current_setting('tuetinh.account', true) FROM '^[0-9]+$'), '') ELSE '' END"""
_KEPT_MAKER = """CASE WHEN excluded.until > k.until OR excluded.since < k.since OR excluded.made_by = k.made_by
  THEN excluded.made_by ELSE '' END"""


def _statement(table: str, names: Sequence[str], **more: str) -> str:
    told = dict.fromkeys(("types", "given", "more", "values", "sets", "olds", "news"), "") | more
    return _KEEP.format(
        table=table,
        names=", ".join(names),
        columns=", ".join("%s::text[]" for _ in names),
        keys_k=", ".join(f"k.{name}" for name in names),
        keys_w=", ".join(f"w.{name}" for name in names),
        **told,
    )


_RELATIONS = _statement(
    "relation",
    Relation._fields[:4],
    types=", %s::text[]",
    given=", through",
    more=", through, made_by",
    values=f", through, {_MAKER}",
    sets=f", through = excluded.through, made_by = {_KEPT_MAKER}",
    olds=", k.through, k.made_by",
    news=f", excluded.through, {_KEPT_MAKER}",
)
_DENIALS = _statement("denial", Denial._fields[:4])


def keep(sources: Sequence[str], relations: Sequence[Relation]) -> Step[None]:
    """Let exactly these relations come from these facts, in the transaction that writes them."""
    yield Query(_RELATIONS, _params(sources, relations, Relation))


def forbid(sources: Sequence[str], denials: Sequence[Denial]) -> Step[None]:
    """Let exactly these denials come from these facts, in the transaction that writes them."""
    yield Query(_DENIALS, _params(sources, denials, Denial))


def _params(sources: Sequence[str], rows: Sequence[Relation | Denial], row: type[NamedTuple]) -> tuple[str, ...]:
    unique = list({one[:4]: one for one in sorted(rows, key=lambda one: one.until)}.values())  # the longest counts
    columns = list(zip(*unique, strict=True)) or [()] * len(row._fields)
    return (*(array(column) for column in columns), array(sources))


def named(reference: r4.Reference | None) -> str:
    """Whom a reference names, as `Type/id` where it is of this node, whatever the version; "" where it names nobody."""
    return VERSION.sub("", local((reference.reference if reference else None) or ""))
