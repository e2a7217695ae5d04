"""The report and the pictures of one examination by a code, made at the desk of imaging and opened as any share."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.urls import reverse
from django.utils import timezone

from tuetinh.care.imaging.api import doors
from tuetinh.community.portal import shares
from tuetinh.community.portal.models import Share
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

OPEN_AT_ONCE = 5  # of one examination


class Door:
    """`imaging.api.doors.Door`."""

    def give(self, asker: Asker, account: Account, order: str, patient: str, terms: doors.Terms) -> doors.Made:
        """A new code, which opens with the patient's date of birth. Raises NoBirthDate, TooMany, WrongTerms."""
        if terms.days not in doors.DAYS or terms.most not in doors.OPENINGS:
            raise doors.WrongTerms
        person = cast("r4.Patient", record.read(asker, "Patient", patient))
        if not person.birthDate:
            raise doors.NoBirthDate
        if Share.objects.filter(order=order, ended=None, until__gt=timezone.now()).count() >= OPEN_AT_ONCE:
            raise doors.TooMany
        made, code = shares.hand_over(account, patient, order, person.birthDate, days=terms.days, most=terms.most)
        return doors.Made(made.pk, code, f"{reverse('portal:shared')}#{code}", made.until)

    def given(self, order: str) -> list[doors.Given]:
        """The codes of an order, newest first."""
        rows = Share.objects.filter(order=order).exclude(order="").order_by("-at").prefetch_related("openings")
        return [_given(row) for row in rows]

    def take_back(self, asker: Asker, order: str, given_id: int) -> bool:
        """End one; False when there is none that is open."""
        return shares.end_handed(asker, order, given_id)


def _given(row: Share) -> doors.Given:
    openings = sorted((one.at for one in row.openings.all()), reverse=True)
    return doors.Given(row.pk, row.at, row.until, row.most or 0, row.ended, openings)
