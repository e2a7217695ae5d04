"""Wrong passwords and codes: how many are let pass before somebody has to wait."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from tuetinh.commons.access import limits
from tuetinh.commons.access.proof import policy

if TYPE_CHECKING:
    from django.http import HttpRequest

ACCOUNT, ADDRESS, CODE = "wrong-account", "wrong-address", "wrong-code"
CODES_AN_HOUR = 10  # of a million that there are; whoever tries them knows the password


def check(request: HttpRequest, name: str) -> None:
    """Raises limits.Slow when the account or the address failed too often. name: of the account, "" for none yet."""
    for kind, key, hourly in _counted(request, name):
        limits.check(kind, key, hourly)


def failed(request: HttpRequest, name: str) -> None:
    """Count a failure."""
    for kind, key, hourly in _counted(request, name):
        _count(kind, key, hourly)


def check_code(account_id: int) -> None:
    """Raises limits.Slow when too many codes of the account were wrong."""
    limits.check(CODE, str(account_id), CODES_AN_HOUR)


def failed_code(account_id: int) -> None:
    """Count a wrong code."""
    _count(CODE, str(account_id), CODES_AN_HOUR)


def forgive(name: str) -> None:
    """Count from the beginning for the account: an administrator has unlocked it."""
    limits.restore(ACCOUNT, name)


def _count(kind: str, key: str, hourly: int) -> None:
    try:
        limits.spend(kind, key, hourly)
    except limits.Slow:
        return  # whoever goes on is told before the next one is looked at


def _counted(request: HttpRequest, name: str) -> tuple[tuple[str, str, int], ...]:
    name, rules = unicodedata.normalize("NFKC", name.strip()), policy.now()  # as the login reads it
    address = (ADDRESS, limits.network_of(request), rules.wrong_per_address)
    return ((ACCOUNT, name, rules.wrong_per_account), address) if name else (address,)
