"""QR texts of the citizen card (CCCD, căn cước) and of the insurance card (BHYT)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from tuetinh.commons.identity.errors import CardError, Code
from tuetinh.commons.identity.facts import CARD_PATTERN, PersonDraft

LIMIT: Final = 1000  # characters; a card's QR has about 200
SEXES: Final = {
    "nam": "male",
    "nữ": "female",
    "nu": "female",
    "1": "male",
    "2": "female",
    "male": "male",
    "female": "female",
}
# Province codes in force before 01/07/2025; personal numbers keep them for life (NĐ 59/2021, TT 59/2021/TT-BCA).
PROVINCES: Final = frozenset(
    [
        "001",
        "002",
        "004",
        "006",
        "008",
        "010",
        "011",
        "012",
        "014",
        "015",
        "017",
        "019",
        "020",
        "022",
        "024",
        "025",
        "026",
        "027",
        "030",
        "031",
        "033",
        "034",
        "035",
        "036",
        "037",
        "038",
        "040",
        "042",
        "044",
        "045",
        "046",
        "048",
        "049",
        "051",
        "052",
        "054",
        "056",
        "058",
        "060",
        "062",
        "064",
        "066",
        "067",
        "068",
        "070",
        "072",
        "074",
        "075",
        "077",
        "079",
        "080",
        "082",
        "083",
        "084",
        "086",
        "087",
        "089",
        "091",
        "092",
        "093",
        "094",
        "095",
        "096",
    ]
)


@dataclass(frozen=True, slots=True)
class CitizenCard:
    """What a scanned card says. Empty text where the card says nothing; dates as in FHIR."""

    kind: Literal["citizen", "insurance"]
    name: str
    birth: str
    gender: str
    address: str
    cccd: str = ""
    cmnd: str = ""
    card: str = ""
    bhxh: str = ""
    facility: str = ""  # where an insurance card is registered for first care
    issued: str = ""
    valid_from: str = ""
    valid_to: str = ""
    warnings: tuple[str, ...] = ()

    def draft(self) -> PersonDraft:
        """Return the person as the desk would type them."""
        return PersonDraft(
            name=self.name,
            birth=self.birth,
            gender=self.gender,
            cccd=self.cccd,
            cmnd=self.cmnd,
            card=self.card,
            bhxh=self.bhxh,
            address=self.address,
        )


def parse_card(text: str) -> CitizenCard:
    """Read the QR text of a card. Raises CardError with what to do; never anything else."""
    text = unicodedata.normalize("NFC", text.strip().strip("\x00\ufeff"))
    if not text:
        raise CardError(Code.CARD_EMPTY)
    fields = [field.strip() for field in text.split("|")]
    if len(text) > LIMIT or len(fields) < 5:
        raise CardError(Code.CARD_UNKNOWN)
    if re.fullmatch(r"\d{12}", fields[0]):
        return _citizen(fields)
    number = fields[0].upper()
    if CARD_PATTERN.fullmatch(number) or re.fullmatch(r"\d{10}", number):
        return _insurance(number, fields)
    raise CardError(Code.CARD_NUMBER if re.fullmatch(r"[A-Za-z]{0,2}\d{5,}", fields[0]) else Code.CARD_UNKNOWN)


def _citizen(fields: list[str]) -> CitizenCard:
    # Some cards leave the field of the old number out; those of 2024 add more fields behind the date of issue.
    if re.fullmatch(r"\d{8}", fields[2]):
        fields.insert(1, "")
    if len(fields) < 6:
        raise CardError(Code.CARD_UNKNOWN)
    fields = fields[:7]
    number, old, name, birth, sex, home, *rest = fields
    if old and not re.fullmatch(r"\d{9}|\d{12}", old):
        raise CardError(Code.CARD_NUMBER)
    born, gender = _day(birth, Code.CARD_BIRTH), _sex(sex)
    return CitizenCard(
        kind="citizen",
        name=_name(name),
        birth=born,
        gender=gender,
        address=home,
        cccd=number,
        cmnd=old if len(old) == 9 else "",
        issued=_day(rest[0], Code.CARD_DATE) if rest and rest[0] else "",
        warnings=tuple(check_number(number, birth=born, gender=gender)),
    )


def _insurance(number: str, fields: list[str]) -> CitizenCard:
    # mã thẻ|họ tên (hex)|ngày sinh|giới|địa chỉ (hex)|mã KCBBĐ|từ|đến|…|$
    name, birth, sex, home = (fields + [""] * 4)[1:5]
    place, start, end = (fields + [""] * 8)[5:8]
    return CitizenCard(
        kind="insurance",
        name=_name(_hex(name)),
        birth=_day(birth, Code.CARD_BIRTH),
        gender=_sex(sex),
        address=_hex(home),
        card=number if len(number) == 15 else "",
        bhxh=number[-10:],
        facility=re.sub(r"\D", "", place)[:5],
        valid_from=_day(start, Code.CARD_DATE) if start not in ("", "-") else "",
        valid_to=_day(end, Code.CARD_DATE) if end not in ("", "-") else "",
    )


def _hex(text: str) -> str:
    """Return text written as the hexadecimal digits of its UTF-8 bytes; cards that write it plainly stay."""
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", text):
        return text
    try:
        return unicodedata.normalize("NFC", bytes.fromhex(text).decode()).strip()
    except UnicodeDecodeError as error:
        raise CardError(Code.CARD_NAME) from error


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > 200 or not any(c.isalpha() for c in name):
        raise CardError(Code.CARD_NAME)
    return name.title() if name.isupper() else name


def _sex(text: str) -> str:
    try:
        return SEXES[text.lower()]
    except KeyError as error:
        raise CardError(Code.CARD_SEX) from error


def _day(text: str, code: Code) -> str:
    """Read ddmmyyyy, dd/mm/yyyy, or a birth year alone; a birth date lies neither ahead nor before 1900."""
    if match := re.fullmatch(r"(\d{2})[/-]?(\d{2})[/-]?(\d{4})", text):
        day, month, year = (int(part) for part in match.groups())
        if day == month == 0 and code is Code.CARD_BIRTH:
            return _year(str(year), code)
        try:
            found = date(year, month, day)
        except ValueError as error:
            raise CardError(code) from error
        if found.year < 1900 or (code is Code.CARD_BIRTH and found > date.today()):  # noqa: DTZ011
            raise CardError(code)
        return found.isoformat()
    return _year(text, code)


def _year(text: str, code: Code) -> str:
    if code is Code.CARD_BIRTH and re.fullmatch(r"(19|20)\d\d", text) and int(text) <= date.today().year:  # noqa: DTZ011
        return text
    raise CardError(code)


def check_number(number: str, *, birth: str = "", gender: str = "") -> list[str]:
    """Return what is odd about a personal number: codes `length`, `province`, `sex`, `year`. It warns, it never blocks.

    Digits 1-3 name the province of registration, the fourth century and sex, 5-6 the birth year (NĐ 137/2015, Điều 13).
    """
    if not re.fullmatch(r"\d{12}", number):
        return ["length"]
    odd = []
    if number[:3] not in PROVINCES and number[0] == "0":
        odd.append("province")
    century, female = divmod(int(number[3]), 2)
    if gender in ("male", "female") and female != (gender == "female"):
        odd.append("sex")
    if birth and str(1900 + 100 * century + int(number[4:6])) != birth[:4]:
        odd.append("year")
    return odd
