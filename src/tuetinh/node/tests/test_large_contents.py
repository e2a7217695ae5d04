"""Contents larger than memory: up and down, killed in the middle, kept by a backup, carried to another node."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tuetinh.node.tests.conftest import copied, run, token

pytestmark = pytest.mark.long

MIB = 2**20
BLOCK = bytes(range(256)) * 4096  # a MiB
DICOM = {"content-type": "application/dicom"}


@pytest.fixture
def own(built: Path, folder: Path) -> Path:
    """A copy of the small province for each test: others shall not carry its files along."""
    return copied(built, folder / "own")


class Peak:
    """Watches how much memory a process has."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.before = self.most = self._process.memory_info().rss
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.most = max(self.most, self._process.memory_info().rss)

    def end(self) -> int:
        """How many MiB it grew."""
        self._stop.set()
        self._thread.join()
        return (self.most - self.before) // MIB


def blocks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield BLOCK


def received(url: str, headers: dict[str, str]) -> tuple[int, str]:
    """The length and SHA-256 of a body that is read piece by piece."""
    digest, size = hashlib.sha256(), 0
    with httpx.stream("GET", url, headers=headers, timeout=120) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            digest.update(piece)
            size += len(piece)
        assert int(answer.headers["content-length"]) == size
    return size, digest.hexdigest()


def hashed(pieces: Iterator[bytes]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def resource_of(url: str, version: dict[str, Any], count: int) -> Iterator[bytes]:
    """A Binary of so many blocks as JSON."""
    head = json.dumps(version | {"data": ""}, separators=(",", ":"), ensure_ascii=False).encode()
    yield head[:-2]
    left = b""
    for piece in blocks(count):
        whole = left + piece
        even = len(whole) // 3 * 3
        yield base64.b64encode(whole[:even])
        left = whole[even:]
    yield base64.b64encode(left) + b'"}'


def test_large_contents_never_pass_through_memory(start: Callable[..., Any], own: Path) -> None:
    node = start(own)
    headers = token(node)
    httpx.post(f"{node.url}/fhir/Binary", content=BLOCK, headers=headers | DICOM)
    peak = Peak(node.process.pid)
    made = httpx.post(f"{node.url}/fhir/Binary", content=blocks(300), headers=headers | DICOM, timeout=120)
    assert made.status_code == 201, made.text
    place = made.headers["location"].split("/_history")[0]
    assert received(place, headers) == hashed(blocks(300))
    searched = httpx.get(f"{node.url}/fhir/Binary/_history?_count=1", headers=headers | {"range": "bytes=0-0"})
    meta = searched.json()["entry"][0]["resource"]
    assert len(meta.pop("data")) == (300 * MIB + 2) // 3 * 4
    asked = headers | {"accept": "application/fhir+json"}
    assert received(place, asked) == hashed(resource_of(place, meta, 300))
    assert peak.end() < 60


def test_a_stalled_download_waits_without_memory(start: Callable[..., Any], own: Path) -> None:
    node = start(own)
    headers = token(node)
    made = httpx.post(f"{node.url}/fhir/Binary", content=blocks(100), headers=headers | DICOM, timeout=120)
    peak = Peak(node.process.pid)
    host, port = node.url.removeprefix("http://").split(":")
    readers = []
    for _ in range(4):
        reader = socket.create_connection((host, int(port)))
        path = made.headers["location"].removeprefix(node.url)
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['authorization']}\r\n\r\n"
        reader.sendall(request.encode())
        readers.append(reader)
    time.sleep(1)
    assert httpx.get(f"{node.url}/healthz").status_code == 200
    for reader in readers:
        assert reader.recv(12) == b"HTTP/1.1 200"
        reader.close()
    assert peak.end() < 60


def test_an_upload_that_is_killed_leaves_nothing_that_counts(start: Callable[..., Any], own: Path) -> None:
    node = start(own)
    headers = token(node)
    kept = httpx.post(f"{node.url}/fhir/Binary", content=blocks(3), headers=headers | DICOM).headers["location"]
    files = own / "files"
    before = {path for path in files.rglob("*") if path.is_file()}
    host, port = node.url.removeprefix("http://").split(":")
    upload = socket.create_connection((host, int(port)))
    head = f"POST /fhir/Binary HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['authorization']}\r\n"
    upload.sendall(head.encode() + b"Content-Type: application/dicom\r\nContent-Length: %d\r\n\r\n" % (50 * MIB))
    for piece in blocks(20):
        upload.sendall(piece)
    limit = time.monotonic() + 20
    while len(grown(files, before)) == 0 and time.monotonic() < limit:
        time.sleep(0.05)
    os.killpg(node.process.pid, signal.SIGKILL)
    node.process.wait(20)
    upload.close()
    (half,) = grown(files, before)
    assert half.parent.name == "arriving"
    assert 0 < half.stat().st_size < 50 * MIB
    os.utime(half, (time.time() - 3600,) * 2)
    node = start(own)
    limit = time.monotonic() + 20
    while half.exists() and time.monotonic() < limit:
        time.sleep(0.05)
    assert grown(files, before) == set()
    path = kept.partition("/fhir")[2]
    assert received(f"{node.url}/fhir{path}", token(node)) == hashed(blocks(3))
    left = httpx.get(f"{node.url}/fhir/Binary/_history?_count=1", headers=token(node)).json()["entry"][0]
    assert left["fullUrl"].endswith(path.partition("/_history")[0])


def grown(files: Path, before: set[Path]) -> set[Path]:
    return {path for path in files.rglob("*") if path.is_file()} - before


def test_a_client_that_leaves_takes_its_half_with_it(start: Callable[..., Any], own: Path) -> None:
    node = start(own)
    headers = token(node)
    before = {path for path in (own / "files").rglob("*") if path.is_file()}

    def broken() -> Iterator[bytes]:
        yield from blocks(5)
        raise KeyError("the line is gone")

    for length in ({}, {"content-length": str(50 * MIB)}):
        with pytest.raises(KeyError):
            httpx.post(f"{node.url}/fhir/Binary", content=broken(), headers=headers | DICOM | length)
    limit = time.monotonic() + 20
    while grown(own / "files", before) and time.monotonic() < limit:
        time.sleep(0.05)
    assert grown(own / "files", before) == set()


def test_files_outlive_a_backup_an_export_and_are_checked(start: Callable[..., Any], own: Path, folder: Path) -> None:
    node = start(own)
    headers = token(node)
    made = httpx.post(f"{node.url}/fhir/Binary", content=blocks(9), headers=headers | DICOM)
    path = made.headers["location"].partition("/fhir")[2].partition("/_history")[0]
    photo = base64.b64encode(BLOCK[:100_000]).decode()
    patient = {"resourceType": "Patient", "photo": [{"contentType": "image/png", "data": photo}]}
    person = httpx.post(f"{node.url}/fhir/Patient", json=patient, headers=headers).json()["id"]
    assert run(own, "backup", str(folder / "a.backup")).returncode == 0
    restored = folder / "restored"
    back = run(restored, "restore", str(folder / "a.backup"))
    assert back.returncode == 0, back.stderr

    assert run(own, "export", str(folder / "out"), "--types", "Binary").returncode == 0
    imported = run(restored, "import", str(folder / "out"))
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.splitlines()[1].split() == ["Binary", "0", "0", "1", "0"]
    checked = run(restored, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "files: 2 files, 9.1 MiB, each byte read" in checked.stdout
    node = start(restored)
    assert received(f"{node.url}/fhir{path}", token(node)) == hashed(blocks(9))
    shown = httpx.get(f"{node.url}/fhir/Patient/{person}", headers=token(node)).json()
    assert shown["photo"] == patient["photo"]

    digest = hashed(blocks(9))[1]
    (restored / "files" / digest[:2] / digest).write_bytes(b"x" * 9 * MIB)
    spoilt = run(restored, "check")
    assert spoilt.returncode == 1
    assert f"{digest[:16]}…: content" in spoilt.stdout
