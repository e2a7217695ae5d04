"""Histograms that machines send as numbers are drawn, with their discriminators, and printed with the results."""

from __future__ import annotations

import io
import re
import zlib
from base64 import b64encode
from pathlib import Path
from struct import pack

import pytest
from django.test import Client
from django.utils import translation
from pypdf import PdfReader

from tuetinh.care.lab import actions, api, prints
from tuetinh.care.lab.machines import inbox, wire_hl7v2, wire_lis2
from tuetinh.care.lab.machines.wire_lis1 import Link
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Message, Tube
from tuetinh.care.lab.results import drawing, pictures, validation

CBC = "22.0120.1370"
COUNTS = [0, 0, 3, 40, 255, 300, 120, 9, 0, 0]
HISTOGRAM = (
    "OBX|9|NM|15051^RBC Histogram. Left Line^99MRC||2||||||F\r"
    "OBX|10|NM|15052^RBC Histogram. Right Line^99MRC||?||||||F\r"
    "OBX|11|NM|15053^RBC Histogram. Binary Meta Length^99MRC||2||||||F\r"
    "OBX|12|ED|15050^RBC Histogram. Binary^99MRC||^Application^Octer-stream^Base64^{}||||||F\r"
)
HELD = b64encode(pack(">10H", *COUNTS)).decode()


def blood_count(number: str, more: str = "", *, control: str = "1") -> bytes:
    return (
        rf"MSH|^~\&|BC-5380|Mindray|||20210202151447||ORU^R01|{control}|P|2.3.1||||||UNICODE" + "\r"
        f"OBR|1||{number}|00001^Automated Count^99MRC\r"
        "OBX|1|IS|08001^Take Mode^99MRC||O||||||F\r"
        "OBX|2|NM|30525-0^Age^LN||34|yr|||||F\r"
        "OBX|3|NM|789-8^RBC^LN||4.84|10*12/L|3.50-5.50|N|||F\r"
        "OBX|4|IS|17790-7^WBC Left Shift?^LN||T||||||F\r"
        "OBX|5|IS|12045^Multiple alerts^99MRC||F||||||F\r" + more
    ).encode()


@pytest.fixture
def tube(world) -> Tube:
    actions.order_tests(world.doctor, world.encounter, (CBC,))
    return Tube.objects.latest("id")


def test_counts_are_read_by_their_width_and_their_discriminators() -> None:
    [order] = wire_hl7v2.read(blood_count("1", HISTOGRAM.format(HELD))).orders
    [curve] = order.curves
    assert (curve.title, curve.lines) == ("Biểu đồ RBC", (2.0,))
    assert curve.points == tuple(enumerate(COUNTS))
    assert [r.code.text for r in order.results] == ["RBC"]
    assert order.results[0].notes == ("Máy báo: WBC Left Shift?",)


@pytest.mark.parametrize("held", ["", "AAA", b64encode(b"\x01" * 3).decode(), b64encode(b"\0\1" * 20_001).decode()])
def test_counts_that_cannot_be_read_wait_for_a_person(held: str) -> None:
    [order] = wire_hl7v2.read(blood_count("1", HISTOGRAM.format(held))).orders
    assert order.curves == []
    assert [r.code.code for r in order.results] == ["789-8", "15050"]


@pytest.mark.django_db
def test_a_histogram_goes_with_the_report_and_on_its_sheet(world, tube: Tube) -> None:
    answer = inbox.take(Frame(blood_count(tube.number, HISTOGRAM.format(HELD))), "")
    assert answer and b"MSA|AA|1\r" in answer and b"ERR" not in answer
    assert Message.objects.get().state == "matched"
    validation.release(world.lab, tube.number)
    shown = [one for result in api.visit_results(world.doctor, world.encounter.id or "") for one in result.pictures]
    assert {(one.title, one.kind) for one in shown} == {("Biểu đồ RBC", "image/svg+xml")}
    with translation.override("en"):
        [result, *_] = api.visit_results(world.doctor, world.encounter.id or "")
    assert [one.title for one in result.pictures] == ["RBC histogram"]
    kind, drawn = pictures.content(world.doctor, shown[0].id)
    assert (kind, drawn.count(b"L")) == ("image/svg+xml", len(COUNTS) + 1)
    tube.refresh_from_db()
    [page] = PdfReader(io.BytesIO(prints.sheet(world.lab, tube))).pages
    assert "Biểu đồ RBC" in page.extract_text()


@pytest.mark.django_db
def test_the_page_of_a_curve_runs_nothing(client: Client, cast, tube: Tube) -> None:
    inbox.take(Frame(blood_count(tube.number, HISTOGRAM.format(HELD))), "")
    client.force_login(cast["lab"], backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(f"/lab/tubes/{tube.number}").content.decode()
    [address] = re.findall(r'<img src="([^"]+)" alt="Biểu đồ RBC"', page)
    answer = client.get(address)
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"


def captured(shared: Path) -> bytes:
    """The records of the H500, as those of a person."""
    link = Link(numbered=False)
    link.receive((shared / "data/astm/senaite_astm/yumizen_h500.txt").read_bytes(), 0.0)
    assert link.held
    return link.held.payload.replace(b"CTRL^^CTRL MEDIUM", b"").replace(b"|||||||Q|LIS2", b"|||||||P|LIS2")


def test_streams_of_numbers_are_read_with_their_axes(shared: Path) -> None:
    [order] = wire_lis2.read(captured(shared)).orders
    red, platelets, cells = order.curves
    assert (red.title, red.unit, len(red.points), red.lines) == ("Biểu đồ RBC", "fL", 254, ())
    assert (red.limits, red.ticks) == ((0.0, 278.0, 0.0, 726.0), (50.0, 100.0, 150.0))
    assert max(y for _, y in red.points) == 726.0
    assert [round(line, 2) for line in platelets.lines] == [3.29, 11.31, 28.27]
    assert (cells.dots, len(cells.points)) == (True, 5383)
    assert drawing.curve(cells).count(b"h0") == 5383


@pytest.mark.parametrize(
    "stream", ["", "FLOATLE-stream/deflate:base64^AAAA", "FLOATLE-stream/deflate:base64^*", "PNG^AAAA"]
)
def test_a_stream_that_cannot_be_read_is_left_with_the_message(stream: str) -> None:
    [order] = wire_lis2.read(streamed(stream)).orders
    assert (order.curves, len(order.results)) == ([], 1)


def streamed(*streams: str) -> bytes:
    """The records of an H500 with these streams of points."""
    lines = [r"H|\^&|||H500^1|||||||P|LIS2-A2|20230329110749", "P|1", "O|1|77||^^^DIF|R"]
    lines += [f"M|{n}|HISTOGRAM|RBC/PLT|RbcAlongRes||{stream}" for n, stream in enumerate(streams, 1)]
    return ("\r".join([*lines, "R|1|^^^MCV^787-2|90.6|um3", "L|1|N"]) + "\r").encode()


def deflated(*parts: bytes) -> str:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    made = b"".join([*map(deflate.compress, parts), deflate.flush()])
    return f"FLOATLE-stream/deflate:base64^{b64encode(made).decode()}"


def broken(part: bytes) -> str:
    """What can be inflated so far, and ends in a block of a kind that there is not."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    made = deflate.compress(part) + deflate.flush(zlib.Z_FULL_FLUSH) + b"\x07"
    return f"FLOATLE-stream/deflate:base64^{b64encode(made).decode()}"


AXES = pack("<12f", 0, 9, 0, 9, 0, 0, 2, 2, 1, 2, 5, 6)


def test_streams_of_a_message_are_inflated_only_so_far() -> None:
    small, bomb = deflated(AXES), deflated(*[bytes(1024 * 1024)] * 64)
    [order] = wire_lis2.read(streamed(small, small)).orders
    assert [one.points for one in order.curves] == [((1.0, 5.0), (2.0, 6.0))] * 2
    for large in (bomb, broken(bytes(1024 * 1024))):
        [order] = wire_lis2.read(streamed(small, large, small)).orders
        assert (len(order.curves), len(order.results)) == (1, 1)
