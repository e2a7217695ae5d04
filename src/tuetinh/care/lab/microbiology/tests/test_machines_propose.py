"""An analyser's organism with its antibiogram waits at the bench until a person takes it over."""

from __future__ import annotations

import pytest

from tuetinh.care.lab import actions as lab
from tuetinh.care.lab import errors
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.reading import Arrival
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.microbiology import actions
from tuetinh.care.lab.microbiology.facts import culture_id, isolate_id, read_isolate
from tuetinh.care.lab.models import Analyser, IsolateProposal, Message, Tube
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
URINE = "24.0003.1715/URINECULT"


@pytest.fixture
def tube(world) -> tuple[Tube, str]:
    [order] = lab.order_tests(world.doctor, world.encounter, [URINE])
    tube = Tube.objects.latest("id")
    lab.receive_specimen(world.lab, tube.number)
    Analyser.objects.create(sender="VITEK2|LAB", facility="12104", name="VITEK 2")
    return tube, order.id


def oru(number: str, *lines: str, control: str = "1") -> bytes:
    head = [
        rf"MSH|^~\&|VITEK2|LAB|TUETINH|12104|20261121080000||ORU^R01|{control}|P|2.3.1||||||UNICODE UTF-8",
        "PID|1",
        f"OBR|1||{number}|CULT^CULT",
    ]
    return ("\r".join([*head, *lines]) + "\r").encode()


ISOLATES = (
    "OBX|1|CE|ORGANISM^Organism|1|eco^Escherichia coli||||||F",
    "OBX|2|NM|18906-8^Ciprofloxacin^LN|1|0.5|mg/L||I|||F",
    "OBX|3|ST|MEM^Meropenem|1|<=0.25|mg/L||S|||F",
    "OBX|4|NM|AMP^Ampicillin|1.1|10|mm||R|||F",
    "OBX|5|CE|41852-5^Organism^LN|2|3092008^Staphylococcus aureus^SCT||||||F",
    "OBX|6|ST|VAN^Vancomycin|2|1|mg/L||S|||F",
)


def test_isolates_wait_and_nothing_is_a_result_yet(world, tube) -> None:
    row, order = tube
    inbox.take(Frame(oru(row.number, *ISOLATES)), "")
    assert Message.objects.get().state == "matched"
    first, second = IsolateProposal.objects.order_by("number")
    assert (first.order, first.machine, first.content) == (
        order,
        "VITEK 2",
        {
            "organism": "eco",
            "tests": [["CIP", "mic", "0.5", "I"], ["MEM", "mic", "<=0.25", "S"], ["AMP", "disk", "10", "R"]],
        },
    )
    assert (second.number, second.content["organism"]) == (2, "sau")
    assert record.read_many(SYSTEM, "Observation", [culture_id(order), isolate_id(order, 1)]) == {}
    assert Tube.objects.get(pk=row.pk).stage == "received"


def test_taken_over_it_is_judged_by_our_tables(world, tube) -> None:
    row, order = tube
    inbox.take(Frame(oru(row.number, *ISOLATES)), "")
    first, second = IsolateProposal.objects.order_by("number")
    with pytest.raises(errors.NotAllowed):
        actions.take_proposal(world.doctor, row.number, order, first.pk)
    assert actions.take_proposal(world.lab, row.number, order, first.pk) == 1
    actions.refuse_proposal(world.lab, row.number, order, second.pk)
    for gone in (first, second):
        with pytest.raises(errors.NoCulture):
            actions.take_proposal(world.lab, row.number, order, gone.pk)
    [kept] = record.read_many(SYSTEM, "Observation", [isolate_id(order, 1), isolate_id(order, 2)]).values()
    read = read_isolate(kept)
    assert (read.organism, read.device) == ("eco", "VITEK 2")
    assert [(t.antibiotic, t.shown, t.sir) for t in read.tests] == [
        ("CIP", "0.5", "I"), ("MEM", "<=0.25", "S"), ("AMP", "10", "R"),
    ]  # fmt: skip
    assert [(p.taken, p.handled_by) for p in IsolateProposal.objects.order_by("number")] == [
        (True, world.lab.account), (False, world.lab.account),
    ]  # fmt: skip


def test_what_is_told_again_replaces_what_nobody_has_looked_at(world, tube) -> None:
    row, _ = tube
    inbox.take(Frame(oru(row.number, *ISOLATES[:2])), "")
    inbox.take(Frame(oru(row.number, *ISOLATES[:3], control="2")), "")
    [kept] = IsolateProposal.objects.all()
    assert [test[0] for test in kept.content["tests"]] == ["CIP", "MEM"]


def test_an_organism_that_nobody_knows_waits_in_the_inbox(world, tube) -> None:
    row, _ = tube
    inbox.take(Frame(oru(row.number, "OBX|1|CE|ORGANISM^Organism|1|zzz^Planta mirabilis||||||F")), "")
    assert IsolateProposal.objects.count() == 0
    row = Message.objects.get()
    assert (row.state, row.reason, row.place) == ("unknown", "unknown-organism", "Planta mirabilis")


def test_the_same_over_lis2(world, tube) -> None:
    row, order = tube
    lines = [
        "H|\\^&|||VITEK2|||||LAB||P|LIS2-A2|20261121080000",
        "P|1",
        f"O|1|{row.number}||^^^CULT|R",
        "R|1|^^^ORGANISM|eco||||||F",
        "R|2|^^^CIP|<=0.25|mg/L||S|||F",
        "L|1|N",
    ]
    inbox.take_many([Arrival(("\r".join(lines) + "\r").encode(), "", "lis2")])
    [kept] = IsolateProposal.objects.all()
    assert (kept.order, kept.content) == (order, {"organism": "eco", "tests": [["CIP", "mic", "<=0.25", "S"]]})
