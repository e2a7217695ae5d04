"""An examination as a set of files to take home, laid out as IHE PDI asks (RAD TF-1: 15): DICOM files with their
DICOMDIR (PS3.10, 8), the report, a page that shows it all without a network, and a note on what is what.

Memory stays flat: objects are copied from file to file, pictures are drawn one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import tuetinh.care.imaging.library  # noqa: F401

from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from pycdlib import PyCdlib
from pydicom.dataset import FileDataset
from pydicom.fileset import FileSet
from pydicom.uid import UID, ExplicitVRLittleEndian

from tuetinh.care.imaging.archive.reading import whole as read_whole
from tuetinh.care.imaging.archive.syntaxes import CannotConvert, explicit
from tuetinh.care.imaging.dicomweb.frames import NoFrame
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.handover import contents
from tuetinh.care.imaging.handover.showing import PDF, Shown, stack
from tuetinh.care.imaging.models import Exam

CONVERTED: Final = contents.WHOLE
VIEWER: Final = "IHE_PDI"
OTHERS: Final = "OTHERS"  # objects that no directory record describes
# What directory records tell (PS3.3 F.5).
_TOLD: Final = (
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "PatientID", "PatientName"),
    *("StudyDate", "StudyTime", "StudyDescription", "StudyInstanceUID", "StudyID", "AccessionNumber"),
    *("Modality", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber", "CompletionFlag", "VerificationFlag"),
    "VerifyingObserverSequence",
    *("ContentDate", "ContentTime", "ConceptNameCodeSequence", "MIMETypeOfEncapsulatedDocument", "DocumentTitle"),
    *("ContentLabel", "ContentDescription", "ContentCreatorName", "PresentationCreationDate"),
    *("PresentationCreationTime", "ReferencedSeriesSequence"),
)
Told = Callable[[int], None]
Entry = tuple[str, Path | contents.Part | bytes, int]


@dataclass(frozen=True, slots=True)
class Whole:
    """What is taken home. number: the PatientID for objects that bring none."""

    exam: Exam
    person: str
    birth: str
    number: str
    facility: str
    report: bytes | None
    objects: Sequence[Shown]


def write_zip(whole: Whole, file: IO[bytes], scratch: Path, told: Told) -> None:
    """Write everything as a ZIP. scratch: an empty folder; told: is called with bytes of objects that are done."""
    with ZipFile(file, "w", ZIP_STORED) as out:
        for name, data, weight in _entries(whole, scratch):
            method = ZIP_STORED if name.endswith((".JPG", ".MP4", ".PDF")) else ZIP_DEFLATED
            if isinstance(data, Path):
                out.write(data, name, method, 1)
            elif isinstance(data, bytes):
                out.writestr(name, data, method, 1)
            else:
                with out.open(name, "w", force_zip64=True) as part:
                    for chunk in data.chunks():
                        part.write(chunk)
            told(weight)


def write_iso(whole: Whole, file: IO[bytes], scratch: Path, told: Told) -> None:
    """Write everything as the image of a disc (ISO 9660 level 1 with Rock Ridge). See `write_zip`."""
    disc = PyCdlib()
    disc.new(interchange_level=1, vol_ident=f"CDHA{whole.exam.accession_number}"[:16], rock_ridge="1.09")
    known: set[str] = set()
    for place, (name, data, weight) in enumerate(_entries(whole, scratch)):
        folders = name.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            path = "/" + "/".join(folders[:depth])
            if path not in known:
                known.add(path)
                disc.add_directory(path, rr_name=folders[depth - 1])
        at = data if isinstance(data, Path) else _set_aside(data, scratch / f"aside{place}")
        last = name.rpartition("/")[2]
        disc.add_file(str(at), f"/{name};1" if "." in last else f"/{name}.;1", rr_name=last)
        told(weight // 2)
    total, before = sum(one.object.size for one in whole.objects), 0

    def written(done: int, size: int) -> None:
        nonlocal before
        now = total * done // max(size, 1) // 2
        told(now - before)
        before = now

    disc.write_fp(file, progress_cb=written)
    disc.close()


def _set_aside(data: contents.Part | bytes, place: Path) -> Path:
    with place.open("wb") as file:
        for chunk in [data] if isinstance(data, bytes) else data.chunks():
            file.write(chunk)
    return place


def _entries(whole: Whole, scratch: Path) -> Iterator[Entry]:
    """Every file: its name of 8.3 capitals, what is in it, and how much of the objects is done with it."""
    directory, names = _directory(whole, scratch)
    yield "DICOMDIR", directory, 0
    for one, name in zip(whole.objects, names, strict=True):
        yield name, _for_media(one), one.object.size // 2
    shown: dict[tuple[str, int], str] = {}
    for one in whole.objects:
        for frame, kind, data in _looks(one):
            name = f"{VIEWER}/F{len(shown):07}.{kind}"
            shown[one.object.sop_instance, frame] = name
            yield name, data, one.object.size // 2 // one.frames
    yield from _pages(whole, shown)


def _looks(one: Shown) -> Iterator[tuple[int, str, contents.Part | bytes]]:
    """What the page shows of an object: the frame (0: the whole), the ending of its name, the bytes."""
    try:
        if one.kind == "frames":
            for frame in range(1, one.frames + 1):
                yield frame, "JPG", contents.picture(one, frame)
        elif one.kind == "film":
            yield 0, "MP4", contents.film(one)
        elif one.kind == "waves":
            yield 0, "SVG", contents.curves(one)
        elif one.kind == "paper":
            yield 0, "PDF", contents.paper(one)
    except (CannotConvert, NoFrame):  # it is among the DICOM files all the same
        return


def _pages(whole: Whole, shown: dict[tuple[str, int], str]) -> Iterator[Entry]:
    seen = {uid for uid, _frame in shown}
    data = stack(
        [one for one in whole.objects if one.object.sop_instance in seen],
        lambda one, frame: shown.get((one.object.sop_instance, frame), ""),
    )
    context = {"whole": whole, "exam": whole.exam, "data": data, "viewer": VIEWER}
    for asset in ("stack.js", "stack.css"):
        yield f"{VIEWER}/{asset.upper()}", Path(str(finders.find(f"imaging/{asset}"))), 0
    yield "INDEX.HTM", render_to_string("imaging/package.html", context).encode(), 0
    yield "README.TXT", render_to_string("imaging/package.txt", context).replace("\n", "\r\n").encode("utf-8-sig"), 0
    if whole.report:
        yield "REPORT.PDF", whole.report, 0


def _for_media(one: Shown) -> contents.Part | bytes:
    """An object as media carry it (PS3.11): with explicit VR, little endian; compressed pixels stay as they are."""
    as_it_is = contents.Part(one.object.digest, 0, one.object.size)
    if not _is_turned(one):
        return as_it_is
    try:
        return explicit(read_whole(one.object.digest))
    except CannotConvert:
        return as_it_is


def _is_turned(one: Shown) -> bool:
    syntax = UID(one.object.transfer_syntax)
    odd = syntax.is_implicit_VR or not syntax.is_little_endian or syntax.is_deflated
    return odd and one.object.size <= CONVERTED


def _directory(whole: Whole, scratch: Path) -> tuple[bytes, list[str]]:
    """The DICOMDIR, and the file of each object as it names it. Of objects only their heads are read."""
    files = FileSet()
    files.ID = f"CDHA{whole.exam.accession_number}"[:16]
    for place, one in enumerate(whole.objects, 1):
        with suppress(ValueError, KeyError):  # there is nothing to tell of it in a record
            files.add(_head(whole, one, place))
    root = scratch / "set"
    files.write(root)
    ids = {one.SOPInstanceUID: one.FileID.replace("\\", "/") for one in files}
    names = [ids.get(one.object.sop_instance, f"{OTHERS}/F{place:07}") for place, one in enumerate(whole.objects)]
    files._stage["t"].cleanup()  # what it keeps aside goes at some time, with a warning
    return (root / "DICOMDIR").read_bytes(), names


def _head(whole: Whole, one: Shown, place: int) -> FileDataset:
    """What the directory tells of an object; what it must tell and the object does not comes of the examination."""
    head = read_whole(one.object.digest, stop_before_pixels=True, specific_tags=list(_TOLD))
    began = (whole.exam.started_at or whole.exam.scheduled_at).astimezone(HANOI)
    usual = {
        "PatientID": whole.number,
        "StudyDate": began.strftime("%Y%m%d"),
        "StudyTime": began.strftime("%H%M%S"),
        "StudyID": whole.exam.accession_number,
        "Modality": "OT",
        "SeriesNumber": 1,
        "InstanceNumber": place,
    }
    usual |= {"ContentDate": usual["StudyDate"], "ContentTime": usual["StudyTime"]}
    for keyword, value in usual.items():
        if not head.get(keyword) and head.get(keyword) != 0:
            setattr(head, keyword, value)
    if verified := [at for by in head.get("VerifyingObserverSequence") or [] if (at := by.get("VerificationDateTime"))]:
        head.VerificationDateTime = max(verified, key=str)
    if one.object.sop_class == PDF:
        head.EncapsulatedDocument = b""
    if _is_turned(one):
        head.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return head
