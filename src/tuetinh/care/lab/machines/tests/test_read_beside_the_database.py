"""Messages are read once, beside the thread that waits for the database, and what hinders one hinders no other."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import connection

from tuetinh.care.lab import actions
from tuetinh.care.lab.machines import analysers, inbox, lines
from tuetinh.care.lab.machines.analysers import FOLDER
from tuetinh.care.lab.machines.intake import WRITERS, Intake
from tuetinh.care.lab.machines.reading import Arrival, read
from tuetinh.care.lab.machines.wire_lis1 import Link
from tuetinh.care.lab.machines.wire_lis1_frames import EOT, Timers, frames
from tuetinh.care.lab.models import Message, Tube

pytestmark = pytest.mark.django_db(transaction=True)
CBC = "22.0120.1370"


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, str]]:
    """What is read, and the name of the thread that reads it."""
    noted: list[tuple[bytes, str]] = []

    def noting(arrival: Arrival, *others: object) -> object:
        noted.append((arrival.raw, threading.current_thread().name.partition("_")[0]))
        return read(arrival, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "read", noting)
    return noted


def with_intake(do: Callable[[Intake], object]) -> object:
    async def run() -> object:
        intake = Intake()
        try:
            return await do(intake)  # type: ignore[misc]
        finally:
            await intake.close()

    return asyncio.run(run())


def test_a_message_is_read_while_the_database_is_busy(oru, readings) -> None:
    raw, free = oru("000", {"GLU": "5.0"}), threading.Event()

    def count() -> int:
        try:
            return Message.objects.count()
        finally:
            connection.close()

    async def send(intake: Intake) -> list[int]:
        busy = asyncio.gather(*(intake.run(free.wait) for _ in range(WRITERS)))
        kept = asyncio.create_task(intake.keep([Arrival(raw, "10.0.0.1")]))
        async with asyncio.timeout(10):
            while not readings:
                await asyncio.sleep(0.01)
        before = await asyncio.to_thread(count)
        free.set()
        await asyncio.gather(busy, kept)
        return [before, await asyncio.to_thread(count)]

    assert with_intake(send) == [0, 1]
    assert readings == [(raw, "reading")]


def test_a_batch_is_worked_on_while_another_waits_for_the_database(oru, monkeypatch: pytest.MonkeyPatch) -> None:
    meet(monkeypatch)
    sent = [oru("000", {"GLU": "5.0"}, control=str(n)) for n in range(WRITERS)]
    with_intake(lambda intake: together(intake, sent))
    assert Message.objects.count() == WRITERS


def meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no writer begin before the others do."""
    both, working = threading.Barrier(WRITERS, timeout=10), inbox.take_many

    def meeting(items: list[inbox.Item]) -> object:
        both.wait()
        return working(items)

    monkeypatch.setattr(inbox, "take_many", meeting)


async def together(intake: Intake, sent: list[bytes]) -> list[list[inbox.Item]]:
    """Have each message in a batch of its own, all at work at once."""
    keeping = []
    for number, raw in enumerate(sent):
        keeping.append(asyncio.create_task(intake.keep([Arrival(raw, f"10.0.0.{number}")])))
        async with asyncio.timeout(10):
            while len(intake._working) <= number:
                await asyncio.sleep(0.01)
    return list(await asyncio.gather(*keeping))


def test_what_two_batches_say_alike_is_kept_once(world, oru, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and finds its message known: also its results are written once."""
    actions.order_tests(world.doctor, world.encounter, (CBC,))
    raw = oru(Tube.objects.get().number, {"WBC": "5.0"}, unit="10*9/L")
    meet(monkeypatch)
    known = inbox._known

    def slow(items: list[inbox.Item]) -> object:
        found = known(items)
        time.sleep(0.3)
        return found

    monkeypatch.setattr(inbox, "_known", slow)

    [[first], [second]] = with_intake(lambda intake: together(intake, [raw] * WRITERS))  # type: ignore[misc]
    assert first.answer == second.answer and first.answer
    assert list(Message.objects.values_list("state", "copies")) == [("matched", 2)]


def test_messages_of_a_line_are_kept_in_the_order_in_which_they_came(oru, readings) -> None:
    large = b"NTE|1||" + b"x" * 200_000 + b"\r"
    sent = [oru("000", {"GLU": "5.0"}, control=str(n)) + large * (n == 0) for n in range(20)]

    async def send(intake: Intake) -> None:
        for place, item in enumerate(await intake.keep([Arrival(raw, "10.0.0.1") for raw in sent])):
            assert f"MSA|AA|{place}\r".encode() in (item.answer or b"")

    with_intake(send)
    assert [raw for raw, _ in readings] == sent
    assert list(Message.objects.order_by("pk").values_list("control_id", flat=True)) == [str(n) for n in range(20)]


def test_what_is_being_read_at_the_end_is_kept_and_answered(oru, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(arrival: Arrival, *others: object) -> object:
        begun.set()
        goes_on.wait(10)
        return read(arrival, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "read", slow)

    async def run() -> bytes:
        intake = Intake()
        keeping = asyncio.create_task(intake.keep([Arrival(oru("000", {"GLU": "5.0"}), "10.0.0.1")]))
        assert await asyncio.to_thread(begun.wait, 10)
        closing = asyncio.create_task(intake.close())
        await asyncio.wait({closing}, timeout=0.2)
        goes_on.set()
        await closing
        [item] = await keeping
        return item.answer or b""

    assert b"MSA|AA|" in asyncio.run(run())
    assert Message.objects.count() == 1


def test_after_the_end_nothing_is_claimed(oru) -> None:
    async def run() -> None:
        intake = Intake()
        await intake.close()
        async with asyncio.timeout(10):
            await intake.keep([Arrival(oru("000", {"GLU": "5.0"}), "10.0.0.1")])

    with pytest.raises(RuntimeError, match="shutdown"):
        asyncio.run(run())
    assert not Message.objects.exists()


def test_what_a_folder_brings_is_read_once_as_its_machine_writes(world, readings, tmp_path: Path) -> None:
    machine = analysers.save(world.lab, None, name="P", application="P", driver="alere-pima-file", folder=str(tmp_path))
    raw = b"Sample ID,Test Code,Result\n1,GLU,5.4\n"
    arrival = Arrival(raw, f"{FOLDER}{machine.pk}", "file", "", "a.csv")
    with_intake(lambda intake: intake.keep([arrival]))
    assert readings == [(raw, "intake")]
    assert Message.objects.get().analyser == machine


@pytest.mark.parametrize("through", ["the intake", "the inbox"])
def test_an_error_of_ours_leaves_one_message_broken_and_the_others_whole(
    world, oru, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, through: str
) -> None:
    sent = [oru("000", {"GLU": "5.0"}, control=name) for name in ("before", "fatal", "after")]

    def failing(arrival: Arrival, *others: object) -> object:
        if arrival.raw == sent[1]:
            raise ZeroDivisionError
        return read(arrival, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "read", failing)
    arrivals = [Arrival(raw, "10.0.0.1") for raw in sent]
    if through == "the intake":
        with_intake(lambda intake: intake.keep(arrivals))
    else:
        inbox.take_many(arrivals)
    rows = list(Message.objects.order_by("pk").values_list("state", "control_id"))
    assert rows == [("unmatched", "before"), ("broken", ""), ("unmatched", "after")]
    kept = Message.objects.get(state="broken")
    assert (bytes(kept.raw), kept.reason) == (sent[1], "207")
    assert [one.getMessage() for one in caplog.records if one.exc_info] == ["lab: a message could not be read"]
    assert not any("GLU" in one.getMessage() for one in caplog.records)


def test_a_question_is_read_as_the_machine_of_its_line_writes(world, readings) -> None:
    """By its name alone nobody would know where it writes the tube's number."""
    machine = analysers.save(
        world.lab, None, name="XP", application="HOUSE", driver="sysmex-xp", serial="/dev/of-a-machine"
    )
    actions.order_tests(world.doctor, world.encounter, (CBC,))
    asked = Tube.objects.latest("id").number
    actions.order_tests(world.doctor, world.encounter, (CBC,))
    question = rf"H|\^&|||HOUSE|||||||P|E1394-97{chr(13)}Q|1|2^1^{asked:>15}^B||||20261121{chr(13)}L|1|N{chr(13)}"
    answer = with_intake(lambda intake: conversation(intake, machine.serial, question.encode()))
    assert [line.split("|")[2].strip() for line in str(answer).split("\r") if line.startswith("O|")] == [asked]
    assert [thread for _, thread in readings] == ["intake"]


async def conversation(intake: Intake, line: str, message: bytes) -> str:
    """Say a message on a line of this name, take what is said in return, and give its records."""
    ours, theirs = socket.socketpair()
    incoming, outgoing = await asyncio.open_connection(sock=ours)
    here = lines.TcpLine(incoming, outgoing)
    here.peer = line
    reader, writer = await asyncio.open_connection(sock=theirs)
    quick, stop = Timers(reply=5.0, between=5.0, busy=0.2, host_yields=0.2, tail=0.05), asyncio.Event()
    talking = asyncio.create_task(lines.converse(here, Link(timers=quick), intake, stop))
    for part in (b"\x05", *frames(message)):
        writer.write(part)
        assert await reader.readexactly(1) == b"\x06"
    writer.write(EOT)
    assert await reader.readexactly(1) == b"\x05"
    told = b""
    while True:
        writer.write(b"\x06")
        frame = await reader.readexactly(1)
        if frame == EOT:
            break
        told += (await reader.readuntil(b"\n"))[1:-5]
    for end in (writer, outgoing):
        end.close()
        with suppress(ConnectionError):
            await end.wait_closed()
        await asyncio.wait({talking}, timeout=5)
    return told.decode()
