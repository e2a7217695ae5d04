"""The one way into the archive: DIMSE, STOW-RS and uploads all store by `keep`.

An object is a file on the disk, and its row is committed, before anybody is told that it is kept. The same object again
is harmless; what does not fit waits for a person, its bytes kept as they came.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

import orjson
import psycopg
from django.db import IntegrityError, connection, transaction

from tuetinh.care.imaging.archive import reading
from tuetinh.care.imaging.archive.persons import Told, issuer, named, told_by, unknown_at, whose
from tuetinh.care.imaging.archive.reading import Head
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import Arriving, Content
from tuetinh.record.contents.files import opened
from tuetinh.record.steps import BROKEN_BY_OTHERS, Query, Row, Step, run

KNOWN = 2000  # series that a process remembers
TRIES = 5  # to add an object while others change its study
PIECE = 2**20  # of files that are compared


@dataclass(frozen=True, slots=True)
class Source:
    """Where objects come from. name: who sent them, as `AE CT1`, `STOW 17`.

    facility: for which they are kept; "" of a system of the province, which adds to the studies of all.
    """

    facility: str
    name: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of an object. state: `stored`, `duplicate` or `held`; reason: of `errors.REASONS`, where held.

    sop_class, sop_instance, study: "" where the bytes did not tell them.
    """

    state: str
    reason: str = ""
    detail: str = ""
    sop_class: str = ""
    sop_instance: str = ""
    study: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """An object that has come. head: None of one that cannot be read; fault: why, as reason and detail.

    image: the DICOM JSON of what it tells at its own level. place: brings its file to the disk, before which nothing
    that speaks of it is committed; once is enough. Raises contents.NoSpace.
    """

    content: Content
    head: Head | None
    fault: tuple[str, str]
    image: str
    place: Callable[[], object]

    def kept(self, state: str) -> Kept:
        """What became of it."""
        assert self.head  # noqa: S101  (others are held)
        return Kept(state, "", "", self.head.sop_class, self.head.sop_instance, self.head.study)


Settle = Callable[[Source, Taken], Kept]


class Place(NamedTuple):
    """A series that an object belongs to, as its rows are."""

    study: int
    series: int
    custodian: str


class _Wrong(Exception):
    """The object does not fit: reason and detail."""


_known: OrderedDict[tuple[str, str, str, Told], Place] = OrderedDict()  # by UIDs and what objects tell of the patient


def ask(sql: str, *params: Any) -> list[Row]:
    """The rows of a statement, as the house itself."""

    def step() -> Step[list[Row]]:
        return (yield Query(sql, params))

    return run(SYSTEM, step())


def keep(
    source: Source,
    came: bytes | bytearray | Arriving,
    *,
    patient: str = "",
    study: str = "",
    allowed: Callable[[Head], bool] | None = None,
    settle: Settle | None = None,
) -> Kept:
    """Keep a Part 10 file as it came; durable when this returns. Raises contents.NoSpace.

    patient: whom a person has named, instead of whom the object tells. study: of which alone it is taken. allowed: what
    alone is taken of this source; nothing else waits for a person either. settle: does what `settle` does.
    """
    with _arrived(came) as arriving:
        head, fault, image = _read(arriving)
        if allowed and not head:
            return Kept("held", *fault)
        if study and head and head.study != study:  # PS3.18, 10.5.1.1: such an object is not stored
            return Kept("held", "other-study", "", head.sop_class, head.sop_instance, head.study)
        if allowed and head and not allowed(head):
            return Kept("held", "not-allowed", "", head.sop_class, head.sop_instance, head.study)
        taken = Taken(arriving.content(), head, fault, image, arriving.place)
        return settle(source, taken) if settle and not patient else _settle(source, taken, patient)


def take(arriving: Arriving) -> Taken:
    """Read a Part 10 file that has come, for `settle`; nothing of the database. The caller leaves the file then."""
    return Taken(arriving.content(), *_read(arriving), arriving.place)


def settle(source: Source, taken: Taken) -> Kept:
    """Give an object its place in the archive, or let it wait for a person; durable when this returns.

    Raises contents.NoSpace.
    """
    return _settle(source, taken, "")


def _settle(source: Source, taken: Taken, patient: str) -> Kept:
    taken.place()
    if not taken.head:
        return hold(source, taken.content, None, *taken.fault)
    try:
        fresh = _index_at_last(source, taken.head, taken, patient)
    except _Wrong as wrong:
        return hold(source, taken.content, taken.head, *wrong.args)
    return taken.kept("stored" if fresh else "duplicate")


def _arrived(came: bytes | bytearray | Arriving) -> Arriving:
    if isinstance(came, Arriving):
        return came
    arriving = Arriving()
    arriving.write(came)
    return arriving


def _read(arriving: Arriving) -> tuple[Head | None, tuple[str, str], str]:
    """The head of an object, or why it has none: reason and detail; and what it tells at its own level."""
    with arriving.opened() as file:
        try:
            head = reading.read(file)
        except reading.Broken as error:
            return None, ("broken", str(error)), ""
        except reading.Missing as error:
            return None, ("missing", str(error)), ""
    return head, ("", ""), as_json_text(head.attributes("IMAGE"))


def _index_at_last(source: Source, head: Head, taken: Taken, patient: str) -> bool:
    """`_index`, begun anew where others were in its way."""
    for _ in range(TRIES):
        try:
            return _index(source, head, taken, patient)
        except BROKEN_BY_OTHERS:
            if connection.in_atomic_block:  # which is broken as a whole
                raise
    return _index(source, head, taken, patient)


def _index(source: Source, head: Head, taken: Taken, patient: str) -> bool:
    """Add an object, whose file is on the disk, to the index; False where it is there already. Raises _Wrong."""
    key = _key(head)
    if place := None if patient else known_place(source, head):
        try:
            with transaction.atomic() if connection.in_atomic_block else nullcontext():  # one statement commits itself
                return _add(source, taken, place)
        except (psycopg.errors.ForeignKeyViolation, IntegrityError):  # it was deleted since
            _known.pop(key, None)
    with transaction.atomic():  # what does not fit leaves no study and no series behind
        place = _place(source, head, patient)
        fresh = _add(source, taken, place)
    if not patient:  # what a person has decided of one object holds for no other
        _known[key] = place
    while len(_known) > KNOWN:
        _known.popitem(last=False)
    return fresh


def known_place(source: Source, head: Head) -> Place | None:
    """Where an object belongs, as far as this process remembers."""
    place = _known.get(_key(head))
    return place if place and _is_open_to(place.custodian, source) else None


def _key(head: Head) -> tuple[str, str, str, Told]:
    return head.study, head.series, head.patient_id, told_by(head)


def _is_open_to(custodian: str, source: Source) -> bool:
    """Whether a source may add to the studies of a facility."""
    return not custodian or source.facility in ("", custodian)


def as_json_text(value: dict[str, Any]) -> str:
    """JSON for a column."""
    return orjson.dumps(value).decode()


ADD = """
WITH added AS (
  INSERT INTO imaging_instance (study_id, series_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
    instance_number, attributes, digest, size, source, received_at)
  SELECT study, series, uid, class, syntax, number, attributes, decode(digest, 'hex'), size, source, now()
  FROM jsonb_to_recordset(%s::jsonb) AS one(study bigint, series bigint, uid text, class text, syntax text,
    number bigint, attributes jsonb, digest text, size bigint, source text)
  ON CONFLICT (sop_instance_uid) DO NOTHING RETURNING sop_instance_uid, study_id, digest, size
), used AS (
  INSERT INTO record.content (digest, size, type, id, shard, patient, custodian)
  SELECT added.digest, added.size, 'ImagingStudy', s.resource, coalesce(s.patient, s.resource), s.patient, s.custodian
  FROM added JOIN imaging_study s ON s.id = added.study_id ON CONFLICT DO NOTHING
), pending AS (
  INSERT INTO imaging_pending (study_id, at) SELECT DISTINCT study_id, now() FROM added
)
SELECT sop_instance_uid FROM added"""
"""Adds objects of `as_rows`; gives the UIDs of those that were not there."""


def as_rows(objects: Iterable[tuple[Source, Taken, Place]]) -> str:
    """What `ADD` is told of objects, of which no two have the same UID, and their series."""
    found = [
        {
            "study": place.study, "series": place.series, "uid": head.sop_instance, "class": head.sop_class,
            "syntax": head.transfer_syntax, "number": head.number("InstanceNumber"),
            "attributes": orjson.Fragment(taken.image), "digest": taken.content.digest.hex(),
            "size": taken.content.size, "source": source.name[:80],
        }
        for source, taken, place in objects
        if (head := taken.head)
    ]  # fmt: skip
    return orjson.dumps(found).decode()


def _add(source: Source, taken: Taken, place: Place) -> bool:
    """Add an object to its series; False where it is there already. Raises _Wrong."""
    assert taken.head  # noqa: S101  (others are held)
    fresh = bool(ask(ADD, as_rows([(source, taken, place)])))
    if not fresh:
        _check_same(taken.head, taken.content)
    return fresh


_FIND_INSTANCE = """
SELECT st.study_instance_uid, se.series_instance_uid, i.transfer_syntax_uid, i.digest, i.original, i.original_syntax
FROM imaging_instance i JOIN imaging_series se ON se.id = i.series_id JOIN imaging_study st ON st.id = i.study_id
WHERE i.sop_instance_uid = %s"""


def _check_same(head: Head, content: Content) -> None:
    """Raise _Wrong unless the object of this UID is the same: of this series, with this data set in this syntax.

    Senders differ in the header of the file.
    """
    study, series, syntax, digest, original, original_syntax = ask(_FIND_INSTANCE, head.sop_instance)[0]
    if (study, series) != (head.study, head.series):
        raise _Wrong("other-place", "SOPInstanceUID")
    if original and original_syntax == head.transfer_syntax:
        with opened(content.digest) as file:
            if reading.dataset_digest(file) == bytes(original):
                return
    if syntax != head.transfer_syntax or not _is_same(bytes(digest), content.digest):
        raise _Wrong("changed", "")


def _is_same(one: bytes, other: bytes) -> bool:
    """Whether the files of two contents hold the same data set."""
    if one == other:
        return True
    with opened(one) as first, opened(other) as second:
        for file in (first, second):
            file.seek(_dataset_at(file.read(reading.PREAMBLE + 16)))
        while (piece := first.read(PIECE)) == second.read(PIECE):
            if not piece:
                return True
    return False


def _dataset_at(begin: bytes) -> int:
    """Where the data set begins: after the file meta group, whose length its first element tells (PS3.10, 7.1)."""
    at = reading.PREAMBLE + 4
    if begin[at : at + 8] != b"\x02\x00\x00\x00UL\x04\x00":
        return at
    return at + 12 + int.from_bytes(begin[at + 8 : at + 12], "little")


_FIND_STUDY = """
SELECT id, patient, custodian, patient_id, name_words, coalesce(to_char(patient_birth_date, 'YYYYMMDD'), '')
FROM imaging_study WHERE study_instance_uid = %s FOR NO KEY UPDATE"""  # objects of it may be added meanwhile
_ADD_STUDY = """
INSERT INTO imaging_study (study_instance_uid, resource, custodian, patient, "order", encounter, patient_id, name_words,
  patient_birth_date, patient_sex, study_date, study_time, accession_number, study_id, study_description,
  referrer_words, attributes, received_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, now())
ON CONFLICT DO NOTHING"""  # both the number and the id are unique; which is met first is chance
_FIND_SERIES = "SELECT id, study_id FROM imaging_series WHERE series_instance_uid = %s"
_ADD_SERIES = """
INSERT INTO imaging_series (study_id, series_instance_uid, modality, series_number, attributes)
VALUES (%s, %s, %s, %s, %s::jsonb) ON CONFLICT (series_instance_uid) DO NOTHING"""


def _place(source: Source, head: Head, patient: str) -> Place:
    """The rows of the study and series of an object, made where they are not there yet. Raises _Wrong."""
    rows = ask(_FIND_STUDY, head.study)
    if not rows:
        _make_study(source, head, patient)
        rows = ask(_FIND_STUDY, head.study)
    study, whom, custodian, patient_id, *told_first = rows[0]
    if not _is_open_to(custodian, source):
        raise _Wrong("other-place", "StudyInstanceUID")
    if patient and whom != patient:
        raise _Wrong("other-person", "StudyInstanceUID")
    other = patient_id != head.patient_id or told_by(head).differs(Told(*told_first))
    if not patient and other:
        told = whose(head, source.facility)
        if not whom or told.contradiction or told.patient != whom:
            raise _Wrong("other-person", told.contradiction or "PatientID")
    known = ask(_FIND_SERIES, head.series)
    if not known:
        ask(
            _ADD_SERIES,
            *(study, head.series, head.modality, head.number("SeriesNumber")),
            as_json_text(head.attributes("SERIES")),
        )
        known = ask(_FIND_SERIES, head.series)
    if known[0][1] != study:
        raise _Wrong("other-place", "SeriesInstanceUID")
    return Place(study, known[0][0], custodian)


def _make_study(source: Source, head: Head, patient: str) -> None:
    told = named(head, source.facility, patient) if patient else whose(head, source.facility)
    if told.contradiction:
        raise _Wrong("other-person", told.contradiction)
    exam = told.exam
    custodian = source.facility or (exam.facility if exam else issuer(head) or ("" if told.patient else unknown_at()))
    ask(
        _ADD_STUDY,
        *(head.study, resource_id(head.study), custodian, told.patient or None),
        *(exam.order if exam else "", exam.encounter if exam else ""),
        *(head.patient_id, head.words("PatientName"), head.birth, head.sex),
        *(head.day("StudyDate"), head.clock("StudyTime"), head.accession, head.text("StudyID")),
        *(head.text("StudyDescription", 200), head.words("ReferringPhysicianName")),
        as_json_text(head.attributes("STUDY")),
    )


def resource_id(study: str) -> str:
    """The id of the ImagingStudy of a study: always the same, so that telling the record twice is once."""
    return str(uuid5(NAMESPACE_OID, study))


_HOLD = """
WITH held AS (
  INSERT INTO imaging_held (facility, reason, detail, source, received_at, digest, size, transfer_syntax_uid,
    sop_instance_uid, study_instance_uid, patient_id, patient_name, accession_number, modality, copies, state, note,
    handled_by)
  VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1, 'waiting', '', '')
  ON CONFLICT (digest, facility, reason) DO UPDATE SET copies = imaging_held.copies + 1 RETURNING 1
)
INSERT INTO record.content (digest, size, type, id, shard, custodian)
SELECT %s, %s, 'ImagingStudy', 'held', 'held', %s FROM held ON CONFLICT DO NOTHING"""


def hold(source: Source, content: Content, head: Head | None, reason: str, detail: str) -> Kept:
    """Let an object wait for a person; sent again it is counted, and a decision about it stands."""
    told = (
        (head.transfer_syntax, head.sop_instance, head.study, head.patient_id, head.name, head.accession, head.modality)
        if head
        else ("",) * 7
    )
    facility = source.facility or (_facility_of(head) if head else "") or unknown_at()
    with transaction.atomic():
        ask(
            _HOLD,
            *(facility, reason, detail[:300], source.name[:80], datetime.now(UTC)),
            *(content.digest, content.size, *told),
            *(content.digest, content.size, facility),
        )
        publish(f"imaging:{facility}")
    told_uids = (head.sop_class, head.sop_instance, head.study) if head else ("", "", "")
    return Kept("held", reason, detail, *told_uids)


def _facility_of(head: Head) -> str:
    """The facility that an object of a system of the province is for: of its study, its order, the patient's number."""
    rows = ask("SELECT custodian FROM imaging_study WHERE study_instance_uid = %s AND custodian <> ''", head.study)
    if rows:
        return str(rows[0][0])
    exam = whose(head, "").exam
    return str(exam.facility) if exam else issuer(head)
