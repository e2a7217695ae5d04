"""The MLLP listener with real sockets: every edge case gets its answer, and what was acknowledged is there."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import connection
from hl7.client import MLLPClient

from tuetinh.care.lab.api import serve_mllp
from tuetinh.care.lab.machines.wire_mllp import Frame, Limits, serve
from tuetinh.care.lab.models import Message

ORU = rb"MSH|^~\&|BS240|LAB|TT|X|20261121||ORU^R01|%d|P|2.3.1" b"\rOBR|1||000\rOBX|1|NM|GLU||5.0\r"


class Listener:
    """A listener on a thread of its own."""

    def __init__(self, main: Callable[[asyncio.Event, Callable[[int], None]], object]) -> None:
        self.port, self.up, self.stop = 0, threading.Event(), asyncio.Event()
        self.loop = asyncio.new_event_loop()

        def ready(port: int) -> None:
            self.port = port
            self.up.set()

        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(main(self.stop, ready)))
        self.thread.start()
        assert self.up.wait(5)

    def close(self) -> float:
        """Stop it; tell how long that took."""
        began = time.monotonic()
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.loop.close()
        return time.monotonic() - began


@pytest.fixture
def listener(transactional_db: None) -> Iterator[Listener]:
    """The laboratory's own, impatient with those who stop inside a frame."""
    limits = Limits(size=2 * 1024 * 1024, inside=0.4, idle=5)
    one = Listener(lambda stop, ready: serve_mllp("127.0.0.1", 0, stop, limits=limits, ready=ready))
    yield one
    one.close()


def talk(port: int, writes: list[bytes], pause: float = 0.0) -> bytes:
    """Send the writes one by one and give back everything that is answered until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for write in writes:
                peer.sendall(write)
                time.sleep(pause)
            peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the listener hung up first
        answer = b""
        try:
            while data := peer.recv(65536):
                answer += data
        except ConnectionResetError:
            pass
        return answer


def codes(answer: bytes) -> list[str]:
    return re.findall(r"\rMSA\|(A[AER])\|", answer.decode())


def test_every_edge_case_gets_the_answer_that_it_expects(listener: Listener, shared: Path) -> None:
    folder = shared / "data/hl7v2/mllp_edge_cases"
    for case in json.loads((folder / "cases.json").read_text())["cases"]:
        path = folder / case["file"]
        data = path.read_bytes() if path.exists() else gzip.decompress(path.with_suffix(".bin.gz").read_bytes())
        sizes = [1] * len(data) if isinstance(case["writes"], str) else case["writes"]
        cuts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        assert cuts[-1] == len(data)
        writes = [data[a:b] for a, b in pairwise(cuts)]
        answered = codes(talk(listener.port, writes, pause=0.002 if len(writes) > 1 else 0))
        match case["expected_acks"]:
            case ["AA or batch ACK"]:
                assert answered == ["AA", "AA"], case["file"]
            case ["AR or none"]:
                assert answered in ([], ["AR"]), case["file"]
            case expected:
                assert len(answered) == len(expected), case["file"]
                assert all(a in e.split(" or ") for a, e in zip(answered, expected, strict=True)), case["file"]
    assert Message.objects.filter(control_id="20").get().copies == 2
    kept = dict(Message.objects.filter(state="broken").values_list("reason", "copies"))
    assert set(kept) == {"no-start", "no-end", "100", "101", "102", "200", "203"}


def test_a_foreign_client_gets_its_acknowledgement(listener: Listener) -> None:
    with MLLPClient("127.0.0.1", listener.port) as client:
        for control in range(3):
            answer = client.send_message(ORU % control)
            assert answer.startswith(b"\x0bMSH") and answer.endswith(b"\x1c\r")
            assert f"\rMSA|AA|{control}\r".encode() in answer
    assert Message.objects.count() == 3


def test_many_connections_lose_nothing(listener: Listener) -> None:
    answers: list[list[str]] = []

    def sender(number: int) -> None:
        frames = [b"\x0b" + ORU % (number * 100 + i) + b"\x1c\r" for i in range(5)]
        answers.append(codes(talk(listener.port, frames)))

    threads = [threading.Thread(target=sender, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [["AA"] * 5] * 20
    assert Message.objects.count() == 100


def test_the_same_message_on_many_connections_is_kept_once(listener: Listener) -> None:
    answers: list[bytes] = []
    frame = b"\x0b" + ORU % 7 + b"\x1c\r"
    threads = [threading.Thread(target=lambda: answers.append(talk(listener.port, [frame]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert Message.objects.get().copies == 8


def test_a_message_over_the_limit_is_refused_and_the_connection_closed(listener: Listener) -> None:
    big = b"\x0b" + ORU % 1 + b"x" * (3 * 1024 * 1024) + b"\x1c\r"
    assert codes(talk(listener.port, [big])) in (["AR"], [])  # the answer may be lost with the bytes not read
    assert Message.objects.get().reason == "too-large"


def test_one_who_stops_inside_a_frame_is_hung_up_on(listener: Listener) -> None:
    with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as peer:
        peer.sendall(b"\x0bMSH|half")
        assert peer.recv(10) == b""
    assert Message.objects.get().reason == "no-end"


def test_stopping_answers_what_is_in_hand_and_leaves_idle_peers() -> None:
    begun = threading.Event()

    async def slow(frame: Frame, peer: str) -> bytes:
        begun.set()
        await asyncio.sleep(0.3)
        return b"done"

    one = Listener(lambda stop, ready: serve("127.0.0.1", 0, slow, stop, ready=ready))
    with (
        socket.create_connection(("127.0.0.1", one.port), timeout=5) as idle,
        socket.create_connection(("127.0.0.1", one.port), timeout=5) as busy,
    ):
        busy.sendall(b"\x0bMSH|1\x1c\r")
        assert begun.wait(5)
        assert one.close() < 3
        assert busy.recv(100) == b"\x0bdone\x1c\r"
        assert idle.recv(100) == b""


def test_connections_beyond_the_limit_are_refused() -> None:
    async def echo(frame: Frame, peer: str) -> bytes:
        return frame.payload

    limits = Limits(connections=1)
    one = Listener(lambda stop, ready: serve("127.0.0.1", 0, echo, stop, limits=limits, ready=ready))
    with socket.create_connection(("127.0.0.1", one.port), timeout=5) as first:
        first.sendall(b"\x0b1\x1c\r")
        assert first.recv(10) == b"\x0b1\x1c\r"
        with socket.create_connection(("127.0.0.1", one.port), timeout=5) as second:
            assert second.recv(10) == b""
    one.close()


CHILD = """
import asyncio, os, sys
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from tuetinh.care.lab.machines import inbox, listener
if sys.argv[2] == "die":  # between the commit and the acknowledgement
    take = inbox.take_many
    def dying(arrivals):
        take(arrivals)
        os.kill(os.getpid(), 9)
    inbox.take_many = dying
async def main():
    await listener.serve_mllp("127.0.0.1", 0, asyncio.Event(), ready=lambda port: print(port, flush=True))
asyncio.run(main())
"""


def child(mode: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(connection.settings_dict["NAME"]), mode],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tuetinh.node.settings"},
    )
    assert process.stdout
    return process, int(process.stdout.readline())


@pytest.mark.django_db(transaction=True)
def test_what_was_acknowledged_outlives_a_kill_and_what_was_not_is_kept_once() -> None:
    process, port = child("live")
    acknowledged = 0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        for control in range(200):
            peer.sendall(b"\x0b" + ORU % control + b"\x1c\r")
            if control == 30:
                process.send_signal(signal.SIGKILL)
            try:
                answer = peer.recv(4096)
            except OSError:
                break
            if b"MSA|AA" not in answer:
                break
            acknowledged += 1
    process.wait(10)
    process.stdout.close()
    assert acknowledged >= 30
    kept = {int(c) for c in Message.objects.values_list("control_id", flat=True)}
    assert set(range(acknowledged)) <= kept

    process, port = child("die")
    frame = b"\x0b" + ORU % 999 + b"\x1c\r"
    assert talk(port, [frame]) == b""
    process.wait(10)
    process.stdout.close()
    process, port = child("live")
    assert codes(talk(port, [frame])) == ["AA"]
    process.kill()
    process.wait(10)
    process.stdout.close()
    assert Message.objects.get(control_id="999").copies == 2
