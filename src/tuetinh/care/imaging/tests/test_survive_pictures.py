"""Broken pictures are refused or drawn somehow; no decoder ends the process that looks at them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DECODE = """
import random, sys
from io import BytesIO
from pathlib import Path
from pydicom.pixels import pixel_array
from tuetinh.care.imaging.archive.lenient import dcmread

data = Path(sys.argv[1]).read_bytes()
begin = data.find(b"\\xff\\xd8\\xff")
for seed in range(40):
    chance, broken = random.Random(seed), bytearray(data)
    if seed % 2:
        at = chance.randrange(begin, len(broken))
        broken[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice([1, 2, 100])))
    for _ in range(chance.choice([1, 3, 10])):
        broken[chance.randrange(begin, min(len(broken), begin + 700))] = chance.randrange(256)
    try:
        pixel_array(dcmread(BytesIO(bytes(broken))))
    except Exception:
        continue
print("alive")
"""


@pytest.mark.parametrize(
    "name", ["SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_jpeg_no_color_transform.dcm", "SC_rgb_jpeg_gdcm.dcm", "JPGExtended.dcm"]
)
def test_no_broken_jpeg_ends_the_process(name: str, shared: Path) -> None:
    path = shared / "data" / "dicom" / "pydicom_test_files" / name
    done = subprocess.run([sys.executable, "-c", DECODE, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-1000:]
