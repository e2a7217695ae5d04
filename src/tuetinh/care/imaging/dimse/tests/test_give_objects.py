"""Objects on their way out, over C-GET, C-MOVE and to the node above."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_primitives import C_ECHO
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from tuetinh.care.imaging.dimse import giving, receiving
from tuetinh.care.imaging.dimse.tests.calling import call, send
from tuetinh.care.imaging.errors import NoDevice, NotAllowed, NoUpstream
from tuetinh.care.imaging.models import Device, Instance, Sending
from tuetinh.care.imaging.remote import sending
from tuetinh.care.imaging.tests.conftest import FACILITY, part10
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


def get(port: int) -> tuple[list[Dataset], list[Dataset]]:
    """The objects of the study by C-GET, and what was answered."""
    came: list[Dataset] = []

    def take(event: evt.Event) -> int:
        came.append(event.dataset)
        return 0

    association = call(
        port, StudyRootQueryRetrieveInformationModelGet, CTImageStorage,
        ext_neg=[build_role(CTImageStorage, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, take)],
    )  # fmt: skip
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", "1.2.3.4"
    told = [status for status, _ in association.send_c_get(asked, StudyRootQueryRetrieveInformationModelGet)]
    association.release()
    return came, told


def test_objects_come_back_by_get(port: int) -> None:
    pixels = bytes(range(256)) * 4096
    send(port, part10(SOPInstanceUID="1.2.3.4.1.1", PixelData=pixels))
    came, told = get(port)
    assert told[-1].Status == 0
    assert [one.PixelData for one in came] == [pixels]


def test_what_cannot_be_asked_for_is_no_success(port: int) -> None:
    """Of who may not retrieve, and of a question that names nothing."""
    send(port, part10())
    named, nothing = Dataset(), Dataset()
    named.QueryRetrieveLevel = nothing.QueryRetrieveLevel = "STUDY"
    named.StudyInstanceUID, nothing.StudyInstanceUID = "1.2.3.4", ""

    def got(asked: Dataset) -> list[int]:
        association = call(
            port, StudyRootQueryRetrieveInformationModelGet, CTImageStorage,
            ext_neg=[build_role(CTImageStorage, scp_role=True)],
        )  # fmt: skip
        told = association.send_c_get(asked, StudyRootQueryRetrieveInformationModelGet)
        statuses = [status.Status for status, _ in told]
        association.release()
        return statuses

    association = call(port, StudyRootQueryRetrieveInformationModelMove)
    moved = association.send_c_move(nothing, "CT1", StudyRootQueryRetrieveInformationModelMove)
    assert [status.Status for status, _ in moved] == [0xA801]  # where it cannot be sent
    Device.objects.update(host="127.0.0.1", port=1)
    moved = association.send_c_move(nothing, "CT1", StudyRootQueryRetrieveInformationModelMove)
    assert [status.Status for status, _ in moved] == [0xC514]
    association.release()
    assert got(nothing) == [0xA900]
    Device.objects.update(retrieves=False)
    assert got(named) == [0x0124]


def test_an_answer_is_left_to_who_asked(port: int) -> None:
    """The loop of an association, which looks for messages all the time, may not yet have seen that it has to pause."""
    caller = giving.Caller("CT1")
    caller.add_requested_context(Verification)
    association = caller.associate("127.0.0.1", port, ae_title="TUETINH")
    answer = C_ECHO()
    association.dimse.msg_queue.put((1, answer))
    time.sleep(0.1)
    assert association.dimse.get_msg(block=True) == (1, answer)
    assert association.send_c_echo().Status == 0
    association.release()


def test_more_objects_come_than_can_be_counted(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving, "COUNTED", 2)
    send(port, *(part10(SOPInstanceUID=f"1.2.3.4.1.{n}", InstanceNumber=n) for n in range(1, 6)))
    came, told = get(port)
    assert [one.InstanceNumber for one in came] == [1, 2, 3, 4, 5]
    assert (told[-1].Status, told[-1].NumberOfCompletedSuboperations) == (0, 2)


@pytest.mark.parametrize(("each", "pending"), [(0.0, 4), (60.0, 1)])
def test_how_far_it_has_come_is_told_now_and_then(
    port: int, monkeypatch: pytest.MonkeyPatch, each: float, pending: int
) -> None:
    monkeypatch.setattr(receiving, "EACH", each)
    send(port, *(part10(SOPInstanceUID=f"1.2.3.4.1.{n}", InstanceNumber=n) for n in range(1, 5)))
    came, told = get(port)
    assert (len(came), [one.Status for one in told]) == (4, [0xFF00] * pending + [0])
    assert told[-1].NumberOfCompletedSuboperations == 4


def test_what_cannot_be_read_fails_and_the_rest_comes(port: int) -> None:
    send(port, *(part10(SOPInstanceUID=f"1.2.3.4.1.{n}", InstanceNumber=n) for n in (1, 2)))
    enter(SYSTEM)
    files.path_of(bytes(Instance.objects.get(sop_instance_uid="1.2.3.4.1.1").digest)).unlink()
    came, told = get(port)
    assert [one.InstanceNumber for one in came] == [2]
    assert (told[-1].Status, told[-1].NumberOfFailedSuboperations, told[-1].NumberOfCompletedSuboperations) == (
        0xB000, 1, 1,
    )  # fmt: skip


def test_objects_are_moved_to_a_known_machine_only(port: int) -> None:
    send(port, part10(SOPInstanceUID="1.2.3.4.1.1"))
    came: list[str] = []

    def take(event: evt.Event) -> int:
        came.append(event.dataset.SOPInstanceUID)
        return 0

    ae = AE("VIEWER")
    ae.add_supported_context(CTImageStorage)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", "1.2.3.4"
    model = StudyRootQueryRetrieveInformationModelMove
    association = call(port, model)
    unknown = [status.Status for status, _ in association.send_c_move(asked, "VIEWER", model)]
    Device.objects.create(
        title="VIEWER", facility=FACILITY, name="Máy đọc", host="127.0.0.1", port=server.socket.getsockname()[1]
    )
    known = [status.Status for status, _ in association.send_c_move(asked, "VIEWER", model)]
    association.release()
    server.shutdown()
    assert unknown == [0xA801]
    assert known[-1] == 0
    assert came == ["1.2.3.4.1.1"]


def test_a_study_is_sent_to_a_machine(port: int, cast: dict[str, Account]) -> None:
    """It goes on where the line broke; what the machine does not take is told."""
    send(port, *(part10(SOPInstanceUID=f"1.2.3.4.1.{n}", InstanceNumber=n) for n in (1, 2, 3)))
    came: list[str] = []
    answers = {"1.2.3.4.1.2": [0xA700, 0x0000], "1.2.3.4.1.3": [0xC001]}

    def take(event: evt.Event) -> int:
        came.append(event.dataset.SOPInstanceUID)
        return answers.get(came[-1], [0]).pop(0) if answers.get(came[-1]) else 0

    ae = AE("VIEWER")
    ae.add_supported_context(CTImageStorage)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    told = {"title": "VIEWER", "name": "Máy đọc", "host": "127.0.0.1", "port": server.socket.getsockname()[1]}
    device = Device.objects.create(facility=FACILITY, **told)
    elsewhere = Device.objects.create(facility="12001", **told | {"title": "FAR"})
    desk = asker_of(cast["imaging"])
    for who, where, error in (
        (desk, elsewhere.pk, NoDevice),
        (asker_of(cast["doctor"]), device.pk, NoDevice),
        (asker_of(cast["outsider"]), device.pk, NotAllowed),
        (desk, None, NoUpstream),
    ):
        with pytest.raises(error):
            sending.send(who, "1.2.3.4", where)
    assert Sending.objects.count() == 0
    sending.send(desk, "1.2.3.4", device.pk)
    assert sending.send_due() == 1
    assert (came, Sending.objects.get().fault) == (["1.2.3.4.1.1", "1.2.3.4.1.2"], "VIEWER: A700")
    Sending.objects.update(next_at=datetime.now(UTC))
    assert sending.send_due() == 2
    server.shutdown()
    assert came == [f"1.2.3.4.1.{n}" for n in (1, 2, 2, 3)]
    [line] = sending.lines(desk, [Sending.objects.get()])
    assert (line.sent, line.held, line.row.fault, line.row.done_at is None) == (3, 1, "", False)
    sending.send(desk, "1.2.3.4", device.pk)
    assert (sending.send_due(), Sending.objects.count()) == (0, 1)
