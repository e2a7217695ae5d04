"""Two facilities that ask each other, where each role sees only people whom it is related to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.reading.tests.conftest import reader
from tuetinh.care.imaging.remote.opinions import Question
from tuetinh.care.imaging.tests.conftest import HERE, _remember_nothing, part10, person
from tuetinh.care.imaging.viewer.tests.conftest import Node, calls, node
from tuetinh.commons.access.api import asker_of, rules
from tuetinh.commons.access.models import Account, SightRule
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

__all__ = ["Node", "_remember_nothing", "calls", "node", "person"]
STUDY = "1.2.3.4"
THERE = "12001"


@pytest.fixture
def by_relation(db: None) -> Iterator[None]:
    """Who reads and treats sees only whom they are related to, and for some days after."""
    for role in ("imaging", "doctor", "station"):
        SightRule.objects.create(
            role=role, facility="", by_relation=True, whole=rules.OPEN, labels="", own_labels="", after_days=30,
            purpose="TREAT", glass_hours=0,
        )  # fmt: skip
    rules.forget()
    yield
    rules.forget()


@pytest.fixture
def asked_about(person: r4.Patient, by_relation: None) -> r4.Patient:
    """A person who is in a visit at 12104, with a diagnosis and a study."""
    here = r4.Reference(reference="Organization/12104")
    ambulatory = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB")
    record.create(
        SYSTEM,
        r4.Encounter(status="in-progress", class_=ambulatory, subject=record.ref(person), serviceProvider=here),
    )
    record.create(SYSTEM, r4.Condition(subject=record.ref(person), code=r4.CodeableConcept(text="Tăng huyết áp")))
    for number in (1, 2, 3):
        kept = keep(HERE, part10(SOPInstanceUID=f"1.2.3.4.1.{number}", InstanceNumber=number))
        assert kept.state == "stored", kept
    record_studies([STUDY])
    return person


@pytest.fixture
def doctor(cast: dict[str, Account], by_relation: None) -> Asker:
    """The doctor who asks."""
    return asker_of(cast["doctor"])


@pytest.fixture
def far(cast: object, by_relation: None) -> Asker:
    """A reader of the other facility."""
    return reader("Far", THERE)


def question(text: str = "Có xuất huyết không?", account: str = "", hours: float = 4, **more: object) -> Question:
    """A question to the other facility."""
    told = {"facility": THERE} | more
    return Question(text, str(told["facility"]), account, datetime.now(UTC) + timedelta(hours=hours))


As = Callable[[str], object]
