"""Storage Commitment."""

from __future__ import annotations

import time

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from tuetinh.care.imaging.dimse.tests.calling import call, send
from tuetinh.care.imaging.models import Commitment, Device
from tuetinh.care.imaging.tests.conftest import part10

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


def test_what_is_kept_is_committed(port: int, machine: Device) -> None:
    send(port, part10(SOPInstanceUID="1.2.3.4.1.1"))
    told: list[tuple[int, Dataset]] = []

    def hear(event: evt.Event) -> tuple[int, None]:
        told.append((event.event_type, event.event_information))
        return 0, None

    ae = AE("CT1")
    ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, hear)])
    Device.objects.filter(pk=machine.pk).update(host="127.0.0.1", port=server.socket.getsockname()[1])
    asked = Dataset()
    asked.TransactionUID = "1.9"
    asked.ReferencedSOPSequence = []
    for uid in ("1.2.3.4.1.1", "1.2.3.4.1.2"):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, uid
        asked.ReferencedSOPSequence.append(item)
    association = call(port, StorageCommitmentPushModel)
    status, _ = association.send_n_action(asked, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
    association.release()
    assert status.Status == 0
    for _ in range(100):
        if Commitment.objects.filter(sent_at__isnull=False).exists():
            break
        time.sleep(0.05)
    server.shutdown()
    assert len(told) == 1
    event, information = told[0]
    assert event == 2
    assert [one.ReferencedSOPInstanceUID for one in information.ReferencedSOPSequence] == ["1.2.3.4.1.1"]
    assert [(one.ReferencedSOPInstanceUID, one.FailureReason) for one in information.FailedSOPSequence] == [
        ("1.2.3.4.1.2", 0x0112)
    ]
