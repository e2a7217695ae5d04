"""Read a disc in: begin it for a person, take its files one by one or a ZIP of them, tell what became of each."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast
from uuid import uuid4
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.archive import keeping
from tuetinh.care.imaging.archive.keeping import Source, hold, keep
from tuetinh.care.imaging.archive.persons import number_of, told_by, told_of
from tuetinh.care.imaging.archive.reading import Broken, Head, Missing, read
from tuetinh.care.imaging.archive.recording import record_new
from tuetinh.care.imaging.capture import arriving
from tuetinh.care.imaging.capture.arriving import come
from tuetinh.care.imaging.capture.disc.models import Disc
from tuetinh.care.imaging.errors import ImagingError, NoPerson, NotAllowed
from tuetinh.care.imaging.models import Held, Instance
from tuetinh.record import api as record
from tuetinh.record import audit, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.contents.files import room
from tuetinh.record.errors import RecordError
from tuetinh.record.steps import enter

DIRECTORY: Final = "1.2.840.10008.1.3.10"  # SOP class of a DICOMDIR
MOST_LISTED: Final = 100_000
BROKEN: Final = (
    BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
)  # or with a password, other packing
_PIECE: Final = 2**20
_SEXES: Final = {"male": "M", "female": "F", "other": "O"}
OUTCOMES: Final = {
    "stored": _("Đã vào kho"),
    "known": _("Đã có trong kho"),
    "waiting": _("Chờ quyết định"),
    "skipped": _("Không phải ảnh DICOM"),
    "zip": _("Đang đọc ZIP"),
}


class NoDisc(ImagingError):
    """There is no such disc at this facility."""

    code = "no-disc"
    message = _("Không có lần nhập này. Hãy bắt đầu lại.")


class Busy(ImagingError):
    """A ZIP of the disc is being read."""

    code = "busy"
    message = _("Đang đọc một tệp ZIP của đĩa này. Hãy đợi xong.")


def begin(asker: Asker, patient: str, name: str) -> Disc:
    """Begin to read a disc in for a person. Raises NotAllowed, NoPerson."""
    if asker.role != "imaging" or not asker.facility:
        raise NotAllowed
    if not patient or patient not in record.read_many(asker, "Patient", [patient]):
        raise NoPerson
    audit.note(asker, "$import", "ImagingStudy", "", patient)
    return Disc.objects.create(
        facility=asker.facility, patient=patient, by=asker.account, name=name.strip()[:200], at=datetime.now(UTC)
    )


def take(asker: Asker, disc_id: int, path: Path) -> str:
    """Take a file of a disc, which goes away with it; returns what became of it, of `OUTCOMES`.

    Raises NotAllowed, NoDisc, Busy, NoSpace.
    """
    from tuetinh.care.imaging.jobs import read_disc

    try:
        if asker.role != "imaging":
            raise NotAllowed
        disc = Disc.objects.filter(pk=disc_id, facility=asker.facility).first()
        if disc is None:
            raise NoDisc
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\x03\x04" and is_zipfile(file)
        if not zipped:
            outcome, study = _one(disc, path)
            _count(disc, outcome)
            record_new([study] if study else [])
            return outcome
        with transaction.atomic():
            if Disc.objects.select_for_update().get(pk=disc.pk).zipped:
                raise Busy
            kept = path.rename(path.with_name(f"{uuid4()}.zip"))
            Disc.objects.filter(pk=disc.pk).update(zipped=kept.name, done=0, total=0, broken=False)
            read_disc.defer(disc=disc.pk)
        return "zip"
    finally:
        path.unlink(missing_ok=True)


def read_zip(disc_id: int) -> None:
    """Read the ZIP of a disc, file by file, from where it was; safe to repeat and to be killed."""
    disc = Disc.objects.get(pk=disc_id)
    if not disc.zipped:
        return
    path, studies = Path(settings.DATA) / arriving.ROOM / disc.zipped, set()
    try:
        with ZipFile(path) as zipped:
            members = [one for one in zipped.infolist() if not one.is_dir()]
            Disc.objects.filter(pk=disc.pk).update(total=len(members))
            for member in members[disc.done :]:
                try:
                    outcome, study = _member(disc, zipped, member)
                except BROKEN:
                    Disc.objects.filter(pk=disc.pk).update(broken=True)
                    outcome, study = "skipped", ""
                studies.add(study)
                _count(disc, outcome, done=1)
    except (*BROKEN, OSError, RecordError):
        Disc.objects.filter(pk=disc.pk).update(broken=True)
    record_new(studies - {""})
    path.unlink(missing_ok=True)
    Disc.objects.filter(pk=disc.pk).update(zipped="")


def _member(disc: Disc, zipped: ZipFile, member: ZipInfo) -> tuple[str, str]:
    """One file of a ZIP, unpacked to the disk."""
    place = Path(settings.DATA) / arriving.ROOM / str(uuid4())
    room(2 * member.file_size)
    try:
        with zipped.open(member) as packed, place.open("xb") as file:
            while data := packed.read(_PIECE):
                file.write(data)
        return _one(disc, place)
    finally:
        place.unlink(missing_ok=True)


def _count(disc: Disc, outcome: str, done: int = 0) -> None:
    Disc.objects.filter(pk=disc.pk).update(**{outcome: F(outcome) + 1, "done": F("done") + done})


def _one(disc: Disc, path: Path) -> tuple[str, str]:
    """What became of a file, and the study that it is of, "" where it is none of the archive's."""
    source = Source(disc.facility, f"CD {disc.pk} {disc.by}")
    try:
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                return "skipped", ""
            file.seek(0)
            head = read(file)
    except Missing:
        if _list(disc, path):
            return "skipped", ""
        return _held(keep(source, come(path))), ""
    except Broken:
        return _held(keep(source, come(path))), ""
    person = cast("r4.Patient", record.read(SYSTEM, "Patient", disc.patient))
    if told_by(head).differs(told_of(person)):
        with come(path) as content:
            hold(source, content.place(), head, "other-person", "PatientName")
        return "waiting", ""
    return _ours(disc, path, head, person, source)


def _ours(disc: Disc, path: Path, head: Head, person: r4.Patient, source: Source) -> tuple[str, str]:
    from tuetinh.care.imaging.capture.disc.reconciling import CannotChange, reconcile

    made, patient = path.with_name(str(uuid4())), str(person.id)
    try:
        reconcile(path, made, _told(person, disc.facility), _known(head))
        kept = keep(source, come(made), patient=patient)
    except CannotChange:
        kept = keep(source, come(path), patient=patient)  # as it came
    finally:
        made.unlink(missing_ok=True)
    return {"stored": "stored", "duplicate": "known"}.get(kept.state, "waiting"), kept.study


def _told(person: r4.Patient, facility: str) -> dict[str, str]:
    """What our objects of a person tell. The number of an order elsewhere would name another one here."""
    birth = person.birthDate or ""
    told = {"PatientID": number_of(person, facility), "IssuerOfPatientID": facility, "AccessionNumber": ""}
    if len(birth) == 10:
        told["PatientBirthDate"] = birth.replace("-", "")
    if sex := _SEXES.get(person.gender or ""):
        told["PatientSex"] = sex
    return told


def _known(head: Head) -> bytes | None:
    enter(SYSTEM)
    row = Instance.objects.filter(sop_instance_uid=head.sop_instance).first()
    return bytes(row.digest) if row else None


def _held(kept: keeping.Kept) -> str:
    return "waiting" if kept.state == "held" else "stored"


def _list(disc: Disc, path: Path) -> bool:
    """Remember what a DICOMDIR names; False where the file is none."""
    from tuetinh.care.imaging.archive.lenient import dcmread

    try:
        directory = dcmread(path)
        if directory.file_meta.MediaStorageSOPClassUID != DIRECTORY:
            return False
        named = [one.get("ReferencedSOPInstanceUIDInFile") for one in directory.DirectoryRecordSequence]
    except Exception:  # whatever the bytes lead it to
        return False
    uids = [str(uid) for uid in named if uid][:MOST_LISTED]
    Disc.objects.filter(pk=disc.pk).update(listed=uids)
    return True


def lost(disc: Disc) -> int:
    """How many objects of its DICOMDIR have not come."""
    enter(SYSTEM)
    wanted = set(disc.listed)
    wanted -= set(Instance.objects.filter(sop_instance_uid__in=wanted).values_list("sop_instance_uid", flat=True))
    held = Held.objects.filter(facility=disc.facility, sop_instance_uid__in=wanted)
    return len(wanted - set(held.values_list("sop_instance_uid", flat=True)))
