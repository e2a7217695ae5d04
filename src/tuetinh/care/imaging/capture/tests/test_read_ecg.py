"""SCP-ECG and HL7 aECG give the very samples that the machine wrote; what cannot be read is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.care.imaging.capture.ecg import wire_aecg, wire_scp
from tuetinh.care.imaging.capture.ecg.curves import LEADS, Curves
from tuetinh.care.imaging.capture.faults import WrongCurves
from tuetinh.care.imaging.capture.tests.conftest import Samples, aecg, curves, scp


def same(found: Curves, leads: dict[str, Samples]) -> bool:
    return all(np.array_equal(found.leads[name], samples) for name, samples in leads.items())


@pytest.mark.parametrize("huffman", ["default", "own", ""])
@pytest.mark.parametrize("difference", [0, 1, 2])
def test_an_scp_record(huffman: str, difference: int) -> None:
    leads = curves(2)
    found = wire_scp.read(scp(leads, huffman=huffman, difference=difference))
    assert same(found, leads)
    assert list(found.leads) == list(LEADS), "the limb leads that are reckoned are there, in the order of paper"
    assert np.array_equal(found.leads["III"], leads["II"] - leads["I"])
    assert (found.rate, found.unit, found.name, found.birth) == (500.0, 5.0, "Nguyễn Văn Ánh", "19800229")
    assert found.at is not None and found.at.isoformat() == "2026-11-02T08:15:00+07:00"


@given(st.lists(st.integers(-32768, 32767), min_size=3, max_size=40))
def test_any_samples_by_the_default_table(numbers: list[int]) -> None:
    leads = {"I": np.array(numbers, np.int64)}
    assert same(wire_scp.read(scp(leads, difference=0)), leads)


def test_a_published_ecg(shared: Path) -> None:
    """PTB s0010_re (ODC-By), whose first eight leads are told apart by its header."""
    folder = shared / "data" / "ml" / "ecg_wfdb"
    head = (folder / "s0010_re.hea").read_text().splitlines()[1:]
    names = [row.split()[-1] for row in head if row.startswith("s0010_re.dat")]
    data = np.fromfile(folder / "s0010_re.dat", "<i2").reshape(-1, len(names))[:2000]
    by_name = {name: data[:, place].astype(np.int64) for place, name in enumerate(names)}
    leads = {name: by_name[name.lower()] for name in ("I", "II", "V1", "V6")}
    assert same(wire_scp.read(scp(leads, rate=1000)), leads)
    assert same(wire_aecg.read(aecg(leads, rate=1000)), leads)


def test_an_aecg_document() -> None:
    leads = curves(2)
    found = wire_aecg.read(aecg(leads))
    assert same(found, leads) and list(found.leads) == list(LEADS)
    assert (found.rate, found.unit, found.name, found.birth) == (500.0, 5.0, "Nguyễn Văn Ánh", "19800229")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:200],
        lambda data: data[:-500],
        lambda data: data[:6] + bytes(200) + data[206:],
    ],
)
def test_broken_scp(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(WrongCurves):
        wire_scp.read(spoil(scp(curves(1))))


@pytest.mark.parametrize("told", [{"flags": 5}, {"bimodal": 1}])
def test_kinds_of_scp_that_are_not_read(told: dict[str, int]) -> None:
    with pytest.raises(WrongCurves):
        wire_scp.read(scp(curves(1), **told))


@pytest.mark.parametrize(
    ("what", "by"),
    [
        (b"</AnnotatedECG>", b""),
        (b'unit="uV"', b'unit="kg"'),
        (b"MDC_ECG_LEAD_", b"MDC_OTHER_"),
        (b"<digits>", b"<digits>x "),
        (b'<increment value="0.002"', b'<increment value="0"'),
    ],
)
def test_broken_aecg(what: bytes, by: bytes) -> None:
    data = aecg(curves(1))
    assert what in data
    with pytest.raises(WrongCurves):
        wire_aecg.read(data.replace(what, by))


def test_no_entity_is_followed() -> None:
    bad = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><AnnotatedECG'
    data = re.sub(rb"<\?xml.*?\?><AnnotatedECG", bad, aecg(curves(1), name="&x;"))
    assert wire_aecg.read(data).name == "&x;"
