"""Whom somebody has seen: the access log, gathered by patient, for when an account or an address was misused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import connection

from tuetinh.record.asker import Asker
from tuetinh.record.audit import archive, reading
from tuetinh.record.audit.event import WRITES
from tuetinh.record.errors import BadRequest
from tuetinh.record.steps import enter

CHUNK: Final = 5000  # patients of one statement
_SEEN: Final = """
SELECT patient, min(at), max(at), count(*), bool_or(action = ANY(%s))
FROM record.audit
WHERE at >= %s AND at < %s AND {by} AND patient > %s AND coalesce(outcome, '0') = '0' AND event IS NULL
GROUP BY patient ORDER BY patient LIMIT %s
"""
_BY: Final = ("account", "client", "address")


@dataclass(frozen=True, slots=True)
class Exposed:
    """One patient whose record was seen. entries: of the access log; changed: whether it was also written."""

    patient: str
    first: datetime
    last: datetime
    entries: int
    changed: bool


@dataclass(slots=True)
class Exposure:
    """Every patient whom somebody saw in a time, read once: those in the database in the order of their ids.

    given: columns of the log and their values. archives: files of months that are not in the database. unread: months
    of the time of which nothing, or not all, could be read; known when everybody was given.
    """

    asker: Asker
    since: datetime
    until: datetime
    given: dict[str, str]
    archives: Sequence[Path] = ()
    unread: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Exposed]:
        before = self._before()
        for one in self._online():
            yield _both(one, before.pop(one.patient, None))
        yield from (before[patient] for patient in sorted(before))

    def _online(self) -> Iterator[Exposed]:
        sql = _SEEN.format(by=" AND ".join(f"{name} = %s" for name in self.given))
        after = ""
        while True:
            enter(self.asker)
            with connection.cursor() as cursor:
                cursor.execute(sql, [WRITES, self.since, self.until, *self.given.values(), after, CHUNK])
                rows = cursor.fetchall()
            yield from (Exposed(*row) for row in rows)
            if len(rows) < CHUNK:
                return
            after = rows[-1][0]

    def _before(self) -> dict[str, Exposed]:
        """Whom the months show that are not in the database."""
        files = {archive.month(path): path for path in self.archives}
        enter(self.asker)
        found: dict[str, Exposed] = {}
        for month, kept in archive.offline(self.since, self.until).items():
            count = 0
            for entry in archive.entries(files[month]) if month in files else ():
                count += 1
                if self._concerns(entry):
                    found[entry["patient"]] = _both(_seen(entry), found.get(entry["patient"]))
            if kept is None or count != kept:
                self.unread.append(month)
        return found

    def _concerns(self, entry: dict[str, Any]) -> bool:
        """The same as of the table, whose rows are those of facilities over which the asker keeps watch."""
        return (
            entry["patient"] is not None
            and self.asker.facility in ("", entry["facility"])
            and self.since <= entry["at"] < self.until
            and all(entry.get(name) == value for name, value in self.given.items())
            and (entry.get("outcome") or "0") == "0"
            and entry.get("event") is None
        )


def exposed(
    asker: Asker,
    since: datetime,
    until: datetime,
    *,
    account: str = "",
    client: str = "",
    address: str = "",
    archives: Sequence[Path] = (),
) -> Exposure:
    """Every patient whom this account, client and address together saw from `since` until before `until`.

    Raises BadRequest when none of the three is given, Forbidden unless the asker keeps watch; of other facilities'
    entries it finds none.
    """
    reading.allow(asker, "s")
    given = {name: value for name, value in zip(_BY, (account, client, address), strict=True) if value}
    if not given:
        message = "an account, a client or an address is needed"
        raise BadRequest(message)
    return Exposure(asker, since, until, given, archives)


def _seen(entry: dict[str, Any]) -> Exposed:
    return Exposed(entry["patient"], entry["at"], entry["at"], 1, entry["action"] in WRITES)


def _both(one: Exposed, other: Exposed | None) -> Exposed:
    if other is None:
        return one
    return replace(
        one,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        entries=one.entries + other.entries,
        changed=one.changed or other.changed,
    )
