"""Many clients read and change a few resources while the node, its database and connections are killed and paused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuetinh.node.safety.run import run

pytestmark = pytest.mark.long

FAULTS = {
    *("a web process killed", "a backend killed", "a connection ended", "the database killed"),
    *("the node killed", "node and database killed", "a web process paused", "a backend paused"),
}


def test_no_promise_is_broken_whatever_breaks(built: Path) -> None:
    result = run(built, lambda faults: len(faults.done) == len(faults.all), seed=4)
    assert result.violations == []
    assert set(result.faults) == FAULTS
    asked = {"read", "find", "versions", "group", "put", "put if", "delete", "create", "create once"}
    assert set(result.kinds) == asked  # and each of them was at work
    assert result.outcomes["ok"] >= 200
