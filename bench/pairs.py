"""Something that a node does, and does not do, in turn: what it costs the same requests in one run.

Told are the answers a second, which whatever else the machine does changes, and what one answer takes of the processors
in all processes of the node and its database, which it changes little.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from bench import load
from bench.__main__ import shapes
from bench.node import Node

SEALED_SECONDS = 2.5
"""After which what was logged is stored and sealed, as long as nothing else holds that up: it belongs to its case."""
UNPACED = "import os\nos.environ['TUETINH_READS'] = '0'\n"
"""What a node begins with whose people read faster than a person may."""
CASES = ("read", "search by name", "search by identifier", "search by patient and code")


def parser(prog: str, text: str | None) -> argparse.ArgumentParser:
    """What such a measurement takes."""
    made = argparse.ArgumentParser(prog=prog, description=text)
    made.add_argument("--rounds", type=int, default=7)
    made.add_argument("--seconds", type=float, default=2)
    made.add_argument("--clients", type=int, default=16)
    return made


def compare(node: Node, scratch: Path, switch: Callable[[bool], None], asked: argparse.Namespace) -> None:
    """Measure with and without, and print a line for each case. switch: does it from now on, or not."""
    cases = {name: some for name, some in shapes(node).items() if name in CASES}
    rates: dict[tuple[str, bool], list[float]] = {(name, on): [] for name in cases for on in (True, False)}
    processor: dict[tuple[str, bool], list[float]] = {key: [] for key in rates}
    for _ in range(asked.rounds):
        for on in (True, False):
            switch(on)
            for name, some in cases.items():
                before, began = processor_seconds(node, scratch), time.perf_counter()
                run = load.run(node.url, node.bearer, some, asked.clients, asked.seconds, scratch)
                took = time.perf_counter() - began
                time.sleep(SEALED_SECONDS)
                rates[name, on].append(run.rate)
                processor[name, on].append((processor_seconds(node, scratch) - before) / (run.rate * took) * 1e6)
    print(f"{'':28}{'answers/s':>10}{'without':>10}{'cost':>8}{'processor µs':>14}{'without':>10}{'cost':>8}")
    for name in cases:
        rate = [statistics.median(rates[name, on]) for on in (True, False)]
        used = [statistics.median(processor[name, on]) for on in (True, False)]
        cost = statistics.median(1 - a / b for a, b in zip(rates[name, True], rates[name, False], strict=True))
        more = statistics.median(a / b - 1 for a, b in zip(processor[name, True], processor[name, False], strict=True))
        print(f"{name:28}{rate[0]:>10,.0f}{rate[1]:>10,.0f}{cost:>8.1%}{used[0]:>14,.0f}{used[1]:>10,.0f}{more:>8.1%}")


def processor_seconds(node: Node, scratch: Path) -> float:
    """What the processes of the node and of its database have used, with those of theirs that have ended."""
    return used_by(node.process) + used_by(postmaster(scratch))


def postmaster(scratch: Path) -> int:
    """The number of the process from which those of the node's database come."""
    return int((scratch / "node/postgres/postmaster.pid").read_text(encoding="utf-8").split()[0])


def used_by(number: int) -> float:
    """Seconds of processor that a process and those that come from it have used."""
    root, used = psutil.Process(number), 0.0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            used += sum(process.cpu_times()[:4])
    return used
