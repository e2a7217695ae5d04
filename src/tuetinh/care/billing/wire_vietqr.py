"""VietQR: the QR text of a transfer (TCVN 03:2018, EMVCo merchant-presented mode), and its checksum."""

from __future__ import annotations

import binascii
import re
import unicodedata
from decimal import Decimal

NAPAS = "A000000727"
TO_ACCOUNT = "QRIBFTTA"


def payload(*, bin_: str, account: str, amount: Decimal, purpose: str, name: str = "", city: str = "") -> str:
    """QR text of one transfer of a whole amount of đồng. Raises ValueError for what the format cannot carry."""
    if not re.fullmatch(r"\d{6}", bin_) or not re.fullmatch(r"[0-9A-Za-z]{1,19}", account):
        message = "no such bank account"
        raise ValueError(message)
    if amount <= 0 or amount != amount.to_integral_value() or amount > 9_999_999_999_999:
        message = "not an amount of whole đồng"
        raise ValueError(message)
    fields = [
        ("00", "01"),
        ("01", "12"),  # dynamic: one payment
        ("38", tlv("00", NAPAS) + tlv("01", tlv("00", bin_) + tlv("01", account)) + tlv("02", TO_ACCOUNT)),
        ("53", "704"),
        ("54", f"{amount:.0f}"),
        ("58", "VN"),
        ("59", ascii_text(name, 25)),
        ("60", ascii_text(city, 15)),
        ("62", tlv("08", ascii_text(purpose, 25))),
    ]
    text = "".join(tlv(tag, value) for tag, value in fields if value) + "6304"
    return f"{text}{crc(text):04X}"


def tlv(tag: str, value: str) -> str:
    """One data object: two digits of id, two of length, value."""
    return f"{tag}{len(value):02d}{value}"


def crc(text: str) -> int:
    """CRC-16/CCITT-FALSE over the text including `6304` (ISO/IEC 13239, polynomial 1021, start FFFF)."""
    return binascii.crc_hqx(text.encode(), 0xFFFF)


def fields(text: str) -> dict[str, str]:
    """The data objects of a QR text by id. Raises ValueError when lengths or checksum do not hold."""
    if len(text) < 8 or text[-8:-4] != "6304" or f"{crc(text[:-4]):04X}" != text[-4:]:
        message = "wrong checksum"
        raise ValueError(message)
    return objects(text)


def objects(text: str) -> dict[str, str]:
    """Cut a string of data objects. Raises ValueError when a length does not hold."""
    found, at = {}, 0
    while at < len(text):
        head = text[at : at + 4]
        if not re.fullmatch(r"\d{4}", head) or at + 4 + int(head[2:]) > len(text):
            message = f"broken at {at}"
            raise ValueError(message)
        found[head[:2]] = text[at + 4 : at + 4 + int(head[2:])]
        at += 4 + int(head[2:])
    return found


def ascii_text(text: str, limit: int) -> str:
    """Text as the format allows it: no accents, upper case, cut to its length."""
    plain = unicodedata.normalize("NFD", text.replace("Đ", "D").replace("đ", "d")).encode("ascii", "ignore").decode()
    return " ".join(re.sub(r"[^A-Za-z0-9 .-]", " ", plain).upper().split())[:limit].strip()
