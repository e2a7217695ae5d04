"""A machine, and where the archive listens to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tuetinh.care.imaging.dimse.service import Entity
from tuetinh.care.imaging.models import Device
from tuetinh.care.imaging.tests.conftest import FACILITY, _remember_nothing, person
from tuetinh.record import r4

__all__ = ["_remember_nothing", "person"]


@pytest.fixture
def machine(person: r4.Patient) -> Device:
    """A machine that may do everything."""
    return Device.objects.create(
        title="CT1", facility=FACILITY, name="CT 1", modality="CT", address="127.0.0.1",
        finds=True, retrieves=True, works=True,
    )  # fmt: skip


@pytest.fixture
def port(machine: Device) -> Iterator[int]:
    """Where the archive listens."""
    entity = Entity()
    yield entity.start("127.0.0.1", 0)
    entity.close()
