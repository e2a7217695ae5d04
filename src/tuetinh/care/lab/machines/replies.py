"""What machines are answered: acknowledgements, and the orders of the tubes that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Analyte
from tuetinh.care.lab.machines import analysers, wire_hl7v2_orders, wire_lis2
from tuetinh.care.lab.machines import wire_hl7v2 as wire
from tuetinh.care.lab.machines.matching import Outcome, find
from tuetinh.care.lab.machines.messages import Header, Message
from tuetinh.care.lab.machines.reading import Arrival
from tuetinh.care.lab.machines.wire_lis2 import Ask
from tuetinh.care.lab.models import OPEN, Analyser, Tube
from tuetinh.care.lab.results.work import Work, works_on
from tuetinh.commons.identity.api import display_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING

MOST = 200  # tubes in one answer to a machine that asks for everything
RECENT = timedelta(hours=24)
WAITING = (Tube.Stage.ORDERED, Tube.Stage.RECEIVED)
MEASURED = (Tube.Stage.RESULTED, Tube.Stage.VERIFIED)  # in part: another machine may have more to do
KEPT = b"\x06"  # what is written down as the answer where the wire has no message for it


LISTENER = Asker(account="mllp", role="system", purpose="TREAT", scopes=SYSTEM.scopes, sight=EVERYTHING)


def answer(arrival: Arrival, header: Header, message: Message | None, outcome: Outcome) -> bytes | None:
    """The answer to one message, None where none is due."""
    if arrival.wire != "hl7v2":
        return KEPT
    if header.type in ("ACK", "ORR", "ORL"):  # chapter 2, 2.9.2: an answer is not answered, or two systems never stop
        return None
    if arrival.fault and arrival.fault != "too-large":  # it was never whole: it will come again
        return None
    if outcome.state == "broken":
        condition = outcome.reason if outcome.reason in wire.CONDITIONS else "207"
        return wire.acknowledge(
            header, outcome.ack, condition=condition, place=outcome.place, words=arrival.fault.replace("-", " ")
        )
    if message and message.queries:
        return _orders(header, message, outcome.analyser)
    if outcome.state in OPEN:  # safe with us and waiting for a person: sending it again would help nobody
        return wire.acknowledge(header, "AA", condition="204", place=outcome.place, words="held for review", warn=True)
    return wire.acknowledge(header, "AA")


def _orders(header: Header, message: Message, analyser: Analyser | None) -> bytes:
    return wire_hl7v2_orders.reply(
        header, message.queries[0], _asked(message, analyser), analysers.driver_of(analyser, header)
    )


def lis2_answer(message: Message, peer: str) -> bytes:
    """The message that answers the questions of a LIS2 message."""
    analyser = analysers.find(message.header.sender, peer)
    return wire_lis2.orders(_asked(message, analyser), receiver=message.header.application)


def _asked(message: Message, analyser: Analyser | None) -> list[Ask]:
    keys = [key for query in message.queries for key in query.keys]
    if keys:
        rows = Tube.objects.filter(number__in=keys, stage__in=(*WAITING, *MEASURED))
        by_number = {tube.number: tube for tube in rows}
        tubes = [tube for key in keys if (tube := find(by_number, [key], analyser))]
    elif analyser:
        rows = Tube.objects.filter(facility=analyser.facility).order_by("-urgent", "ordered_at", "pk")
        recent = rows.filter(stage__in=MEASURED, ordered_at__gte=datetime.now(UTC) - RECENT)
        tubes = [*rows.filter(stage__in=WAITING)[:MOST], *recent[:MOST]]
    else:  # nobody knows who asks for everything
        tubes = []
    return asks_for(tubes, analyser, message.header)[:MOST]


def asks_for(tubes: Iterable[Tube], analyser: Analyser | None, header: Header) -> list[Ask]:
    """What a machine is to measure of tubes: what was ordered, has no result, and the machine can do.

    Who the person is, is told only to a machine of the facility that is registered.
    """
    tubes = list(tubes)
    works = works_on(LISTENER, tubes) if tubes else []
    codes = machine_codes(analyser, header)
    people = _people(LISTENER, tubes) if analyser else {}
    made = []
    for work in works:
        wanted = tuple(dict.fromkeys(code for of in _open(work, codes).values() for code in of))
        if wanted:
            made.append(_ask(work.tube, wanted, people))
    return made


Told = dict[str, list[str]]  # codes of a machine by the ids of the orders that they are for


def news_for(tube: Tube, analyser: Analyser, header: Header, told: Told) -> tuple[Ask | None, Told]:
    """What a machine that was told of a tube before is to be told now, and what it knows after that.

    What no longer stands is taken back first; None where it knows everything.
    """
    [work] = works_on(LISTENER, [tube])
    here = tube.facility == analyser.facility and not tube.shipment_id
    standing = {id_ for id_, order in work.orders.items() if here and order.status != "revoked"}
    wanted = _open(work, machine_codes(analyser, header)) if here else {}
    kept = {id_: of for id_, of in told.items() if id_ in standing}
    people = _people(LISTENER, [tube])
    stays = {code for of in (*kept.values(), *wanted.values()) for code in of}
    gone = tuple(dict.fromkeys(code for of in told.values() for code in of if code not in stays))
    if gone:
        return replace(_ask(tube, gone, people), cancelled=True), kept
    fresh = {id_: of for id_, of in wanted.items() if id_ not in told}
    codes = tuple(dict.fromkeys(code for of in fresh.values() for code in of))
    return replace(_ask(tube, codes, people), added=bool(kept)) if codes else None, kept | fresh


def _open(work: Work, codes: Callable[[Analyte], str]) -> Told:
    """What of a tube has no result and the machine can do."""
    found: Told = {}
    for order, analyte in work.slots():
        if facts.observation_id(order.id or "", analyte.key) in work.results:
            continue
        if code := codes(analyte):
            found.setdefault(order.id or "", []).append(code)
    return found


def _ask(tube: Tube, codes: tuple[str, ...], people: Mapping[str, r4.Resource]) -> Ask:
    person = people.get(tube.patient)
    name, birth, sex = _about(person)
    return Ask(tube.number, codes, tube.urgent, tube.patient if person else "", name, birth, sex)


def _people(asker: Asker, tubes: list[Tube]) -> dict[str, r4.Resource]:
    return record.read_many(asker, "Patient", {tube.patient for tube in tubes})


def _about(person: r4.Resource | None) -> tuple[str, str, str]:
    if not isinstance(person, r4.Patient):
        return "", "", ""
    return display_name(person), person.birthDate or "", person.gender or ""


def machine_codes(analyser: Analyser | None, header: Header) -> Callable[[Analyte], str]:
    """By which code a machine knows an analyte: as it was taught, as its model says, else our key.

    "" for what a machine with a table of its own is not known to measure.
    """
    meanings = analysers.dictionary(analyser, header)
    codes = {m.analyte.key: code for code, m in reversed(list(meanings.items())) if m.analyte}
    return lambda analyte: codes.get(analyte.key, "" if codes else analyte.key)
