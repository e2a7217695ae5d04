"""Labels for thermal printers, in Zebra's ZPL II: 50 × 30 mm at 203 dpi, the number in Code 128 and in DataMatrix."""

from __future__ import annotations

from typing import Final

from tuetinh.care.lab.barcode import code128_modules

DOTS: Final = 8  # a millimetre


def label(*, number: str, name: str, about: str, tests: str, urgent: bool) -> str:
    """One label. What ZPL reads as a command is written as a hexadecimal escape (`^FH`)."""
    mark = "  CAP CUU" if urgent else ""
    narrow = 2 if 2 * code128_modules(number) <= 50 * DOTS - 32 else 1  # dots of the narrowest bar
    return "\n".join(
        (
            "^XA",
            f"^CI28^PW{50 * DOTS}^LL{30 * DOTS}^LH0,0",
            f"^FO16,10^A0N,26,26^FB{50 * DOTS - 110},1^FH^FD{_escaped(name.upper() + mark)}^FS",
            f"^FO16,40^A0N,20,20^FH^FD{_escaped(about)}^FS",
            f"^FO16,66^BY{narrow}^BCN,80,N,N,N,A^FD{_escaped(number)}^FS",
            f"^FO16,152^A0N,26,26^FD{_escaped(number)}^FS",
            f"^FO{50 * DOTS - 84},10^BXN,3,200^FH^FD{_escaped(number)}^FS",
            f"^FO16,186^A0N,18,18^FB{50 * DOTS - 32},2^FH^FD{_escaped(tests[:90])}^FS",
            "^XZ",
            "",
        )
    )


def _escaped(text: str) -> str:
    return "".join(f"_{ord(c):02X}" if c in "^~_\\" else c for c in text.replace("\n", " "))
