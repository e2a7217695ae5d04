"""Takes a claim file in: read once, stored in batches, here or in several processes; goes on where it was interrupted.

A batch is one transaction, with the report of its claims. One that the record refuses is taken apart, so that a bad
claim keeps none of the others back.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context
from typing import Any, BinaryIO, Final, cast

import psycopg
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext

from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.errors import WireError
from tuetinh.care.insurance.intake.directory import Directory
from tuetinh.care.insurance.intake.files import Opened, Source, opened
from tuetinh.care.insurance.intake.keeping import Outcome, keep, refuse
from tuetinh.care.insurance.intake.rows import Told, told
from tuetinh.care.insurance.models import ClaimImport, ImportOutcome
from tuetinh.care.insurance.rules.apart import begin as begin_process
from tuetinh.care.insurance.rules.files import FileClaim, Piece, claim_of, pieces_in
from tuetinh.record import api as record
from tuetinh.record.errors import Conflict, RecordError

BATCH: Final = 40  # claims of a transaction: their facts are what memory holds
BATCH_BYTES: Final = 8 << 20
AHEAD: Final = 3  # batches that wait for each process
WORTH_IT: Final = 2 << 20  # bytes of a file that one process stores while others would still be starting
TRIES: Final = 3  # of a claim that met another one
WRITTEN: Final = (
    *(
        "Patient",
        "Coverage",
        "Encounter",
        "Condition",
        "Observation",
        "ServiceRequest",
        "DiagnosticReport",
        "Procedure",
    ),
    *("MedicationRequest", "MedicationDispense", "MedicationAdministration", "ChargeItem", "Invoice", "Claim"),
    *(
        "Procedure",
        "ClinicalImpression",
        "CarePlan",
        "QuestionnaireResponse",
        "Appointment",
        "Provenance",
        "Practitioner",
        "Location",
    ),
)
log = logging.getLogger(__name__)
_directory = Directory()

Listener = Callable[[int, int], None]


def begin(source: Source, *, facility: str = "", account: str = "") -> ClaimImport:
    """The import of a file: the one that was interrupted, else a new one."""
    known = ClaimImport.objects.filter(
        sha256=source.sha256, name=source.name, facility=facility, account=account, ended=None
    ).order_by("-pk")
    return known.first() or ClaimImport.objects.create(
        name=source.name, sha256=source.sha256, size=source.size, facility=facility, account=account,
        began=timezone.now(),
    )  # fmt: skip


def take_in(run: ClaimImport, source: Source, *, processes: int = 1, advanced: Listener | None = None) -> Counter[str]:
    """Store the claims of the file; how many came out how. advanced: is told bytes read and claims done so far.

    Nothing of it is lost or done twice when the process is killed and the file is taken in again.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"insurance.intake run {run.pk}"])
    try:
        run.refresh_from_db()
        _directory.forget()
        done = _counts(run)
        if run.ended is None:
            for position, found in _all(run, source, processes):
                done += found
                run.done = position
                run.save(update_fields=["done"])
                if advanced:
                    advanced(position, sum(done.values()))
            run.done, run.ended = run.size, timezone.now()
            run.save(update_fields=["done", "ended"])
            if sum(done.values()) > BATCH:
                record.analyze(WRITTEN)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [f"insurance.intake run {run.pk}"])
    return done


def _counts(run: ClaimImport) -> Counter[str]:
    return Counter(run.outcomes.values_list("state", flat=True))


def _all(run: ClaimImport, source: Source, processes: int) -> Iterator[tuple[int, Counter[str]]]:
    """Store what is not done yet; after each batch, how far the file is read and what became of it."""
    there = set(run.outcomes.values_list("place", flat=True))
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opened(source))
        except WireError as error:
            _refuse_file(run, FileClaim(0, "", error=error), there)
            return
        many = processes if source.size > WORTH_IT else 1
        work = stack.enter_context(_Workers(many))
        yield from work.do(run, _batches(run, file, there))


def _batches(run: ClaimImport, file: Opened, there: set[int]) -> Iterator[tuple[int, list[Piece]]]:
    """The claims that are not done, some at a time; what is wrong with the file itself is written down."""
    gathered: list[Piece] = []
    size = 0
    try:
        for one in pieces_in(cast("BinaryIO", file)):
            if isinstance(one, FileClaim):
                _refuse_file(run, one, there)
                continue
            if one.place in there:
                continue
            gathered.append(one)
            size += len(one.content) if isinstance(one.content, bytes) else 0
            if len(gathered) >= BATCH or size >= BATCH_BYTES:
                yield file.position, gathered
                gathered, size = [], 0
    except WireError as error:
        _refuse_file(run, FileClaim(0, "", error=error), there)
    if gathered:
        yield file.position, gathered


def _refuse_file(run: ClaimImport, claim: FileClaim, there: set[int]) -> None:
    """Write down what is wrong with the file, once; or that it is a notice, which is no claim."""
    if claim.place in there:
        return
    there.add(claim.place)
    found = told(claim, [])
    if claim.error is None:
        why = gettext("Tệp là báo trạng thái (bảng 0), không phải hồ sơ: bỏ qua.")
        found = replace(found, findings=[Problem("XML0", 1, "MA_LK", "notice", why, "")])
    with transaction.atomic():
        refuse(run, [found])


class _Workers:
    """Stores batches, here or in processes of their own."""

    def __init__(self, processes: int) -> None:
        self.pool = ProcessPoolExecutor(processes, get_context("spawn"), begin_process) if processes > 1 else None
        self.ahead = processes * AHEAD

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)

    def do(self, run: ClaimImport, batches: Iterable[tuple[int, list[Piece]]]) -> Iterator[tuple[int, Counter[str]]]:
        """Store them, and what became of each, in their order."""
        if self.pool is None:
            for position, batch in batches:
                yield position, store(run, batch)
            return
        waiting, rest = [], iter(batches)
        while True:
            for position, batch in islice(rest, self.ahead - len(waiting)):
                waiting.append((position, self.pool.submit(store_apart, run.pk, batch)))
            if not waiting:
                return
            position, coming = waiting.pop(0)
            yield position, coming.result()


def store_apart(run_id: int, pieces: list[Piece]) -> Counter[str]:
    """Store a batch in a process of its own."""
    return store(ClaimImport.objects.get(pk=run_id), pieces)


def store(run: ClaimImport, pieces: Sequence[Piece]) -> Counter[str]:
    """Read and store a batch of claims; how many came out how."""
    claims = []
    for piece in pieces:
        left_out: list[str] = []
        claims.append(told(claim_of(piece, left_out), left_out))
    good = [one for one in claims if not one.refused]
    _directory.find_hospitals({one.facility for one in good}, make=not run.facility)
    _directory.find_practitioners(good)
    claims = [one if one.refused else _allowed(run, one) for one in claims]
    with transaction.atomic():
        done = Counter(one.state for one in refuse(run, [one for one in claims if one.refused]))
    for group in _groups(one for one in claims if not one.refused):
        done.update(one.state for one in _kept(run, group))
    return done


def _allowed(run: ClaimImport, one: Told) -> Told:
    """The claim, refused where this import may not hold claims of its hospital."""
    known = _directory.organizations.get(one.facility, "")
    if known and run.facility in ("", known):
        return one
    if run.facility:
        why = gettext("Hồ sơ của cơ sở khác: tài khoản này chỉ nhập được hồ sơ của cơ sở mình.")
    else:
        why = gettext("Cơ sở này đã bị xoá khỏi danh mục của hệ thống.")
    return replace(one, findings=[*one.findings, Problem("XML1", 1, "MA_CSKCB", "facility", why, "")])


def _groups(claims: Iterable[Told]) -> Iterator[list[Told]]:
    """Claims of one hospital, none of them twice, each in its turn."""
    turns: dict[tuple[str, int], list[Told]] = defaultdict(list)
    often: Counter[tuple[str, str]] = Counter()
    for one in claims:
        often[one.facility, one.ma_lk] += 1
        turns[one.facility, often[one.facility, one.ma_lk]].append(one)
    yield from (turns[key] for key in sorted(turns, key=lambda key: key[1]))


def _kept(run: ClaimImport, group: list[Told]) -> list[Outcome]:
    try:
        return keep(run, _directory, group)
    except Exception as error:
        _check_connection(error)
        if len(group) == 1 and not isinstance(error, DatabaseError | psycopg.Error):
            return [_refused(run, group[0], error)]
    return [_alone(run, one) for one in group]


def _alone(run: ClaimImport, one: Told) -> Outcome:
    for turn in range(TRIES):
        try:
            return keep(run, _directory, [one])[0]
        except Exception as error:
            _check_connection(error)
            if turn == TRIES - 1 or not isinstance(error, Conflict | IntegrityError | psycopg.OperationalError):
                return _refused(run, one, error)
    raise AssertionError  # the last turn has returned


def _check_connection(error: Exception) -> None:
    """Raise the error where no claim is to blame for it: the database has gone."""
    if isinstance(error, DatabaseError | psycopg.Error) and not connection.is_usable():
        raise error


def _refused(run: ClaimImport, one: Told, error: Exception) -> Outcome:
    """Write down why the record does not take a claim."""
    if isinstance(error, RecordError):
        found = [
            Problem("", 0, issue.expression, "record", issue.text, "")
            for issue in error.issues
            if issue.severity in ("error", "fatal")
        ] or [Problem("", 0, "", "record", str(error), "")]
    else:
        log.error("a claim could not be stored: %s", type(error).__name__, exc_info=error)
        why = gettext("Không lưu được hồ sơ vì một lý do chưa biết. Hãy báo quản trị hệ thống.")
        found = [Problem("", 0, "", "unforeseen", f"{why} ({type(error).__name__})", "")]
    with transaction.atomic():
        return refuse(run, [replace(one, findings=[*one.findings, *found])])[0]


def outcomes(run: ClaimImport) -> Iterator[ImportOutcome]:
    """What became of each claim, in the order of the file."""
    return run.outcomes.order_by("place", "pk").iterator(chunk_size=500)


def told_outcome(outcome: ImportOutcome, file: str) -> dict[str, Any]:
    """What became of a claim, as the command and the report tell it."""
    return {
        "file": file, "place": outcome.place, "ma_lk": outcome.ma_lk, "state": outcome.state, "visit": outcome.visit,
        "resources": outcome.resources, "findings": outcome.findings,
    }  # fmt: skip
