"""The functions by their chapters; to import this package is to register them."""

from __future__ import annotations

from importlib import import_module

for _chapter in (
    "aggregates",
    "boundaries",
    "collections",
    "components",
    "conversion",
    "fhir",
    "maths",
    "strings",
    "utility",
):
    import_module(f"{__name__}.{_chapter}")
