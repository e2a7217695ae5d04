"""What the pages of safety ask."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.auth import get_user_model
from django.db.models import F, QuerySet

from tuetinh.care.imaging.safety.checks import Needed
from tuetinh.care.imaging.safety.models import SafetyCheck


def stopped(facility: str) -> QuerySet[SafetyCheck]:
    """The checks that stop an examination which has not been taken yet: the urgent first."""
    rows = SafetyCheck.objects.filter(exam__facility=facility, exam__stage__in=("ordered", "scheduled", "started"))
    waiting = rows.exclude(found=[]).exclude(overridden__contains=F("found")).select_related("exam")
    return waiting.order_by("-exam__urgent", "exam__scheduled_at", "exam_id")


def names(row: SafetyCheck | None) -> tuple[str, str]:
    """Who answered, and which doctor let it pass; "" where nobody did."""
    if row is None:
        return "", ""
    wanted = [int(one) for one in (row.answered_by, row.overridden_by) if one.isdigit()]
    known = {
        str(pk): name for pk, name in get_user_model().objects.filter(pk__in=wanted).values_list("pk", "full_name")
    }
    return known.get(row.answered_by, ""), known.get(row.overridden_by, "")


def limit(wanted: Needed | None) -> Decimal | None:
    """The eGFR below which this examination is stopped."""
    return next((one.limit for one in (wanted.checks if wanted else ()) if one.check_ == "renal"), None)
