"""Whatever gateway, line and sender do, in any order: each version of a claim is taken once at most, the last is."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tuetinh.care.insurance import gateway
from tuetinh.care.insurance.models import ClaimCase, Transmission
from tuetinh.care.insurance.sending import queue, send
from tuetinh.care.insurance.simulator import Simulator
from tuetinh.care.insurance.tests.keeping import Memory, queued
from tuetinh.care.insurance.wire_xml3176 import read
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
State = ClaimCase.State
TROUBLES = ("", "away", "lost", "unauthorised", "late", "cut", "nonsense", "broken", "killed")
PATIENCE = 0.4  # seconds that the client waits


class Killed(BaseException):
    """The sender is gone, with whatever it was about to write down."""


class Line:
    """The way to the simulated gateway. trouble: what happens to the next files, the gateway is otherwise as it is.

    `away`: out of service; `lost`: the file does not get through; `unauthorised`: every token ran out; `late`, `cut`,
    `nonsense`, `broken`: the file is taken, but the answer comes too late, not at all, or is none.
    """

    def __init__(self, ledger: Memory) -> None:
        self.simulator = Simulator(lambda _: None, ledger, slow=0)
        self.trouble = ""

    async def __call__(self, scope: Any, receive: Any, reply: Any) -> None:
        """Answer as the gateway does, unless there is trouble."""
        sending = scope["type"] == "http" and scope["path"].startswith("/api/qd130/")
        if self.trouble == "away" or (sending and self.trouble == "lost"):
            await _answer(reply, 503, b"Service Unavailable")
        elif sending and self.trouble == "unauthorised":
            self.simulator.tokens.clear()
            self.trouble = ""
            await self.simulator(scope, receive, reply)
        elif sending and self.trouble in ("late", "cut", "nonsense", "broken"):
            await self.simulator(scope, receive, _forget)
            if self.trouble == "late":
                await _asleep(2 * PATIENCE)
            said = {"nonsense": b"<html>bao tri", "broken": b'{"maKetQua": ["200"], "maGiaoDich": {'}
            if self.trouble == "cut":
                await reply({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]})
                await reply({"type": "http.response.body", "body": b"{", "more_body": True})
                raise ConnectionAbortedError
            await _answer(reply, 200, said.get(self.trouble, b"{}"))
        else:
            await self.simulator(scope, receive, reply)


async def _asleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


async def _forget(_: Any) -> None:
    """Of an answer nothing is heard."""


async def _answer(reply: Callable[[Any], Awaitable[None]], status: int, body: bytes) -> None:
    await reply({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await reply({"type": "http.response.body", "body": body})


@pytest.fixture
def line(ledger: Memory, over_a_socket: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """The facility's way to the gateway, through which trouble can come."""
    found = Line(ledger)
    monkeypatch.setenv("TUETINH_GATEWAY_URL", over_a_socket(found))
    monkeypatch.setattr(send, "SENDING", httpx.Timeout(PATIENCE))
    yield found
    gateway.forget_tokens()


def test_no_claim_is_sent_twice_nor_lost(
    visit: str, ledger: Memory, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = send._keep

    def kept(*told: Any) -> bool | None:
        if line.trouble == "killed":
            raise Killed
        return keep(*told)

    monkeypatch.setattr(send, "_keep", kept)

    class Sending(RuleBasedStateMachine):
        """A visit whose claim is sent, and changed, while things go wrong."""

        def __init__(self) -> None:
            super().__init__()
            Transmission.objects.all().delete()
            ClaimCase.objects.all().delete()
            ledger.taken.clear()
            gateway.forget_tokens()
            line.trouble, self.version = "", 0
            self.correct()
            queued(visit)

        def correct(self) -> None:
            """Say something else in the record."""
            self.version += 1
            encounter = record.read(SYSTEM, "Encounter", visit)
            assert isinstance(encounter, r4.Encounter)
            encounter.reasonCode = [r4.CodeableConcept(text=f"Lần {self.version}")]
            record.update(SYSTEM, encounter)

        @property
        def case(self) -> ClaimCase:
            return ClaimCase.objects.get(encounter=visit, kind="claim")

        @rule(trouble=st.sampled_from(TROUBLES))
        def goes_wrong(self, trouble: str) -> None:
            line.trouble = trouble

        @rule()
        def is_sent(self) -> None:
            with suppress(Killed):
                send.send_due(0.05)

        @rule()
        def time_passes(self) -> None:
            pass_minutes(ledger, 6)

        @rule()
        def is_changed(self) -> None:
            self.correct()
            queue.claim_is_changed(visit, "Sửa giấy")

        @precondition(lambda self: self.case.state not in (State.SENDING, State.UNCLEAR))
        @rule()
        def is_taken_up_again(self) -> None:
            queue.take_back_claim(visit)
            self.correct()
            queued(visit)

        @invariant()
        def none_is_there_twice(self) -> None:
            files = [one.sha256 for one in ledger.taken]  # a claim that is sent again says something else
            assert len(files) == len(set(files))
            known = Transmission.objects.filter(outcome="accepted").values_list("transaction", flat=True)
            assert len(known) == len(set(known))
            assert set(known) <= {one.transaction for one in ledger.taken}

        def teardown(self) -> None:
            line.trouble = ""
            for _ in range(4):
                pass_minutes(ledger, 6)
                send.send_due(3)
            assert self.case.state == State.ACCEPTED
            accepted = Transmission.objects.filter(outcome="accepted").order_by("id")
            assert [one.transaction for one in accepted] == [one.transaction for one in ledger.taken]
            last = accepted.last()
            assert last is not None
            (row,) = read(gzip.decompress(bytes(last.file))).tables["XML1"]
            assert row["LY_DO_VV"] == f"Lần {self.version}"

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Sending,
        settings=settings(
            max_examples=12, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def pass_minutes(ledger: Memory, minutes: int) -> None:
    """Let what was put off be due, and what was sent and taken be so long ago."""
    earlier = timedelta(minutes=minutes)
    ClaimCase.objects.update(due=timezone.now())
    for sent in Transmission.objects.all():
        Transmission.objects.filter(pk=sent.pk).update(began=sent.began - earlier)
    ledger.taken[:] = [one._replace(received=one.received - earlier) for one in ledger.taken]


def test_what_the_line_does_is_what_it_is_called(visit: str, ledger: Memory, line: Line) -> None:
    for trouble, taken, state in (
        ("away", 0, State.WAITING), ("lost", 0, State.UNCLEAR), ("late", 1, State.UNCLEAR), ("cut", 1, State.UNCLEAR),
        ("nonsense", 1, State.UNCLEAR), ("broken", 1, State.UNCLEAR), ("unauthorised", 1, State.ACCEPTED),
    ):  # fmt: skip
        Transmission.objects.all().delete()
        ClaimCase.objects.all().delete()
        ledger.taken.clear()
        gateway.forget_tokens()
        found, line.trouble = queued(visit), trouble
        send.send_due(0.05)
        found.refresh_from_db()
        assert (trouble, len(ledger.taken), found.state) == (trouble, taken, state)
