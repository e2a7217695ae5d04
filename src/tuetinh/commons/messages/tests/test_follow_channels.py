"""Who may follow which channel of the live pages: visits by sight, facilities by their own staff."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.messages import live
from tuetinh.commons.messages.channels import may_follow
from tuetinh.commons.messages.live import Live
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db


def may(asker: Asker, channel: str) -> bool:
    return run(asker, may_follow(asker, channel))


def visit(id_: str, patient: str, facility: str) -> None:
    found = r4.Encounter(
        id=id_,
        status="in-progress",
        class_=r4.Coding(code="AMB"),
        subject=r4.Reference(reference=f"Patient/{patient}"),
        serviceProvider=r4.Reference(reference=f"Organization/{facility}"),
    )
    record.create(SYSTEM, found)


@pytest.mark.parametrize(
    ("channel", "who"),
    [
        ("glass:12104", {"admin"}),
        ("glass:12001", set()),
        ("glass:", {"province"}),
        ("breaches:12104", {"admin", "archivist"}),
        ("requests:12104", {"admin", "archivist"}),
        ("lab:12001", set()),
        ("bills:12001", set()),
        ("claims:", {"province", "official"}),
        ("nothing", set()),
    ],
)
def test_a_facilitys_channels_are_for_its_own_staff(cast: dict[str, Account], channel: str, who: set[str]) -> None:
    cast["official"].facility = ""
    assert {role for role, account in cast.items() if may(asker_of(account), channel)} == who


def test_the_lab_of_the_own_facility_is_followed_by_staff_only(cast: dict[str, Account]) -> None:
    followed = {role for role, account in cast.items() if may(asker_of(account), "lab:12104")}
    assert {"lab", "doctor", "nurse"} <= followed
    assert followed.isdisjoint({"citizen", "outsider", "province"})


def test_a_visit_is_followed_by_who_sees_it(cast: dict[str, Account]) -> None:
    record.create(SYSTEM, r4.Patient(id="other"))
    visit("own", "cast-citizen", "12104")
    visit("away", "other", "12001")
    for channel, who in (("visit:own", True), ("visit:away", False), ("visit:none", False), ("bill:away", False)):
        assert may(asker_of(cast["citizen"]), channel) is who, channel
    assert may(asker_of(cast["doctor"]), "visit:own")
    assert not may(asker_of(cast["outsider"]), "visit:own")


def test_the_door_refuses_what_may_not_be_followed(cast: dict[str, Account]) -> None:
    asked: list[str] = []
    citizen = asker_of(cast["citizen"])

    async def authenticate(_: Any) -> Asker:
        return citizen

    async def refuses(asker: Asker, channel: str) -> bool:
        asked.append(f"{asker.role} {channel}")
        return False

    async def answer(query: str) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        door = Live("", authenticate, refuses)
        await door({"query_string": query.encode()}, None, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])

    assert asyncio.run(answer("channel=visit:x&channel=glass:12001")) == 403
    assert asked == ["citizen visit:x", "citizen glass:12001"]


def test_a_stream_ends_with_the_session(monkeypatch: pytest.MonkeyPatch, cast: dict[str, Account]) -> None:
    for name in ("HEARTBEAT_SECONDS", "CHECK_SECONDS"):
        monkeypatch.setattr(live, name, 0.01)
    answers: list[Asker | None] = [asker_of(cast["citizen"])] * 2 + [None]
    sent: list[Any] = []

    async def authenticate(_: Any) -> Asker | None:
        return answers.pop(0)

    async def lets(asker: Asker, channel: str) -> bool:
        return True

    async def send(message: Any) -> None:
        sent.append(message)

    async def listen() -> None:
        door = Live("", authenticate, lets)
        never = asyncio.Event()
        await asyncio.wait_for(door({"query_string": b"channel=visit:x"}, never.wait, send), 10)  # type: ignore[arg-type]

    asyncio.run(listen())
    assert (answers, sent[0]["status"], sent[-1]["more_body"]) == ([], 200, False)
