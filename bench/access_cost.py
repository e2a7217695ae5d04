"""What row security and the access log cost a desk's reads and searches, on one node in one run.

usage: python -m bench.access_cost [--rounds N] [--seconds S] [--clients N] [--role ROLE]

Each case is asked with both, without policies, and without the log, one right after the other. A superuser of the
database puts the policies off; the log goes by a signal that only the node of a measurement knows (`access_log`). Told
are the median answers a second, the processor time of one answer, and what each of the two adds: 15 % and 10 % at most
are aimed at. The desk treats everybody: it sees by relation, and answers the same with policies and without.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from pathlib import Path

from bench import load, pairs, policies
from bench.__main__ import shapes
from bench.access_log import BEFORE, SETTLE_SECONDS
from bench.node import Node, own_folder, running

AIMS = {"policies": 0.15, "log": 0.10}
BOTH = "both"
WARM_SECONDS = 1


def main() -> None:
    """Measure and print a line for each case."""
    parser = pairs.parser("bench.access_cost", __doc__)
    parser.add_argument("--role", default="doctor", help="whose desk (default %(default)s)")
    options = parser.parse_args()
    with own_folder() as scratch, running(scratch / "node", 300, BEFORE, workers=1) as node:
        _compare(node, scratch, options)


def _compare(node: Node, scratch: Path, options: argparse.Namespace) -> None:
    url = f"postgresql://postgres@/tuetinh?host={scratch}/node/postgres"
    cases = {name: some for name, some in shapes(node).items() if name in pairs.CASES}
    states = (BOTH, *AIMS)
    rates: dict[tuple[str, str], list[float]] = {(name, state): [] for name in cases for state in states}
    used: dict[tuple[str, str], list[float]] = {key: [] for key in rates}
    policies.treat_everybody(url, options.role)
    who = node.cookie(options.role)
    for turn in range(options.rounds):
        for name, some in cases.items():
            for state in states[turn % 3 :] + states[: turn % 3]:
                policies.switch(url, on=state != "policies")
                os.kill(node.process, signal.SIGUSR1 if state == "log" else signal.SIGUSR2)
                time.sleep(SETTLE_SECONDS)
                load.run(node.url, who, some, options.clients, WARM_SECONDS, scratch)  # plans are made anew
                time.sleep(pairs.SEALED_SECONDS)
                before, began = pairs.processor_seconds(node, scratch), time.perf_counter()
                run = load.run(node.url, who, some, options.clients, options.seconds, scratch)
                if run.errors:
                    message = f"{run.errors} answers of “{name}” were refusals or failures"
                    raise RuntimeError(message)
                took = time.perf_counter() - began
                time.sleep(pairs.SEALED_SECONDS)
                rates[name, state].append(run.rate)
                used[name, state].append((pairs.processor_seconds(node, scratch) - before) / (run.rate * took) * 1e6)
    print(f"{options.role:28}{'answers/s':>10}{'processor µs':>14}" + "".join(f"{'of ' + part:>44}" for part in AIMS))
    for name in cases:
        line = f"{name:28}{statistics.median(rates[name, BOTH]):>10,.0f}{statistics.median(used[name, BOTH]):>14,.0f}"
        for part, aim in AIMS.items():
            slower = [b / a - 1 for a, b in zip(rates[name, BOTH], rates[name, part], strict=True)]
            more = [a / b - 1 for a, b in zip(used[name, BOTH], used[name, part], strict=True)]
            line += f"  {_told(slower)} {_told(more)} {_verdict(slower, more, aim)}"
        print(line)
    print(
        "each: how much longer an answer takes, how much more of the processors (median, quartiles of the pairs), and"
    )
    print("whether both are within the aim; “unsure” where quartiles lie on both sides of it")


def _told(found: list[float]) -> str:
    low, middle, high = statistics.quantiles(found, n=4)
    return f"{middle:>6.1%} ({low:.0%} to {high:.0%})"


def _verdict(slower: list[float], more: list[float], aim: float) -> str:
    quartiles = [statistics.quantiles(one, n=4) for one in (slower, more)]
    if all(high <= aim for _, _, high in quartiles):
        return "aim"
    return "over" if any(low > aim for low, _, _ in quartiles) else "unsure"


if __name__ == "__main__":
    main()
