"""The report of a case: drafted, called, signed; added to and corrected later; second opinions; the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.insurance.api import claim_is_changed
from tuetinh.care.lab.actions import WORKING, as_desk
from tuetinh.care.lab.errors import NeedsReason, NotAllowed, NotReadBack, NotSignatory
from tuetinh.care.lab.facts import now, report_id
from tuetinh.care.lab.pathology import facts
from tuetinh.care.lab.pathology.cases import OPEN, Stage, lock, told
from tuetinh.care.lab.pathology.errors import CallFirst, Lent, NoCase, NotAReport
from tuetinh.care.lab.pathology.models import PathologyCase, PathologyLoan, PathologyOpinion, PathologyPiece
from tuetinh.care.lab.pathology.tables import services, templates
from tuetinh.care.lab.results import facts as result_facts
from tuetinh.care.lab.results.signing import named
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

READ = (Stage.STAINED, Stage.DRAFTED)


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody reads of the slides. fields: of the template, by key; code: ICD-O-3 morphology, or ""."""

    template: str
    microscopy: str
    diagnosis: str
    fields: Mapping[str, str]
    code: str = ""

    def said(self) -> dict[str, tuple[str, str]]:
        """Name and text of each section that holds something. Raises NotAReport for what must not be or is missing."""
        form = templates().get(self.template)
        if not form or not self.diagnosis.strip():
            raise NotAReport
        said = {"micro": ("", self.microscopy), "diagnosis": ("", self.diagnosis)}
        for field in form.fields:
            value = self.fields.get(field.key, "")
            if (value and value not in field.choices) or (field.required and not value):
                raise NotAReport
            said[field.key] = (field.name, value)
        return {key: (name, text.strip()[:8000]) for key, (name, text) in said.items() if text.strip()}


def sections(asker: Asker, case: PathologyCase) -> dict[str, r4.Observation]:
    """The sections of a report by key, in its order: gross, microscopy, fields, diagnosis, opinions, addenda."""
    query = f"patient=Patient/{case.patient}&based-on=ServiceRequest/{case.request}&_count=200"
    page = record.search(as_desk(asker), "Observation", query)
    start = len(case.request) + 1
    found = {(one.id or "")[start:]: cast(r4.Observation, one) for one in page.resources}
    found = {key: one for key, one in found.items() if one.status not in ("entered-in-error", "cancelled")}
    order = ["gross", "micro", *(field.key for field in templates()[case.template].fields), "diagnosis"]
    known = {key: found[key] for key in order if key in found}
    return known | {key: found[key] for key in sorted(found) if key not in known}


def current(asker: Asker, case: PathologyCase) -> r4.DiagnosticReport | None:
    """The report of a case, as it is now."""
    id_ = report_id(case.request)
    return cast("dict[str, r4.DiagnosticReport]", record.read_many(as_desk(asker), "DiagnosticReport", [id_])).get(id_)


def draft(asker: Asker, case_id: int, what: Draft) -> PathologyCase:
    """Keep what was read of the slides, not yet signed. A frozen section is then to be called. Raises NotAReport."""
    said = what.said()
    with transaction.atomic():
        case = lock(asker, case_id, *READ)
        before = sections(asker, case).get("diagnosis")
        case.template = what.template
        _write(asker, case, what, "preliminary")
        if services()[case.service].kind == "frozen" and (not before or before.valueString != said["diagnosis"][1]):
            case.call_due = True
        case.stage = Stage.DRAFTED
        case.save()
        told(case)
    return case


def _write(asker: Asker, case: PathologyCase, what: Draft, status: str, reason: str = "") -> None:
    """Write the sections that have changed, take back what is no longer said, and the report over them."""
    desk, said = as_desk(asker), what.said()
    old = sections(asker, case)
    written = {}
    for key, (name, text) in said.items():
        before = old.get(key)
        if before and before.valueString == text:
            continue
        made = facts.section(asker, case, key, text, name=name)
        made.status = status if before or status != "corrected" else "final"
        if reason:
            made.note = [*((before.note if before else None) or []), _correction(before, reason)]
        written[key] = made
    own = {field.key for form in templates().values() for field in form.fields} | {"micro"}
    for key in [key for key in old if key in own and key not in said]:
        gone = old.pop(key)
        gone.status = "entered-in-error" if status == "corrected" else "cancelled"
        gone.note = [*(gone.note or []), _correction(gone, reason)] if reason else gone.note
        record.update(desk, gone)
    if written:
        record.put_many(desk, list(written.values()))
    _report(asker, case, status, what.code)


def _correction(before: r4.Observation | None, reason: str) -> r4.Annotation:
    text = f"Trước khi sửa: {before.valueString}. Lý do: {reason}" if before else f"Bổ sung. Lý do: {reason}"
    return r4.Annotation(text=text, time=now())


def _report(asker: Asker, case: PathologyCase, status: str, code: str) -> None:
    desk = as_desk(asker)
    query = f"patient=Patient/{case.patient}&based-on=ServiceRequest/{case.request}&_count=100"
    pictures = sorted(one.id or "" for one in record.search(desk, "Media", query).resources)
    record.put_many(desk, [facts.report(case, status, sections(asker, case), pictures, code)])
    if status != "preliminary":
        claim_is_changed(case.encounter, _("Trả hoặc sửa kết quả giải phẫu bệnh sau khi gửi: gửi lại."))


def call(asker: Asker, case_id: int, told_whom: str, *, answered: bool = True, read_back: bool = True) -> PathologyCase:
    """Log the call of a frozen section to the theatre; once it was read back, it may be signed.

    Raises NeedsReason, NotReadBack.
    """
    if not told_whom.strip():
        raise NeedsReason
    if answered and not read_back:
        raise NotReadBack
    with transaction.atomic():
        case = lock(asker, case_id, Stage.DRAFTED)
        if not case.call_due:
            raise NoCase
        diagnosis = sections(asker, case)["diagnosis"]
        made = result_facts.call(
            asker, [diagnosis], told_whom.strip()[:300], facility=case.facility, answered=answered, at=datetime.now(UTC)
        )
        record.create(as_desk(asker), made)
        case.call_due = not answered
        case.save()
        told(case)
    return case


def sign(asker: Asker, case_id: int) -> PathologyCase:
    """Sign a drafted report: all of it becomes final. Raises NotSignatory, CallFirst, NoCase."""
    with transaction.atomic():
        case = lock(asker, case_id, Stage.DRAFTED)
        _may_sign(asker, case)
        if case.call_due:
            raise CallFirst
        desk, code = as_desk(asker), facts.code_of(current(asker, case))
        found = sections(asker, case)
        for one in found.values():
            one.status, one.issued = "final", now()
        record.put_many(desk, list(found.values()))
        _report(asker, case, "final", code)
        _signed(asker, case, [f"Observation/{one.id}" for one in found.values()])
        request = cast(r4.ServiceRequest, record.read(desk, "ServiceRequest", case.request))
        request.status = "completed"
        record.update(desk, request)
        case.stage, case.signed_at, case.signed_by = Stage.SIGNED, timezone.now(), asker.account
        case.save()
        told(case)
    return case


def _may_sign(asker: Asker, case: PathologyCase) -> None:
    signers = named(case.facility)
    if signers and asker.account not in signers:
        raise NotSignatory


def _signed(asker: Asker, case: PathologyCase, targets: list[str]) -> None:
    report = f"DiagnosticReport/{report_id(case.request)}"
    record.create(as_desk(asker), result_facts.validation(asker, [report, *targets], "medical-validation"))


def add(asker: Asker, case_id: int, text: str) -> PathologyCase:
    """Sign an addendum to a signed report, which stays as it was. Raises NeedsReason, NotSignatory."""
    if not text.strip():
        raise NeedsReason
    with transaction.atomic():
        case = lock(asker, case_id, Stage.SIGNED)
        _may_sign(asker, case)
        place = sum(key.startswith("addendum-") for key in sections(asker, case)) + 1
        made = facts.section(asker, case, f"addendum-{place}", text.strip()[:8000], name=f"Bổ sung {place}")
        made.status = "final"
        record.create(as_desk(asker), made)
        _report(asker, case, "appended", facts.code_of(current(asker, case)))
        _signed(asker, case, [f"Observation/{made.id}"])
        told(case)
    return case


def correct(asker: Asker, case_id: int, what: Draft, reason: str) -> PathologyCase:
    """Sign a correction of a signed report; what was said before stays with each section, and why it was changed.

    Raises NeedsReason, NotAReport, NotSignatory.
    """
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        case = lock(asker, case_id, Stage.SIGNED)
        _may_sign(asker, case)
        case.template = what.template
        _write(asker, case, what, "corrected", reason.strip()[:500])
        _signed(asker, case, [])
        case.save()
        told(case)
    return case


def ask_opinion(asker: Asker, case_id: int, asked_of: str, question: str) -> PathologyOpinion:
    """Ask somebody else how they read a case."""
    if not asked_of.strip() or not question.strip():
        raise NeedsReason
    with transaction.atomic():
        case = lock(asker, case_id, *READ, Stage.SIGNED)
        opinion = PathologyOpinion.objects.create(
            case=case, asked_of=asked_of.strip()[:200], question=question.strip()[:500], asked_at=timezone.now(),
            asked_by=asker.account,
        )  # fmt: skip
        told(case)
    return opinion


def answer_opinion(asker: Asker, opinion_id: int, text: str) -> PathologyOpinion:
    """Keep a second opinion as part of the case; on a signed report those who sign append it.

    Raises NeedsReason, NotSignatory, NoCase when it was answered.
    """
    if not text.strip():
        raise NeedsReason
    found = PathologyOpinion.objects.filter(pk=opinion_id, answered_at__isnull=True).first()
    if not found:
        raise NoCase
    with transaction.atomic():
        case = lock(asker, found.case_id, *READ, Stage.SIGNED)
        opinion = PathologyOpinion.objects.get(pk=opinion_id)
        if opinion.answered_at:
            raise NoCase
        if case.stage == Stage.SIGNED:
            _may_sign(asker, case)
        name = f"Ý kiến thứ hai: {opinion.asked_of}"
        made = facts.section(asker, case, f"opinion-{opinion.pk}", text.strip()[:8000], name=name)
        made.status = "final"
        opinion.observation = record.create(as_desk(asker), made).id or ""
        opinion.answered_at, opinion.answered_by = timezone.now(), asker.account
        opinion.save()
        report = current(asker, case)
        if case.stage == Stage.SIGNED and report:
            _report(asker, case, "appended", facts.code_of(report))
        told(case)
    return opinion


def keep_at(asker: Asker, piece_id: int, place: str) -> PathologyPiece:
    """Note where a block or slide is kept."""
    with transaction.atomic():
        piece = _piece(asker, piece_id)
        piece.place = place.strip()[:100]
        piece.save()
    return piece


def lend(asker: Asker, piece_id: int, borrower: str, purpose: str = "") -> PathologyLoan:
    """Lend a block or slide out. Raises NeedsReason without a name, Lent when it is away."""
    if not borrower.strip():
        raise NeedsReason
    with transaction.atomic():
        piece = _piece(asker, piece_id)
        if piece.loans.filter(returned_at__isnull=True).exists():
            raise Lent
        return PathologyLoan.objects.create(
            piece=piece, borrower=borrower.strip()[:200], purpose=purpose.strip()[:200], lent_at=timezone.now(),
            lent_by=asker.account,
        )  # fmt: skip


def take_back(asker: Asker, piece_id: int) -> PathologyLoan:
    """Note that a lent block or slide is back. Raises Lent when it was not away."""
    with transaction.atomic():
        piece = _piece(asker, piece_id)
        loan = piece.loans.filter(returned_at__isnull=True).first()
        if not loan:
            raise Lent
        loan.returned_at = timezone.now()
        loan.save()
    return loan


def _piece(asker: Asker, piece_id: int) -> PathologyPiece:
    """A block or slide, its case locked."""
    if asker.role not in WORKING:
        raise NotAllowed
    found = PathologyPiece.objects.filter(pk=piece_id).exclude(level=PathologyPiece.Level.PART).first()
    if not found:
        raise NoCase
    lock(asker, found.case_id, *OPEN, Stage.SIGNED)
    return PathologyPiece.objects.get(pk=piece_id)
