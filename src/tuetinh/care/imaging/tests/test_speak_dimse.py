"""The archive over DIMSE, as a machine and a workstation meet it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from queue import Queue
from typing import Any

import psycopg
import pytest
from django.db import connection
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_GET_RSP, C_MOVE_RSP, C_STORE_RQ, C_STORE_RSP  # type: ignore[attr-defined]
from pynetdicom.dimse_primitives import C_ECHO, C_GET, C_MOVE, C_STORE
from pynetdicom.dsutils import create_file_meta, encode, encode_file_meta
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from tuetinh.care.imaging import grouped
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.archive.workers import Workers
from tuetinh.care.imaging.dimse import commands, finding, giving, listening, receiving, working
from tuetinh.care.imaging.dimse.service import Entity
from tuetinh.care.imaging.errors import NoDevice, NotAllowed, NoUpstream
from tuetinh.care.imaging.models import Commitment, Device, Exam, Held, Instance, Sending, Step
from tuetinh.care.imaging.reading import work
from tuetinh.care.imaging.reading.work import Typed
from tuetinh.care.imaging.remote import sending
from tuetinh.care.imaging.tests.conftest import FACILITY, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.care.imaging.viewer.queries import looks
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity.api import human_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


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


def call(port: int, *classes: str, title: str = "CT1", **options: Any) -> Association:
    """An association with the archive."""
    ae = AE(title)
    for one in classes:
        ae.add_requested_context(one, [ExplicitVRLittleEndian] if one == CTImageStorage else None)
    return ae.associate("127.0.0.1", port, ae_title="TUETINH", **options)


def send(port: int, *files: bytes) -> list[int]:
    """Store files; the statuses."""
    association = call(port, CTImageStorage)
    assert association.is_established
    statuses = [association.send_c_store(dcmread(BytesIO(data))).Status for data in files]
    association.release()
    return statuses


def find(port: int, model: str = StudyRootQueryRetrieveInformationModelFind, **keys: Any) -> list[Dataset]:
    """The answers to a query."""
    asked = Dataset()
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    association = call(port, model)
    found = [answer for status, answer in association.send_c_find(asked, model) if status.Status == 0xFF00]
    association.release()
    return [one for one in found if one is not None]


def test_echo(port: int) -> None:
    association = call(port, Verification)
    assert association.send_c_echo().Status == 0
    association.release()


def test_who_is_not_known_may_not_call(port: int) -> None:
    assert not call(port, Verification, title="STRANGER").is_established
    Device.objects.filter(title="CT1").update(address="10.0.0.1")
    assert not call(port, Verification).is_established
    assert call(port, Verification, title="CT1").is_rejected


def test_a_machine_that_may_only_store_finds_nothing(port: int) -> None:
    Device.objects.update(finds=False, works=False)
    send(port, part10())
    assert find(port, QueryRetrieveLevel="STUDY", StudyInstanceUID="") == []
    assert find(port, ModalityWorklistInformationFind, PatientName="") == []


def test_one_that_may_not_store_leaves_nothing(port: int) -> None:
    Device.objects.update(stores=False)
    assert send(port, part10()) == [0x0124]
    enter(SYSTEM)
    assert (Instance.objects.count(), Held.objects.count()) == (0, 0)


def test_the_header_of_a_file_is_the_librarys_own() -> None:
    uids = CTImageStorage, "1.2.3.4.1", ExplicitVRLittleEndian
    made = create_file_meta(**dict(zip(("sop_class_uid", "sop_instance_uid", "transfer_syntax"), uids, strict=True)))
    assert receiving.file_meta(*uids) == encode_file_meta(made)


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    limit = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_plain_answers_are_the_librarys_own() -> None:
    stored, moved, given = C_STORE(), C_MOVE(), C_GET()
    stored.AffectedSOPInstanceUID = "1.2.3.45"
    for answer in (stored, moved, given):
        answer.MessageIDBeingRespondedTo, answer.Status, answer.AffectedSOPClassUID = 7, 0xFF00, CTImageStorage
    moved.NumberOfRemainingSuboperations, moved.NumberOfFailedSuboperations = 3, 0
    given.NumberOfCompletedSuboperations = given.NumberOfWarningSuboperations = 65535
    for answer, message in ((stored, C_STORE_RSP()), (moved, C_MOVE_RSP()), (given, C_GET_RSP())):
        message.primitive_to_message(answer)
        assert commands.answering(answer) == encode(message.command_set, True, True)
    assert commands.stored(commands.Asked(7, CTImageStorage, "1.2.3.45"), 0xFF00) == commands.answering(stored)
    moved.Identifier, stored.ErrorComment = BytesIO(b"x"), "x"
    assert [commands.answering(one) for one in (stored, moved, C_ECHO())] == [None] * 3


def test_what_is_asked_of_others_is_the_librarys_own() -> None:
    request = C_STORE()
    request.MessageID, request.Priority = 7, 0
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, "1.2.3.45"
    for title, number in ((None, None), ("CT1", 0)):
        request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID = title, number
        message = C_STORE_RQ()
        message.primitive_to_message(request)
        message.command_set.CommandDataSetType = 1
        assert commands.asking(request) == encode(message.command_set, True, True)


def _encoded(**changes: Any) -> bytes:
    """The command set of a C-STORE-RQ as the library writes it."""
    request = C_STORE()
    request.MessageID, request.Priority = 7, 1
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, "1.2.3.45"
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    message.command_set.CommandDataSetType = 1
    for keyword, value in changes.items():
        setattr(message.command_set, keyword, value)
    return encode(message.command_set, True, True) or b""


def test_what_is_asked_of_storing_is_what_the_library_reads() -> None:
    asked = commands.asked(_encoded())
    assert asked
    assert asked == (7, CTImageStorage, "1.2.3.45")
    moved = {"MoveOriginatorApplicationEntityTitle": "CT1", "MoveOriginatorMessageID": 3}
    assert commands.asked(_encoded(**moved)) == asked
    nothing, other, bad = {"CommandDataSetType": 0x0101}, {"CommandField": 0x8001}, {"AffectedSOPInstanceUID": "1..2"}
    assert [commands.asked(_encoded(**changes)) for changes in (nothing, other, bad)] == [None] * 3
    assert {commands.asked(_encoded()[:end]) for end in range(len(_encoded()))} == {None}


def test_what_is_answered_to_storing_is_what_the_library_reads() -> None:
    told = commands.stored(commands.Asked(7, CTImageStorage, "1.2.3.45"), 0xA700)
    answer = commands.answered(told)
    assert answer
    assert (answer.MessageIDBeingRespondedTo, answer.Status, answer.is_valid_response) == (7, 0xA700, True)
    explained = C_STORE()
    explained.MessageIDBeingRespondedTo, explained.Status, explained.ErrorComment = 7, 0xA700, "full"
    message = C_STORE_RSP()
    message.primitive_to_message(explained)
    others = [_encoded(), encode(message.command_set, True, True) or b"", told[:-1], told[:30], b""]
    assert {commands.answered(one) for one in others} == {None}


def test_a_command_in_several_pieces_is_put_together(port: int) -> None:
    """By the library; and what comes with a whole command in one message is its data set."""
    association = call(port, CTImageStorage)
    context = association.accepted_contexts[0].context_id
    command = _encoded(AffectedSOPInstanceUID="1.2.3.4.1.9")
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


def test_store_and_find_at_every_level(port: int) -> None:
    second = part10(SeriesInstanceUID="1.2.3.4.2", SOPInstanceUID="1.2.3.4.2.1", SeriesNumber=2, InstanceNumber=7)
    assert send(port, part10(SOPInstanceUID="1.2.3.4.1.1"), second) == [0, 0]
    studies = find(
        port, QueryRetrieveLevel="STUDY", PatientName="", PatientID="BN000017", StudyInstanceUID="", StudyDate="",
        ModalitiesInStudy="", NumberOfStudyRelatedSeries="", NumberOfStudyRelatedInstances="", StudyDescription="",
    )  # fmt: skip
    assert len(studies) == 1
    (study,) = studies
    assert (str(study.PatientName), study.StudyDate, study.ModalitiesInStudy) == ("Nguyễn^Văn^Ánh", "20261102", "CT")
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (2, 2)
    assert (study.RetrieveAETitle, study.SpecificCharacterSet) == ("TUETINH", "ISO_IR 192")
    series = find(port, QueryRetrieveLevel="SERIES", StudyInstanceUID="1.2.3.4", SeriesNumber="", Modality="CT")
    assert [one.SeriesNumber for one in series] == [1, 2]
    images = find(port, QueryRetrieveLevel="IMAGE", SeriesInstanceUID="1.2.3.4.2", SOPInstanceUID="", InstanceNumber="")
    assert [(one.SOPInstanceUID, one.InstanceNumber) for one in images] == [("1.2.3.4.2.1", 7)]
    people = find(
        port, PatientRootQueryRetrieveInformationModelFind, QueryRetrieveLevel="PATIENT", PatientName="nguyen*",
        PatientID="",
    )  # fmt: skip
    assert [one.PatientID for one in people] == ["BN000017"]


MATCHES: list[tuple[dict[str, Any], int]] = [
    ({"PatientName": "Nguyễn*"}, 1),
    ({"PatientName": "NGUYEN^VAN^ANH"}, 1),
    ({"PatientName": "*anh"}, 1),
    ({"PatientName": "Tran*"}, 0),
    ({"StudyDate": "20261101-20261103"}, 1),
    ({"StudyDate": "20261103-"}, 0),
    ({"StudyDate": "-20261102"}, 1),
    ({"StudyTime": "08"}, 1),
    ({"StudyTime": "0816-"}, 0),
    ({"StudyInstanceUID": ["1.2.3.4", "9.9"]}, 1),
    ({"StudyInstanceUID": "9.9"}, 0),
    ({"ModalitiesInStudy": "MR"}, 0),
    ({"ModalitiesInStudy": ["MR", "CT"]}, 1),
    ({"StudyDescription": "*não"}, 1),
    ({"StudyDescription": "CLVT s? não"}, 1),
    ({"StudyDescription": "%"}, 0),
    ({"ReferringPhysicianName": "tran thi*"}, 1),
    ({"PatientSex": "F"}, 0),
    ({"AccessionNumber": "1"}, 0),
]


def test_matching(port: int) -> None:
    send(port, part10())
    usual = {"QueryRetrieveLevel": "STUDY", "SpecificCharacterSet": "ISO_IR 192"}
    assert [(keys, len(find(port, **usual, **keys))) for keys, _ in MATCHES] == MATCHES


def test_matching_within_sequences(port: int) -> None:
    step = Dataset()
    step.ScheduledProcedureStepID, step.RequestedProcedureID = "P1", "R1"
    send(port, part10(RequestAttributesSequence=[step]))
    for wanted, count in (("P1", 1), ("P*", 1), ("P2", 0), ("", 1)):
        asked = Dataset()
        asked.ScheduledProcedureStepID, asked.RequestedProcedureID = wanted, ""
        found = find(port, QueryRetrieveLevel="SERIES", SeriesInstanceUID="", RequestAttributesSequence=[asked])
        assert len(found) == count, wanted
        assert [one.RequestAttributesSequence[0].RequestedProcedureID for one in found] == ["R1"] * count


@pytest.mark.parametrize(("most", "statuses"), [(3, [0xFF00, 0xFF00, 0xFF00, 0]), (2, [0xFF00, 0xFF01, 0])])
def test_who_searches_is_told_of_more(
    port: int, monkeypatch: pytest.MonkeyPatch, most: int, statuses: list[int]
) -> None:
    monkeypatch.setattr(finding, "MOST", most)
    send(port, *(part10(InstanceNumber=number) for number in (1, 2, 3)))
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.SOPInstanceUID = "IMAGE", ""
    association = call(port, StudyRootQueryRetrieveInformationModelFind)
    told = [status for status, _ in association.send_c_find(asked, StudyRootQueryRetrieveInformationModelFind)]
    association.release()
    assert [one.Status for one in told] == statuses


def test_a_machine_is_told_of_more_work(port: int, person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    order(person)
    order(person, "Chụp Xquang ngực thẳng")
    monkeypatch.setattr(working, "MOST", 1)
    association = call(port, ModalityWorklistInformationFind)
    asked = Dataset()
    asked.PatientName = ""
    told = [status.Status for status, _ in association.send_c_find(asked, ModalityWorklistInformationFind)]
    association.release()
    assert told == [0xFF01, 0]


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


def test_an_order_is_worked_off(port: int, person: r4.Patient) -> None:
    wanted = order(person)
    exam = Exam.objects.get(order=wanted.id)
    assert (exam.modality, exam.patient, exam.facility, len(exam.accession_number)) == ("CT", person.id, FACILITY, 12)
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle, step.ScheduledProcedureStepStartDate = "CT", "CT1", "20261102"
    steps = [step]
    items = find(
        port, ModalityWorklistInformationFind, PatientName="nguyen*", PatientID="", ScheduledProcedureStepSequence=steps
    )
    assert len(items) == 1
    (item,) = items
    assert (item.PatientID, item.AccessionNumber, item.StudyInstanceUID) == (
        "BN000017", exam.accession_number, exam.study_instance_uid,
    )  # fmt: skip
    assert (str(item.PatientName), item.PatientBirthDate, item.PatientSex) == ("Nguyễn^Văn Ánh", "19800229", "M")
    step.Modality = "MR"
    assert find(port, ModalityWorklistInformationFind, ScheduledProcedureStepSequence=[step]) == []

    association = call(port, ModalityPerformedProcedureStep)
    told = Dataset()
    told.PerformedProcedureStepStatus = "IN PROGRESS"
    scheduled = Dataset()
    scheduled.StudyInstanceUID, scheduled.AccessionNumber = exam.study_instance_uid, exam.accession_number
    told.ScheduledStepAttributesSequence = [scheduled]
    kind = ModalityPerformedProcedureStep
    assert association.send_n_create(told, kind, "1.7")[0].Status == 0
    exam.refresh_from_db()
    assert exam.stage == "started"
    assert association.send_n_create(told, kind, "1.7")[0].Status == 0x0111
    done = Dataset()
    done.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_set(done, kind, "1.8")[0].Status == 0x0112
    assert association.send_n_set(done, kind, "1.7")[0].Status == 0
    assert association.send_n_set(done, kind, "1.7")[0].Status == 0x0110
    association.release()
    exam.refresh_from_db()
    assert (exam.stage, Step.objects.get().status) == ("done", "COMPLETED")
    stored = record.read(SYSTEM, "ServiceRequest", str(wanted.id))
    assert isinstance(stored, r4.ServiceRequest)
    assert stored.status == "completed"

    send(port, part10(StudyInstanceUID=exam.study_instance_uid, AccessionNumber=exam.accession_number))
    enter(SYSTEM)
    study = Instance.objects.select_related("study").get().study
    assert (study.order, study.patient) == (wanted.id, person.id)


def test_machines_are_told_who_asks_and_why(port: int, person: r4.Patient) -> None:
    doctor = record.create(SYSTEM, r4.Practitioner(name=[human_name("Vàng A Sử")]))
    wanted = order(person)
    wanted.requester = record.ref(doctor)
    record.update(SYSTEM, wanted)
    (item,) = find(port, ModalityWorklistInformationFind, PatientName="", RequestingPhysician="")
    assert (str(item.RequestingPhysician), str(item.ReferringPhysicianName)) == ("Vàng^A Sử", "Vàng^A Sử")
    assert item.ReasonForTheRequestedProcedure == "Đau đầu sau ngã, loại trừ xuất huyết"


def test_one_step_works_off_several_orders(port: int, person: r4.Patient) -> None:
    orders = [order(person), order(person, "Chụp CLVT lồng ngực")]
    told = Dataset()
    told.PerformedProcedureStepStatus = "IN PROGRESS"
    told.ScheduledStepAttributesSequence = [Dataset(), Dataset()]
    for item, one in zip(told.ScheduledStepAttributesSequence, orders, strict=True):
        item.StudyInstanceUID = "1.2.3.4"  # of both together
        item.AccessionNumber = Exam.objects.get(order=one.id).accession_number
    association = call(port, ModalityPerformedProcedureStep)
    assert association.send_n_create(told, ModalityPerformedProcedureStep, "1.7")[0].Status == 0
    assert set(Exam.objects.values_list("stage", flat=True)) == {"started"}
    done = Dataset()
    done.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_set(done, ModalityPerformedProcedureStep, "1.7")[0].Status == 0
    association.release()
    assert set(Exam.objects.values_list("stage", flat=True)) == {"done"}
    assert {record.read(SYSTEM, "ServiceRequest", str(one.id)).status for one in orders} == {"completed"}


def _in_one_step(port: int, person: r4.Patient, uid: str) -> list[Exam]:
    """Two orders that a machine makes in one step, whose pictures it gives a UID of its own."""
    orders = [order(person), order(person, "Chụp CLVT lồng ngực")]
    exams = [Exam.objects.get(order=one.id) for one in orders]
    told = Dataset()
    told.PerformedProcedureStepStatus = "IN PROGRESS"
    told.ScheduledStepAttributesSequence = [Dataset(), Dataset()]
    for item, exam in zip(told.ScheduledStepAttributesSequence, exams, strict=True):
        item.StudyInstanceUID, item.AccessionNumber = uid, exam.accession_number
    association = call(port, ModalityPerformedProcedureStep)
    assert association.send_n_create(told, ModalityPerformedProcedureStep, "1.7")[0].Status == 0
    association.release()
    return exams


def _recorded() -> r4.ImagingStudy:
    """The one study of the record, which the listener may still be writing."""
    until = time.monotonic() + 10
    while not (found := record.search(SYSTEM, "ImagingStudy", "_count=5").resources) and time.monotonic() < until:
        time.sleep(0.05)
    [study] = found
    assert isinstance(study, r4.ImagingStudy)
    return study


@pytest.mark.parametrize("pictures_first", [False, True])
def test_pictures_of_one_step_are_of_each_of_its_orders(
    port: int, person: r4.Patient, cast: dict[str, Account], *, pictures_first: bool
) -> None:
    if pictures_first:
        send(port, part10())
        record_studies(["1.2.3.4"])
    first, second = exams = _in_one_step(port, person, "1.2.3.4")
    if pictures_first:
        record_studies(["1.2.3.4"])
    else:
        send(port, part10())  # without an accession number: it is of several
        record_studies(["1.2.3.4"])
    orders = [exam.order for exam in exams]
    me = asker_of(cast["imaging"])
    assert {order: look.studies for order, look in looks(me, orders).items()} == dict.fromkeys(orders, ("1.2.3.4",))
    study = _recorded()
    assert {one.reference for one in study.basedOn or []} == {f"ServiceRequest/{one}" for one in orders}

    work.sign(me, first.pk, Typed("Không thấy tổn thương.", "Bình thường."), also=[second.pk])
    for exam in exams:
        exam.refresh_from_db()
        report = record.read(SYSTEM, "DiagnosticReport", f"img-{exam.accession_number}")
        assert isinstance(report, r4.DiagnosticReport)
        assert (exam.stage, report.status, report.conclusion) == ("reported", "final", "Bình thường.")
        assert [one.reference for one in report.basedOn or []] == [f"ServiceRequest/{exam.order}"]
        assert [one.reference for one in report.imagingStudy or []] == [f"ImagingStudy/{study.id}"]


def test_a_reading_is_that_of_another_order_only_if_that_is_said(
    port: int, person: r4.Patient, cast: dict[str, Account]
) -> None:
    first, second = _in_one_step(port, person, "1.2.3.4")
    alone = Exam.objects.get(order=order(person, "Chụp CLVT ổ bụng").id)
    work.sign(asker_of(cast["imaging"]), first.pk, Typed("Mô tả", "Kết luận"), also=[alone.pk])
    assert [Exam.objects.get(pk=one.pk).stage for one in (first, second, alone)] == ["reported", "started", "ordered"]


def test_a_step_that_was_broken_off_leaves_its_orders_apart(port: int, person: r4.Patient) -> None:
    exams = _in_one_step(port, person, "1.2.3.4")
    assert grouped.mates(exams[0]) == [exams[1]]
    broken_off = Dataset()
    broken_off.PerformedProcedureStepStatus = "DISCONTINUED"
    association = call(port, ModalityPerformedProcedureStep)
    assert association.send_n_set(broken_off, ModalityPerformedProcedureStep, "1.7")[0].Status == 0
    association.release()
    assert grouped.mates(exams[0]) == []
    assert set(Exam.objects.values_list("stage", flat=True)) == {"scheduled"}


def test_a_revoked_order_leaves_the_worklist(port: int, person: r4.Patient) -> None:
    wanted = order(person)
    wanted.status = "revoked"
    record.update(SYSTEM, wanted)
    assert Exam.objects.get().stage == "cancelled"
    assert find(port, ModalityWorklistInformationFind, PatientName="") == []


def test_who_says_nothing_is_not_answered() -> None:
    heard: Queue[socket.socket] = Queue()
    [listener] = listening.listen("127.0.0.1", 0, lambda connection, _: heard.put(connection))
    try:
        with socket.create_connection(listener.server_address) as caller:  # as who looks whether a port answers
            caller.shutdown(socket.SHUT_WR)
            assert caller.recv(1) == b""
        with socket.create_connection(listener.server_address) as caller:
            caller.sendall(b"\x01")
            with heard.get(timeout=20) as connection:
                assert connection.recv(1) == b"\x01"
        assert heard.empty()
    finally:
        listener.close()


def test_callers_are_spread_over_those_who_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HESITATION", 0.3)
    [shared] = listening.sockets("127.0.0.1", 0)
    monkeypatch.setenv(listening.SHARED, str(shared.fileno()))
    heard: Queue[tuple[int, socket.socket]] = Queue()
    both = [
        listening.listen("127.0.0.1", 0, lambda connection, _, one=one: heard.put((one, connection))) for one in (0, 1)
    ]
    calls: list[socket.socket] = []
    answered: list[tuple[int, socket.socket]] = []
    try:
        for _ in range(6):
            calls.append(socket.create_connection(shared.getsockname()))
            calls[-1].sendall(b"\x01")
            answered.append(heard.get(timeout=20))
        assert sorted(one for one, _ in answered) == [0, 0, 0, 1, 1, 1]
        busy = answered[0][0]
        for one, connection in answered:
            if one != busy:
                connection.close()  # so that it has less to do
        time.sleep(4 * listening.HESITATION)  # until nobody hesitates any more
        for _ in range(2):
            calls.append(socket.create_connection(shared.getsockname()))
            calls[-1].sendall(b"\x01")
            answered.append(heard.get(timeout=20))
        assert [one for one, _ in answered[6:]] == [1 - busy] * 2
    finally:
        for one in (*calls, *(connection for _, connection in answered), shared):
            one.close()
        for [listener] in both:
            listener.close()


@pytest.fixture
def worker() -> Iterator[Workers]:
    """A thread whose connection to the database is lost."""
    workers = Workers(1, "test")
    workers.run(ask, "SELECT 1")
    workers.run(_cut)
    yield workers
    workers.close()


def _cut() -> None:
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def test_a_connection_that_was_lost_is_made_anew(cast: object, worker: Workers) -> None:
    """Just now believed to be there, it fails who meets it first, and nobody after."""
    with pytest.raises(psycopg.OperationalError):
        worker.run(ask, "SELECT 1")
    assert worker.run(ask, "SELECT 1") == [(1,)]


def test_a_connection_that_was_lost_in_silence_is_made_anew(
    cast: object, monkeypatch: pytest.MonkeyPatch, worker: Workers
) -> None:
    monkeypatch.setattr("tuetinh.care.imaging.archive.workers.BELIEVED", 0.0)
    assert worker.run(ask, "SELECT 1") == [(1,)]
