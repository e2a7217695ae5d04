"""A station's pictures reach the province over a line that breaks, and from a process that is killed, each once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from django.db import connection

from tuetinh.care.imaging.archive import keeping
from tuetinh.care.imaging.archive.keeping import Source, keep
from tuetinh.care.imaging.models import Sending, SentObject
from tuetinh.care.imaging.remote import sending
from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.commons.access.api import asker_of
from tuetinh.node.tests.conftest import Province, token

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
    pytest.mark.long,
]
STUDY, COUNT, SIZE = "1.2.3.77", 12, 300_000


class Line:
    """A line to a node: it breaks after so many bytes, if it is told to, and counts what goes through."""

    def __init__(self, target: str) -> None:
        to = urlsplit(target)
        self._to = (str(to.hostname), int(to.port or 80))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.left = 10**12  # bytes until it breaks
        self.went = 0
        self.passed = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._socket.accept()
                there = socket.create_connection(self._to)
                self._open += [here, there]
                threading.Thread(target=self._pass, args=(here, there, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(there, here, False), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(16_384):
                if up:
                    self.went += len(piece)
                    self.left -= len(piece)
                    if self.left <= 0:
                        break
                    if self.left < SIZE:
                        self.passed.set()
                other.sendall(piece)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._socket.close()
        for one in self._open:
            one.close()


@pytest.fixture
def line(province: Province, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the province, which this node sends to."""
    made, client = Line(province.url), province.demo["client"]
    monkeypatch.setenv("TUETINH_UPSTREAM_URL", made.url)
    monkeypatch.setenv("TUETINH_UPSTREAM_CLIENT", client["id"])
    monkeypatch.setenv("TUETINH_UPSTREAM_SECRET", client["secret"])
    yield made
    made.close()


def there(node: Province, study: str) -> list[str]:
    """The objects of a study that a node has."""
    with httpx.Client(base_url=node.url, headers=token(node), timeout=20) as client:
        answer = client.get(f"/dicom-web/studies/{study}/instances", params={"limit": "1000"})
        return sorted(one["00080018"]["Value"][0] for one in answer.json()) if answer.status_code == 200 else []


def taken(study: str) -> list[str]:
    """Pictures of a study in the archive of this node, of `SIZE` bytes each."""
    keeping._known.clear()
    uids = [f"{study}.1.{number:02}" for number in range(1, COUNT + 1)]
    side = {"Rows": 300, "Columns": 500, "PixelData": os.urandom(SIZE)}
    for number, uid in enumerate(uids):
        told = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "PatientID": "TRAM-1"}
        kept = keep(Source("12104", "AE DX1"), part10(SOPInstanceUID=uid, InstanceNumber=number, **told, **side))
        assert kept.state == "stored"
    return uids


def database() -> str:
    """The address of the database of the test, for another process."""
    known = connection.settings_dict
    who = f"{quote(known['USER'])}:{quote(known['PASSWORD'] or '')}"
    port = f":{known['PORT']}" if known["PORT"] else ""
    return f"postgresql://{who}@localhost{port}/{known['NAME']}?host={quote(known['HOST'] or 'localhost', safe='')}"


def again() -> int:
    """Send what waits, as if its time had come."""
    Sending.objects.filter(done_at=None).update(next_at=datetime.now(UTC))
    return sending.send_due()


def test_a_broken_line_is_taken_up_where_it_broke(province: Province, line: Line, cast: Any) -> None:
    uids = taken(STUDY)
    sending.send(asker_of(cast["station"]), STUDY)
    line.left = 4 * SIZE + SIZE // 2
    assert sending.send_due() == 4
    row = Sending.objects.get()
    assert (row.tries, row.done_at) == (1, None)
    assert row.fault in ("ReadError", "WriteError", "RemoteProtocolError")
    assert row.next_at > datetime.now(UTC)
    assert sending.send_due() == 0  # its time has not come
    line.left = 10**12
    assert again() == COUNT - 4
    row.refresh_from_db()
    assert (row.tries, row.fault, row.done_at is not None) == (0, "", True)
    assert there(province, STUDY) == uids
    assert COUNT * SIZE < line.went < (COUNT + 1) * SIZE + 100_000  # at most one of them went twice
    assert again() == 0


def test_a_killed_process_is_taken_up_too(province: Province, line: Line, cast: Any) -> None:
    study = "1.2.3.78"
    uids = taken(study)
    sending.send(asker_of(cast["station"]), study)
    line.left = 6 * SIZE  # near there it is killed, before the line would break
    code = "import django; django.setup(); from tuetinh.care.imaging.remote.sending import send_due; send_due()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"TUETINH_DATABASE_URL": database()}, stderr=subprocess.DEVNULL
    )
    assert line.passed.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    sent = SentObject.objects.count()
    assert 4 <= sent <= 6
    line.left = 10**12
    assert again() == COUNT - sent
    assert there(province, study) == uids
    assert Sending.objects.get().done_at is not None


def test_a_node_above_that_refuses_is_told_on_the_page(line: Line, cast: Any, as_role: Callable[[str], Any]) -> None:
    taken("1.2.3.79")
    os.environ["TUETINH_UPSTREAM_SECRET"] = "wrong"  # the fixture takes it back
    browser = as_role("station")
    assert browser.post("/imaging/sending/new", {"studies": "1.2.3.79"}).status_code == 302
    assert sending.send_due() == 0
    shown = browser.get("/imaging/sending").content.decode()
    assert f"0 / {COUNT}" in shown and "/oauth/token: 401" in shown and "wrong" not in shown
    assert SentObject.objects.count() == 0


def test_without_a_node_above_nothing_is_sent(cast: Any, as_role: Callable[[str], Any], tmp_path: Path) -> None:
    taken("1.2.3.80")
    assert as_role("station").post("/imaging/sending/new", {"studies": "1.2.3.80"}).status_code == 302
    assert not Sending.objects.exists()
    assert sending.send_due() == 0
