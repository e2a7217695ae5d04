"""Guardians of adults: a desk asks with the paper that it has seen, and the ward or a second colleague confirms it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Guardianship
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.sight import carers, papers, wards
from tuetinh.commons.access.telling import enter_log, tell_person
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuetinh.commons.access.models import Account
    from tuetinh.record.asker import Asker

SHORTEST: Final = 10  # characters of a reason
SHORTEST_PAPER: Final = 4
MOST: Final = 20
_ASKED: Final = (
    "Tại {place}, {name} được đề nghị làm người giám hộ của bạn, theo văn bản {paper}. "
    "Bạn đồng ý hay từ chối ở trang “Người thân, người chăm sóc”; nếu không đúng, hãy báo cho cơ sở."
)


@transaction.atomic
def ask(by: Account, ward: str, carer: str, paper: str, reason: str) -> Guardianship:
    """Ask that somebody be an adult's guardian; the adult is told.

    paper: the number of the court's decision or the authorisation. Raises AccessError `role`, `decision`, `reason`,
    `carer-self`, `carer-gone`, `carer-exists`.
    """
    if by.role not in carers.DESKS:
        raise AccessError("role")
    if len(paper.strip()) < SHORTEST_PAPER:
        raise AccessError("decision")
    if len(reason.strip()) < SHORTEST:
        raise AccessError("reason")
    adult, person = carers.people(ward, carer)
    if carers.is_minor(adult):
        raise AccessError("relationship")
    if any(one.carer == carer and one.by_law for one in wards.of_ward(ward)):
        raise AccessError("carer-exists")
    try:
        with transaction.atomic():
            asked = Guardianship.objects.create(
                ward=ward, carer=carer, paper=paper.strip(), reason=reason.strip(), facility=by.facility, by=by
            )
    except IntegrityError:
        raise AccessError("carer-exists") from None
    enter_log(by, "create", "Guardianship", str(asked.pk), patient=ward, reason=f"{asked.paper}: {asked.reason}")
    told = {"place": place_name("Organization", by.facility), "name": names([person])[carer], "paper": asked.paper}
    tell_person(ward, _ASKED.format(**told), by.facility)
    return asked


@transaction.atomic
def answer(by: Account, asker: Asker, guardianship_id: int, *, accept: bool) -> Guardianship:
    """Confirm or refuse what was asked, as the ward or as another colleague of the desk.

    A carer who acts in the ward's record is not the ward. Raises AccessError `confirmed`.
    """
    asked = Guardianship.objects.select_for_update().filter(pk=guardianship_id, accepted=None).first()
    if asked is None or not _may_answer(by, asked):
        raise AccessError("confirmed")
    asked.accepted, asked.answered_by, asked.answered_at = accept, by, timezone.now()
    asked.save(update_fields=["accepted", "answered_by", "answered_at"])
    enter_log(by, "update", "Guardianship", str(asked.pk), patient=asked.ward, reason="accept" if accept else "refuse")
    if accept:
        ward, carer = carers.people(asked.ward, asked.carer)
        carers.bind(carers.writing(asker), ward, carer, "GUARD", papers.Paper(papers.DECISION, asked.paper))
    return asked


def waiting(ward: str) -> QuerySet[Guardianship]:
    """What was asked for an adult and not answered yet."""
    return Guardianship.objects.filter(ward=ward, accepted=None).select_related("by").order_by("pk")[:MOST]


def carers_of(asked: list[Guardianship]) -> dict[str, str]:
    """The names of those who would be guardians, by id."""
    return names(run(SYSTEM, wards.bodies(r4.Patient, [one.carer for one in asked])).values())


def names(people: Iterable[r4.Patient]) -> dict[str, str]:
    """How people are called, by id."""
    return {str(one.id): wards.name_of(one) for one in people}


def _may_answer(by: Account, asked: Guardianship) -> bool:
    if by.role == "citizen":
        return by.patient == asked.ward
    return by.role in carers.DESKS and by.facility == asked.facility and by.pk != asked.by_id
