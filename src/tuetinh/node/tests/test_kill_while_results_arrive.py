"""What an analyser was told is safe is still there after the whole node, its database too, is killed."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuetinh.node.journey.desk import Desk

pytestmark = pytest.mark.long

Start = Callable[..., Any]
ORU = (
    rb"MSH|^~\&|K%d|%s|TUETINH|LAB|20261121080000||ORU^R01|%d|P|2.5.1" + b"\rOBR|1|X%d||GLU\rOBX|1|NM|GLU||5.4|mmol/L\r"
)


def send_until_the_end(node: Any, kill_at: int) -> int:
    """Send one message after the other and kill the node in the midst; how many were acknowledged with AA."""
    acknowledged, here = 0, node.account("lab")["facility"].encode()
    with socket.create_connection(("127.0.0.1", node.demo["ports"]["mllp"]), timeout=10) as wire:
        for control in range(500):
            try:
                wire.sendall(b"\x0b" + ORU % (control, here, control, control) + b"\x1c\r")
                if control == kill_at:
                    kill(node)
                answer = wire.recv(4096)
            except OSError:
                break
            if b"\rMSA|AA|%d\r" % control not in answer:
                break
            acknowledged += 1
    return acknowledged


def kill(node: Any) -> None:
    """End the node and its database at the same moment, with no chance to tidy up."""
    [pid_file] = node.data.rglob("postmaster.pid")
    for pid in (int(pid_file.read_text().split()[0]), node.process.pid):
        os.kill(pid, signal.SIGKILL)
    node.process.wait(10)


def test_every_acknowledged_message_outlives_the_kill(start: Start, built: Path) -> None:
    acknowledged = send_until_the_end(start(built, command="demo"), kill_at=40)
    assert 40 <= acknowledged < 500
    node = start(built, command="demo")
    account = node.account("lab")
    desk = Desk(node.url, account["username"], account["password"])
    kept: set[int] = set()
    for page in range(1, 20):
        found = {int(n) for n in re.findall(r"K(\d+) · ", desk.get("/lab/inbox", list="live", page=str(page)).text)}
        if found <= kept:
            break
        kept |= found
    desk.http.close()
    assert set(range(acknowledged)) <= kept
