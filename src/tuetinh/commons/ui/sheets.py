"""Tables as XLSX."""

from __future__ import annotations

import io
from typing import Any, Final

SHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
"""The media type."""


def workbook(title: str, above: list[str], heads: list[str], lines: list[list[Any]]) -> bytes:
    """A table as XLSX: numbers as numbers, words of people never as formulas."""
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = f"B{len(above) + 2}"
    sheet.column_dimensions["A"].width = 36
    for head in above:
        sheet.append([head])
    bold = [WriteOnlyCell(sheet, value=head) for head in heads]
    for cell in bold:
        cell.font = Font(bold=True)
    sheet.append(bold)
    for cells in lines:
        sheet.append(
            [f"'{one}" if isinstance(one, str) and one.startswith(("=", "+", "-", "@")) else one for one in cells]
        )
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
