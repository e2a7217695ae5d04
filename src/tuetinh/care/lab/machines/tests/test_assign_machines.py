"""What a machine that nobody has registered sends is for one laboratory, or waits until the province says for which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import ProgrammingError, transaction
from django.test import Client

from tuetinh.care.lab import errors
from tuetinh.care.lab.machines import analysers, inbox, queries, unassigned
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, Message
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

pytestmark = pytest.mark.django_db
HERE, THERE = "12104", "12001"


@pytest.fixture
def elsewhere(cast: dict[str, Account]) -> Account:
    """The laboratory of another facility of the node."""
    return Account.objects.create_account("lab.tinh", "lab-12001-pw", full_name="Lù", role="lab", facility=THERE)


def arrive(oru: Callable[..., bytes], peer: str = "10.1.1.1", sending: str = "LAB", control: str = "1") -> Message:
    """A message of an unregistered machine for a tube that nobody knows."""
    raw = oru("000", {"G-7": "5.1"}, control=control).replace(b"|BS240|LAB|", f"|BS240|{sending}|".encode(), 1)
    inbox.take(Frame(raw), peer)
    return Message.objects.latest("pk")


def waiting(facility: str) -> list[Message]:
    return list(queries.inbox(facility))


def test_a_message_of_nobody_is_in_no_laboratorys_inbox(
    elsewhere: Account, world, cast, oru, as_role: Callable[[str], Client]
) -> None:
    row = arrive(oru)
    assert row.facility == ""
    assert [waiting(HERE), waiting(THERE), waiting("")] == [[], [], []]
    lab = as_role("lab")
    assert lab.get(f"/lab/inbox/{row.pk}").status_code == 404
    for step in ("match", "retry", "teach", "aside"):
        form = {"code": "G-7", "analyte": "GLU", "unit": "", "factor": "1", "reason": "x"}
        assert lab.post(f"/lab/inbox/{row.pk}/{step}", form).status_code == 404, step
    with pytest.raises(errors.NotForMatching):
        inbox.retry(world.lab, row.pk)
    assert not Analyser.objects.exists()
    for role, status in {"lab": 403, "admin": 403, "province": 200, "official": 403, "citizen": 403}.items():
        assert as_role(role).get("/lab/unassigned").status_code == status, role
        assert as_role(role).post(f"/lab/unassigned/{row.pk}/assign", {"laboratory": "x"}).status_code in (403, 302)
    assert not Analyser.objects.exists()


def test_the_only_laboratory_of_a_node_has_them_all(world, oru) -> None:
    assert arrive(oru).facility == HERE


def test_who_names_a_laboratory_is_its_machine(elsewhere: Account, world, oru) -> None:
    row = arrive(oru, sending=THERE)
    assert (row.facility, waiting(HERE), waiting(THERE)) == (THERE, [], [row])
    assert arrive(oru, sending="99999", control="2").facility == ""


def test_who_calls_from_a_laboratorys_address_is_its_machine(elsewhere: Account, world, oru) -> None:
    analysers.save(world.lab, None, name="XN", application="XN", address="10.1.1.7")
    assert arrive(oru, "10.1.1.7").facility == HERE
    analysers.save(replace(world.lab, facility=THERE), None, name="XP", application="XP", address="10.1.1.7")
    assert arrive(oru, "10.1.1.7", control="2").facility == ""


def test_the_province_gives_a_machine_to_a_laboratory(elsewhere: Account, world, cast, oru) -> None:
    first, second, other = arrive(oru), arrive(oru, control="2"), arrive(oru, "10.1.1.9", control="3")
    province = asker_of(cast["province"])
    assert [(row["peer"], row["count"]) for row in unassigned.senders(province)] == [("10.1.1.9", 1), ("10.1.1.1", 2)]
    assert unassigned.assign(province, second.pk, THERE) == 2
    assert {row.pk for row in waiting(THERE)} == {first.pk, second.pk}
    assert [row["latest"] for row in unassigned.senders(province)] == [other.pk]
    machine = Analyser.objects.get()
    assert (machine.facility, machine.sender, machine.address) == (THERE, "BS240|LAB", "10.1.1.1")
    assert arrive(oru, control="4").facility == THERE
    assert arrive(oru, "10.1.1.9", control="5").facility == ""


def test_nobody_else_gives_machines_away(elsewhere: Account, world, cast, oru) -> None:
    row = arrive(oru)
    for asker in (world.lab, asker_of(cast["admin"]), asker_of(cast["official"]), replace(world.lab, facility="")):
        assert not unassigned.senders(asker).exists()
        with pytest.raises(errors.NotAllowed):
            unassigned.assign(asker, row.pk, HERE)
    with pytest.raises(errors.NotAllowed):
        unassigned.assign(asker_of(cast["province"]), row.pk, "99999")
    row.refresh_from_db()
    assert (row.facility, Analyser.objects.count()) == ("", 0)


def test_the_database_shows_a_message_to_its_laboratory_alone(elsewhere: Account, world, cast, oru) -> None:
    nobodys, theirs = arrive(oru), arrive(oru, sending=THERE, control="2")

    def seen(asker: Asker) -> set[int]:
        enter(asker)
        return set(Message.objects.values_list("pk", flat=True))

    assert seen(world.lab) == set()
    assert seen(asker_of(elsewhere)) == {theirs.pk}
    assert seen(asker_of(cast["admin"])) == set()
    assert seen(asker_of(cast["province"])) == {nobodys.pk, theirs.pk}
    official = Account.objects.create_account("so.yt", "official-pw-12", full_name="Sở", role="official", facility="")
    assert seen(asker_of(official)) == set()
    assert seen(asker_of(cast["citizen"])) == set()
    enter(asker_of(elsewhere))
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        Message.objects.filter(pk=theirs.pk).update(facility=HERE)
