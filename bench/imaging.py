"""The archive of pictures beside Orthanc, in one run, with the same files on the same disk: `python -m bench.imaging`.

Orthanc, its plug-in for DICOMweb, dcmtk and wrk are Debian's (`orthanc orthanc-dicomweb dcmtk wrk`). Orthanc keeps its
index in SQLite (`--postgresql`: in the server of the node) and syncs each file, as it does by itself. Senders and
receivers of pictures are dcmtk's with TCP_NODELAY, for Nagle's algorithm lets each message of theirs wait 40 ms. Case
by case both are asked in turn, each alone. The pictures are of somebody whom the node knows: here each study becomes an
ImagingStudy of the record, each reading an entry of the access log.

`--instances N` first fills both indexes with N objects more, whose files are not there; `--large MIB` sends one object
of so many frames and tells the memory that it took here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import numpy as np
import psutil
import psycopg
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MultiFrameTrueColorSecondaryCaptureImageStorage

from bench import load, machine
from bench.__main__ import postgres_version
from bench.node import Node, own_folder, running

PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
INDEX: Final = PLUGIN.with_name("libOrthancPostgreSQLIndex.so")
IMAGES, SIDE = 50, 512  # of a study; pixels of an image
ASSOCIATIONS: Final = (1, 4, 8)
CLIENTS: Final = (1, 8)
AT_ONCE: Final = os.environ | {"TCP_NODELAY": "1"}
ROOT: Final = "1.2.826.0.1.3680043.10.511."
STUDY, SERIES, INSTANCE = (f"{ROOT}{9 * 10**12 + number}" for number in range(3))  # placeholders
ACCESSION, NUMBER = f"B{STUDY[-12:]}", "9876"
PER_STUDY: Final = 100  # objects of a study that fills an index


@dataclass(frozen=True, slots=True)
class Server:
    """One of both. web: the base of its DICOMweb; proof: the header by which it is asked."""

    title: str
    port: int
    web: str
    proof: load.Header


@dataclass(frozen=True, slots=True)
class Picture:
    """An object that was made: its file and its UIDs."""

    path: Path
    study: str
    series: str
    uid: str


def main() -> int:
    """Measure and print a line for each case."""
    options = _options()
    with own_folder() as scratch:
        receiver = free_port()
        with (
            running(scratch / "node", 100, workers=options.workers) as node,
            _orthanc(scratch, receiver, scratch if options.postgresql else None) as peer,
        ):
            facts = machine.facts(scratch, postgres_version())
            print(*(f"{key:16} {value}" for key, value in facts.items()), sep="\n")
            print(f"\n{'':34}{'at once':>8}{'here':>11}{'Orthanc':>11}{'ratio':>8}", flush=True)
            _Bench(options, scratch, node, peer, receiver).run()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.imaging", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=400, help=f"of {SIDE}² in each run of storing (default 400)")
    parser.add_argument("--runs", type=int, default=3, help="of storing, of which the median counts (default 3)")
    parser.add_argument("--seconds", type=float, default=5, help="of each case of reading (default 5)")
    parser.add_argument("--instances", type=int, default=0, help="that fill the indexes before reading (default 0)")
    parser.add_argument("--large", type=int, default=0, metavar="MIB", help="size of one more object (default none)")
    parser.add_argument("--storing", action="store_true", help="measure storing only")
    parser.add_argument("--postgresql", action="store_true", help="let Orthanc keep its index in the node's PostgreSQL")
    parser.add_argument("--workers", type=int, help="web processes of the node (default: as suits the machine)")
    return parser.parse_args()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Orthanc:
    """Orthanc in a folder."""

    def __init__(self, folder: Path, receiver: int, database: str) -> None:
        """database: where it keeps its index, "" for SQLite."""
        folder.mkdir()
        self.index, self._settings, self._log = folder / "index", folder / "orthanc.json", folder / "log"
        self.server = Server("ORTHANC", free_port(), f"http://127.0.0.1:{free_port()}/dicom-web", ("X-Nobody", "1"))
        settings = {
            "StorageDirectory": str(folder),
            "IndexDirectory": str(folder),
            "HttpPort": urlsplit(self.server.web).port,
            "DicomPort": self.server.port,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": {"bench": ["BENCH", "127.0.0.1", receiver]},
            "Plugins": [str(PLUGIN), *([str(INDEX)] if database else [])],
        }
        if database:
            settings["PostgreSQL"] = {"EnableIndex": True, "EnableStorage": False, "ConnectionUri": database}
        self._settings.write_text(json.dumps(settings), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it until it answers."""
        program = shutil.which("Orthanc")
        if not program or not PLUGIN.exists():
            message = "Debian's orthanc and orthanc-dicomweb are not on this machine"
            raise RuntimeError(message)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([program, str(self._settings)], stdout=log, stderr=log, env=AT_ONCE)
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.server.web}/studies?limit=1", timeout=60).is_success:
                    return
            time.sleep(0.1)
        message = f"Orthanc did not start:\n{self._log.read_text(encoding='utf-8')[-2000:]}"
        raise RuntimeError(message)

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait(60)


@contextlib.contextmanager
def _orthanc(scratch: Path, receiver: int, index: Path | None = None) -> Iterator[_Orthanc]:
    """index: where the node lies whose PostgreSQL keeps the index."""
    database = ""
    if index:
        with psycopg.connect(f"postgresql://postgres@/postgres?host={index}/node/postgres", autocommit=True) as conn:
            conn.execute("CREATE DATABASE orthanc")
        database = f"postgresql://postgres@/orthanc?host={index}/node/postgres"
    peer = _Orthanc(scratch / "orthanc", receiver, database)
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()


class _Bench:
    """The cases, one after the other."""

    def __init__(self, options: argparse.Namespace, scratch: Path, node: Node, peer: _Orthanc, receiver: int) -> None:
        self.options, self.scratch, self.node, self.peer, self.receiver = options, scratch, node, peer, receiver
        known = json.loads((scratch / "node" / "demo.json").read_text(encoding="utf-8"))
        self.here = Server(known["ae_title"], known["ports"]["dicom"], f"{node.url}/dicom-web", node.bearer)
        self.database = psycopg.connect(f"postgresql://postgres@/tuetinh?host={scratch}/node/postgres", autocommit=True)
        self.made = 0
        self.template = self._template()

    def run(self) -> None:
        """All of them."""
        for associations in ASSOCIATIONS:
            self._compare("C-STORE, images/s", associations, self._stored(associations), "MB/s", self._megabytes())
        for clients in CLIENTS:
            self._compare("STOW-RS, images/s", clients, self._posted(clients))
        if not self.options.storing:
            self._read_all()
        if self.options.large:
            self._send_large()

    def _read_all(self) -> None:
        pictures = self._pictures(self.options.images)
        for server in (self.here, self.peer.server):
            _send(server, [pictures])
            self._check(server, pictures)
        if self.options.instances:
            self._fill(pictures[0])
        self._read(pictures)
        for associations in ASSOCIATIONS[:2]:
            self._compare("C-MOVE, images/s", associations, self._moved(pictures, associations))

    def _compare(self, case: str, at_once: int, both: tuple[float, float], unit: str = "", factor: float = 1.0) -> None:
        here, there = both
        print(f"{case:34}{at_once:>8}{here:>11,.1f}{there:>11,.1f}{here / there:>7.2f}×", flush=True)
        if unit:
            print(f"{'':26}{unit:<16}{here * factor:>11,.1f}{there * factor:>11,.1f}", flush=True)

    def _template(self) -> bytes:
        """An image of somebody whom the node knows, with placeholders for what differs."""
        people = httpx.get(f"{self.node.url}/fhir/Patient?_count=50", headers=dict([self.node.bearer]), timeout=60)
        person = next(one["resource"] for one in people.json()["entry"] if len(one["resource"]["birthDate"]) == 10)
        name = person["name"][0]
        said = name.get("text") or " ".join([*name.get("given", []), name.get("family", "")])
        image = _dataset(CTImageStorage, "CT")
        image.PatientID, image.PatientName = person["id"], said.replace(" ", "^", 1)
        image.PatientBirthDate = person["birthDate"].replace("-", "")
        noise = np.random.default_rng(1).normal(1024, 300, (SIDE, SIDE))
        image.Rows = image.Columns = SIDE
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.PixelData = np.clip(noise, 0, 4095).astype("<u2").tobytes()
        path = self.scratch / "template.dcm"
        image.save_as(path, enforce_file_format=True)
        return path.read_bytes()

    def _megabytes(self) -> float:
        return len(self.template) / 1e6

    def _pictures(self, count: int) -> list[Picture]:
        """New objects as files, in studies of `IMAGES`."""
        shutil.rmtree(self.scratch / "pictures", ignore_errors=True)
        (self.scratch / "pictures").mkdir()
        made: list[Picture] = []
        for number in range(count):
            if number % IMAGES == 0:
                study, series = self._uid(), self._uid()
            uid = self._uid()
            data = self.template
            told = {NUMBER: f"{number % IMAGES + 1:04}", ACCESSION: _accession(study)}  # first what others may contain
            for placeholder, value in (told | {STUDY: study, SERIES: series, INSTANCE: uid}).items():
                data = data.replace(placeholder.encode(), value.encode())
            path = self.scratch / "pictures" / f"{number:06}.dcm"
            path.write_bytes(data)
            made.append(Picture(path, study, series, uid))
        os.sync()  # so that writing them is no part of what is measured
        return made

    def _uid(self) -> str:
        self.made += 1
        return f"{ROOT}{10**12 + self.made}"

    def _stored(self, associations: int) -> tuple[float, float]:
        rates: tuple[list[float], list[float]] = ([], [])
        for _ in range(self.options.runs):
            pictures = self._pictures(self.options.images)
            for server, told in zip((self.here, self.peer.server), rates, strict=True):
                told.append(len(pictures) / _send(server, [pictures[n::associations] for n in range(associations)]))
                self._check(server, pictures)
        return statistics.median(rates[0]), statistics.median(rates[1])

    def _posted(self, clients: int) -> tuple[float, float]:
        pictures = self._pictures(self.options.images)
        told = []
        for server in (self.here, self.peer.server):
            told.append(len(pictures) / _post(server, [pictures[n::clients] for n in range(clients)]))
            self._check(server, pictures)
        return told[0], told[1]

    def _moved(self, pictures: Sequence[Picture], at_once: int) -> tuple[float, float]:
        """How many images a second a receiver is given that keeps none."""
        studies = list(dict.fromkeys(one.study for one in pictures))
        lots = [studies[n::at_once] for n in range(at_once)]
        with self._receiving():
            here, there = (len(pictures) / _move(server, lots) for server in (self.here, self.peer.server))
        return here, there

    @contextlib.contextmanager
    def _receiving(self) -> Iterator[None]:
        """A receiver of C-MOVE that keeps nothing, known to the node."""
        self.database.execute(
            "INSERT INTO imaging_device (title, facility, name, modality, host, port, tls, stores, finds, retrieves,"
            " works, enabled) SELECT 'BENCH', facility, 'bench', '', '127.0.0.1', %s, false, true, true, true, false,"
            " true FROM imaging_device WHERE title = '*' ON CONFLICT DO NOTHING",
            [self.receiver],
        )
        receiver = subprocess.Popen(["storescp", "--fork", "--ignore", str(self.receiver)], env=AT_ONCE)
        try:
            yield
        finally:
            receiver.terminate()
            receiver.wait(10)

    def _check(self, server: Server, pictures: Sequence[Picture]) -> None:
        """That all are there."""
        wanted = {one.uid for one in pictures}
        for study in dict.fromkeys(one.study for one in pictures):
            told = httpx.get(f"{server.web}/studies/{study}/instances", headers=dict([server.proof]), timeout=60)
            wanted -= {one["00080018"]["Value"][0] for one in told.json()}
        if wanted:
            message = f"{len(wanted)} pictures are not in {server.title}"
            raise RuntimeError(message)

    def _read(self, pictures: Sequence[Picture]) -> None:
        studies = list(dict.fromkeys((one.study, one.series) for one in pictures))
        every = [f"/studies/{one.study}/series/{one.series}/instances/{one.uid}" for one in pictures]
        cases = {
            "QIDO-RS, a study by its number": [f"/studies?AccessionNumber={_accession(study)}" for study, _ in studies],
            f"QIDO-RS, {IMAGES} objects of a study": [f"/studies/{study}/instances" for study, _ in studies],
            "WADO-RS, metadata of an object": [f"{path}/metadata" for path in every],
            "WADO-RS, an object": every,
            "WADO-RS, a frame": [f"{path}/frames/1" for path in every],
            f"WADO-RS, a study of {IMAGES}": [f"/studies/{study}" for study, _ in studies],
        }
        for case, paths in cases.items():
            for clients in CLIENTS:
                told = []
                for server in (self.here, self.peer.server):
                    base = urlsplit(server.web)
                    wanted = [load.Request("GET", f"{base.path}{path}") for path in paths]
                    run = load.run(
                        f"http://{base.netloc}", server.proof, wanted, clients, self.options.seconds, self.scratch
                    )
                    if run.errors:
                        print(f"{server.title} failed {run.errors} times", file=sys.stderr)
                    told.append(run.rate)
                self._compare(f"{case}, 1/s", clients, (told[0], told[1]))

    def _fill(self, like: Picture) -> None:
        """Fill both indexes with objects like one that is there."""
        studies = -(-self.options.instances // PER_STUDY)
        self.database.execute(_FILL, {"like": like.study, "uid": like.uid, "studies": studies, "each": PER_STUDY})
        self.database.execute("ANALYZE")
        self.peer.stop()
        with contextlib.closing(sqlite3.connect(self.peer.index)) as index:
            _fill_orthanc(index, like, studies)
        self.peer.start()

    def _send_large(self) -> None:
        """Tell how long one large object takes, and the most memory that the node took meanwhile."""
        path, frame = self.scratch / "large.dcm", 1024 * 1024 * 3
        image = _dataset(MultiFrameTrueColorSecondaryCaptureImageStorage, "OT")
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = self._uid()
        image.StudyInstanceUID, image.SeriesInstanceUID, image.AccessionNumber = self._uid(), self._uid(), ""
        image.Rows = image.Columns = 1024
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
        image.SamplesPerPixel, image.PhotometricInterpretation, image.PlanarConfiguration = 3, "RGB", 0
        image.NumberOfFrames = self.options.large * 2**20 // frame
        image.save_as(path, enforce_file_format=True)
        with path.open("ab") as file:  # its pixels, one frame after the other
            file.write(b"\xe0\x7f\x10\x00OB\x00\x00" + (image.NumberOfFrames * frame).to_bytes(4, "little"))
            for number in range(image.NumberOfFrames):
                file.write(number.to_bytes(4, "little") * (frame // 4))
        large = Picture(path, image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID)
        url = f"{self.here.web}/studies/{large.study}/series/{large.series}/instances/{large.uid}"
        for case, do in (
            ("C-STORE", lambda: _send(self.here, [[large]])),
            ("WADO-RS, the last frame", lambda: _fetch(f"{url}/frames/{image.NumberOfFrames}", self.here.proof)),
            ("WADO-RS, the object", lambda: _fetch(url, self.here.proof)),
            ("C-MOVE", lambda: _move(self.here, [[large.study]])),
        ):
            before = _memory(self.node.process)
            with self._receiving(), _watching(self.node.process) as most:
                seconds = _together([do])
            told = f"{seconds:.1f} s, memory of the node {before:,.0f} MiB before, {max(most):,.0f} MiB at most"
            print(f"{self.options.large} MiB, {case}: {told}", flush=True)


def _dataset(sop_class: str, modality: str) -> Dataset:
    """An object with placeholders, without pixels."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = sop_class
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = INSTANCE
    made.SpecificCharacterSet = "ISO_IR 192"
    made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameOfReferenceUID = STUDY, SERIES, f"{STUDY}.1"
    made.PatientID, made.PatientName, made.PatientBirthDate, made.PatientSex = "BENCH", "Bench", "", ""
    made.StudyDate, made.StudyTime, made.AccessionNumber, made.StudyID = "20260101", "080000", ACCESSION, "1"
    made.StudyDescription, made.SeriesDescription, made.ReferringPhysicianName = "CT CHEST", "AXIAL", "DOC^A"
    made.Modality, made.Manufacturer, made.SeriesNumber, made.InstanceNumber = modality, "BENCH", 1, NUMBER
    return made


def _accession(study: str) -> str:
    return f"B{study[-12:]}"


def _together(work: Sequence[Callable[[], object]]) -> float:
    """How long it takes until all of it is done, at once. Raises what one of it does."""
    failed: list[BaseException] = []

    def one(do: Callable[[], object]) -> None:
        try:
            do()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(do,)) for do in work]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return time.perf_counter() - began


def _send(server: Server, lots: Sequence[Sequence[Picture]]) -> float:
    """How long machines take that store a lot each, at once."""
    command = ["storescu", "-aet", "BENCH", "-aec", server.title, "127.0.0.1", str(server.port)]
    runs = [[*command, *(str(one.path) for one in lot)] for lot in lots if lot]
    return _together([lambda run=run: _run(run) for run in runs])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, env=AT_ONCE, capture_output=True, text=True)
    if done.returncode:
        message = f"{command[0]} failed: {done.stderr[-500:]}"
        raise RuntimeError(message)


def _move(server: Server, lots: Sequence[Sequence[str]]) -> float:
    """How long machines take that let a lot of studies each be moved, at once."""
    command = ["movescu", "-S", "-aet", "BENCH", "-aec", server.title, "-aem", "BENCH", "127.0.0.1", str(server.port)]
    command += ["-k", "QueryRetrieveLevel=STUDY"]

    def work(studies: Sequence[str]) -> None:
        for study in studies:
            _run([*command, "-k", f"StudyInstanceUID={study}"])

    return _together([lambda lot=lot: work(lot) for lot in lots if lot])


def _post(server: Server, lots: Sequence[Sequence[Picture]]) -> float:
    """How long clients take that post a lot each, an object in a request, at once."""
    place = urlsplit(server.web)

    def work(lot: Sequence[Picture]) -> None:
        with contextlib.closing(HTTPConnection(place.netloc, timeout=60)) as connection:
            kind = 'multipart/related; type="application/dicom"; boundary=x'
            for one in lot:
                body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one.path.read_bytes() + b"\r\n--x--\r\n"
                headers = {"Content-Type": kind, "Accept": "application/dicom+json", server.proof[0]: server.proof[1]}
                connection.request("POST", f"{place.path}/studies", body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != httpx.codes.OK:
                    message = f"{server.title} answers {answer.status}"
                    raise RuntimeError(message)

    return _together([lambda lot=lot: work(lot) for lot in lots if lot])


def _fetch(url: str, proof: load.Header) -> None:
    with httpx.stream("GET", url, headers=dict([proof]), timeout=300) as answer:
        answer.raise_for_status()
        for _ in answer.iter_bytes(2**20):
            pass


def _memory(process: int) -> float:
    """What a node takes, without its database, in MiB."""
    root = psutil.Process(process)
    total = 0
    for one in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss if "python" in one.name() else 0
    return total / 2**20


@contextlib.contextmanager
def _watching(process: int) -> Iterator[list[float]]:
    """What a node takes, looked at until the block ends."""
    seen, done = [_memory(process)], threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            seen.append(_memory(process))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


_FILL: Final = """
WITH like_study AS (SELECT * FROM imaging_study WHERE study_instance_uid = %(like)s
), like_series AS (SELECT s.* FROM imaging_series s JOIN like_study l ON l.id = s.study_id
), like_instance AS (SELECT * FROM imaging_instance WHERE sop_instance_uid = %(uid)s
), studies AS (
  INSERT INTO imaging_study (study_instance_uid, resource, custodian, patient, "order", encounter, patient_id,
    name_words, patient_birth_date, patient_sex, study_date, study_time, accession_number, study_id, study_description,
    referrer_words, attributes, received_at)
  SELECT '1.9.' || n, 'fill-' || n, custodian, 'fill-' || n / 3, '', '', 'FILL' || n / 3, name_words,
    patient_birth_date, patient_sex, study_date - (n %% 3650)::int, study_time, 'F' || n, study_id, study_description,
    referrer_words, attributes, received_at
  FROM like_study, generate_series(1, %(studies)s) n RETURNING id, study_instance_uid AS uid
), series AS (
  INSERT INTO imaging_series (study_id, series_instance_uid, modality, series_number, attributes)
  SELECT s.id, s.uid || '.1', modality, series_number, l.attributes FROM studies s, like_series l
  RETURNING id, study_id, series_instance_uid AS uid
)
INSERT INTO imaging_instance (study_id, series_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
  instance_number, attributes, digest, size, source, received_at)
SELECT s.study_id, s.id, s.uid || '.' || n, sop_class_uid, transfer_syntax_uid, n, l.attributes, digest, size, source,
  received_at
FROM series s, like_instance l, generate_series(1, %(each)s) n"""


def _fill_orthanc(index: sqlite3.Connection, like: Picture, studies: int) -> None:
    """Copy the rows of a study's patient, study, series and one object, with other UIDs and numbers."""
    [(instance,)] = index.execute("SELECT id FROM DicomIdentifiers WHERE value = ?", [like.uid]).fetchall()
    levels = [instance]
    while len(levels) < 4:
        levels += index.execute("SELECT parentId FROM Resources WHERE internalId = ?", [levels[-1]]).fetchone()
    known = {one: _rows_of(index, one) for one in levels}
    [(first,)] = index.execute("SELECT max(internalId) FROM Resources").fetchall()
    index.execute("PRAGMA synchronous = OFF")
    for number in range(studies):
        place, parent = first + 1 + number * (PER_STUDY + 3), None
        for kind, level in enumerate(reversed(levels[1:]), start=1):  # patient, study, series
            names = {like.study: f"1.9.{number}", like.series: f"1.9.{number}.1", _accession(like.study): f"F{number}"}
            _copy(index, known[level], (place, kind, parent), names, f"FILL{number}")
            parent, place = place, place + 1
        for one in range(PER_STUDY):
            _copy(index, known[instance], (place + one, 4, parent), {like.uid: f"1.9.{number}.1.{one}"}, "")
    index.commit()


_TABLES: Final = ("MainDicomTags", "DicomIdentifiers", "Metadata", "AttachedFiles")


def _rows_of(index: sqlite3.Connection, resource: int) -> dict[str, list[list[object]]]:
    rows = {table: index.execute(f"SELECT * FROM {table} WHERE id = ?", [resource]).fetchall() for table in _TABLES}
    return {table: [list(row[1:]) for row in found] for table, found in rows.items()}


def _copy(
    index: sqlite3.Connection,
    rows: dict[str, list[list[object]]],
    place: tuple[int, int, int | None],
    names: dict[str, str],
    patient: str,
) -> None:
    number, kind, parent = place
    index.execute("INSERT INTO Resources VALUES (?, ?, ?, ?)", [number, kind, str(uuid4()), parent])
    for table, found in rows.items():
        for row in found:
            told = [names.get(value, value) if isinstance(value, str) else value for value in row]
            if patient and told[:2] == [0x0010, 0x0020]:
                told[2] = patient
            marks = ", ".join("?" * (len(told) + 1))
            index.execute(f"INSERT INTO {table} VALUES ({marks})", [number, *told])


if __name__ == "__main__":
    sys.exit(main())
