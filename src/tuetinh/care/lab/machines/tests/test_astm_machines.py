"""ASTM machines at work: real sockets and a serial pair, nothing acknowledged before it is kept, questions answered."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from tuetinh.care.lab import actions, api
from tuetinh.care.lab.machines import analysers, folders
from tuetinh.care.lab.machines.intake import Intake
from tuetinh.care.lab.machines.listener import serve_lis1
from tuetinh.care.lab.machines.simulator import Play, Played, play
from tuetinh.care.lab.machines.tests.test_listener import Listener
from tuetinh.care.lab.machines.wire_lis1_frames import ACK, ENQ, EOT, Timers, frames
from tuetinh.care.lab.models import Analyser, ControlResult, Message, Tube
from tuetinh.care.lab.quality import actions as quality

CBC, GLU = "22.0120.1370", "23.0075.1494"
TIMERS = Timers(reply=15.0, between=15.0, busy=0.2, host_yields=0.2, tail=0.05)


def astm(specimen: str, *records: str, sender: str = "TEST") -> bytes:
    lines = [
        rf"H|\^&|||{sender}^1.0|||||||P|LIS2-A2|20261121080000",
        "P|1",
        f"O|1|{specimen}||^^^GLU|R",
        *records,
        "L|1|N",
    ]
    return "".join(f"{line}\r" for line in lines).encode()


@pytest.fixture
def listener(transactional_db: None) -> Iterator[Listener]:
    one = Listener(lambda stop, ready: serve_lis1("127.0.0.1", 0, stop, timers=TIMERS, ready=ready))
    yield one
    one.close()


def hear(peer: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count and (data := peer.recv(count - len(found))):
        found += data
    return found


def say(peer: socket.socket, message: bytes) -> bytes:
    """Send a message as an instrument does, each frame after the answer to the one before; give the answers."""
    answers = b""
    for part in (ENQ, *frames(message)):
        peer.sendall(part)
        answers += hear(peer, 1)
    peer.sendall(EOT)
    return answers


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes or (GLU,))
    return Tube.objects.latest("id")


def values(world) -> dict[str, str]:
    found = api.visit_results(world.lab, world.encounter.id, preliminary=True)
    return {r.id.rpartition("-")[2]: r.value for r in found}


def test_a_result_reaches_its_tube_and_a_repeated_one_is_counted(listener: Listener, world) -> None:
    tube = order(world)
    message = astm(tube.number, "R|1|^^^GLU|5.4|mmol/L||N||F||||20261121075500")
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as peer:
        assert say(peer, message) == ACK * 6
        assert say(peer, message.replace(b"20261121080000", b"20261121080500")) == ACK * 6
    assert values(world) == {"GLU": "5.4"}
    assert list(Message.objects.values_list("wire", "state", "sender", "copies")) == [("lis2", "matched", "TEST|", 2)]


def test_a_question_is_answered_with_the_orders_of_the_tube(listener: Listener, world) -> None:
    tube = order(world, CBC)
    question = (
        rf"H|\^&|||XN-1000|||||||P|LIS2-A2|20261121{chr(13)}Q|1|^^{tube.number}^B||ALL||||||||O{chr(13)}L|1|N{chr(13)}"
    )
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as peer:
        assert say(peer, question.encode()) == ACK * 4
        assert hear(peer, 1) == ENQ
        answer = b""
        while True:
            peer.sendall(ACK)
            frame = b""
            while not frame.endswith((b"\r\n", EOT)):
                frame += peer.recv(4096)
            if frame == EOT:
                break
            answer += frame[2:-5]
    lines = answer.decode().split("\r")
    assert [line[:1] for line in lines] == ["H", "P", "O", "L", ""]
    fields = lines[2].split("|")
    assert (fields[2], fields[11], fields[25]) == (tube.number, "A", "Q")
    codes = re.findall(r"\^\^\^([^\\]+)", fields[4])
    assert codes[:3] == ["WBC", "RBC", "HGB"]
    assert "Pâng" not in answer.decode()  # nobody has registered the machine


def test_a_question_about_a_tube_that_is_not_there_gets_none(listener: Listener) -> None:
    question = b"H|\\^&|||T\rQ|1|^S0001||ALL||||||||O\rL|1|N\r"
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as peer:
        assert say(peer, question) == ACK * 4
        assert hear(peer, 1) == ENQ
        peer.sendall(ACK)
        assert peer.recv(300).startswith(b"\x021H|")
        peer.sendall(ACK)
        assert peer.recv(300).startswith(b"\x022L|1|I\r")


def test_controls_go_to_quality_control_and_to_no_person(listener: Listener, world) -> None:
    told = {"machine": "XN", "analyte": "GLU", "material": "Normal", "level": 1, "lot": "A1", "mean": Decimal("5.5")}
    analysers.save(world.lab, None, name="XN", application="TEST")
    control = quality.open_control(world.lab, **told, sd=Decimal(1), barcode="QC-L1")
    message = astm("QC-L1", "R|1|^^^GLU|5.6|mmol/L||||F").replace(b"|R\r", b"|R||||||Q\r")
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as peer:
        assert say(peer, message)[-1:] == ACK
    assert list(Message.objects.values_list("state", "tube")) == [("control", None)]
    kept = ControlResult.objects.get()
    assert (kept.control, kept.message, kept.value) == (control, Message.objects.get(), Decimal("5.6"))


@pytest.mark.parametrize(
    ("record", "state", "place"),
    [
        ("R|1|^^^GLU|5.4|mmol/L", "matched", ""),
        ("R|1|^^^XYZ|5.4|mmol/L", "unknown", "XYZ"),
        ("R|1|^^^GLU|5.4|banana", "unit", "GLU"),
        ("R|1|^^^GLU|5400|mmol/L", "range", "GLU"),
        ("R|1|^^^K|4.1|mmol/L", "unmatched", "K"),
    ],
)
def test_each_trouble_has_its_place(listener: Listener, world, record: str, state: str, place: str) -> None:
    tube = order(world)
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as peer:
        assert say(peer, astm(tube.number, record))[-1:] == ACK
    assert list(Message.objects.values_list("state", "place")) == [(state, place)]
    assert values(world) == ({"GLU": "5.4"} if state == "matched" else {})


def test_many_machines_at_once_lose_nothing(listener: Listener) -> None:
    async def machine(number: int) -> tuple[int, int]:
        told = await play(
            Play("mindray-ba88a", f"127.0.0.1:{listener.port}", [f"T{number}"], {"ALT": str(number)}, count=3)
        )
        return told.sent, told.accepted

    async def all_of_them() -> list[tuple[int, int]]:
        return await asyncio.gather(*(machine(n) for n in range(1, 21)))

    assert asyncio.run(all_of_them()) == [(3, 3)] * 20
    assert Message.objects.count() == 20 * 3


def test_a_model_is_played_with_faults_and_none_is_lost(listener: Listener) -> None:
    for fault, sent, accepted in (("double", 2, 2), ("checksum", 1, 0), ("garbage", 1, 1)):
        told = asyncio.run(
            play(Play("horiba-micros60", f"127.0.0.1:{listener.port}", [fault], {"WBC": "5"}, fault=fault))
        )
        assert (told.sent, told.accepted) == (sent, accepted), fault
    rows = Message.objects.filter(state="unmatched").values_list("copies", flat=True)
    assert sorted(rows) == [1, 2]


# Each line that it reads asks for a listener; they share the modules, which take seconds to load, and nothing else.
PARENT = """
import asyncio, os, sys
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from tuetinh.care.lab.machines import listener
async def main():
    told = lambda port: print(os.getpid(), port, flush=True)
    await listener.serve_lis1("127.0.0.1", 0, asyncio.Event(), ready=told)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        asyncio.run(main())
    print(-os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_what_was_acknowledged_outlives_a_kill_at_any_byte() -> None:
    message = astm("S1", "R|1|^^^GLU|5.4|mmol/L")
    session = ENQ + b"".join(frames(message)) + EOT
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(connection.settings_dict["NAME"])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tuetinh.node.settings"},
    )  # fmt: skip
    assert parent.stdin
    assert parent.stdout
    with parent:
        for place in (len(session) // 2, len(session) - 6, len(session) - 3, len(session) - 1, len(session)):
            parent.stdin.write("another\n")
            child, port = map(int, parent.stdout.readline().split())
            with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
                peer.sendall(session[:place])
                peer.settimeout(0.5)
                answers = b""
                try:
                    while len(answers) < 7 and (data := peer.recv(64)):
                        answers += data
                except TimeoutError:
                    pass
                os.kill(child, signal.SIGKILL)
                assert int(parent.stdout.readline()) == -signal.SIGKILL
            if answers.count(ACK) == len(frames(message)) + 1:  # also the last frame
                assert Message.objects.filter(state="unmatched").count() == 1
            else:
                assert Message.objects.count() == 0


@pytest.mark.peer
def test_netcat_sends_records_without_frames(listener: Listener, shared: Path) -> None:
    data = (shared / "data/astm/framing_edge_cases/13_raw_no_framing.bin").read_bytes()
    done = subprocess.run(
        ["nc", "-N", "127.0.0.1", str(listener.port)], input=data, capture_output=True, check=False, timeout=20
    )
    assert done.stdout == ACK
    assert list(Message.objects.values_list("wire", "state")) == [("lis2", "unmatched")]


def played_on_a_line(asked: Play) -> Played:
    """What becomes of a play on a serial line that a listener opens: what is said before is lost, and said again."""
    one = Listener(lambda stop, ready: serve_lis1("127.0.0.1", 0, stop, timers=TIMERS, ready=ready))
    try:
        for _ in range(3):
            done = asyncio.run(play(asked))
            if done.accepted:
                break
    finally:
        one.close()
    return done


@pytest.mark.peer
def test_a_serial_line_is_served_as_a_connection_is(
    world, transactional_db: None, serial_line: tuple[str, str]
) -> None:
    ours, theirs = serial_line
    analysers.save(world.lab, None, name="XP", application="XP-100", driver="sysmex-xp", serial=ours)
    tube = order(world, CBC)
    told = played_on_a_line(Play("sysmex-xp", theirs, [tube.number], {"HGB": "14.2"}))
    assert (told.sent, told.accepted) == (1, 1)
    assert values(world) == {"HGB": "142"}
    assert Message.objects.get().analyser.name == "XP"


def swept(folder: Path, machine: Analyser) -> int:
    """How many files of a machine's folder were taken in."""

    async def sweep() -> int:
        intake = Intake()
        taken = await folders.sweep(folders.Folder(folder, machine.pk), intake)
        await intake.close()
        return taken

    return asyncio.run(sweep())


def test_a_file_that_is_too_large_is_told_and_moved(
    world, transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = analysers.save(world.lab, None, name="F", application="F", folder=str(tmp_path))
    monkeypatch.setattr(folders, "LARGEST", 100)
    monkeypatch.setattr(folders, "EXCERPT", 30)
    monkeypatch.setattr(folders, "QUIET", 0.0)
    (tmp_path / "a.csv").write_text("Sample ID,Test Code,Result,Unit\n" * 50)
    assert swept(tmp_path, machine) == 1
    assert (tmp_path / "da-nhan" / "a.csv").stat().st_size == 1600
    told = Message.objects.get()
    assert (told.state, told.reason, told.kind, len(told.raw)) == ("broken", "too-large", "a.csv", 30)
    assert told.analyser == machine


def test_a_file_is_kept_before_it_is_moved_and_an_unfinished_one_is_left(
    world, transactional_db: None, tmp_path: Path
) -> None:
    machine = analysers.save(world.lab, None, name="F", application="F", folder=str(tmp_path))
    tube = order(world)
    (tmp_path / "a.csv").write_text(f"Sample ID,Test Code,Result,Unit\n{tube.number},GLU,5.4,mmol/L\n")
    (tmp_path / "b.csv.part").write_text("half")
    old = time.time() - 10
    os.utime(tmp_path / "a.csv", (old, old))
    assert swept(tmp_path, machine) == 1
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")) == ["b.csv.part", "da-nhan/a.csv"]
    assert values(world) == {"GLU": "5.4"}
    assert list(Message.objects.values_list("wire", "kind", "analyser__name")) == [("file", "a.csv", "F")]
