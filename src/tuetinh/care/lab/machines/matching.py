"""From a message to the tubes whose results it holds: whose they are, what its codes mean, whether they can be."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from django.db import connection

from tuetinh.care.lab import actions, facts
from tuetinh.care.lab.catalogue import Analyte, Range, analytes
from tuetinh.care.lab.machines import analysers
from tuetinh.care.lab.machines.analysers import Meaning
from tuetinh.care.lab.machines.messages import Code, Message, Order, Result
from tuetinh.care.lab.microbiology import proposals
from tuetinh.care.lab.models import UNKNOWN_CONTROL, Analyser, Control, Fridge, Tube
from tuetinh.care.lab.models import Message as Row
from tuetinh.care.lab.quality import cold
from tuetinh.care.lab.quality.actions import Measured, in_use
from tuetinh.care.lab.results import drawing, entry, pictures
from tuetinh.care.lab.results.work import Work, Writes, recall, works_on
from tuetinh.record.asker import Asker

State = Row.State
# Asked for each batch of messages: the ORM would spend more time on writing them than the database on answering.
_TUBES = "SELECT * FROM lab_tube WHERE number = ANY(%s) ORDER BY id FOR UPDATE"
_OF_NO_PERSON = """
SELECT barcode, 'control' FROM lab_control WHERE barcode = ANY(%(codes)s) AND ended IS NULL
UNION ALL SELECT code, 'fridge' FROM lab_fridge WHERE code = ANY(%(codes)s) AND ended IS NULL
"""
TYPES = frozenset({"ORU", "OUL", "LIS2", "FILE", "TEXT"})  # of messages that bring results
CLOSED = (Tube.Stage.REJECTED, Tube.Stage.CANCELLED)
# A message that has more than one trouble stands in the place of the first of these.
_ORDER = (State.UNMATCHED, State.UNKNOWN, State.UNIT, State.RANGE)
_POSSIBLE = Path(__file__).parent.parent / "data" / "possible.csv"
NOT_RESULTS = frozenset("DWINO")  # table 0085: deleted, wrong, pending, not asked, only described


@dataclass(slots=True)
class Outcome:
    """What became of a message, and how it is answered. controls: what it measured of controls."""

    state: str
    reason: str = ""
    place: str = ""
    ack: str = "AA"
    tube: Tube | None = None
    facility: str = ""
    analyser: Analyser | None = None
    controls: list[Measured] = field(default_factory=list)


@dataclass(slots=True)
class Bench:
    """What a batch of messages is worked on with: their tubes, locked, with all that is known of them, in few reads."""

    asker: Asker
    writes: Writes
    tubes: dict[str, Tube]
    works: dict[int, Work]
    controls: dict[tuple[str, str, str], list[Control]]  # by facility, machine and barcode
    machines: dict[tuple[str, str], Analyser]  # by facility and name: whom a middleware names in OBX-18 or R-14
    fridges: dict[tuple[str, str], Fridge]  # by facility and the code of the sensor

    def lots(self, order: Order, analyser: Analyser | None) -> list[Control]:
        """The controls that an order of a machine is of, which are known by their barcode: one for each analyte."""
        if not analyser:
            return []
        keys = dict.fromkeys([order.control, *order.keys])
        return [lot for key in keys for lot in self.controls.get((analyser.facility, analyser.name, key), [])]

    def fridge(self, order: Order, analyser: Analyser | None) -> Fridge | None:
        """The fridge whose sensor an order of a machine is of."""
        found = ((analyser.facility, key) for key in order.keys) if analyser else ()
        return next((self.fridges[key] for key in found if key in self.fridges), None)

    def machine(self, said: str, analyser: Analyser | None, facility: str) -> tuple[str, Analyser | None]:
        """The name of the machine that measured, and which it is: as the message says, else the one that sent it."""
        named = self.machines.get((facility, said)) or analyser
        return said or (named.name if named else ""), named


def lay(asker: Asker, messages: Iterable[Message], chosen: Tube | None = None) -> Bench:
    """Lock and read everything that the messages name; `chosen` is the only tube, where a person chose one."""
    messages = list(messages)
    orders = [order for message in messages for order in message.orders]
    numbers = {key for order in orders for key in order.keys}
    found = list(Tube.objects.raw(_TUBES, [[chosen.number] if chosen else sorted(numbers)]))
    works = works_on(asker, found) if found else []
    recall(actions.as_desk(asker), works)
    controls, fridges = _of_no_person(numbers | {order.control for order in orders})
    return Bench(
        asker,
        Writes(actions.as_desk(asker)),
        {tube.number: tube for tube in found},
        {tube.pk: work for tube, work in zip(found, works, strict=True)},
        controls,
        _named(messages),
        fridges,
    )


def _of_no_person(codes: set[str]) -> tuple[dict[tuple[str, str, str], list[Control]], dict[tuple[str, str], Fridge]]:
    """The controls and fridges that some of the codes are of. Mostly there are none, which one query tells."""
    controls: dict[tuple[str, str, str], list[Control]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_OF_NO_PERSON, {"codes": sorted(codes - {""})})
        found = cursor.fetchall()
    if not found:
        return {}, {}
    for lot in in_use(code for code, kind in found if kind == "control"):
        controls.setdefault((lot.facility, lot.machine, lot.barcode), []).append(lot)
    return controls, cold.of_sensors(code for code, kind in found if kind == "fridge")


def _named(messages: Iterable[Message]) -> dict[tuple[str, str], Analyser]:
    """The machines that results name."""
    names = {result.device for message in messages for result in message.results} - {""}
    rows = Analyser.objects.filter(name__in=names) if names else ()
    return {(row.facility, row.name): row for row in rows}


def settle(
    bench: Bench, message: Message, analyser: Analyser | None, *, chosen: Tube | None = None, reason: str = ""
) -> Outcome:
    """Find the tube of each order of a message and note its results in `bench.writes`. reason: of who insists."""
    outcome = _settle(bench, message, analyser, chosen, reason)
    outcome.facility = (analyser.facility if analyser else "") or (outcome.tube.facility if outcome.tube else "")
    outcome.analyser = analyser
    return outcome


def _settle(bench: Bench, message: Message, analyser: Analyser | None, chosen: Tube | None, reason: str) -> Outcome:
    if analyser and not analyser.enabled and not chosen:
        return Outcome(State.UNMATCHED, "disabled")
    meanings = analysers.dictionary(analyser, message.header)
    troubles: list[Outcome] = []
    done: Tube | None = None
    controls: list[Measured] = []
    of_control, unknown, of_fridge = False, "", False
    for place, order in enumerate(message.orders, 1):
        if fridge := bench.fridge(order, analyser):
            of_fridge = True
            for result in order.results:
                if result.number is not None:
                    cold.from_sensor(fridge, result.number, result.at or order.at)
            continue
        named = chosen or find(bench.tubes, order.keys, analyser)
        lots = bench.lots(order, analyser) if order.control or not named else []
        if order.control or lots:
            of_control, unknown = True, unknown or ("" if lots else order.control)
            found, odd = _measured(order, lots, meanings)
            controls += found
            troubles += [Outcome(State.UNIT, State.UNIT, odd)] if odd else []
        elif order.results or order.curves:
            outcome = _order(bench, order, place, meanings, analyser, chosen=chosen, reason=reason)
            done = done or (outcome.tube if outcome.state == State.MATCHED else None)
            troubles += [outcome] if outcome.reason else []
    if troubles:
        worst = min(troubles, key=lambda o: _ORDER.index(State(o.state)) if o.state in _ORDER else len(_ORDER))
        worst.controls = controls
        return worst
    if of_control and not done:
        return Outcome(State.CONTROL, UNKNOWN_CONTROL if unknown else "", unknown, controls=controls)
    if of_fridge and not done:
        return Outcome(State.NOTED)
    if not done and not any(order.results or order.curves for order in message.orders):
        return Outcome(State.NOTED, "no-results" if message.orders else "")
    return Outcome(State.MATCHED, tube=done, controls=controls)


def _order(
    bench: Bench,
    order: Order,
    place: int,
    meanings: dict[str, Meaning],
    analyser: Analyser | None,
    *,
    chosen: Tube | None,
    reason: str,
) -> Outcome:
    """Note the results of one order; what cannot be noted is the outcome's reason."""
    tube = (chosen and bench.tubes.get(chosen.number)) or find(bench.tubes, order.keys, analyser)
    if not tube:
        return Outcome(State.UNMATCHED, "unknown-order", f"OBR^{place}^2")
    if tube.stage in CLOSED:
        return Outcome(State.UNMATCHED, "closed", tube=tube)
    work = bench.works[tube.pk]
    left, stranger = proposals.note(work, order, analyser.name if analyser else "")
    told = _readings(bench, left, work, meanings, analyser, insist=bool(reason))
    if stranger:
        told.trouble = told.trouble or (State.UNKNOWN, "unknown-organism", stranger[:40])
    if analyser and analyser.bedside:
        told.readings = {id_: replace(reading, bedside=True) for id_, reading in told.readings.items()}
    if not reason and entry.amends(work, told.readings):  # a machine never changes what was handed out
        if tube.stage == Tube.Stage.RELEASED:
            return Outcome(State.UNMATCHED, "already-released", tube=tube)
        told.readings = {id_: one for id_, one in told.readings.items() if not facts.told(work.results.get(id_))}
        told.trouble = told.trouble or (State.UNMATCHED, "already-released", "")
    if tube.stage == Tube.Stage.RELEASED and not reason:
        _pictures(bench, work, told)
        return Outcome(State.MATCHED, tube=tube)
    if told.readings:
        entry.keep_readings(bench.asker, work, told.readings, reason=reason, into=bench.writes)
    _pictures(bench, work, told)
    if told.trouble:
        state, why, code = told.trouble
        return Outcome(state, why, code, tube=tube)
    if not told.readings and told.others:
        return Outcome(State.UNMATCHED, "not-ordered", told.others, tube=tube)
    return Outcome(State.MATCHED, tube=tube)


def find(tubes: dict[str, Tube], keys: Sequence[str], analyser: Analyser | None) -> Tube | None:
    """The tube that the first of the keys names, at the analyser's facility."""
    found = (tubes[key] for key in keys if key in tubes)
    return next((tube for tube in found if not analyser or tube.facility == analyser.facility), None)


def meaning(code: Code, meanings: dict[str, Meaning], asked: Iterable[Analyte]) -> Meaning | None:
    """What a code stands for: by the machine's own table, LOINC, our key or a usual name; None when nobody knows.

    By names only among what was asked: `GLU` of a urine strip is another thing than that of a tube of serum.
    """
    values = [value for value in (code.code, code.alternate, code.text) if value]
    asked = list(asked)
    told = next((meanings[value] for value in values if value in meanings), None)
    if told and (told.taught or told.analyte is None or told.analyte in asked):
        return told
    for value in values:
        for analyte in asked:
            if value == analyte.loinc or value.upper() in {analyte.key, *(a.upper() for a in analyte.aliases)}:
                return Meaning(analyte)
    return told


@dataclass(slots=True)
class _Told:
    """What an order told: readings by the id of their Observation, the first trouble, a code that was not ordered.

    pictures: what it holds of them.
    """

    readings: dict[str, facts.Reading] = field(default_factory=dict)
    trouble: tuple[str, str, str] | None = None
    others: str = ""
    pictures: list[pictures.Sent] = field(default_factory=list)


def _readings(
    bench: Bench, order: Order, work: Work, meanings: dict[str, Meaning], analyser: Analyser | None, *, insist: bool
) -> _Told:
    measured_here = [(o, analyte) for o, analyte in work.places() if analyte.kind != "culture"]
    slots = {analyte.key: facts.observation_id(o.id or "", analyte.key) for o, analyte in measured_here}
    asked = [analyte for _, analyte in measured_here]
    told = _Told(pictures=[pictures.Sent(one.title, drawing.curve(one), pictures.SVG) for one in order.curves])
    for result in order.results:
        if result.status in NOT_RESULTS:
            continue
        code = result.code.code or result.code.alternate or result.code.text
        if picture := pictures.shown(result.content):
            title = result.code.text or result.code.alternate_text or code
            told.pictures.append(pictures.Sent(title, picture, pictures.kind_of(picture)))
            continue
        known = meaning(result.code, meanings, asked)
        if known is None:
            if meaning(result.code, {}, analytes().values()):
                told.others = told.others or code[:40]
            else:
                told.trouble = told.trouble or (State.UNKNOWN, "unknown-analytes", code[:40])
        elif known.analyte and known.analyte.key not in slots:
            told.others = told.others or code[:40]
        elif known.analyte:
            number, unit, trouble = measured(result, known)
            if trouble == "range" and insist:
                trouble = ""
            if trouble:
                told.trouble = told.trouble or (trouble, trouble, code[:40])
            else:
                source = bench.machine(result.device, analyser, work.tube.facility)
                told.readings[slots[known.analyte.key]] = _reading(
                    result, known.analyte, (number, unit), order.at, source
                )
    return told


def _pictures(bench: Bench, work: Work, told: _Told) -> None:
    """Keep the pictures of an order of a message with the order whose results came with them, else the tube's first."""
    open_ = [id_ for id_, order in work.orders.items() if order.status != "revoked"]
    if not told.pictures or not open_:
        return
    of = [id_ for id_ in open_ if any(reading.startswith(f"{id_}-") for reading in told.readings)]
    pictures.from_machine(bench.asker, work, (of or open_)[0], told.pictures, bench.writes)


def measured(result: Result, known: Meaning) -> tuple[Decimal | None, str, str]:
    """A result's number in our unit, that unit, and why it cannot be: `unit`, `range`, or ""."""
    analyte = known.analyte
    if analyte is None or not analyte.numeric:
        return None, result.unit, ""
    if result.number is None:
        return None, "", ""
    number, unit = known.number(result)
    if number is None:
        return None, unit, State.UNIT
    possible = possible_of(analyte.key)
    outside = not result.comparator and possible and possible.where(number) != "N"
    return number, unit, State.RANGE if outside else ""


@cache
def _possible() -> dict[str, Range]:
    with _POSSIBLE.open(encoding="utf-8", newline="") as file:
        return {row["key"]: Range(Decimal(row["low"]), Decimal(row["high"])) for row in csv.DictReader(file)}


def possible_of(key: str) -> Range | None:
    """What a living person can have of an analyte."""
    return _possible().get(key)


def _reading(
    result: Result,
    analyte: Analyte,
    value: tuple[Decimal | None, str],
    at: datetime | None,
    source: tuple[str, Analyser | None],
) -> facts.Reading:
    (number, unit), (name, machine) = value, source
    known = (machine.measured() if machine else {}) | {"device": name}
    if analyte.kind == "titre" and (titre := facts.titre(result.text)):
        return replace(titre, at=result.at or at, notes=result.notes, **known)
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
        notes=(*result.notes, f"Máy gửi: {sent}") if turned else result.notes,
        **known,
    )


_WORDS = {
    "Âm tính": {"neg", "negative", "-", "nonreactive", "non-reactive", "not detected", "am tinh", "âm tính", "(-)"},
    "Dương tính": {"pos", "positive", "+", "reactive", "detected", "duong tinh", "dương tính", "(+)"},
    "Bình thường": {"normal", "norm", "neg", "negative", "-"},
    "Vết": {"trace", "tr", "+-", "+/-", "±", "vết"},
    **{f"{n}+": {n * "+", f"+{n}", f"{n}+", f"({n}+)"} for n in range(1, 5)},
}


def _choice(analyte: Analyte, text: str) -> str:
    """The word of our list that the analyser means, else its own."""
    for word, meanings in _WORDS.items():
        if word in analyte.choices and text.strip().lower() in meanings:
            return word
    return text


def _measured(order: Order, controls: Iterable[Control], meanings: dict[str, Meaning]) -> tuple[list[Measured], str]:
    """The measurements of controls in our unit, and the first code that comes in none that can be ours, or ""."""
    of = {control.analyte: control for control in controls}
    asked = [analytes()[key] for key in of if key in analytes()]
    made, odd = [], ""
    for result in order.results:
        known = meaning(result.code, meanings, asked)
        if not known or not known.analyte or known.analyte.key not in of:
            continue
        number, _, trouble = measured(result, known)
        if trouble == State.UNIT:
            odd = odd or (result.code.code or result.code.alternate or result.code.text)[:40]
        elif number is not None:
            made.append(Measured(of[known.analyte.key], number, result.at or order.at))
        elif (word := _choice(known.analyte, result.text)) in known.analyte.choices:
            made.append(Measured(of[known.analyte.key], word, result.at or order.at))
    return made, odd
