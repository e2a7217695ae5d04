"""Objects on their way in, over C-STORE."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dimse_messages import C_STORE_RQ  # type: ignore[attr-defined]
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import create_file_meta, encode, encode_file_meta
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from tuetinh.care.imaging.dimse import receiving
from tuetinh.care.imaging.dimse.tests.calling import call, until
from tuetinh.care.imaging.dimse.tests.test_read_commands import encoded
from tuetinh.care.imaging.models import Held, Instance
from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


def test_the_header_of_a_file_is_the_librarys_own() -> None:
    uids = CTImageStorage, "1.2.3.4.1", ExplicitVRLittleEndian
    made = create_file_meta(**dict(zip(("sop_class_uid", "sop_instance_uid", "transfer_syntax"), uids, strict=True)))
    assert receiving.file_meta(*uids) == encode_file_meta(made)


def test_a_command_in_several_pieces_is_put_together(port: int) -> None:
    """By the library; and what comes with a whole command in one message is its data set."""
    association = call(port, CTImageStorage)
    context = association.accepted_contexts[0].context_id
    command = encoded(AffectedSOPInstanceUID="1.2.3.4.1.9")
    data = encode(dcmread(BytesIO(part10(SOPInstanceUID="1.2.3.4.1.9"))), False, True) or b""
    for pieces in (
        [b"\x01" + command[:30], b"\x03" + command[30:], b"\x00" + data[:99], b"\x02" + data[99:]],
        [b"\x03" + command, b"\x02" + data],
    ):
        part = P_DATA()
        part.presentation_data_value_list = [[context, piece] for piece in pieces]
        association._reactor_checkpoint.clear()
        until(lambda: association._is_paused)
        association.dul.send_pdu(part)
        _, answer = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
        assert (answer.Status, answer.MessageIDBeingRespondedTo) == (0, 7)
    association.release()
    enter(SYSTEM)
    assert Instance.objects.get().sop_instance_uid == "1.2.3.4.1.9"


def test_what_is_broken_off_leaves_nothing(port: int) -> None:
    association = call(port, CTImageStorage)
    dataset = dcmread(BytesIO(part10(PixelData=bytes(2**20))))
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, dataset.SOPInstanceUID
    request.DataSet = BytesIO(encode(dataset, False, True) or b"")
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    parts = list(message.encode_msg(association.accepted_contexts[0].context_id, 2**16))
    arriving = files.folder() / files.ARRIVING
    arriving.mkdir(parents=True, exist_ok=True)
    for part in parts[:-1]:
        association.dul.send_pdu(part)
    until(lambda: [one.stat().st_size > 2**19 for one in arriving.iterdir()] == [True])
    association.abort()
    until(lambda: not list(arriving.iterdir()))
    enter(SYSTEM)
    assert (Instance.objects.count(), Held.objects.count()) == (0, 0)
