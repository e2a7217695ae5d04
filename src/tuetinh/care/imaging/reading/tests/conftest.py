"""Readers of the reading room, and examinations that wait for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.tests.conftest import FACILITY, HERE, _remember_nothing, part10, person
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

__all__ = ["_remember_nothing", "person"]
Waits = Callable[..., Exam]


@pytest.fixture
def waits(person: r4.Patient) -> Waits:
    """An examination whose pictures were taken some minutes ago; `changes` are fields of its row."""

    def make(minutes: int = 10, **changes: object) -> Exam:
        exam = Exam.objects.get(order=order(person).id)
        told = {"stage": "done", "ended_at": datetime.now(UTC) - timedelta(minutes=minutes), "urgent": False}
        Exam.objects.filter(pk=exam.pk).update(**told | changes)
        return Exam.objects.get(pk=exam.pk)

    return make


@pytest.fixture
def pictured(waits: Waits) -> Exam:
    """An examination with two pictures."""
    exam = waits()
    for number in (1, 2):
        told = {"StudyInstanceUID": exam.study_instance_uid, "SOPInstanceUID": f"1.2.3.4.1.{number}"}
        assert keep(HERE, part10(InstanceNumber=number, **told)).state == "stored"
    return exam


def reader(name: str, facility: str = FACILITY) -> Asker:
    """Somebody of the imaging desk, who is in the record."""
    record.create(
        SYSTEM,
        r4.Practitioner(id=f"reader-{name}", name=[r4.HumanName(family="Lò", given=["Thị", name])], active=True),
    )
    account = Account(username=f"reader.{name}", full_name=f"Lò Thị {name}", role="imaging", facility=facility)
    account.practitioner = f"reader-{name}"
    account.set_unusable_password()
    account.save()
    return asker_of(account)


@pytest.fixture
def an(cast: object) -> Asker:
    """A reader."""
    return reader("An")


@pytest.fixture
def binh(cast: object) -> Asker:
    """Another reader."""
    return reader("Binh")
