"""Peer review: a share of signed readings is judged by another reader, who is not told whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy

from tuetinh.care.imaging.errors import NeedsReason, NotAllowed, WrongStage
from tuetinh.care.imaging.reading import readers
from tuetinh.care.imaging.reading.models import PeerReview
from tuetinh.record.asker import Asker

SCORES: Final = {  # RADPEER (American College of Radiology)
    1: gettext_lazy("1 · Đồng ý"),
    2: gettext_lazy("2 · Khác biệt ở điều khó thấy"),
    3: gettext_lazy("3 · Khác biệt ở điều thường phải thấy"),
    4: gettext_lazy("4 · Khác biệt ở điều rõ ràng"),
}


def waiting(asker: Asker) -> QuerySet[PeerReview]:
    """Readings of others that wait for a judgement, which are for this reader, oldest first."""
    rows = PeerReview.objects.filter(facility=asker.facility, done_at=None).select_related("exam", "exam__case")
    rows = rows.exclude(author=asker.account).exclude(exam__case__signed_by=asker.account)
    return rows.filter(Q(reviewer="") | Q(reviewer=asker.account)).order_by("-reviewer", "chosen_at", "pk")


def take_next(asker: Asker) -> PeerReview | None:
    """Take the oldest that waits, or the one that the asker has already. Raises NotAllowed, NotReader, NeedsSecond."""
    _check(asker)
    with transaction.atomic():
        row = waiting(asker).select_for_update(of=("self",), skip_locked=True).first()
        if row is not None and not row.reviewer:
            row.reviewer = asker.account
            row.save(update_fields=["reviewer"])
    return row


def judge(asker: Asker, review_id: int, score: int, comment: str, *, matters: bool) -> None:
    """Judge a reading that one has taken; where one differs, with words.

    Raises NotAllowed, NotReader, NeedsSecond, WrongStage, NeedsReason.
    """
    _check(asker)
    if score not in SCORES:
        raise WrongStage
    if score > 1 and not comment.strip():
        raise NeedsReason
    with transaction.atomic():
        mine = PeerReview.objects.select_for_update().filter(pk=review_id, reviewer=asker.account, done_at=None)
        row = mine.first()
        if row is None:
            raise WrongStage
        row.score, row.comment, row.matters = score, comment.strip()[:1000], matters and score > 1
        row.done_at = datetime.now(UTC)
        row.save()


def _check(asker: Asker) -> None:
    if asker.role != "imaging":
        raise NotAllowed
    readers.check(asker, signing=True)


@dataclass(frozen=True, slots=True)
class Tally:
    """The judgements about one modality. scores: how many of 1 to 4. agreed: percent with score 1."""

    modality: str
    scores: tuple[int, int, int, int]
    matters: int

    @property
    def total(self) -> int:
        """How many were judged."""
        return sum(self.scores)

    @property
    def agreed(self) -> int:
        """Percent of them with score 1."""
        return round(100 * self.scores[0] / self.total)


def tally(facility: str) -> list[Tally]:
    """The judgements at a facility by modality; nobody is named."""
    counts = {f"s{n}": Count("pk", filter=Q(score=n)) for n in SCORES}
    rows = PeerReview.objects.filter(facility=facility, done_at__isnull=False).values("modality").order_by("modality")
    found = rows.annotate(**counts, serious=Count("pk", filter=Q(matters=True)))
    return [Tally(row["modality"], tuple(row[f"s{n}"] for n in SCORES), row["serious"]) for row in found]
