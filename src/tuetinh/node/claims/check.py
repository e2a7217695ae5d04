"""`tuetinh claims check FILE…`: reads claim files of any decision and says what is wrong with each claim in them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tuetinh.node.prepare import load_alone, prepare

if TYPE_CHECKING:
    from tuetinh.care.insurance.api import FileClaim, Problem

MANY, PART, AHEAD = 200, 25, 2  # files worth other processes; of one piece of work; pieces waiting for each process
SMALL = 1_000_000  # bytes of a file that another process reads
HELP = "check claim files (QĐ 4210, 130, 4750, 3176): one JSON line a claim, exit 1 if any is not ok"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which files, and how much is told."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="claim files; - reads standard input")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="of many files (default one a core)"
    )
    parser.add_argument("--hints", action="store_true", help="tell hints too, which no gateway refuses a claim for")


def run(arguments: argparse.Namespace) -> int:
    """Print the lines; 1 when a claim, or a file, is not ok.

    Rules are those of the installation in the data folder; without one, those that came with the program.
    """
    alone = not ("TUETINH_DATABASE_URL" in os.environ or (Path(arguments.data) / "postgres").exists())
    if not alone:
        prepare(arguments.data, migrate=False)
    load(alone=alone)
    all_ok = True
    for line in checked(arguments.files, hints=arguments.hints, processes=arguments.processes, alone=alone):
        print(json.dumps(line, ensure_ascii=False), flush=True)
        all_ok = all_ok and line["ok"]
    return 0 if all_ok else 1


def checked(
    names: list[str], *, hints: bool = False, processes: int = 1, alone: bool = False
) -> Iterator[dict[str, Any]]:
    """What is found in each claim of these files, in their order; of many in processes of their own.

    A large file is read here, claim by claim: what another process finds is held until all of it is there. alone: no
    installation is asked.
    """
    if processes <= 1 or len(names) < MANY:
        for name in names:
            yield from _lines_of(name, hints=hints)
        return
    rest = iter(names)
    waiting: deque[tuple[list[str], Future[list[dict[str, Any]]] | None]] = deque()
    with ProcessPoolExecutor(processes, get_context("spawn"), partial(load, alone=alone)) as pool:
        for part in iter(lambda: list(islice(rest, PART)), []):
            small = all(map(_is_small, part))
            waiting.append((part, pool.submit(lines_of_all, part, hints=hints) if small else None))
            if len(waiting) > processes * AHEAD:
                yield from _given(*waiting.popleft(), hints=hints)
        while waiting:
            yield from _given(*waiting.popleft(), hints=hints)


def lines_of_all(names: list[str], *, hints: bool) -> list[dict[str, Any]]:
    """What is found in these files, in a process of its own."""
    return [line for name in names for line in _lines_of(name, hints=hints)]


def _given(part: list[str], coming: Future[list[dict[str, Any]]] | None, *, hints: bool) -> Iterable[dict[str, Any]]:
    return coming.result() if coming else chain.from_iterable(_lines_of(name, hints=hints) for name in part)


def _is_small(name: str) -> bool:
    """Whether another process may read it; no pipe of this one. That a file is not there is told where it is opened."""
    file = Path(name)
    return name != "-" and (not file.exists() or (file.is_file() and file.stat().st_size <= SMALL))


def _lines_of(name: str, *, hints: bool) -> Iterator[dict[str, Any]]:
    if name == "-":
        yield from lines(name, sys.stdin.buffer, hints=hints)
        return
    try:
        with Path(name).open("rb") as file:
            yield from lines(name, file, hints=hints)
    except OSError as error:
        yield _line(name, "", "", [_finding("file", error.strerror or type(error).__name__)])


def lines(name: str, file: BinaryIO, *, hints: bool = False) -> Iterator[dict[str, Any]]:
    """What is found in each claim of a file, in turn, with memory for one of them."""
    from tuetinh.care.insurance.api import claims_in, examine_file_claim

    for claim in claims_in(file):
        found = [_told(problem) for problem in examine_file_claim(claim) if hints or problem.severity != "hint"]
        found = [_unread(claim)] if claim.error else found
        yield _line(name, claim.ma_lk, claim.decision, found)


def _line(name: str, ma_lk: str, version: str, findings: list[dict[str, Any]]) -> dict[str, Any]:
    ok = not any(finding["severity"] == "block" for finding in findings)
    return {"file": name, "ma_lk": ma_lk, "version": version, "ok": ok, "findings": findings}


def _told(problem: Problem) -> dict[str, Any]:
    return {
        "table": problem.table, "row": problem.row, "field": problem.field, "rule": problem.code,
        "severity": problem.severity, "message": problem.reason,
    }  # fmt: skip


def _unread(claim: FileClaim) -> dict[str, Any]:
    error = claim.error
    assert error is not None  # noqa: S101 - only asked for a claim that was not read
    table = error.place if error.place.startswith("XML") else ""
    return _finding(error.what, error.told, table, error.row, error.field if table else error.place)


def _finding(rule: str, message: str, table: str = "", row: int = 0, field: str = "") -> dict[str, Any]:
    return {"table": table, "row": row, "field": field, "rule": rule, "severity": "block", "message": message}


def load(*, alone: bool) -> None:
    """Load the modules of a process that checks; alone: without an installation, with the rules as they came."""
    if not alone:
        import django

        django.setup()
        return
    load_alone()
    from tuetinh.care.insurance.api import use_delivered_rules

    use_delivered_rules()
