"""Machines that are told of tubes without asking learn what is ordered, added and taken back, each once."""

from __future__ import annotations

import asyncio
import re
from copy import copy
from datetime import UTC, datetime

import pytest

from tuetinh.care.lab import actions
from tuetinh.care.lab.machines import analysers, downloads, inbox
from tuetinh.care.lab.machines.wire_mllp import SB, TRAILER, Frame
from tuetinh.care.lab.models import Analyser, Download, Tube
from tuetinh.care.lab.samples import actions as samples

pytestmark = pytest.mark.django_db
TSH, FERR, GLU = "23.0162.1570", "23.0063.1514", "23.0075.1494"


@pytest.fixture
def architect(world) -> Analyser:
    return analysers.save(
        world.lab, None, name="Architect", application="ARCHITECT", driver="abbott-architect-hl7",
        address="127.0.0.1", port=9999, downloads=True,
    )  # fmt: skip


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes)
    tube = Tube.objects.latest("id")
    return actions.receive_specimen(world.lab, tube.number)


def said(payload: bytes) -> list[tuple[str, str]]:
    """The control code of each order of a message, and the test that it is for."""
    text = payload.decode()
    return list(zip(re.findall(r"\rORC\|(\w\w)", text), re.findall(r"\rOBR\|\d+\|[^|]*\|\|(\w+)\^", text), strict=True))


def taken() -> list[tuple[str, str]]:
    """What a machine is told now, all of which it takes."""
    found = []
    while dues := downloads.due_by_mllp():
        for due in dues:
            found += said(due.payload)
            downloads.settle(due, sent=True)
    return found


def test_a_tube_is_told_once_when_it_was_received(world, architect: Analyser) -> None:
    actions.order_tests(world.doctor, world.encounter, [TSH])
    assert taken() == []
    order(world, TSH, GLU)
    assert taken() == [("NW", "TSH")]
    assert taken() == []


def test_what_is_added_is_told_without_what_is_known(world, architect: Analyser) -> None:
    tube = order(world, TSH)
    assert taken() == [("NW", "TSH")]
    samples.add_tests(world.doctor, tube.number, [FERR])
    assert taken() == [("NW", "FERR")]


def test_what_is_measured_again_is_told_again(world, architect: Analyser, oru) -> None:
    tube = order(world, TSH)
    taken()
    message = oru(tube.number, {"TSH": "2.1"}, unit="mIU/L").replace(b"|BS240|LAB|", b"|ARCHITECT||")
    inbox.take(Frame(message), "127.0.0.1")
    assert taken() == []
    samples.repeat(world.lab, tube.number, tube.orders[0], "kết quả lạ")
    assert taken() == [("NW", "TSH")]


def test_what_is_cancelled_is_taken_back(world, architect: Analyser) -> None:
    tube = order(world, TSH, FERR)
    assert taken() == [("NW", "TSH"), ("NW", "FERR")]
    samples.cancel_order(world.doctor, tube.number, tube.orders[1], "chỉ định nhầm")
    assert taken() == [("CA", "FERR")]
    actions.cancel_orders(world.doctor, tube.number, "người bệnh về")
    assert taken() == [("CA", "TSH")]
    assert taken() == []


def test_a_rejected_tube_is_taken_back(world, architect: Analyser) -> None:
    tube = order(world, TSH)
    taken()
    fresh = actions.reject_specimen(world.lab, tube.number, "", "RH")
    assert taken() == [("CA", "TSH")]
    actions.receive_specimen(world.lab, fresh.number)
    assert taken() == [("NW", "TSH")]


def test_a_tube_that_goes_to_another_laboratory_is_taken_back(world, cast, architect: Analyser) -> None:
    account = copy(cast["lab"])
    account.pk, account.username, account.facility, account.practitioner = None, "cast.other", "12001", "cast-other"
    account.save()
    tube = order(world, TSH)
    taken()
    samples.send(world.lab, [tube.number], "12001")
    assert taken() == [("CA", "TSH")]


def test_what_changes_while_a_message_is_on_its_way_is_told_after_it(world, architect: Analyser) -> None:
    tube = order(world, TSH)
    [due] = downloads.due_by_mllp()
    samples.add_tests(world.doctor, tube.number, [FERR])
    downloads.settle(due, sent=True)
    assert taken() == [("NW", "FERR")]


def test_who_refuses_is_asked_again_later(world, architect: Analyser) -> None:
    order(world, TSH)
    [due] = downloads.due_by_mllp()
    downloads.settle(due, sent=False)
    assert downloads.due_by_mllp() == []
    row = Download.objects.get()
    assert (row.tries, row.sent_at, row.told) == (1, None, {})
    assert row.next_at > due.next_at


def test_over_lis2_what_is_added_and_taken_back_is_marked(world) -> None:
    analysers.save(world.lab, None, name="i2000", application="i2000", driver="abbott-architect", downloads=True)
    tube = order(world, TSH)

    def told() -> list[tuple[str, str]]:
        due = downloads.due_on_line("i2000|", "")
        if not due:
            return []
        downloads.settle(due, sent=True)
        return re.findall(r"\rO\|1\|\d+\|\|\^\^\^(\w+)\|R\|\|\|\|\|\|(\w)\|", due.payload.decode())

    assert told() == [("TSH", "N")]
    samples.add_tests(world.doctor, tube.number, [FERR])
    assert told() == [("FERR", "A")]
    samples.cancel_order(world.doctor, tube.number, tube.orders[0], "nhầm")
    assert told() == [("TSH", "C")]
    assert told() == []


@pytest.mark.parametrize(("answer", "took"), [(b"AA", True), (b"CA", True), (b"AE", False), (b"", False)])
def test_a_machine_that_listens_takes_its_orders(answer: bytes, took: bool) -> None:
    heard = []

    async def machine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(TRAILER))
        if answer:
            writer.write(SB + b"MSH|^~\\&|A||||||ORL^O34|1|P|2.5.1\rMSA|" + answer + b"|1\r" + TRAILER)
        writer.close()

    async def talk() -> bool:
        server = await asyncio.start_server(machine, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await downloads.send(
                downloads.Due(1, datetime.now(UTC), b"MSH|x", {}, False, "127.0.0.1", port),
                5.0,
            )

    assert asyncio.run(talk()) is took
    assert heard == [SB + b"MSH|x" + TRAILER]
