"""What models said, as readers see it beside the pictures, and how often readers agreed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Count, F, Q

from tuetinh.care.imaging.ai import known
from tuetinh.care.imaging.ai.model import Model
from tuetinh.care.imaging.ai.models import AiOpinion, AiResult
from tuetinh.care.imaging.errors import FAULTS
from tuetinh.care.imaging.models import Study
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

SHOWN: Final = 6  # pictures of a result, those with the highest score


@dataclass(frozen=True, slots=True)
class Shown:
    """A result on a page. ours: of the asker's facility, whose readers judge it.

    pictures: with their thumbnails, and regions in pixels; opinion: the asker's own.
    """

    result: AiResult
    model: Model | None
    ours: bool
    pictures: list[dict[str, Any]] = field(default_factory=list)
    opinion: bool | None = None

    @property
    def fault(self) -> str:
        """Why there is none."""
        return str(FAULTS.get(self.result.fault, ""))


def beside(asker: Asker, studies: Sequence[Study]) -> list[Shown]:
    """What models said of studies, as far as the asker may see these; each version has its own."""
    if not studies:
        return []
    enter(asker)
    uids = {one.pk: one.study_instance_uid for one in studies}
    rows = list(AiResult.objects.filter(study__in=uids).order_by("study", "model", "-pk"))
    models = {(one.name, one.version): one for one in known.versions()} if rows else {}
    newest = AiOpinion.objects.filter(result__in=rows, account=asker.account).order_by("result", "-pk")
    mine = dict(newest.distinct("result").values_list("result", "agrees")) if rows else {}
    return [
        Shown(
            *(row, models.get((row.model, row.version)), row.facility == asker.facility),
            *(_pictures(uids[row.study_id], row), mine.get(row.pk)),
        )
        for row in rows
    ]


def _pictures(study: str, row: AiResult) -> list[dict[str, Any]]:
    best = sorted(row.pictures, key=lambda one: -one["score"])[:SHOWN]
    return [_picture(study, one) for one in best]


def _picture(study: str, told: dict[str, Any]) -> dict[str, Any]:
    place = f"/dicom-web/studies/{study}/series/{told['series']}/instances/{told['instance']}"
    width, height = told["columns"], told["rows"]
    boxes = [
        {"x": round(x0 * width), "y": round(y0 * height), "width": round((x1 - x0) * width),
         "height": round((y1 - y0) * height)}
        for x0, y0, x1, y1 in told["boxes"]
    ]  # fmt: skip
    url = f"{place}/frames/{told['frame']}/thumbnail"
    return {"url": url, "score": told["score"], "width": width, "height": height, "boxes": boxes}


@dataclass(frozen=True, slots=True)
class Used:
    """A version of a model in use, in numbers."""

    model: Model
    brought: bool
    done: int = 0
    found: int = 0
    failed: int = 0
    agreed: int = 0
    disagreed: int = 0

    @property
    def share(self) -> str:
        """How many of the readers' opinions agree, in per cent."""
        said = self.agreed + self.disagreed
        return f"{round(self.agreed / said * 100)} %" if said else ""


def in_use(asker: Asker) -> list[Used]:
    """Every version with its numbers at the asker's facility, or, having none, everywhere; of nobody by name."""
    enter(SYSTEM)
    rows = AiResult.objects.filter(facility=asker.facility) if asker.facility else AiResult.objects.all()
    counts = {
        (one.pop("model"), one.pop("version")): one
        for one in rows.values("model", "version").annotate(
            done=Count("pk", filter=Q(score__isnull=False)),
            found=Count("pk", filter=Q(score__gte=F("threshold"))),
            failed=Count("pk", filter=Q(state=AiResult.State.FAILED)),
        )
    }
    newest = (
        AiOpinion.objects.filter(result__in=rows).order_by("result", "account", "-pk").distinct("result", "account")
    )
    said = AiOpinion.objects.filter(pk__in=newest.values("pk")).values_list("result__model", "result__version")
    for model, version, agreed, disagreed in said.annotate(
        agreed=Count("pk", filter=Q(agrees=True)), disagreed=Count("pk", filter=Q(agrees=False))
    ):
        counts.setdefault((model, version), {}).update(agreed=agreed, disagreed=disagreed)
    shipped = known.shipped()
    return [
        Used(one, (one.name, one.version) not in shipped, **counts.get((one.name, one.version), {}))
        for one in known.versions()
    ]
