"""What arrives from machines: kept first, then matched to a tube, then acknowledged.

Everything that came is one row, in the same transaction as what it changed; the acknowledgement leaves only after the
commit. Messages that come together share a transaction. A message sent again, byte for byte but for its time, gets the
answer of the first and is only counted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from tuetinh.care.lab import actions
from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.errors import LabError, NeedsReason, NotAllowed, NotForMatching, WrongStage
from tuetinh.care.lab.machines import analysers, matching, replies
from tuetinh.care.lab.machines import wire_hl7v2 as wire
from tuetinh.care.lab.machines.drivers import driver, recognise
from tuetinh.care.lab.machines.matching import Bench, Outcome
from tuetinh.care.lab.machines.messages import Code, Header, Refused
from tuetinh.care.lab.machines.messages import Message as Read
from tuetinh.care.lab.machines.reading import Arrival, read
from tuetinh.care.lab.machines.unassigned import laboratories_of
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import OPEN, Analyser, Message, Tube
from tuetinh.care.lab.quality import actions as quality
from tuetinh.care.lab.results import validation
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record.asker import Asker
from tuetinh.record.steps import Query, Step, run

log = logging.getLogger(__name__)
State = Message.State
LISTENER = replies.LISTENER
_Key = tuple[str, str, bytes]
_COLUMNS = {
    "received_at": "timestamptz", "peer": "text", "wire": "text", "facility": "text", "sender": "text",
    "analyser_id": "bigint", "control_id": "text", "digest": "bytea", "kind": "text", "raw": "bytea", "state": "text",
    "reason": "text", "place": "text", "ack": "bytea", "copies": "integer", "tube_id": "bigint", "note": "text",
    "handled_by": "text", "handled_at": "timestamptz",
}  # fmt: skip
_INSERT = f"""INSERT INTO lab_message ({", ".join(_COLUMNS)})
SELECT * FROM unnest({", ".join(f"{'%b' if kind == 'bytea' else '%s'}::{kind}[]" for kind in _COLUMNS.values())})
RETURNING id, sender, control_id, digest"""
# The lists are read by queries, for where the planner sees how long they are, it plans the statement anew each time.
BEFORE = """SELECT id, sender, control_id, digest, ack
FROM lab_message JOIN unnest(
  ARRAY(SELECT unnest(%s::text[])), ARRAY(SELECT unnest(%s::text[])), ARRAY(SELECT unnest(%b::bytea[]))
) AS k(sender, control_id, digest) USING (sender, control_id, digest)"""


@dataclass(slots=True)
class Item:
    """One arrival on its way. message: what it says; refused: why it could not be read; answer: what it was told."""

    arrival: Arrival
    header: Header = field(default_factory=Header)
    message: Read | None = None
    refused: Refused | None = None
    digest: bytes = b""
    analyser: Analyser | None = None
    answer: bytes | None = None

    @property
    def key(self) -> _Key:
        """What makes it the same as one that came before."""
        return self.header.sender[:300], self.header.control_id[:200], self.digest

    @property
    def is_read(self) -> bool:
        """Whether `read` was called."""
        return bool(self.message or self.refused)

    def read(self, machine: Analyser | None = None) -> None:
        """Read it, which asks no database. machine: the one that the line belongs to, where it is known by it."""
        self.digest, self.header = self.arrival.digest, Header(wire=self.arrival.wire)
        try:
            self.message = read(self.arrival, driver(machine.driver) if machine and machine.driver else None)
            self.header = self.message.header
        except Refused as error:
            self.refused, self.header = error, error.header or self.header
        except Exception:  # an error of ours: it is kept as broken, and hinders no other
            log.exception("lab: a message could not be read")
            self.refused = Refused("AE", "207")

    def read_as_its_model(self) -> None:
        """Read once more, as the model of its machine writes, what was read by the machine's name alone."""
        model = driver(self.analyser.driver) if self.analyser and self.analyser.driver else None
        if not model or not self.message or model.description.wire != self.arrival.wire:
            return
        if analysers.is_line(self.arrival.peer) or recognise(self.header.sender, model.description.wire) is model:
            return
        try:
            self.message = read(self.arrival, model)
        except Refused as error:
            self.message, self.refused = None, error


def take(frame: Frame, peer: str) -> bytes | None:
    """Keep what one MLLP frame brought and return the answer, or None when none is due. Returns after the commit."""
    return joined(frame, take_many(arrivals(frame, peer)))


def arrivals(frame: Frame, peer: str) -> list[Arrival]:
    """The messages of a frame: one, those of a batch, or what was never a whole one."""
    if frame.fault:
        return [Arrival(frame.payload, peer, "hl7v2", frame.fault)]
    return [Arrival(raw, peer) for raw in wire.split(frame.payload)]


def joined(frame: Frame, answers: Sequence[bytes | None]) -> bytes | None:
    """The answer to a frame: those to its messages, as a batch where it was one."""
    found = [answer for answer in answers if answer]
    if not found:
        return None
    return wire.batch(found) if len(found) > 1 or wire.is_batch(frame.payload) else found[0]


@record.one_request()
def take_many(arrivals: Sequence[Arrival | Item]) -> list[bytes | None]:
    """Keep arrivals, in order, and return their answers, None where none is due. Returns only after the commit.

    What one of them breaks, breaks nothing for the others. They are one request to the access log: each person once.
    """
    items = [one if isinstance(one, Item) else Item(one) for one in arrivals]
    unread = [item for item in items if not item.is_read]
    lines = analysers.by_line({item.arrival.peer for item in unread})
    for item in unread:
        item.read(lines.get(item.arrival.peer))
    senders = analysers.find_all([(item.header.sender, item.arrival.peer) for item in items])
    for item, analyser in zip(items, senders, strict=True):
        item.analyser = analyser
        item.read_as_its_model()
    for group in _apart(items):
        try:
            _keep(group)
        except Exception:
            if len(group) == 1:
                _broken(group[0])
            else:
                for item in group:
                    _alone(item)
    return [item.answer for item in items]


def _alone(item: Item) -> None:
    try:
        _keep([item])
    except Exception:
        _broken(item)


def _broken(item: Item) -> None:
    """An error of ours leaves the message broken, never lost. Raises when even that cannot be kept."""
    log.exception("lab: a message could not be written")
    item.message, item.refused = None, Refused("AE", "207", "", item.header)
    _keep([item])


def _apart(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut into groups in which no two say something of the same tube: each result keeps a version of its own."""
    group: list[Item] = []
    named: set[str] = set()
    for item in items:
        keys = {key for order in (item.message.orders if item.message else []) for key in order.keys}
        if named & keys:
            yield group
            group, named = [], set()
        group.append(item)
        named |= keys
    if group:
        yield group


def _keep(items: list[Item]) -> None:
    """Keep a group in one transaction. What is said twice at once is waited for, and found to be known then."""
    with transaction.atomic():
        rows = run(LISTENER, _known([item.key for item in items]))
        fresh, repeated = dict[_Key, Item](), list[Item]()
        for item in items:
            if item.key in rows:
                _count_again(rows[item.key])
            elif fresh.setdefault(item.key, item) is not item:
                repeated.append(item)
        rows |= _rows(list(fresh.values()))
        for item in repeated:
            _count_again(rows[item.key])
        for item in items:
            item.answer = bytes(row.ack) if (row := rows[item.key]).ack else None


def _known(keys: Sequence[_Key]) -> Step[dict[_Key, Message]]:
    """Those of these that came before.

    Their contents are locked until the transaction ends: in one order, before any tube, so that no two wait for each
    other.
    """
    numbers = sorted({int.from_bytes(digest[:8], signed=True) for _, _, digest in keys})
    yield Query("SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) n", (numbers,))
    rows = yield Query(BEFORE, [list(column) for column in zip(*dict.fromkeys(keys), strict=True)])
    return {row[1:4]: Message(pk=row[0], ack=row[4]) for row in rows}


def _count_again(row: Message) -> None:
    Message.objects.filter(pk=row.pk).update(copies=F("copies") + 1)


def _rows(items: list[Item]) -> dict[_Key, Message]:
    """Work on messages that are new, and insert their rows."""
    readable = [item.message for item in items if item.message and item.message.header.type in matching.TYPES]
    bench = matching.lay(LISTENER, readable)
    made: list[tuple[Item, Message, Outcome]] = []
    now = datetime.now(UTC)
    outcomes = [_process(bench, item) for item in items]
    homeless = [(item, outcome) for item, outcome in zip(items, outcomes, strict=True) if not outcome.facility]
    senders = [(item.header.facility, item.arrival.peer) for item, _ in homeless]
    for (_, outcome), facility in zip(homeless, laboratories_of(senders), strict=True):
        outcome.facility = facility
    for item, outcome in zip(items, outcomes, strict=True):
        ack = replies.answer(item.arrival, item.header, item.message, outcome)
        made.append((item, _row(item, outcome, ack, now), outcome))
    bench.writes.keep()
    _validated(bench)
    run(LISTENER, _inserted([row for _, row, _ in made]))
    quality.lock(one.control for _, _, outcome in made for one in outcome.controls)
    for _, row, outcome in made:
        if outcome.controls:
            quality.from_machine(row, outcome.controls)
    told = {tube.facility for tube in bench.writes.tubes}
    if channels := {f"lab:{row.facility}" for _, row, _ in made if row.facility and row.facility not in told}:
        publish(*channels)
    return {item.key: row for item, row, _ in made}


def _validated(bench: Bench) -> None:
    """Validate by rule what was written; where that fails the results wait for a technician."""
    works = {tube.pk: bench.works[tube.pk] for tube in bench.writes.tubes}.values()
    in_order = sorted(works, key=lambda work: work.tube.encounter)  # what they cost is put on the bills of visits
    passed = [(work, rule) for work in in_order if (rule := validation.granted(work))]
    if not passed:
        return
    try:
        with transaction.atomic():
            for work, rule in passed:
                validation.validate_by_rule(work, rule)
    except Exception:
        log.exception("lab: results could not be validated by rule")


def _inserted(rows: Sequence[Message]) -> Step[None]:
    """Insert rows in one statement that is planned once; `bulk_create` writes and plans each value anew."""
    columns = [[getattr(row, name) for row in rows] for name in _COLUMNS]
    numbers = yield Query(_INSERT, columns)
    ids = {(sender, control_id, bytes(digest)): pk for pk, sender, control_id, digest in numbers}
    for row in rows:
        row.pk = ids[row.sender, row.control_id, bytes(row.digest)]


def _row(item: Item, outcome: Outcome, ack: bytes | None, now: datetime) -> Message:
    sender, control_id, digest = item.key
    return Message(
        received_at=now, peer=item.arrival.peer[:64], wire=item.arrival.wire, facility=outcome.facility, sender=sender,
        analyser=outcome.analyser, control_id=control_id, digest=digest, raw=item.arrival.raw, ack=ack,
        kind=(item.arrival.name or f"{item.header.type}^{item.header.event}".strip("^"))[-40:],
        state=str(outcome.state), reason=outcome.reason, place=outcome.place[:60], tube=outcome.tube,
    )  # fmt: skip


def _process(bench: Bench, item: Item) -> Outcome:
    facility = item.analyser.facility if item.analyser else ""
    if item.refused or not item.message:
        refused = item.refused or Refused("AE", "207")
        return Outcome(
            State.BROKEN, refused.condition, refused.place, refused.ack, facility=facility, analyser=item.analyser
        )
    if item.message.header.type not in matching.TYPES or item.message.queries:
        return Outcome(State.NOTED, facility=facility, analyser=item.analyser)
    try:
        return matching.settle(bench, item.message, item.analyser)
    except LabError as error:
        return Outcome(State.UNMATCHED, error.code, facility=facility, analyser=item.analyser)


def _again(row: Message) -> tuple[Read | None, Refused | None]:
    """Read a kept message once more, with what is known of its machine now."""
    analyser = row.analyser or analysers.find(row.sender, row.peer)
    name = row.kind if row.wire == "file" else ""
    fault = row.reason if row.state == State.BROKEN and row.reason in ("no-start", "no-end", "too-large") else ""
    arrival = Arrival(bytes(row.raw), row.peer, row.wire, fault, name)
    try:
        return read(arrival, driver(analyser.driver) if analyser and analyser.driver else None), None
    except Refused as refused:
        return None, refused


def reread(row: Message) -> Read | None:
    """What a kept message says, as it is read now."""
    return _again(row)[0]


def retry(asker: Asker, message_id: int) -> Message:
    """Try a waiting message again, as it is now."""
    with transaction.atomic():
        return _handled(asker, _retried(_open(asker, message_id)))


def _retried(row: Message) -> Message:
    message, refused = _again(row)
    if message is None:
        row.reason, row.place = (refused.condition, refused.place[:60]) if refused else ("207", "")
        return row
    bench = matching.lay(LISTENER, [message])
    analyser = analysers.find(row.sender or message.header.sender, row.peer)
    outcome = matching.settle(bench, message, analyser)
    bench.writes.keep()
    if outcome.controls:
        quality.from_machine(row, outcome.controls)
    row.analyser = outcome.analyser
    row.state, row.reason, row.place = outcome.state, outcome.reason, outcome.place[:60]
    row.tube = outcome.tube or row.tube
    return row


def teach(
    asker: Asker, message_id: int, code: str, analyte: str, *, unit: str = "", factor: Decimal = Decimal(1)
) -> tuple[Message, int]:
    """Say what a code in a message means to its analyser, which is registered when it is new.

    Then this message and all others of the machine that waited for a code or a unit are read again; returns this one
    and how many of the others no longer wait. Raises UnknownAnalyte, NotForMatching, NotAllowed.
    """
    with transaction.atomic():
        row = _open(asker, message_id)
        analyser = analysers.find(row.sender, row.peer) or analysers.register(asker, row)
        analysers.teach(asker, analyser.pk, code, analyte, unit=unit, factor=factor)
        done = 0
        waiting = Message.objects.select_for_update(of=("self",)).filter(
            sender=row.sender, state__in=[State.UNKNOWN, State.UNIT], facility=asker.facility
        )
        for other in waiting.exclude(pk=row.pk).order_by("received_at", "pk"):
            if analysers.find(other.sender, other.peer) == analyser:
                done += _handled(asker, _retried(other)).state not in OPEN
        return retry(asker, message_id), done


def unknown_codes(row: Message, message: Read) -> list[Code]:
    """The codes of a message that nobody has explained yet, or whose unit is none of ours, each once."""
    meanings = analysers.dictionary(row.analyser or analysers.find(row.sender, row.peer), message.header)
    found: dict[str, Code] = {}
    for result in message.results:
        known = matching.meaning(result.code, meanings, analytes().values())
        if (known is None or matching.measured(result, known)[2] == State.UNIT) and analysers.code_of(result.code):
            found.setdefault(analysers.code_of(result.code), result.code)
    return list(found.values())


def match(asker: Asker, message_id: int, number: str, *, reason: str = "") -> Message:
    """Give a waiting message to a tube by hand. With a reason also what was released is amended, and what is out of
    range is kept.

    Raises NoTube, NeedsReason, NotForMatching when nothing of it was ordered, WrongStage for a closed tube.
    """
    with transaction.atomic():
        row = _open(asker, message_id)
        tube = actions.lock(asker, number.strip())
        told = tube.stage == Tube.Stage.RELEASED or row.reason == "already-released"
        if (told or row.state == State.RANGE) and not reason.strip():
            raise NeedsReason
        if tube.stage in matching.CLOSED:
            raise WrongStage
        message, _ = _again(row)
        if message is None:
            raise NotForMatching
        bench = matching.lay(actions.as_desk(asker), [message], tube)
        analyser = analysers.find(row.sender, row.peer)
        outcome = matching.settle(bench, message, analyser, chosen=tube, reason=reason.strip())
        if not bench.writes.tubes and outcome.state != State.MATCHED:
            raise NotForMatching
        bench.writes.keep()
        row.state, row.reason, row.place = outcome.state, outcome.reason, outcome.place[:60]
        row.tube, row.facility, row.note = tube, tube.facility, reason.strip()[:500]
        return _handled(asker, row)


def set_aside(asker: Asker, message_id: int, reason: str) -> Message:
    """Put a waiting message aside for good, with a reason; it is kept."""
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        row = _open(asker, message_id)
        row.state, row.note = State.ASIDE, reason.strip()[:500]
        return _handled(asker, row)


def _open(asker: Asker, message_id: int) -> Message:
    if asker.role not in actions.WORKING:
        raise NotAllowed
    row = Message.objects.select_for_update(of=("self",)).filter(pk=message_id, facility=asker.facility).first()
    if not row or not row.facility or not row.waits:
        raise NotForMatching
    return row


def _handled(asker: Asker, row: Message) -> Message:
    row.handled_by, row.handled_at = asker.account, datetime.now(UTC)
    row.save()
    publish(f"lab:{row.facility}")
    return row
