"""Who signs results for a laboratory. Where nobody is named, as at a station with one technician, each may."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from tuetinh.care.lab.errors import NotAllowed, NotSignatory, NotVerified
from tuetinh.care.lab.models import Signatory, Tube
from tuetinh.record.asker import Asker


def named(facility: str) -> set[str]:
    """The accounts that sign for a laboratory."""
    return set(Signatory.objects.filter(facility=facility, ended__isnull=True).values_list("account", flat=True))


def check(asker: Asker, tube: Tube) -> None:
    """Raise NotSignatory or NotVerified where the results of a tube may not be signed now by this one."""
    signers = named(tube.facility)
    if not signers or asker.role == "system":
        return
    if asker.account not in signers:
        raise NotSignatory
    if tube.stage == Tube.Stage.RESULTED:
        raise NotVerified


def name_signers(asker: Asker, accounts: set[str]) -> None:
    """Name those who sign from now on at the administrator's facility; who signed before is kept. None: each may.

    Raises NotAllowed, also for an account that is no laboratory's of this facility.
    """
    if asker.role != "admin" or not asker.facility:
        raise NotAllowed
    if not accounts <= {str(one.pk) for one in staff(asker.facility)}:
        raise NotAllowed
    with transaction.atomic():
        open_ = Signatory.objects.select_for_update().filter(facility=asker.facility, ended__isnull=True)
        now, known = timezone.now(), {row.account for row in open_}
        open_.exclude(account__in=accounts).update(ended=now, ended_by=asker.account)
        Signatory.objects.bulk_create(
            Signatory(facility=asker.facility, account=account, since=now, by=asker.account)
            for account in sorted(accounts - known)
        )


def staff(facility: str) -> QuerySet[Any]:
    """The accounts of the laboratory of a facility."""
    accounts = get_user_model().objects
    return accounts.filter(facility=facility, role="lab", is_active=True).order_by("full_name", "pk")
