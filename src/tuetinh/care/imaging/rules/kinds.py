"""The kinds of rules of imaging, each a row of `data/`, or of what administrators made of it since."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import cache
from typing import Final

import msgspec
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tuetinh.care.imaging.errors import BadRule
from tuetinh.record.text import fold

CHECKS: Final = ("pregnancy", "allergy", "renal", "metformin", "implant")
CONTRASTS: Final = ("iodine", "gadolinium")
QUANTITIES: Final = {"ctdi": "mGy", "dlp": "mGy·cm", "dap": "Gy·cm²", "agd": "mGy"}
"""What is measured of an exposure, with its unit: CTDIvol, DLP, dose area product, average glandular dose."""
_MODALITY: Final = re.compile(r"[A-Z]{2,16}")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every rule has. source: where it stands."""

    code: str
    on: bool = True
    source: str = ""

    def check(self) -> None:
        """Raise BadRule, naming the field, for what cannot be kept."""
        if not re.fullmatch(r"[A-Z][A-Z0-9-]{1,38}", self.code):
            raise BadRule("code", _("Mã gồm chữ in hoa không dấu, số và dấu -."))
        modalities = getattr(self, "modalities", ())
        if any(not _MODALITY.fullmatch(one) for one in modalities):
            raise BadRule("modalities", _("Loại máy viết như CT, MR, DX."))
        ages = getattr(self, "age_from", None), getattr(self, "age_to", None)
        if ages[0] is not None and ages[1] is not None and ages[0] > ages[1]:
            raise BadRule("age_to", _("Tuổi cuối phải không trước tuổi đầu."))
        for words in getattr(self, "words", ()):
            if not any(fold(part) for part in words.split("+")):
                raise BadRule("words", _("Mỗi dòng cần ít nhất một từ."))


class Named(Rule, frozen=True, kw_only=True):
    """A rule with a name in two languages."""

    vi: str
    en: str = ""

    @property
    def text(self) -> str:
        """Its name in the language of the page."""
        return self.en if (get_language() or "").startswith("en") and self.en else self.vi


class Protocol(Named, frozen=True, kw_only=True):
    """How a kind of examination is done.

    modalities: of the rooms in which it may be done. words: it fits a service whose name has all words of a line, as
    `sọ não + có tiêm`; none fits every service of its modalities. minutes: in the room. contrast: `iodine`,
    `gadolinium` or "". sheets: codes of what the person is told to do before.
    """

    modalities: tuple[str, ...]
    words: tuple[str, ...] = ()
    region: str = ""
    minutes: int = 15
    contrast: str = ""
    sheets: tuple[str, ...] = ()

    def weight(self, modality: str, service: str) -> int:
        """How closely it fits a service of a modality, by its folded name; below nought: not at all."""
        if modality not in self.modalities:
            return -1
        return weight(self.words, service)

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        if not self.modalities:
            raise BadRule("modalities", _("Ghi ít nhất một loại máy."))
        if self.contrast not in ("", *CONTRASTS):
            raise BadRule("contrast", _("Thuốc là cản quang iod, đối quang từ hoặc không."))


class Sheet(Named, frozen=True, kw_only=True):
    """What a person does before, during and after: one line of `body` for each thing."""

    body: str


class Check(Rule, frozen=True, kw_only=True):
    """What is asked before an examination begins, of whom and for which.

    check: of CHECKS. contrast: only with this one, "" also without any. age_from, age_to: full years, both included.
    limit: eGFR, mL/min/1.73 m², below which it stops. days: for how long a creatinine counts. words: of the record
    that tell it by themselves; codes: beginnings of ICD-10 codes that do.
    """

    check_: str = msgspec.field(name="check")
    modalities: tuple[str, ...] = ()
    contrast: str = ""
    sex: str = ""
    age_from: int | None = None
    age_to: int | None = None
    limit: Decimal | None = None
    days: int | None = None
    words: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()

    def concerns(self, modality: str, contrast: str, sex: str, age: int | None) -> bool:
        """Whether it is asked of such a person; what is not known of the person counts as fitting."""
        if (self.modalities and modality not in self.modalities) or (self.contrast and contrast != self.contrast):
            return False
        if self.sex and sex in ("male", "female") and sex != self.sex:
            return False
        return age is None or (self.age_from or 0) <= age <= (200 if self.age_to is None else self.age_to)

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        if self.check_ not in CHECKS:
            raise BadRule("check_", _("Không có việc kiểm tra này."))
        if self.contrast not in ("", *CONTRASTS):
            raise BadRule("contrast", _("Thuốc là cản quang iod, đối quang từ hoặc không."))
        if self.check_ in ("renal", "metformin") and (self.limit is None or not self.days):
            raise BadRule("limit", _("Cần giới hạn eGFR và số ngày kết quả creatinin còn dùng được."))
        if not self.modalities and not self.contrast:
            raise BadRule("modalities", _("Ghi loại máy hoặc thuốc."))


class Reference(Named, frozen=True, kw_only=True):
    """A diagnostic reference level (DRL): what half of usual doses should stay below.

    words: of the protocol, region or service, as in Protocol. quantity: of QUANTITIES, limit in its unit.
    age_from, age_to: full years, both included.
    """

    modalities: tuple[str, ...]
    words: tuple[str, ...]
    quantity: str
    limit: Decimal
    age_from: int | None = None
    age_to: int | None = None

    def weight(self, modality: str, said: str, age: int | None) -> int:
        """How closely it fits an examination; below nought: not at all. An unknown age is an adult's."""
        years = 30 if age is None else age
        fits = (self.age_from or 0) <= years <= (200 if self.age_to is None else self.age_to)
        return weight(self.words, said) if fits and modality in self.modalities else -1

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        if self.quantity not in QUANTITIES:
            raise BadRule("quantity", _("Không có đại lượng này."))
        if self.limit <= 0:
            raise BadRule("limit", _("Mức tham chiếu phải lớn hơn 0."))
        if not self.source:
            raise BadRule("source", _("Ghi mức này lấy từ đâu."))


class Assist(Named, frozen=True, kw_only=True):
    """Which studies a model looks at.

    model: its name; the newest version counts. words: of the description, the service and the body part, as in
    Protocol. age_from, age_to: full years, both included. services: codes of ordered services, none for all.
    """

    model: str
    modalities: tuple[str, ...]
    words: tuple[str, ...] = ()
    age_from: int | None = None
    age_to: int | None = None
    services: tuple[str, ...] = ()

    def fits(self, modalities: Collection[str], said: str, age: int | None, service: str) -> bool:
        """Whether a study is one of these; said: folded. Where ages are told, an unknown one does not fit."""
        if not set(self.modalities) & set(modalities) or weight(self.words, said) < 0:
            return False
        if self.services and service not in self.services:
            return False
        if self.age_from is None and self.age_to is None:
            return True
        return age is not None and (self.age_from or 0) <= age <= (200 if self.age_to is None else self.age_to)

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        from tuetinh.care.imaging.ai.known import newest

        super().check()
        if not self.modalities:
            raise BadRule("modalities", _("Ghi ít nhất một loại máy."))
        if newest(self.model) is None:
            raise BadRule("model", _("Không có mô hình này."))


KINDS: Final[dict[str, type[Rule]]] = {
    "protocol": Protocol, "sheet": Sheet, "check": Check, "reference": Reference, "ai": Assist,
}  # fmt: skip


def weight(lines: Sequence[str], said: str) -> int:
    """Of the lines whose words are all in a folded text, the length of the longest; 0 of none, -1 where none fits."""
    if not lines:
        return 0
    return max((sum(map(len, parts)) for parts in map(_parts, lines) if all(p in said for p in parts)), default=-1)


@cache
def _parts(line: str) -> tuple[str, ...]:
    return tuple(filter(None, (fold(part) for part in line.split("+"))))
