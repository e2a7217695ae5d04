"""How far the record agrees with public conformance suites.

Each suite is a module of this package named after it, with one function
`cases(folder) -> Iterator[Case]` that runs every case found in a folder of the
suite's published form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from sys import stdout
from typing import TextIO

SUITES = ("examples", "fhirpath", "patch", "sql-on-fhir", "terminology", "validator")


@dataclass(frozen=True)
class Case:
    """One case of a suite: what it is called, whether we agree, and why not."""

    name: str
    passed: bool
    reason: str = ""


def attempt(name: str, fault: Callable[[], str]) -> Case:
    """A case by what differs from what it expects, "" for nothing; one that is broken itself fails with its reason."""
    try:
        reason = fault()
    except Exception as error:  # whatever stands in a file of others ends no run
        reason = f"the case cannot be run: {type(error).__name__}: {error}"
    return Case(name, passed=not reason, reason=reason)


def run(suite: str, folder: Path) -> Iterator[Case]:
    """The cases of a suite, as they are run. ValueError for a suite that is not known or a folder that is not there."""
    if suite not in SUITES:
        raise ValueError(f"unknown suite {suite!r}; known: {', '.join(SUITES)}")
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    module = import_module(f"{__name__}.{suite.replace('-', '_')}")
    cases: Iterator[Case] = module.cases(folder)
    return cases


def report(suite: str, folder: Path, out: TextIO = stdout) -> int:
    """Print each failing case with its reason and, last, `passed/total`; 0 when all passed, else 1."""
    passed = total = 0
    for case in run(suite, folder):
        total += 1
        passed += case.passed
        if not case.passed:
            print(f"{case.name}: {case.reason}", file=out, flush=True)
    print(f"{passed}/{total}", file=out)
    return 0 if total and passed == total else 1
