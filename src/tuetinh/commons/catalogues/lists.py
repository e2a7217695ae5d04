"""Ethnic groups and the code lists of the insurance data, by the name of their field."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import msgspec
from django.utils.translation import gettext_lazy

from .store import load
from .wordsearch import words

# Luật Khám bệnh, chữa bệnh 15/2023/QH15, Điều 104
FACILITY_LEVELS = {
    "1": gettext_lazy("Cấp khám bệnh, chữa bệnh ban đầu"),
    "2": gettext_lazy("Cấp khám bệnh, chữa bệnh cơ bản"),
    "3": gettext_lazy("Cấp khám bệnh, chữa bệnh chuyên sâu"),
}

# Nghề nghiệp on the medical record of QĐ 4069/2001/QĐ-BYT; the code system `vn-core-occupation-4069` of VN Core.
OCCUPATIONS = {
    "01": gettext_lazy("Trẻ < 6 tuổi đi học, <15 tuổi không đi học"),
    "02": gettext_lazy("Sinh viên, học sinh"),
    "03": gettext_lazy("Hưu và > 60 tuổi"),
    "04": gettext_lazy("Công nhân"),
    "05": gettext_lazy("Nông dân"),
    "06": gettext_lazy("Lực lượng vũ trang"),
    "07": gettext_lazy("Trí thức"),
    "08": gettext_lazy("Hành chính, sự nghiệp"),
    "09": gettext_lazy("Y tế"),
    "10": gettext_lazy("Dịch vụ"),
    "11": gettext_lazy("Việt kiều"),
    "12": gettext_lazy("Ngoại kiều"),
    "99": gettext_lazy("Khác"),
}


class EthnicGroup(msgspec.Struct, frozen=True, array_like=True):
    """One of the 54 ethnic groups, or `55` foreign, `56` unknown."""

    code: str
    name: str
    aliases: list[str]


class Code(msgspec.Struct, frozen=True, array_like=True):
    """A code of a list. `source` says where the meaning is from and how sure it is (`found…`, `memory…`)."""

    code: str
    meaning: str
    source: str

    @property
    def certain(self) -> bool:
        """Whether the meaning was read in a published text."""
        return self.source.startswith("found")


class _Tables(msgspec.Struct):
    ethnic_groups: list[EthnicGroup]
    codes: dict[str, list[Code]]
    visit_objects: list[tuple[str, str, str, str]]


@cache
def _tables() -> _Tables:
    return load("lists", _Tables)


def ethnic_groups() -> list[EthnicGroup]:
    """The ethnic groups in the order of their codes."""
    return _tables().ethnic_groups


@cache
def _ethnic_names() -> dict[str, EthnicGroup]:
    names = {_joined(a): g for g in reversed(ethnic_groups()) for a in g.aliases}
    names |= {_joined(g.name): g for g in ethnic_groups()} | {g.code: g for g in ethnic_groups()}
    return names | {"mong": names["hmong"]}  # as the people themselves and most papers write it


def _joined(name: str) -> str:
    return "".join(words(name))


def ethnic_group(text: str) -> EthnicGroup | None:
    """The ethnic group of a code, a name or another name of it."""
    return _ethnic_names().get(_joined(text))


def code_lists() -> list[str]:
    """The names of all code lists."""
    return list(_tables().codes)


def code_list(name: str) -> list[Code]:
    """The codes of a list with their sources. Raises KeyError for an unknown list."""
    return _tables().codes[name]


@cache
def codes(name: str) -> Mapping[str, str]:
    """Code to meaning of a list (`MA_LOAI_KCB_1804`). Raises KeyError for an unknown list."""
    return MappingProxyType({c.code: c.meaning for c in code_list(name)})


def facility_levels() -> dict[str, str]:
    """The technical levels of facilities: initial, basic, specialised."""
    return {code: str(name) for code, name in FACILITY_LEVELS.items()}
