"""An examination with pictures and a signed report."""

from __future__ import annotations

import pytest

from tuetinh.care.imaging import actions, reports
from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.tests.conftest import HERE, _remember_nothing, part10, person
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4

__all__ = ["_remember_nothing", "person"]


def picture(exam: Exam, number: int, **changes: object) -> str:
    """Keep one picture of an examination; returns its UID."""
    uid = f"1.2.3.4.{exam.pk}.{number}"
    told: dict[str, object] = {
        "SOPInstanceUID": uid,
        "SeriesInstanceUID": f"1.2.3.4.{exam.pk}",
        "InstanceNumber": number,
    }
    kept = keep(HERE, part10(StudyInstanceUID=exam.study_instance_uid, **told | changes))
    assert kept.state == "stored", kept
    return uid


@pytest.fixture
def exam(person: r4.Patient, cast: dict[str, Account]) -> Exam:
    """An examination whose three pictures have come and whose report is signed."""
    found = Exam.objects.get(order=order(person).id)
    me = asker_of(cast["imaging"])
    actions.begin(me, found.pk)
    for number in (1, 2, 3):
        picture(found, number)
    record_studies([found.study_instance_uid])
    actions.finish(me, found.pk)
    return reports.sign(me, found.pk, "Bình thường.", "Chưa thấy bất thường.")
