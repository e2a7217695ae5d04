"""Older objects are compressed, sealed, stored elsewhere and looked at again; what is read is always what was kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import httpx
import numpy as np
import psycopg
import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from tuetinh.care.imaging.archive import deciding, elsewhere, stores, upkeep
from tuetinh.care.imaging.archive.keeping import ask, keep
from tuetinh.care.imaging.archive.models import Finding, Stored, Upkeep
from tuetinh.care.imaging.archive.queries import Object
from tuetinh.care.imaging.archive.upkeep import JOBS, go_on
from tuetinh.care.imaging.dicomweb import frames
from tuetinh.care.imaging.models import Held, Instance
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.node.backup import base, portable, recover
from tuetinh.node.backup.archive import Archive
from tuetinh.node.backup.sealing import Identities, Recipients, make_key
from tuetinh.node.contents import examine, sweep
from tuetinh.node.tests.conftest import free_port
from tuetinh.record import contents, r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
from tuetinh.record.contents.places import Folder
from tuetinh.record.steps import enter, run
from tuetinh.record.tests.door_world import url

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
SIDE = 256


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of each test."""
    settings.DATA = tmp_path / "var"
    monkeypatch.setenv("TUETINH_IMAGING_LOOK_MIB", "100000")
    run(SYSTEM, contents.ready())
    return tmp_path


def picture(**changes: object) -> bytes:
    """A picture that is worth compressing."""
    noise = np.random.default_rng(3).normal(1024, 20, (SIDE, SIDE)).astype("<u2")
    values = {"Rows": SIDE, "Columns": SIDE, "PixelData": noise.tobytes(), "SOPInstanceUID": "1.2.3.4.1.1"}
    return part10(**(values | changes))


def only() -> Instance:
    """The one object of the index."""
    enter(SYSTEM)
    return Instance.objects.select_related("study", "series").get()


def content() -> bytes:
    """The bytes of the one object, as they are given."""
    with files.opened(bytes(only().digest)) as file:
        return file.read()


def here() -> bool:
    """Whether the file of the one object lies on the disk."""
    return files.path_of(bytes(only().digest)).exists()


def age(days: float = 400) -> None:
    """Let all objects be older."""
    ask("UPDATE imaging_instance SET received_at = now() - %s * interval '1 day'", days)
    for path in files.all_files(files.folder()):
        os.utime(path, (time.time() - days * 86400,) * 2)


class TestCompressing:
    """The pixels stay, the room halves."""

    @pytest.fixture(autouse=True)
    def _on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TUETINH_IMAGING_COMPRESS_DAYS", "7")

    def test_a_picture_is_kept_smaller_with_the_same_pixels(self, person: r4.Patient) -> None:
        data = picture()
        keep(HERE, data)
        was = bytes(only().digest)
        go_on(JOBS["compress"])
        assert (only().compression, content()) == ("", data)  # too young
        age()
        Upkeep.objects.all().delete()
        go_on(JOBS["compress"])
        one = only()
        assert (one.compression, one.transfer_syntax_uid, one.original_syntax) == (
            "done", str(JPEGLSLossless), "1.2.840.10008.1.2.1",
        )  # fmt: skip
        made = dcmread(BytesIO(content()))
        before = dcmread(BytesIO(data))
        assert (made.SOPInstanceUID, made.PatientName) == (before.SOPInstanceUID, before.PatientName)
        assert np.array_equal(made.pixel_array, before.pixel_array)
        assert one.size == len(content()) < len(data) * 0.6
        assert frames.decoded(bytes(one.digest), [1]) == [before.PixelData]
        state = Upkeep.objects.get(job="compress")
        assert (state.seen, state.done, state.saved, state.cursor) == (1, 1, len(data) - one.size, 0)
        assert ask("SELECT digest FROM record.content WHERE type = 'ImagingStudy'") == [(one.digest,)]
        age()
        assert sweep() == 1
        assert not files.path_of(was).exists()

    def test_the_syntax_is_chosen(self, person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
        data = picture()
        keep(HERE, data)
        age()
        monkeypatch.setenv("TUETINH_IMAGING_COMPRESS", "gif")
        go_on(JOBS["compress"])
        assert (content(), only().compression) == (data, "")
        assert "jpeg2000" in Upkeep.objects.get(job="compress").fault
        monkeypatch.setenv("TUETINH_IMAGING_COMPRESS", "JPEG2000")
        go_on(JOBS["compress"])
        assert (only().compression, only().transfer_syntax_uid) == ("done", str(JPEG2000Lossless))
        made = dcmread(BytesIO(content()))
        assert np.array_equal(made.pixel_array, dcmread(BytesIO(data)).pixel_array)
        assert only().size == len(content()) < len(data) * 0.6
        assert Upkeep.objects.get(job="compress").fault == ""
        assert keep(HERE, data).state == "duplicate"

    def test_what_comes_again_is_known_as_the_same(self, person: r4.Patient) -> None:
        data = picture()
        keep(HERE, data)
        age()
        go_on(JOBS["compress"])
        assert keep(HERE, data).state == "duplicate"
        again = dcmread(BytesIO(data))
        again.file_meta.ImplementationVersionName = "ANOTHER"
        out = BytesIO()
        again.save_as(out, enforce_file_format=True)
        assert keep(HERE, out.getvalue()).state == "duplicate"
        assert keep(HERE, content()).state == "duplicate"
        assert keep(HERE, picture(StudyDescription="Khác")).reason == "changed"

    @pytest.mark.parametrize(
        "why", ["signed", "small", "compressed", "overlay in the high bits", "no pixels", "pixels cut off"]
    )
    def test_what_cannot_be_the_same_is_left_as_it_came(self, person: r4.Patient, why: str) -> None:
        noise = np.random.default_rng(3).integers(0, 2**16, (SIDE, SIDE), "<u2").tobytes()
        data = {
            "signed": picture(),
            "small": part10(),
            "compressed": picture(),
            "overlay in the high bits": picture(PixelData=noise),
            "no pixels": picture(Rows=None),
            "pixels cut off": picture(PixelData=bytes(SIDE * SIDE)),
        }[why]
        if why in ("signed", "compressed"):
            dataset = dcmread(BytesIO(data))
            if why == "signed":
                signature = Dataset()
                signature.MACIDNumber = 1
                dataset.DigitalSignaturesSequence = Sequence([signature])
            else:
                dataset.compress(JPEGLSLossless, generate_instance_uid=False)
            out = BytesIO()
            dataset.save_as(out, enforce_file_format=True)
            data = out.getvalue()
        keep(HERE, data)
        age()
        go_on(JOBS["compress"])
        assert content() == data
        assert only().compression == ("" if why == "compressed" else "left")
        assert Upkeep.objects.get(job="compress").done == 0

    def test_pixels_that_would_differ_are_not_put_in_place(
        self, person: r4.Patient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = picture()
        keep(HERE, data)
        age()
        real = Dataset.compress

        def careless(dataset: Any, *arguments: Any, **options: Any) -> None:
            values = bytearray(dataset.PixelData)
            values[0] ^= 1
            dataset.PixelData = bytes(values)
            real(dataset, *arguments, **options)

        monkeypatch.setattr("pydicom.dataset.Dataset.compress", careless)
        go_on(JOBS["compress"])
        assert (content(), only().compression) == (data, "left")

    def test_one_that_is_replaced_begins_anew(self, person: r4.Patient, cast: Any) -> None:
        from tuetinh.commons.access.api import asker_of

        keep(HERE, picture())
        age()
        go_on(JOBS["compress"])
        second = picture(StudyDescription="Khác")
        keep(HERE, second)
        deciding.replace(asker_of(cast["imaging"]), Held.objects.get().pk, "ảnh đúng")
        assert (content(), only().compression, only().original, only().original_syntax) == (second, "", None, "")


class TestStore:
    """Older objects lie in a store, and come back when they are read."""

    @pytest.fixture(autouse=True)
    def _on(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "store").mkdir()
        monkeypatch.setenv("TUETINH_IMAGING_STORE", str(folder / "store"))

    def test_older_ones_move_and_come_back(self, person: r4.Patient, folder: Path) -> None:
        data = picture()
        keep(HERE, data)
        go_on(JOBS["store"])
        assert (Stored.objects.count(), here()) == (0, True)
        age()
        Upkeep.objects.all().delete()
        go_on(JOBS["store"])
        [kept] = [path for path in (folder / "store").rglob("*") if path.is_file()]
        assert (kept.read_bytes(), kept.name) == (data, bytes(only().digest).hex())
        assert (Stored.objects.get().size, stores.told()[:2], here()) == (len(data), (1, len(data)), False)
        assert examine(hashed=True) == (True, "1 files, 0.1 MiB, each byte read")
        assert content() == data
        assert here()
        assert stores.let_go() == 0  # it was read just now
        age()
        assert (stores.let_go(), here()) == (len(data), False)

    def test_a_file_stays_until_the_store_has_it_as_it_was(
        self, person: r4.Patient, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep(HERE, picture())
        age()
        monkeypatch.setattr(files, "is_content", lambda *_: False)
        go_on(JOBS["store"])
        assert (Stored.objects.count(), here()) == (0, True)
        monkeypatch.undo()

    def test_a_store_that_lost_it_is_given_it_again(self, person: r4.Patient, folder: Path) -> None:
        keep(HERE, picture())
        age(31)
        go_on(JOBS["store"])
        content()
        [kept] = [path for path in (folder / "store").rglob("*") if path.is_file()]
        kept.unlink()
        age(31)
        assert (stores.let_go(), here(), Stored.objects.count()) == (0, True, 0)

    def test_what_the_archive_of_backups_has_not_stays(self, person: r4.Patient) -> None:
        (files.folder() / files.UNARCHIVED).mkdir(parents=True)
        keep(HERE, picture())
        age()
        go_on(JOBS["store"])
        assert (Stored.objects.count(), here()) == (1, True)
        for noted in (files.folder() / files.UNARCHIVED).iterdir():
            noted.unlink()
        stores.let_go()
        assert not here()

    def test_the_cache_holds_no_more_than_it_may(self, person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TUETINH_IMAGING_CACHE_DAYS", "500")
        keep(HERE, picture())
        age()
        go_on(JOBS["store"])
        assert here()
        monkeypatch.setenv("TUETINH_IMAGING_CACHE_GIB", "0")
        stores.let_go()
        assert not here()

    def test_a_store_that_is_not_there_stops_nothing_and_is_told(self, person: r4.Patient, folder: Path) -> None:
        data = picture()
        keep(HERE, data)
        age()
        go_on(JOBS["store"])
        (folder / "store").rename(folder / "gone")
        with pytest.raises(files.Away):
            content()
        assert examine(hashed=False) == (False, "1 files, 0.1 MiB; 1 lie in a store that does not answer")
        assert keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.2")).state == "stored"
        age()
        Upkeep.objects.all().delete()
        for job in ("store", "look"):
            go_on(JOBS[job])
            assert Upkeep.objects.get(job=job).fault != ""
        assert Finding.objects.count() == 0
        (folder / "gone").rename(folder / "store")
        go_on(JOBS["store"])
        assert (Upkeep.objects.get(job="store").fault, Stored.objects.count()) == ("", 2)

    def test_what_nothing_uses_leaves_the_store(self, person: r4.Patient, folder: Path) -> None:
        keep(HERE, picture())
        age()
        go_on(JOBS["store"])
        ask("DELETE FROM record.content")
        assert (stores.sweep(), Stored.objects.count()) == (1, 0)
        assert [path for path in (folder / "store").rglob("*") if path.is_file()] == []

    def test_it_is_stored_as_it_is_sealed(
        self, person: r4.Patient, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = picture()
        keep(HERE, data)
        monkeypatch.setenv("TUETINH_SEAL_FILES", "1")
        age()
        go_on(JOBS["store"])
        [kept] = [path for path in (folder / "store").rglob("*") if path.is_file()]
        assert b"BN000017" not in kept.read_bytes()
        assert content() == data


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seals", ["", "1"])
def test_backups_know_what_the_store_has(
    person: r4.Patient, folder: Path, monkeypatch: pytest.MonkeyPatch, seals: str
) -> None:
    """A base backup lists it, so that it is not pruned; a restore leaves it there; what is sealed is restored plain."""
    for name in ("store", "archive", "new"):
        (folder / name).mkdir()
    monkeypatch.setenv("TUETINH_IMAGING_STORE", str(folder / "store"))
    monkeypatch.setenv("TUETINH_SEAL_FILES", seals)
    monkeypatch.setenv("TUETINH_DATABASE_URL", url())
    keep(HERE, picture())
    age()
    go_on(JOBS["store"])
    stored = bytes(only().digest).hex()
    young = part10(SOPInstanceUID="1.2.3.4.1.2")
    keep(HERE, young)
    recipients, archive = Recipients(make_key(folder / "key")), Archive(Folder(folder / "archive"))
    assert base._contents(folder / "var", archive, recipients, "base/x/contents") == 1
    listed = (folder / "archive" / "base" / "x" / "contents").read_text().split()
    assert sorted(listed) == sorted([stored, sha256(young).hexdigest()])
    with psycopg.connect(url(), autocommit=True) as conn:
        conn.execute(f"SELECT {portable.ENTER}")
        assert recover._fetch_contents(folder / "new", archive, Identities(folder / "key"), conn) == 1
    [came] = [path for path in (folder / "new").rglob("*") if path.is_file()]
    assert (came.name, came.read_bytes()) == (sha256(young).hexdigest(), young)


def test_all_files_are_sealed_by_and_by(person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture()
    keep(HERE, data)
    go_on(JOBS["seal"])
    assert files.path_of(bytes(only().digest)).read_bytes() == data
    monkeypatch.setenv("TUETINH_SEAL_FILES", "1")
    go_on(JOBS["seal"])
    assert b"BN000017" not in files.path_of(bytes(only().digest)).read_bytes()
    assert content() == data
    assert Upkeep.objects.get(job="seal").done == 1


def test_a_file_that_was_spoilt_is_found_and_one_that_was_mended_is_told(person: r4.Patient) -> None:
    data = picture()
    keep(HERE, data)
    path = files.path_of(bytes(only().digest))
    path.write_bytes(data[:-1] + b"?")
    for _ in range(2):
        go_on(JOBS["look"])
        Upkeep.objects.all().delete()
    found = Finding.objects.get()
    assert (found.fault, found.sop_instance_uid, found.mended_at) == ("content", "1.2.3.4.1.1", None)
    keep(HERE, data)
    go_on(JOBS["look"])
    assert Finding.objects.get().mended_at is not None
    path.unlink()
    Upkeep.objects.all().delete()
    go_on(JOBS["look"])
    assert Finding.objects.get(mended_at=None).fault == "missing"


def test_a_round_goes_on_where_it_stopped_and_begins_again_in_its_time(person: r4.Patient) -> None:
    for number in range(3):
        keep(HERE, part10(SOPInstanceUID=f"1.2.3.4.1.{number}"))
    seen: list[int] = []

    def do(row: Any) -> int:
        seen.append(row[0])
        if len(seen) == 2:
            raise files.Away("no answer")
        return 1

    job = upkeep.Job("test", lambda: True, lambda: (upkeep._ALL, ()), do, lambda: timedelta(days=1))
    go_on(job)
    enter(SYSTEM)
    first, second, third = Instance.objects.order_by("pk").values_list("pk", flat=True)
    state = Upkeep.objects.get(job="test")
    assert (seen, state.cursor, state.fault) == ([first, second], first, "no answer")
    go_on(job)
    assert seen == [first, second, second, third]
    go_on(job)
    assert len(seen) == 4
    Upkeep.objects.update(ended_at=datetime.now(UTC) - timedelta(days=2))
    go_on(job)
    assert seen[4:] == [first, second, third]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that speaks S3, with a bucket."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for name, value in (
        ("AWS_ENDPOINT_URL", url), ("AWS_ACCESS_KEY_ID", "node"), ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"), ("TUETINH_IMAGING_STORE", "s3://pictures/node"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    for _ in range(200):
        try:
            httpx.get(url, timeout=5)
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="pictures")
    elsewhere._opened.cache_clear()
    yield url
    server.kill()
    server.wait()


def test_a_bucket_takes_gives_and_forgets(person: r4.Patient, bucket: str) -> None:
    data = picture()
    keep(HERE, data)
    age()
    go_on(JOBS["store"])
    assert (Upkeep.objects.get(job="store").fault, Stored.objects.count(), here()) == ("", 1, False)
    digest = bytes(only().digest)
    with Object("", "", "", "", "", digest, len(data)).opened() as file:
        assert file.read() == data
    assert elsewhere.Away().has(digest)
    assert not elsewhere.Away().has(bytes(32))
    assert elsewhere.Away().chunks(bytes(32)) is None
    ask("DELETE FROM record.content")
    assert stores.sweep() == 1
    assert not elsewhere.Away().has(digest)
