"""Is there one order of the operations that explains every answer? The search of Wing and Gong, with Lowe's memory.

An order explains a history when each operation takes effect at one moment between its call and its answer, and each
answer is that of a single register which does one thing after the other. An operation without an answer may take effect
at any moment after its call, or never. References: J. M. Wing, C. Gong, "Testing and Verifying Concurrent Objects"
(1993); G. Lowe, "Testing for linearizability" (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tuetinh.node.safety.history import Operation

MOST_STEPS = 2_000_000


class State(NamedTuple):
    """A resource: its version, 0 before the first, and its value, None where it does not exist."""

    version: int = 0
    value: str | None = None


class Undecided(Exception):
    """The search was given up; the history is too long to be judged."""


def step(state: State, operation: Operation) -> State | None:
    """The state after the operation, or None where its answer cannot be that of this state."""
    known = operation.outcome == "ok"
    match operation.kind:
        case "read" | "versions":
            return state if state == (operation.version, operation.seen) else None
        case "find":
            found = state.value == operation.value
            return state if found == bool(operation.version) and operation.version in (0, state.version) else None
        case "put if" if operation.outcome == "fail":
            return state if state.version != operation.expected else None
        case "put if" if state.version != operation.expected:
            return None
        case "delete" if state.value is None:
            return state if not known or operation.version == state.version else None
    value = None if operation.kind == "delete" else operation.value
    return State(state.version + 1, value) if not known or operation.version == state.version + 1 else None


def unexplained(operations: Sequence[Operation]) -> list[Operation]:
    """The operations of one resource that no order explains: none when the history is linearizable.

    What is returned is what the longest order could not go on with. Raises Undecided.
    """
    told = sorted((o for o in operations if _counts(o)), key=lambda o: o.began)
    needed = sum(1 << n for n, o in enumerate(told) if o.outcome != "info")
    tried: set[tuple[int, State]] = set()
    paths = [(0, State())]
    longest, stuck = -1, list[Operation]()
    while paths:
        done, state = paths.pop()
        if done & needed == needed:
            return []
        if (done, state) in tried:
            continue
        tried.add((done, state))
        if len(tried) > MOST_STEPS:
            raise Undecided
        next_ = _next(told, done)
        if (length := (done & needed).bit_count()) > longest:
            longest, stuck = length, [told[n] for n in next_ if told[n].outcome != "info"]
        for n in reversed(next_):
            after = step(state, told[n])
            if after is not None:
                paths.append((done | 1 << n, after))
    return stuck


def _counts(operation: Operation) -> bool:
    """Whether the operation says anything: a read without an answer does not, nor a refusal for another reason."""
    if operation.outcome == "fail":
        return operation.kind == "put if" and operation.status == 412 and not operation.bundle
    return operation.outcome == "ok" or operation.writes


def _next(told: Sequence[Operation], done: int) -> list[int]:
    """Which may come next: those that began before any other that is still to come had its answer.

    Those with an answer come first, the earliest answer before the others: that is the likely order.
    """
    until = float("inf")
    found: list[tuple[float, int]] = []
    for n, operation in enumerate(told):
        if operation.began > until:
            break
        if done >> n & 1:
            continue
        ended = float("inf") if operation.outcome == "info" or operation.ended is None else operation.ended
        until = min(until, ended)
        found.append((ended, n))
    return [n for _, n in sorted(found) if told[n].began <= until]
