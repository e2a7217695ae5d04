"""Where messages stand, what teaching a code does for those that wait, and machines that fall silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from tuetinh.care.lab import actions, api, errors, facts
from tuetinh.care.lab.machines import analysers, inbox, inbox_pages, queries
from tuetinh.care.lab.machines.reading import Arrival
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Message, Tube
from tuetinh.care.lab.results.work import work_on
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
GLU, CREA = "23.0075.1494", "23.0051.1494"


@pytest.fixture
def technician(client: Client, cast) -> Client:
    client.force_login(cast["lab"], backend="django.contrib.auth.backends.ModelBackend")
    return client


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes or (GLU,))
    return Tube.objects.latest("id")


def values(world) -> list[str]:
    return sorted(r.value for r in api.visit_results(world.lab, world.encounter.id, preliminary=True))


def test_a_code_that_is_taught_is_read_in_every_message_that_waits_for_it(technician: Client, world, oru) -> None:
    for number, value in (("1", "5.1"), ("2", "5.2"), ("3", "5.3")):
        inbox.take(Frame(oru(order(world).number, {"G-7": value}, unit="mmol/L", control=number)), "")
    inbox.take(Frame(oru(order(world).number, {"G-8": "9"}, unit="mmol/L", control="4")), "")
    assert queries.inbox_counts("12104") == {"unknown": 4, "open": 4}
    row = Message.objects.earliest("pk")
    technician.post(f"/lab/inbox/{row.pk}/teach", {"code": "G-7", "analyte": "GLU", "unit": "", "factor": "1"})
    assert values(world) == ["5.1", "5.2", "5.3"]
    assert queries.inbox_counts("12104") == {"unknown": 1, "open": 1}


def test_a_unit_that_is_taught_frees_what_waited_for_it(world, oru) -> None:
    inbox.take(Frame(oru(order(world, CREA).number, {"CRE": "1.05"}, unit="mg%")), "")
    row = Message.objects.get()
    assert (row.state, row.place) == ("unit", "CRE")
    row, others = inbox.teach(world.lab, row.pk, "CRE", "CREA", unit="mg%", factor=Decimal("88.4"))
    assert (row.state, others, values(world)) == ("matched", 0, ["69", "92.82"])  # with what is calculated


def test_a_value_that_cannot_be_is_only_kept_by_who_gives_a_reason(world, oru) -> None:
    tube = order(world)
    inbox.take(Frame(oru(tube.number, {"GLU": "540"}, unit="mmol/L")), "")
    row = Message.objects.get()
    assert (row.state, row.place, values(world)) == ("range", "GLU", [])
    with pytest.raises(errors.NeedsReason):
        inbox.match(world.lab, row.pk, tube.number)
    assert inbox.match(world.lab, row.pk, tube.number, reason="đo lại hai lần").state == "matched"
    assert values(world) == ["540"]


def test_the_crosses_of_a_strip_are_results(world) -> None:
    tube = order(world, "23.0206.1596")
    said = {"PRO": "+++", "GLU": "-", "KET": "+-", "UBG": "norm", "BLD": "2+", "NIT": "pos", "LEU": "--"}
    results = [f"R|{n}|^^^{code}|{value}|||||F" for n, (code, value) in enumerate(said.items(), 1)]
    lines = [r"H|\^&|||STRIP|||||||P|LIS2-A2|20261121080000", "P|1", f"O|1|{tube.number}||^^^UA|R", *results, "L|1|N"]
    inbox.take_many([Arrival(("\r".join(lines) + "\r").encode(), wire="lis2")])
    assert Message.objects.get().state == "matched"
    found = {facts.key_of(one): facts.value_of(one) for one in work_on(SYSTEM, tube).results.values()}
    assert found == {
        "UPRO": "3+", "UGLU": "Âm tính", "UKET": "Vết", "UUBG": "Bình thường", "UERY": "2+", "UNIT": "Dương tính",
        "ULEU": "",
    }  # fmt: skip


def test_messages_that_come_together_do_not_hinder_each_other(world, oru) -> None:
    first, second = order(world), order(world)
    arrivals = [
        Arrival(oru(first.number, {"GLU": "5.1"}, unit="mmol/L", control="1")),
        Arrival(b"PID|1||X"),
        Arrival(oru(first.number, {"GLU": "5.2"}, unit="mmol/L", control="2")),
        Arrival(oru(second.number, {"GLU": "6.1"}, unit="mmol/L", control="3")),
        Arrival(oru(second.number, {"GLU": "6.1"}, unit="mmol/L", control="3")),
    ]
    answers = inbox.take_many(arrivals)
    assert [b"MSA|AA" in (a or b"") for a in answers] == [True, False, True, True, True]
    assert values(world) == ["5.2", "6.1"]
    assert sorted(Message.objects.values_list("state", "copies")) == [
        ("broken", 1),
        ("matched", 1),
        ("matched", 1),
        ("matched", 2),
    ]


def test_the_pages_of_all_places_open(technician: Client, world, oru) -> None:
    inbox.take(Frame(oru(order(world).number, {"G-7": "5.1"}, unit="mmol/L")), "")
    inbox.take(Frame(oru("QC-1", {"GLU": "5.1"}, unit="mmol/L", control="2")), "")
    for which in ("open", "unmatched", "unknown", "unit", "range", "broken", "control", "again", "live", "nonsense"):
        assert technician.get(f"/lab/inbox?list={which}").status_code == 200
    assert "G-7" in technician.get("/lab/inbox?list=unknown").content.decode()
    page = technician.get("/lab/inbox?list=control").content.decode()
    assert "Lô nội kiểm này chưa được đưa vào dùng" in page


def test_what_waits_for_nobody_is_listed_as_far_as_it_is_new(
    technician: Client, world, oru, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_pages, "NEWEST", 2)
    analysers.save(world.lab, None, name="BS-240", application="BS240", sending_facility="LAB")
    for control in "123":
        inbox.take(Frame(oru("nobody", {"GLU": "5.1"}, unit="mmol/L", control=control)), "")
    lists = {
        which: technician.get(f"/lab/inbox?list={which}").context["page"] for which in ("live", "open", "unmatched")
    }
    assert {which: page.paginator.count for which, page in lists.items()} == {"live": 2, "open": 3, "unmatched": 3}


def test_a_machine_that_falls_silent_is_told(technician: Client, world, oru) -> None:
    machine = analysers.save(
        world.lab, None, name="BS-240", application="BS240", sending_facility="LAB", silent_minutes=30
    )
    assert list(queries.silent(world.lab)) == []  # it has never spoken
    inbox.take(Frame(oru(order(world).number, {"GLU": "5.1"}, unit="mmol/L")), "")
    assert list(queries.silent(world.lab)) == []
    Message.objects.update(received_at=datetime.now(UTC) - timedelta(minutes=31))
    assert list(queries.silent(world.lab)) == [machine]
    board = technician.get("/lab/board").content.decode()
    assert '<section class="card" data-silent>' in board and f'<a href="/lab/machines/{machine.pk}">BS-240</a>' in board
    assert "<span>Theo dõi</span><b>1</b>" in board
    assert "Im lặng quá lâu" in technician.get("/lab/machines").content.decode()
    assert "kiểm tra nguồn điện" in technician.get(f"/lab/machines/{machine.pk}").content.decode()
    analysers.save(world.lab, machine.pk, name="BS-240", application="BS240", sending_facility="LAB", enabled=False)
    assert list(queries.silent(world.lab)) == []


def test_every_column_of_a_message_is_kept() -> None:
    assert set(inbox._COLUMNS) == {field.attname for field in Message._meta.concrete_fields if not field.primary_key}
