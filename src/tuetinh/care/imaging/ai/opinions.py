"""What a reader thinks of what a model said."""

from __future__ import annotations

from datetime import UTC, datetime

from tuetinh.care.imaging.ai.models import AiOpinion, AiResult
from tuetinh.care.imaging.errors import NotAllowed, NotThere
from tuetinh.care.imaging.models import Study
from tuetinh.care.imaging.reports import may_report
from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter


def judge(asker: Asker, result_id: int, *, agrees: bool) -> AiOpinion:
    """Keep whether a reader agrees with a result that they may see. Raises NotAllowed, NotThere."""
    if not may_report(asker):
        raise NotAllowed
    enter(asker)
    row = AiResult.objects.filter(pk=result_id, facility=asker.facility, score__isnull=False).first()
    study = Study.objects.filter(pk=row.study_id).first() if row else None
    if row is None or study is None:
        raise NotThere
    audit.note(asker, "update", "Observation", row.observation, study.patient)
    now = datetime.now(UTC)
    return AiOpinion.objects.create(result=row, account=asker.account, at=now, agrees=agrees, score=row.score)
