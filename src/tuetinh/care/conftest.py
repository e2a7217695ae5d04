"""Fixtures for the tests of the hospital floor."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from granian.constants import Interfaces
from granian.server.embed import Server

from tuetinh.care.insurance.facts import coverage
from tuetinh.care.insurance.gateway import Answer
from tuetinh.care.insurance.situations import HEAD
from tuetinh.commons.identity.api import human_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM


@pytest.fixture
def over_a_socket() -> Iterator[Callable[[Callable[..., Awaitable[None]]], str]]:
    """Serve ASGI applications on real sockets; the fixture returns the base address of each."""
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, threading.Thread]] = []

    def serve(app: Callable[..., Awaitable[None]]) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        loop, stop = asyncio.new_event_loop(), asyncio.Event()

        async def main() -> None:
            server = Server(
                app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False, websockets=True
            )
            serving = asyncio.create_task(server.serve())
            await stop.wait()
            server.stop()
            await serving

        thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
        thread.start()
        running.append((loop, stop, thread))
        _wait_for(port)
        return f"http://127.0.0.1:{port}"

    yield serve
    for loop, stop, thread in running:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        if not loop.is_running():
            loop.close()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    message = "the server did not start"
    raise TimeoutError(message)


class Desk:
    """A district health centre with one patient in a visit, insured at 80 %."""

    card = "GD4120000000017"

    def __init__(self, facility: str = "12001", *, insured: bool = True) -> None:
        self.facility = facility
        org = r4.Organization(id=facility, name="Trung tâm Y tế Tam Đường", active=True)
        org.extension = [r4.Extension(url=HEAD, valueString="000123/LCH-GPHN")]
        known = record.read_many(SYSTEM, "Organization", [facility])
        (record.update if known else record.create)(SYSTEM, org)
        person = r4.Patient(name=[human_name("Lò Thị Pâng")], gender="female", birthDate="1972-03-15")
        self.patient = record.create(SYSTEM, person)
        if insured:
            answer = Answer("000", ma_the=self.card, gt_the_tu="01/01/2020", gt_the_den="31/12/2099", ma_dkbd=facility)
            record.create(SYSTEM, coverage(answer, str(self.patient.id)))
        self.encounter = record.create(SYSTEM, self.visit())

    def visit(self) -> r4.Encounter:
        """A visit that goes on."""
        return r4.Encounter(
            identifier=[r4.Identifier(system="https://tuetinh.vn/fhir/ma-lk", value=f"12001-{record.new_id()[-8:]}")],
            status="in-progress",
            class_=r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB"),
            subject=record.ref(self.patient),
            period=r4.Period(start="2026-11-02T08:15:00+07:00"),
            serviceProvider=r4.Reference(reference=f"Organization/{self.facility}"),
        )

    @property
    def id(self) -> str:
        """Id of the visit."""
        return str(self.encounter.id)


@pytest.fixture
def desk(db: None) -> Desk:
    """A visit of an insured patient."""
    return Desk()


@pytest.fixture
def cast_desk(cast: object) -> Desk:
    """A visit at the facility of the fixed cast."""
    return Desk("12104")
