"""A form becomes a PDF of the right size whose Vietnamese can be read back."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from tuetinh.commons.documents.api import Paper, pdf, qr, respond_pdf

if TYPE_CHECKING:
    from django.test import RequestFactory

DATA = {
    "facility": {"name": "Trung tâm Y tế huyện Than Uyên", "above": "Sở Y tế tỉnh Lai Châu", "phone": "0213 3784 115"},
    "patient": {"name": "Lò Thị Pâng", "number": "26-000123"},
    "rows": [
        {"label": "Chẩn đoán", "value": "Tăng huyết áp vô căn (nguyên phát) ạảấầẩẫậắằẳẵặ ẹẻẽếềểễệ ơờởỡợ ưừửữự ỳỷỹỵ đĐ"}
    ],
    "total": Decimal(1234567),
    "day": date(2026, 11, 21),
    "at": datetime(2026, 11, 21, 3, 5, tzinfo=UTC),
    "qr": qr("26-000123"),
}
MILLIMETRES = 25.4 / 72


def text_of(document: bytes) -> str:
    """All text of a PDF, one space between words."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(document)).pages).split())


@pytest.mark.parametrize(
    ("paper", "width", "height"), [("A4", 210, 297), ("A5", 148, 210), ("80mm", 80, None), ("label", 50, 30)]
)
def test_page_has_the_size_of_the_paper(paper: Paper, width: int, height: int | None) -> None:
    box = PdfReader(io.BytesIO(pdf("documents/sample.typ", DATA, paper))).pages[0].mediabox
    assert round(float(box.width) * MILLIMETRES) == width
    if height:
        assert round(float(box.height) * MILLIMETRES) == height


@pytest.mark.parametrize("paper", ["A4", "A5", "80mm"])
def test_vietnamese_comes_back_from_the_pdf(paper: Paper) -> None:
    text = text_of(pdf("documents/sample.typ", DATA, paper))
    for phrase in (
        "Than Uyên",
        "PHIẾU MẪU",
        "ạảấầẩẫậắằẳẵặ ẹẻẽếềểễệ",
        "ưừửữự ỳỷỹỵ đĐ",
        "1.234.567 ₫",
        "21/11/2026",
        "10:05",
    ):
        assert phrase.casefold() in text.casefold(), phrase
    assert ("Độc lập - Tự do - Hạnh phúc" in text) is (paper != "80mm")


def test_fonts_are_ours_and_inside() -> None:
    fonts: dict[str, bool] = {}
    for page in PdfReader(io.BytesIO(pdf("documents/sample.typ", DATA, "A4"))).pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            descendant = font.get_object()["/DescendantFonts"][0].get_object()
            name = descendant["/BaseFont"].split("+")[-1]
            fonts[name.split("-")[0]] = any(key.startswith("/FontFile") for key in descendant["/FontDescriptor"])
    assert fonts == {"Tinos": True}


def test_it_is_pdf_a() -> None:
    assert b"<pdfaid:part>2</pdfaid:part>" in pdf("documents/sample.typ", DATA, "A5")


@pytest.mark.parametrize(
    "name", ["documents/none.typ", "../../etc/passwd", "documents/../documents/sample.typ", "sample.typ"]
)
def test_only_forms_of_modules_are_set(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        pdf(name, DATA)


def test_missing_facts_leave_the_form_standing() -> None:
    assert "PHIẾU MẪU" in text_of(pdf("documents/sample.typ", {}, "A4"))


def test_text_is_never_markup() -> None:
    text = text_of(pdf("documents/sample.typ", {"rows": [{"label": "Ghi chú", "value": "#panic() *x* $y$ [z]"}]}, "A4"))
    assert "#panic() *x* $y$ [z]" in text


def test_answer_is_shown_or_kept_but_never_stored(rf: RequestFactory) -> None:
    shown = respond_pdf(rf.get("/x"), b"%PDF", "Đơn thuốc")
    kept = respond_pdf(rf.get("/x?download=1"), b"%PDF", "Đơn thuốc")
    assert shown["Content-Disposition"] == "inline; filename*=UTF-8''%C4%90%C6%A1n%20thu%E1%BB%91c.pdf"
    assert kept["Content-Disposition"].startswith("attachment;")
    assert shown["Cache-Control"] == "private, no-store"
    assert shown["Content-Type"] == "application/pdf"
