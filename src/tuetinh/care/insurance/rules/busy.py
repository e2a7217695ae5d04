"""Where machines and people were, over all claims of a month: who was at two visits at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

from tuetinh.care.insurance.tables import Tables

if TYPE_CHECKING:
    import duckdb  # DuckDB and Arrow take time and memory, for those who look at a month

# Imaging, function tests, surgery, procedures: one patient at a time. Analysers of a laboratory take many at once.
ALONE = frozenset({"2", "3", "8", "18"})
Meeting = dict[tuple[str, int], tuple[str, str]]
"""By table and row: MA_LK of another visit at which the machine was at the same time, and of one for the person."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS busy
(pk BIGINT, ma_lk VARCHAR, line INTEGER, kind VARCHAR, who VARCHAR, began VARCHAR, ended VARCHAR)
"""
# Two lines meet when each begins before the other ends; one after the other, in the same minute, is no meeting.
MEETINGS = """
CREATE OR REPLACE TABLE met AS
SELECT a.pk, a.line, a.kind, min(b.ma_lk) AS other
FROM busy a JOIN busy b
  ON a.kind = b.kind AND a.who = b.who AND a.pk <> b.pk AND a.began < b.ended AND b.began < a.ended
GROUP BY a.pk, a.line, a.kind
"""


class Line(NamedTuple):
    """A machine or a person at work: of which case and line of table 3, from and to (yyyymmddHHMM)."""

    pk: int
    ma_lk: str
    line: int
    kind: str
    who: str
    began: str
    ended: str


def lines_of(pk: int, tables: Tables) -> Iterator[Line]:
    """The work that a claim tells of."""
    for place, row in enumerate(tables.get("XML3") or [], 1):
        began, ended = row.get("NGAY_TH_YL", ""), row.get("NGAY_KQ", "")
        if row.get("MA_NHOM") not in ALONE or not began < ended:
            continue
        named = [("machine", row.get("MA_MAY", "")), ("person", row.get("NGUOI_THUC_HIEN", ""))]
        for kind, several in named:
            for who in filter(None, several.split(";")):
                yield Line(pk, row.get("MA_LK", ""), place, kind, who, began, ended)


class Busy:
    """The work of a month, in a file that outlives an interruption."""

    def __init__(self, run: int) -> None:
        folder = settings.DATA / "recheck"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{run}.duckdb"
        self.tables: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Busy:
        import duckdb

        self.tables = duckdb.connect(str(self.path), config={"memory_limit": "512MB", "threads": 2})
        self.tables.execute(SCHEMA)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.tables:
            self.tables.close()

    def put(self, pks: Sequence[int], lines: Sequence[Line]) -> None:
        """Keep the work of some cases, in place of what was kept of them before."""
        assert self.tables is not None  # noqa: S101 - entered
        self.tables.execute("BEGIN")
        self.tables.execute("DELETE FROM busy WHERE pk IN (SELECT unnest(?))", [list(pks)])
        if lines:
            import pyarrow as pa

            self.tables.register("fresh", pa.Table.from_pylist([one._asdict() for one in lines]))
            self.tables.execute("INSERT INTO busy SELECT pk, ma_lk, line, kind, who, began, ended FROM fresh")
            self.tables.unregister("fresh")
        self.tables.execute("COMMIT")

    def met(self) -> list[int]:
        """The cases with a machine or a person that was at another visit at the same time, in their order."""
        assert self.tables is not None  # noqa: S101 - entered
        self.tables.execute(MEETINGS)
        return [pk for (pk,) in self.tables.execute("SELECT DISTINCT pk FROM met ORDER BY pk").fetchall()]

    def meetings(self, pks: Sequence[int]) -> dict[int, Meeting]:
        """By case, what `Around.busy` wants."""
        assert self.tables is not None  # noqa: S101 - entered
        rows = self.tables.execute(
            "SELECT pk, line, kind, other FROM met WHERE pk IN (SELECT unnest(?))", [list(pks)]
        ).fetchall()
        found: dict[int, Meeting] = {}
        for pk, line, kind, other in rows:
            machine, person = found.setdefault(pk, {}).get(("XML3", line), ("", ""))
            found[pk]["XML3", line] = (other, person) if kind == "machine" else (machine, other)
        return found

    def forget(self) -> None:
        """Take the file away: all is kept with the cases."""
        if self.tables:
            self.tables.close()
            self.tables = None
        self.path.unlink(missing_ok=True)
