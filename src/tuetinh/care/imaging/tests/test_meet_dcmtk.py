"""dcmtk stores into the archive, finds and fetches; and every file of the public set goes in and comes back."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tuetinh.care.imaging.dimse.service import Entity
from tuetinh.care.imaging.models import Device, Instance
from tuetinh.care.imaging.tests.conftest import Web, part10
from tuetinh.care.imaging.tests.test_speak_dimse import machine  # noqa: F401  (a fixture)
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

pytestmark = [
    pytest.mark.peer,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture
def port(machine: Device) -> Iterator[int]:  # noqa: F811
    """Where the archive listens."""
    if not shutil.which("storescu"):
        pytest.skip("dcmtk (Debian) is not on this machine")
    entity = Entity()
    yield entity.start("127.0.0.1", 0)
    entity.close()


def run(program: str, port: int, *arguments: str, cwd: Path | None = None) -> str:
    """What a program of dcmtk says."""
    command = [program, "-v", "-aet", "CT1", "-aec", "TUETINH", "127.0.0.1", str(port), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd=cwd, env=os.environ | {"TCP_NODELAY": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_echo_store_find_get(port: int, person: r4.Patient, tmp_path: Path) -> None:
    run("echoscu", port)
    (tmp_path / "one.dcm").write_bytes(part10(SOPInstanceUID="1.2.3.4.1.1"))
    run("storescu", port, str(tmp_path / "one.dcm"))
    told = run(
        "findscu", port, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=nguyen*", "-k", "StudyInstanceUID",
        "-k", "NumberOfStudyRelatedInstances",
    )  # fmt: skip
    assert "1.2.3.4" in told
    out = tmp_path / "out"
    out.mkdir()
    run("getscu", port, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3.4", "-od", str(out))
    [came] = list(out.iterdir())
    assert dcmread(came).PixelData == bytes(range(32))


def test_move_to_storescp(port: int, person: r4.Patient, tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(part10(SOPInstanceUID="1.2.3.4.1.1"))
    run("storescu", port, str(tmp_path / "one.dcm"))
    out = tmp_path / "out"
    out.mkdir()
    run_move(port, out)
    [came] = list(out.iterdir())
    assert dcmread(came).SOPInstanceUID == "1.2.3.4.1.1"


def run_move(port: int, out: Path) -> None:
    """Let movescu take the objects at a port of its own."""
    from tuetinh.node.tests.conftest import free_port

    own = free_port()
    Device.objects.filter(title="CT1").update(host="127.0.0.1", port=own)
    run(
        "movescu", port, "-S", "+P", str(own), "-aem", "CT1", "-k", "QueryRetrieveLevel=STUDY",
        "-k", "StudyInstanceUID=1.2.3.4", "-od", str(out),
    )  # fmt: skip


def files(shared: Path) -> list[tuple[dict[str, str], bytes]]:
    """The public set: rows of the manifest and their bytes, of those that lie here."""
    folder = shared / "data" / "dicom"
    with (folder / "MANIFEST.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(row, (folder / row["file"]).read_bytes()) for row in rows if (folder / row["file"]).is_file()]


def test_every_file_of_the_public_set_comes_back_as_it_went_in(web: Web, shared: Path) -> None:
    """By STOW-RS in, by WADO-RS out: byte by byte, and decoded with the same pixels."""
    told: dict[str, int] = {}
    for row, data in files(shared):
        answer = web.store(data)
        outcome = answer.json()
        failed = outcome.get("00081198", {}).get("Value", [])
        state = f"{failed[0]['00081197']['Value'][0]:04X}" if failed else "kept"
        told[state] = told.get(state, 0) + 1
        if failed:
            continue
        uid = outcome["00081199"]["Value"][0]["00081155"]["Value"][0]
        enter(SYSTEM)
        one = Instance.objects.select_related("study", "series").get(sop_instance_uid=uid)
        url = f"/studies/{one.study.study_instance_uid}/series/{one.series.series_instance_uid}/instances/{uid}"
        assert web.get(url, "application/dicom; transfer-syntax=*").content == data, row["file"]
        metadata = web.get(f"{url}/metadata").json()
        assert metadata[0]["00080018"]["Value"] == [uid]
        if row["pixels"].startswith("decoded"):
            plain = dcmread(BytesIO(web.get(url, "application/dicom").content))
            assert _pixels(plain) == _pixels(dcmread(BytesIO(data))), row["file"]
    assert told == {"kept": 177, "C000": 16, "0111": 45, "A900": 20}


def _pixels(dataset: object) -> str:
    found = dataset.pixel_array  # type: ignore[attr-defined]
    return hashlib.sha256(found.astype(found.dtype.newbyteorder("<")).tobytes()).hexdigest()


def test_every_file_of_the_public_set_by_dimse(port: int, shared: Path, tmp_path: Path, cast: object) -> None:
    from pynetdicom import AE

    told: dict[str, int] = {}
    for number, (row, data) in enumerate(files(shared)):
        if row["part10"] != "True" or not row["transfer_syntax"]:
            continue
        try:
            dataset = dcmread(BytesIO(data))
            ae = AE("CT1")
            ae.add_requested_context(dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.TransferSyntaxUID)
        except Exception:
            told["cannot be sent"] = told.get("cannot be sent", 0) + 1
            continue
        association = ae.associate("127.0.0.1", port, ae_title="TUETINH")
        if not association.is_established:
            told["refused"] = told.get("refused", 0) + 1
            continue
        try:
            state = f"{association.send_c_store(dataset, msg_id=number % 65535 + 1).Status:04X}"
        except Exception:  # pynetdicom cannot encode it
            state = "cannot be sent"
        association.release()
        told[state] = told.get(state, 0) + 1
    # refused: DICOMDIR, which is no storage class; what cannot be sent breaks in the client.
    assert told == {"0000": 220, "A900": 7, "C000": 1, "cannot be sent": 7, "refused": 8}
