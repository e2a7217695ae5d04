"""What the index answers: matches of queries, and the objects to give. Every reading is noted in the access log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from tuetinh.care.imaging.archive.matching import Wanted, answers, compile_objects, compile_query
from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.contents.files import opened
from tuetinh.record.steps import Query, Row, Step

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tuetinh.care.imaging.models import Instance

STRUCTURED: Final = "1.2.840.10008.5.1.4.1.1.88."  # SOP classes of SR documents (PS3.4 B.5): measurements, no pixels
PAPERS: Final = "1.2.840.10008.5.1.4.1.1.104."  # of encapsulated documents
WAVES: Final = "1.2.840.10008.5.1.4.1.1.9."  # of waveforms
ABOUT: Final = ("1.2.840.10008.5.1.4.1.1.11.", "1.2.840.10008.5.1.4.1.1.66.")  # of what lies over pictures: states, SEG
FILMS: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))  # MPEG-2, MPEG-4, HEVC
_NOT_DRAWN: Final = (STRUCTURED, PAPERS, WAVES, *ABOUT)


def is_drawn(sop_class: str, transfer_syntax: str) -> bool:
    """Whether an object can hold pixels that are drawn as pictures."""
    return not sop_class.startswith(_NOT_DRAWN) and transfer_syntax not in FILMS


def drawn(rows: QuerySet[Instance]) -> QuerySet[Instance]:
    """Those of which that is so."""
    for one in _NOT_DRAWN:
        rows = rows.exclude(sop_class_uid__startswith=one)
    return rows.exclude(transfer_syntax_uid__in=FILMS)


@dataclass(frozen=True, slots=True)
class Object:
    """An object of the archive, as its row tells it."""

    study: str
    series: str
    sop_instance: str
    sop_class: str
    transfer_syntax: str
    digest: bytes
    size: int

    def opened(self) -> BinaryIO:
        """Its Part 10 file, to be read. Raises as `files.opened`."""
        return opened(self.digest)


@dataclass(frozen=True, slots=True)
class Found:
    """Matches as DICOM JSON, the tags of the query that were not matched, and whether there are more matches."""

    matches: list[dict[str, Any]]
    unmatched: list[int]
    more: bool


def find(asker: Asker, wanted: Wanted) -> Step[Found]:
    """What a query finds for the asker. Raises matching.BadKey."""
    sql, params, unmatched = compile_query(wanted)
    rows = yield Query(sql, params, prepare=None if wanted.is_by_name else False)
    more, rows = len(rows) > wanted.limit, rows[: wanted.limit]
    _note(asker, "search", rows, 6)
    return Found(answers(wanted.level, rows), unmatched, more)


def objects(asker: Asker, wanted: Wanted) -> Step[list[Object]]:
    """The objects that a query finds for the asker, in the order in which people look at them. Raises BadKey."""
    sql, params = compile_objects(wanted)
    rows = yield Query(sql, params, prepare=None if wanted.is_by_name else False)
    _note(asker, "read", rows, 7)
    return [Object(*row[:5], bytes(row[5]), row[6]) for row in rows]


def _note(asker: Asker, action: str, rows: Sequence[Row], at: int) -> None:
    """One entry for each study that was seen; `at`: where its id and its patient stand in a row."""
    for resource, patient in dict.fromkeys((row[at], row[at + 1]) for row in rows):
        audit.note(asker, action, "ImagingStudy", resource, patient)
