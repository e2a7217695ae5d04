"""Models at work: what is due is looked at, and what a model says is kept in the archive and in the record at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from tuetinh.care.imaging.ai import documents, due, facts, known, running, scoring
from tuetinh.care.imaging.ai.model import Model
from tuetinh.care.imaging.ai.models import AiResult
from tuetinh.care.imaging.ai.scoring import Picture, Scored
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.dicomweb.frames import Drawing, NoFrame, seen
from tuetinh.care.imaging.models import Instance, Pending, Study
from tuetinh.care.imaging.quiet import fault
from tuetinh.care.imaging.rules.kinds import Assist
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

log = logging.getLogger(__name__)
HELD: Final = timedelta(minutes=15)  # for which a worker has a result, longer than a model may run
TRIES: Final = 3
SECONDS: Final = 40  # of each minute, so that others of the queue have their turn
AGAIN: Final = timedelta(minutes=5)
LARGEST: Final = 256 << 20  # bytes of an object that is decoded


class Looked(NamedTuple):
    """What a model said of pictures, the files that tell it, the last object that it saw, and among how many frames."""

    said: list[tuple[Picture, Scored]]
    files: list[bytes]
    last: int
    among: int


def look_at_due() -> int:
    """Let models look at what is due, until the time is over; returns at how many results they were.

    Safe to repeat and to be killed.
    """
    count, end = 0, monotonic() + SECONDS
    with _alone() as alone:
        while alone and monotonic() < end and (row := _take()):
            _work(row)
            count += 1
    known.file_of.cache_clear()
    return count


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other worker is at it, for a slow model must not take all turns of the queue."""
    [(alone,)] = ask("SELECT pg_try_advisory_lock(hashtext('imaging ai'))")
    try:
        yield alone
    finally:
        if alone:
            ask("SELECT pg_advisory_unlock(hashtext('imaging ai'))")


def _take() -> AiResult | None:
    """A result that is due, which no other worker takes for a while."""
    now = datetime.now(UTC)
    with transaction.atomic():
        enter(SYSTEM)
        rows = AiResult.objects.filter(state=AiResult.State.WAITING, next_at__lte=now).order_by("next_at", "pk")
        coming = Exists(Pending.objects.filter(study=OuterRef("study")))  # what it is still to be told of comes first
        row = rows.exclude(coming).select_for_update(skip_locked=True).first()
        if row is None:
            return None
        row.tries, row.next_at = row.tries + 1, now + HELD
        row.save(update_fields=["tries", "next_at"])
    return row


def _work(row: AiResult) -> None:
    enter(SYSTEM)
    model, rule = known.version_of(row.model, row.version), due.rule_of(row)
    try:
        if model is None:
            raise running.Failed("gone")
        if rule is None:
            _leave(row)
            return
        if row.tries > TRIES:  # whoever looked was killed each time
            raise running.Failed("crash")
        _look(row, model, rule)
    except running.Failed as error:
        log.warning("imaging: model %s %s gave no result: %s", row.model, row.version, error.code)
        _fail(row, error.code, last=error.code not in ("crash", "slow", "memory") or row.tries >= TRIES)
    except Exception as error:  # the disk, the store, the database: it is tried again
        log.warning("imaging: the result of a model is not kept: %s", fault(error))
        _fail(row, "outage", last=row.tries >= TRIES)


def _fail(row: AiResult, code: str, *, last: bool) -> None:
    enter(SYSTEM)
    state = AiResult.State.FAILED if last else AiResult.State.WAITING
    told = {"state": state, "fault": code[:20], "next_at": datetime.now(UTC) + AGAIN * row.tries}
    _mine(row).update(**told)


def _leave(row: AiResult) -> None:
    """Nobody wants the model to look any more: what it said before stays, unless a picture was replaced since."""
    if row.done_at is None:
        _mine(row).delete()
    elif row.score is None:
        _fail(row, "replaced", last=True)
    else:
        _mine(row).update(state=AiResult.State.DONE)


def _mine(row: AiResult) -> QuerySet[AiResult]:
    """The result while this worker has it: nobody has taken it since, and nothing was replaced."""
    return AiResult.objects.filter(pk=row.pk, next_at=row.next_at, state=AiResult.State.WAITING)


def _look(row: AiResult, model: Model, rule: Assist) -> None:
    objects = due.unseen(row, model, rule).select_related("series", "study")
    found = list(objects.order_by("series__series_number", "series", "instance_number", "pk"))
    frames = [(one, number) for one in found if one.size <= LARGEST for number in range(1, _frames(one) + 1)]
    pictures = [_drawn(one, number, model) for one, number in _evenly(frames, max(model.most - row.looked, 0))]
    shown = [one for one in pictures if one]
    if not shown and not row.looked:
        raise running.Failed("nothing")
    scored = scoring.look(model, known.file_of(model), [one.pixels for one in shown]) if shown else []
    last = max((one.pk for one in found), default=row.last)
    said = list(zip(shown, scored, strict=True))
    files = documents.made(model, row.study_id, said) if said else []
    _keep(row, model, rule, Looked(said, files, last, len(frames)))


def _frames(instance: Instance) -> int:
    told = (instance.attributes.get("00280008", {}).get("Value") or [1])[0]
    return min(int(told or 1), 100_000)


def _evenly(frames: Sequence[tuple[Instance, int]], most: int) -> list[tuple[Instance, int]]:
    """At most so many of them, as far from each other as can be."""
    if len(frames) <= most:
        return list(frames)
    return [frames[int((number + 0.5) * len(frames) / most)] for number in range(most)]


def _drawn(instance: Instance, frame: int, model: Model) -> Picture | None:
    """A frame as people see it, in the window of the model; None where nothing can be drawn of it."""
    try:
        return Picture(instance, frame, seen(bytes(instance.digest), frame, Drawing(model.window)))
    except NoFrame:
        return None
    except Exception as error:  # decoders raise whatever the bytes lead them to
        log.warning("imaging: a model does not see a picture: %s", fault(error))
        return None


def _keep(row: AiResult, model: Model, rule: Assist, looked: Looked) -> None:
    """Keep what a model said: in the archive, in the record and in the result, all or nothing."""
    with transaction.atomic():
        enter(SYSTEM)
        study = Study.objects.select_for_update(no_key=True).filter(pk=row.study_id).first()
        kept = _mine(row).select_for_update().first()
        if study is None or kept is None:  # it was destroyed, or another worker has it
            return
        kept.done_at, kept.fault, kept.tries = datetime.now(UTC), "", 0
        kept.threshold, kept.last = model.threshold, max(looked.last, kept.last)
        kept.looked, kept.among = kept.looked + len(looked.said), kept.among + looked.among
        kept.pictures = [*kept.pictures, *map(_told, looked.said)]
        kept.score = max((one["score"] for one in kept.pictures), default=None)
        kept.state = AiResult.State.DONE
        kept.save()
        if looked.said:
            documents.store(kept, study, looked.files)
            asker = facts.asker(study.custodian)
            facts.device(asker, model)
            record.put_many(asker, [facts.observation(asker, kept, model, study)])
        enter(SYSTEM)
        if due.unseen(kept, model, rule).exists():  # it came meanwhile
            AiResult.objects.filter(pk=kept.pk).update(state=AiResult.State.WAITING, next_at=datetime.now(UTC))
        publish(f"imaging:{study.custodian}")


def _told(said: tuple[Picture, Scored]) -> dict[str, object]:
    picture, scored = said
    return {
        "series": picture.instance.series.series_instance_uid, "instance": picture.instance.sop_instance_uid,
        "frame": picture.frame, "score": round(scored.score, 4),
        "rows": picture.pixels.shape[0], "columns": picture.pixels.shape[1],
        "boxes": [[round(side, 4) for side in box] for box in scored.boxes],
    }  # fmt: skip
