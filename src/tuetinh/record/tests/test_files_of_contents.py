"""The folder of contents: swept of what nobody uses, never of what somebody does; NDJSON longer than memory."""

from __future__ import annotations

import base64
import io
import json
import os
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import pytest

from tuetinh.record import api, contents, imports, r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files, shortening
from tuetinh.record.contents import ndjson as reading
from tuetinh.record.errors import NotFound
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db
SCAN = bytes(range(256)) * 400
OLD = 7200.0


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    """The folder of files of each test."""
    settings.DATA = tmp_path
    run(SYSTEM, contents.ready())
    return tmp_path / "files"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name != files.OWNER}


def age(path: Path, seconds: float = OLD) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_only_what_nobody_uses_and_nobody_writes_is_swept(folder: Path) -> None:
    used, unused, fresh = (files.store(SCAN + bytes([n])) for n in range(3))
    age(files.path_of(used.digest))
    age(files.path_of(unused.digest))
    with files.Arriving() as going_on, files.Arriving() as stopped:
        stopped.write(b"x")
        age(stopped._path)
        assert files.sweep("us", lambda digests: {used.digest} & set(digests)) == 2
        assert names(folder) == {used.digest.hex(), fresh.digest.hex(), going_on._path.name}
        going_on.write(SCAN)
        kept = going_on.place()
    assert names(folder) == {used.digest.hex(), fresh.digest.hex(), kept.digest.hex()}


def test_a_content_that_is_there_gives_way_to_one_that_is_on_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files.path_of(files.store(SCAN).digest)
    first, synced = path.stat().st_ino, []

    def sync(handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, path.stat().st_ino))
        real(handle)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", sync)
    files.store(SCAN)
    second = path.stat().st_ino
    assert synced == [(second, first), (path.parent.stat().st_ino, second)]
    assert path.read_bytes() == SCAN


@pytest.mark.parametrize(("kind", "syncs"), [("ext4", 1), ("xfs", 1), ("btrfs", 2), ("", 2)])
def test_a_name_is_on_the_disk_too(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, syncs: int) -> None:
    """By the journal, which has it before the file is synced, or by itself."""
    files.store(b"\0")  # which makes the folder
    synced: list[tuple[bool, list[str]]] = []
    monkeypatch.setattr(files, "file_system", lambda _: kind)
    monkeypatch.setattr(files, "path_of", lambda digest: folder / "6e" / digest.hex())
    (folder / "6e").mkdir(exist_ok=True)

    def sync(handle: int) -> None:
        synced.append((S_ISDIR(os.fstat(handle).st_mode), names(folder / "6e")))

    monkeypatch.setattr(os, "fsync", sync)
    name = files.store(SCAN).digest.hex()
    assert [(is_folder, name in there) for is_folder, there in synced] == [(False, True), (True, True)][:syncs]


def test_the_file_system_of_a_device_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "26 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard\n"
        "27 26 254:1 /b /srv/a\\040b rw master:2 - ext4 /dev/vda1 rw\n"
        "28 26 0:45 / /tmp rw - overlay overlay rw,lowerdir=/a\n"
    )
    monkeypatch.setattr(files, "MOUNTS", mounts)
    files.file_system.cache_clear()
    told = [files.file_system(os.makedev(*numbers)) for numbers in ((254, 1), (0, 45), (254, 2))]
    files.file_system.cache_clear()
    assert told == ["ext4", "overlay", ""]


def test_a_content_that_comes_again_while_it_is_swept_stays(folder: Path) -> None:
    content = files.store(SCAN)
    age(files.path_of(content.digest))

    def used(digests: list[bytes]) -> Iterable[bytes]:
        assert digests == [content.digest]
        files.store(SCAN)  # after its age was looked at
        return []

    assert files.sweep("us", used) == 0
    assert files.path_of(content.digest).read_bytes() == SCAN
    aside = folder / files.LEAVING / content.digest.hex()
    files.path_of(content.digest).rename(aside)  # as a sweep that was killed leaves it
    age(aside)
    assert files.sweep("us", lambda digests: digests) == 0
    assert files.path_of(content.digest).read_bytes() == SCAN
    assert names(folder) == {content.digest.hex()}


def test_the_files_of_another_database_are_left_alone(folder: Path) -> None:
    content = files.store(SCAN)
    age(files.path_of(content.digest))
    assert files.sweep("one", lambda digests: digests) == 0
    with pytest.raises(files.NotOurs):
        files.sweep("other", lambda _: [])
    assert names(folder) == {content.digest.hex()}


def test_the_node_sweeps_by_what_the_record_says(folder: Path) -> None:
    from tuetinh.node.contents import examine, sweep

    made = api.create_binary(SYSTEM, r4.Binary(contentType="a/b"), [SCAN])
    orphan = files.store(SCAN * 2)
    digest = sha256(SCAN).digest()
    for one in (digest, orphan.digest):
        age(files.path_of(one))
    assert sweep() == 1
    assert names(folder) == {digest.hex()}
    api.delete(SYSTEM, "Binary", str(made.id))  # its versions stay
    assert sweep() == 0
    assert examine(hashed=True) == (True, "1 files, 0.1 MiB, each byte read")
    files.path_of(digest).write_bytes(SCAN[::-1])
    assert examine(hashed=False)[0]
    good, told = examine(hashed=True)
    assert not good
    assert f"Binary/{made.id} ({digest.hex()[:16]}…: content)" in told
    files.path_of(digest).unlink()
    assert "missing" in examine(hashed=False)[1]


def test_a_write_that_fails_leaves_nothing_that_counts(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"), files.Arriving() as arriving:
        arriving.write(SCAN)
        raise RuntimeError("broken")
    assert names(folder) == set()


LINE = b'{"resourceType":"Binary","id":"%s","contentType":"a/b","data":"%s"}\n'


def held(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let no more than some bytes be held before contents are taken out."""
    monkeypatch.setattr(reading, "HELD", count)
    for name in ("HELD", "SLICE"):
        monkeypatch.setattr(shortening, name, count)
    monkeypatch.setattr(shortening, "LEAST", 8)


def test_a_slash_may_be_written_with_an_escape(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    data = bytes([255]) * 600
    text = base64.b64encode(data)
    for block in (100, 101, 102, 103):
        held(monkeypatch, block)
        (line,) = reading.lines(io.BytesIO(LINE % (b"one", text.replace(b"/", b"\\/"))))
        assert b"".join(contents.stream(line)) == LINE % (b"one", text)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 74, 75, 76, 77, 78, 299, 300, 301, 5000])
@pytest.mark.parametrize("block", [100, 101, 102, 103])
def test_long_lines_are_read_with_stand_ins(monkeypatch: pytest.MonkeyPatch, size: int, block: int) -> None:
    held(monkeypatch, block)
    data = SCAN[7 : 7 + size]
    text = base64.b64encode(data)
    given = LINE % (b"one", text) + LINE % (b"two", text) + b"\n" + LINE % (b"three", b"AAAA")
    got = list(reading.lines(io.BytesIO(given)))
    assert len(got) == 4, got
    assert b"".join(b"".join(contents.stream(line)) for line in got) == given
    if size == 5000:
        assert max(map(len, got)) < 300


@pytest.mark.parametrize("broken", ["AB\\nCD", "A===", "AB=C", "ABC", "AB ", "ABC=D"])
def test_what_is_no_plain_base64_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch, folder: Path, broken: str) -> None:
    held(monkeypatch, 100)
    for before in range(400, 408):
        if (before + len(broken) + 8) % 4 == 0 and broken == "ABC":
            continue
        given = LINE % (b"one", b"Q" * before + broken.encode() + b"Q" * 8)
        open_ended = b'{"data":"' + b"Q" * before
        for document in (given, given + LINE % (b"two", b"AAAA"), open_ended):
            assert b"".join(reading.lines(io.BytesIO(document))) == document
    assert names(folder) == set()


def test_an_import_of_a_long_line_is_the_resource(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    held(monkeypatch, 10_000)
    path = tmp_path / "Binary.ndjson"
    path.write_bytes(LINE % (b"long", base64.b64encode(SCAN)) + LINE % (b"short", b"AAAA"))
    for kind in ("created", "same"):
        report = imports.import_paths([str(path)], SYSTEM, Silent())
        assert getattr(report, kind) == {"Binary": 2}
    assert b"".join(api.read_binary(SYSTEM, "long").chunks()) == SCAN
    monkeypatch.undo()
    report = imports.import_paths([str(path)], SYSTEM, Silent())  # the same when the line was short enough for memory
    assert report.same == {"Binary": 2}


class Silent:
    def advanced(self, report: imports.Report, place: str) -> None:
        pass

    def refused(self, place: str, name: str, issues: Any) -> None:
        raise AssertionError(json.dumps([issue.text for issue in issues]))


def test_a_binary_that_does_not_exist_has_no_content() -> None:
    with pytest.raises(NotFound):
        api.read_binary(SYSTEM, "none")
