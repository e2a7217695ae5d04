"""What a thermal printer would draw of a label: the part of ZPL II that ours use, as SVG, a unit a dot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Final

from tuetinh.care.lab.barcode import code128_svg, datamatrix_svg

_FIELD: Final = re.compile(r"\^FO(\d+),(\d+)(.*?)\^FD(.*?)\^FS", re.DOTALL)
_SIZE: Final = re.compile(r"\^PW(\d+)\^LL(\d+)")
_FONT: Final = re.compile(r"\^A0N,(\d+),\d+")
_BLOCK: Final = re.compile(r"\^FB(\d+),(\d+)")
_HEX: Final = re.compile(r"((?:_[0-9A-F]{2})+)")
WIDE: Final = 0.55  # of a letter to its height


@dataclass(frozen=True, slots=True)
class _Field:
    x: int
    y: int
    commands: str
    data: str


def preview(zpl: str) -> str:
    """Draw one label. Raises ValueError for what is none of ours."""
    size = _SIZE.search(zpl)
    if not size or not zpl.startswith("^XA"):
        message = "no label"
        raise ValueError(message)
    width, height = size.groups()
    fields = [_Field(int(x), int(y), commands, _read(data)) for x, y, commands, data in _FIELD.findall(zpl)]
    drawn = "".join(_draw(one) for one in fields)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" class="lab-label" '
        f'font-family="sans-serif"><rect width="{width}" height="{height}" fill="#fff"/>{drawn}</svg>'
    )


def _read(data: str) -> str:
    """The text of a field, without the hexadecimal escapes of `^FH`."""
    return _HEX.sub(lambda found: bytes.fromhex(found[1].replace("_", "")).decode(), data)


def _draw(field: _Field) -> str:
    if match := re.search(r"\^BY(\d+)\^BCN,(\d+)", field.commands):
        module, high = int(match[1]), int(match[2])
        return _symbol(code128_svg(field.data), field, high=high, module=module)
    if match := re.search(r"\^BXN,(\d+)", field.commands):
        return _symbol(datamatrix_svg(field.data), field, module=int(match[1]))
    font = int(match[1]) if (match := _FONT.search(field.commands)) else 20
    block = _BLOCK.search(field.commands)
    lines = _broken(field.data, int(int(block[1]) / font / WIDE), int(block[2])) if block else [field.data]
    return "".join(
        f'<text x="{field.x}" y="{field.y + font * (place + 0.85):.0f}" font-size="{font}">{escape(line)}</text>'
        for place, line in enumerate(lines)
    )


def _symbol(svg: str, field: _Field, *, module: int, high: int = 0) -> str:
    wide, tall = (int(size) for size in re.search(r'width="(\d+)" height="(\d+)"', svg).groups())  # type: ignore[union-attr]
    size = f'x="{field.x}" y="{field.y}" width="{wide * module}" height="{high or tall * module}"'
    inner = svg[svg.index(">") + 1 :]
    return f'<svg {size} viewBox="0 0 {wide} {tall}" preserveAspectRatio="none">{inner}'


def _broken(text: str, letters: int, lines: int) -> list[str]:
    """Words over lines, as a text block of ZPL breaks them; what does not fit is left out."""
    found = [""]
    for word in text.split():
        if len(found[-1]) + len(word) + 1 > letters and found[-1]:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()[:letters]
    return found[:lines]
