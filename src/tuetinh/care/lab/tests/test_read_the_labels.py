"""Labels are read back by a decoder from what they look like: on paper, and as a thermal printer draws them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zxingcpp

from tuetinh.care.lab import actions, prints
from tuetinh.care.lab.barcode import code128_svg, datamatrix_svg
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.samples import zpl
from tuetinh.care.lab.samples.zpl_preview import preview

NUMBER = "261129121040001"


def read(pdf: bytes, folder: Path) -> dict[str, str]:
    """The symbols on the first page of a PDF, by kind, seen at 300 dpi."""
    if not shutil.which("pdftoppm"):
        pytest.skip("pdftoppm (poppler-utils) is not on this machine")
    (folder / "label.pdf").write_bytes(pdf)
    subprocess.run(
        ["pdftoppm", "-gray", "-r", "300", str(folder / "label.pdf"), str(folder / "seen")],
        check=True,
    )
    [picture] = folder.glob("seen*.pgm")
    head, pixels = picture.read_bytes().split(b"\n255\n", 1)
    width, height = (int(number) for number in head.split()[1:3])
    grey = np.frombuffer(pixels, dtype=np.uint8).reshape(height, width)
    return {str(found.format): found.text for found in zxingcpp.read_barcodes(grey)}


@pytest.mark.peer
@pytest.mark.django_db
def test_both_symbols_of_a_paper_label_say_the_number(world, tmp_path: Path) -> None:
    actions.order_tests(world.doctor, world.encounter, ["23.0075.1494"], urgent=True)
    tube = Tube.objects.get()
    assert read(prints.label(world.lab, tube), tmp_path) == {"Code 128": tube.number, "Data Matrix": tube.number}


@pytest.mark.peer
def test_both_symbols_of_a_thermal_label_say_the_number(tmp_path: Path) -> None:
    import typst

    label = zpl.label(number=NUMBER, name="Lò ^Thị Pâng", about="Nữ · 1986", tests="Glucose, Urê", urgent=True)
    (tmp_path / "label.svg").write_text(preview(label), encoding="utf-8")
    (tmp_path / "label.typ").write_text('#set page(width: 50mm, height: 30mm, margin: 0mm)\n#image("label.svg")')
    assert read(typst.compile(str(tmp_path / "label.typ")), tmp_path) == {"Code 128": NUMBER, "Data Matrix": NUMBER}


def test_the_preview_shows_what_the_printer_is_told() -> None:
    drawn = preview(zpl.label(number=NUMBER, name="Lò ^Thị", about="Nữ", tests="Máu " * 40, urgent=False))
    assert 'viewBox="0 0 400 240"' in drawn and ">LÒ ^THỊ</text>" in drawn and drawn.count("<svg") == 3
    assert drawn.count(">Máu Máu") == 2  # two lines, and no more
    with pytest.raises(ValueError, match="no label"):
        preview("PJJ")


@pytest.mark.parametrize("draw", [code128_svg, datamatrix_svg])
@pytest.mark.parametrize("text", ["", "mẫu", "a\n"])
def test_a_barcode_takes_printable_ascii(draw, text: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        draw(text)


@pytest.mark.parametrize(("number", "dots"), [(NUMBER, 2), ("GP261210400002-A1", 2), ("GP261210400002-A1-3", 1)])
def test_a_long_number_has_narrower_bars(number: str, dots: int) -> None:
    assert f"^BY{dots}^BCN" in zpl.label(number=number, name="Lò", about="", tests="", urgent=False)
