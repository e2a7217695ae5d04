"""The low level of an instrument's line: framing, refusals, time-outs, contention, and bytes that are none of it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.care.lab.machines import wire_lis2
from tuetinh.care.lab.machines.messages import Refused
from tuetinh.care.lab.machines.wire_lis1 import Link
from tuetinh.care.lab.machines.wire_lis1_frames import ACK, CR, ENQ, EOT, ETX, LF, NAK, STX, Text, checksum, frames

MESSAGE = b"H|\\^&|||T\rP|1\rO|1|S1\rR|1|^^^GLU|5.4|mmol/L\rL|1|N\r"


def drain(link: Link, now: float, *, kept: bool = True) -> tuple[list[Text], bytes]:
    texts, out = [], link.take()
    while link.held:
        texts.append(link.held)
        link.answer(kept=kept, now=now)
        out += link.take()
    return texts, out


def play(writes: list[bytes], *, numbered: bool = True) -> tuple[list[Text], bytes]:
    """Everything that a host keeps and answers, also after the line fell silent and ended."""
    link, now, texts, out = Link(numbered=numbered), 0.0, [], b""
    steps = [*((link.receive, write) for write in writes), (link.tick, None), (link.tick, None), (link.close, None)]
    for do, data in steps:
        now += 0.0 if data is not None else 31.0
        do(data, now) if data is not None else do(now)  # type: ignore[call-arg,arg-type]
        more, answered = drain(link, now)
        texts, out = texts + more, out + answered
    return texts, out


# What a host answers to each session, and what it has then: fault and number of results of each text.
EDGES = {
    "01_one_record_per_frame.bin": (ACK * 7, [("", 2)]),
    "02_all_records_one_frame.bin": (ACK * 2, [("", 2)]),
    "03_multi_frame_ETB.bin": (ACK * 4, [("", 2)]),
    "04_bad_checksum_then_retry.bin": (ACK + NAK + ACK * 6, [("", 2)]),
    "05_lowercase_checksum.bin": (ACK * 2, [("", 2)]),
    "06_wrong_frame_number.bin": (ACK * 2 + NAK, [("no-terminator", 0)]),
    "07_duplicate_frame.bin": (ACK * 8, [("", 2)]),
    "08_frame_number_wraps.bin": (ACK * 14, [("", 9)]),
    "09_no_EOT.bin": (ACK * 7, [("", 2)]),
    "10_ENQ_contention.bin": (ACK * 2, []),
    "11_no_L_record.bin": (ACK * 6, [("no-terminator", 0)]),
    "12_query_host.bin": (ACK * 4, [("", 0)]),
    "13_raw_no_framing.bin": (ACK, [("", 2)]),
    "14_utf8_name.bin": (ACK * 7, [("", 2)]),
    "15_custom_delimiters.bin": (ACK * 2, [("", 2)]),
    "16_qc_sample.bin": (ACK * 6, [("", 1)]),
}


def results(text: Text) -> int:
    try:
        return len(wire_lis2.read(text.payload).results)
    except Refused:
        return 0


@pytest.mark.parametrize("name", EDGES)
def test_every_session_is_answered_as_the_standard_says_however_it_is_cut(name: str, shared: Path) -> None:
    folder = shared / "data/astm/framing_edge_cases"
    case = next(c for c in json.loads((folder / "cases.json").read_text())["cases"] if c["file"] == name)
    data = (folder / name).read_bytes()
    cuts = [sum(case["writes"][:n]) for n in range(len(case["writes"]) + 1)]
    assert cuts[-1] == len(data)
    for writes in ([data[a:b] for a, b in pairwise(cuts)], [data], [data[n : n + 1] for n in range(len(data))]):
        texts, out = play(writes)
        assert (out, [(t.fault, results(t)) for t in texts]) == EDGES[name]


def test_the_table_of_sessions_is_whole(shared: Path) -> None:
    folder = shared / "data/astm/framing_edge_cases"
    assert {path.name for path in folder.glob("*.bin")} == set(EDGES)


def test_a_frame_is_made_as_the_standard_says() -> None:
    assert frames(b"L|1|N\r") == [b"\x021L|1|N\r\x03" + checksum(b"1L|1|N\r\x03") + b"\r\n"]
    made = frames(b"R|" + b"x" * 500 + b"\rL|1\r")
    assert [frame[1:2] + frame[-5:-4] for frame in made] == [b"1\x17", b"2\x17", b"3\x03", b"4\x03"]
    assert b"".join(frame[2:-5] for frame in made) == b"R|" + b"x" * 500 + b"\rL|1\r"
    assert [frame[1:2] for frame in frames(b"C|1\r" * 9)] == [b"%d" % (n % 8) for n in range(1, 10)]


def sending(host: bool = True) -> Link:
    link = Link(host=host)
    link.send(MESSAGE, "job", 0.0)
    assert link.take() == ENQ
    return link


def test_a_message_is_sent_frame_by_frame() -> None:
    link = sending()
    for frame in frames(MESSAGE):
        link.receive(ACK, 1.0)
        assert link.take() == frame
    link.receive(ACK, 1.0)
    assert link.take() == EOT
    assert [(o.token, o.sent) for o in link.outcomes] == [("job", True)]


def test_a_frame_is_sent_six_times_at_most() -> None:
    link = sending()
    link.receive(ACK, 1.0)
    for _ in range(5):
        assert link.take() == frames(MESSAGE)[0]
        link.receive(NAK, 1.0)
    assert link.take() == frames(MESSAGE)[0]
    link.receive(NAK, 1.0)
    assert link.take() == EOT
    assert [(o.token, o.sent) for o in link.outcomes] == [("job", False)]


def test_who_does_not_answer_is_left_after_fifteen_seconds() -> None:
    link = sending()
    link.tick(14.9)
    assert link.take() == b"" and link.outcomes == []
    link.tick(15.0)
    assert link.take() == EOT and not link.outcomes[0].sent


def test_the_host_yields_when_both_bid_and_bids_again_after_twenty_seconds() -> None:
    link = sending()
    link.receive(ENQ, 1.0)
    assert link.take() == b""
    link.receive(ENQ, 2.0)  # the instrument bids again, and has the line
    assert link.take() == ACK
    link.receive(b"".join(frames(MESSAGE)) + EOT, 3.0)
    texts, out = drain(link, 3.0)
    assert [t.payload for t in texts] == [MESSAGE] and out == ACK * 5
    link.tick(20.9)
    assert link.take() == b""
    link.tick(21.0)
    assert link.take() == ENQ


def test_an_instrument_that_yields_bids_again_after_a_second() -> None:
    link = sending(host=False)
    link.receive(ENQ, 1.0)
    link.tick(2.0)
    assert link.take() == ENQ


def test_a_busy_receiver_is_asked_again_after_ten_seconds() -> None:
    link = sending()
    link.receive(NAK, 1.0)
    link.tick(10.9)
    assert link.take() == b""
    link.tick(11.0)
    assert link.take() == ENQ


def test_nothing_is_acknowledged_before_it_is_kept_and_what_is_not_kept_is_asked_for_again() -> None:
    link = Link()
    whole = frames(MESSAGE)
    link.receive(ENQ + b"".join(whole), 0.0)
    assert link.take() == ACK * 5  # the establishment and all frames but the last
    assert link.held
    assert link.held.payload == MESSAGE
    link.answer(kept=False, now=0.0)
    assert link.take() == NAK
    link.receive(whole[-1], 1.0)
    link.answer(kept=True, now=1.0)
    assert link.take() == ACK
    link.receive(whole[-1], 1.0)  # our acknowledgement was lost
    assert link.take() == ACK and link.held is None


def test_a_session_that_stops_is_given_up_after_thirty_seconds_and_what_came_is_kept() -> None:
    link = Link()
    link.receive(ENQ + frames(MESSAGE)[0] + frames(MESSAGE)[1][:5], 0.0)
    link.take()
    link.tick(29.9)
    assert link.held is None
    link.tick(30.0)
    assert link.held == Text(b"H|\\^&|||T\rP|1", "no-end")
    link.answer(kept=True, now=30.0)
    link.receive(ENQ, 31.0)
    assert link.take() == ACK


def test_an_instrument_that_begins_anew_in_the_midst_is_heard() -> None:
    link = Link()
    link.receive(ENQ + frames(MESSAGE)[0] + frames(MESSAGE)[1][:3] + ENQ + b"".join(frames(MESSAGE)) + EOT, 0.0)
    texts, _ = drain(link, 0.0)
    assert [(t.fault, t.payload) for t in texts] == [("no-terminator", b"H|\\^&|||T\r"), ("", MESSAGE)]


def test_each_message_of_a_session_may_be_counted_from_one() -> None:
    body = b"1H|\\^&|||T\rP|1\rO|1|%d||^^^GLU\rR|1|^^^GLU|5.4\rL|1|N\r" + ETX
    first, second = (STX + body % n + checksum(body % n) + CR + LF for n in (1, 2))
    link = Link()
    link.receive(ENQ + first + first + second + EOT, 0.0)
    texts, told = drain(link, 0.0)
    assert texts == [Text(first[2:-5]), Text(second[2:-5])]
    assert told == ACK * 4  # the one sent twice is kept once


def test_frames_without_numbers_in_order_are_taken_from_those_that_send_so() -> None:
    shuffled = [STX + b"1" + f[2:-4] + checksum(b"1" + f[2:-4]) + CR + LF for f in frames(MESSAGE)]
    texts, out = play([ENQ, *shuffled, EOT], numbered=False)
    assert [t.payload for t in texts] == [MESSAGE] and out == ACK * 6
    texts, out = play([ENQ, *shuffled, EOT])
    assert out == ACK * 2 + NAK * 4


def test_a_talker_without_checksums_is_heard() -> None:
    texts, out = play([STX + b"24/10/29 13:08 ID# 7 Na 131 mmol/L" + ETX + LF])
    assert (texts, out) == ([Text(b"24/10/29 13:08 ID# 7 Na 131 mmol/L", proprietary=True)], ACK)
    link = Link()
    link.receive(STX + b"24/10/29 13:08 ID# 7 Na 131 mmol/L" + ETX, 0.0)
    assert link.held is None  # a checksum may follow
    assert link.deadline is not None and link.deadline < 1  # yet it waits for the answer
    link.tick(0.4)
    assert link.held


def test_a_checksum_that_is_late_is_awaited() -> None:
    frame = frames(MESSAGE)[0]
    for before in (b"", ENQ):
        link = Link()
        link.receive(before + frame[:-4], 0.0)
        link.tick(1.0)
        assert link.held is None
        link.receive(frame[-4:], 5.0)
        assert link.take() == ACK * (1 + len(before))


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([ENQ, EOT, ACK, NAK, STX, ETX, *frames(MESSAGE)]), max_size=30)
)
def test_no_bytes_confuse_the_line(writes: list[bytes]) -> None:
    link, now = Link(), 0.0
    for write in writes:
        link.receive(write, now)
        drain(link, now)
    link.tick(now + 31.0)
    drain(link, now + 31.0)
    link.tick(now + 62.0)
    drain(link, now + 62.0)
    link.receive(EOT + ENQ + b"".join(frames(MESSAGE)) + EOT, now + 63.0)
    texts, out = drain(link, now + 63.0)
    assert texts[-1] == Text(MESSAGE)
    assert out.endswith(ACK * 6)


@given(st.data())
def test_a_mutated_message_is_read_or_refused(data: st.DataObject) -> None:
    message = bytearray(MESSAGE)
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(message) - 1))
        message[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for part in wire_lis2.split(bytes(message)):
        try:
            assert isinstance(wire_lis2.read(part).orders, list)
        except Refused as refused:
            assert refused.condition
