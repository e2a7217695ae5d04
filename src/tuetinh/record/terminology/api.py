"""What other modules may call of terminology.

A module offers a code system of its own with `register_code_system`. Search and validation ask `expansion`,
`ancestors` and `descendants`, which answer from what this process has last seen; a step that needs what is stored now
runs `refresh` first.
"""

from __future__ import annotations

from tuetinh.record.terminology import code_forms
from tuetinh.record.terminology.library import Load
from tuetinh.record.terminology.model import CodeSystem, Concept, Designation, Property
from tuetinh.record.terminology.shelf import base, current, refresh
from tuetinh.record.terminology.ucum import canonical, comparable, convert, display, valid

__all__ = [
    "CodeSystem",
    "Concept",
    "Designation",
    "Property",
    "ancestors",
    "canonical",
    "code_forms",
    "comparable",
    "contains",
    "convert",
    "descendants",
    "display",
    "expansion",
    "refresh",
    "register_code_system",
    "valid",
    "value_set_url",
]


def register_code_system(url: str, version: str, load: Load, value_set: str = "") -> None:
    """Offer a code system, built by `load` when first asked for. `value_set` is the canonical URL of all its codes."""
    base().register(url, version, load, value_set)


def expansion(url: str) -> frozenset[tuple[str, str]] | None:
    """System and code of everything in a value set (`url` or `url|version`).

    None when that is not known: the value set or one of its code systems is not there or cannot be listed.
    """
    return current().expansion(url)


def value_set_url(id_: str) -> str | None:
    """The canonical URL of a ValueSet that is stored with this id; None where there is none."""
    return current().url_of(id_)


def contains(url: str, system: str, code: str) -> bool | None:
    """Whether a value set has a code, also where it cannot be listed; None when that is not known."""
    return current().contains(url, system, code)


def descendants(system: str, code: str) -> frozenset[str]:
    """The codes below a code in the newest version of its code system; empty when there are none or it is not known."""
    found = current().library.system(system)
    return found.descendants(code) if found else frozenset()


def ancestors(system: str, code: str) -> frozenset[str]:
    """The codes above a code in the newest version of its code system; empty when there are none or it is not known."""
    found = current().library.system(system)
    return found.ancestors(code) if found else frozenset()
