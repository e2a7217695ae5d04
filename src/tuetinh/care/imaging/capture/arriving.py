"""Files that come in pieces, so that no request is large and a broken line goes on where it was.

Each lies in a folder of the node, named by who sends it and by the name that the page gave it. What does not grow for a
day is taken away.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import BinaryIO, Final

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.errors import ImagingError
from tuetinh.record.asker import Asker
from tuetinh.record.contents import Arriving
from tuetinh.record.contents.files import room

ROOM: Final = "imaging-arriving"
PIECE: Final = 8 * 2**20
KEPT_SECONDS: Final = 86_400.0
MOST: Final = 64 * 2**30


class WrongPiece(ImagingError):
    """A piece that does not follow what is there."""

    code = "wrong-piece"
    message = _("Tải tệp bị đứt quãng. Hãy gửi lại tệp này.")


def place(asker: Asker, key: str) -> Path:
    """Where a file comes in. Raises WrongPiece for a name that no page gives."""
    if not re.fullmatch(r"[0-9a-f-]{16,40}", key) or not asker.account.isalnum():
        raise WrongPiece
    return Path(settings.DATA) / ROOM / f"{asker.account}-{key}"


def add(asker: Asker, key: str, at: int, piece: bytes) -> int:
    """Add a piece at its place; returns how much is there. The same piece again is harmless. Raises WrongPiece."""
    path = place(asker, key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    room(len(piece))
    with path.open("r+b" if path.exists() else "x+b") as file:
        size = file.seek(0, 2)
        if not 0 <= at <= size or len(piece) > PIECE or at + len(piece) > MOST:
            raise WrongPiece
        file.seek(at)
        file.write(piece)
        return max(size, at + len(piece))


def arrived(asker: Asker, key: str, size: int) -> Path:
    """A file that is whole. Raises WrongPiece."""
    path = place(asker, key)
    if not path.is_file() or path.stat().st_size != size:
        raise WrongPiece
    return path


def set_down(asker: Asker, key: str, chunks: BinaryIO) -> Path:
    """A file that a form brought in one."""
    path = place(asker, key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("xb") as file:
        while data := chunks.read(PIECE):
            file.write(data)
    return path


def tidy() -> int:
    """Take away what nobody goes on with; returns how many files."""
    gone = 0
    for path in (Path(settings.DATA) / ROOM).glob("*"):
        if path.stat().st_mtime < time.time() - KEPT_SECONDS:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def come(path: Path) -> Arriving:
    """A file as a content that comes into the archive."""
    content = Arriving()
    try:
        with path.open("rb") as file:
            while data := file.read(PIECE):
                content.write(data)
    except BaseException:
        content.__exit__()
        raise
    return content
