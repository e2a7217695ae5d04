"""A model that an administrator brings: unpacked, checked and tried before it is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import IO, Final
from zipfile import ZipFile

import msgspec
import numpy as np
from django.db import transaction
from django.utils.translation import gettext as _

from tuetinh.care.imaging.ai import model as models
from tuetinh.care.imaging.ai import running, scoring
from tuetinh.care.imaging.ai.known import version_of
from tuetinh.care.imaging.ai.model import Model
from tuetinh.care.imaging.ai.models import AiModel
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.capture.disc.actions import BROKEN
from tuetinh.care.imaging.errors import FAULTS, BadModel, NotAllowed
from tuetinh.record.asker import Asker
from tuetinh.record.contents.files import store

TRIAL: Final = running.Limits(processor=60, clock=90)
_SIDE: Final = 320  # of the picture that tries a model of any size


def bring(asker: Asker, archive: IO[bytes]) -> Model:
    """Add a version of a model from a ZIP of its two files, once it was tried. Raises NotAllowed, BadModel."""
    if asker.role != "admin":
        raise NotAllowed
    told, data = _unpacked(archive)
    model = models.read(told)
    models.check_file(model, data, sha256(data).hexdigest())
    _try(model, data)
    if version_of(model.name, model.version):
        raise BadModel("version", _("đã có phiên bản này; ghi số phiên bản mới."))
    content = store(data)
    with transaction.atomic():
        _row, fresh = AiModel.objects.get_or_create(
            name=model.name, version=model.version,
            defaults={
                "description": msgspec.to_builtins(model), "digest": content.digest, "size": content.size,
                "added_at": datetime.now(UTC), "added_by": asker.account,
            },
        )  # fmt: skip
        if not fresh:
            raise BadModel("version", _("đã có phiên bản này; ghi số phiên bản mới."))
        ask(_USES, content.digest, content.size, model.device)
    return model


_USES: Final = """
INSERT INTO record.content (digest, size, type, id, shard) VALUES (%s, %s, 'Device', %s, 'ai') ON CONFLICT DO NOTHING"""


def _unpacked(archive: IO[bytes]) -> tuple[bytes, bytes]:
    """The two files of a ZIP. Raises BadModel."""
    try:
        with ZipFile(archive) as opened_:
            sizes = {one.filename: one.file_size for one in opened_.infolist()}
            for name, most in (("model.json", 1 << 20), ("model.onnx", models.LARGEST)):
                if name not in sizes:
                    raise BadModel(name, _("không có trong tệp ZIP."))
                if sizes[name] > most:
                    raise BadModel(name, _("quá lớn."))
            if extra := sorted(set(sizes) - {"model.json", "model.onnx"}):
                raise BadModel(extra[0][:60], _("không thuộc mô hình; ZIP chỉ gồm model.json và model.onnx."))
            return opened_.read("model.json"), opened_.read("model.onnx")
    except (*BROKEN, OSError) as error:
        raise BadModel("ZIP", _("không đọc được.")) from error


def _try(model: Model, data: bytes) -> None:
    """Let a model look at an empty picture. Raises BadModel."""
    rows, columns = (model.height or _SIDE), (model.width or _SIDE)
    try:
        scoring.look(model, data, [np.zeros((rows, columns, 3), np.uint8)], TRIAL)
    except running.Failed as error:
        said = f"{FAULTS[error.code]} {error.said}".strip()
        raise BadModel("model.onnx", said[:300]) from error


def packed(model: Model, data: bytes) -> bytes:
    """The ZIP of a model, as `bring` takes it."""
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr("model.json", msgspec.json.encode(model))
        archive.writestr("model.onnx", data)
    return out.getvalue()
