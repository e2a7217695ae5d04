"""An ECG as paper shows it: 25 mm a second, 10 mm a millivolt, as SVG."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

import tuetinh.care.imaging.library  # noqa: F401

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.waveforms import multiplex_array

from tuetinh.care.imaging.archive.syntaxes import CannotConvert

SPEED, GAIN = 25.0, 10.0  # mm a second, mm a millivolt
ROW, LEFT, TOP = 30.0, 8.0, 12.0  # mm
SECONDS: Final = 10.0  # of a strip
PAPER: Final = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM: Final = "II"
MOST_POINTS: Final = 6000  # of a strip
MOST_BYTES: Final = 64 * 2**20
_MILLIVOLTS: Final = {"uV": 1e-3, "mV": 1.0, "nV": 1e-6, "V": 1e3}
Strip = tuple[str, NDArray[np.float64]]


def drawn(dataset: Dataset) -> bytes:
    """The first group of a waveform object as SVG. Raises CannotConvert."""
    try:
        return _drawn(dataset).encode()
    except Exception as error:  # whatever the bytes lead it to
        raise CannotConvert(str(error)) from error


def _drawn(dataset: Dataset) -> str:
    group = dataset.WaveformSequence[0]
    values, rate = multiplex_array(dataset, 0, as_raw=False), float(group.SamplingFrequency)
    leads = {}
    for place, channel in enumerate(group.ChannelDefinitionSequence):
        unit = channel.ChannelSensitivityUnitsSequence[0].CodeValue
        leads[_name(channel, place)] = values[:, place] * _MILLIVOLTS[unit]
    rows = _rows(leads, rate)
    width, height = LEFT * 2 + SECONDS * SPEED, TOP * 2 + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width * 4:g}"'
        f' height="{height * 4:g}" font-family="sans-serif">',
        _paper(width, height),
    ]
    for place, row in enumerate(rows):
        middle = TOP + ROW * (place + 0.5)
        at = LEFT
        for name, samples in row:
            parts.append(f'<text x="{at + 1:g}" y="{middle - 9:g}" font-size="4">{escape(name)}</text>')
            parts.append(_curve(samples, rate, at, middle))
            at += SECONDS * SPEED / len(row)
    parts.append(f'<text x="{LEFT:g}" y="{height - 3:g}" font-size="4">25 mm/s · 10 mm/mV · {rate:g} Hz</text></svg>')
    return "".join(parts)


def _name(channel: Dataset, place: int) -> str:
    if label := channel.get("ChannelLabel"):
        return str(label)
    meaning = channel.ChannelSourceSequence[0].get("CodeMeaning", "") if channel.get("ChannelSourceSequence") else ""
    return str(meaning).removeprefix("Lead ").split(" (")[0] or f"#{place + 1}"


def _rows(leads: dict[str, NDArray[np.float64]], rate: float) -> list[list[Strip]]:
    """Three rows of four leads and the rhythm, where all twelve are there; else a row for each lead."""
    if not {name for row in PAPER for name in row} <= set(leads):
        return [[(name, samples[: int(SECONDS * rate)])] for name, samples in leads.items()]
    part = int(SECONDS * rate / 4)
    rows = [[(name, leads[name][part * at : part * (at + 1)]) for at, name in enumerate(row)] for row in PAPER]
    return [*rows, [(RHYTHM, leads[RHYTHM][: int(SECONDS * rate)])]]


def _curve(samples: NDArray[np.float64], rate: float, left: float, middle: float) -> str:
    step = max(len(samples) // MOST_POINTS, 1)
    points = " ".join(
        f"{left + place * SPEED / rate:.2f},{middle - value * GAIN:.2f}"
        for place, value in enumerate(samples)
        if place % step == 0
    )
    return f'<polyline fill="none" stroke="#111" stroke-width="0.3" stroke-linejoin="round" points="{points}"/>'


def _paper(width: float, height: float) -> str:
    fine = "M1 0V5M2 0V5M3 0V5M4 0V5M0 1H5M0 2H5M0 3H5M0 4H5"
    return (
        '<defs><pattern id="mm" width="5" height="5" patternUnits="userSpaceOnUse">'
        f'<path d="{fine}" stroke="#f3c6c6" stroke-width="0.1"/>'
        '<path d="M0 0H5M0 0V5" stroke="#e08f8f" stroke-width="0.2"/>'
        f'</pattern></defs><rect width="{width:g}" height="{height:g}" fill="#fffafa"/>'
        f'<rect width="{width:g}" height="{height:g}" fill="url(#mm)"/>'
    )
