"""Reading what came: the head of a DICOM object, without its pixels."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from hashlib import sha256
from io import SEEK_END, BytesIO
from struct import unpack
from typing import TYPE_CHECKING, Any, BinaryIO

from tuetinh.care.imaging.archive.attributes import LEVEL_OF, TAG_OF, Elements, as_text
from tuetinh.record.contents.files import folder, opened
from tuetinh.record.text import fold

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

PREAMBLE = 128
BEGIN = 64 * 1024  # bytes in which most objects have told all but their pixels
PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
LONGEST = 64  # characters of a UID (PS3.5, 9.1), and of an LO
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")


class Broken(Exception):
    """The bytes are no DICOM object that can be read."""


class Missing(Exception):
    """A UID without which an object has no place (PS3.3 C.7.2.1, C.7.3.1, C.12.1). args: the keyword."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the index keeps of an object."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    study: str
    series: str
    modality: str
    patient_id: str
    issuer: str
    name: str
    birth: date | None
    sex: str
    accession: str
    elements: Elements

    def attributes(self, level: str) -> dict[str, Any]:
        """The DICOM JSON of a level: `STUDY`, `SERIES`, `IMAGE`."""
        return self.elements.as_json(level)

    def text(self, keyword: str, most: int = LONGEST) -> str:
        """A value as text, "" where there is none."""
        return self.elements.text(TAG_OF[keyword])[:most]

    def number(self, keyword: str) -> int | None:
        """A value as a whole number that a column can hold, or None."""
        try:
            found = int(self.text(keyword))
        except ValueError:
            return None
        return found if abs(found) < 2**63 else None

    def day(self, keyword: str) -> date | None:
        """A date (DA), or None."""
        return day(self.text(keyword))

    def clock(self, keyword: str) -> time | None:
        """A time (TM), or None."""
        return clock(self.text(keyword))

    def words(self, keyword: str) -> str:
        """A person's name for matching; see `words`."""
        return words(self.text(keyword, 324))


def whole(digest: bytes, **options: Any) -> FileDataset:
    """The data set of an object that is kept. options: of dcmread; what is deferred is read when it is asked for.

    Raises as `files.opened`.
    """
    with opened(digest) as file:
        return whole_of(file, digest, **options)


def whole_of(file: BinaryIO, digest: bytes, **options: Any) -> FileDataset:
    """The same of one that is opened already, which stands where reading ended."""
    from tuetinh.care.imaging.archive.lenient import dcmread

    dataset = dcmread(file, **options)
    dataset.filename, dataset.timestamp = str(folder()), None  # by which the library would look for it
    dataset.fileobj_type = lambda *_: opened(digest)
    return dataset


class _Unnamed:
    """A file for pydicom, which asks one with a name for its time, while another thread may be moving it."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def read(file: BinaryIO) -> Head:
    """The head of a Part 10 file. Raises Broken, Missing."""
    begin = BytesIO(file.read(BEGIN))
    if begin.read(PREAMBLE + 4)[PREAMBLE:] != b"DICM":
        raise Broken("no Part 10 header")
    try:
        head, syntax = _usual(begin, file) or _by_library(file)
        is_cut = syntax != _DEFLATED and _is_cut_off(file, head)
        elements = Elements(head)
    except ImportError:  # of this process, as while it is out of memory
        raise
    except Exception as error:  # pydicom raises whatever the bytes lead it to
        raise Broken(type(error).__name__) from error

    def told(keyword: str, most: int = LONGEST) -> str:
        return elements.text(TAG_OF[keyword])[:most]

    found = {keyword: elements.text(TAG_OF[keyword]) for keyword in ("SOPClassUID", "SOPInstanceUID", *_PLACE)}
    for keyword, value in found.items():
        if not value:
            raise Missing(keyword)
        if len(value) > LONGEST or not set(value) <= set("0123456789."):
            raise Broken(keyword)
    if is_cut:
        raise Broken("PixelData")
    return Head(
        *(found["SOPClassUID"], found["SOPInstanceUID"], syntax, *(found[one] for one in _PLACE)),
        modality=told("Modality", 16),
        patient_id=told("PatientID"),
        issuer=told("IssuerOfPatientID"),
        name=told("PatientName", 324),
        birth=day(told("PatientBirthDate")),
        sex=told("PatientSex", 16),
        accession=told("AccessionNumber"),
        elements=elements,
    )


def _is_cut_off(file: BinaryIO, head: Dataset) -> bool:
    """Whether the file, which stands before its pixels, ends before they do."""
    at, found = file.tell(), file.read(12)
    implicit, little = head.original_encoding
    order, implicit = "<" if little else ">", implicit or not found[4:6].isupper()
    group, number = unpack(f"{order}HH", found[:4]) if len(found) == 12 else (0, 0)
    if group << 16 | number not in PIXELS:
        return False
    start = at + (8 if implicit else 12)
    [length] = unpack(f"{order}L", found[4:8] if implicit else found[8:12])
    size = file.seek(0, SEEK_END)
    if length != UNDEFINED:
        return size + 1 < start + length  # some leave the last byte out that would make it even
    for _ in range(MOST_FRAGMENTS):  # each with its length (PS3.5, A.4)
        file.seek(start)
        item = file.read(8)
        if len(item) < 8 or item[:4] == _END:
            return start > size or 0 < len(item) < 8  # some leave the end of the sequence out
        start += 8 + int.from_bytes(item[4:], "little")
    return False


_DEFLATED = "1.2.840.10008.1.2.1.99"  # whose pixels lie nowhere in the file
UNDEFINED = 0xFFFFFFFF
MOST_FRAGMENTS = 10_000  # of compressed pixels that are gone through
_END = b"\xfe\xff\xdd\xe0"  # Sequence Delimitation Item


def _usual(begin: BytesIO, file: BinaryIO) -> tuple[Dataset, str] | None:
    """The data set and the transfer syntax of an object whose pixels begin within its first bytes; None of others.

    The file then stands before its pixels.
    """
    from tuetinh.care.imaging.archive.heads import elements, place_of_syntax

    data = begin.getvalue()
    with suppress(Exception):
        at, syntax = place_of_syntax(data)
        if syntax.is_little_endian and not syntax.is_deflated:
            head, at = elements(data, at, implicit=syntax.is_implicit_VR)
            file.seek(at)
            return head, str(syntax)
    return None


def _by_library(file: BinaryIO) -> tuple[Dataset, str]:
    """The same of any object, whose file stands where reading ended. Raises whatever its bytes lead the library to."""
    from tuetinh.care.imaging.archive.lenient import dcmread

    file.seek(0)
    head = dcmread(_Unnamed(file), stop_before_pixels=True, specific_tags=list(LEVEL_OF))
    return head, str(head.file_meta.TransferSyntaxUID)


_PLACE = ("StudyInstanceUID", "SeriesInstanceUID")


def to_dataset(file: BinaryIO) -> None:
    """Go to where the data set of a Part 10 file begins, after its header, which tells its length (PS3.10, 7.1)."""
    begin = file.read(PREAMBLE + 16)[PREAMBLE + 4 :]
    if begin[:8] == b"\x02\x00\x00\x00UL\x04\x00":
        file.seek(PREAMBLE + 16 + int.from_bytes(begin[8:], "little"))
    else:
        _header(file)


def _header(file: BinaryIO) -> Dataset:
    from tuetinh.care.imaging.archive.lenient import read_dataset

    file.seek(PREAMBLE + 4)
    return read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag.group != 2)


def dataset_digest(file: BinaryIO) -> bytes:
    """The SHA-256 of the data set of a Part 10 file, without its header."""
    to_dataset(file)
    found = sha256()
    while chunk := file.read(1 << 20):
        found.update(chunk)
    return found.digest()


def text(dataset: Dataset, keyword: str) -> str:
    """A value as text without padding; several are joined by `\\`."""
    try:
        value = dataset.get(keyword)
    except Exception:  # a value that is none of its VR
        return ""
    return as_text(value)


def day(value: str) -> date | None:
    """A DICOM date (PS3.5, 6.2: DA, also as it was written before DICOM 3.0), or None."""
    digits = value.replace(".", "")[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if digits.isascii() else None
    except ValueError:
        return None


def clock(value: str) -> time | None:
    """A DICOM time (TM): hours at least, what is not told is nought; or None."""
    digits, _, fraction = value.replace(":", "").partition(".")
    if not digits.isascii() or not digits.isdigit() or len(digits) not in (2, 4, 6):
        return None
    parts = [int(digits[at : at + 2]) for at in range(0, 6, 2) if digits[at : at + 2]]
    micro = int((fraction + "000000")[:6]) if fraction.isascii() and fraction.isdigit() else 0
    try:
        return time(*parts, *([0] * (3 - len(parts))), micro)
    except ValueError:
        return None


@lru_cache(500)
def words(name: str) -> str:
    """A person's name for matching: its component groups without case, accents and the signs between (PS3.5, 6.2.1)."""
    return " ".join(fold(name.replace("^", " ").replace("=", " ")).split())[:330]


def is_uid(value: str) -> bool:
    """Whether the value can be a UID."""
    return len(value) <= LONGEST and _UID.fullmatch(value) is not None
