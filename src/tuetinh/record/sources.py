"""JSON documents out of whatever is given to the import: files, folders, archives, NDJSON, standard input."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from tuetinh.record import contents

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
LINES = (".ndjson", ".jsonl")
KNOWN = (".json", *LINES, *ARCHIVES, ".json.gz", ".ndjson.gz", ".jsonl.gz")
MANIFEST = "manifest.json"  # tells of a folder of bulk data, and is no resource


class Document(NamedTuple):
    """One JSON document and where it stands. `error` says why it could not be read."""

    place: str
    data: bytes = b""
    error: str = ""


def documents(paths: list[str]) -> Iterator[Document]:
    """The documents of all paths, one after the other; a folder is walked in the order of its names."""
    for path in paths:
        if path == "-":
            yield from _stream("-", sys.stdin.buffer)
        elif Path(path).is_dir():
            for file in sorted(p for p in Path(path).rglob("*") if p.is_file() and p.name.lower().endswith(KNOWN)):
                if file.name != MANIFEST:
                    yield from _file(file)
        elif Path(path).is_file():
            yield from _file(Path(path))
        else:
            yield Document(path, error="there is no such file or folder")


def _file(path: Path) -> Iterator[Document]:
    name = str(path)
    try:
        if name.lower().endswith(ARCHIVES):
            yield from _archive(name, path)
        else:
            with path.open("rb") as file:
                yield from _stream(name, file)
    except (OSError, EOFError, zlib.error, tarfile.TarError, contents.NoSpace) as error:
        yield Document(name, error=f"cannot be read: {error}")


def _archive(name: str, path: Path) -> Iterator[Document]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            inner = archive.extractfile(member) if member.isfile() and member.name.lower().endswith(KNOWN) else None
            if inner is not None:
                yield from _stream(f"{name}:{member.name}", io.BytesIO(inner.read()))


def _stream(name: str, file: IO[bytes]) -> Iterator[Document]:
    """One document, or one for each line: by the name, else by whether the first line is a whole document."""
    source: Any = file if hasattr(file, "peek") else io.BufferedReader(file)
    if source.peek(2)[:2] == b"\x1f\x8b":
        source = gzip.GzipFile(fileobj=source)
        name = name.removesuffix(".gz")
    if name.lower().endswith(LINES):
        yield from _lines(name, 1, source)
        return
    first = source.readline()
    text = first.strip().removeprefix(b"\xef\xbb\xbf")
    if name == "-" and text.startswith(b"{") and text.endswith(b"}"):
        yield Document(f"{name}:1", text)
        yield from _lines(name, 2, source)
    else:
        yield Document(name, (first + source.read()).removeprefix(b"\xef\xbb\xbf"))


def _lines(name: str, start: int, source: IO[bytes]) -> Iterator[Document]:
    for number, line in enumerate(contents.lines(source), start):
        if text := line.removeprefix(b"\xef\xbb\xbf").strip():
            yield Document(f"{name}:{number}", text)
