"""HL7 v2 machines ask what to do, and are told; a foreign library reads what we answer."""

from __future__ import annotations

import pytest
from hl7apy.parser import parse_message

from tuetinh.care.lab import actions
from tuetinh.care.lab.machines import analysers, inbox, wire_hl7v2_orders
from tuetinh.care.lab.machines.messages import Header
from tuetinh.care.lab.machines.wire_hl7v2_orders import SEPARATOR
from tuetinh.care.lab.machines.wire_lis2 import Ask
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Tube

GLU, TSH = "23.0075.1494", "23.0162.1570"
QRY = (
    r"MSH|^~\&|BS-360E|Mindray|||20261121||QRY^Q02|4|P|2.3.1||||0||UNICODE UTF-8" + "\r"
    "QRD|20261121|R|D|4|||RD|{}|OTH|||T|\rQRF|BS-360E|||||RCT|COR|ALL||\r"
)
QBP = r"MSH|^~\&|GX|LAB|||20261121||QBP^Q11^QBP_Q11|9|P|2.5.1" + "\rQPD|WOS^Work Order Step|tag7|{}\rRCP|I\r"


@pytest.fixture
def tube(world) -> Tube:
    actions.order_tests(world.doctor, world.encounter, [GLU])
    return Tube.objects.latest("id")


@pytest.mark.django_db
def test_an_original_mode_query_gets_its_display(world, tube: Tube) -> None:
    analysers.save(world.lab, None, name="BS", application="BS-360E", sending_facility="Mindray", driver="mindray-bs")
    first, second = (inbox.take(Frame(QRY.format(tube.number).encode()), "") or b"").decode().split(SEPARATOR.decode())
    assert "|QCK^Q02|" in first and "\rMSA|AA|4|" in first and "\rQAK|SR|OK|\r" in first
    assert "|DSR^Q03|" in second and f"\rDSP|21||{tube.number}||\r" in second and "\rDSP|29||GLU^^^||\r" in second
    assert "\rDSP|3||Lò Thị Pâng||\r" in second and "\rDSC||\r" in second


@pytest.mark.django_db
def test_a_query_about_nothing_is_told_so(world) -> None:
    answer = (inbox.take(Frame(QRY.format("nope").encode()), "") or b"").decode()
    assert "\rQAK|SR|NF|\r" in answer and "DSR" not in answer


@pytest.mark.django_db
def test_a_query_by_parameter_gets_its_orders(world, tube: Tube) -> None:
    answer = (inbox.take(Frame(QBP.format(tube.number).encode()), "") or b"").decode()
    segments = [line.split("|") for line in answer.rstrip("\r").split("\r")]
    assert [s[0] for s in segments] == ["MSH", "MSA", "QAK", "QPD", "PID", "ORC", "OBR"]
    assert segments[0][8] == "RSP^K11^RSP_K11"
    assert segments[2][1:3] == ["tag7", "OK"]
    assert segments[6][2:5] == [tube.number, "", "GLU^GLU^L"]
    assert "Pâng" not in answer  # nobody has registered the machine


@pytest.mark.django_db
def test_a_question_of_the_analytical_workflow_gets_its_orders_apart(world, tube: Tube) -> None:
    actions.order_tests(world.doctor, world.encounter, [GLU], alone=True)
    other = Tube.objects.latest("id")
    law = QBP.format(f"{tube.number}~{other.number}").replace("Work Order Step|", "Work Order Step^IHE_LABTF|")
    answer, *orders = (inbox.take(Frame(law.encode()), "") or b"").decode().split(SEPARATOR.decode())
    assert [line[:3] for line in answer.split("\r")] == ["MSH", "MSA", "QAK", "QPD", ""]
    assert "\rQAK|tag7|OK|WOS^Work Order Step^IHE_LABTF\r" in answer
    assert ["|OML^O33^OML_O33|" in one for one in orders] == [True, True]
    assert [f"\rSPM|1|{one.number}|" in told for one, told in zip((tube, other), orders, strict=True)] == [True, True]


@pytest.mark.parametrize(("form", "kind"), [("orm", "ORM_O01"), ("oml", "OML_O33")])
def test_a_foreign_library_reads_an_order(form: str, kind: str) -> None:
    ask = Ask("T1", ("GLU", "A|B"), urgent=True, name="Lò Thị Pâng", birth="1986-03-01", sex="female")
    message = wire_hl7v2_orders.order(ask, Header("XN", "LAB", version="2.5.1"), form).decode()
    read = parse_message(message, find_groups=False)
    assert read.msh.msh_9.value.startswith(kind.replace("_", "^"))
    assert [s.obr_4.obr_4_1.value for s in read.children if s.name == "OBR"] == ["GLU", r"A\F\B"]
    assert read.pid.pid_7.value == "19860301"


@pytest.mark.django_db
def test_what_another_machine_has_measured_is_left_out_and_the_rest_is_told(world, oru) -> None:
    actions.order_tests(world.doctor, world.encounter, [GLU, TSH])
    tube = Tube.objects.latest("id")
    inbox.take(Frame(oru(tube.number, {"GLU": "5.1"}, unit="mmol/L")), "")
    assert Tube.objects.get(pk=tube.pk).stage == "resulted"
    answer = (inbox.take(Frame(QBP.format(tube.number).encode()), "") or b"").decode()
    assert "\rQAK|tag7|OK|" in answer
    assert [line.split("|")[4] for line in answer.split("\r") if line.startswith("OBR|")] == ["TSH^TSH^L"]
    analysers.save(world.lab, None, name="GX", application="GX", sending_facility="LAB")
    everything = (inbox.take(Frame(QBP.format("").replace("|9|", "|10|").encode()), "") or b"").decode()
    assert f"OBR|1|{tube.number}||TSH^TSH^L" in everything
