"""The checks of a record's word must fail on each history in which that word was broken."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.node.safety import checks, linear
from tuetinh.node.safety.checks import Held
from tuetinh.node.safety.history import History, Operation

pytestmark = pytest.mark.long

KEY = "Basic/a"


def done(kind: Any, at: tuple[float, float | None], value: str | None = None, **more: Any) -> Operation:
    """An operation on the one resource from one time to another, acknowledged unless said otherwise."""
    fields: dict[str, Any] = {"outcome": "ok" if at[1] is not None else "info", "key": KEY} | more
    return Operation(0, kind, value=value, began=at[0], ended=at[1], **fields)


def put(at: tuple[float, float | None], value: str, version: int | None = None, **more: Any) -> Operation:
    return done("put", at, value, version=version, **more)


def read(at: tuple[float, float], version: int, seen: str | None) -> Operation:
    return done("read", at, version=version, seen=seen)


EXPLAINED: dict[str, list[Operation]] = {
    "one after the other": [put((0, 1), "x", 1), read((2, 3), 1, "x"), put((4, 5), "y", 2), read((6, 7), 2, "y")],
    "a read beside a write sees either": [put((0, 5), "x", 1), read((1, 2), 0, None), read((3, 4), 1, "x")],
    "writes beside each other in either order": [put((0, 5), "x", 2), put((0, 5), "y", 1), read((6, 7), 2, "x")],
    "a write without an answer took effect late": [put((0, None), "x"), read((1, 2), 0, None), read((8, 9), 1, "x")],
    "a write without an answer never took effect": [put((0, None), "x"), put((1, 2), "y", 1), read((8, 9), 1, "y")],
    "an If-Match of an old version was refused": [
        put((0, 1), "x", 1), put((2, 3), "y", 2), done("put if", (4, 5), "z", expected=1, outcome="fail", status=412),
    ],
    "a deletion and what came after": [
        put((0, 1), "x", 1), done("delete", (2, 3), version=2), read((4, 5), 2, None), put((6, 7), "y", 3),
    ],
    "a search": [
        put((0, 1), "x", 1), done("find", (2, 3), "x", version=1),
        put((4, 5), "y", 2), done("find", (6, 7), "x", version=0),
    ],
}  # fmt: skip
UNEXPLAINED: dict[str, list[Operation]] = {
    "a stale read": [put((0, 1), "x", 1), put((2, 3), "y", 2), read((4, 5), 1, "x")],
    "an acknowledged write is lost": [put((0, 1), "x", 1), read((2, 3), 0, None)],
    "a read of what nobody wrote": [put((0, 1), "x", 1), read((2, 3), 1, "z")],
    "a value comes back": [put((0, 1), "x", 1), put((0, None), "y"), read((2, 3), 2, "y"), read((4, 5), 1, "x")],
    "two writes are the same version": [put((0, 1), "x", 1), put((0, 1), "y", 1)],
    "an update of an old version was let through": [
        put((0, 1), "x", 1), put((2, 3), "y", 2), done("put if", (4, 5), "z", version=3, expected=1),
    ],
    "an If-Match of the current version was refused": [
        put((0, 1), "x", 1), done("put if", (2, 3), "z", expected=1, outcome="fail", status=412),
    ],
    "two updates of the same version both succeed": [
        put((0, 1), "x", 1),
        done("put if", (2, 5), "y", version=2, expected=1), done("put if", (2, 5), "z", version=3, expected=1),
    ],
    "a search misses an acknowledged write": [put((0, 1), "x", 1), done("find", (2, 3), "x", version=0)],
    "a search finds what was replaced": [
        put((0, 1), "x", 1), put((2, 3), "y", 2), done("find", (4, 5), "x", version=1),
    ],
    "a deleted resource is read": [put((0, 1), "x", 1), done("delete", (2, 3), version=2), read((4, 5), 1, "x")],
    "a history ends before an acknowledged version": [
        put((0, 1), "x", 1), put((2, 3), "y", 2), done("versions", (4, 5), version=1, seen="x", versions=[(1, "x")]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_right_history_is_explained(name: str) -> None:
    assert linear.unexplained(EXPLAINED[name]) == []


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_a_wrong_history_is_not_explained(name: str) -> None:
    assert linear.unexplained(UNEXPLAINED[name]) != []


@given(st.data())
def test_a_register_is_explained_and_a_changed_answer_is_not(data: st.DataObject) -> None:
    """Operations take effect at one moment within their time; then one read is told another version."""
    state, told = linear.State(), []
    for n in range(data.draw(st.integers(2, 25))):
        early, late = data.draw(st.floats(0, 3)), data.draw(st.floats(0, 3))
        at = (n - early, n + 0.001 + late)
        if data.draw(st.booleans()):
            lost = data.draw(st.integers(0, 5)) == 0
            state = linear.State(state.version + 1, f"v{n}")
            told.append(put((at[0], None if lost else at[1]), f"v{n}", None if lost else state.version))
        else:
            told.append(read(at, state.version, state.value))
    assert linear.unexplained(told) == []
    end = read((100, 101), state.version, state.value)
    assert linear.unexplained([*told, end]) == []
    end.version = state.version + 1
    assert linear.unexplained([*told, end]) != []


def found(operations: list[Operation], held: Held) -> list[str]:
    history = History()
    history.operations = operations
    return list(checks.violations(history, held))


def holding(*versions: tuple[int, str, str | None], key: str = KEY, **more: Any) -> Held:
    """The record with these versions of one resource, in its logs unless said otherwise."""
    logs = {"logged": Counter({key: len(versions)}), "fed": {key: [number for number, _, _ in versions]}}
    return Held(**({"versions": {key: list(versions)}} | logs | more))


TWO = [put((0, 1), "x", 1), put((2, 3), "y", 2)]


def test_a_record_that_kept_its_word_is_not_blamed() -> None:
    assert found(TWO, holding((1, "t1", "x"), (2, "t2", "y"))) == []


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (holding((1, "t1", "x"), (3, "t2", "y")), "its versions are [1, 3]"),
        (holding((1, "t2", "x"), (2, "t2", "y")), "the times of its versions do not rise"),
        (holding((1, "t1", "x"), (2, "t2", "y"), (3, "t3", "y")), "y was stored 2 times"),
        (holding((1, "t1", "x"), (2, "t2", "y"), (3, "t3", "z")), "z was never written"),
        (holding((1, "t1", "x")), "y was acknowledged as version 2, which holds None"),
        (holding((1, "t1", "y"), (2, "t2", "x")), "x was acknowledged as version 1, which holds y"),
        (holding((1, "t1", "x"), (2, "t2", "y"), logged=Counter()), "2 versions, but 0 writes in the access log"),
        (
            holding((1, "t1", "x"), (2, "t2", "y"), logged=Counter({KEY: 3})),
            "2 versions, but 3 writes in the access log",
        ),
        (holding((1, "t1", "x"), (2, "t2", "y"), fed={KEY: [2, 1]}), "2 versions, but the feed told of [2, 1]"),
    ],
)  # fmt: skip
def test_a_record_that_did_not_is_blamed_for_it(held: Held, told: str) -> None:
    assert f"{KEY}: {told}" in found(TWO, held)


def test_what_was_refused_must_not_be_stored() -> None:
    refused = put((4, 5), "z", outcome="fail", status=409)
    held = holding((1, "t1", "x"), (2, "t2", "y"), (3, "t3", "z"))
    assert f"{KEY}: z was refused with 409 and is stored" in found([*TWO, refused], held)


def test_a_version_that_was_shown_must_not_change() -> None:
    shown = done("versions", (4, 5), version=2, seen="y", versions=[(1, "w"), (2, "y")])
    blame = f"{KEY}: a history told of versions that are others now: [(1, 'w'), (2, 'y')]"
    assert found([*TWO, shown], holding((1, "t1", "x"), (2, "t2", "y"))) == [blame]


@pytest.mark.parametrize(
    ("operations", "ids", "told"),
    [
        ([done("create", (0, 1), "n", seen="1", status=201)], ["1"], None),
        ([done("create", (0, None), "n")], [], None),
        ([done("create", (0, None), "n")], ["1"], None),
        ([done("create", (0, None), "n")], ["1", "2"], "2 resources were made of one"),
        ([done("create", (0, 1), "n", seen="1", status=201)], [], "['1'] was acknowledged, and [] is here"),
        ([done("create", (0, 1), "n", outcome="fail", status=409)], ["1"], "was refused and is here"),
        (
            [done("create once", (0, 1), "n", seen="1", status=status) for status in (201, 200)],
            ["1"],
            None,
        ),
        (
            [done("create once", (0, 1), "n", seen=id_, status=201) for id_ in ("1", "2")],
            ["1", "2"],
            "2 were told that they made it",
        ),
    ],
)  # fmt: skip
def test_what_is_created_is_there_once(operations: list[Operation], ids: list[str], told: str | None) -> None:
    for operation in operations:
        operation.key = "n"
    blames = found(operations, Held(found={"n": ids}))
    assert (f"n: {told}" in blames) if told else (blames == [])


def test_a_transaction_is_there_as_a_whole() -> None:
    parts = [put((0, 1), "x", 1, bundle="t", key=key) for key in ("Basic/a", "Basic/b")]
    both = {"versions": {"Basic/a": [(1, "t1", "x")], "Basic/b": [(1, "t1", "x")]}}
    logs = {"logged": Counter(both["versions"].keys()), "fed": {k: [1] for k in both["versions"]}}
    assert found(parts, Held(**both, **logs)) == []  # type: ignore[arg-type]
    half = {"Basic/a": [(1, "t1", "x")], "Basic/b": list[Any]()}
    for outcome in ("ok", "info", "fail"):
        for part in parts:
            part.outcome = outcome  # type: ignore[assignment]
        assert "transaction t: only ['Basic/a'] of 2 parts are here" in found(parts, Held(versions=half))


def test_a_search_sees_a_transaction_as_a_whole() -> None:
    seen = done("group", (0, 1), seen="x x y", key="a,b,c")
    assert found([seen], Held()) == ["a,b,c: a search saw a part of a transaction: x x y"]
    seen.seen = "x x x"
    assert found([seen], Held()) == []
