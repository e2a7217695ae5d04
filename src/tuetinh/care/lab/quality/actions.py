"""What is done about quality: take a control into use, keep its results, resolve what it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction

from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.errors import BadControl, NeedsReason, NotAllowed
from tuetinh.care.lab.models import Control, ControlResult, QualityBlock
from tuetinh.care.lab.quality.westgard import LOOKED_AT, violated
from tuetinh.care.lab.results.book import in_force
from tuetinh.care.lab.results.rules import Westgard
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import Asker

WORKING = frozenset({"lab", "system"})
RUN = timedelta(hours=4)  # levels that are measured within it are of one run


def open_control(
    asker: Asker, *, machine: str, analyte: str, material: str, level: int, lot: str, mean: Decimal, sd: Decimal,
    barcode: str = "", expires: date | None = None,
) -> Control:  # fmt: skip
    """Take a lot of a control into use. Raises BadControl, NotAllowed."""
    _allow(asker)
    if analyte not in analytes() or not analytes()[analyte].numeric or sd <= 0 or not (material and lot):
        raise BadControl
    try:
        with transaction.atomic():
            return Control.objects.create(
                facility=asker.facility, machine=machine.strip(), analyte=analyte, material=material.strip(),
                level=level, lot=lot.strip(), barcode=barcode.strip(), mean=mean, sd=sd, expires=expires,
            )  # fmt: skip
    except IntegrityError as error:
        raise BadControl from error


def end_control(asker: Asker, control_id: int) -> Control:
    """Use a lot no longer; its results are kept."""
    with transaction.atomic():
        control = _locked(asker, control_id)
        control.ended = control.ended or datetime.now(UTC)
        control.save()
    return control


def keep_result(asker: Asker, control_id: int, value: Decimal, at: datetime | None = None) -> ControlResult:
    """Keep a measurement of a control; where it breaks a rule that rejects, its test is stopped on its machine."""
    with transaction.atomic():
        return _kept(_locked(asker, control_id), value, at or datetime.now(UTC), asker.account)


def from_machine(
    facility: str, machine: str, barcodes: list[str], values: Mapping[str, Decimal], at: datetime | None
) -> bool:
    """Keep what a machine measured of a control, by analyte; tell whether one of its barcodes is a control's."""
    with transaction.atomic():
        found = Control.objects.select_for_update().filter(
            facility=facility, machine=machine, barcode__in=[code for code in barcodes if code], ended__isnull=True
        )
        controls = list(found.order_by("id"))
        for control in controls:
            if control.analyte in values:
                _kept(control, values[control.analyte], at or datetime.now(UTC), "machine")
    return bool(controls)


def _kept(control: Control, value: Decimal, at: datetime, account: str) -> ControlResult:
    if control.ended:
        raise BadControl
    before = list(control.results.filter(at__lte=at).order_by("-at", "-id")[: LOOKED_AT - 1])[::-1]
    own = [score(control, one.value) for one in before] + [score(control, value)]
    broken = violated(own, _run(control, at))
    day = at.date().isoformat()
    does = {rule.rule: rule.action for rule in in_force(control.facility).of(Westgard, day)}
    result = ControlResult.objects.create(
        control=control, value=value, at=at, account=account,
        broken=[name for name in broken if does.get(name) == "reject"],
        warned=[name for name in broken if does.get(name) == "warn"],
    )  # fmt: skip
    if result.broken:
        QualityBlock.objects.get_or_create(
            facility=control.facility, machine=control.machine, analyte=control.analyte, resolved_at=None,
            defaults={"result": result, "since": datetime.now(UTC)},
        )  # fmt: skip
    publish(f"lab:{control.facility}")
    return result


def _run(control: Control, at: datetime) -> list[float]:
    """The last scores of the other levels of the same test that were measured in the same run."""
    others = Control.objects.filter(
        facility=control.facility, machine=control.machine, analyte=control.analyte, ended__isnull=True
    ).exclude(level=control.level)
    newest = (
        ControlResult.objects.filter(control__in=others, at__gt=at - RUN, at__lte=at)
        .order_by("control_id", "-at", "-id")
        .distinct("control_id")
        .select_related("control")
    )
    return [score(one.control, one.value) for one in newest]


def score(control: Control, value: Decimal) -> float:
    """How many standard deviations a value is from the mean."""
    return float((value - control.mean) / control.sd)


def resolve(asker: Asker, block_id: int, action: str) -> QualityBlock:
    """Write what was done, so that the test is released from the machine again. Raises NeedsReason, BadControl."""
    _allow(asker)
    if not action.strip():
        raise NeedsReason
    with transaction.atomic():
        rows = QualityBlock.objects.select_for_update().filter(pk=block_id, resolved_at__isnull=True)
        block = rows.filter(facility=asker.facility).first()
        if not block:
            raise BadControl
        block.action, block.resolved_at, block.resolved_by = action.strip()[:1000], datetime.now(UTC), asker.account
        block.save()
        publish(f"lab:{block.facility}")
    return block


def _locked(asker: Asker, control_id: int) -> Control:
    _allow(asker)
    control = Control.objects.select_for_update().filter(pk=control_id, facility=asker.facility).first()
    if not control:
        raise BadControl
    return control


def _allow(asker: Asker) -> None:
    if asker.role not in WORKING:
        raise NotAllowed
