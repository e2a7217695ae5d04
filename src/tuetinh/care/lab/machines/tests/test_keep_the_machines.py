"""Analysers are data: who they are, what they mean by their codes, and a message that teaches a new one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from django.test import Client

from tuetinh.care.lab import actions, api
from tuetinh.care.lab.errors import NoAnalyser, NotAllowed, Taken, UnknownAnalyte
from tuetinh.care.lab.machines import analysers, inbox
from tuetinh.care.lab.machines.reading import Arrival
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Analyser, AnalyserCode, Message, Tube
from tuetinh.record import api as record

pytestmark = pytest.mark.django_db
GLU, ELEC, CREA, CBC = "23.0075.1494", "23.0058.1487", "23.0051.1494", "22.0120.1370"


@pytest.fixture
def technician(client: Client, cast) -> Client:
    client.force_login(cast["lab"], backend="django.contrib.auth.backends.ModelBackend")
    return client


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes or (GLU,))
    return Tube.objects.latest("id")


def results(world) -> dict[str, tuple[str, str]]:
    found = api.visit_results(world.lab, world.encounter.id, preliminary=True)
    return {r.id.rpartition("-")[2]: (r.value, r.unit) for r in found}


@pytest.fixture
def machine(world) -> Analyser:
    return analysers.save(world.lab, None, name="BS-240", application="BS240", sending_facility="LAB")


def test_a_code_with_a_factor_brings_the_number_to_our_unit(world, machine: Analyser, oru) -> None:
    analysers.teach(world.lab, machine.pk, "17", "CREA", unit="mg/dL", factor=Decimal("88.4"))
    tube = order(world, CREA)
    inbox.take(Frame(oru(tube.number, {"17": "1.05"}, unit="mg/dL")), "10.0.0.9")
    assert results(world)["CREA"] == ("92.82", "µmol/L")
    query = f"patient={tube.patient}&code=14682-9"
    [found] = record.search(world.lab, "Observation", query).resources
    assert [note.text for note in found.note] == ["Máy gửi: 1.05 mg/dL"]
    row = Message.objects.get()
    assert (row.state, row.analyser, row.facility) == ("matched", machine, "12104")


def test_units_of_one_kind_convert_by_ucum_and_others_stay_as_sent(world, oru) -> None:
    tube = order(world, CBC)
    inbox.take(Frame(oru(tube.number, {"HGB": "13.2"}, unit="g/dL")), "")
    inbox.take(Frame(oru(tube.number, {"MCV": "88"}, unit="um3", control="2")), "")
    inbox.take(Frame(oru(tube.number, {"WBC": "7.1"}, unit="x10^3/uL", control="3")), "")
    inbox.take(Frame(oru(tube.number, {"HCT": "0.41"}, unit="banana", control="4")), "")
    assert results(world) == {
        "HGB": ("132", "g/L"),
        "MCV": ("88", "fL"),
        "WBC": ("7.1", "G/L"),
    }
    assert list(Message.objects.exclude(state="matched").values_list("state", "place")) == [("unit", "HCT")]


def test_a_message_teaches_its_code_and_is_processed_again(technician: Client, world, oru) -> None:
    tube = order(world, ELEC)
    inbox.take(Frame(oru(tube.number, {"N-1": "140", "K": "4.1"}, unit="mmol/L")), "10.0.0.9")
    row = Message.objects.get()
    assert (row.state, row.reason, row.place) == ("unknown", "unknown-analytes", "N-1")
    page = technician.get(f"/lab/inbox/{row.pk}").content.decode()
    assert "Dạy mã của máy" in page and '<option value="N-1">' in page and page.count('<option value="K">') == 1  # ours
    answer = technician.post(f"/lab/inbox/{row.pk}/teach", {"code": "N-1", "analyte": "NA", "unit": "", "factor": "1"})
    assert answer.headers["Location"] == "/lab/inbox"
    assert results(world) == {"NA": ("140", "mmol/L"), "K": ("4.1", "mmol/L")}
    row.refresh_from_db()
    assert (row.state, row.reason, row.handled_by) == ("matched", "", world.lab.account)
    machine = Analyser.objects.get()
    assert (machine.sender, machine.facility, row.analyser) == ("BS240|LAB", "12104", machine)
    assert list(machine.meanings.values_list("code", "analyte")) == [("N-1", "NA")]


def test_a_message_that_waits_for_more_than_one_code_says_so(technician: Client, world, oru) -> None:
    tube = order(world, ELEC)
    inbox.take(Frame(oru(tube.number, {"N-1": "140", "K-1": "4.1"}, unit="mmol/L")), "10.0.0.9")
    at = f"/lab/inbox/{Message.objects.get().pk}"
    told = {"analyte": "NA", "unit": "", "factor": "1"}
    page = technician.post(f"{at}/teach", told | {"code": "N-1"}, follow=True).content.decode()
    assert "Đã ghi mã của máy. Bản tin còn chờ vì điều khác" in page and '<option value="K-1">' in page
    page = technician.post(f"{at}/teach", told | {"code": "K-1", "analyte": "K"}, follow=True).content.decode()
    assert "xử lý lại các bản tin chờ mã này" in page
    assert results(world) == {"NA": ("140", "mmol/L"), "K": ("4.1", "mmol/L")}


def test_a_machine_without_a_name_is_known_by_its_address(world, oru) -> None:
    tube = order(world)
    inbox.take(Frame(oru(tube.number, {"G": "5.1"}, unit="mmol/L").replace(b"BS240|LAB", b"|")), "10.0.0.9")
    inbox.teach(world.lab, Message.objects.get().pk, "G", "GLU")
    assert list(Analyser.objects.values_list("name", "sender", "address")) == [("10.0.0.9", "|", "10.0.0.9")]
    assert analysers.find("|", "10.0.0.8") is None
    assert results(world) == {"GLU": ("5.1", "mmol/L")}


def test_a_code_that_is_never_reported_no_longer_waits(world, machine: Analyser, oru) -> None:
    analysers.teach(world.lab, machine.pk, "PDW", "")
    tube = order(world)
    inbox.take(Frame(oru(tube.number, {"GLU": "5.1", "PDW": "12"}, unit="mmol/L")), "")
    assert list(Message.objects.values_list("state", "reason")) == [("matched", "")]
    assert set(results(world)) == {"GLU"}


def test_a_message_is_read_as_the_model_that_was_chosen_for_the_machine(world, oru) -> None:
    """Also where the machine goes by a name that says nothing of its model."""
    analysers.save(world.lab, None, name="Phòng lao", application="PCR-01", driver="cepheid-genexpert-hl7")
    tube = order(world, "24.0028.1682")
    told = oru(tube.number, {"MTB": "MTB DETECTED LOW", "RIF": "NOT DETECTED"})
    inbox.take(Frame(told.replace(b"|BS240|LAB|", b"|PCR-01||")), "10.0.0.9")
    assert results(world) == {"MTBX": ("Dương tính, thấp", ""), "MTBRIF": ("Âm tính", "")}
    analysers.save(world.lab, None, name="XN", application="TANG2", driver="sysmex-xn")
    tube = order(world, CBC)
    lines = [r"H|\^&|||TANG2", "P|1", f"O|1||^^{tube.number}^B|^^^^WBC", "R|1|^^^^WBC^1|6.1|10*3/uL", "L|1|N", ""]
    inbox.take_many([Arrival("\r".join(lines).encode(), "10.0.0.8", "lis2")])
    assert results(world)["WBC"] == ("6.1", "G/L")


def test_a_model_of_another_wire_says_nothing_of_a_message(world, oru) -> None:
    analysers.save(world.lab, None, name="XS", application="XS-1", driver="sysmex-xs-file", serial="/dev/ttyX")
    tube = order(world)
    lines = [r"H|\^&|||XS-1", "P|1", f"O|1|{tube.number}||^^^GLU", "R|1|^^^GLU|5.1|mmol/L", "L|1|N", ""]
    inbox.take_many([Arrival("\r".join(lines).encode(), "/dev/ttyX", "lis2")])
    assert (Message.objects.get().state, results(world)["GLU"]) == ("matched", ("5.1", "mmol/L"))


def test_the_analyser_decides_over_the_usual_name(world, machine: Analyser, oru) -> None:
    analysers.teach(world.lab, machine.pk, "K", "NA")
    tube = order(world, ELEC)
    inbox.take(Frame(oru(tube.number, {"K": "139"}, unit="mmol/L")), "")
    assert results(world) == {"NA": ("139", "mmol/L")}


def test_a_disabled_machine_writes_nothing_and_its_message_waits(world, machine: Analyser, oru) -> None:
    analysers.save(world.lab, machine.pk, name="BS", application="BS240", sending_facility="LAB", enabled=False)
    tube = order(world)
    answer = inbox.take(Frame(oru(tube.number, {"GLU": "5.1"})), "") or b""
    assert b"MSA|AA" in answer
    assert list(Message.objects.values_list("state", "reason")) == [("unmatched", "disabled")]
    assert results(world) == {}
    analysers.save(world.lab, machine.pk, name="BS", application="BS240", sending_facility="LAB")
    assert inbox.retry(world.lab, Message.objects.get().pk).state == "matched"
    assert set(results(world)) == {"GLU"}


def test_two_of_one_name_are_told_apart_by_their_address(world, oru) -> None:
    a, b = (
        analysers.save(world.lab, None, name=n, application="BS240", sending_facility="LAB", address=at)
        for n, at in (("A", "10.0.0.1"), ("B", "10.0.0.2"))
    )
    with pytest.raises(Taken):
        analysers.save(world.lab, None, name="C", application="BS240", sending_facility="LAB", address="10.0.0.2")
    analysers.teach(world.lab, a.pk, "X", "NA")
    analysers.teach(world.lab, b.pk, "X", "K")
    tube = order(world, ELEC)
    inbox.take(Frame(oru(tube.number, {"X": "4.4"}, unit="mmol/L")), "10.0.0.2")
    assert results(world) == {"K": ("4.4", "mmol/L")}


def test_what_is_no_meaning_is_refused(world, machine: Analyser) -> None:
    for code, analyte, factor in (("X", "NOPE", "1"), (" ", "NA", "1"), ("X", "NA", "0"), ("X", "NA", "-1")):
        with pytest.raises(UnknownAnalyte):
            analysers.teach(world.lab, machine.pk, code, analyte, factor=Decimal(factor))
    assert AnalyserCode.objects.count() == 0


def test_others_may_not_touch_a_machine(world, machine: Analyser) -> None:
    with pytest.raises(NotAllowed):
        analysers.teach(world.doctor, machine.pk, "X", "NA")
    elsewhere = replace(world.lab, facility="12001")
    for do in (
        lambda: analysers.save(elsewhere, machine.pk, name="mine", application="X"),
        lambda: analysers.teach(elsewhere, machine.pk, "X", "NA"),
        lambda: analysers.forget(elsewhere, machine.pk, "X"),
    ):
        with pytest.raises(NoAnalyser):
            do()
    for nobody in (world.outsider, replace(world.lab, facility="")):
        with pytest.raises(NotAllowed):
            analysers.save(nobody, None, name="mine", application="X")
    assert analysers.listed(elsewhere).count() == 0
    machine.refresh_from_db()
    assert (machine.name, machine.sender, AnalyserCode.objects.count()) == ("BS-240", "BS240|LAB", 0)


def test_the_pages_add_change_and_forget(technician: Client, oru, world) -> None:
    assert "Chưa có máy nào" in technician.get("/lab/machines").content.decode()
    assert technician.get("/lab/machines/new").status_code == 200
    assert technician.post("/lab/machines/new", {"name": "", "application": ""}).status_code == 422
    form = {"name": "Sysmex XN", "application": "XN-1000", "sending_facility": "LAB", "address": "", "enabled": "on"}
    at = technician.post("/lab/machines/new", form).headers["Location"]
    assert technician.post("/lab/machines/new", form).status_code == 422  # the same sender twice
    assert technician.post(f"{at}/teach", {"code": "L", "analyte": "LYM", "factor": "abc"}).status_code == 422
    technician.post(f"{at}/teach", {"code": "L", "analyte": "LYM", "unit": "%", "factor": "1"})
    technician.post(f"{at}/teach", {"code": "CR", "analyte": "CREA", "unit": "mg/dL", "factor": "88,4"})
    page = technician.get(at).content.decode()
    assert "Bạch cầu lympho (LYM%)" in page and "88,4" in page
    technician.post(f"{at}/forget", {"code": "L"})
    assert list(AnalyserCode.objects.values_list("code", "factor")) == [("CR", Decimal("88.4"))]
    inbox.take(Frame(oru("1", {"X": "1"}).replace(b"BS240|LAB", b"XN-1000|LAB")), "")
    assert analysers.listed(world.lab).get().seen_at == Message.objects.get().received_at
    technician.post(at, {**form, "enabled": ""})
    assert Analyser.objects.get().enabled is False
    assert technician.get("/lab/machines/999999").status_code == 404


def test_the_list_takes_as_many_queries_for_one_machine_as_for_many(
    technician: Client, world, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    analysers.save(world.lab, None, name="0", application="0")
    technician.get("/lab/machines")
    with django_assert_max_num_queries(15) as one:
        technician.get("/lab/machines")
    for number in range(1, 6):
        analysers.save(world.lab, None, name=str(number), application=str(number))
    with django_assert_num_queries(len(one.captured_queries)):
        technician.get("/lab/machines")


def test_the_page_of_a_machine_shows_what_it_said_last_to_who_works_with_it(
    technician: Client, world, oru, as_role
) -> None:
    machine = analysers.save(world.lab, None, name="BS-240", application="BS240", sending_facility="LAB")
    at = f"/lab/machines/{machine.pk}"
    assert "Bản tin vừa nhận" not in technician.get(at).content.decode()
    inbox.take(Frame(oru("nobody", {"G-7": "5.1"}, unit="mmol/L")), "")
    inbox.take(Frame(oru("other", {"GLU": "5.1"}).replace(b"BS240|LAB", b"OTHER|LAB")), "")
    page = technician.get(at).content.decode()
    mine, other = Message.objects.order_by("pk")
    assert f'href="/lab/inbox/{mine.pk}"' in page and f'href="/lab/inbox/{other.pk}"' not in page
    assert "Chưa ghép" in page
    assert "Bản tin vừa nhận" not in as_role("admin").get(at).content.decode()
