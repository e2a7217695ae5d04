"""What the tests of pathology share: the visit, prices of its services, and a case at each step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuetinh.care.lab.pathology import cases, reports
from tuetinh.care.lab.pathology.models import PathologyCase
from tuetinh.care.lab.tests.conftest import World, world

__all__ = ["world"]


@pytest.fixture
def case(world: World) -> Callable[..., PathologyCase]:
    """A case that has come to a step: `case("stained", "frozen")`."""

    def made(stage: str, service: str = "histology", parts: tuple[str, ...] = ("Hang vị",)) -> PathologyCase:
        found = cases.ask(world.doctor, world.encounter.id or "", service, parts, "Đau thượng vị, nội soi có loét")
        steps: list[Callable[[], object]] = [
            lambda: cases.receive(world.lab, found.pk),
            lambda: cases.gross(world.lab, found.pk, "Ba mảnh trắng 2 mm", {"A": 1}),
            lambda: cases.stain(world.lab, found.pieces.get(label="A1").pk, ["HE"]),
            lambda: reports.draft(world.lab, found.pk, reports.Draft("histology", "Viêm mạn", "Viêm dạ dày mạn", {})),
            lambda: reports.sign(world.lab, found.pk),
        ]
        for step in steps[: ("ordered", "received", "grossed", "stained", "drafted", "signed").index(stage)]:
            step()
        found.refresh_from_db()
        return found

    return made
