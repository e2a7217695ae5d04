"""Contents that lie sealed on the disk, and contents that lie elsewhere, are read like any other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tuetinh.record.contents import Content, files, sealing
from tuetinh.record.contents.giving import piece

SCAN = bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    """The folder of files of each test."""
    settings.DATA = tmp_path
    return tmp_path / "files"


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes is sealed."""
    monkeypatch.setenv("TUETINH_SEAL_FILES", "1")


@pytest.mark.parametrize("size", [0, 1, sealing.PIECE - 1, sealing.PIECE, sealing.PIECE + 1, 3 * sealing.PIECE])
def test_what_comes_is_sealed_and_read_from_any_place(sealed: None, size: int) -> None:
    data = os.urandom(size)
    with files.Arriving() as arriving:
        for at in range(0, size, 70_000):
            arriving.write(data[at : at + 70_000])
        with arriving.opened() as file:
            assert file.read() == data
        content = arriving.place()
    assert content == Content(sha256(data).digest(), size)
    lies = files.path_of(content.digest).read_bytes()
    assert len(lies) == size + sealing.HEAD + sealing.TAG * max(1, -(-size // sealing.PIECE))
    assert size < 32 or data[:32] not in lies
    assert files.fault(content) == ""
    with files.opened(content.digest) as file:
        file.seek(size // 2)
        assert (file.read(100), file.seek(-1 if size else 0, os.SEEK_END)) == (
            data[size // 2 :][:100], max(0, size - 1),
        )  # fmt: skip
    assert b"".join(piece(content, size // 3, size).chunks()) == data[size // 3 :]


def test_what_was_changed_or_cut_off_is_found(sealed: None) -> None:
    content = files.store(SCAN)
    path = files.path_of(content.digest)
    lies = path.read_bytes()
    for spoilt in (
        lies[: sealing.HEAD + 2 * (sealing.PIECE + sealing.TAG)],  # cut off between pieces
        lies[:-1],
        lies[:1000] + bytes([lies[1000] ^ 1]) + lies[1001:],
        lies[: sealing.HEAD],
    ):
        path.write_bytes(spoilt)
        assert files.fault(content) in ("content", "size")
        with pytest.raises(sealing.Spoilt), files.opened(content.digest) as file:
            file.read()


def test_a_content_that_begins_like_a_seal_is_itself() -> None:
    files.seal(files.store(SCAN).digest)  # there is a key
    data = sealing.MARK + bytes(100)
    with files.opened(files.store(data).digest) as file:
        assert file.read() == data


def test_a_file_is_sealed_later_once_and_only_when_it_is_right(folder: Path) -> None:
    content = files.store(SCAN)
    assert files.seal(content.digest)
    assert not files.seal(content.digest)
    assert SCAN[:256] not in files.path_of(content.digest).read_bytes()
    assert files.fault(content) == ""
    assert oct((folder.parent / "keys" / "files.key").stat().st_mode & 0o777) == "0o600"
    wrong = files.store(SCAN[::-1])
    files.path_of(wrong.digest).write_bytes(SCAN)
    with pytest.raises(sealing.Spoilt):
        files.seal(wrong.digest)
    assert files.path_of(wrong.digest).read_bytes() == SCAN
    assert list((folder / files.ARRIVING).iterdir()) == []


def test_without_its_key_a_file_is_not_read(sealed: None, folder: Path) -> None:
    content = files.store(SCAN)
    (folder.parent / "keys" / "files.key").unlink()
    sealing._key.cache_clear()
    with pytest.raises(sealing.Spoilt):
        files.opened(content.digest)


class Shelf:
    """A place elsewhere."""

    def __init__(self) -> None:
        self.files: dict[bytes, bytes] = {}
        self.answers = True

    def chunks(self, digest: bytes) -> Iterator[bytes] | None:
        if not self.answers:
            raise files.Away("no answer")
        return iter([self.files[digest]]) if digest in self.files else None

    def has(self, digest: bytes) -> bool:
        if not self.answers:
            raise files.Away("no answer")
        return digest in self.files


@pytest.mark.parametrize("seals", [False, True])
def test_what_lies_elsewhere_comes_back_when_it_is_read(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, seals: bool
) -> None:
    monkeypatch.setenv("TUETINH_SEAL_FILES", "1" if seals else "0")
    shelf = Shelf()
    monkeypatch.setattr(files, "_elsewhere", [shelf])
    content = files.store(SCAN)
    path = files.path_of(content.digest)
    shelf.files[content.digest] = path.read_bytes()
    files.forget(content.digest)
    assert (files.fault(content), path.exists()) == ("", False)
    shelf.answers = False
    assert files.fault(content) == "away"
    with pytest.raises(files.Away):
        piece(content)
    shelf.answers = True
    with files.opened(content.digest) as file:
        assert file.read() == SCAN
    assert path.exists()
    files.forget(content.digest)
    shelf.files[content.digest] = shelf.files[content.digest][:-1] + b"?"
    assert files.fault(content, fetched=True) == "content"
    with pytest.raises((FileNotFoundError, sealing.Spoilt)):
        files.opened(content.digest)
    assert (path.exists(), list((folder / files.ARRIVING).iterdir())) == (False, [])
