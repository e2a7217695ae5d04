"""What other modules may call of the catalogues."""

from __future__ import annotations

from tuetinh.record.text import fold

from .icd10 import Chapter, Flag, Group, Icd10, Refusal, all_codes, check_diagnosis, children, companions, icd10, search_icd10
from .lists import Code, EthnicGroup, code_list, code_lists, codes, ethnic_group, ethnic_groups
from .places import (
    Commune,
    Place,
    Province,
    commune,
    communes,
    communes_of,
    old_to_new,
    parse_address,
    province,
    provinces,
)
from .services import Service, Technique, equivalents, search_services, service, technique
from .services import groups as service_groups

__all__ = [
    "Chapter",
    "Code",
    "Commune",
    "EthnicGroup",
    "Flag",
    "Group",
    "Icd10",
    "Place",
    "Province",
    "Refusal",
    "Service",
    "Technique",
    "all_codes",
    "check_diagnosis",
    "children",
    "code_list",
    "code_lists",
    "codes",
    "commune",
    "communes",
    "communes_of",
    "companions",
    "equivalents",
    "ethnic_group",
    "ethnic_groups",
    "fold",
    "icd10",
    "old_to_new",
    "parse_address",
    "province",
    "provinces",
    "search_icd10",
    "search_services",
    "service",
    "service_groups",
    "technique",
]
