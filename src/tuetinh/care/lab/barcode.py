"""Barcodes of labels as SVG: Code 128 (ISO/IEC 15417), which every analyser reads, and DataMatrix (ISO/IEC 16022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import zxingcpp


def code128_svg(text: str) -> str:
    """Draw a Code 128 with its quiet zones, to be stretched to any size. Raises ValueError for other than ASCII."""
    import zxingcpp

    return _drawn(text, zxingcpp.BarcodeFormat.Code128)


def code128_modules(text: str) -> int:
    """How wide a Code 128 is without its quiet zones, in modules: widths of its narrowest bar."""
    import zxingcpp

    image = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.Code128).to_image(scale=1, add_quiet_zones=False)
    return int(image.shape[1])


def datamatrix_svg(text: str) -> str:
    """Draw a DataMatrix with its quiet zone. Raises ValueError for other than ASCII."""
    import zxingcpp

    return _drawn(text, zxingcpp.BarcodeFormat.DataMatrix)


def _drawn(text: str, form: zxingcpp.BarcodeFormat) -> str:
    if not text or not text.isascii() or not text.isprintable():
        message = "a barcode of a label takes printable ASCII"
        raise ValueError(message)
    import zxingcpp

    drawn: str = zxingcpp.create_barcode(text, form).to_svg()
    return drawn[drawn.index("<svg") :]
