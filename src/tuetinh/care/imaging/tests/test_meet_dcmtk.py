"""dcmtk stores into the archive, finds and fetches; and every file of the public set goes in and comes back."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove  # type: ignore[attr-defined]

from tuetinh.care.imaging.dimse.service import Entity
from tuetinh.care.imaging.dimse.tests.calling import call, until
from tuetinh.care.imaging.dimse.tests.conftest import machine  # noqa: F401  (a fixture)
from tuetinh.care.imaging.models import Device, Held, Instance, Series
from tuetinh.care.imaging.tests.conftest import FACILITY, Web, part10
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


@pytest.fixture
def port(machine: Device) -> Iterator[int]:  # noqa: F811
    """Where the archive listens."""
    if not shutil.which("storescu"):
        pytest.skip("dcmtk (Debian) is not on this machine")
    entity = Entity()
    yield entity.start("127.0.0.1", 0)
    entity.close()


AT_ONCE = os.environ | {"TCP_NODELAY": "1"}


def command_of(program: str, port: int, *arguments: str) -> list[str]:
    """A program of dcmtk that calls the archive as CT1."""
    return [program, "-v", "-aet", "CT1", "-aec", "TUETINH", "127.0.0.1", str(port), *arguments]


def run(program: str, port: int, *arguments: str) -> str:
    """What a program of dcmtk says."""
    command = command_of(program, port, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=AT_ONCE)
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
    own = free_port()
    Device.objects.filter(title="CT1").update(host="127.0.0.1", port=own)
    run(
        "movescu", port, "-S", "+P", str(own), "-aem", "CT1", "-k", "QueryRetrieveLevel=STUDY",
        "-k", "StudyInstanceUID=1.2.3.4", "-od", str(out),
    )  # fmt: skip


def test_several_machines_send_at_once(port: int, person: r4.Patient, tmp_path: Path) -> None:
    """Eight of them, each its own pictures and one that all have: each picture is kept once, and none is lost."""
    common, wanted = part10(SOPInstanceUID="1.2.3.4.1.1"), {"1.2.3.4.1.1"}
    commands = []
    for machine_number in range(8):
        folder = tmp_path / str(machine_number)
        folder.mkdir()
        (folder / "common.dcm").write_bytes(common)
        for number in range(5):
            uid = f"1.2.3.4.2.{machine_number}.{number}"
            wanted.add(uid)
            (folder / f"{number}.dcm").write_bytes(part10(SOPInstanceUID=uid, SeriesInstanceUID="1.2.3.4.2"))
        commands.append(command_of("storescu", port, "+sd", str(folder)))
    running = [subprocess.Popen(command, env=AT_ONCE, stdout=subprocess.DEVNULL) for command in commands]
    assert [one.wait(60) for one in running] == [0] * 8
    enter(SYSTEM)
    assert sorted(Instance.objects.values_list("sop_instance_uid", flat=True)) == sorted(wanted)
    assert (Series.objects.count(), Held.objects.count()) == (2, 0)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """An authority, and a key that it certifies, of the archive and machines alike."""
    made = {name: str(tmp_path / name) for name in ("ca.key", "ca.pem", "own.key", "own.csr", "own.pem")}
    new = ("-newkey", "rsa:2048", "-nodes", "-days", "1")
    for arguments in (
        ("req", "-x509", *new, "-subj", "/CN=authority", "-keyout", made["ca.key"], "-out", made["ca.pem"]),
        ("req", "-new", *new[:3], "-subj", "/CN=machine", "-keyout", made["own.key"], "-out", made["own.csr"]),
        ("x509", "-req", "-days", "1", "-in", made["own.csr"], "-CA", made["ca.pem"], "-CAkey", made["ca.key"],
         "-CAcreateserial", "-out", made["own.pem"]),
    ):  # fmt: skip
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    return made


@pytest.fixture
def secure_port(machine: Device, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:  # noqa: F811
    """Where the archive listens for machines that have a certificate."""
    port = free_port()
    for name, value in (("CERTIFICATE", "own.pem"), ("KEY", "own.key"), ("CA", "ca.pem")):
        monkeypatch.setenv(f"TUETINH_DICOM_{name}", keys[value])
    monkeypatch.setenv("TUETINH_DICOM_TLS_PORT", str(port))
    entity = Entity()
    entity.start("127.0.0.1", 0)
    yield port
    entity.close()


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def move_by_tls(port: int, out: Path, keys: dict[str, str]) -> None:
    """Let the archive send to a storescp, for movescu knows no TLS."""
    own = free_port()
    Device.objects.create(title="READER", facility=FACILITY, name="Máy đọc", host="127.0.0.1", port=own, tls=True)
    options = ("+tls", keys["own.key"], keys["own.pem"], "+cf", keys["ca.pem"], "-od", str(out))
    receiver = subprocess.Popen(["storescp", *options, str(own)], env=AT_ONCE, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(own))
        ask_for_move(port, keys)
    finally:
        receiver.terminate()
        receiver.wait(10)


def ask_for_move(port: int, keys: dict[str, str]) -> None:
    """Let the archive move the study to READER."""
    context = ssl.create_default_context(cafile=keys["ca.pem"])
    context.check_hostname = False
    context.load_cert_chain(keys["own.pem"], keys["own.key"])
    association = call(port, StudyRootQueryRetrieveInformationModelMove, tls_args=(context, None))
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", "1.2.3.4"
    statuses = association.send_c_move(asked, "READER", StudyRootQueryRetrieveInformationModelMove)
    assert [status.Status for status, _ in statuses][-1] == 0
    association.release()


def test_by_tls_with_certificates_only(secure_port: int, keys: dict[str, str], tmp_path: Path) -> None:
    Device.objects.update(tls=True)
    (tmp_path / "one.dcm").write_bytes(part10(SOPInstanceUID="1.2.3.4.1.1"))
    secure = ("+tls", keys["own.key"], keys["own.pem"], "+cf", keys["ca.pem"])
    run("echoscu", secure_port, *secure)
    run("storescu", secure_port, *secure, str(tmp_path / "one.dcm"))
    out = tmp_path / "out"
    out.mkdir()
    move_by_tls(secure_port, out, keys)
    assert [dcmread(came).PixelData for came in out.iterdir()] == [bytes(range(32))]
    for without in (("+tla", "+cf", keys["ca.pem"]), ()):
        refused = subprocess.run(command_of("echoscu", secure_port, *without), capture_output=True, check=False)
        assert refused.returncode != 0


def test_a_machine_of_tls_may_not_call_without(port: int) -> None:
    run("echoscu", port)
    Device.objects.update(tls=True)
    refused = subprocess.run(command_of("echoscu", port), capture_output=True, check=False)
    assert refused.returncode != 0


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
    assert told == {"kept": 177, "C000": 17, "0111": 44, "A900": 20}


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
