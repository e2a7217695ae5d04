"""What other modules may call: turn a Typst form and data into a PDF, answer with it, draw a QR code,
say an amount in words."""

from __future__ import annotations

import io
import re
import threading
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from django.http import HttpResponse

import tuetinh
from tuetinh.commons.documents.amounts import in_words
from tuetinh.commons.ui.api import PRINT_FONTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typst
    from django.http import HttpRequest

__all__ = ["PAPERS", "Paper", "in_words", "pdf", "qr", "qr_on_screen", "respond_pdf"]

Paper = Literal["A4", "A5", "80mm", "label"]
PAPERS: tuple[Paper, ...] = ("A4", "A5", "80mm", "label")
ROOT = Path(tuetinh.__file__).parent
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
_TEMPLATE = re.compile(r"[a-z_]+/[a-z0-9_]+\.typ")
_thread = threading.local()  # a compiler keeps what it has parsed, and serves one thread


def pdf(template: str, data: Mapping[str, Any], paper: Paper = "A4") -> bytes:
    """Set a form and return it as PDF/A-2b.

    template: `clinic/prescription.typ`, found in the templates of the module. data: what the form shows, as its `data`;
    dates are written dd/mm/yyyy, moments HH:MM dd/mm/yyyy in Hanoi, decimals as they are. paper: page size; 80mm is a
    roll, as long as its content; label is 50 × 30 mm.
    Raises FileNotFoundError for an unknown template and typst.TypstError for a mistake in it.
    """
    if paper not in PAPERS:
        message = f"no such paper: {paper}"
        raise ValueError(message)
    inputs = {"data": msgspec.json.encode(_written(data)).decode(), "paper": paper}
    document = _compiler().compile(
        input=str(_find(template)), root=str(ROOT), format="pdf", sys_inputs=inputs, pdf_standards="a-2b"
    )
    assert isinstance(document, bytes)  # noqa: S101 - a list only for formats of one file a page
    return document


def qr(text: str) -> str:
    """Draw a QR code as SVG, as large as its place, for a form (`image(bytes(data.qr))`) or a page."""
    import segno

    out = io.BytesIO()
    drawn = segno.make(text, error="m", micro=False)
    drawn.save(out, kind="svg", border=0, xmldecl=False, svgns=True, nl=False, omitsize=True)
    return out.getvalue().decode()


def qr_on_screen(text: str) -> str:
    """Draw a QR code as SVG to be read from a screen: large, dark on light with its margin also at night."""
    import segno

    out = io.BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(out, kind="svg", scale=5, border=4, light="#fff", xmldecl=False, svgns=True, nl=False)
    return out.getvalue().decode()


def respond_pdf(request: HttpRequest, document: bytes, name: str) -> HttpResponse:
    """Answer with a PDF to look at, or to keep when the address ends in `?download=1`. Nothing in between stores it."""
    kind = "attachment" if request.GET.get("download") else "inline"
    return HttpResponse(
        document,
        content_type="application/pdf",
        headers={
            "Content-Disposition": f"{kind}; filename*=UTF-8''{quote(name.removesuffix('.pdf'))}.pdf",
            "Cache-Control": "private, no-store",
        },
    )


def _written(value: object) -> Any:
    """Write dates, moments and decimals as the paper shows them, through all of the data."""
    if isinstance(value, dict):
        return {str(key): _written(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_written(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(HANOI).strftime("%H:%M %d/%m/%Y")
    if isinstance(value, date):
        return value.strftime("%d/%m/%Y")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value) if isinstance(value, (Decimal, float)) else _written(msgspec.to_builtins(value, enc_hook=str))


def _find(template: str) -> Path:
    """Path of a form inside the package; only a module's own name and a plain file name are looked for."""
    if _TEMPLATE.fullmatch(template):
        module, _, name = template.partition("/")
        for path in ROOT.glob(f"*/{module}/templates/{module}/{name}"):
            return path
    raise FileNotFoundError(template)


def _compiler() -> typst.Compiler:
    if not hasattr(_thread, "compiler"):
        if not PRINT_FONTS.is_dir():
            message = "page assets are not built: run python tools/assets/build.py"
            raise FileNotFoundError(message)
        import typst

        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(PRINT_FONTS)])
        _thread.compiler = typst.Compiler(root=str(ROOT), font_paths=fonts)
    compiler: typst.Compiler = _thread.compiler
    return compiler
