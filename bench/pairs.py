"""Something that a node does, and does not do, in turn: what it costs the same requests in one run."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

from bench import load
from bench.__main__ import shapes
from bench.node import Node

CASES = ("read", "search by name", "search by identifier", "search by patient and code")


def options(prog: str, text: str | None) -> argparse.Namespace:
    """What such a measurement takes."""
    parser = argparse.ArgumentParser(prog=prog, description=text)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--clients", type=int, default=16)
    return parser.parse_args()


def compare(node: Node, scratch: Path, switch: Callable[[bool], None], asked: argparse.Namespace) -> None:
    """Measure with and without, and print a line for each case. switch: does it from now on, or not."""
    cases = {name: some for name, some in shapes(node).items() if name in CASES}
    rates: dict[tuple[str, bool], list[float]] = {(name, on): [] for name in cases for on in (True, False)}
    for _ in range(asked.rounds):
        for on in (True, False):
            switch(on)
            for name, some in cases.items():
                run = load.run(node.url, node.bearer, some, asked.clients, asked.seconds, scratch)
                rates[name, on].append(run.rate)
    print(f"{'answers/s':28}{'with':>10}{'without':>10}   cost (median of pairs)")
    for name in cases:
        pairs = zip(rates[name, True], rates[name, False], strict=True)
        cost = statistics.median(1 - one / other for one, other in pairs)
        told = [statistics.median(rates[name, on]) for on in (True, False)]
        print(f"{name:28}{told[0]:>10,.0f}{told[1]:>10,.0f}   {cost:.1%}")
