"""The queue of the records office: pairs that may be one person, found in the background, decided by people."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
from django.db import connection, transaction

from tuetinh.commons.identity import matching
from tuetinh.commons.identity.linkage import runs, scoring
from tuetinh.commons.identity.linkage.features import Features
from tuetinh.commons.identity.linkage.model import Model, read
from tuetinh.commons.identity.linkage.scoring import Score
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import Query, Step, run

BATCH = 50
MEMORY = "2GB"
DOUBTFUL = 20.0  # bits below the threshold of review, where a number that is the same may still be found
OPEN = ("open", "later")


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair of the queue. levels: comparison to level and bits."""

    id: int
    one: str
    other: str
    weight: float
    grade: str
    levels: dict[str, tuple[str, float]]
    state: str
    found: datetime
    decided: datetime | None
    account: str


_COLUMNS = "id, one, other, weight, grade, levels::text, state, found, decided, account"


def _pair(row: Sequence[object]) -> Pair:
    levels = msgspec.json.decode(str(row[5]), type=dict[str, tuple[str, float]])
    return Pair(*row[:5], levels, *row[6:])  # type: ignore[arg-type, call-arg]


def queue(state: str, *, limit: int, offset: int = 0) -> list[Pair]:
    """Pairs of a state, the likeliest first."""
    rows = run(
        SYSTEM,
        _rows(
            f"SELECT {_COLUMNS} FROM identity_pair WHERE state = %s ORDER BY weight DESC, id LIMIT %s OFFSET %s",
            (state, limit, offset),
        ),
    )
    return [_pair(row) for row in rows]


def counts() -> dict[str, int]:
    """How many pairs are in each state."""
    return dict(run(SYSTEM, _rows("SELECT state, count(*) FROM identity_pair GROUP BY state", ())))  # type: ignore[arg-type]


def pair(id_: int) -> Pair | None:
    """One pair."""
    rows = run(SYSTEM, _rows(f"SELECT {_COLUMNS} FROM identity_pair WHERE id = %s", (id_,)))
    return _pair(rows[0]) if rows else None


def _rows(sql: str, params: Sequence[object]) -> Step[list[tuple[object, ...]]]:
    return (yield Query(sql, params))


def keep(scores: Iterable[Score]) -> Step[None]:
    """Put what was found into the queue; what a person has decided stays decided."""
    rows = [(*sorted((s.left, s.right)), s.weight, s.grade, msgspec.json.encode(s.levels).decode()) for s in scores]
    if rows:
        yield Query(
            "INSERT INTO identity_pair (one, other, weight, grade, levels) "
            "SELECT * FROM unnest(%s::text[], %s::text[], %s::real[], %s::text[], %s::jsonb[]) "
            "ON CONFLICT (one, other) DO UPDATE SET weight = excluded.weight, grade = excluded.grade, "
            "levels = excluded.levels WHERE identity_pair.state IN ('open', 'later')",
            [list(column) for column in zip(*rows, strict=True)],
        )


def decide(id_: int, state: str, account: str) -> bool:
    """Write down what a person decided about an open pair; whether it was open."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE identity_pair SET state = %s, decided = now(), account = %s WHERE id = %s AND state = ANY(%s)",
            [state, account, id_, list(OPEN)],
        )
        return bool(cursor.rowcount)


def reopen(one: str, other: str) -> None:
    """Put a pair whose merge was undone down as two people: whoever undid it has looked."""
    with connection.cursor() as cursor:
        first, second = sorted((one, other))
        cursor.execute(
            "UPDATE identity_pair SET state = 'different', decided = now() WHERE one = %s AND other = %s",
            [first, second],
        )


def compare_due(limit: int = BATCH) -> int:
    """Compare people who changed with the others, and keep who may be the same; returns how many were compared."""
    with transaction.atomic():
        return run(SYSTEM, _compare_due(limit))


def _compare_due(limit: int) -> Step[int]:
    rows = yield Query(
        "SELECT patient, active FROM identity_person WHERE due ORDER BY updated LIMIT %s FOR UPDATE SKIP LOCKED",
        (limit,),
    )
    active = [row[0] for row in rows if row[1]]
    for row in (yield from matching.people(active)).values():
        person = matching.of_row(row)
        found = yield from matching.matches(person)
        yield from keep(match.score for match in found if match.score.grade != scoring.NOT)
    ids = [row[0] for row in rows]
    yield Query("UPDATE identity_person SET due = false WHERE patient = ANY(%s::text[])", (ids,))
    yield Query(
        "DELETE FROM identity_pair WHERE state IN ('open', 'later') "
        "AND (one = ANY(%s::text[]) OR other = ANY(%s::text[]))"
        " AND EXISTS (SELECT FROM identity_person p WHERE p.patient IN (one, other) AND NOT p.active)",
        (ids, ids),
    )
    return len(ids)


class Queue(Sequence[Pair]):
    """The pairs of a state for a paginator: counted and sliced by the database."""

    def __init__(self, state: str) -> None:
        """state: of the pairs."""
        self.state = state

    def __len__(self) -> int:
        """How many there are."""
        return counts().get(self.state, 0)

    def __getitem__(self, part: Any) -> Any:
        """One page, as a slice."""
        start = part.start or 0
        return queue(self.state, limit=(part.stop or start) - start, offset=start)


def tell(one: str, other: str) -> None:
    """Put two people into the queue because somebody at a desk saw it; what was decided is looked at anew."""
    with transaction.atomic():
        run(SYSTEM, _tell(one, other))


def _tell(one: str, other: str) -> Step[None]:
    rows = yield from matching.people([one, other])
    known = yield from matching.model()
    pairs = [(matching.of_row(rows[one]), matching.of_row(rows[other]))] if len(rows) == 2 else []
    scores = scoring.score(known, pairs)
    yield from keep([replace(score, grade="told") for score in scores])
    first, second = sorted((one, other))
    yield Query("UPDATE identity_pair SET state = 'open' WHERE one = %s AND other = %s", (first, second))


def doubt(merge: str, account: str, reason: str) -> None:
    """Keep that somebody at a desk holds a merge for wrong; told again, the newest reason stands."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identity_doubt (merge, account, reason) VALUES (%s, %s, %s) "
            "ON CONFLICT (merge) DO UPDATE SET account = excluded.account, reason = excluded.reason, at = now()",
            [merge, account, reason],
        )


def settle(merge: str) -> None:
    """Forget the doubt about a merge: the records office finds it right."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM identity_doubt WHERE merge = %s", [merge])


def doubts(merges: Sequence[str]) -> dict[str, str]:
    """The reasons for which desks hold some of these merges for wrong."""
    return dict(run(SYSTEM, _rows("SELECT merge, reason FROM identity_doubt WHERE merge = ANY(%s)", (list(merges),))))  # type: ignore[arg-type]


def compare_all() -> int:
    """Compare everyone with everyone, by Splink, as after a first import; returns how many pairs were kept.

    Memory: the people's features in DuckDB, about 1 kB each, which it spills to disk beyond `MEMORY`.
    """
    kept = 0
    with tempfile.TemporaryDirectory() as folder, transaction.atomic():
        known = run(SYSTEM, matching.model())
        con = runs.connect(memory=MEMORY, folder=folder)
        runs.load(con, _everyone())
        links = runs.link(con, known, known.thresholds.review - DOUBTFUL)
        while batch := list(islice(links, runs.CHUNK)):
            scores = [score for pair in batch if (score := _judged(known, pair)).grade != scoring.NOT]
            run(SYSTEM, keep(scores))
            kept += len(scores)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE identity_person SET due = false WHERE due AND updated <= now()")
    return kept


def _judged(known: Model, pair: runs.Pair) -> Score:
    grade, levels = scoring.judged(known, pair.weight, pair.levels)
    return Score(pair.left, pair.right, round(pair.weight, 2), 0.0, grade, levels)


def _everyone() -> Iterator[Features]:
    """The features of everyone in force, read with a cursor of the server."""
    with connection.connection.cursor(name="everyone") as cursor:
        cursor.itersize = runs.CHUNK
        cursor.execute(matching.EVERYONE)
        yield from map(matching.of_row, cursor)


def waiting() -> int:
    """How many people are to be compared."""
    [(count,)] = run(SYSTEM, _rows("SELECT count(*) FROM identity_person WHERE due", ()))
    return int(str(count))


def use_model(body: bytes, account: str) -> None:
    """Weigh by this model from now on, and compare everyone anew. Raises WrongModel."""
    read(body)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO identity_model (account, body) VALUES (%s, %s)", [account, body])
        cursor.execute("UPDATE identity_person SET due = true WHERE active AND NOT due")
    matching.forget_model()
