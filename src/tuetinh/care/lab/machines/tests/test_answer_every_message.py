"""Every public HL7 v2 message gets the acknowledgement that the standard asks for, and none is lost."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines import wire_hl7v2 as wire
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Message

MSH = rb"MSH|^~\&|A|B|C|D|20261121||ORU^R01|77|P|2.5.1||||||"


def expected(message: bytes) -> str:
    """What a message deserves, told by another reading of it than the product's."""
    lines = [line for line in re.split(rb"[\r\n]+", message) if line]
    fields = lines[0].split(lines[0][3:4])
    kind, control, version = (fields[n] if n < len(fields) else b"" for n in (8, 9, 11))
    if len(set(fields[1][:3])) < 3:  # one encoding character for two things
        return "AR"
    if not lines[0].startswith(b"MSH") or not (kind and control and version.strip()):
        return "AR"
    name = re.split(rb"[\^]", kind)[0]
    if name == b"ADT":
        return "AA"
    if name not in (b"ORU", b"OUL"):
        return "AR"
    return "AA" if any(line.startswith(b"OBX|") for line in lines) else "AE"


@pytest.mark.django_db
def test_every_message_of_every_file_is_answered_and_kept(shared: Path) -> None:
    paths = sorted((shared / "data/hl7v2").rglob("*.hl7"))
    told: Counter[str] = Counter()
    for path in paths:
        messages = wire.split(path.read_bytes())
        answer = inbox.take(Frame(path.read_bytes()), "10.0.0.1")
        if not messages:
            assert answer is None, path.name
            continue
        codes = re.findall(r"\rMSA\|(A[AER])\|", (answer or b"").decode())
        assert codes == [expected(m) for m in messages], path.name
        told.update(codes)
    assert len(paths) == 179
    assert sum(told.values()) == sum(Message.objects.values_list("copies", flat=True))


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        (b"UNICODE UTF-8", "Lò Thị Pâng".encode(), "Lò Thị Pâng"),
        (b"", "Lò Thị Pâng".encode(), "Lò Thị Pâng"),
        (b"8859/1", "Håkon µmol".encode("latin-1"), "Håkon µmol"),
        (b"", "Đỗ Văn Tú".encode("cp1258", "replace").replace(b"?", b""), None),
        (b"", b"Nguy\xea\xden \xd0\xf5", "Nguyễn Đơ"),  # Vietnamese Windows without a word about it
        (b"", b"\xd2\x8a\xb5", "Ò\x8aµ"),  # bytes that Windows-1258 has not: Latin-1
        (b"iso-8859-1", "µmol".encode("latin-1"), "µmol"),
        (b"ISO_IR 192", "ấy".encode(), "ấy"),
        (b"GBK", "阴性".encode("gbk"), "阴性"),
        (b"WINDOWS-1258", b"ho\xe0 l\xe0ng", "hoà làng"),
        (b"unicode utf-8~ASCII", "ấy".encode(), "ấy"),  # MSH-18 repeats: the first holds
    ],
)
def test_text_is_read_by_its_charset_or_the_likeliest(charset: bytes, raw: bytes, text: str | None) -> None:
    message = wire.read(MSH + charset + b"\rOBR|1|P\rOBX|1|ST|A||" + raw + b"\r")
    if text is not None:
        assert message.results[0].text == text


@pytest.mark.parametrize(
    ("sent", "unit"),
    [
        (b"10^9/L", "10^9/L"),
        (b"x10^3/uL", "x10^3/uL"),
        (b"mmol/L^^UCUM", "mmol/L"),
        (b"10\\S\\9/L", "10^9/L"),
        (b"", ""),
    ],
)
def test_a_unit_is_read_though_it_was_not_escaped(sent: bytes, unit: str) -> None:
    assert wire.read(MSH + b"\rOBR|1|P\rOBX|1|NM|A||1|" + sent + b"\r").results[0].unit == unit


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (b"NM", b"5.4", "5.4"),
        (b"NM", b"----", ""),
        (b"NM", b"5.4*", "5.4*"),
        (b"SN", b"<^0.5", "<0.5"),
        (b"SN", b"^2^-^5", "2-5"),
        (b"ST", b"A~B", "A\nB"),
        (b"TX", b"line~line", "line\nline"),
        (b"FT", rb"one\.br\two", "one\ntwo"),
        (b"CE", b"POS^Positive^L", "Positive"),
        (b"CWE", b"^^^NEG^Negative^L", "Negative"),
        (b"ED", b"^IM^PNG^Base64^AAAA", "IM PNG"),
        (b"RP", b"\\\\srv\\T\\x^LAB^IM^PDF", "LAB IM"),
        (b"DT", b"20261121", "20261121"),
        (b"TM", b"0830", "0830"),
        (b"TS", b"20261121083000", "20261121083000"),
        (b"", b"", ""),
    ],
)
def test_every_type_of_value_is_read(kind: bytes, value: bytes, text: str) -> None:
    message = wire.read(MSH + b"\rOBR|1|P\rOBX|1|" + kind + b"|A||" + value + b"|||||||||C\r")
    assert message.results[0].text == text


@pytest.mark.django_db
@pytest.mark.parametrize("msa", [b"MSA|AA|12\r", b"MSA|AA\r", b"MSA\r", b""])
def test_an_acknowledgement_is_kept_and_never_acknowledged(msa: bytes) -> None:
    ack = MSH.replace(b"ORU^R01", b"ACK^R01") + b"\r" + msa
    assert inbox.take(Frame(ack), "") is None
    assert inbox.take(Frame(ack), "") is None
    assert list(Message.objects.values_list("state", "copies")) == [("noted", 2)]


@pytest.mark.django_db
def test_a_batch_gets_one_answer_with_one_acknowledgement_for_each() -> None:
    one, two = (MSH.replace(b"|77|", b"|%d|" % n) + b"\rOBR|1|P\rOBX|1|NM|A||1\r" for n in (1, 2))
    bad = MSH.replace(b"ORU^R01", b"ZZZ").replace(b"|77|", b"|3|") + b"\r"
    answer = inbox.take(Frame(b"FHS|^~\\&\rBHS|^~\\&\r" + one + bad + two + b"BTS|3\rFTS|1\r"), "") or b""
    assert re.findall(rb"\rMSA\|(A[AER])\|(\d)", answer) == [(b"AA", b"1"), (b"AR", b"3"), (b"AA", b"2")]
    assert answer.startswith(b"BHS|") and answer.endswith(b"BTS|3\r")
