"""What arrives from analysers: kept first, then matched to a tube, then acknowledged.

Everything that came is one row, in the same transaction as what it changed; the acknowledgement leaves only after the
commit. A message sent again, byte for byte but for its time, gets the answer of the first and is only counted.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from tuetinh.care.lab import actions, facts
from tuetinh.care.lab.catalogue import Analyte, analytes
from tuetinh.care.lab.errors import LabError, NeedsReason, NotAllowed, NotForMatching
from tuetinh.care.lab.machines import analysers
from tuetinh.care.lab.machines import wire_hl7v2 as wire
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Message, Tube
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING

log = logging.getLogger(__name__)
State = Message.State
LISTENER = Asker(account="mllp", role="system", purpose="TREAT", scopes=SYSTEM.scopes, sight=EVERYTHING)


@dataclass(slots=True)
class _Outcome:
    """What became of a message, and how it is answered."""

    state: str
    reason: str = ""
    place: str = ""
    ack: str = "AA"
    tube: Tube | None = None
    facility: str = ""
    analyser: Analyser | None = None


def take(frame: Frame, peer: str) -> bytes | None:
    """Keep what one frame brought and return the answer, or None when none is due. Returns only after the commit."""
    if frame.fault:
        return _take_broken(frame, peer)
    messages = wire.split(frame.payload)
    answers = [answer for message in messages if (answer := _take_one(message, peer))]
    if not answers:
        return None
    return wire.batch(answers) if len(answers) > 1 or wire.is_batch(frame.payload) else answers[0]


def _take_broken(frame: Frame, peer: str) -> bytes | None:
    """A frame that was never whole is no message: kept for a person, answered only when it will not come again."""
    ack = None
    if frame.fault == "too-large":
        try:
            header = wire.read_header(frame.payload)
        except wire.Refused as refused:
            header = refused.header or wire.Header()
        ack = wire.acknowledge(header, "AR", condition="207", words="too large")
    with transaction.atomic():
        _keep(frame.payload, peer, wire.Header(), _Outcome(State.BROKEN, frame.fault), lambda _: ack)
    return ack


def _take_one(raw: bytes, peer: str) -> bytes | None:
    header, message, refused = wire.Header(), None, None
    try:
        message = wire.read(raw)
        header = message.header
    except wire.Refused as error:
        refused, header = error, error.header or header
    with transaction.atomic():
        known = _known(raw, header)
        if known is not None:
            return known
        if refused or not message:
            condition = refused.condition if refused else "207"
            outcome = _Outcome(
                State.BROKEN, condition, refused.place if refused else "", refused.ack if refused else "AE"
            )
        else:
            outcome = _process(message, peer)
        return _keep(raw, peer, header, outcome, lambda o: _answer(header, o))


def _answer(header: wire.Header, outcome: _Outcome) -> bytes | None:
    if header.type == "ACK":  # chapter 2, 2.9.2: an acknowledgement is not acknowledged, or two systems never stop
        return None
    if outcome.state == State.BROKEN:
        return wire.acknowledge(header, outcome.ack, condition=outcome.reason, place=outcome.place)
    if outcome.state == State.UNMATCHED:  # safe with us and waiting for a person: sending it again would help nobody
        return wire.acknowledge(header, "AA", condition="204", place=outcome.place, words="held for review", warn=True)
    return wire.acknowledge(header, "AA")


def _digest(raw: bytes) -> bytes:
    """Of the message without the time of sending (MSH-7), which a sender may renew when it repeats."""
    separator = re.escape(raw[3:4]) if raw[:3] == b"MSH" else b""
    if separator:
        raw = re.sub(rb"\A(MSH(?:%s[^%s\r\n]*){5})%s[^%s\r\n]*" % ((separator,) * 4), rb"\1", raw, count=1)
    return hashlib.sha256(raw).digest()


def _known(raw: bytes, header: wire.Header) -> bytes | None:
    """The answer that this message already got, counted once more."""
    found = Message.objects.filter(
        sender=header.sender[:300], control_id=header.control_id[:200], digest=_digest(raw)
    ).first()
    if not found or found.ack is None:
        return None
    Message.objects.filter(pk=found.pk).update(copies=F("copies") + 1)
    return bytes(found.ack)


def _keep(
    raw: bytes, peer: str, header: wire.Header, outcome: _Outcome, answer: Callable[[_Outcome], bytes | None]
) -> bytes | None:
    """Insert the row; where another connection brings the same message now, wait for its answer."""
    ack = answer(outcome)
    facility = outcome.facility or (outcome.tube.facility if outcome.tube else "")
    row, made = Message.objects.get_or_create(
        sender=header.sender[:300],
        control_id=header.control_id[:200],
        digest=_digest(raw),
        defaults={
            "received_at": datetime.now(UTC), "peer": peer[:64], "facility": facility, "raw": raw, "ack": ack,
            "kind": f"{header.type}^{header.event}".strip("^")[:40], "state": outcome.state,
            "reason": outcome.reason, "place": outcome.place[:60], "tube": outcome.tube, "analyser": outcome.analyser,
        },
    )  # fmt: skip
    if not made:
        Message.objects.filter(pk=row.pk).update(copies=F("copies") + 1)
        return bytes(row.ack) if row.ack else ack
    if facility:
        publish(f"lab:{facility}")
    return ack


def _process(
    message: wire.Message, peer: str, *, asker: Asker = LISTENER, tube: Tube | None = None, reason: str = ""
) -> _Outcome:
    """Write the results of a message, all or nothing. An error of ours leaves the message broken, never lost."""
    if message.header.type not in wire.RESULTS:
        return _Outcome(State.NOTED)
    analyser = analysers.find(message.header.sender, peer)
    try:
        with transaction.atomic():
            outcome = _match(message, analyser, asker, tube, reason)
    except LabError as error:
        if tube:
            raise
        outcome = _Outcome(State.UNMATCHED, error.code)
    except Exception:
        if tube:
            raise
        log.exception("lab: a message could not be written")
        outcome = _Outcome(State.BROKEN, "207", ack="AE")
    outcome.facility = outcome.facility or (analyser.facility if analyser else "")
    outcome.analyser = analyser
    return outcome


def _match(
    message: wire.Message, analyser: Analyser | None, asker: Asker, chosen: Tube | None, reason: str
) -> _Outcome:
    """Find the tube of each order of the message and write its results; what finds none makes the whole wait."""
    if analyser and not analyser.enabled and not chosen:
        return _Outcome(State.UNMATCHED, "disabled")
    meanings = analysers.dictionary(analyser)
    waiting: _Outcome | None = None
    done: Tube | None = None
    for place, order in enumerate(message.orders, 1):
        if not order.results:
            continue
        tube = chosen or _find(order.keys, analyser)
        if not tube:
            waiting = _Outcome(State.UNMATCHED, "unknown-order", f"OBR^{place}^2")
            continue
        tube = Tube.objects.select_for_update().get(pk=tube.pk)
        if tube.stage in (Tube.Stage.REJECTED, Tube.Stage.CANCELLED):
            waiting = _Outcome(State.UNMATCHED, "closed", tube=tube)
            continue
        work = actions.work_on(asker, tube)
        readings, unknown = _readings(order, work, meanings, analyser.name if analyser else "")
        if tube.stage == Tube.Stage.RELEASED and not reason:
            if any(not actions.same(work.results.get(id_), r) for id_, r in readings.items()):
                waiting = _Outcome(State.UNMATCHED, "already-released", tube=tube)
            continue
        if readings:
            actions.keep_readings(asker, work, readings, reason=reason)
            done = tube
        if unknown:
            waiting = _Outcome(State.UNMATCHED, "unknown-analytes", unknown, tube=tube)
    if waiting and (waiting.reason != "unknown-analytes" or not done):
        return waiting
    if waiting and done:  # what was ordered is written; the rest stays readable with the message
        return _Outcome(State.MATCHED, "unknown-analytes", waiting.place, tube=done)
    return _Outcome(State.MATCHED, tube=done)


def _find(keys: list[str], analyser: Analyser | None) -> Tube | None:
    found = Tube.objects.filter(number__in=[k for k in keys if k])
    if analyser:
        found = found.filter(facility=analyser.facility)
    by_number = {tube.number: tube for tube in found}
    return next((by_number[k] for k in keys if k in by_number), None)


def meaning(
    code: wire.Code, meanings: dict[str, analysers.Meaning], asked: Iterable[Analyte]
) -> analysers.Meaning | None:
    """Which analyte that was asked for a code means: by the analyser's own table, LOINC, our key or a usual name.

    Only among those: `GLU` of a urine strip is another thing than that of a tube of serum.
    """
    values = [value for value in (code.code, code.alternate, code.text) if value]
    if told := next((meanings[value] for value in values if value in meanings), None):
        return told if told.analyte is None or told.analyte in asked else None
    for value in values:
        for analyte in asked:
            if value == analyte.loinc or value.upper() in {analyte.key, *(a.upper() for a in analyte.aliases)}:
                return analysers.Meaning(analyte)
    return None


def _readings(
    order: wire.Order, work: actions.Work, meanings: dict[str, analysers.Meaning], machine: str
) -> tuple[dict[str, facts.Reading], str]:
    """The results of an order by the id of their Observation, and the first code that was not asked for."""
    slots = {analyte.key: facts.observation_id(o.id or "", analyte.key) for o, analyte in work.slots()}
    asked = [analyte for _, analyte in work.slots()]
    readings: dict[str, facts.Reading] = {}
    unknown = ""
    for result in order.results:
        if result.status in ("D", "W", "I", "N", "O"):  # table 0085: deleted, wrong, pending, not asked, only described
            continue
        told = meaning(result.code, meanings, asked)
        if told is None:
            unknown = unknown or result.code.code[:40]
        elif told.analyte:
            readings[slots[told.analyte.key]] = _reading(result, told, told.analyte, order.at, machine)
    return readings, unknown


def _reading(
    result: wire.Result, told: analysers.Meaning, analyte: Analyte, at: datetime | None, machine: str
) -> facts.Reading:
    number, unit = told.number(result) if analyte.numeric else (None, result.unit)
    sent = f"{result.text} {result.unit}".strip()
    turned = number is not None and number != result.number
    return facts.Reading(
        number=number,
        comparator=result.comparator,
        text=_choice(analyte, result.text),
        unit=unit,
        absent=result.status == "X" or not result.text,
        flag=result.flags[0] if result.flags else "",
        at=result.at or at,
        device=result.device or machine,
        notes=(*result.notes, f"Máy gửi: {sent}") if turned else result.notes,
    )


_WORDS = {
    "Âm tính": {"neg", "negative", "-", "nonreactive", "non-reactive", "not detected", "am tinh", "âm tính", "(-)"},
    "Dương tính": {"pos", "positive", "+", "reactive", "detected", "duong tinh", "dương tính", "(+)"},
}


def _choice(analyte: Analyte, text: str) -> str:
    """The word of our list that the analyser means, else its own."""
    for word, meanings in _WORDS.items():
        if word in analyte.choices and text.strip().lower() in meanings:
            return word
    return text


def retry(asker: Asker, message_id: int) -> Message:
    """Try a waiting message again, as it is now."""
    with transaction.atomic():
        row = _open(asker, message_id)
        try:
            message = wire.read(bytes(row.raw))
        except wire.Refused as refused:
            row.reason, row.place = refused.condition, refused.place[:60]
        else:
            outcome = _process(message, row.peer)
            row.analyser = outcome.analyser
            row.state, row.reason, row.place = outcome.state, outcome.reason, outcome.place[:60]
            row.tube = outcome.tube or row.tube
        return _handled(asker, row)


def teach(
    asker: Asker, message_id: int, code: str, analyte: str, *, unit: str = "", factor: Decimal = Decimal(1)
) -> Message:
    """Say what a code in a message means to its analyser, which is registered when it is new; then try again.

    Raises UnknownAnalyte, NotForMatching, NotAllowed.
    """
    with transaction.atomic():
        row = _open(asker, message_id)
        analyser = analysers.find(row.sender, row.peer)
        if not analyser:
            application, _, facility = row.sender.partition("|")
            analyser = analysers.save(
                asker,
                None,
                name=application or row.peer,
                application=application,
                sending_facility=facility,
                address=None if application else row.peer,  # one without a name is known by where it calls from
            )
        analysers.teach(asker, analyser.pk, code, analyte, unit=unit, factor=factor)
        return retry(asker, message_id)


def unknown_codes(row: Message, message: wire.Message) -> list[wire.Code]:
    """The codes of a message that nobody has explained yet, each once."""
    meanings = analysers.dictionary(row.analyser or analysers.find(row.sender, row.peer))
    codes = {result.code.code: result.code for result in message.results if result.code.code}
    return [code for code in codes.values() if not meaning(code, meanings, analytes().values())]


def match(asker: Asker, message_id: int, number: str, *, reason: str = "") -> Message:
    """Give a waiting message to a tube by hand. For a released tube this amends, with a reason.

    Raises NoTube, NeedsReason, NotForMatching when nothing of it was ordered, WrongStage for a closed tube.
    """
    with transaction.atomic():
        row = _open(asker, message_id)
        tube = actions.lock(asker, number.strip())
        if tube.stage == Tube.Stage.RELEASED and not reason.strip():
            raise NeedsReason
        try:
            message = wire.read(bytes(row.raw))
        except wire.Refused as refused:
            raise NotForMatching from refused
        outcome = _process(message, row.peer, asker=actions.as_desk(asker), tube=tube, reason=reason)
        if outcome.state != State.MATCHED or not outcome.tube:
            raise NotForMatching
        row.state, row.reason, row.place, row.tube, row.facility = State.MATCHED, "", "", tube, tube.facility
        row.note = reason.strip()[:500]
        return _handled(asker, row)


def set_aside(asker: Asker, message_id: int, reason: str) -> Message:
    """Put a waiting message aside for good, with a reason; it is kept."""
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        row = _open(asker, message_id)
        row.state, row.note = State.ASIDE, reason.strip()[:500]
        return _handled(asker, row)


def workable(row: Message) -> bool:
    """Whether a person may still do something with it: it waits, or holds codes that nobody understood."""
    waits = row.state in (State.UNMATCHED, State.BROKEN)
    return waits or (row.state == State.MATCHED and row.reason == "unknown-analytes")


def _open(asker: Asker, message_id: int) -> Message:
    if asker.role not in actions.WORKING:
        raise NotAllowed
    rows = Message.objects.select_for_update(of=("self",)).filter(pk=message_id, facility__in=[asker.facility, ""])
    row = rows.first()
    if not row or not workable(row):
        raise NotForMatching
    return row


def _handled(asker: Asker, row: Message) -> Message:
    row.handled_by, row.handled_at = asker.account, datetime.now(UTC)
    row.save()
    publish(f"lab:{row.facility or asker.facility}")
    return row
