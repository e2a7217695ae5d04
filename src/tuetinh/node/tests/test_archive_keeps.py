"""What an archive keeps and what it forgets; what is sealed is read by the key alone, whole, and with flat memory."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tuetinh.node.backup import retention
from tuetinh.node.backup.archive import Archive, Base, Line, content_name, stamp
from tuetinh.node.backup.retention import Rule
from tuetinh.node.backup.sealing import Broken, Identities, Recipients, make_key
from tuetinh.node.errors import Refused
from tuetinh.record.contents.places import Folder, Missing

NOW = datetime(2026, 11, 28, 5, tzinfo=UTC)
SEGMENT = 16 << 20
LINE = Line("line", "7", 1, SEGMENT, 18)


def made(days_ago: float, start: int = 0) -> Base:
    """A base backup of that time."""
    at = NOW - timedelta(days=days_ago)
    ended = (at + timedelta(minutes=5)).isoformat()
    return Base(
        "line", stamp(at), ended, start * SEGMENT + 40, start * SEGMENT + 90, 18, 1000, 0, "tuetinh", "postgres"
    )


def days(bases: list[Base]) -> list[int]:
    return [(NOW - base.began).days for base in bases]


def test_days_weeks_and_months_are_kept() -> None:
    bases = [made(day) for day in range(100)]
    kept, whole = retention.kept(bases, Rule(7, 4, 3), NOW)
    assert days(whole) == [8, 7, 6, 5, 4, 3, 2, 1, 0]  # one that ended before them, so that seven days are whole
    # weeks end on Sundays, 8/11, 15/11 and 22/11; months on 30/9 and 31/10
    assert days(kept) == [59, 28, 20, 13, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert retention.kept(bases[50:], Rule(7, 0, 0), NOW)[0] == [bases[50]]  # the last one is never forgotten


@pytest.mark.parametrize("text", ["", "7", "d", "4w7d", "0x", "7 days", "-1d"])
def test_a_rule_that_is_not_understood_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUETINH_BACKUP_KEEP", text)
    with pytest.raises(Refused, match="TUETINH_BACKUP_KEEP"):
        retention.rule()


def test_pruning_takes_what_nothing_needs(tmp_path: Path) -> None:
    place = Folder(tmp_path / "archive")
    (tmp_path / "archive").mkdir()
    archive = Archive(place)
    archive.keep_line(LINE)
    old, month, new = made(60, 1), made(40, 3), made(2, 6)
    digests = ["aa" * 32, "bb" * 32, "cc" * 32, "dd" * 32]
    listed = {old: digests[:2], month: digests[1:2], new: digests[2:3]}
    for base, own in listed.items():
        place.put(f"{base.folder}/data", lambda sink: sink.write(b"d"))
        place.put(f"{base.folder}/contents", lambda sink, own=own: sink.write("\n".join(own).encode()))
        archive.keep_base(base)
    for digest in digests:
        place.put(content_name(digest), lambda sink: sink.write(b"c"))
        os.utime(tmp_path / "archive" / content_name(digest), (0, 0))
    (tmp_path / "var" / "files" / "dd").mkdir(parents=True)
    (tmp_path / "var" / "files" / "dd" / digests[3]).touch()  # the node has it
    for segment in range(9):
        place.put(LINE.whole(segment * SEGMENT), lambda sink: sink.write(b"l"))
    for at in (70, 61, 30, 1):
        place.put(f"keys/line/{stamp(NOW - timedelta(days=at))}", lambda sink: sink.write(b"k"))
    before = {entry.name for entry in place.entries()}
    rule = Rule(1, 0, 2)
    trial = retention.prune(tmp_path / "var", archive, rule, NOW, dry=True)
    assert {entry.name for entry in place.entries()} == before
    assert retention.prune(tmp_path / "var", archive, rule, NOW) == trial
    gone = before - {entry.name for entry in place.entries()}
    assert gone == {
        *(f"{old.folder}/{name}" for name in ("data", "contents", "meta.json")),
        *(LINE.whole(segment * SEGMENT) for segment in (0, 1, 2, 4, 5)),
        f"keys/line/{stamp(NOW - timedelta(days=70))}",
        content_name(digests[0]),
    }
    assert trial.names == len(gone)
    assert archive.bases() == [month, new]
    assert archive.stretch(LINE, new.start).end == 9 * SEGMENT


def test_a_gap_in_the_log_is_named(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    names = [LINE.whole(0), LINE.part(SEGMENT, SEGMENT + 300), LINE.part(SEGMENT + 100, SEGMENT + 700)]
    for name in (*names, LINE.whole(3 * SEGMENT)):
        place.put(name, lambda sink: sink.write(b"l"))
    stretch = Archive(place).stretch(LINE, 50)
    assert [piece.name for piece in stretch.pieces] == names
    assert (stretch.end, stretch.missing) == (SEGMENT + 700, "000000010000000000000001")


def test_what_is_sealed_is_for_the_key_and_the_name(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    recipients, other = Recipients(make_key(tmp_path / "key")), make_key(tmp_path / "other")
    identities = Identities(tmp_path / "key")
    place.put("a", recipients.seal("a", [b"one", b"", b"two"]))
    assert identities.read(place, "a") == b"onetwo"
    sealed = (tmp_path / "a").read_bytes()
    assert b"one" not in sealed
    for spoilt, reason in ((sealed[:-1], "changed or cut off"), (b"", "is cut off"), (b"age-", "is cut off")):
        (tmp_path / "a").write_bytes(spoilt)
        with pytest.raises(Broken, match=f"^{tmp_path}/a cannot be read: it .*{reason.removeprefix('is ')}"):
            identities.read(place, "a")
    (tmp_path / "b").write_bytes(sealed)
    with pytest.raises(Broken, match="another thing under this name"):
        identities.read(place, "b")
    place.put("c", Recipients(other).seal("c", [b"x"]))
    with pytest.raises(Broken, match="for another key"):
        identities.read(place, "c")
    with pytest.raises(Missing):
        identities.read(place, "d")
    with pytest.raises(Refused, match="is there already"):
        make_key(tmp_path / "key")


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken(sink: object) -> None:
        raise OSError("gone")

    place = Folder(tmp_path / "place")
    (tmp_path / "place").mkdir()
    with pytest.raises(Exception, match="gone"):
        place.put("a/b", broken)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_memory_stays_flat(tmp_path: Path) -> None:
    program = """
import os, resource, sys
from pathlib import Path
from tuetinh.record.contents.places import Folder
from tuetinh.node.backup.sealing import Identities, Recipients, make_key
root = Path(sys.argv[1])
recipients, place = Recipients(make_key(root / "key")), Folder(root)
def used(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
part = os.urandom(1 << 20)
place.put("small", recipients.seal("small", [part]))
with Identities(root / "key").opened(place, "small") as stream: stream.read()
before = used()
place.put("large", recipients.seal("large", (part for _ in range(256))))
with Identities(root / "key").opened(place, "large") as stream:
    size = sum(len(chunk) for chunk in iter(lambda: stream.read(1 << 20), b""))
assert size == 256 << 20
print(used() - before)
"""
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 32  # MiB, of 256


def test_bases_tell_their_moments() -> None:
    base = made(1)
    assert base.usable - base.began == timedelta(minutes=5)
    assert replace(base, line="other").folder == f"base/other/{base.name}"
