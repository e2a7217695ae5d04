"""The purposes in force: as shipped, until the province says otherwise. Their codes are those that an Asker carries."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from django.db import transaction
from django.utils import timezone

from tuetinh.commons.access.api import ALL_PURPOSES
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import ConsentText, ImpactStep, Purpose
from tuetinh.governance.privacy.terms import HANOI, in_force
from tuetinh.governance.privacy.words import DPIA_STEPS, GROUNDS, RETENTION

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

DATA: Final = Path(__file__).parents[1] / "data"
BEGAN: Final = date(2026, 1, 1)  # when the law came into force: since then the shipped purposes hold


class Shipped(msgspec.Struct, frozen=True):
    """A purpose as it comes with the software, in the terms of `models.Purpose`."""

    code: str
    name: str
    ground: str
    clause: str
    kinds: str
    recipients: str
    retention: str


class Assessing(msgspec.Struct, frozen=True):
    """When an impact assessment is due: after the beginning, after the last one, after a change."""

    law: str
    since: date
    first_days: int
    update_months: int
    change_days: int


@dataclass(frozen=True, slots=True)
class Due:
    """The impact assessment of a purpose. by: the day by which the next one must be there. late: that has passed."""

    by: date
    late: bool
    filed: date | None


@cache
def shipped() -> tuple[Purpose, ...]:
    """The purposes of the package, unsaved."""
    found = msgspec.json.decode((DATA / "purposes.json").read_bytes(), type=list[Shipped])
    at = datetime.combine(BEGAN, time(0), HANOI)
    return tuple(Purpose(since=BEGAN, at=at, **msgspec.structs.asdict(one)) for one in found)


@cache
def _assessing() -> list[Assessing]:
    return msgspec.json.decode((DATA / "dpia_rules.json").read_bytes(), type=list[Assessing])


def versions(code: str) -> list[Purpose]:
    """Every version of a purpose, the newest first, the shipped one last."""
    made = list(Purpose.objects.filter(code=code).order_by("-since", "-pk"))
    return [*made, *(one for one in shipped() if one.code == code)]


def now(day: date | None = None) -> dict[str, Purpose]:
    """The purposes that hold on a day, by code, in the order of the package; ended ones are left out."""
    day = day or timezone.localdate()
    found = {one.code: one for one in shipped()}
    for one in Purpose.objects.filter(since__lte=day).order_by("since", "pk"):
        found[one.code] = one
    return {code: one for code, one in found.items() if not one.ended}


def due(code: str, purposes: dict[str, Purpose] | None = None, steps: list[ImpactStep] | None = None) -> Due:
    """When the impact assessment of a purpose is due (Luật 91/2025: 60 days; every 6 months; 10 days after a change).

    purposes, steps: those known already, where many are asked for.
    """
    steps = steps if steps is not None else list(ImpactStep.objects.filter(code=code).order_by("day", "pk"))
    rules = in_force(_assessing(), timezone.now())
    done = [one for one in steps if one.step in ("filed", "updated")]
    if not done:
        first = versions(code)[-1].since if purposes is None or code not in purposes else purposes[code].since
        by = first + timedelta(days=rules.first_days)
        return Due(by, by < timezone.localdate(), None)
    by = _months_later(done[-1].day, rules.update_months)
    changes = [one for one in steps if one.step == "changed" and (one.day, one.pk) > (done[-1].day, done[-1].pk)]
    if changes:
        by = min(by, changes[0].day + timedelta(days=rules.change_days))
    return Due(by, by < timezone.localdate(), done[-1].day)


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def of_province(by: Account) -> None:
    """Raise PrivacyError `province` unless the officer is of the province: the register is the same for all."""
    if by.role != "admin" or by.facility:
        raise PrivacyError("province")


@transaction.atomic
def change(by: Account, new: Purpose) -> Purpose:
    """Let this version of a purpose hold from its day on. Raises PrivacyError.

    The impact assessment is due again, since the purpose has changed.
    """
    of_province(by)
    if new.code not in ALL_PURPOSES:
        raise PrivacyError("purpose")
    if new.ground not in GROUNDS or new.retention not in RETENTION or not new.name.strip() or not new.kinds.strip():
        raise PrivacyError("register")
    if new.since < timezone.localdate():
        raise PrivacyError("since")
    new.pk, new.by, new.at = None, by, timezone.now()
    new.save()
    ImpactStep.objects.create(code=new.code, step="changed", day=new.since, at=new.at, by=by)
    return new


@transaction.atomic
def assessed(by: Account, code: str, step: str, day: date, number: str) -> ImpactStep:
    """Write down that the impact assessment was filed or brought up to date. Raises PrivacyError."""
    of_province(by)
    if code not in now() or step not in DPIA_STEPS:
        raise PrivacyError("purpose")
    if day > timezone.localdate() or not number.strip():
        raise PrivacyError("assessed")
    return ImpactStep.objects.create(code=code, step=step, day=day, number=number.strip(), at=timezone.now(), by=by)


@transaction.atomic
def write_text(by: Account, code: str, text: str) -> ConsentText:
    """Follow the text that people agree to by a new version; consents to the earlier ones stay what they are."""
    of_province(by)
    known = now().get(code)
    if known is None or known.ground != "consent":
        raise PrivacyError("no-consent")
    if len(text.strip()) < 40:
        raise PrivacyError("text")
    last = text_of(code)
    return ConsentText.objects.create(
        code=code,
        version=last.version + 1 if last else 1,
        text=text.strip(),
        since=timezone.localdate(),
        at=timezone.now(),
        by=by,
    )


def text_of(code: str) -> ConsentText | None:
    """The text in force of a purpose; that of the package becomes its first version when it is first asked for."""
    last = ConsentText.objects.filter(code=code).order_by("-version").first()
    if last is None and (text := _texts().get(code)):
        first = {"text": text, "since": BEGAN, "at": timezone.now()}
        last, _ = ConsentText.objects.get_or_create(code=code, version=1, defaults=first)
    return last


@cache
def _texts() -> dict[str, str]:
    return msgspec.json.decode((DATA / "consent_texts.json").read_bytes(), type=dict[str, str])
