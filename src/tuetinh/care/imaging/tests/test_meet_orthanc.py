"""Orthanc, another archive, sends to us, asks us, fetches from us, and is sent to by us."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread, examples

from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.dimse.service import Entity
from tuetinh.care.imaging.models import Device, Exam, Instance
from tuetinh.care.imaging.tests.conftest import FACILITY, HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.node.tests.conftest import free_port
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

pytestmark = [
    pytest.mark.long,
    pytest.mark.peer,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc. port: where it listens for DICOM as ORTHANC; ours: where it looks for us."""

    web: httpx.Client
    port: int
    ours: int

    def post(self, path: str, body: object) -> Any:
        """What it answers to a wish, as JSON; bytes and text go as they are."""
        sent: dict[str, Any] = {"content": body} if isinstance(body, (bytes, str)) else {"json": body}
        answer = self.web.post(path, **sent)
        assert answer.is_success, answer.text
        return answer.json()

    def put_in(self, data: bytes) -> str:
        """Its id of an object that it is given."""
        return str(self.post("/instances", data)["ID"])

    def files(self) -> list[bytes]:
        """The objects that it has."""
        return [self.web.get(f"/instances/{one}/file").content for one in self.web.get("/instances").json()]

    def empty(self) -> None:
        """Let it forget everything."""
        for one in self.web.get("/patients").json():
            self.web.delete(f"/patients/{one}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Orthanc, for all tests of this file."""
    program = shutil.which("Orthanc")
    if not program:
        pytest.skip("Orthanc (Debian) is not on this machine")
    folder, web, port, ours = tmp_path_factory.mktemp("orthanc"), free_port(), free_port(), free_port()
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpPort": web,
        "DicomPort": port,
        "AuthenticationEnabled": False,
        "DicomModalities": {"tuetinh": ["TUETINH", "127.0.0.1", ours]},
        "SynchronousCMove": True,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{web}", timeout=30) as client:
            for _ in range(300):
                try:
                    client.get("/system")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield Orthanc(client, port, ours)
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
def orthanc(running: Orthanc, person: r4.Patient) -> Iterator[Orthanc]:
    """Orthanc, with nothing in it, and an archive of ours that knows it."""
    running.empty()
    Device.objects.create(
        title="ORTHANC", facility=FACILITY, name="Orthanc", host="127.0.0.1", port=running.port,
        finds=True, retrieves=True, works=True,
    )  # fmt: skip
    entity = Entity()
    entity.start("127.0.0.1", running.ours)
    yield running
    entity.close()


def test_it_sends_and_is_told_what_is_kept(orthanc: Orthanc) -> None:
    ids = [orthanc.put_in(part10(SOPInstanceUID=f"1.2.3.4.1.{number}", InstanceNumber=number)) for number in (1, 2, 3)]
    orthanc.post("/modalities/tuetinh/echo", {})
    sent = orthanc.post("/modalities/tuetinh/store", {"Resources": ids, "Synchronous": True})
    assert (sent["InstancesCount"], sent["FailedInstancesCount"]) == (3, 0)
    again = orthanc.post("/modalities/tuetinh/store", {"Resources": ids[:1], "Synchronous": True})
    assert again["FailedInstancesCount"] == 0
    enter(SYSTEM)
    found = Instance.objects.order_by("instance_number").values_list("sop_instance_uid", flat=True)
    assert list(found) == ["1.2.3.4.1.1", "1.2.3.4.1.2", "1.2.3.4.1.3"]

    asked = orthanc.post("/modalities/tuetinh/storage-commitment", {"Resources": ids})
    report = {"Status": "Pending"}
    for _ in range(100):
        if report["Status"] != "Pending":
            break
        time.sleep(0.05)
        report = orthanc.web.get(asked["Path"]).json()
    assert (report["Status"], len(report["Success"]), report["Failures"]) == ("Success", 3, [])


def test_it_asks_and_fetches(orthanc: Orthanc) -> None:
    """One study of plain pictures, and one that is compressed, which comes as it is."""
    compressed = Path(examples.get_path("jpeg2k")).read_bytes()
    ours = [part10(SOPInstanceUID="1.2.3.4.1.1"), part10(SOPInstanceUID="1.2.3.4.1.2", InstanceNumber=2), compressed]
    assert [keep(HERE, data).state for data in ours] == ["stored"] * 3
    asked = {"Level": "Study", "Query": {"PatientName": "nguyen*", "StudyDate": "20261101-"}}
    query = orthanc.post("/modalities/tuetinh/query", asked)["Path"]
    [study] = orthanc.web.get(f"{query}/answers?expand&simplify").json()
    assert (study["StudyInstanceUID"], study["PatientID"]) == ("1.2.3.4", "BN000017")

    query = orthanc.post("/modalities/tuetinh/query", {"Level": "Study", "Query": {"PatientID": ""}})["Path"]
    orthanc.post(f"{query}/retrieve", "ORTHANC")
    assert pictures(orthanc.files()) == pictures(ours)


def pictures(files: list[bytes]) -> dict[str, tuple[str, bytes]]:
    """Syntax and pixels of objects by their UID."""
    read = [dcmread(BytesIO(data)) for data in files]
    return {one.SOPInstanceUID: (one.file_meta.TransferSyntaxUID, one.PixelData) for one in read}


def test_it_sees_the_worklist(orthanc: Orthanc, person: r4.Patient) -> None:
    wanted = order(person)
    [item] = orthanc.post("/modalities/tuetinh/find-worklist", {"PatientID": "", "AccessionNumber": ""})
    assert (item["PatientID"], item["AccessionNumber"]) == (
        "BN000017", Exam.objects.get(order=wanted.id).accession_number,
    )  # fmt: skip
