"""Who may call, and who answers."""

from __future__ import annotations

import socket
import time
from queue import Queue

import pytest
from pynetdicom import pdu_items, pdu_primitives, presentation
from pynetdicom.sop_class import ModalityWorklistInformationFind, Verification  # type: ignore[attr-defined]

from tuetinh.care.imaging.dimse import listening
from tuetinh.care.imaging.dimse.tests.calling import call, find, send
from tuetinh.care.imaging.models import Device, Held, Instance
from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


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


def test_names_that_are_negotiated_are_checked_once() -> None:
    for module in (pdu_items, pdu_primitives, presentation):
        first, again = (module.set_uid(name, "name") for name in (Verification, str(Verification)))
        assert first is again
        for _ in range(2):
            with pytest.raises(ValueError, match="Invalid 'name' value"):
                module.set_uid("1.2." + "3" * 70, "name")
