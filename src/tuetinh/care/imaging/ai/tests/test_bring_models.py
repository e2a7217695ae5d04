"""Models that administrators bring: tried first, refused with the place, and never put in the place of another."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from msgspec.structs import replace

from tuetinh.care.imaging.ai import bringing, known
from tuetinh.care.imaging.ai.model import Model
from tuetinh.care.imaging.ai.models import AiModel
from tuetinh.care.imaging.ai.tests.conftest import field, node, onnx
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.errors import BadModel, NotAllowed
from tuetinh.care.imaging.models import RuleChange
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record.asker import Asker

pytestmark = pytest.mark.django_db
Describe = Callable[..., Model]
NET = onnx(node("Sigmoid"))


def test_a_version_is_added_beside_the_others(admin: Asker, described: Describe) -> None:
    first = described(NET)
    assert bringing.bring(admin, BytesIO(bringing.packed(first, NET))) == first
    second = replace(first, version="2", threshold=0.4)
    bringing.bring(admin, BytesIO(bringing.packed(second, NET)))
    assert known.newest("test-net") == second
    assert known.version_of("test-net", "1") == first
    assert known.file_of(first) == NET
    assert known.version_of("test-net", "1") is known.version_of("test-net", "1")  # not read from JSON each time
    assert known.file_of(second) is known.file_of(second)
    assert known.file_of.cache_info().maxsize == 1
    assert ask("SELECT count(*) FROM record.content WHERE type = 'Device'") == [(2,)]
    with pytest.raises(BadModel, match="version"):
        bringing.bring(admin, BytesIO(bringing.packed(replace(first, threshold=0.1), NET)))
    assert known.version_of("test-net", "1") == first


def zipped(**files: bytes) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return out.getvalue()


EXTERNAL = field(5, field(8, b"w") + field(14, 1) + field(13, field(1, b"location") + field(2, b"/etc/passwd")))
HIDDEN = node("If", attributes=field(5, field(1, b"then_branch") + field(6, EXTERNAL)))
BAD: dict[str, tuple[bytes, dict[str, object], str]] = {
    "external data": (onnx(node("Sigmoid"), extra=EXTERNAL), {}, "model.onnx: .*“w”"),
    "external data of a branch": (onnx(HIDDEN), {}, "model.onnx: .*“w”"),
    "own operators": (onnx(node("Fast", domain="me"), domain="me"), {}, "model.onnx: .*“me”"),
    "unknown operators": (onnx(node("NoSuchThing")), {}, "model.onnx"),
    "no model": (b"not a model at all", {}, "model.onnx"),
    "another file": (NET, {"sha256": "0" * 64}, "sha256"),
    "another shape": (onnx(node("GlobalAveragePool")), {"channel": 9}, "model.onnx"),
    "a maker's name": (NET, {"maker": ""}, "maker"),
    "a name": (NET, {"name": "../x"}, "name"),
    "a threshold": (NET, {"threshold": 7.0}, "threshold"),
    "mean of two channels": (NET, {"mean": (0.5, 0.5)}, "mean"),
}


def test_a_damaged_archive_is_refused(admin: Asker) -> None:
    whole = bytearray(zipped(model_json=b"{}" * 500, model_onnx=b"x" * 5000))
    whole[60:90] = bytes(byte ^ 0x5A for byte in whole[60:90])
    with pytest.raises(BadModel):
        bringing.bring(admin, BytesIO(whole))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_is_refused_with_its_place(name: str, admin: Asker, described: Describe) -> None:
    data, changes, place = BAD[name]
    with pytest.raises(BadModel, match=place):
        bringing.bring(admin, BytesIO(bringing.packed(described(data, **changes), data)))
    assert AiModel.objects.count() == 0


def test_a_bad_zip_is_refused(admin: Asker, described: Describe) -> None:
    told = msgspec.json.encode(described(NET))
    for data, place in (
        (b"no zip", "ZIP"),
        (zipped(model_json=told), "model.onnx"),
        (zipped(model_onnx=NET), "model.json"),
        (zipped(model_json=told, model_onnx=NET, more_py=b""), "more.py"),
        (zipped(model_json=told[:-2], model_onnx=NET), "model.json"),
    ):
        with pytest.raises(BadModel) as refused:
            bringing.bring(admin, BytesIO(data))
        assert refused.value.place == place
    assert AiModel.objects.count() == 0


def test_administrators_alone_bring_models(
    described: Describe, as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    data = bringing.packed(described(NET), NET)
    with pytest.raises(NotAllowed):
        bringing.bring(asker_of(cast["imaging"]), BytesIO(data))
    for role, status in (("imaging", 422), ("doctor", 403), ("admin", 302)):
        assert AiModel.objects.count() == 0
        answer = as_role(role).post("/imaging/ai", {"file": SimpleUploadedFile("m.zip", data)})
        assert answer.status_code == status
    page = as_role("admin").get("/imaging/ai").content.decode()
    assert 'data-model="test-net:1"' in page and 'data-model="pp-ocr-det:4.0"' in page
    refused = as_role("admin").post("/imaging/ai", {"file": SimpleUploadedFile("m.zip", b"x")})
    assert (refused.status_code, "ZIP: không đọc được." in refused.content.decode()) == (422, True)


def test_a_rule_names_a_model_that_is_there(as_role: Callable[[str], Client]) -> None:
    browser, url = as_role("admin"), "/imaging/rules/AI-TEXT?kind=ai"
    told = {"vi": "Tìm chữ", "modalities": "US SC", "model": "pp-ocr-det", "on": "on", "why": "Dùng thử"}
    assert browser.post(url, told | {"model": "nothing"}).status_code == 422
    assert RuleChange.objects.count() == 0
    assert browser.post(url, told | {"services": "18.0001.0001", "age_from": "18"}).status_code == 302
    assert RuleChange.objects.get().content["services"] == ["18.0001.0001"]
    assert "18.0001.0001" in browser.get("/imaging/rules?kind=ai").content.decode()
