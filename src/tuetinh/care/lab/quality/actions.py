"""What is done about quality: take a control into use, keep its results, resolve what it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.errors import BadControl, Expired, NeedsReason, NotAllowed
from tuetinh.care.lab.models import Control, ControlResult, Message, QualityBlock
from tuetinh.care.lab.quality.westgard import LOOKED_AT, violated
from tuetinh.care.lab.results.book import in_force
from tuetinh.care.lab.results.rules import Westgard
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import Asker

WORKING = frozenset({"lab", "system"})
RUN = timedelta(hours=4)  # levels that are measured within it are of one run


@dataclass(frozen=True, slots=True)
class Measured:
    """What a machine measured of a control: a number in our unit, or a word. at: None where it does not say."""

    control: Control
    value: Decimal | str
    at: datetime | None


def open_control(
    asker: Asker, *, machine: str, analyte: str, material: str, level: int, lot: str, mean: Decimal | None = None,
    sd: Decimal | None = None, barcode: str = "", expires: date | None = None, expected: str = "",
) -> Control:  # fmt: skip
    """Take a lot of a control into use: with mean and deviation, or of a qualitative test with the expected word.

    Raises BadControl, Expired, NotAllowed.
    """
    _allow(asker)
    if expires and expires < timezone.localdate():
        raise Expired
    what = analytes().get(analyte)
    if not what or not (material and lot):
        raise BadControl
    if what.numeric:
        if mean is None or sd is None or sd <= 0 or expected:
            raise BadControl
    elif expected not in what.choices:
        raise BadControl
    else:
        mean, sd = Decimal(0), Decimal(1)
    try:
        with transaction.atomic():
            return Control.objects.create(
                facility=asker.facility, machine=machine.strip(), analyte=analyte, material=material.strip(),
                level=level, lot=lot.strip(), barcode=barcode.strip(), mean=mean, sd=sd, expires=expires,
                expected=expected,
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


def keep_result(asker: Asker, control_id: int, value: Decimal | str, at: datetime | None = None) -> ControlResult:
    """Keep a measurement of a control; where it breaks a rule that rejects, its test is stopped on its machine.

    value: a word of the analyte's choices for a qualitative one. Raises BadControl, Expired.
    """
    with transaction.atomic():
        control = _locked(asker, control_id)
        if control.expired:
            raise Expired
        return _kept(control, value, at or datetime.now(UTC), asker.account)


def in_use(barcodes: Iterable[str]) -> list[Control]:
    """The controls in use, of all facilities and machines, that have one of these barcodes."""
    found = Control.objects.filter(barcode__in={code for code in barcodes if code}, ended__isnull=True)
    return list(found.order_by("id"))


def lock(controls: Iterable[Control]) -> None:
    """Lock controls that are to be measured, in one order, whatever order messages tell of them in."""
    if asked := {control.pk for control in controls}:
        list(Control.objects.select_for_update().filter(pk__in=asked).order_by("id").values_list("pk"))


def from_machine(message: Message, measured: Sequence[Measured]) -> None:
    """Keep what a message of a machine told of controls, each measurement once however often the message is read."""
    with transaction.atomic():
        asked = {one.control.pk for one in measured}
        rows = Control.objects.select_for_update().filter(pk__in=asked, ended__isnull=True).order_by("id")
        controls = {row.pk: row for row in rows}
        known = set(ControlResult.objects.filter(message=message).values_list("control_id", "at"))
        for one in measured:
            at = one.at or message.received_at
            if one.control.pk in controls and (one.control.pk, at) not in known:
                _kept(controls[one.control.pk], one.value, at, "machine", message)


def _kept(
    control: Control, value: Decimal | str, at: datetime, account: str, message: Message | None = None
) -> ControlResult:
    what = analytes().get(control.analyte)
    if control.ended or isinstance(value, str) != bool(control.expected):
        raise BadControl
    if isinstance(value, str):
        if not what or value not in what.choices:
            raise BadControl
        broken = [] if value == control.expected else [f"≠ {control.expected}"]
        return _stored(control, value, at, account, message, broken, [])
    before = list(control.results.filter(at__lte=at).order_by("-at", "-id")[: LOOKED_AT - 1])[::-1]
    own = [score(control, one.value) for one in before] + [score(control, value)]
    broken = violated(own, _run(control, at))
    day = at.date().isoformat()
    does = {rule.rule: rule.action for rule in in_force(control.facility).of(Westgard, day)}
    rejected, warned = ([name for name in broken if does.get(name) == action] for action in ("reject", "warn"))
    return _stored(control, value, at, account, message, rejected, warned)


def _stored(  # noqa: PLR0917
    control: Control, value: Decimal | str, at: datetime, account: str, message: Message | None,
    broken: list[str], warned: list[str],
) -> ControlResult:  # fmt: skip
    word = value if isinstance(value, str) else ""
    number = Decimal(len(broken)) if isinstance(value, str) else value
    result = ControlResult.objects.create(
        control=control, message=message, value=number, text=word, at=at, account=account, broken=broken, warned=warned
    )
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
