"""The door by which whoever has a patient's code sees the pictures: a module above keeps it, and registers it here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.errors import ImagingError
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

DAYS: Final = (7, 30, 90, 365)
OPENINGS: Final = (5, 20, 100)


class NoBirthDate(ImagingError):
    """Without a date of birth there is no second proof."""

    code = "no-birth-date"
    message = _("Hồ sơ chưa có ngày sinh, nên chưa thể đưa qua mạng. Hãy bổ sung ngày sinh tại quầy tiếp đón.")


class TooMany(ImagingError):
    """So many codes of one examination can be open at once."""

    code = "too-many"
    message = _("Ca này đã có nhiều mã còn hạn. Hãy thu lại bớt trước.")


class WrongTerms(ImagingError):
    """The days or the number of openings are none of those that are offered."""

    code = "wrong-terms"
    message = _("Hãy chọn thời hạn và số lần mở trong danh sách.")


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a code opens, and how often."""

    days: int
    most: int


@dataclass(frozen=True, slots=True)
class Made:
    """A code that was made: it is told this once."""

    id: int
    code: str
    path: str  # of the page where it opens, with the code behind `#`
    until: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """A code of an examination, and when it was opened, newest first."""

    id: int
    at: datetime
    until: datetime
    most: int
    ended: datetime | None
    openings: Sequence[datetime]

    @property
    def is_open(self) -> bool:
        """Whether somebody can still open it."""
        return self.ended is None and self.until > datetime.now(self.until.tzinfo) and len(self.openings) < self.most


class Door(Protocol):
    """Makes codes of an order's report and pictures, tells of them, takes them back."""

    def give(self, asker: Asker, account: Account, order: str, patient: str, terms: Terms) -> Made:
        """A new code. Raises NoBirthDate, TooMany, WrongTerms."""

    def given(self, order: str) -> list[Given]:
        """The codes of an order, newest first."""

    def take_back(self, asker: Asker, order: str, given_id: int) -> bool:
        """End one; False when there is none that is open."""


_doors: list[Door] = []


def register_door(door: Door) -> None:
    """Let patients come in by this door."""
    _doors[:] = [door]


def door() -> Door:
    """The door by which patients come in."""
    return _doors[0]
