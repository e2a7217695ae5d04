"""Claims of many visits, built and checked in several processes and given back in the order of the visits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import get_context
from typing import Final

from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.claims import BATCH, Claim, claims
from tuetinh.care.insurance.rules.apart import begin
from tuetinh.record.asker import Asker

WORTH_IT: Final = 10 * BATCH  # visits that one process has done while others would still be starting
AHEAD: Final = 2  # batches that wait for each process: their files are what memory holds


@dataclass(frozen=True, slots=True)
class Built:
    """The claim of a visit as it is written down; ma_lk: "" for what is no visit."""

    visit: str
    ma_lk: str = ""
    xml: bytes = b""
    problems: tuple[Problem, ...] = ()


def built(asker: Asker, ids: Iterable[str], *, processes: int = 1) -> Iterator[Built]:
    """The claim of each of these visits, in their order."""
    rest = iter(ids)
    first = list(islice(rest, WORTH_IT + 1))
    if processes <= 1 or len(first) <= WORTH_IT:
        for visit, made in claims(asker, chain(first, rest)):
            yield _written(visit, made)
        return
    every = chain(first, rest)
    parts = iter(lambda: list(islice(every, BATCH)), [])
    with ProcessPoolExecutor(processes, get_context("spawn"), begin) as pool:
        waiting = [pool.submit(build_part, asker, part) for part in islice(parts, processes * AHEAD)]
        while waiting:
            yield from waiting.pop(0).result()
            waiting += [pool.submit(build_part, asker, part) for part in islice(parts, 1)]


def build_part(asker: Asker, ids: list[str]) -> list[Built]:
    """The claims of a batch, in a process of its own."""
    return [_written(visit, made) for visit, made in claims(asker, ids)]


def _written(visit: str, made: Claim | None) -> Built:
    return Built(visit) if made is None else Built(visit, made.ma_lk, made.xml, tuple(made.problems))
