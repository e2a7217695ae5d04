"""HL7 v2.x to machines: answers to their questions (DSR, RSP), and orders that they are sent (ORM, OML).

QRY^Q02 is answered as chemistry analysers of the 2.3.1 generation expect: QCK^Q02, and where there is something DSR^Q03
with its lines in DSP. QBP^Q11 is answered with RSP^K11 (chapter 5), whose segments are those of an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from uuid import uuid4

from tuetinh.care.lab.machines.drivers import Driver
from tuetinh.care.lab.machines.messages import Header, Query
from tuetinh.care.lab.machines.wire_hl7v2 import VERSIONS, escape
from tuetinh.care.lab.machines.wire_lis2 import Ask

LAW: Final = "IHE_LABTF"  # names the question of IHE's Laboratory Analytical Workflow
SEPARATOR: Final = b"\x1c\r\x0b"  # between two messages of one answer: each goes in a frame of its own


def reply(header: Header, query: Query, asks: Sequence[Ask], driver: Driver | None = None) -> bytes:
    """Answer a question of a machine. Two messages are parted by SEPARATOR."""
    if header.type == "QRY":
        return _dsr(header, query, asks)
    queries = driver.description.queries if driver else None
    # IHE LAB TF-2b, 3.27 (LAW): the answer only says whether there are orders, which come by themselves.
    apart = header.event == "WOS" or query.name.system == LAW or bool(queries and queries.answer == "oml")
    answer = _rsp(header, query, asks, whole=not apart)
    return SEPARATOR.join([answer, *(order(ask, header, "oml") for ask in asks if apart)])


def _now() -> str:
    return datetime.now(UTC).astimezone(timezone(timedelta(hours=7))).strftime("%Y%m%d%H%M%S")


def _msh(header: Header, kind: str) -> str:
    version = header.version if header.version in VERSIONS else "2.5.1"
    names = (header.receiver or "TUETINH", header.receiver_facility, header.application, header.facility)
    told = "|".join(escape(name) for name in names)
    return (
        rf"MSH|^~\&|{told}|{_now()}||{kind}|{uuid4().hex[:20]}|{header.processing or 'P'}|{version}||||||UNICODE UTF-8"
    )


def _joined(*segments: str) -> bytes:
    return "".join(f"{segment}\r" for segment in segments).encode()


def _dsr(header: Header, query: Query, asks: Sequence[Ask]) -> bytes:
    control, status = escape(header.control_id), "OK" if asks else "NF"
    told = f"MSA|AA|{control}|Message accepted|||0", "ERR|0", f"QAK|SR|{status}|"
    answer = _joined(_msh(header, "QCK^Q02"), *told)
    specimen = escape(query.keys[0]) if query.keys else ""
    asked = f"QRD|{_now()}|R|D|{escape(query.tag)}|||RD|{specimen}|OTH|||T|"
    for place, ask in enumerate(asks, 1):
        lines = {
            3: ask.name, 4: ask.birth.replace("-", ""), 5: {"male": "M", "female": "F"}.get(ask.sex, "O"),
            21: ask.specimen, 22: ask.specimen, 23: _now(), 24: "Y" if ask.urgent else "N", 26: "serum",
        } | {29 + n: f"{code}^^^" for n, code in enumerate(ask.codes)}  # fmt: skip
        numbers = range(1, 29 + len(ask.codes))
        dsp = [f"DSP|{n}||{lines.get(n, '') if n >= 29 else escape(lines.get(n, ''))}||" for n in numbers]
        more = f"DSC|{place if place < len(asks) else ''}|"
        answer += SEPARATOR + _joined(_msh(header, "DSR^Q03"), *told, asked, "QRF||||||RCT|COR|ALL||", *dsp, more)
    return answer


def _rsp(header: Header, query: Query, asks: Sequence[Ask], *, whole: bool) -> bytes:
    status = "OK" if asks else "NF"
    said = query.name
    name = "^".join(escape(part) for part in (said.code or "WOS", said.text or "Work Order Step", said.system) if part)
    event = "K11"
    segments = [
        _msh(header, f"RSP^{event}^RSP_K11"),
        f"MSA|AA|{escape(header.control_id)}",
        f"QAK|{escape(query.tag)}|{status}|{name}",
        f"QPD|{name}|{escape(query.tag)}|{'~'.join(escape(key) for key in query.keys)}",
    ]
    if whole:
        for ask in asks:
            segments += [_pid(ask), *_tests(ask, "NW")]
    return _joined(*segments)


def _pid(ask: Ask) -> str:
    sex = {"male": "M", "female": "F"}.get(ask.sex, "U")
    return f"PID|1||{escape(ask.patient)}||{escape(ask.name)}||{ask.birth.replace('-', '')}|{sex}"


def _tests(ask: Ask, control: str, *, specimen: bool = False) -> list[str]:
    number, quality = escape(ask.specimen), "S" if ask.urgent else "R"
    made = [f"SPM|1|{number}||", f"SAC|||{number}"] if specimen else []
    for place, code in enumerate(ask.codes, 1):
        made.append(f"ORC|{control}|{number}|||SC||||{_now()}" if specimen else f"ORC|{control}|{number}")
        made += [f"TQ1|||||||||{quality}"] if specimen else []
        made.append(f"OBR|{place}|{number}||{escape(code)}^{escape(code)}^L|{quality}")
    return made


def order(ask: Ask, header: Header, form: str) -> bytes:
    """An order to a machine: `orm` ORM^O01, `oml` OML^O33 with its specimen. header: as the machine calls itself."""
    control = "CA" if ask.cancelled else "NW"
    if form == "oml":
        newer = header.version if header.version >= "2.5" else "2.5.1"
        known = Header(**{n: getattr(header, n) for n in Header.__slots__} | {"version": newer})
        return _joined(_msh(known, "OML^O33^OML_O33"), _pid(ask), *_tests(ask, control, specimen=True))
    return _joined(_msh(header, "ORM^O01"), _pid(ask), *_tests(ask, control))
