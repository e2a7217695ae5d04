"""Reagents: packs that come, are opened on a machine and used up; what is there, and which lot made which result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from tuetinh.care.lab.catalogue import test
from tuetinh.care.lab.errors import BadReagent, Expired, NeedsReason, NotAllowed
from tuetinh.care.lab.models import OrderLine, Reagent, ReagentLot, ReagentMove
from tuetinh.care.lab.statistics.summary import HANOI
from tuetinh.record.asker import Asker

KEEPING = frozenset({"lab", "system"})
SOON = 30  # days before its expiry in which a lot is told of
Kind = ReagentMove.Kind


def today() -> date:
    """Today in Vietnam."""
    return datetime.now(HANOI).date()


def soon() -> date:
    """The day up to which a lot that expires is told of."""
    return today() + timedelta(days=SOON)


def save(
    asker: Asker, reagent_id: int | None, *, name: str, maker: str, tests: Sequence[str], per_pack: int,
    open_days: int, low: int,
) -> Reagent:  # fmt: skip
    """Add a reagent, or change it. Raises BadReagent for a name that is taken or a test that is none, NotAllowed."""
    _allow(asker)
    if not name.strip() or any(test(code) is None for code in tests):
        raise BadReagent
    values = {
        "name": name.strip(), "maker": maker.strip(), "tests": list(tests), "per_pack": per_pack,
        "open_days": open_days, "low": low,
    }  # fmt: skip
    try:
        with transaction.atomic():
            row = _own(asker, reagent_id) if reagent_id else Reagent(facility=asker.facility)
            for field, value in values.items():
                setattr(row, field, value)
            row.save()
            return row
    except IntegrityError as error:
        raise BadReagent from error


def receive(asker: Asker, reagent_id: int, *, lot: str, expires: date, price: Decimal, packs: int) -> ReagentMove:
    """Take packs of a lot in; more of a known one at the price of the newest. Raises BadReagent, Expired."""
    _allow(asker)
    if packs < 1 or price < 0 or not lot.strip():
        raise BadReagent
    if expires < today():
        raise Expired
    with transaction.atomic():
        reagent = _own(asker, reagent_id)
        values = {"expires": expires, "price": price}
        row, _ = ReagentLot.objects.update_or_create(reagent=reagent, lot=lot.strip(), defaults=values)
        return _moved(asker, row, Kind.RECEIVE, packs)


def open_pack(asker: Asker, lot_id: int, machine: str) -> ReagentMove:
    """Open a pack on a machine ("" by hand); the one that was open there is used up. Raises BadReagent, Expired."""
    with transaction.atomic():
        lot = _lot(asker, lot_id)
        if left(lot) < 1:
            raise BadReagent
        if lot.expires < today():
            raise Expired
        here = ReagentMove.objects.filter(
            lot__reagent=lot.reagent, kind=Kind.OPEN, machine=machine, finished_at__isnull=True
        )
        here.update(finished_at=datetime.now(UTC), finished_by=asker.account)
        return _moved(asker, lot, Kind.OPEN, -1, machine=machine)


def finish(asker: Asker, move_id: int) -> ReagentMove:
    """Note that an open pack is used up. Raises BadReagent."""
    _allow(asker)
    with transaction.atomic():
        rows = ReagentMove.objects.select_for_update(of=("self",)).filter(pk=move_id, kind=Kind.OPEN)
        move = rows.filter(finished_at__isnull=True, lot__reagent__facility=asker.facility).first()
        if not move:
            raise BadReagent
        move.finished_at, move.finished_by = datetime.now(UTC), asker.account
        move.save()
    return move


def discard(asker: Asker, lot_id: int, packs: int, why: str) -> ReagentMove:
    """Throw unopened packs away. Raises NeedsReason, BadReagent for more than there are."""
    if not why.strip():
        raise NeedsReason
    with transaction.atomic():
        lot = _lot(asker, lot_id)
        if not 1 <= packs <= left(lot):
            raise BadReagent
        return _moved(asker, lot, Kind.DISCARD, -packs, note=why.strip()[:300])


def left(lot: ReagentLot) -> int:
    """Unopened packs of a lot."""
    return int(lot.moves.aggregate(left=Sum("packs"))["left"] or 0)


def stock(facility: str) -> QuerySet[Reagent]:
    """The reagents of a laboratory by name: `left` packs, `opened` ones, and `expires`, the next lot that does."""
    packs = ReagentMove.objects.filter(lot__reagent=OuterRef("pk")).values("lot__reagent").annotate(n=Sum("packs"))
    there = ReagentLot.objects.annotate(n=Sum("moves__packs")).filter(reagent=OuterRef("pk"), n__gt=0)
    return (
        Reagent.objects.filter(facility=facility)
        .annotate(
            left=Coalesce(Subquery(packs.values("n")[:1]), Value(0), output_field=IntegerField()),
            opened=Count("lots__moves", filter=Q(lots__moves__kind=Kind.OPEN, lots__moves__finished_at__isnull=True)),
            expires=Subquery(there.order_by("expires").values("expires")[:1]),
        )
        .order_by("name", "pk")
    )


def wanting(facility: str) -> QuerySet[Reagent]:
    """Reagents of which there is too little, or of which a lot expires soon."""
    return stock(facility).filter(Q(left__lt=F("low")) | Q(expires__lte=soon()))


def lots(reagent: Reagent) -> QuerySet[ReagentLot]:
    """The lots of a reagent with `left`, the first to expire first; those that are used up last."""
    rows = ReagentLot.objects.filter(reagent=reagent).annotate(left=Coalesce(Sum("moves__packs"), Value(0)))
    return rows.order_by("expires", "pk")


def opened(reagent: Reagent) -> list[tuple[ReagentMove, date]]:
    """The open packs with the day up to which each may be used: its expiry, or sooner once it is opened."""
    rows = ReagentMove.objects.filter(lot__reagent=reagent, kind=Kind.OPEN, finished_at__isnull=True)
    return [(move, use_by(move, reagent)) for move in rows.select_related("lot").order_by("at", "pk")]


def use_by(move: ReagentMove, reagent: Reagent) -> date:
    """Up to when an open pack may be used."""
    after = move.at.astimezone(HANOI).date() + timedelta(days=reagent.open_days)
    return min(move.lot.expires, after) if reagent.open_days else move.lot.expires


def made_with(lot: ReagentLot) -> QuerySet[OrderLine]:
    """The orders that were measured with a lot, newest first: of its tests, where and while its packs were open."""
    whens = Q(pk__in=())
    for move in lot.moves.filter(kind=Kind.OPEN):
        when = Q(machine=move.machine, done_at__gte=move.at)
        whens |= when & Q(done_at__lte=move.finished_at) if move.finished_at else when
    rows = OrderLine.objects.filter(whens, test__in=lot.reagent.tests, tube__facility=lot.reagent.facility)
    return rows.select_related("tube").order_by("-done_at", "pk")


def used_for(facility: str, lines: Iterable[OrderLine]) -> list[tuple[str, ReagentMove]]:
    """Which packs made results: test and pack, in one query."""
    done = [line for line in lines if line.done_at]
    if not done:
        return []
    first, last = min(line.done_at for line in done), max(line.done_at for line in done)  # type: ignore[type-var]
    moves = ReagentMove.objects.filter(
        Q(finished_at__isnull=True) | Q(finished_at__gte=first), kind=Kind.OPEN, at__lte=last,
        lot__reagent__facility=facility, machine__in={line.machine for line in done},
    ).select_related("lot__reagent").order_by("lot__reagent__name", "at")  # fmt: skip
    return [
        (known.name if (known := test(line.test)) else line.test, move)
        for line in done
        for move in moves
        if line.machine == move.machine and line.test in move.lot.reagent.tests and move.at <= line.done_at  # type: ignore[operator]
        and (move.finished_at is None or line.done_at <= move.finished_at)  # type: ignore[operator]
    ]  # fmt: skip


def _moved(asker: Asker, lot: ReagentLot, kind: str, packs: int, *, machine: str = "", note: str = "") -> ReagentMove:
    return ReagentMove.objects.create(
        lot=lot, kind=kind, packs=packs, at=datetime.now(UTC), account=asker.account, machine=machine, note=note
    )


def _own(asker: Asker, reagent_id: int) -> Reagent:
    row = Reagent.objects.select_for_update().filter(pk=reagent_id, facility=asker.facility).first()
    if not row:
        raise BadReagent
    return row


def _lot(asker: Asker, lot_id: int) -> ReagentLot:
    """The lot, locked with its reagent: who takes packs of it waits for the other."""
    _allow(asker)
    rows = ReagentLot.objects.select_for_update().select_related("reagent")
    row = rows.filter(pk=lot_id, reagent__facility=asker.facility).first()
    if not row:
        raise BadReagent
    return row


def _allow(asker: Asker) -> None:
    if asker.role not in KEEPING:
        raise NotAllowed
