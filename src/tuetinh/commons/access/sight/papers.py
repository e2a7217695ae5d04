"""Papers by which a desk knows who is somebody's parent or guardian: kept with the fact, for whoever asks later."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from django.utils.translation import gettext_lazy

from tuetinh.commons.access.errors import AccessError
from tuetinh.record import r4

SYSTEM: Final = "https://tuetinh.vn/fhir/NamingSystem/kinship-paper"
BIRTH, NUMBER, DECISION, HERE = "birth", "number", "decision", "here"
WORDS: Final = {
    BIRTH: gettext_lazy("Giấy khai sinh"),
    NUMBER: gettext_lazy("Số định danh của trẻ, in trên giấy khai sinh"),
    DECISION: gettext_lazy("Quyết định (nhận con nuôi, giám hộ, xác định cha mẹ)"),
    HERE: gettext_lazy("Sinh tại cơ sở"),
}
SHOWN: Final = (BIRTH, NUMBER, DECISION)
"""What a person may bring; `HERE` is written by the registration of a birth alone."""
LONGEST: Final = 100
_PERSONAL: Final = re.compile(r"[0-9]{12}")  # số định danh cá nhân


class Paper(NamedTuple):
    """kind: of `WORDS`. number: as it stands on the paper."""

    kind: str
    number: str = ""


def check(paper: Paper, child: r4.Patient, code: str) -> Paper:
    """The paper as it is kept. A guardian needs a decision; a personal number must be the child's own.

    Raises AccessError `kin-paper`, or `paper` for another one's number.
    """
    number = " ".join(paper.number.split())
    kinds = (DECISION,) if code == "GUARD" else (*SHOWN, HERE)
    written = paper.kind == HERE or (any(sign.isdigit() for sign in number) and 2 <= len(number) <= LONGEST)
    if paper.kind not in kinds or not written:
        raise AccessError("kin-paper")
    if paper.kind == NUMBER and number not in _numbers(child):
        raise AccessError("paper")
    return Paper(paper.kind, number)


def identifier(paper: Paper) -> r4.Identifier:
    """How the paper is kept in a RelatedPerson."""
    kind = r4.CodeableConcept(coding=[r4.Coding(system=SYSTEM, code=paper.kind)], text=str(WORDS[paper.kind]))
    return r4.Identifier(type=kind, system=SYSTEM, value=paper.number or None)


def of(related: r4.RelatedPerson) -> Paper | None:
    """By which paper somebody was recorded; None of those who were recorded without."""
    for one in related.identifier or ():
        if one.system == SYSTEM and one.type:
            code = next((coding.code for coding in one.type.coding or () if coding.system == SYSTEM), None)
            return Paper(code or "", one.value or "")
    return None


def _numbers(child: r4.Patient) -> set[str]:
    found = {one.value or "" for one in child.identifier or () if one.use != "old"}
    return {value for value in found if _PERSONAL.fullmatch(value)}
