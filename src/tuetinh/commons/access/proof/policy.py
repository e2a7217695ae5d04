"""The policy that holds, believed for a few seconds as tokens are; the rules of passwords that follow from it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms.models import model_to_dict
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.commons.access import sessions
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, PastPassword, Policy, PolicyChange
from tuetinh.commons.access.telling import enter_log

KEEP = 4.0  # seconds
ACTIONS = ("sign", "open", "rules", "factors", "take")
"""What may ask for a fresh proof (`api.fresh`); each has its minutes in the policy."""

_kept: tuple[float, Policy] | None = None


def now() -> Policy:
    """The policy that holds."""
    global _kept  # noqa: PLW0603 - one answer for the process
    if _kept is None or _kept[0] < time.monotonic():
        _kept = (time.monotonic() + KEEP, Policy.objects.first() or Policy())
    return _kept[1]


def forget() -> None:
    """Ask again at the next use."""
    global _kept  # noqa: PLW0603
    _kept = None


@transaction.atomic
def change(by: Account, fields: dict[str, Any]) -> bool:
    """Let this policy hold; False when it held already. Raises AccessError `province` for whoever may not."""
    if by.role != "admin" or by.facility:
        raise AccessError("province")
    kept = Policy.objects.select_for_update().first() or Policy()
    before = _fields(kept)
    if before == before | fields:
        return False
    for name, value in fields.items():
        setattr(kept, name, value)
    kept.save()
    after = _fields(kept)
    PolicyChange.objects.create(by=by, before=before, after=after)
    told = ", ".join(f"{name}: {before[name]} → {after[name]}" for name in after if after[name] != before[name])
    enter_log(by, "update", "Policy", str(kept.pk), reason=told)
    transaction.on_commit(forget)
    return True


def _fields(policy: Policy) -> dict[str, Any]:
    return model_to_dict(policy, exclude=["id"])


def needs_factor(account: Account) -> bool:
    """Whether the account must set up a second factor before it does anything else."""
    return not account.has_factor and account.role in now().factor_roles.split()


def is_too_old(account: Account) -> bool:
    """Whether the password must be changed because of its age."""
    rules = now()
    limits = [rules.password_days, *([rules.admin_password_days] if account.role == "admin" else [])]
    days = min((one for one in limits if one), default=0)
    return bool(days) and account.password_changed < timezone.now() - timedelta(days=days)


def set_password(account: Account, password: str, *, must_change: bool) -> None:
    """Set a password, remember the one before, and end every session of the account."""
    history = now().password_history
    if history and account.has_usable_password():
        PastPassword.objects.create(account=account, password=account.password)
    keep = PastPassword.objects.filter(account=account).order_by("-pk").values("pk")[: max(history - 1, 0)]
    PastPassword.objects.filter(account=account).exclude(pk__in=keep).delete()
    account.set_password(password)
    account.must_change_password = must_change
    account.password_changed = timezone.now()
    account.save(update_fields=["password", "must_change_password", "password_changed"])
    sessions.end_others(account, None)


class LengthValidator:
    """As long as the policy wants it, which is shorter for those with a second factor."""

    def validate(self, password: str, user: Account | None = None) -> None:
        """Raises ValidationError."""
        if len(password) < least_length(user):
            text = _("Mật khẩu cần ít nhất %(least)d ký tự.")
            raise ValidationError(text, "password_too_short", {"least": least_length(user)})

    def get_help_text(self) -> str:
        """What is wanted."""
        return _("Ít nhất %(least)d ký tự.") % {"least": least_length(None)}


class HistoryValidator:
    """None of the passwords before."""

    def validate(self, password: str, user: Account | None = None) -> None:
        """Raises ValidationError."""
        history = now().password_history
        if user is None or user.pk is None or not history:
            return
        past = PastPassword.objects.filter(account=user).order_by("-pk").values_list("password", flat=True)
        hashes = [user.password, *past[: history - 1]]
        if any(check_password(password, one) for one in hashes):
            text = _("Bạn đã dùng mật khẩu này. Hãy chọn mật khẩu khác %(count)d mật khẩu gần nhất.")
            raise ValidationError(text, "password_used", {"count": history})

    def get_help_text(self) -> str:
        """What is wanted."""
        return _("Không dùng lại mật khẩu cũ.")


class CommonValidator(CommonPasswordValidator):
    """None that many people use, unless the policy takes them."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError."""
        if now().password_refuses_common:
            super().validate(password, user)


def least_length(account: Account | None) -> int:
    """How long a password of this account must be."""
    rules = now()
    has_factor = account is not None and account.has_factor
    return int(rules.password_length_with_factor if has_factor else rules.password_length)
