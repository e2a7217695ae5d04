"""A model as it is described: `model.json` beside `model.onnx`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tuetinh.care.imaging.ai import onnxfile
from tuetinh.care.imaging.errors import BadModel

KINDS: Final = ("classification", "segmentation")
ACTIVATIONS: Final = ("none", "sigmoid", "softmax")
LARGEST: Final = 256 << 20  # bytes of a model
_SYSTEMS: Final = {
    "SCT": "http://snomed.info/sct", "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM", "RADLEX": "http://radlex.org",
    "99TUETINH": "https://tuetinh.vn/fhir/CodeSystem/ai-finding",
}  # fmt: skip
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,15}")


class Coded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code with its words. scheme: as DICOM names it (PS3.16, 8); one of a maker's own begins with 99."""

    scheme: str
    code: str
    vi: str
    en: str

    @property
    def text(self) -> str:
        """Its words in the language of the page."""
        return _in_language(self.vi, self.en)

    @property
    def system(self) -> str:
        """The code system as FHIR names it."""
        return _SYSTEMS.get(self.scheme, f"urn:dicom:scheme:{self.scheme}")


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model is, takes and gives.

    use: what it is for, in words. modalities: of the series whose pictures it takes; sop_classes: these alone, none
    for all. channels: 1 or 3. height, width: of its input; none: the longer side is `longest`, both multiples of
    `multiple`. window: centre and width for grey pictures, none for their own. mean, std: of each channel, of values
    from 0 to 1. channel: which of its output counts. pixel: from which value a pixel belongs to a region; least: how
    many pixels a region has at least; aspect: how many times wider than high it is at least. threshold: from which
    score something is found. most: pictures of a study that it looks at. category: what kind of thing a region is.
    """

    name: str
    version: str
    title: str
    title_en: str = ""
    maker: str
    licence: str
    use: str
    use_en: str = ""
    kind: str
    sha256: str
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...] = ()
    channels: int = 3
    height: int = 0
    width: int = 0
    longest: int = 640
    multiple: int = 32
    window: tuple[float, float] | None = None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channel: int = 0
    activation: str = "none"
    pixel: float = 0.5
    least: int = 1
    aspect: float = 0
    threshold: float
    most: int = 16
    finding: Coded
    category: Coded | None = None

    @property
    def text(self) -> str:
        """What it is called, in the language of the page."""
        return _in_language(self.title, self.title_en)

    @property
    def purpose(self) -> str:
        """What it is for, in the language of the page."""
        return _in_language(self.use, self.use_en)

    @property
    def device(self) -> str:
        """The id of its Device in the record."""
        return f"ai-{self.name}-{self.version}"

    def check(self) -> None:
        """Raise BadModel, naming the field, for a description that cannot be kept."""
        numbers = (self.threshold, self.pixel, *self.mean, *self.std)
        wrong = (
            ("name", not re.fullmatch(r"[a-z][a-z0-9-]{1,29}", self.name)),
            ("version", not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,19}", self.version)),
            ("title", not 0 < len(self.title) <= 60),
            ("maker", not 0 < len(self.maker) <= 64),
            ("licence", not self.licence.strip()),
            ("use", not 10 <= len(self.use) <= 500),
            ("kind", self.kind not in KINDS),
            ("sha256", not re.fullmatch(r"[0-9a-f]{64}", self.sha256)),
            ("modalities", not self.modalities or any(not re.fullmatch(r"[A-Z]{2,16}", m) for m in self.modalities)),
            ("channels", self.channels not in (1, 3)),
            ("height", not 0 <= self.height <= 2048 or bool(self.height) != bool(self.width)),
            ("width", not 0 <= self.width <= 2048),
            ("longest", not 32 <= self.longest <= 2048),
            ("multiple", not 1 <= self.multiple <= 256),
            ("window", self.window is not None and self.window[1] < 1),
            ("mean", len(self.mean) != self.channels),
            ("std", len(self.std) != self.channels or min(self.std, default=0) <= 0),
            ("channel", not 0 <= self.channel < 4096),
            ("activation", self.activation not in ACTIVATIONS),
            ("pixel", not 0 < self.pixel < 1),
            ("least", not 1 <= self.least <= 10**7),
            ("aspect", not 0 <= self.aspect <= 100),
            ("threshold", not 0 < self.threshold < 1),
            ("most", not 1 <= self.most <= 64),
            ("mean", any(abs(one) > 1e6 for one in numbers)),
            ("finding", _is_bad(self.finding)),
            ("category", _is_bad(self.category) if self.category else self.kind == "segmentation"),
        )
        if field := next((name for name, is_wrong in wrong if is_wrong), ""):
            raise BadModel(field, _("thiếu hoặc giá trị không hợp lệ."))


def _is_bad(coded: Coded) -> bool:
    return not (
        _CODE.fullmatch(coded.code) and 0 < len(coded.scheme) <= 16 and 0 < len(coded.vi) <= 64 and coded.en.isascii()
        and 0 < len(coded.en) <= 64
    )  # fmt: skip


def _in_language(vi: str, en: str) -> str:
    return en if (get_language() or "").startswith("en") and en else vi


def read(told: bytes) -> Model:
    """A description from its JSON. Raises BadModel."""
    try:
        model = msgspec.json.decode(told, type=Model)
    except msgspec.DecodeError as error:
        raise BadModel("model.json", _("không đúng mẫu: %(said)s") % {"said": error}) from error
    model.check()
    return model


def check_file(model: Model, data: bytes, digest: str) -> None:
    """Raise BadModel unless this is the file of the model, holds all that it needs, and asks for nothing else."""
    if len(data) > LARGEST:
        raise BadModel("model.onnx", _("lớn hơn 256 MB."))
    if digest != model.sha256:
        raise BadModel("sha256", _("không phải của tệp model.onnx này."))
    try:
        onnxfile.check(data)
    except onnxfile.NotOnnx as error:
        code, which = error.args
        said = {
            "broken": _("không phải tệp ONNX đọc được."),
            "external": _("dữ liệu “%(which)s” nằm ở tệp khác.") % {"which": which[:60]},
            "operator": _("dùng phép toán riêng “%(which)s”.") % {"which": which[:60]},
        }
        raise BadModel("model.onnx", said[code]) from error


@dataclass(frozen=True, slots=True)
class Size:
    """Rows and columns of a picture as a model takes it."""

    rows: int
    columns: int


def size_for(model: Model, rows: int, columns: int) -> Size:
    """How large a picture of this size is made for a model; it is made larger four times at most."""
    if model.height:
        return Size(model.height, model.width)
    scale = min(model.longest / max(rows, columns), 4)
    fitted = (max(model.multiple, round(side * scale / model.multiple) * model.multiple) for side in (rows, columns))
    return Size(*fitted)
