"""The functions by their chapters; to import them is to register them."""

from __future__ import annotations

from tuetinh.record.fhirpath.functions import (
    boundaries,
    collections,
    conversion,
    fhir,
    maths,
    strings,
    utility,
)

__all__ = ["boundaries", "collections", "conversion", "fhir", "maths", "strings", "utility"]
