"""The ZIP: `du-lieu/` with NDJSON by type, `tep/` with attachments, a summary to read, tables of who looked and what
was agreed to. Written piece by piece, so that a record of gigabytes needs little memory.
"""

from __future__ import annotations

import csv
import io
import json
import mimetypes
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from django.utils import timezone

from tuetinh.commons.access.api import ALL_PURPOSES, ROLES, place_name
from tuetinh.governance.privacy.models import ConsentGiven, SubjectRequest
from tuetinh.governance.privacy.person_export import summary
from tuetinh.governance.privacy.words import KINDS, STATES
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.types import RESOURCE_TYPES

DATA: Final = "du-lieu"
FILES: Final = "tep"
BLOCK: Final = 500  # accesses of one question
STAND_IN: Final = b"tuetinh-file"  # of a content that is larger than a resource in memory: it is in the data alone
README: Final = """Dữ liệu của {name} trong hồ sơ sức khỏe, lập lúc {at}.

tom-tat.pdf            tóm tắt để đọc
du-lieu/*.ndjson       toàn bộ dữ liệu, chuẩn HL7 FHIR R4, mỗi dòng một mục
tep/                   các tệp đính kèm (tệp trên 16 MB ở trong mục của nó)
ai-da-xem.csv          ai đã xem, ghi vào hồ sơ
su-dong-y.csv          những điều đã đồng ý, đã rút lại
yeu-cau.csv            các yêu cầu về dữ liệu và kết quả
manifest.json          số mục của mỗi loại

Đây là dữ liệu cá nhân nhạy cảm. Hãy giữ như giữ giấy tờ tùy thân.
"""


def write(asker: Asker, patient: str, file: IO[bytes]) -> dict[str, int]:
    """Write everything of the person that exists for the asker; returns how many resources of each type.

    Raises NotFound where there is no such person for the asker, Lost for a content that is missing.
    """
    person = record.read(asker, "Patient", patient)
    assert isinstance(person, r4.Patient)  # noqa: S101
    at = timezone.localtime()
    counts: dict[str, int] = {}
    with ZipFile(file, "w", ZIP_DEFLATED) as into:
        told = summary.told(asker, person)
        into.writestr("DOC-TRUOC.txt", README.format(name=told["person"]["name"], at=f"{at:%H:%M %d/%m/%Y}"))
        into.writestr("tom-tat.pdf", summary.pdf_of(told))
        for type_ in RESOURCE_TYPES:
            if type_ != "AuditEvent" and asker.may("r", type_) and (count := _type(asker, patient, type_, into)):
                counts[type_] = count
        _table(into, "ai-da-xem.csv", ("first", "last", "role", "facility", "purpose", "types", "changed"),
               _accesses(asker, patient))  # fmt: skip
        _table(into, "su-dong-y.csv", ("code", "version", "given", "channel", "acting", "withdrawn", "text"),
               _consents(patient))  # fmt: skip
        _table(into, "yeu-cau.csv", ("number", "received", "kind", "state", "what", "answer", "closed"),
               _requests(patient))  # fmt: skip
        made = {"patient": patient, "at": at.isoformat(timespec="seconds"), "counts": counts}
        into.writestr("manifest.json", json.dumps(made, indent=1))
    return counts


def _type(asker: Asker, patient: str, type_: str, into: ZipFile) -> int:
    """One NDJSON file, unless there is nothing; attachments come after it, as only one file is written at a time."""
    count, with_files = 0, []
    bodies = record.bodies(asker, type_, patient=patient)
    first = next(bodies, None)
    if first is None:
        return 0
    with into.open(f"{DATA}/{type_}.ndjson", "w", force_zip64=True) as file:
        for body in _all(first, bodies):
            for chunk in record.written(asker, body):
                file.write(chunk)
            file.write(b"\n")
            count += 1
            if type_ == "Binary" or b'"contentType"' in body:
                with_files.append(json.loads(body)["id"])
    for id_ in with_files:
        _attachments(asker, type_, id_, into)
    return count


def _all(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _attachments(asker: Asker, type_: str, id_: str, into: ZipFile) -> None:
    """What a resource carries as files: a Binary as it is, others by their Attachments."""
    if type_ == "Binary":
        content = record.read_binary(asker, id_)
        name = f"{FILES}/Binary-{id_}{mimetypes.guess_extension(content.media) or '.bin'}"
        with into.open(name, "w", force_zip64=True) as file:
            for chunk in content.chunks():
                file.write(chunk)
        return
    resource = json.loads(r4.encode(record.read(asker, type_, id_)))
    for number, (media, data) in enumerate(_found(resource), 1):
        content = b64decode(data)
        if not content.startswith(STAND_IN):
            ending = mimetypes.guess_extension(media) or ".bin"
            into.writestr(f"{FILES}/{type_}-{id_}-{number}{ending}", content, ZIP_STORED)


def _found(value: Any) -> Iterator[tuple[str, str]]:
    """Media type and base64 of every Attachment within."""
    if isinstance(value, dict):
        if isinstance(value.get("contentType"), str) and isinstance(value.get("data"), str):
            yield value["contentType"], value["data"]
        for part in value.values():
            yield from _found(part)
    elif isinstance(value, list):
        for part in value:
            yield from _found(part)


def _accesses(asker: Asker, patient: str) -> Iterator[tuple[object, ...]]:
    """Who has looked, as the person's own page tells it: by desk and facility."""
    before: int | None = None
    while rows := record.accesses(asker, patient, before, BLOCK):
        for one in rows:
            role = str(ROLES[one.role].label) if one.role in ROLES else one.role
            place, purpose = place_name("Organization", one.facility), str(ALL_PURPOSES.get(one.purpose, one.purpose))
            yield one.first, one.last, role, place, purpose, " ".join(one.types), "x" if one.changed else ""
        before = rows[-1].position


def _consents(patient: str) -> Iterator[tuple[object, ...]]:
    rows = ConsentGiven.objects.filter(patient=patient).select_related("text").order_by("pk")
    for one in rows:
        yield one.text.code, one.text.version, one.at, one.channel, one.acting, one.withdrawn, one.text.text


def _requests(patient: str) -> Iterator[tuple[object, ...]]:
    for one in SubjectRequest.objects.filter(patient=patient).order_by("pk"):
        yield one.pk, one.received, KINDS[one.kind], STATES[one.state], one.what, one.answer, one.closed


def _table(into: ZipFile, name: str, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with into.open(name, "w") as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        out = csv.writer(text)
        out.writerow(columns)
        out.writerows(["" if cell is None else plain(str(cell)) for cell in row] for row in rows)


def plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
