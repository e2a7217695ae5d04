"""`tuetinh claims check FILE…`: reads claim files of any decision and says what is wrong with each claim in them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tuetinh.node.prepare import load_alone, prepare

if TYPE_CHECKING:
    from tuetinh.care.insurance.api import FileClaim, Problem

HELP = "check claim files (QĐ 4210, 130, 4750, 3176): one JSON line a claim, exit 1 if any is not ok"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which files, and how much is told."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="claim files; - reads standard input")
    parser.add_argument("--hints", action="store_true", help="tell hints too, which no gateway refuses a claim for")


def run(arguments: argparse.Namespace) -> int:
    """Print the lines; 1 when a claim, or a file, is not ok.

    Rules are those of the installation in the data folder; without one, those that came with the program.
    """
    _load(Path(arguments.data))
    all_ok = True
    for name in arguments.files:
        for line in _lines_of(name, hints=arguments.hints):
            print(json.dumps(line, ensure_ascii=False), flush=True)
            all_ok = all_ok and line["ok"]
    return 0 if all_ok else 1


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


def _load(data: Path) -> None:
    """Load the modules, with the database where there is an installation."""
    if "TUETINH_DATABASE_URL" in os.environ or (data / "postgres").exists():
        prepare(data, migrate=False)
        return
    load_alone()
    from tuetinh.care.insurance.api import use_delivered_rules

    use_delivered_rules()
