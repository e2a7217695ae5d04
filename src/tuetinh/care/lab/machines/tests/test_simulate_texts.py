"""Machines that write a text of their maker's own are played, and heard over TCP and a serial line, faults and all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tuetinh.care.lab import actions, facts
from tuetinh.care.lab.api import serve_lis1
from tuetinh.care.lab.machines import analysers
from tuetinh.care.lab.machines.drivers import driver
from tuetinh.care.lab.machines.simulator import Play, Played, play, results
from tuetinh.care.lab.machines.tests.test_astm_machines import TIMERS, played_on_a_line
from tuetinh.care.lab.machines.tests.test_listener import Listener
from tuetinh.care.lab.machines.wire_files import moment, read_text
from tuetinh.care.lab.machines.wire_lis1_frames import proprietary
from tuetinh.care.lab.models import Message, Tube
from tuetinh.care.lab.results.work import work_on
from tuetinh.record.asker import SYSTEM

VIDAS, SPOTCHEM = "biomerieux-minividas", "arkray-spotchem"
pytestmark = pytest.mark.long
SERVICES = {VIDAS: "24.0117.1646", SPOTCHEM: "23.0058.1487"}
MEASURED = {VIDAS: {"HBSAG": "Dương tính"}, SPOTCHEM: {"NA": "141", "K": "4.1", "CL": "102"}}
MODELS = pytest.mark.parametrize("model", [VIDAS, SPOTCHEM])


@pytest.fixture
def listener(transactional_db: None) -> Iterator[Listener]:
    one = Listener(lambda stop, ready: serve_lis1("127.0.0.1", 0, stop, timers=TIMERS, ready=ready))
    yield one
    one.close()


@pytest.fixture
def tube(transactional_db: None, world) -> Callable[[str], Tube]:
    """Order what a model measures."""

    def order(model: str) -> Tube:
        actions.order_tests(world.doctor, world.encounter, (SERVICES[model],), alone=True)
        return Tube.objects.latest("id")

    return order


def told(tube: Tube) -> dict[str, str]:
    found = work_on(SYSTEM, tube).results.values()
    return {facts.key_of(one): facts.value_of(one) for one in found}


def sent(model: str, to: str, tube: Tube, *, fault: str = "") -> Played:
    return asyncio.run(play(Play(model, to, [tube.number], MEASURED[model], fault=fault)))  # type: ignore[arg-type]


@MODELS
def test_what_is_played_is_a_text_as_the_model_writes_it(model: str, shared: Path) -> None:
    one = driver(model)
    assert one
    name = {VIDAS: "mini_vidas", SPOTCHEM: "spotchem_el"}[model]
    captured = (shared / f"data/astm/senaite_astm/{name}.txt").read_bytes().strip()
    inside = captured[1:].partition(b"\x1d" if model == VIDAS else b"\x03")[0]
    assert proprietary(inside, checked=model == VIDAS).removesuffix(b"\x03") == captured.removesuffix(b"\x03")
    mine, theirs = (read_text(text, one) for text in (results(one, "1", MEASURED[model], 1), inside))
    assert mine.orders[0].keys == ("1",) or list(mine.orders[0].keys) == ["1"]
    assert mine.header.application == theirs.header.application
    assert mine.results[0].at and abs(mine.results[0].at - datetime.now(UTC)) < timedelta(minutes=2)
    assert theirs.results[0].at and theirs.results[0].at.year == 2024


def test_a_year_of_two_digits_may_stand_first() -> None:
    assert moment("24/10/29 13:08", years_first=True) == datetime(2024, 10, 29, 6, 8, tzinfo=UTC)
    assert moment("24/10/29 13:08") == datetime(2029, 10, 24, 6, 8, tzinfo=UTC)


@MODELS
def test_a_text_over_tcp_is_a_result(listener: Listener, tube: Callable[[str], Tube], model: str) -> None:
    mine = tube(model)
    done = sent(model, f"127.0.0.1:{listener.port}", mine)
    assert (done.sent, done.accepted, done.refused) == (1, 1, 0)
    assert told(mine) == MEASURED[model]


@MODELS
@pytest.mark.parametrize(
    ("fault", "accepted", "copies"), [("garbage", 1, [1]), ("double", 2, [2]), ("cut", 0, []), ("checksum", 0, [])]
)
def test_faults_lose_nothing_and_double_nothing(
    listener: Listener, tube: Callable[[str], Tube], model: str, fault: str, accepted: int, copies: list[int]
) -> None:
    mine, to = tube(model), f"127.0.0.1:{listener.port}"
    if model == SPOTCHEM and fault == "checksum":  # it writes none
        accepted, copies = 1, [1]
    done = sent(model, to, mine, fault=fault)
    assert done.accepted == accepted
    whole = Message.objects.filter(wire="text")
    for _ in range(50):  # what was cut is kept when the line has ended
        if fault != "cut" or Message.objects.exists():
            break
        time.sleep(0.1)
    assert sorted(whole.values_list("copies", flat=True)) == copies
    assert told(mine) == (MEASURED[model] if copies else {})
    again = sent(model, to, mine)
    assert (again.accepted, told(mine)) == (1, MEASURED[model])


def test_codes_that_nobody_knows_wait_to_be_taught(listener: Listener, tube: Callable[[str], Tube]) -> None:
    mine = tube(VIDAS)
    done = sent(VIDAS, f"127.0.0.1:{listener.port}", mine, fault="unknown")
    assert (done.accepted, told(mine)) == (1, {})
    assert list(Message.objects.values_list("state", "tube__number")) == [("unknown", mine.number)]


@pytest.mark.peer
@MODELS
def test_a_text_over_a_serial_line_is_a_result(
    world, tube: Callable[[str], Tube], serial_line: tuple[str, str], model: str
) -> None:
    (ours, theirs), mine = serial_line, tube(model)
    analysers.save(world.lab, None, name="M", application="M", driver=model, serial=ours)
    done = played_on_a_line(Play(model, theirs, [mine.number], MEASURED[model]))
    assert (done.sent, done.accepted) == (1, 1)
    assert told(mine) == MEASURED[model]
    assert Message.objects.get().analyser.name == "M"
