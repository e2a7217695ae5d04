"""The tables of a claim from the facts of a visit. No field is typed for its sake; what nobody said stays empty.

`FILLINGS` says of every field where it is from; it is what fills the tables, and what is told of them.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Final

from tuetinh.care.insurance.benefits import Split
from tuetinh.care.insurance.filling import papers
from tuetinh.care.insurance.filling.fills import Claimed, Filling, Sources, fill
from tuetinh.care.insurance.filling.kept import Kept, tell_again
from tuetinh.care.insurance.filling.lines import MEDICINES, SERVICES
from tuetinh.care.insurance.filling.older import OLDER, as_then
from tuetinh.care.insurance.filling.results import PROGRESS, RESULTS
from tuetinh.care.insurance.filling.summary import STATUS, SUMMARY, beginning, key
from tuetinh.care.insurance.filling.visit import Visit
from tuetinh.care.insurance.situations import REGISTRATION, TENDER
from tuetinh.care.insurance.tables import Row, Tables, decision

__all__ = [
    "FILLINGS",
    "REGISTRATION",
    "TENDER",
    "Sources",
    "beginning",
    "build",
    "in_words_of",
    "key",
    "source_of",
    "tables_by",
]

# In the order in which they are filled: sums need the lines, papers need table 1.
FILLINGS: Final[dict[str, Filling]] = {
    "XML2": MEDICINES,
    "XML3": SERVICES,
    "XML4": RESULTS,
    "XML1": SUMMARY,
    "XML5": PROGRESS,
    **papers.OF_PAPERS,
    "XML14": papers.AGAIN,
}

NO_DAYS, BY_CALENDAR = ("01", "07", "09"), "02"  # MA_LOAI_KCB, before QĐ 3176
PAPERS: Final = {*papers.OF_PAPERS, "XML14"}


def tables_by(visit: Visit, divided: Split, by: str, sources: Sources | None = None) -> Tables:
    """The tables of a visit as a decision has them; an imported claim as it was told."""
    kept: dict[str, list[Kept]] = {}
    tables = in_words_of(build(visit, divided, sources, kept), by)
    return tell_again(tables, kept, by)


def build(
    visit: Visit, divided: Split, sources: Sources | None = None, kept: dict[str, list[Kept]] | None = None
) -> Tables:
    """Build the tables, with every field that any decision has; those without rows are left out by the writer.

    kept: is given what was kept of the rows.
    """
    tables: Tables = {}
    claimed = Claimed(visit, divided, tables, {} if kept is None else kept)
    for name, filling in FILLINGS.items():
        tables[name] = fill(name, filling, claimed, sources)
    named = sorted(tables, key=lambda name: int(name.removeprefix("XML")))
    return {name: tables[name] for name in named if tables[name] or name not in PAPERS}


def in_words_of(tables: Tables, by: str) -> Tables:
    """The tables and fields that a decision has, under its names."""
    if by != "3176" and tables.get("XML1"):
        tables = tables | {"XML1": [row | _days_then(row, by) for row in tables["XML1"]]}
    if by == "4210":
        return as_then(tables)
    names = _names(by)
    if tables.get("XML13") and "MA_NOI_DEN" in names.get("XML13", ()):  # QĐ 4750: names of before
        renamed = {"MA_CSKCB_DEN": "MA_NOI_DEN", "MA_CSKCB_DI": "MA_NOI_DI"}
        then = [{renamed.get(name, name): value for name, value in row.items()} for row in tables["XML13"]]
        tables = tables | {"XML13": then}
    return {
        table: rows if not rows or rows[0].keys() <= names[table] else [_only(names[table], row) for row in rows]
        for table, rows in tables.items()
        if table in names
    }


@cache
def _names(by: str) -> dict[str, frozenset[str]]:
    """The fields of each table of a decision."""
    return {table: frozenset(field.name for field in one.fields) for table, one in decision(by).tables.items()}


def _only(names: frozenset[str], row: Row) -> Row:
    return {name: value for name, value in row.items() if name in names}


def _days_then(summary: Row, by: str) -> Row:
    """SO_NGAY_DTRI where it is not what QĐ 3176 says: QĐ 130, bảng 1, trường 38; QĐ 4750, bảng 1, trường 39."""
    kind, start, end = (summary.get(name, "") for name in ("MA_LOAI_KCB", "NGAY_VAO", "NGAY_RA"))
    if kind in NO_DAYS and by != "4210":  # of which QĐ 4210 does not say so
        return {"SO_NGAY_DTRI": "0"}
    if kind == BY_CALENDAR and start and end:
        return {"SO_NGAY_DTRI": str((date.fromisoformat(end[:8]) - date.fromisoformat(start[:8])).days + 1)}
    return {}


def source_of(by: str, table: str, name: str) -> str:
    """Where a field of a decision is from, "" where nothing fills it."""
    if table == "XML0":
        return STATUS.get(name, "")
    fields = OLDER[table] if by == "4210" else FILLINGS[table].fields
    if by == "4750" and table == "XML13":
        name = {"MA_NOI_DEN": "MA_CSKCB_DEN", "MA_NOI_DI": "MA_CSKCB_DI"}.get(name, name)
    return fields[name].source if name in fields else ""
