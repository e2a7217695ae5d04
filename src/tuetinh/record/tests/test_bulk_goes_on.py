"""Jobs of bulk data are left and gone on with, change under the hand, and meet a full disk or large data."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tuetinh.record.bulk import export as exporting
from tuetinh.record.bulk import files, importing, ledger, organized, reading, running
from tuetinh.record.bulk.export import Export
from tuetinh.record.bulk.importing import Import
from tuetinh.record.tests.bulk_world import ASYNC, Made, aside, ended, export, path_of, work

pytestmark = pytest.mark.django_db
COUNT = 7
LARGE = 2 * 1024 * 1024
MANY_LARGE = 32


@pytest.fixture(scope="module")
def there(fhir: Any) -> Any:
    for n in range(COUNT):
        fhir.put(f"/Patient/p{n}", {"resourceType": "Patient", "id": f"p{n}"})
        fhir.put(f"/Basic/b{n}", {"resourceType": "Basic", "id": f"b{n}", "code": {"text": "x"}})
    return fhir


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of a few resources, so that there are many of them."""
    monkeypatch.setattr(exporting, "KEYS", 3)
    monkeypatch.setattr(exporting, "TURN", 1)
    monkeypatch.setattr(reading, "BODIES", 2)
    monkeypatch.setattr(exporting, "FILE_COUNT", 5)
    monkeypatch.setattr(importing, "TURN_LINES", 3)


def begun(fhir: Any, path: str = "/$export?_type=Basic,Patient") -> tuple[str, str]:
    """Where a new job is asked for, and its id."""
    place = path_of(fhir.get(path, headers=ASYNC))
    return place, place.rpartition("/")[2]


def left_after(id_: str, turns: int, then: Callable[[Export], None] = lambda _: None) -> None:
    """Work at an export for some turns and leave it as a worker does that is killed in the next one."""

    def run() -> None:
        job = ledger.take(id_)
        assert job is not None
        work = Export(job)
        for _ in range(turns):
            assert work._turn()
        then(work)
        work.close()

    aside(run)


def untold(work: Export) -> None:
    """A resource is written, but the worker dies before it can tell."""
    work.add("output", work.job.files[-1].type if work.job.files else "Basic", b'{"half":')


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("turns", [0, 1, 3, 4, 5, 6, 7, 8])  # the first three wait for the moment
def test_an_export_goes_on_where_it_was_left(there: Any, turns: int) -> None:
    place, id_ = begun(there)
    left_after(id_, turns, untold)
    running_ = there.get(place)
    assert running_.status_code == 202
    made = ended(there, place)
    assert made.ids() == sorted(
        [f"{type_}/{type_[0].lower()}{n}" for type_ in ("Basic", "Patient") for n in range(COUNT)]
    )
    assert [file["count"] for file in made.manifest["output"]] == [5, 2, 5, 2]
    assert sorted(path.name for path in files.folder(id_).iterdir()) == [
        *("Basic-1.ndjson", "Basic-2.ndjson", "Patient-1.ndjson", "Patient-2.ndjson"),
    ]


def by_patient(made: Made) -> dict[str, list[str]]:
    """What stands below each header, file by file."""
    found: dict[str, list[str]] = {}
    for file in made.manifest["output"]:
        name = ""
        for line in made.text(file["url"]).splitlines():
            each = json.loads(line)
            if each["resourceType"] == "Parameters":
                name = each["parameter"][0]["valueReference"]["reference"]
                assert name not in found
            else:
                found.setdefault(name, []).append(f"{each['resourceType']}/{each['id']}")
    return found


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("turns", [0, 2, 4, 5, 7, 10])
def test_an_organized_export_goes_on_where_it_was_left(there: Any, turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organized, "AT_ONCE", 3)
    for n in range(COUNT):
        about = {"subject": {"reference": f"Patient/p{n}"}, "code": {"text": "x"}}
        for k in range(n):
            body = {"resourceType": "Condition", "id": f"c{n}-{k}"} | about
            assert there.put(f"/Condition/c{n}-{k}", body).status_code in (200, 201)
    place, id_ = begun(there, "/$export?_type=Basic,Condition,Patient&organizeOutputBy=Patient")
    left_after(id_, turns, untold)
    made = ended(there, place)
    assert made.manifest["outputOrganizedBy"] == "Patient"
    assert by_patient(made) == {
        **{f"Patient/p{n}": [f"Patient/p{n}", *(f"Condition/c{n}-{k}" for k in range(n))] for n in range(COUNT)},
        "": [f"Basic/b{n}" for n in range(COUNT)],
    }
    types = [file.get("type") for file in made.manifest["output"]]
    assert types == [*[None] * (len(types) - 2), "Basic", "Basic"]
    for n in range(COUNT):
        for k in range(n):
            there.send("DELETE", f"/Condition/c{n}-{k}")


@pytest.mark.usefixtures("small")
def test_a_file_is_not_served_before_the_end(there: Any) -> None:
    place, id_ = begun(there)
    while not list(files.folder(id_).glob("*.ndjson")):
        left_after(id_, 1)
    names = [path.name for path in files.folder(id_).iterdir()]
    for name in names:
        assert there.get(f"{place}/{name.removesuffix('.part')}").status_code == 404
    assert "resources written" in there.get(place).headers["x-progress"]
    ended(there, place)
    assert there.get(f"{place}/Basic-1.ndjson").status_code == 200


@pytest.mark.usefixtures("small")
def test_what_changes_meanwhile_is_not_lost(there: Any) -> None:
    place, id_ = begun(there)
    while not list(files.folder(id_).glob("*")):
        left_after(id_, 1)
    for n in (0, COUNT - 1):  # one that is written, one whose turn comes
        there.put(f"/Basic/b{n}", {"resourceType": "Basic", "id": f"b{n}", "code": {"text": "changed"}})
    there.put("/Basic/new", {"resourceType": "Basic", "id": "new", "code": {"text": "x"}})
    made = ended(there, place)
    basics = [each for each in made.lines() if each["resourceType"] == "Basic"]
    assert [each["id"] for each in basics] == [f"b{n}" for n in range(COUNT)]
    assert [each["code"]["text"] for each in basics] == ["x"] * (COUNT - 1) + ["changed"]
    since = made.manifest["transactionTime"]
    again = export(there, f"/$export?_type=Basic&_since={since}")
    assert again.ids() == ["Basic/b0", f"Basic/b{COUNT - 1}", "Basic/new"]
    for n in (0, COUNT - 1):
        there.put(f"/Basic/b{n}", {"resourceType": "Basic", "id": f"b{n}", "code": {"text": "x"}})
    there.send("DELETE", "/Basic/new")


def test_a_job_has_one_worker(there: Any) -> None:
    place, id_ = begun(there)

    def second() -> None:
        assert ledger.lock(id_)
        with pytest.raises(running.Busy):
            aside(lambda: running._taken(id_))

    aside(second)
    assert ended(there, place).manifest["error"] == []
    assert aside(lambda: ledger.take(id_)) is None  # it has ended


@pytest.mark.usefixtures("small")
def test_a_job_that_is_deleted_stops(there: Any) -> None:
    place, id_ = begun(there)

    def delete_under_it(work: Export) -> None:
        assert there.send("DELETE", place).status_code == 202
        with pytest.raises(ledger.Cancelled):
            while work._turn():
                pass

    left_after(id_, 0, delete_under_it)
    work()
    assert there.get(place).status_code == 404


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The kernel lets no file grow beyond a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_told(there: Any) -> None:
    place, id_ = begun(there)
    with no_file_above(100):
        work()
    answer = there.get(place)
    assert answer.status_code == 500
    assert answer.json()["issue"][0]["diagnostics"] == (
        "the export failed: the disk of the server is full; its files could not be written"
    )
    assert "expires" in answer.headers
    assert not files.folder(id_).exists()
    assert there.send("DELETE", place).status_code == 202


def test_files_that_are_gone_are_told(there: Any) -> None:
    place, id_ = begun(there)
    made = ended(there, place)
    files.remove(id_)
    url = made.manifest["output"][0]["url"].removeprefix("http://record.test/fhir")
    assert there.get(url).status_code == 404


@pytest.fixture(scope="module")
def large(there: Any) -> list[str]:
    """Binaries of many megabytes; their ids."""
    data = "QUJD" * (LARGE // 4)
    ids = [f"large-{n}" for n in range(MANY_LARGE)]
    for id_ in ids:
        body = {"resourceType": "Binary", "id": id_, "contentType": "text/plain", "data": data}
        assert there.put(f"/Binary/{id_}", body).status_code in (200, 201)
    return ids


def test_memory_stays_flat_by_bytes(there: Any, large: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, id_ = begun(there, "/$export?_type=Binary,Patient")
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    path = files.folder(id_) / "Binary-1.ndjson"
    assert path.stat().st_size > MANY_LARGE * LARGE
    assert peak < 5 * LARGE

    # and the same back in
    async def fetched(_: str, file: Any, __: Any, ___: int = 0) -> None:
        with path.open("rb") as source:
            while chunk := source.read(1024 * 1024):
                file.write(chunk)

    monkeypatch.setattr(importing.fetching, "fetch", fetched)
    monkeypatch.setenv(importing.fetching.SETTING, "https://files.example")
    body = {"input": [{"type": "Binary", "url": "https://files.example/x"}]}
    answer = there.post("/$import", body, headers={"content-type": "application/json"})
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    manifest = there.get(path_of(answer)).json()
    assert (manifest["output"][0]["count"], manifest["error"]) == (MANY_LARGE, [])
    assert peak < 20 * LARGE


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_an_import_goes_on_where_it_was_left(
    there: Any, turns: int, monkeypatch: pytest.MonkeyPatch, ask: Any, stored_count: Any
) -> None:
    about = {"status": "active", "code": {"text": "x"}, "subject": {"reference": "Patient/p0"}}
    lines = [{"resourceType": "Flag", "id": f"in-{turns}-{n}"} | about for n in range(8)]
    del lines[4]["code"], lines[1]["code"]
    text = b"".join(json.dumps(each).encode() + b"\n" for each in lines)

    async def fetched(_: str, file: Any, __: Any, ___: int = 0) -> None:
        file.write(text)

    monkeypatch.setattr(importing.fetching, "fetch", fetched)
    monkeypatch.setenv(importing.fetching.SETTING, "https://files.example")
    body = {"input": [{"type": "Flag", "url": "https://files.example/x"}]}
    place = path_of(there.post("/$import", body, headers={"content-type": "application/json"}))
    id_ = place.rpartition("/")[2]
    before = stored_count()

    async def some_turns(self: Import, call: ledger.Call) -> None:
        await self._read_manifest(call)
        await self._fetch(call)
        for _ in range(turns):
            await call(self._turn)
        await call(self._importer.flush)
        raise running.psycopg.OperationalError("the database leaves")

    with monkeypatch.context() as patch:
        patch.setattr(Import, "go_on", some_turns)
        with pytest.raises(running.psycopg.OperationalError):
            aside(lambda: asyncio.run(running.work(id_)))
    assert there.get(place).status_code == 202
    made: Made = ended(there, place)
    assert made.manifest["output"] == [{"type": "Flag", "inputUrl": "https://files.example/x", "count": 6}]
    issues = [issue for outcome in made.lines("error") for issue in outcome["issue"]]
    assert [issue["diagnostics"].partition(":")[0] for issue in issues] == ["line 2", "line 5"]
    assert stored_count() == before + 6
