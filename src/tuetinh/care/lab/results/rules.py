"""The kinds of rules that results are judged by: rows of `data/`, or of what administrators made of them since."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

import msgspec
from cel_expr_python import cel
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from tuetinh.care.lab.catalogue import Range, analytes, test
from tuetinh.care.lab.errors import BadRule
from tuetinh.care.lab.microbiology.lists import antibiotics, groups, organisms, phenotypes
from tuetinh.care.lab.quality.westgard import RULES
from tuetinh.commons.expressions.api import ARITHMETIC, BadExpression, Language

DAYS = {"a": Decimal("365.25"), "mo": Decimal("30.4375"), "wk": Decimal(7), "d": Decimal(1)}
_AGE = re.compile(r"(\d+)(a|mo|wk|d)")  # as UCUM writes years, months, weeks and days
_PERSON = {"age": cel.Type.DOUBLE, "sex": cel.Type.STRING, "pregnant": cel.Type.BOOL}
WORDS = {
    "value": gettext_lazy("số của kết quả"),
    "text": gettext_lazy("chữ của kết quả"),
    "code": gettext_lazy("mã của kết quả, như mã WHONET của vi sinh vật"),
    "flag": gettext_lazy('cờ: "N", "L", "H", "LL", "HH", "A", "AA", "POS", "NEG"'),
    "delta": gettext_lazy('đổi nhiều so với lần trước: "U" tăng, "D" giảm, ""'),
    "comparator": gettext_lazy('dấu "<" hoặc ">" trước số'),
    "numeric": gettext_lazy("chỉ số là số"),
    "absent": gettext_lazy("máy báo không có kết quả"),
    "typed": gettext_lazy("nhập tay"),
    "machine": gettext_lazy("tên máy"),
    "qc": gettext_lazy('nội kiểm của máy: "ok", "blocked", ""'),
    "urgent": gettext_lazy("mẫu cấp cứu"),
    "age": gettext_lazy("tuổi, năm"),
    "sex": gettext_lazy('"male" hoặc "female"'),
    "pregnant": gettext_lazy("đang mang thai"),
}


@cache
def of_results() -> Language:
    """What a condition about one result may name."""
    texts = dict.fromkeys(("text", "code", "flag", "delta", "comparator", "machine", "qc"), cel.Type.STRING)
    signs = dict.fromkeys(("numeric", "absent", "typed", "urgent"), cel.Type.BOOL)
    return Language({"value": cel.Type.DOUBLE} | texts | signs | _PERSON, [ARITHMETIC])


@cache
def of_tubes() -> Language:
    """What a formula, or a condition about the results of a tube together, may name: every analyte by its key."""
    keys = {key: cel.Type.DOUBLE if one.numeric else cel.Type.STRING for key, one in analytes().items()}
    return Language(keys | _PERSON, [ARITHMETIC])


@cache
def of_isolates() -> Language:
    """What a condition about an isolate may name: its organism, groups, antibiotics (S, I, R, "") and phenotypes."""
    texts = dict.fromkeys(("organism", "specimen", *antibiotics(), *phenotypes()), cel.Type.STRING)
    counts = dict.fromkeys(("tested_categories", "resistant_categories"), cel.Type.DOUBLE)
    return Language(texts | counts | dict.fromkeys(groups(), cel.Type.BOOL) | _PERSON, [ARITHMETIC])


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What every rule has. from_, to: days (ISO) on which it holds, "" open; source: where it stands."""

    code: str
    on: bool = True
    from_: str = ""
    to: str = ""
    source: str = ""

    def holds_on(self, day: str) -> bool:
        """Whether it is in force on a day (ISO)."""
        return self.on and self.from_ <= day and (not self.to or day <= self.to)

    def check(self) -> None:
        """Raise BadRule, naming the field, for what cannot be kept."""
        if not re.fullmatch(r"[A-Z][A-Z0-9-]{1,58}", self.code):
            raise BadRule("code", _("Mã gồm chữ in hoa không dấu, số và dấu -."))
        if self.to and self.from_ > self.to:
            raise BadRule("to", _("Ngày cuối phải không trước ngày đầu."))


class Limits(Rule, frozen=True, kw_only=True):
    """Limits of an analyte for some people. age_from, age_to: `15a`, `6mo`, `28d`, from and below; method: machine."""

    analyte: str
    sex: str = ""
    age_from: str = ""
    age_to: str = ""
    pregnant: str = ""
    method: str = ""
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def range(self) -> Range:
        """The two limits."""
        return Range(self.low, self.high)

    @property
    def weight(self) -> tuple[bool, bool, Decimal, bool]:
        """The more it asks of the person, the rather it holds: method, pregnancy, the narrower age, sex."""
        span = (days(self.age_to) if self.age_to else Decimal(99_999)) - (days(self.age_from) or 0)
        return bool(self.method), bool(self.pregnant), -span, bool(self.sex)

    def fits(self, *, sex: str, age: int | None, pregnant: bool, method: str) -> bool:
        """Whether it is for such a person, and for results of such a method. age: in days, None not known."""
        if age is None:
            aged = not self.age_to  # of an unknown age: as an adult
        else:
            aged = days(self.age_from) <= age and (not self.age_to or age < days(self.age_to))
        named = not self.method or self.method.casefold() == method.casefold()
        return aged and named and self.sex in ("", sex) and (not self.pregnant or pregnant)

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        known(self.analyte, "analyte")
        for name in ("age_from", "age_to"):
            if (text := getattr(self, name)) and not _AGE.fullmatch(text):
                raise BadRule(name, _("Viết tuổi như 15a (năm), 6mo (tháng), 28d (ngày)."))
        if self.low is None and self.high is None:
            raise BadRule("low", _("Cần ít nhất một giới hạn."))
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise BadRule("high", _("Giới hạn trên phải lớn hơn giới hạn dưới."))


class Normal(Limits, frozen=True, kw_only=True):
    """What is normal."""


class Critical(Limits, frozen=True, kw_only=True):
    """Beyond what a doctor must be called at once."""


class Delta(Rule, frozen=True, kw_only=True):
    """How far a result may be from the last one of the last days, by percent or amount. analyte "": every other one."""

    analyte: str = ""
    percent: Decimal | None = None
    absolute: Decimal | None = None
    days: int = 365

    def moved(self, new: Decimal, old: Decimal) -> str:
        """`U` for a jump up, `D` for one down, "" for none."""
        change = abs(new - old)
        far = self.absolute is not None and change > self.absolute
        if self.percent is not None and old:
            far = far or change * 100 > self.percent * abs(old)
        return ("U" if new > old else "D") if far else ""

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        if self.analyte:
            known(self.analyte, "analyte")
        if self.percent is None and self.absolute is None:
            raise BadRule("percent", _("Cần phần trăm hoặc lượng thay đổi."))


class Formula(Rule, frozen=True, kw_only=True):
    """An analyte that is calculated where `condition` holds, for the order that asks for `host`, to so many digits."""

    analyte: str
    host: str
    expression: str
    condition: str = "true"
    digits: int = 2

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        known(self.analyte, "analyte")
        known(self.host, "host")
        if not analytes()[self.analyte].numeric:
            raise BadRule("analyte", _("Chỉ số tính phải là số."))
        readable(of_tubes(), self.expression, cel.Type.DOUBLE, "expression")
        readable(of_tubes(), self.condition, cel.Type.BOOL, "condition")


class Told(Rule, frozen=True, kw_only=True):
    """A rule with a condition and what it says in two languages."""

    condition: str
    vi: str
    en: str = ""

    @property
    def text(self) -> str:
        """What it says in the language of the page."""
        return self.en if (get_language() or "").startswith("en") and self.en else self.vi


class Hold(Told, frozen=True, kw_only=True):
    """Why a result is not accepted with the others. analytes: of which, none for all."""

    analytes: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        for key in self.analytes:
            known(key, "analytes")
        readable(of_results(), self.condition, cel.Type.BOOL, "condition")


class Reflex(Told, frozen=True, kw_only=True):
    """Results of a tube that order a further test from it, by its service code."""

    order: str

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        if not test(self.order):
            raise BadRule("order", _("Không có xét nghiệm mang mã này."))
        readable(of_tubes(), self.condition, cel.Type.BOOL, "condition")


class Notifiable(Told, frozen=True, kw_only=True):
    """A result that is told to surveillance within some hours, as a disease of a group (A, B, C) of the law."""

    analytes: tuple[str, ...]
    icd10: str
    group: str = "B"
    hours: int = 48

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        for key in self.analytes:
            known(key, "analytes")
        if self.group not in ("A", "B", "C"):
            raise BadRule("group", _("Nhóm bệnh là A, B hoặc C."))
        readable(of_results(), self.condition, cel.Type.BOOL, "condition")


class Westgard(Rule, frozen=True, kw_only=True):
    """What a broken rule of quality control does: `reject` stops the release, `warn` is only told."""

    rule: str
    action: str = "reject"

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        if self.rule not in RULES:
            raise BadRule("rule", _("Không có quy tắc này."))
        if self.action not in ("reject", "warn"):
            raise BadRule("action", _("Chọn chặn hoặc lưu ý."))


class Intrinsic(Rule, frozen=True, kw_only=True):
    """Antibiotics (WHONET codes) to which organisms, or groups of them, are resistant by nature."""

    organisms: tuple[str, ...]
    antibiotics: tuple[str, ...]

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        for one in self.organisms:
            if one not in organisms() and one not in groups():
                raise BadRule("organisms", _("Không có vi sinh vật hay nhóm mang mã %(key)s.") % {"key": one})
        known_antibiotics(self.antibiotics)


class Expert(Told, frozen=True, kw_only=True):
    """What an antibiogram as a whole says of some antibiotics. result: S, I or R that holds then; "" only tells."""

    antibiotics: tuple[str, ...] = ()
    result: str = ""

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        known_antibiotics(self.antibiotics)
        if self.result not in ("", "S", "I", "R"):
            raise BadRule("result", _("Kết quả là S, I hoặc R."))
        readable(of_isolates(), self.condition, cel.Type.BOOL, "condition")


class Marker(Told, frozen=True, kw_only=True):
    """A kind of resistance that has a name (MRSA, ESBL). alert: the person is marked for infection control."""

    mark: str
    alert: bool = False

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        if not re.fullmatch(r"[0-9A-Z-]{2,12}", self.mark):
            raise BadRule("mark", _("Tên gồm 2 đến 12 chữ in hoa, số và dấu -."))
        readable(of_isolates(), self.condition, cel.Type.BOOL, "condition")


class Counting(Rule, frozen=True, kw_only=True):
    """From how many isolates on the share of susceptible ones is told in the cumulative antibiogram."""

    minimum: int = 30


class OfTests(Rule, frozen=True, kw_only=True):
    """A rule about tests, by their service codes."""

    tests: tuple[str, ...]

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        if not self.tests or any(test(code) is None for code in self.tests):
            raise BadRule("tests", _("Chọn ít nhất một xét nghiệm."))


class Worded(OfTests, frozen=True, kw_only=True):
    """A rule about tests with what it says in two languages."""

    vi: str
    en: str = ""

    @property
    def text(self) -> str:
        """What it says in the language of the page."""
        return self.en if (get_language() or "").startswith("en") and self.en else self.vi


class Profile(Worded, frozen=True, kw_only=True):
    """A set of tests that is ordered together, under its name."""


class Paused(Worded, frozen=True, kw_only=True):
    """Tests that the laboratory does not do for a time, and why: who orders one is told so."""


class Stability(OfTests, frozen=True, kw_only=True):
    """For how many hours after collection further tests may be ordered from a tube, and be measured again."""

    hours: int


class Automatic(OfTests, frozen=True, kw_only=True):
    """Tests whose results of a machine are validated without a technician, where they are whole and nothing is held."""


class Interval(OfTests, frozen=True, kw_only=True):
    """Within how many hours the same test again tells nothing new: who orders it is warned."""

    hours: int


class Indicator(Rule, frozen=True, kw_only=True):
    """Under which shared code an analyte is reported: seven digits (QĐ 1227/QĐ-BYT 2025), which stand in XML4."""

    analyte: str
    number: str

    def check(self) -> None:
        """Raise BadRule for what cannot be kept."""
        super().check()
        known(self.analyte, "analyte")
        if not re.fullmatch(r"[0-9]{7}", self.number):
            raise BadRule("number", _("Mã chỉ số gồm 7 chữ số."))


KINDS: dict[str, type[Rule]] = {
    "normal": Normal, "critical": Critical, "delta": Delta, "formula": Formula, "hold": Hold, "reflex": Reflex,
    "notifiable": Notifiable, "westgard": Westgard, "intrinsic": Intrinsic, "expert": Expert, "marker": Marker,
    "counting": Counting, "profile": Profile, "stability": Stability, "interval": Interval,
    "indicator": Indicator, "automatic": Automatic, "paused": Paused,
}  # fmt: skip


def days(age: str) -> Decimal:
    """An age as UCUM writes it, in days; 0 for none."""
    found = _AGE.fullmatch(age)
    return int(found[1]) * DAYS[found[2]] if found else Decimal(0)


def known(key: str, field: str) -> None:
    """Raise BadRule for an analyte that is none."""
    if key not in analytes():
        raise BadRule(field, _("Không có chỉ số mang mã %(key)s.") % {"key": key})


def known_antibiotics(codes: tuple[str, ...]) -> None:
    """Raise BadRule for an antibiotic that is none."""
    for code in codes:
        if code not in antibiotics():
            raise BadRule("antibiotics", _("Không có kháng sinh mang mã %(key)s.") % {"key": code})


def readable(language: Language, text: str, returns: cel.Type, field: str) -> None:
    """Raise BadRule for an expression that cannot be asked."""
    try:
        language.read(text, returns)
    except BadExpression as error:
        raise BadRule(field, _("Biểu thức không dùng được: %(why)s") % {"why": error}) from error
