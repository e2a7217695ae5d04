"""What the doctor and the nurse do in a visit. One transaction each; the visit's queue row is locked by reception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.billing.api import NoPrice, cancel_charge, charge, is_paid, work_out_again
from tuetinh.care.clinic import facts, queries
from tuetinh.care.clinic.errors import (
    Begun,
    Elsewhere,
    Implausible,
    Incomplete,
    NotAllowed,
    NotOpen,
    UnknownCode,
    Warned,
)
from tuetinh.care.clinic.models import Draft
from tuetinh.care.clinic.vitals import VITALS, body_mass_index, implausible
from tuetinh.care.imaging.api import has_begun
from tuetinh.care.insurance.api import (
    Claim,
    claim,
    kind_so_far,
    kinds_for,
    queue_claim,
    say_kind,
    see_again,
    stop,
    take_back_claim,
    use_papers,
)
from tuetinh.care.lab.api import awaited, hurry, order_tests
from tuetinh.care.reception import api as reception
from tuetinh.commons.catalogues.api import Drug, Icd10, drug, fold, icd10, list_code, service
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

DOCTOR = frozenset({"doctor", "system"})
NURSE = DOCTOR | {"nurse"}


@dataclass(frozen=True, slots=True)
class Line:
    """A prescription line as typed. drug: code of the formulary. times: a day; dose: dose units each time; days.

    quantity: units to hand out, None when it follows from the dose.
    """

    drug: str
    times: Decimal
    dose: Decimal
    days: Decimal
    note: str = ""
    quantity: Decimal | None = None


def save_vitals(asker: Asker, encounter_id: str, values: Mapping[str, Decimal]) -> None:
    """Keep vital signs. values: by key of vitals.VITALS. Raises Implausible with the field."""
    need_role(asker, NURSE)
    for key, told in implausible(values).items():
        raise Implausible(told, field=key)
    who, now = by(asker), _now()
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        pressure = {key: values[key] for key in ("systolic", "diastolic") if key in values}
        found = [
            facts.vital(encounter, VITALS[key], value, now, who) for key, value in values.items() if key not in pressure
        ]
        if pressure:
            found.append(facts.blood_pressure(encounter, pressure, now, who))
        if "weight" in values and "height" in values and values["weight"] > 0:
            index = body_mass_index(values["weight"], values["height"])
            found.append(facts.body_mass_index(encounter, index, now, who))
        _keep(asker, found)
        publish(f"visit:{encounter_id}")


def save_examination(
    asker: Asker, encounter_id: str, *, reason: str, history: str, examination: str, seen: str | None = None
) -> None:
    """Keep why the person came, what they told and what was found.

    seen: the version that the page showed ("" for none yet), None to write whatever is there. Raises Elsewhere.
    """
    need_role(asker, DOCTOR)
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        if seen is not None and seen != queries.examination(asker, encounter_id).version:
            raise Elsewhere
        who = by(asker)
        _keep(asker, [facts.impression(encounter, history=history, examination=examination, at=_now(), who=who)])
        told = (encounter.reasonCode or [r4.CodeableConcept()])[0].text or ""
        if reason and reason != told:
            encounter.reasonCode = [r4.CodeableConcept(text=reason)]
            record.update(asker, encounter)


def diagnose(
    asker: Asker,
    encounter_id: str,
    principal: str,
    secondary: Sequence[str] = (),
    *,
    reasons: Mapping[str, str] | None = None,
) -> list[str]:
    """Set the diagnoses of the visit; returns warnings. Raises UnknownCode, insurance's Stopped (TT 06/2026).

    reasons: why the doctor goes on against what stopped it before, by key of the finding.
    """
    need_role(asker, DOCTOR)
    codes = [principal, *(code for code in dict.fromkeys(secondary) if code and code != principal)]
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        entries = [_known(code, "secondary" if place else "principal") for place, code in enumerate(codes)]
        who, now = by(asker), _now()
        found = [facts.condition(encounter, place, entry, now, who) for place, entry in enumerate(entries, 1)]
        _keep(asker, found)
        for old in queries.conditions(asker, encounter_id)[len(found) :]:
            record.delete(asker, "Condition", cast(str, old.id))
        encounter.diagnosis = [facts.diagnosis(cast(str, c.id), place) for place, c in enumerate(found, 1)]
        record.update(asker, encounter)
        return [problem.reason for problem in stop(asker, encounter_id, "diagnose", reasons=reasons)]


def examine(
    asker: Asker,
    encounter_id: str,
    told: Mapping[str, str],
    *,
    principal: str,
    secondary: Sequence[str],
    seen: str | None,
    reasons: Mapping[str, str] | None = None,
) -> list[str]:
    """Keep `reason history examination` and the diagnoses, all or nothing; see the two above."""
    with transaction.atomic():
        save_examination(asker, encounter_id, **told, seen=seen)
        if principal:
            return diagnose(asker, encounter_id, principal, secondary, reasons=reasons)
        if secondary:
            raise UnknownCode(_("Chọn chẩn đoán chính trước."), field="principal")
    return []


def _known(code: str, field: str) -> Icd10:
    entry = icd10(code)
    if entry is None:
        raise UnknownCode(_("Mã ICD-10 %(code)s không có trong danh mục.") % {"code": code}, field=field)
    return entry


def order_lab(
    asker: Asker, encounter_id: str, codes: Sequence[str], *, urgent: bool = False
) -> list[r4.ServiceRequest]:
    """Order laboratory tests by service code; one that still waits for its specimen is not ordered again, yet is
    urgent from now on where that is said.
    """
    need_role(asker, DOCTOR)
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        waiting = awaited(encounter_id)
        fresh = [code for code in codes if code not in waiting]
        if urgent and (known := [code for code in codes if code in waiting]):
            hurry(asker, encounter_id, known)
        return order_tests(asker, encounter, fresh, requester=by(asker), urgent=urgent) if fresh else []


@dataclass(frozen=True, slots=True)
class Pictures:
    """Imaging services to order, and what the pictures shall tell. urgent: so are the tests that go with them."""

    codes: Sequence[str] = ()
    question: str = ""
    site: str = ""
    urgent: bool = False


def order(
    asker: Asker,
    encounter_id: str,
    tests: Sequence[str],
    pictures: Pictures,
    *,
    reasons: Mapping[str, str] | None = None,
) -> list[str]:
    """Order laboratory tests and imaging, all or nothing; returns what the insurance remarks. Raises its Stopped."""
    with transaction.atomic():
        if tests:
            order_lab(asker, encounter_id, tests, urgent=pictures.urgent)
        for code in pictures.codes:
            order_imaging(
                asker, encounter_id, code,
                question=pictures.question, site=pictures.site, urgent=pictures.urgent,
            )  # fmt: skip
        return [problem.reason for problem in stop(asker, encounter_id, "order", reasons=reasons)]


def order_imaging(
    asker: Asker, encounter_id: str, code: str, *, question: str = "", site: str = "", urgent: bool = False
) -> r4.ServiceRequest:
    """Order an imaging service, charged at the facility's price; one that stands is returned, not ordered again.

    Raises UnknownCode, billing's NoPrice.
    """
    need_role(asker, DOCTOR)
    found = service(code)
    if found is None:
        raise UnknownCode(field="imaging")
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        for known in queries.imaging_orders(asker, encounter_id):
            if known.status == "active" and queries.service_of(known) == code:
                return known
        order = facts.imaging_order(
            encounter,
            record.new_id(),
            found,
            question=question.strip(),
            site=site.strip(),
            urgent=urgent,
            at=_now(),
            who=by(asker),
        )
        stored = cast(r4.ServiceRequest, record.create(asker, order))
        charge(asker, encounter, code, source_reference=f"ServiceRequest/{stored.id}")
        publish(f"visit:{encounter_id}")
    return stored


def cancel_imaging(asker: Asker, encounter_id: str, order_id: str) -> None:
    """Take back an imaging order that nobody has begun, and its charge. Raises UnknownCode, Begun."""
    need_role(asker, DOCTOR)
    with transaction.atomic():
        being_seen(asker, encounter_id)
        order = next((o for o in queries.imaging_orders(asker, encounter_id) if o.id == order_id), None)
        if order is None:
            raise UnknownCode(field="imaging")
        if order.status != "active" or has_begun(order_id):
            raise Begun
        order.status = "revoked"
        record.update(asker, order)
        _uncharge(asker, encounter_id, f"ServiceRequest/{order_id}")
        publish(f"visit:{encounter_id}")


def record_allergy(asker: Asker, encounter_id: str, substance: str, reaction: str = "") -> None:
    """Write down an allergy that was told or found in the visit; one that is known already stays as it is."""
    need_role(asker, NURSE)
    substance = substance.strip()
    if not substance:
        raise Implausible(_("Ghi tên thuốc hoặc chất gây dị ứng."), field="substance")
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        known = queries.allergies(asker, queries.patient_of(encounter))
        if fold(substance) in map(fold, known):
            return
        record.create(asker, facts.allergy(encounter, substance, reaction.strip(), _now(), by(asker)))


def keep_draft(
    asker: Asker, encounter_id: str, form: str, fields: Mapping[str, Sequence[str]], window: str
) -> datetime:
    """Keep what is typed in a form and not saved yet; returns when. Raises Elsewhere for an older window."""
    need_role(asker, NURSE)
    with transaction.atomic():
        being_seen(asker, encounter_id)
        mine = {"encounter": encounter_id, "account": asker.account, "form": form}
        kept = Draft.objects.select_for_update().filter(**mine).first()
        if kept and kept.window != window and kept.saved_at.timestamp() > queries.opened_at(window):
            raise Elsewhere
        values = {"fields": {name: list(told) for name, told in fields.items()}, "window": window}
        row, _made = Draft.objects.update_or_create(**mine, defaults=values | {"saved_at": timezone.now()})
    return row.saved_at


def drop_draft(asker: Asker, encounter_id: str, form: str) -> None:
    """Forget a draft whose form was saved."""
    Draft.objects.filter(encounter=encounter_id, account=asker.account, form=form).delete()


def prescribe(
    asker: Asker,
    encounter_id: str,
    lines: Sequence[Line],
    *,
    sure: bool = False,
    reasons: Mapping[str, str] | None = None,
) -> list[r4.MedicationRequest]:
    """Make the visit's prescription exactly these lines: unchanged ones stay, others are cancelled or added.

    sure: the doctor has seen the warnings. Raises UnknownCode, Implausible, Warned, insurance's Stopped.
    """
    need_role(asker, DOCTOR)
    drugs = [_plausible(line) for line in lines]
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        if not sure and (warnings := queries.warnings(asker, queries.patient_of(encounter), encounter_id, drugs)):
            raise Warned(warnings)
        wanted = [_line(asker, encounter, line, known) for line, known in zip(lines, drugs, strict=True)]
        standing = {queries.same_line(m): m for m in queries.prescription(asker, encounter_id)}
        keep = {queries.same_line(m) for m in wanted}
        for content, old in standing.items():
            if content not in keep:
                _withdraw(asker, encounter_id, old)
        for new in wanted:
            if queries.same_line(new) not in standing:
                _add(asker, encounter, new)
        stop(asker, encounter_id, "prescribe", reasons=reasons)
        publish(f"visit:{encounter_id}")
    return queries.prescription(asker, encounter_id)


def order_medicine(
    asker: Asker, encounter_id: str, line: Line, *, sure: bool = False, reasons: Mapping[str, str] | None = None
) -> r4.MedicationRequest:
    """Order one medicine more, as a ward does each day; what was ordered before stands. Raises as `prescribe` does."""
    need_role(asker, DOCTOR)
    known = _plausible(line)
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        if not sure and (warnings := queries.warnings(asker, queries.patient_of(encounter), encounter_id, [known])):
            raise Warned(warnings)
        stored = _add(asker, encounter, _line(asker, encounter, line, known))
        stop(asker, encounter_id, "prescribe", reasons=reasons)
        publish(f"visit:{encounter_id}")
    return stored


def _plausible(line: Line) -> Drug:
    """The medicine of a line. Raises UnknownCode, Implausible."""
    known = drug(line.drug)
    if known is None:
        raise UnknownCode(_("Thuốc %(code)s không có trong danh mục.") % {"code": line.drug}, field="drug")
    if not (0 < line.times <= 24 and line.times % 1 == 0 and 0 < line.dose <= 1000 and 0 < line.days <= 90):
        raise Implausible(_("Liều của %(name)s không hợp lý.") % {"name": known.label}, field="dose")
    if line.quantity is not None and not (0 < line.quantity <= 1000 and line.quantity % 1 == 0):
        raise Implausible(_("Số lượng của %(name)s không hợp lý.") % {"name": known.label}, field="quantity")
    return known


def _line(asker: Asker, encounter: r4.Encounter, line: Line, known: Drug) -> r4.MedicationRequest:
    return facts.prescription(
        encounter, record.new_id(), known, times=line.times, dose=line.dose, days=line.days, quantity=line.quantity,
        note=line.note, at=_now(), who=by(asker),
    )  # fmt: skip


def _add(asker: Asker, encounter: r4.Encounter, line: r4.MedicationRequest) -> r4.MedicationRequest:
    stored = cast(r4.MedicationRequest, record.create(asker, line))
    quantity = line.dispenseRequest.quantity.value if line.dispenseRequest and line.dispenseRequest.quantity else None
    try:
        code = queries.drug_of(line)
        charge(asker, encounter, code, quantity or 1, source_reference=f"MedicationRequest/{stored.id}")
    except NoPrice:
        pass  # bought outside: prescribed, not charged here
    return stored


def _withdraw(asker: Asker, encounter_id: str, line: r4.MedicationRequest) -> None:
    line.status = "cancelled"
    record.update(asker, line)
    _uncharge(asker, encounter_id, f"MedicationRequest/{line.id}")


def _uncharge(asker: Asker, encounter_id: str, order: str) -> None:
    for item in queries.charges_about(asker, encounter_id, order):
        cancel_charge(asker, cast(str, item.id))


def close_visit(
    asker: Asker, encounter_id: str, *, result: str, disposition: str, advice: str, follow_up: str = "", care: str = ""
) -> Claim:
    """End the visit and build its claim. result: KET_QUA_DTRI; disposition: MA_LOAI_RV; follow_up: ISO date or "".

    care: the kind of care (MA_LOAI_KCB), "" for what it is of. Raises Incomplete with what is missing, UnknownCode for
    no kind of such a visit.
    """
    need_role(asker, DOCTOR)
    with transaction.atomic():
        encounter = being_seen(asker, encounter_id)
        missing = {}
        if not encounter.diagnosis:
            missing["principal"] = _("chẩn đoán chính")
        try:
            codings = [list_code("KET_QUA_DTRI", result), list_code("MA_LOAI_RV", disposition)]
        except KeyError:
            missing["result"] = _("kết quả điều trị và hình thức ra viện")
            codings = []
        if not advice.strip():
            missing["advice"] = _("lời dặn")
        if missing:
            raise Incomplete(missing)
        plan = r4.CarePlan(
            id=f"{encounter_id}-plan",
            status="active",
            intent="plan",
            title="Lời dặn",
            description=advice.strip(),
            subject=cast(r4.Reference, encounter.subject),
            encounter=facts.visit_of(encounter),
            created=_now(),
            author=by(asker),
            period=r4.Period(end=follow_up) if follow_up else None,
        )
        _keep(asker, [plan])
        if care and care != kind_so_far(encounter):
            _say_kind(asker, encounter, care)
        see_again(asker, encounter, follow_up)
        use_papers(asker, encounter)
        flat = [coding for concept in codings for coding in concept.coding or []]
        reception.finish(asker, encounter_id, dispositions=flat)
        work_out_again(encounter_id)
        ended = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
        queue_claim(asker, ended, paid=is_paid(encounter_id))
        Draft.objects.filter(encounter=encounter_id).delete()
    return claim(asker, encounter_id)


def _say_kind(asker: Asker, encounter: r4.Encounter, care: str) -> None:
    today = timezone.localdate()
    if care not in kinds_for(encounter, today):
        raise UnknownCode(_("Chọn loại hình KCB trong danh sách."), field="care")
    say_kind(encounter, care, today)
    record.update(asker, encounter)


def reopen(asker: Asker, encounter_id: str, reason: str) -> None:
    """Take a finished visit up again."""
    need_role(asker, DOCTOR)
    with transaction.atomic():
        reception.reopen(asker, encounter_id, reason)
        take_back_claim(encounter_id)


def being_seen(asker: Asker, encounter_id: str) -> r4.Encounter:
    """The visit, held until the transaction ends; it must be being seen now. Raises NotOpen, reception's NoVisit."""
    if reception.hold(asker, encounter_id) != "in-progress":
        raise NotOpen
    return cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))


def _keep(asker: Asker, resources: Sequence[r4.Resource]) -> None:
    """Create what is new, update what is there; all of one type family by one read a type."""
    for type_ in {r.resourceType for r in resources}:
        mine = [r for r in resources if r.resourceType == type_]
        known = record.read_many(asker, type_, [cast(str, r.id) for r in mine])
        for resource in mine:
            if resource.id in known:
                record.update(asker, resource)
            else:
                record.create(asker, resource)


def by(asker: Asker) -> r4.Reference | None:
    """Who asks, as a reference to the practitioner; None for an account of nobody."""
    return r4.Reference(reference=f"Practitioner/{asker.practitioner}") if asker.practitioner else None


def _now() -> str:
    return timezone.localtime().isoformat(timespec="seconds")


def need_role(asker: Asker, roles: frozenset[str]) -> None:
    """Let only these roles go on. Raises NotAllowed."""
    if asker.role not in roles:
        raise NotAllowed
