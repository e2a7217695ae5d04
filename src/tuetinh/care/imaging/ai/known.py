"""The models that there are: those that come with the house, and those that administrators brought."""

from __future__ import annotations

from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import msgspec

from tuetinh.care.imaging.ai import model as models
from tuetinh.care.imaging.ai.model import Model
from tuetinh.care.imaging.ai.models import AiModel
from tuetinh.record.contents.files import opened

KNOWN: Final = 256  # descriptions that a process remembers
_SHIPPED: Final = Path(__file__).with_name("data")


@cache
def shipped() -> dict[tuple[str, str], tuple[Model, Path]]:
    """The models of the house with their files, by name and version."""
    found = (models.read(path.read_bytes()) for path in sorted(_SHIPPED.glob("*/model.json")))
    return {(one.name, one.version): (one, _SHIPPED / one.name / "model.onnx") for one in found}


def versions() -> list[Model]:
    """Every version of every model, the newest of a name last."""
    brought = AiModel.objects.order_by("pk").values_list("pk", "added_at")
    return [model for model, _file in shipped().values()] + [_brought(*one) for one in brought]


@lru_cache(maxsize=KNOWN)
def _brought(pk: int, added_at: datetime) -> Model:
    """A version that was brought, which is never altered."""
    return msgspec.convert(AiModel.objects.values_list("description", flat=True).get(pk=pk, added_at=added_at), Model)


def newest(name: str) -> Model | None:
    """The version of a model that is used now."""
    return next((one for one in reversed(versions()) if one.name == name), None)


def version_of(name: str, version: str) -> Model | None:
    """One version of a model."""
    return next((one for one in versions() if (one.name, one.version) == (name, version)), None)


@lru_cache(maxsize=1)  # a model mostly looks at one study after the other
def file_of(model: Model) -> bytes:
    """The ONNX file of a model, remembered until `cache_clear`. Raises as `files.opened`."""
    if known := shipped().get((model.name, model.version)):
        return known[1].read_bytes()
    with opened(bytes.fromhex(model.sha256)) as file:
        return file.read()
