"""No log and no console holds what pictures tell of people, whatever they hold."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from tuetinh.care.imaging import quiet
from tuetinh.care.imaging.dimse import storing
from tuetinh.care.imaging.dimse.peers import Peer
from tuetinh.care.imaging.models import Device
from tuetinh.care.imaging.tests.conftest import FACILITY, part10
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import Arriving
from tuetinh.record.steps import enter

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# What a process of the node does with a picture whose elements break the rules of their VR.
PROGRAM = """
import sys
from io import BytesIO
import django
django.setup()
from pydicom import Dataset, dcmread
from pynetdicom.dsutils import decode, encode
from tuetinh.care.imaging.archive import reading, syntaxes
from tuetinh.care.imaging.dicomweb import metadata
from tuetinh.care.imaging.dimse import finding, service
data = sys.stdin.buffer.read()
head = reading.read(BytesIO(data))
for level in ("STUDY", "SERIES", "IMAGE"):
    head.attributes(level)
dataset = dcmread(BytesIO(data))
syntaxes.explicit(dataset)
told = metadata.as_json(dataset, "")
asked = Dataset()
asked.QueryRetrieveLevel, asked.PatientBirthDate, asked.PatientName = "STUDY", "secret-person", "Secret-Person"
wanted = finding.wanted(asked)
encode(finding.identifier(told, asked, "TUETINH"), True, True)
"""


def test_no_warning_of_a_value_reaches_the_console() -> None:
    data = part10(PatientBirthDate="secret-p", PatientID="secret-person", AccessionNumber="secret-person" + "x" * 9)
    done = subprocess.run(
        [sys.executable, "-W", "default::UserWarning", "-c", PROGRAM],
        input=data.replace(b"ISO_IR 192", b"ISO_IR 999"),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.decode()) == (0, b"", "")


def test_an_error_of_a_library_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    quiet.keep_quiet()
    value = "secret-person"
    try:
        float(value)
    except ValueError as error:
        logging.getLogger("pynetdicom.service_class").exception(error)
    logging.getLogger("pydicom").warning("Invalid value: %s", value)
    [record] = caplog.records
    assert record.getMessage().startswith("imaging: an error at pynetdicom.service_class:")
    assert "ValueError" in record.getMessage()
    assert value not in caplog.text


@pytest.mark.django_db
def test_what_cannot_be_kept_is_told_without_its_words(person: r4.Patient, caplog: pytest.LogCaptureFixture) -> None:
    """PostgreSQL's errors tell the whole row that they refuse."""
    enter(SYSTEM).execute("ALTER TABLE imaging_study ADD CHECK (patient_id <> 'BN000017')")
    device = Device(title="CT1", facility=FACILITY, stores=True)
    peer = Peer("CT1", "127.0.0.1", device, SYSTEM)
    with Arriving() as arriving:
        arriving.write(part10())
        assert storing.store(peer, lambda: arriving) == (storing.PROCESSING_FAILURE, "")
    assert "imaging: an object could not be kept: CheckViolation" in caplog.text
    assert [word for word in ("BN000017", "Nguyễn", "nguyen") if word in caplog.text] == []
