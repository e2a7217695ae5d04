"""One of the processes that answer machines is killed: the others go on, another takes its place, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import CTImageStorage, Verification  # type: ignore[attr-defined]

from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.node.tests.conftest import Province, token

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning:pydicom"), pytest.mark.long]
SENDERS = 6
PLACE = {"StudyInstanceUID": "1.2.3.5", "SeriesInstanceUID": "1.2.3.5.1"}


def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until it holds."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.05)


class Listeners:
    """The processes of a node that answer machines, as the system sees them."""

    def __init__(self, node: Province) -> None:
        self.port = node.demo["ports"]["dicom"]
        self.first = psutil.Process(node.process.pid)

    def others(self) -> list[psutil.Process]:
        """Those beside the first one."""
        return [one for one in self.first.children() if "dicom" in one.cmdline()]

    def connections(self, process: psutil.Process) -> dict[int, str]:
        """The state of its connections with callers, by the port of the caller; 0 of the one that listens."""
        found = process.net_connections("tcp")
        return {one.raddr.port if one.raddr else 0: one.status for one in found if one.laddr.port == self.port}


class Sender:
    """A machine that stores one image after the other, and calls again when it is cut off."""

    def __init__(self, node: Province, number: int) -> None:
        self.kept: list[str] = []
        self.cut_off = 0
        self.port = 0
        self._node, self._number, self._stop = node, number, threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        while not self._stop.is_set():
            association = call(self._node, CTImageStorage)
            if not association.is_established:
                time.sleep(0.1)
                continue
            self.port = association.dul.socket.socket.getsockname()[1]
            while self._stored(association) and not self._stop.is_set():
                pass
            if association.is_established:
                association.release()
            self.cut_off += not self._stop.is_set()
            association.abort()

    def _stored(self, association: Association) -> bool:
        time.sleep(0.02)  # a thousand objects are told at once
        uid = f"1.2.3.5.1.{self._number}.{len(self.kept) + 1}"
        status = Dataset()
        with suppress(RuntimeError):  # the association is gone
            status = association.send_c_store(dcmread(BytesIO(part10(SOPInstanceUID=uid, **PLACE))))
        if stored := status.get("Status") == 0:
            self.kept.append(uid)
        return stored

    def end(self) -> None:
        """Stop after what is under way."""
        self._stop.set()
        self._thread.join(60)


def call(node: Province, sop_class: str) -> Association:
    """Call a node as a machine."""
    ae = AE("CT1")
    ae.add_requested_context(sop_class, ExplicitVRLittleEndian)
    ae.dimse_timeout = ae.network_timeout = 20
    return ae.associate("127.0.0.1", node.demo["ports"]["dicom"], ae_title=node.demo["ae_title"])


def answers(node: Province, listeners: Listeners, process: psutil.Process) -> bool:
    """Whether a process answers some of those who call at the same time."""
    called = [call(node, Verification) for _ in range(SENDERS)]
    assert [one.send_c_echo().Status for one in called] == [0] * SENDERS
    theirs = set(listeners.connections(process)) - {0}
    for one in called:
        one.release()
    return bool(theirs)


@contextmanager
def sending(node: Province) -> Iterator[list[Sender]]:
    """Machines that store until the block ends; they call one after the other."""
    senders: list[Sender] = []
    try:
        for number in range(1, SENDERS + 1):
            senders.append(Sender(node, number))
            until(lambda: senders[-1].kept)
        yield senders
    finally:
        for one in senders:
            one.end()


def test_the_others_go_on_and_another_takes_its_place(start: Callable[..., Any], built: Path) -> None:
    node = start(built, "--workers", "2", command="demo")
    listeners = Listeners(node)
    until(listeners.others)
    [killed] = listeners.others()
    until(lambda: answers(node, listeners, killed))
    with sending(node) as senders:
        until(lambda: all(len(one.kept) >= 5 for one in senders))
        theirs = listeners.connections(killed)
        met = [one for one in senders if one.port in theirs]
        spared = [one for one in senders if one not in met]
        assert met
        assert spared
        killed.kill()
        before = {one: len(one.kept) for one in senders}
        until(lambda: all(len(one.kept) >= before[one] + 20 for one in senders))
        until(lambda: listeners.others() not in ([], [killed]))
        assert ([one.cut_off for one in spared], [one.cut_off for one in met]) == ([0] * len(spared), [1] * len(met))

    [fresh] = listeners.others()
    until(lambda: answers(node, listeners, fresh))
    for process in (listeners.first, fresh):
        until(lambda process=process: listeners.connections(process) == {0: psutil.CONN_LISTEN})

    kept = {uid for one in senders for uid in one.kept}
    with httpx.Client(base_url=node.url, headers=token(node), timeout=20) as client:
        found = client.get("/dicom-web/studies/1.2.3.5/instances", params={"limit": "100000"}).json()
        assert {one["00080018"]["Value"][0] for one in found} >= kept
        for uid in [one.kept[-1] for one in senders]:
            answer = client.get(
                f"/dicom-web/studies/1.2.3.5/series/1.2.3.5.1/instances/{uid}/frames/1",
                headers={"accept": "application/octet-stream"},
            )
            assert (answer.status_code, answer.content) == (200, bytes(range(32)))
