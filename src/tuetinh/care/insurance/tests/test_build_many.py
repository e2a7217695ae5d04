"""Many claims are built in processes of their own: all of them, in their order, few held at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from tuetinh.care.insurance import building
from tuetinh.record.asker import SYSTEM


class Pool:
    """A pool whose work is done when somebody asks for it; most: how many batches were held at once."""

    most = held = 0

    def __init__(self, processes: int, *_: object) -> None:
        assert processes == 2

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *told: Any) -> Future[Any]:
        Pool.held += 1
        Pool.most = max(Pool.most, Pool.held)
        done: Future[Any] = Future()
        done.result = lambda: self._given(work, *told)  # type: ignore[method-assign,assignment]
        return done

    @staticmethod
    def _given(work: Callable[..., Any], *told: Any) -> Any:
        Pool.held -= 1
        return work(*told)


@pytest.mark.django_db
def test_all_are_built_in_their_order(visit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = list(building.built(SYSTEM, [visit, "no-visit"]))
    assert [(one.visit, bool(one.xml)) for one in alone] == [(visit, True), ("no-visit", False)]
    monkeypatch.setattr(building, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(building, "BATCH", 2)
    monkeypatch.setattr(building, "WORTH_IT", 3)
    wanted = [visit, "no-visit", visit, "a", "b", visit, "c", "d", "e", "f", visit]
    found = list(building.built(SYSTEM, iter(wanted), processes=2))
    assert [one.visit for one in found] == wanted
    assert [one.xml for one in found if one.visit == visit] == [alone[0].xml] * 4
    assert Pool.most == 2 * building.AHEAD
    few = list(building.built(SYSTEM, [visit, "a", "b"], processes=2))
    assert [one.visit for one in few] == [visit, "a", "b"]
    assert Pool.held == 0
