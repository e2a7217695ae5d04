"""Work that takes longer than a page may: started once, told as it goes, safe to repeat from its beginning."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from tuetinh.care.insurance.errors import AlreadyRunning, InsuranceError
from tuetinh.care.insurance.models import Run
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import Asker

EVERY = 1.0  # seconds between two words of how far it is
KEPT = 30  # days for which a file that was made is kept
GIVEN = ("results", "approved")  # kinds that read a file which was given
State = Run.State
log = logging.getLogger(__name__)


class Progress:
    """How far a run is; pages that show it are told at most once a second."""

    def __init__(self, run: Run) -> None:
        self.run, self.told = run, time.monotonic()

    def total(self, count: int) -> None:
        """Say how much there is."""
        self.run.total = count
        self._tell()

    def step(self, count: int = 1) -> None:
        """Say that so much more is done."""
        self.run.done += count
        if time.monotonic() - self.told >= EVERY:
            self._tell()

    def _tell(self) -> None:
        self.told = time.monotonic()
        self.run.save(update_fields=["done", "total"])
        publish(f"claims:{self.run.facility}")


def start(
    asker: Asker, kind: str, key: str = "", *, what: dict[str, Any] | None = None, file: bytes | None = None,
    name: str = "", facility: str = "",
) -> Run:  # fmt: skip
    """Put work into the queue of jobs. facility: the asker's own when left out. Raises AlreadyRunning."""
    from tuetinh.care.insurance.jobs import run as job

    try:
        with transaction.atomic():
            made = Run.objects.create(
                kind=kind, facility=facility or asker.facility, key=key, what=what or {}, file=file, name=name[:200],
                account=asker.account, began=timezone.now(),
            )  # fmt: skip
            job.defer(run=made.pk)
    except IntegrityError as error:
        raise AlreadyRunning from error
    publish(f"claims:{made.facility}")
    return made


def carry_out(run_id: int) -> None:
    """Do it; what was interrupted begins anew, what is done is left alone."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None or not run.under_way:
        return
    run.state, run.done, run.told = State.RUNNING, 0, {}
    run.save(update_fields=["state", "done", "told"])
    try:
        _work(run.kind)(run, Progress(run))
    except InsuranceError as error:
        run.state, run.told = State.FAILED, {"error": str(error)}
    except Exception as error:  # its text may hold health data
        log.error("work %s of insurance fails: %s", run.kind, type(error).__name__)
        run.state, run.told = State.FAILED, {"error": str(InsuranceError())}
    else:
        run.state = State.DONE
    if run.kind in GIVEN:
        run.file = None  # what it said is where it belongs
    run.ended = timezone.now()
    run.save()
    publish(f"claims:{run.facility}")


def latest(facility: str, *kinds: str) -> list[Run]:
    """The last runs of these kinds, newest first, without what they hold."""
    return list(Run.objects.filter(facility=facility, kind__in=kinds).defer("file").order_by("-id")[:5])


def tidy() -> int:
    """Take away files that were made long ago; returns how many."""
    old = Run.objects.filter(ended__lt=timezone.now() - timedelta(days=KEPT), file__isnull=False)
    return old.update(file=None)


def _work(kind: str) -> Callable[[Run, Progress], None]:
    from tuetinh.care.insurance.approved import actions as approved
    from tuetinh.care.insurance.forms import making
    from tuetinh.care.insurance.results import work

    return {
        "fetch": work.fetch, "results": work.take_file, "weigh": work.weigh, "form": making.make,
        "approved": approved.take_file,
    }[kind]  # fmt: skip
