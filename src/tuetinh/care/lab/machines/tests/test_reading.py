"""Reading HL7 v2 and building acknowledgements."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.care.lab.machines import wire_hl7v2 as wire

MSH = rb"MSH|^~\&|A|B|C|D|20261121||ORU^R01|77|P|2.5.1||||||UNICODE UTF-8" + b"\r"


def one(obx: bytes, msh: bytes = MSH) -> wire.Result:
    return wire.read(msh + b"OBR|1|P1|F1|GLU\r" + obx + b"\r").results[0]


@pytest.mark.parametrize(
    ("obx", "number", "comparator", "text"),
    [
        (b"OBX|1|NM|GLU||72.50|mg/dL", "72.50", "", "72.50"),
        (b"OBX|1|NM|GLU||< 0,5", "0.5", "<", "< 0,5"),
        (b"OBX|1|NM|GLU||.5", "0.5", "", ".5"),
        (b"OBX|1|NM|GLU||<,50", "0.50", "<", "<,50"),
        (b"OBX|1|NM|GLU||5.", "5", "", "5."),
        (b"OBX|1|ST|GLU||= 5.4", "5.4", "", "= 5.4"),
        (b"OBX|1|NM|GLU||1.250,8", "1250.8", "", "1.250,8"),
        (b"OBX|1|NM|GLU||12,345,678.90", "12345678.90", "", "12,345,678.90"),
        (b"OBX|1|NM|GLU||1.25,08,3", None, "", "1.25,08,3"),
        (b"OBX|1|NM|GLU||1,234", "1.234", "", "1,234"),
        (b"OBX|1|SN|GLU||>=^100", "100", ">=", ">=100"),
        (b"OBX|1|ST|GLU||+++", None, "", "+++"),
        (b"OBX|1|SN|TIT||^1^:^128", None, "", "1:128"),
        (b"OBX|1|NM|GLU||27~25", None, "", "27\n25"),
        (rb"OBX|1|TX|GLU||a\F\b\.br\c\E\d", None, "", "a|b\nc\\d"),
        (rb"OBX|1|ST|GLU||X\X1C\Y", None, "", "X\x1cY"),
        (rb"OBX|1|ST|GLU||\Q\ \.sp+x\ \X0\ ", None, "", r"\Q\ \.sp+x\ \X0" + "\\"),
        (b"OBX|1|CWE|GLU||260^khong thay^SCT", None, "", "khong thay"),
    ],
)
def test_a_value_is_read_by_its_type(obx: bytes, number: str | None, comparator: str, text: str) -> None:
    result = one(obx)
    assert (result.number, result.comparator, result.text) == (number and Decimal(number), comparator, text)
    if number:
        assert str(result.number) == number


def test_an_observation_is_read_whole() -> None:
    result = one(b"OBX|3|NM|2345-7^Glucose^LN|s1|5.4|mmol/L^^UCUM|3.9 - 6.4|H~A|||C|||20261121080000+0900||op||dev7")
    assert (result.code.code, result.code.system, result.sub_id) == ("2345-7", "LN", "s1")
    assert (result.unit, result.reference, result.flags) == ("mmol/L", "3.9 - 6.4", ("H", "A"))
    assert (result.status, result.operator, result.device) == ("C", "op", "dev7")
    assert result.at == datetime(2026, 11, 20, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("segments", "orders"),
    [
        (["OBR|1|T1||A", "ORC|RE", "OBX|1|NM|GLU||5"], [("T1", 1)]),  # ORC after its OBR
        (["OBR|1|||A", "ORC|RE|T1|F1", "OBX|1|NM|GLU||5"], [("T1", 1)]),
        (["ORC|RE|T1", "OBR|1|||A", "ORC|RE|T2", "OBR|2|||B", "OBX|1|NM|GLU||5"], [("T1", 0), ("T2", 1)]),
        (["ORC|RE|T1", "OBX|1|NM|GLU||5", "ORC|RE|T2", "OBX|1|NM|GLU||6"], [("T1", 1), ("T2", 1)]),
        (["SPM|1|T1", "OBR|1|||A", "OBX|1|NM|GLU||5", "OBR|2|||B", "OBX|1|NM|UREA||6"], [("T1", 1), ("T1", 1)]),
        (["OBR|1|||A", "SPM|1|T1", "OBX|1|NM|GLU||5", "OBR|2|||B", "OBX|1|NM|K||6", "SPM||T2"], [("T1", 1), ("T2", 1)]),
        (["OBX|1|NM|GLU||5", "PID|1", "ZXX|1|2"], [("", 1)]),
    ],
)  # fmt: skip
def test_segments_stand_in_another_order(segments: list[str], orders: list[tuple[str, int]]) -> None:
    read = wire.read(MSH + "\r".join(segments).encode() + b"\r")
    assert [(next(iter(one.keys), ""), len(one.results)) for one in read.orders] == orders


def test_a_sender_chooses_its_own_signs() -> None:
    usual = MSH + rb"OBR|1|P&Q^R|F\T\1|GLU" + b"\r" + rb"OBX|3|ST|2345-7^Glucose^LN||a\F\b&c^d~e\S\f|g/L^^UCUM||H~A"
    for signs in (rb"|^~\&", b"#@*!+"):
        message = wire.read(usual.translate(bytes.maketrans(rb"|^~\&", signs)))
        field, component, _, _, sub = signs.decode()
        result = message.results[0]
        assert message.orders[0].keys == ["P", f"F{sub}1"]
        assert (result.code.code, result.code.text, result.code.system) == ("2345-7", "Glucose", "LN")
        assert result.text == f"a{field}b{sub}c{component}d\ne{component}f"
        assert (result.unit, result.flags) == ("g/L", ("H", "A"))


def test_orders_keep_their_tubes_results_and_notes_apart() -> None:
    message = wire.read(
        MSH + b"PID|1||ID1^^^X~ID2\rORC|RE|P1|F1\rOBR|1|P1|F1|CBC\rNTE|1||order\rOBX|1|NM|WBC||5\rNTE|1||first\r"
        b"SPM|1|T1&x^T2\r"
        b"OBX|1|ST|COLOR||red\rOBR|2|P2||GLU\rOBX|1|NM|GLU||6\r"
    )
    assert message.patient_ids == ["ID1", "ID2"]
    assert [o.keys for o in message.orders] == [["T1", "T2", "P1", "F1"], ["P2"]]
    assert [[r.code.code for r in o.results] for o in message.orders] == [["WBC"], ["GLU"]]
    assert (message.orders[0].notes, message.orders[0].results[0].notes) == (["order"], ("first",))
    assert [r.code.code for r in message.orders[0].specimen_results] == ["COLOR"]


def test_the_tube_of_an_oul_stands_before_its_orders() -> None:
    msh = MSH.replace(b"ORU^R01", b"OUL^R22^OUL_R22")
    message = wire.read(
        msh + b"SPM|1|T1\rSAC|||C1\rOBR|1|P1||GLU\rOBX|1|NM|GLU||6\rSPM|2|T2\rOBR|1|P2||GLU\rOBX|1|NM|GLU||7\r"
    )
    assert [o.keys for o in message.orders] == [["T1", "C1", "P1"], ["T2", "P2"]]


@pytest.mark.parametrize(
    ("message", "ack", "condition", "place"),
    [
        (b"PID|1", "AR", "100", "MSH"),
        (b"", "AR", "100", "MSH"),
        (b"MSH", "AR", "100", "MSH"),
        (MSH.replace(b"|77|", b"||"), "AR", "101", "MSH^1^10"),
        (MSH.replace(b"2.5.1", b"9.9"), "AR", "203", "MSH^1^12"),
        (MSH.replace(b"ORU", b"ZZZ"), "AR", "200", "MSH^1^9"),
        (MSH.replace(b"R01", b"R99"), "AR", "201", "MSH^1^9"),
        (MSH.replace(b"UNICODE UTF-8", b"KLINGON"), "AE", "103", "MSH^1^18"),
        (MSH.replace(rb"^~\&", b"^&&"), "AR", "100", "MSH"),
        (MSH, "AE", "100", "OBR"),
        (MSH + b"OBR|1|P\r", "AE", "100", "OBX"),
        (MSH + b"PID|||||\xd4\r", "AE", "102", "PID"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_place(message: bytes, ack: str, condition: str, place: str) -> None:
    with pytest.raises(wire.Refused) as refused:
        wire.read(message)
    assert (refused.value.ack, refused.value.condition, refused.value.place) == (ack, condition, place)


def test_lines_may_end_as_in_the_field_and_text_may_go_over_lines() -> None:
    for end in (b"\r", b"\n", b"\r\n"):
        message = wire.read(MSH.rstrip() + end + b"OBR|1|P" + end + b"OBX|1|TX|A||one" + end + b"two" + end)
        assert message.results[0].text == "one\ntwo"


def test_a_name_in_pieces_is_composed() -> None:
    message = wire.read(MSH + "PID|1||1||NGUYÊ\u0303N^AN\rOBR|1|P\rOBX|1|NM|A||1\r".encode())
    assert message.patient_name == "NGUYỄN AN"


def test_an_acknowledgement_reads_back() -> None:
    header = wire.read_header(MSH.replace(b"|77|", rb"|7\F\7|"))
    ack = hl7.parse(wire.acknowledge(header, "AE", condition="102", place="OBX^1^5", words="a|b").decode())
    assert ack["MSA.F1"] == "AE"
    assert ack["MSA.F2"] == "7|7"
    assert (ack["MSH.F5"], ack["MSH.F6"], ack["MSH.F9.R1.C1"]) == ("A", "B", "ACK")
    assert (ack["ERR.F2.R1.C3"], ack["ERR.F3.R1.C1"], ack["ERR.F4"], ack["ERR.F8"]) == ("5", "102", "E", "a|b")
    old = wire.Header(version="2.3.1", control_id="1")
    assert b"\rERR|OBX^1^5^102&Data type error&HL70357\r" in wire.acknowledge(
        old, "AE", condition="102", place="OBX^1^5"
    )


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(noise: bytes) -> None:
    for message in wire.split(noise) + wire.split(MSH + noise):
        try:
            header = wire.read(message).header
        except wire.Refused as refused:
            header = refused.header or wire.Header()
        hl7.parse(wire.acknowledge(header, "AA").decode())


def test_every_public_result_message_is_answered(shared: Path) -> None:
    read = refused = 0
    for path in sorted((shared / "data/hl7v2").rglob("*.hl7")):
        for message in wire.split(path.read_bytes()):
            if b"|ORU^" not in message[:300] and b"|OUL^" not in message[:300]:
                continue
            obx = len([line for line in message.replace(b"\n", b"\r").split(b"\r") if line.startswith(b"OBX|")])
            try:
                found = wire.read(message)
            except wire.Refused as error:
                refused += 1
                assert (error.condition, obx) == ("100", 0)
            else:
                read += 1
                assert len(found.results) + sum(len(o.specimen_results) for o in found.orders) == obx
    assert (read, refused) == (14, 2)
