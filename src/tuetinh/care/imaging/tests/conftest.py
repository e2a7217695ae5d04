"""Objects and people for the tests of imaging."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from psycopg_pool import AsyncConnectionPool
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tuetinh.care.imaging.archive import keeping, recording
from tuetinh.care.imaging.archive.keeping import Source
from tuetinh.care.imaging.dicomweb.door import DicomDoor
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity.api import human_name
from tuetinh.commons.identity.facts import number
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.tests.door_world import url

FACILITY = "12104"
HERE = Source(FACILITY, "AE TEST")
CT = "1.2.840.10008.5.1.4.1.1.2"
Make = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _remember_nothing() -> None:
    """A process remembers series and studies, of which a test's database knows nothing."""
    keeping._known.clear()
    recording._told.clear()


@pytest.fixture
def person(cast: object) -> r4.Patient:
    """A patient with a record number of the facility of the cast."""
    return record.create(
        SYSTEM,
        r4.Patient(
            name=[human_name("Nguyễn Văn Ánh")],
            gender="male",
            birthDate="1980-02-29",
            identifier=[number("mrn", "BN000017", facility=FACILITY)],
        ),
    )


def part10(**changes: object) -> bytes:
    """A small CT image as a Part 10 file; `changes` are elements by keyword, None for one that is not there."""
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": CT,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.1",
        "StudyDate": "20261102",
        "StudyTime": "081500",
        "AccessionNumber": "",
        "Modality": "CT",
        "StudyID": "1",
        "StudyDescription": "CLVT sọ não",
        "ReferringPhysicianName": "Trần^Thị^Bình",
        "PatientName": "Nguyễn^Văn^Ánh",
        "PatientID": "BN000017",
        "PatientBirthDate": "19800229",
        "PatientSex": "M",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "Rows": 4,
        "Columns": 4,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": bytes(range(32)),
    } | changes
    dataset = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = str(values["SOPInstanceUID"] or "")
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


class Web:
    """The DICOMweb door on a socket; `url` is its base, and `Authorization: Bearer NAME` one of `CAST`."""

    def __init__(self, askers: dict[str, Asker]) -> None:
        self.askers = askers
        self.url = ""
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with a door that lives on this event loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._pool: Any = AsyncConnectionPool(url(), open=False, min_size=1, kwargs={"autocommit": True})
            await self._pool.open()
            self._door = DicomDoor(self._pool, self._who)
        await self._door(scope, receive, send)

    async def _who(self, scope: Any) -> Asker | None:
        told = dict(scope["headers"]).get(b"authorization", b"").decode()
        return self.askers.get(told.removeprefix("Bearer "))

    def close(self) -> None:
        """Leave the database."""

        async def leave() -> None:
            await self._door.close()
            await self._pool.close()

        if self._loop:
            asyncio.run_coroutine_threadsafe(leave(), self._loop).result(10)

    def get(self, path: str, accept: str = "*/*", who: str = "imaging", **headers: str) -> httpx.Response:
        """GET a path below `/dicom-web`."""
        told = {"Authorization": f"Bearer {who}", "Accept": accept, **headers}
        return httpx.get(f"{self.url}{path}", headers=told, timeout=30)

    def post(self, data: bytes, kind: str, path: str = "/studies", who: str = "system") -> httpx.Response:
        """POST a body below `/dicom-web`."""
        told = {"Authorization": f"Bearer {who}", "Content-Type": kind}
        return httpx.post(f"{self.url}{path}", content=data, headers=told, timeout=30)

    def store(self, *files: bytes, path: str = "/studies", who: str = "system") -> httpx.Response:
        """Store files as STOW-RS does."""
        body = b"".join(b"\r\n--x\r\nContent-Type: application/dicom\r\n\r\n" + data for data in files)
        kind = 'multipart/related; type="application/dicom"; boundary=x'
        return self.post(body.removeprefix(b"\r\n") + b"\r\n--x--\r\n", kind, path, who)


@pytest.fixture
def web(person: r4.Patient, cast: dict[str, Account], over_a_socket: Callable[..., str]) -> Iterator[Web]:
    """The door, as the imaging desk, the outsider, a system of the facility, and people elsewhere call it."""
    askers = {name: asker_of(cast[name]) for name in ("imaging", "outsider", "official", "citizen")}
    elsewhere = Account(role="imaging", facility="12001", practitioner="x")
    askers["elsewhere"] = asker_of(elsewhere)
    scopes = frozenset({"system/*.cruds"})
    askers["system"] = Asker("client:1", "system", FACILITY, scopes=scopes, client="1", sight=EVERYTHING)
    askers["reader"] = Asker(
        "client:2", "system", FACILITY, scopes=frozenset({"system/ImagingStudy.rs"}), client="2", sight=EVERYTHING
    )
    askers["tasks"] = Asker("client:3", "system", FACILITY, scopes=frozenset({"system/Task.cruds"}), client="3")
    door = Web(askers)
    door.url = over_a_socket(door) + "/dicom-web"
    yield door
    door.close()
