"""Two records side by side: line by line, what is the same and what differs, in words."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from tuetinh.commons.identity import facts, queries, words
from tuetinh.record import r4


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the comparison. state: `same`, `alike` (but for tones, case), `other`, `one` (only one has it)."""

    label: str
    left: str
    right: str
    state: str


def lines(one: r4.Patient, other: r4.Patient) -> list[Line]:
    """The lines, in the order in which people look."""
    labels = (
        (gettext("Họ và tên"), facts.display_name),
        (gettext("Ngày sinh"), lambda p: "/".join(reversed((p.birthDate or "").split("-")))),
        (gettext("Giới tính"), lambda p: queries.gender_text(p.gender or "")),
        (gettext("Số định danh"), lambda p: facts.identifier(p, "cccd")),
        (gettext("Số CMND"), lambda p: facts.identifier(p, "cmnd")),
        (gettext("Thẻ BHYT"), lambda p: facts.identifier(p, "card")),
        (gettext("Mã số BHXH"), lambda p: facts.identifier(p, "bhxh")),
        (gettext("Mã người bệnh"), lambda p: facts.identifier(p, "mrn")),
        (gettext("Điện thoại"), facts.phone),
        (gettext("Địa chỉ"), lambda p: facts.home(p)[0]),
        (gettext("Họ tên mẹ"), facts.mother),
    )
    found = []
    for label, read in labels:
        left, right = read(one), read(other)
        if left or right:
            found.append(Line(label, left, right, _state(left, right)))
    return found


def _state(left: str, right: str) -> str:
    if left == right:
        return "same"
    if not left or not right:
        return "one"
    return "alike" if words.fold(left) == words.fold(right) else "other"


def better(one: r4.Patient, other: r4.Patient) -> str:
    """The id of the record that tells more: it is proposed to stay."""

    def told(patient: r4.Patient) -> tuple[int, int, str]:
        numbers = sum(bool(facts.identifier(patient, kind)) for kind in ("cccd", "bhxh", "card"))
        meta = patient.meta
        return -numbers, -len(patient.identifier or []), (meta.lastUpdated or "") if meta else ""

    return str(min((one, other), key=told).id)


def state_words() -> list[tuple[str, str]]:
    """The states of the queue."""
    return [
        ("open", gettext("Chờ xem")),
        ("later", gettext("Để sau")),
        ("same", gettext("Một người")),
        ("different", gettext("Hai người")),
    ]


def grade_words() -> dict[str, str]:
    """What a grade says."""
    return {
        "certain": gettext("Chắc chắn một người: trùng số giấy tờ"),
        "probable": gettext("Rất có thể một người"),
        "possible": gettext("Có thể một người, cần xem"),
        "told": gettext("Quầy tiếp đón báo"),
    }
