"""What is asked for each kind of check, and what an answer means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

ANSWERS: Final = {"no": gettext_lazy("Không"), "yes": gettext_lazy("Có"), "unsure": gettext_lazy("Không rõ")}
QUESTIONNAIRE: Final = "https://tuetinh.vn/fhir/Questionnaire/imaging-safety"


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is answered by yes, no or not known. key: linkId of the QuestionnaireResponse."""

    key: str
    words: _StrPromise


QUESTIONS: Final = {
    "pregnancy": (Question("pregnant", gettext_lazy("Đang có thai, hoặc có thể có thai (trễ kinh)?")),),
    "allergy": (
        Question(
            "reaction",
            gettext_lazy("Đã từng phản ứng (mẩn ngứa, khó thở, ngất) với thuốc cản quang hoặc đối quang từ?"),
        ),
    ),
    "renal": (
        Question(
            "kidney",
            gettext_lazy("Có bệnh thận, một thận, ghép thận, đái tháo đường, tăng huyết áp, hoặc trên 60 tuổi?"),
        ),
    ),
    "metformin": (Question("metformin", gettext_lazy("Đang uống metformin?")),),
    "implant": (
        Question("pacemaker", gettext_lazy("Có máy tạo nhịp, máy khử rung hoặc điện cực trong người?")),
        Question("clip", gettext_lazy("Có clip phình mạch não, coil hoặc stent?")),
        Question("cochlear", gettext_lazy("Có ốc tai điện tử, máy kích thích thần kinh hoặc bơm thuốc trong người?")),
        Question("metal", gettext_lazy("Có mảnh kim loại trong mắt hoặc trong người (mảnh đạn, làm nghề tiện, hàn)?")),
        Question("implant", gettext_lazy("Có van tim, khớp nhân tạo, nẹp vít hoặc vật cấy ghép khác?")),
    ),
}
BY_KEY: Final = {one.key: one for questions in QUESTIONS.values() for one in questions}
