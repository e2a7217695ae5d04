"""Write the pictures of a study for teaching: who may, what is left out, the log, the ZIP."""

from __future__ import annotations

import csv
import io
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Final
from zipfile import ZIP_STORED, ZipFile

from django.db import transaction
from django.utils.translation import gettext as _

from tuetinh.care.imaging.archive.reading import whole
from tuetinh.care.imaging.errors import MustLook, NeedsReason, NotAllowed, NothingToGive, TooLarge
from tuetinh.care.imaging.models import Change, Exam, Instance, Study
from tuetinh.care.imaging.viewer.queries import looks
from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from tuetinh.care.imaging.teaching.hiding import Secret

MOST, LARGEST = 5000, 4 << 30  # objects and bytes of one export
SHORTEST: Final = 10
SHIFT: Final = 365  # days by which dates are put earlier, at most
WRITTEN_ON: Final = frozenset(
    {"US", "ES", "XC", "SC", "OT", "GM", "IVUS", "OP", "DG"}
)  # machines that write into pictures
CAPTURED: Final = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture, single and multi-frame
_TAGS: Final = ["Modality", "SOPClassUID", "BurnedInAnnotation", "Rows"]


@dataclass(frozen=True, slots=True)
class Looked:
    """What there is to give. clear: pictures without words on them; doubtful: with words perhaps, which a person must
    look at; marked: the machine says that there are words, so they are left out; others: no pictures, left out.
    """

    clear: list[int]
    doubtful: list[int]
    marked: int
    others: int

    @property
    def count(self) -> int:
        """How many pictures can be given."""
        return len(self.clear) + len(self.doubtful)


def _studies(asker: Asker, exam: Exam) -> list[Study]:
    if asker.role != "imaging" or not asker.facility or exam.facility != asker.facility:
        raise NotAllowed
    look = looks(asker, [exam.order]).get(exam.order)
    enter(asker)
    rows = Study.objects.filter(study_instance_uid__in=look.studies if look else [], custodian=asker.facility)
    return list(rows.order_by("study_date", "pk"))


def look(asker: Asker, exam: Exam) -> Looked:
    """What there is of an examination. Raises NotAllowed, TooLarge."""
    return _look(asker, _studies(asker, exam))


def _look(asker: Asker, studies: list[Study]) -> Looked:
    enter(asker)
    rows = Instance.objects.filter(study__in=studies).order_by(
        "series__series_number", "series", "instance_number", "pk"
    )
    found = list(rows.values_list("pk", "digest", "size")[: MOST + 1])
    if len(found) > MOST or sum(size for *_ids, size in found) > LARGEST:
        raise TooLarge
    groups: dict[str, list[int]] = {"clear": [], "doubtful": [], "marked": [], "others": []}
    for pk, digest, _size in found:
        groups[_kind(whole(bytes(digest), stop_before_pixels=True, specific_tags=_TAGS))].append(pk)
    return Looked(groups["clear"], groups["doubtful"], len(groups["marked"]), len(groups["others"]))


def _kind(head: Dataset) -> str:
    if not head.get("Rows"):
        return "others"
    told = str(head.get("BurnedInAnnotation") or "")
    if told == "YES":
        return "marked"
    captured = str(head.get("SOPClassUID") or "").startswith(CAPTURED)
    return "doubtful" if told != "NO" and (captured or head.get("Modality") in WRITTEN_ON) else "clear"


def export(asker: Asker, exam: Exam, why: str, *, seen: bool) -> IO[bytes]:
    """A ZIP of the pictures of an examination, of which nobody can tell whose they are; logged before it is given.

    seen: somebody has looked at the doubtful ones, and there are no words on them that tell whose they are.
    Raises NotAllowed, NeedsReason, NothingToGive, MustLook, TooLarge.
    """
    studies = _studies(asker, exam)
    if len(why.strip()) < SHORTEST:
        raise NeedsReason
    looked = _look(asker, studies)
    if not looked.count:
        raise NothingToGive
    if looked.doubtful and not seen:
        raise MustLook
    with transaction.atomic():
        enter(asker)
        for study in studies:
            audit.note(asker, "export", "ImagingStudy", study.resource, study.patient)
            Change.objects.create(
                at=datetime.now(UTC), account=asker.account, facility=asker.facility, action="teach", study=study,
                before={}, after={"pictures": looked.count, "left": looked.marked + looked.others},
                why=why.strip()[:500],
            )  # fmt: skip
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    _write(asker, file, sorted(looked.clear + looked.doubtful), looked)
    file.seek(0)
    return file


def _write(asker: Asker, file: IO[bytes], pictures: list[int], looked: Looked) -> None:
    from pydicom import dcmwrite

    from tuetinh.care.imaging.teaching.hiding import Secret

    secret = Secret(secrets.token_bytes(32), 1 + secrets.randbelow(SHIFT))
    rows = [["file", "modality", "study", "series", "instance"]]
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for number, dataset in enumerate(_hidden(asker, pictures, secret), start=1):
            name = f"images/{number:05}.dcm"
            with archive.open(name, "w", force_zip64=True) as target:
                out = io.BytesIO()
                dcmwrite(out, dataset, enforce_file_format=True)
                target.write(out.getbuffer())
            rows.append([name, str(dataset.get("Modality", "")), *(str(dataset[w].value) for w in _UIDS)])
        listed = io.StringIO()
        csv.writer(listed).writerows(rows)
        archive.writestr("files.csv", listed.getvalue())
        archive.writestr("README.txt", _readme(looked, Counter(row[1] for row in rows[1:])))


_UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def _hidden(asker: Asker, pictures: list[int], secret: Secret) -> Iterator[Dataset]:
    from tuetinh.care.imaging.teaching.hiding import hide

    for pk in pictures:
        enter(asker)
        dataset = whole(bytes(Instance.objects.values_list("digest", flat=True).get(pk=pk)))
        hide(dataset, secret)
        yield dataset


def _readme(looked: Looked, modalities: Counter[str]) -> str:
    kinds = ", ".join(f"{modality} {count}" for modality, count in sorted(modalities.items()))
    return "\n".join(
        (
            _("Ảnh dùng để giảng dạy, đã bỏ thông tin nhận dạng theo DICOM PS3.15 Phụ lục E."),
            _("Mã ảnh được thay mới, ngày được lùi cùng một số ngày, giữ tuổi và giới."),
            _("Ảnh: %(kinds)s. Bỏ lại: %(marked)s ảnh có chữ, %(others)s tệp không phải ảnh.")
            % {"kinds": kinds, "marked": looked.marked, "others": looked.others},
            _("Ảnh vùng mặt dựng 3D có thể nhận ra người. Không tìm cách nhận ra ai; không đưa ra ngoài lớp học."),
            "",
        )
    )
