"""What row security and the access log cost a desk's reads and searches, in one run.

usage: python -m bench.access_cost [--rounds N] [--seconds S] [--clients N] [--role ROLE]

Three nodes of the same province answer at the same time: one with both, one without policies, one without the log. What
else the machine does slows all of them alike. Then they change places, and a round is over when each has had each
place: what tells one node from another does not count either. A superuser of the database puts the policies off; the
log goes by a signal that only the node of a measurement knows (`access_log`). Told are the answers a second and the
processor time of one answer with both, and what each of the two adds: 15 % and 10 % at most are aimed at. The desk
treats everybody: it sees by relation, and answers the same with policies and without.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import load, pairs, policies
from bench.__main__ import shapes
from bench.access_log import BEFORE
from bench.node import Node, own_folder, running

AIMS: Final = {"policies": 0.15, "log": 0.10}
STATES: Final = ("", *AIMS)
"""What is missing at a place."""
WARM_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Place:
    """A node, its folder, what it is asked, by whom."""

    node: Node
    scratch: Path
    cases: dict[str, list[load.Request]]
    who: load.Header

    def do_without(self, part: str) -> None:
        """Leave away a part from now on."""
        policies.switch(_url(self.scratch), on=part != "policies")
        os.kill(self.node.process, signal.SIGUSR1 if part == "log" else signal.SIGUSR2)

    def used(self) -> float:
        """Seconds of the processors that it has taken so far."""
        return pairs.processor_seconds(self.node, self.scratch)


@dataclass(frozen=True, slots=True)
class Took:
    """What an answer took at a place: seconds for each who asks one at a time, and seconds of the processors."""

    time: float
    processors: float


def main() -> None:
    """Measure and print a line for each case."""
    parser = pairs.parser("bench.access_cost", __doc__)
    parser.add_argument("--role", default="doctor", help="whose desk (default %(default)s)")
    parser.set_defaults(rounds=3, seconds=6, clients=6)
    options = parser.parse_args()
    with ExitStack() as stack, ThreadPoolExecutor(len(STATES)) as at_once:
        places = [_place(stack, options.role) for _ in STATES]
        rounds = {name: [_round(places, name, options, at_once) for _ in range(options.rounds)] for name in pairs.CASES}
    print(f"{options.role:28}{'answers/s':>10}{'processor µs':>14}" + "".join(f"{'of ' + part:>44}" for part in AIMS))
    for name, found in rounds.items():
        with_both = [took for one in found for took in one[""]]
        rate = options.clients / statistics.median(took.time for took in with_both)
        line = f"{name:28}{rate:>10,.0f}{statistics.median(took.processors for took in with_both) * 1e6:>14,.0f}"
        for part, aim in AIMS.items():
            slower = [_more(one, part, lambda took: took.time) for one in found]
            dearer = [_more(one, part, lambda took: took.processors) for one in found]
            verdict = "aim" if max(statistics.median(slower), statistics.median(dearer)) <= aim else "over"
            line += f"  {_told(slower)} {_told(dearer)} {verdict:>5}"
        print(line)
    print("each: how much longer an answer takes, how much more of the processors (median of rounds, least and most),")
    print("and whether both are within the aim")


def _place(stack: ExitStack, role: str) -> Place:
    scratch = stack.enter_context(own_folder())
    node = stack.enter_context(running(scratch / "node", 300, BEFORE, workers=1))
    policies.treat_everybody(_url(scratch), role)
    return Place(node, scratch, shapes(node), node.cookie(role))


def _url(scratch: Path) -> str:
    return f"postgresql://postgres@/tuetinh?host={scratch}/node/postgres"


def _round(places: list[Place], name: str, options: argparse.Namespace, at_once: Executor) -> dict[str, list[Took]]:
    """What answers took, by what was missing, in as many turns as there are places."""
    found: dict[str, list[Took]] = {part: [] for part in STATES}
    for turn in range(len(places)):
        missing = STATES[turn:] + STATES[:turn]
        for part, took in zip(missing, _turn(places, missing, name, options, at_once), strict=True):
            found[part].append(took)
    return found


def _turn(
    places: list[Place], missing: tuple[str, ...], name: str, options: argparse.Namespace, at_once: Executor
) -> list[Took]:
    def run(place: Place, seconds: float) -> load.Run:
        return load.run(place.node.url, place.who, place.cases[name], options.clients, seconds, place.scratch)

    for place, part in zip(places, missing, strict=True):
        place.do_without(part)
    list(at_once.map(run, places, [WARM_SECONDS] * len(places)))  # plans are made anew
    time.sleep(pairs.SEALED_SECONDS)
    before, began = [place.used() for place in places], time.perf_counter()
    runs = list(at_once.map(run, places, [options.seconds] * len(places)))
    seconds = time.perf_counter() - began
    time.sleep(pairs.SEALED_SECONDS)
    if refused := sum(one.errors for one in runs):
        message = f"{refused} answers of “{name}” were refusals or failures"
        raise RuntimeError(message)
    return [
        Took(options.clients / one.rate, (place.used() - used) / (one.rate * seconds))
        for place, used, one in zip(places, before, runs, strict=True)
    ]


def _more(found: dict[str, list[Took]], part: str, of: Callable[[Took], float]) -> float:
    """How much more an answer takes with a part than without it; the mean of the turns is the geometric one."""
    return statistics.geometric_mean(map(of, found[""])) / statistics.geometric_mean(map(of, found[part])) - 1


def _told(found: list[float]) -> str:
    return f"{statistics.median(found):>6.1%} ({min(found):.0%} to {max(found):.0%})"


if __name__ == "__main__":
    main()
