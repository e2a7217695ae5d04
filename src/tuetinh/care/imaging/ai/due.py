"""Which studies are given to which models, by the rules of their facility."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from tuetinh.care.imaging.ai import known
from tuetinh.care.imaging.ai.model import Model
from tuetinh.care.imaging.ai.models import AiResult
from tuetinh.care.imaging.archive.queries import drawn
from tuetinh.care.imaging.models import Exam, Instance, Series, Study
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.care.imaging.rules.kinds import Assist
from tuetinh.commons.identity.api import age
from tuetinh.record.text import fold

SOON: Final = timedelta(seconds=5)
SOURCE: Final = "AI"  # of the objects that models add to studies


def want(study: Study) -> None:
    """Let the models whose rules fit a study look at what of it they have not seen, within the caller's transaction."""
    now = datetime.now(UTC)
    for rule, model in _fitting(study):
        row, fresh = AiResult.objects.get_or_create(
            study=study, model=model.name, version=model.version,
            defaults={"facility": study.custodian, "rule": rule.code, "next_at": now + SOON},
        )  # fmt: skip
        if not fresh and row.state != AiResult.State.WAITING and unseen(row, model, rule).exists():
            again = {"state": AiResult.State.WAITING, "rule": rule.code, "next_at": now + SOON, "tries": 0, "fault": ""}
            AiResult.objects.filter(pk=row.pk).exclude(state=AiResult.State.WAITING).update(**again)


def look_anew(study: int) -> None:
    """Let models look once more at all of a study of which an object was replaced, within the caller's transaction.

    What they said does not stand any more, nor what one that is looking just now is going to say.
    """
    nothing = {"pictures": [], "score": None, "threshold": None, "looked": 0, "among": 0, "last": 0}
    waits = {"state": AiResult.State.WAITING, "next_at": datetime.now(UTC) + SOON, "tries": 0, "fault": ""}
    AiResult.objects.filter(study=study).update(**nothing, **waits)


def _fitting(study: Study) -> Iterator[tuple[Assist, Model]]:
    rules = in_force(study.custodian).of(Assist)
    if not rules or not study.patient:
        return
    newest = {one.name: one for one in known.versions()}
    series = list(Series.objects.filter(study=study).values_list("modality", "attributes"))
    machines = {modality for modality, _attributes in series}
    exam = Exam.objects.filter(Q(study_instance_uid=study.study_instance_uid) | Q(order=study.order or "-")).first()
    said = [study.study_description, exam.description if exam else ""]
    said += [_first(attributes, tag) for _modality, attributes in series for tag in ("0008103E", "00180015")]
    years = _age(study)
    seen: set[str] = set()
    for rule in rules:
        fits = rule.fits(machines, fold(" ".join(said)), years, exam.service if exam else "")
        model = newest.get(rule.model) if fits and rule.model not in seen else None
        if model and machines & set(rule.modalities) & set(model.modalities):
            seen.add(model.name)
            yield rule, model


def _first(attributes: dict[str, dict[str, list[object]]], tag: str) -> str:
    return str((attributes.get(tag, {}).get("Value") or [""])[0] or "")


def _age(study: Study) -> int | None:
    birth, day = study.patient_birth_date, study.study_date or date.today()  # noqa: DTZ011 - the node's day
    return age(birth.isoformat(), day) if birth else None


def rule_of(row: AiResult) -> Assist | None:
    """The rule by which a study was given to a model, while it is on and gives it to that one."""
    rule = in_force(row.facility).rules.get(row.rule)
    return rule if isinstance(rule, Assist) and rule.on and rule.model == row.model else None


def unseen(row: AiResult, model: Model, rule: Assist) -> QuerySet[Instance]:
    """The objects of a result's study that its model takes and has not looked at."""
    machines = set(model.modalities) & set(rule.modalities)
    rows = Instance.objects.filter(study=row.study_id, pk__gt=row.last, series__modality__in=machines)
    found = drawn(rows.exclude(source=SOURCE))
    return found.filter(sop_class_uid__in=model.sop_classes) if model.sop_classes else found
