"""pydicom as an archive reads with it. Only who takes objects apart imports it: it takes much time and memory."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final

import tuetinh.care.imaging.library  # noqa: F401

import pydicom
from pydicom import config
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset
from pydicom.pixels import get_decoder, get_encoder
from pydicom.uid import RLELossless

from tuetinh.care.imaging.archive import apart

# Machines write what the standard forbids; the archive keeps what they write.
config.settings.reading_validation_mode = config.IGNORE
# Some broken pictures end the process that decodes them, or hold it for long: others do that, which may end.
for _syntax in apart.SYNTAXES:
    for _name in get_decoder(_syntax).available_plugins:
        get_decoder(_syntax).remove_plugin(_name)
    get_decoder(_syntax).add_plugin("apart", (apart.__name__, "decode"))
get_encoder(RLELossless).remove_plugin("gdcm")  # it ends the process over frames that it cannot encode
HEAD: Final = 132  # bytes of a Part 10 file before its header: a preamble and DICM
PIECE: Final = 2**20
INFLATED: Final = 512 * 2**20  # bytes of a deflated data set, which the library holds as a whole
_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_BEGIN: Final = 2048  # bytes within which a header says how its data set is written


class InflatesTooMuch(ValueError):
    """A few bytes would become more than memory holds."""


def dcmread(file: Any, **options: Any) -> FileDataset:
    """The data set of a path or a file. Raises InflatesTooMuch, and as the library."""
    if isinstance(file, (str, Path)):
        with Path(file).open("rb") as opened:
            _check(opened)
    else:
        _check(file)
    return pydicom.dcmread(file, **options)


def _check(file: BinaryIO) -> None:
    at = file.tell()
    begin = file.read(_BEGIN)
    if _DEFLATED in begin and begin[HEAD - 4 : HEAD] == b"DICM":
        file.seek(at + HEAD)
        read_dataset(
            file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, length: tag.group != 2
        )
        _inflate(file)
    file.seek(at)


def _inflate(file: BinaryIO) -> None:
    """Go through what is deflated, without keeping it."""
    inflating, size, held = zlib.decompressobj(-zlib.MAX_WBITS), 0, b""
    while not inflating.eof and (held := inflating.unconsumed_tail or file.read(PIECE)):
        size += len(inflating.decompress(held, PIECE))
        if size > INFLATED:
            raise InflatesTooMuch("the data set would be too large")


__all__ = ["InflatesTooMuch", "dcmread", "read_dataset"]
