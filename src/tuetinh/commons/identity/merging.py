"""Merges people and tells them apart again, for the records office: permission, transaction, queue, access log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import psycopg
from django.db import transaction
from django.db.utils import OperationalError

from tuetinh.commons.identity import review
from tuetinh.commons.identity.errors import Code, IdentityError
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden, RecordError
from tuetinh.record.merging import api as steps
from tuetinh.record.merging.api import Merge, Outcome
from tuetinh.record.steps import Query, Step, run

OFFICE = frozenset({"archivist", "system"})
ATTEMPTS = 4


def may(asker: Asker) -> None:
    """Raise Forbidden for a desk that does not keep the records."""
    if asker.role not in OFFICE:
        message = "this desk merges nobody"
        raise Forbidden(message)


def preview(asker: Asker, source: str, target: str) -> Outcome:
    """What merging would move. Raises IdentityError with what stands in the way."""
    return _held(asker, lambda by: steps.preview(by, source, target))


def merge(asker: Asker, source: str, target: str, *, reason: str = "") -> Outcome:
    """Merge the source into the target. Raises IdentityError with what stands in the way."""
    return _held(asker, lambda by: steps.merge(by, source, target, reason=reason))


def unmerge(asker: Asker, source: str, *, reason: str, preview: bool = False) -> Outcome:
    """Undo the merge of the source, or look at what that would move. Raises IdentityError."""
    if not preview and not reason.strip():
        raise IdentityError(Code.REASON_MISSING, field="reason")
    outcome = _held(asker, lambda by: steps.unmerge(by, source, reason=reason.strip(), preview=preview))
    if not preview:
        review.reopen(outcome.source, outcome.target)
    return outcome


def history(asker: Asker, limit: int = 50, person: str = "") -> list[Merge]:
    """Merges, newest first, undone ones too."""
    may(asker)
    return run(SYSTEM, steps.latest(before=None, limit=limit, person=person))


def doubted(asker: Asker) -> list[Merge]:
    """Merges in force that a desk holds for wrong, the newest first."""
    may(asker)
    return run(SYSTEM, _doubted())


def _doubted() -> Step[list[Merge]]:
    rows = yield Query("SELECT merge FROM identity_doubt ORDER BY at DESC LIMIT 100")
    found = yield from steps.by_ids([id_ for (id_,) in rows])
    return [one for one in found if one.undone is None]


def parts(person: str) -> list[Merge]:
    """The merges in force that made others part of this person, the newest first."""
    found = run(SYSTEM, steps.latest(before=None, limit=50, person=person))
    return [one for one in found if one.target == person and one.undone is None]


def _held(asker: Asker, step: Callable[[Asker], Step[Outcome]]) -> Outcome:
    """Run a step in one transaction, anew when others were in its way; it moves also what the desk may not write."""
    may(asker)
    by = replace(asker, scopes=SYSTEM.scopes, sight=SYSTEM.sight)
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return run(by, step(by))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, OperationalError) as error:
            if attempt == ATTEMPTS - 1:
                raise IdentityError(Code.BUSY) from error
            time.sleep(0.05 * 2**attempt)
        except Forbidden:
            raise
        except RecordError as error:
            raise IdentityError(Code.MERGE_REFUSED, why=str(error)) from error
    raise AssertionError  # the last attempt returns or raises
