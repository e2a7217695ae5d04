"""What lies where in an archive, and from which base backup and which log a moment comes back.

    contents/ab/abcd…            each content of the record, by its SHA-256
    lines/LINE.json              a line: one history of one server; a restored node begins another
    base/LINE/NAME/data          a base backup (tar), NAME is when it began
    base/LINE/NAME/contents      the contents that were there then, plain, one digest a line
    base/LINE/NAME/meta.json     what it is, plain; written last: without it there is no backup
    keys/LINE/NAME               keys and demo.json of the data folder (tar), whenever they changed
    months/LINE/NAME             a month of the access log that left the database
    log/LINE/SEGMENT             a whole segment of the write-ahead log, by PostgreSQL's name
    log/LINE/SEGMENT.FROM-TO     a part of one that is not whole yet; offsets in hexadecimal

All but the plain ones are sealed. Plain ones say nothing of any person: times, sizes, positions, digests.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tuetinh.node.backup.sealing import Broken, Identities, Recipients
from tuetinh.node.errors import Refused
from tuetinh.record.contents.places import Entry, Missing, NoPlace, Place, open_place

STAMP = "%Y%m%dT%H%M%S%fZ"
CONTENTS = "contents/"
MONTHS = "audit/archive"  # of the data folder
_PIECE = re.compile(
    r"(?P<timeline>[0-9A-F]{8})(?P<high>[0-9A-F]{8})(?P<low>[0-9A-F]{8})(?:\.(?P<part>[0-9A-F]+-[0-9A-F]+))?"
)


def stamp(at: datetime) -> str:
    """A moment as a name that sorts."""
    return at.astimezone(UTC).strftime(STAMP)


def moment(name: str) -> datetime:
    """The moment of a name."""
    return datetime.strptime(name, STAMP).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the log, from one position to another, that is kept under a name."""

    start: int
    end: int
    name: str
    at: datetime

    @property
    def segment(self) -> str:
        """PostgreSQL's name of the segment."""
        return self.name.rpartition("/")[2].partition(".")[0]


@dataclass(frozen=True, slots=True)
class Base:
    """A base backup. Positions are of the log, sizes in bytes. login: the server's first superuser."""

    line: str
    name: str
    ended: str
    start: int
    stop: int
    version: int
    size: int
    contents: int
    database: str
    login: str

    @property
    def began(self) -> datetime:
        """When it was begun."""
        return moment(self.name)

    @property
    def usable(self) -> datetime:
        """The first moment that can be restored from it."""
        return datetime.fromisoformat(self.ended)

    @property
    def folder(self) -> str:
        """Where it lies."""
        return f"base/{self.line}/{self.name}"


@dataclass(frozen=True, slots=True)
class Line:
    """One history of one server. segment: bytes of a segment of its log."""

    name: str
    system: str
    timeline: int
    segment: int
    version: int

    def segment_name(self, position: int) -> str:
        """PostgreSQL's name of the segment that holds a position."""
        number, of_one = position // self.segment, 0x1_0000_0000 // self.segment
        return f"{self.timeline:08X}{number // of_one:08X}{number % of_one:08X}"

    def whole(self, position: int) -> str:
        """The name under which the segment of a position lies once it is whole."""
        return f"log/{self.name}/{self.segment_name(position)}"

    def part(self, start: int, end: int) -> str:
        """The name of a part of a segment."""
        first = start - start % self.segment
        return f"{self.whole(start)}.{start - first:08X}-{end - first:08X}"

    def piece(self, entry: Entry) -> Piece | None:
        """The stretch of the log that an entry is."""
        found = _PIECE.fullmatch(entry.name.rpartition("/")[2])
        if not found:
            return None
        first = (int(found["high"], 16) << 32) + int(found["low"], 16) * self.segment
        start, _, end = (found["part"] or f"0-{self.segment:X}").partition("-")
        return Piece(first + int(start, 16), first + int(end, 16), entry.name, entry.modified)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The log from a base backup on, without a gap. missing: the segment at which it breaks off though more follows."""

    pieces: list[Piece]
    end: int
    at: datetime | None
    missing: str = ""


@dataclass(frozen=True)
class Archive:
    """An archive."""

    place: Place
    _lines: dict[str, Line] = field(default_factory=dict)

    def write(self, name: str, told: dict[str, object]) -> None:
        """Keep something plain."""
        self.place.put(name, lambda sink: _write(sink, json.dumps(told, indent=1).encode()))

    def read(self, name: str) -> dict[str, object]:
        """Something plain. Raises Missing, Broken."""
        try:
            told = json.loads(b"".join(self.place.get(name)))
        except ValueError as error:
            raise Broken(f"{self.place}/{name} was changed or cut off") from error
        if not isinstance(told, dict):
            raise Broken(f"{self.place}/{name} was changed")
        return told

    def keep_line(self, line: Line) -> None:
        """Begin a line."""
        self.write(f"lines/{line.name}.json", asdict(line))

    def line(self, name: str) -> Line:
        """A line. Raises Missing, Broken."""
        if name not in self._lines:
            try:
                self._lines[name] = Line(**self.read(f"lines/{name}.json"))  # type: ignore[arg-type]
            except TypeError as error:
                raise Broken(f"{self.place}/lines/{name}.json was changed") from error
        return self._lines[name]

    def keep_base(self, base: Base) -> None:
        """Let a base backup count."""
        self.write(f"{base.folder}/meta.json", asdict(base))

    def bases(self) -> list[Base]:
        """The base backups that are whole, the oldest first. Raises Broken, Unreachable."""
        found = []
        for entry in self.place.entries("base/"):
            if entry.name.endswith("/meta.json"):
                try:
                    found.append(Base(**self.read(entry.name)))  # type: ignore[arg-type]
                except TypeError as error:
                    raise Broken(f"{self.place}/{entry.name} was changed") from error
                except Missing:  # it is pruned meanwhile
                    continue
        return sorted(found, key=lambda base: base.name)

    def log(self, line: Line) -> list[Piece]:
        """Every stretch of a line's log that is kept, in order; where parts overlap, the longest first."""
        pieces = (line.piece(entry) for entry in self.place.entries(f"log/{line.name}/"))
        return sorted((piece for piece in pieces if piece), key=lambda piece: (piece.start, -piece.end))

    def stretch(self, line: Line, start: int) -> Stretch:
        """The log from a position on, as far as it goes without a gap."""
        first = start - start % line.segment
        pieces: list[Piece] = []
        end, at = first, None
        for piece in self.log(line):
            if piece.end <= end:
                continue
            if piece.start > end:
                return Stretch(pieces, end, at, line.segment_name(end))
            pieces.append(piece)
            end, at = piece.end, piece.at
        return Stretch(pieces, end, at)

    def contents(self) -> Iterator[Entry]:
        """The contents that are kept."""
        return self.place.entries(CONTENTS)


def content_name(digest: str) -> str:
    """Where a content lies, by its SHA-256 in hexadecimal."""
    return f"{CONTENTS}{digest[:2]}/{digest}"


def chunks(file: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    """The parts of a file."""
    return iter(lambda: file.read(size), b"")


def _write(sink: BinaryIO, data: bytes) -> None:
    for part in chunks(io.BytesIO(data)):
        sink.write(part)


def address() -> str:
    """Where the archive of this node is to lie; "" where it has none."""
    return os.environ.get("TUETINH_BACKUP", "").strip()


def opened(place: str = "") -> Archive:
    """The archive of a place, or of this node. Raises Refused."""
    if not (place or address()):
        raise Refused("TUETINH_BACKUP names no archive: a folder of another disk, or s3://BUCKET/PREFIX")
    try:
        return Archive(open_place(place or address()))
    except NoPlace as error:
        raise Refused(str(error)) from error


def recipients() -> Recipients:
    """For whom this node seals. Raises Refused."""
    return Recipients(os.environ.get("TUETINH_BACKUP_RECIPIENTS", ""))


def identities(path: Path | None = None) -> Identities:
    """Who reads: a file, or that which TUETINH_BACKUP_KEY names. Raises Refused."""
    named = str(path or os.environ.get("TUETINH_BACKUP_KEY", ""))
    if not named:
        raise Refused("whose key? --key FILE or TUETINH_BACKUP_KEY name the file of the age identity")
    return Identities(Path(named))
