"""Add what people bring to an examination: told apart by its bytes, wrapped, and kept by the archive as all else is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.dataset import Dataset

from tuetinh.care.imaging.archive.keeping import Source, keep
from tuetinh.care.imaging.archive.persons import Told, told_of
from tuetinh.care.imaging.archive.reading import words
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.capture import arriving, films, photos, wrapping
from tuetinh.care.imaging.capture.ecg import wire_aecg, wire_scp
from tuetinh.care.imaging.capture.ecg.curves import Curves
from tuetinh.care.imaging.capture.faults import Damaged, IsDicom, NotKept, OtherPerson, TooLarge, Unknown
from tuetinh.care.imaging.capture.wrapping import KINDS, Kind, Named, Whose
from tuetinh.care.imaging.errors import NotAllowed, WrongStage
from tuetinh.care.imaging.models import Exam, Instance
from tuetinh.care.imaging.reports import READ
from tuetinh.commons.access.api import place_name
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

SMALL: Final = 100 * 2**20  # bytes of what is read as a whole
_HEIF: Final = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis")


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a file. kind: `photo`, `film`, `paper`, `ecg`; fresh: it was not there yet."""

    kind: str
    uid: str
    fresh: bool


def usual_kind(exam: Exam) -> str:
    """What pictures of an examination are of, unless somebody says otherwise; see `wrapping.KINDS`."""
    return {"US": "US", "ES": "ES", "GM": "GM", "SM": "GM"}.get(exam.modality, "XC")


def told_apart(path: Path) -> str:
    """What a file is by its bytes: `photo`, `film`, `paper`, `scp`, `aecg`. Raises Unknown, IsDicom, TooLarge."""
    with path.open("rb") as file:
        begin = file.read(4096)
    if begin[128:132] == b"DICM":
        raise IsDicom
    kind = _kind(begin)
    if not kind:
        raise Unknown
    if path.stat().st_size > (films.MOST if kind == "film" else SMALL):
        raise TooLarge
    return kind


def _kind(begin: bytes) -> str:
    if begin.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return "photo"
    if begin[4:8] == b"ftyp":
        return "photo" if begin[8:12] in _HEIF else "film"
    if begin.startswith(b"%PDF-"):
        return "paper"
    if wire_scp.is_scp(begin):
        return "scp"
    return "aecg" if wire_aecg.is_aecg(begin) else ""


def add(asker: Asker, exam_id: int, path: Path, kind: str, name: str) -> Added:
    """Add a file, which goes away with it. kind: of `KINDS`, for pictures and films; name: what the file was called.

    Raises NotAllowed, WrongStage, and what `faults` words.
    """
    try:
        whose, of = _whose(asker, exam_id), KINDS.get(kind)
        if of is None:
            raise Unknown
        what = told_apart(path)
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").digest()
        named = _named(whose.exam, digest, re.sub(r"[\x00-\x1f\x7f\\]", " ", Path(name).stem))  # PS3.5, 6.2
        if named is None:
            return Added(_ANSWERED.get(what, what), wrapping.instance_uid(whose.exam, digest), fresh=False)
        if what == "film":
            uid = _film(asker, whose, of, path, named)
        else:
            uid = _kept(asker, whose, _object(whose, of, what, path, named))
        return Added(_ANSWERED.get(what, what), uid, fresh=True)
    finally:
        path.unlink(missing_ok=True)


_ANSWERED: Final = {"scp": "ecg", "aecg": "ecg"}


def add_clip(asker: Asker, exam_id: int, data: bytes, *, sizes: str, rate: float, kind: str) -> Added:
    """Add a short film of still pictures, one after the other in `data`; sizes: of each, as JSON.

    Raises NotAllowed, WrongStage, and what `faults` words.
    """
    whose, of = _whose(asker, exam_id), KINDS.get(kind)
    try:
        lengths = [int(one) for one in json.loads(sizes)]
    except (ValueError, TypeError) as error:
        raise Damaged from error
    if of is None or not 0 < rate <= 60 or sum(lengths) != len(data) or min(lengths, default=0) < 1:
        raise Damaged
    frames, at = [], 0
    for length in lengths:
        frames.append(data[at : at + length])
        at += length
    digest = wrapping.digest_of(frames)
    named = _named(whose.exam, digest, "")
    if named is None:
        return Added("film", wrapping.instance_uid(whose.exam, digest), fresh=False)
    return Added("film", _kept(asker, whose, wrapping.photo(whose, of, photos.clip(frames, rate), named)), fresh=True)


def _whose(asker: Asker, exam_id: int) -> Whose:
    if asker.role != "imaging" or not asker.facility:
        raise NotAllowed
    exam = Exam.objects.filter(pk=exam_id, facility=asker.facility).first()
    if exam is None or exam.stage not in READ:
        raise WrongStage
    person = cast("r4.Patient", record.read(asker, "Patient", exam.patient))
    who = record.read_many(asker, "Practitioner", {asker.practitioner} - {""}).get(asker.practitioner)
    by = (who.name or [r4.HumanName()])[0].text or "" if isinstance(who, r4.Practitioner) else ""
    return Whose(exam, person, place_name("Organization", exam.facility), by)


def _named(exam: Exam, digest: bytes, name: str) -> Named | None:
    """What tells the new object from others; None where it is there already."""
    enter(SYSTEM)
    known = Instance.objects.filter(study__study_instance_uid=exam.study_instance_uid)
    if known.filter(sop_instance_uid=wrapping.instance_uid(exam, digest)).exists():
        return None
    return Named(digest, known.count() + 1, name[:64])


def _object(whose: Whose, of: Kind, what: str, path: Path, named: Named) -> Dataset:
    if what == "photo":
        with path.open("rb") as file:
            return wrapping.photo(whose, of, photos.read(file), named)
    data = path.read_bytes()
    if what == "paper":
        if b"%%EOF" not in data[-2048:]:
            raise Damaged
        return wrapping.paper(whose, data, named)
    curves = (wire_scp if what == "scp" else wire_aecg).read(data)
    _check_person(whose, curves)
    return wrapping.ecg(whose, curves, named)


def _check_person(whose: Whose, curves: Curves) -> None:
    if Told(words(curves.name), curves.birth).differs(told_of(whose.person)):
        raise OtherPerson


def _film(asker: Asker, whose: Whose, of: Kind, path: Path, named: Named) -> str:
    one = films.read(path)
    with path.open("rb") as data:
        return _kept(asker, whose, wrapping.film(whose, of, one, data, named))


def _kept(asker: Asker, whose: Whose, dataset: Dataset) -> str:
    """Keep an object; returns its UID. Raises NotKept."""
    place = arriving.place(asker, str(uuid4()))
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        wrapping.written(dataset, place)
        kept = keep(Source(whose.exam.facility, f"ADD {asker.account}"), arriving.come(place))
    finally:
        place.unlink(missing_ok=True)
    if kept.state == "held":
        raise NotKept
    record_studies([kept.study])
    publish(f"imaging:{whose.exam.facility}")
    return kept.sop_instance
