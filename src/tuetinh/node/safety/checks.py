"""What must hold of a history and of what the record holds after it, whatever broke in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tuetinh.node.safety import linear
from tuetinh.node.safety.history import History, Operation


@dataclass
class Held:
    """What the record holds in the end.

    versions: of each resource (`Type/id`), number, time and value of its versions, oldest first; a tombstone has None.
    found: of each identifier, the ids of the resources that a search finds by it.
    logged: of each resource, how many writes the access log tells of.
    fed: of each resource, the versions that the change feed told of, in its order.
    """

    versions: dict[str, list[tuple[int, str, str | None]]] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)
    logged: Counter[str] = field(default_factory=Counter)
    fed: dict[str, list[int]] = field(default_factory=dict)


def violations(history: History, held: Held) -> Iterator[str]:
    """Every broken promise, in words."""
    for key, operations in history.by_key().items():
        if operations[0].kind in ("create", "create once"):
            yield from created(key, operations, held.found.get(key, []))
        elif operations[0].kind != "group":
            yield from register(key, operations)
            yield from kept(key, operations, held.versions.get(key, []))
    yield from whole(history.operations, held)
    for key, versions in held.versions.items():
        yield from recorded(key, versions, held)


def register(key: str, operations: Sequence[Operation]) -> Iterator[str]:
    """A resource is a linearizable register."""
    try:
        stuck = linear.unexplained(operations)
    except linear.Undecided:
        yield f"{key}: not decided whether it is linearizable"
        return
    if stuck:
        yield f"{key}: not linearizable; nothing explains " + " nor ".join(_told(one) for one in stuck[:4])


def _told(one: Operation) -> str:
    return (
        f"[{one.client}: {one.kind} {one.value or one.seen or ''} {one.expected or ''} → {one.outcome} {one.version}]"
    )


def kept(key: str, operations: Sequence[Operation], versions: Sequence[tuple[int, str, str | None]]) -> Iterator[str]:
    """Versions are counted without a gap, their times rise, none is lost, made twice, invented or rewritten."""
    numbers = [number for number, _, _ in versions]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"{key}: its versions are {numbers}"
    if any(later <= earlier for (_, earlier, _), (_, later, _) in pairwise(versions)):
        yield f"{key}: the times of its versions do not rise"
    holds = {number: value for number, _, value in versions}
    times = Counter(value for value in holds.values() if value is not None)
    yield from (f"{key}: {value} was stored {count} times" for value, count in times.items() if count > 1)
    asked = {o.value for o in operations if o.writes}
    yield from (f"{key}: {value} was never written" for value in times if value not in asked)
    for one in operations:
        if one.writes and one.outcome == "fail" and one.value in times:
            yield f"{key}: {one.value} was refused with {one.status} and is stored"
        if one.writes and one.outcome == "ok" and one.kind != "delete" and one.version is not None:
            here = holds.get(one.version)
            if here != one.value:
                yield f"{key}: {one.value} was acknowledged as version {one.version}, which holds {here}"
        if one.outcome == "ok" and any(holds.get(number, "") != value for number, value in one.versions):
            yield f"{key}: a history told of versions that are others now: {one.versions}"


def created(key: str, operations: Sequence[Operation], found: Sequence[str]) -> Iterator[str]:
    """What was created is there once; what was refused is not; all who create on a condition get the same one."""
    told = {o.seen for o in operations if o.outcome == "ok"}
    made = [o for o in operations if o.outcome == "ok" and o.status == 201]
    if len(found) > 1:
        yield f"{key}: {len(found)} resources were made of one"
    if told and told != set(found):
        yield f"{key}: {sorted(map(str, told))} was acknowledged, and {list(found)} is here"
    if found and all(o.outcome == "fail" for o in operations):
        yield f"{key}: was refused and is here"
    if len(made) > 1:
        yield f"{key}: {len(made)} were told that they made it"


def whole(operations: Sequence[Operation], held: Held) -> Iterator[str]:
    """A transaction is there as a whole or not at all."""
    bundles: dict[str, list[Operation]] = {}
    for one in operations:
        if one.bundle and one.writes:
            bundles.setdefault(one.bundle, []).append(one)
    values = {key: {value for _, _, value in versions} for key, versions in held.versions.items()}
    for name, parts in bundles.items():
        here = [part.key for part in parts if part.value in values.get(part.key, set())]
        if here and len(here) < len(parts):
            yield f"transaction {name}: only {here} of {len(parts)} parts are here"
        if parts[0].outcome == "ok" and not here:
            yield f"transaction {name}: acknowledged and not here"
    for one in operations:
        if one.kind == "group" and one.outcome == "ok" and len(set((one.seen or "").split())) > 1:
            yield f"{one.key}: a search saw a part of a transaction: {one.seen}"


def recorded(key: str, versions: Sequence[tuple[int, str, str | None]], held: Held) -> Iterator[str]:
    """Each version has its entry in the access log and in the change feed, once."""
    if held.logged[key] != len(versions):
        yield f"{key}: {len(versions)} versions, but {held.logged[key]} writes in the access log"
    if held.fed.get(key, []) != [number for number, _, _ in versions]:
        yield f"{key}: {len(versions)} versions, but the feed told of {held.fed.get(key, [])}"


def counted(operations: Sequence[Operation]) -> Mapping[str, int]:
    """How many operations ended how."""
    return Counter(one.outcome for one in operations)
