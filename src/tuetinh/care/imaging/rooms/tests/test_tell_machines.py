"""The booked time and machine are in the worklist that machines ask for, as dcmtk reads it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import time

import pytest
from pydicom import Dataset
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from tuetinh.care.imaging.dimse.service import Entity
from tuetinh.care.imaging.dimse.tests.calling import find
from tuetinh.care.imaging.dimse.tests.conftest import machine
from tuetinh.care.imaging.models import Device, Exam, Room
from tuetinh.care.imaging.rooms import actions
from tuetinh.care.imaging.rooms.tests.test_book_examinations import at
from tuetinh.care.imaging.tests.conftest import FACILITY
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.care.imaging.tests.test_meet_dcmtk import run
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4

__all__ = ["machine"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture
def port(machine: Device, cast: dict[str, Account], person: r4.Patient) -> Iterator[int]:
    """Where the archive listens; an examination with contrast is booked on CT1."""
    room = Room.objects.create(
        facility=FACILITY, name="CT 1", modalities=["CT"], opens=time(7), closes=time(11), days="1234567", slot=15
    )
    room.machines.create(device=machine)
    exam = Exam.objects.get(order=order(person, "Chụp CLVT sọ não có tiêm thuốc cản quang").id)
    actions.book(asker_of(cast["imaging"]), exam.pk, room.pk, at("08:30"))
    entity = Entity()
    yield entity.start("127.0.0.1", 0)
    entity.close()


def test_the_booked_time_and_machine(port: int) -> None:
    step = Dataset()
    step.ScheduledStationAETitle, step.ScheduledProcedureStepStartDate = "CT1", f"{at('08:30'):%Y%m%d}"
    [item] = find(port, ModalityWorklistInformationFind, ScheduledProcedureStepSequence=[step])
    [told] = item.ScheduledProcedureStepSequence
    assert told.ScheduledStationAETitle == "CT1"
    assert told.ScheduledProcedureStepStartDate + told.ScheduledProcedureStepStartTime == f"{at('08:30'):%Y%m%d%H%M%S}"
    assert told.ScheduledProcedureStepStartDateTime == f"{at('08:30'):%Y%m%d%H%M%S}+0700"
    assert (told.ScheduledProcedureStepLocation, told.RequestedContrastAgent) == ("CT 1", "Iodine")
    [code] = told.ScheduledProtocolCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("CT-HEAD-C", "99TUETINH")
    step.ScheduledProcedureStepStartDate = f"{at('08:30', 2):%Y%m%d}"
    assert find(port, ModalityWorklistInformationFind, ScheduledProcedureStepSequence=[step]) == []


@pytest.mark.peer
def test_findscu_reads_it(port: int) -> None:
    if not shutil.which("findscu"):
        pytest.skip("dcmtk (Debian) is not on this machine")
    told = run(
        "findscu", port, "-W", "-k", "PatientName",
        "-k", "ScheduledProcedureStepSequence[0].ScheduledStationAETitle=CT1",
        "-k", "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate",
        "-k", "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime",
    )  # fmt: skip
    assert f"[{at('08:30'):%Y%m%d}]" in told and "[083000]" in told and "[CT1" in told
