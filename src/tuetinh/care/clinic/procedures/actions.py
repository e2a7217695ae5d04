"""Write down a procedure that was done, charge it, and take it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.billing.api import cancel_charge, charge
from tuetinh.care.clinic import queries
from tuetinh.care.clinic.actions import DOCTOR, being_seen, by, need_role
from tuetinh.care.clinic.errors import Implausible, UnknownCode
from tuetinh.care.clinic.procedures import facts
from tuetinh.care.clinic.procedures.machines import machines, used
from tuetinh.care.insurance.api import Problem, role_share, stop
from tuetinh.commons.catalogues.api import codes, is_procedure, service
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

AGAIN: Final = ("again_same_team", "again_other_team", "again_procedure")


@dataclass(frozen=True, slots=True)
class Done:
    """A procedure as it was typed. people: ids of practitioners, the first led; anaesthesia: PP_VO_CAM or "".

    again: a further one of the same session, which costs a part (`AGAIN`), "" for one by itself. note: how it went.
    machines: codes (MA_MAY) of those that it was done with.
    """

    code: str
    start: datetime
    end: datetime
    people: tuple[str, ...]
    anaesthesia: str = ""
    again: str = ""
    note: str = ""
    machines: tuple[str, ...] = ()


def write_down(
    asker: Asker, encounter_id: str, told: Done, *, reasons: Mapping[str, str] | None = None
) -> list[Problem]:
    """Keep and charge what was done; returns what the rules remark.

    Raises UnknownCode, Implausible, NotOpen, billing's NoPrice, insurance's Stopped.
    """
    need_role(asker, DOCTOR)
    known = service(told.code)
    if known is None or not is_procedure(known):
        raise UnknownCode(_("Chọn phẫu thuật, thủ thuật trong danh mục."), field="code")
    _refuse_wrong(told)
    tools = used(told.machines, machines(asker)) if told.machines else []
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        began = datetime.fromisoformat((encounter.period.start if encounter.period else None) or told.start.isoformat())
        if told.start < began:
            raise Implausible(_("Bắt đầu trước khi lượt khám bắt đầu."), field="start")
        id_, start = record.new_id(), told.start.isoformat(timespec="seconds")
        order = record.create(asker, facts.order(encounter, id_, known, start, by(asker)))
        made = facts.done(
            encounter, id_, known, start=start, end=told.end.isoformat(timespec="seconds"), people=told.people,
            anaesthesia=told.anaesthesia, note=told.note, machines=tools,
        )  # fmt: skip
        record.create(asker, made)
        charge(
            asker, encounter, told.code, source_reference=record.ref(order), at=told.start,
            share=role_share(told.again),
        )  # fmt: skip
        found = stop(asker, encounter_id, "order", reasons=reasons)
        publish(f"visit:{encounter_id}")
    return found


def take_back(asker: Asker, encounter_id: str, id_: str) -> None:
    """Take back what was written down by mistake, with its charge. Raises UnknownCode, NotOpen."""
    need_role(asker, DOCTOR)
    with transaction.atomic():
        being_seen(asker, encounter_id)
        made = next((one for one in of_visit(asker, encounter_id) if one.id == id_), None)
        if made is None:
            raise UnknownCode(field="code")
        made.status = "entered-in-error"
        record.update(asker, made)
        order = cast(r4.ServiceRequest, record.read(asker, "ServiceRequest", id_))
        order.status = "entered-in-error"
        record.update(asker, order)
        for item in queries.charges_about(asker, encounter_id, f"ServiceRequest/{id_}"):
            cancel_charge(asker, cast(str, item.id))
        publish(f"visit:{encounter_id}")


def of_visit(asker: Asker, encounter_id: str) -> list[r4.Procedure]:
    """What was done in a visit for an order of its own, in the order of time."""
    found = record.search(asker, "Procedure", f"encounter=Encounter/{encounter_id}&status=completed&_count=200")
    mine = [
        one
        for one in cast("list[r4.Procedure]", found.resources)
        if [f"ServiceRequest/{one.id}"] == [named.reference for named in one.basedOn or []]
    ]
    return sorted(mine, key=lambda one: (one.performedPeriod.start or "") if one.performedPeriod else "")


def _refuse_wrong(told: Done) -> None:
    if told.end <= told.start:
        raise Implausible(_("Kết thúc phải sau khi bắt đầu."), field="end")
    if told.end > timezone.now():
        raise Implausible(_("Ghi sau khi đã làm xong: giờ kết thúc ở tương lai."), field="end")
    if not told.people:
        raise Implausible(_("Chọn ít nhất một người thực hiện."), field="people")
    if told.anaesthesia and told.anaesthesia not in codes("PP_VO_CAM"):
        raise Implausible(_("Chọn phương pháp vô cảm trong danh mục."), field="anaesthesia")
    if told.again and told.again not in AGAIN:
        raise Implausible(_("Chọn lần thực hiện trong danh sách."), field="again")
