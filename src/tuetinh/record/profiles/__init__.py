"""Whether a resource is what profiles ask for (R4 profiling.html), beyond what every resource of its type must be."""

from __future__ import annotations

from tuetinh.record.profiles.library import Library
from tuetinh.record.profiles.validation import Validation

__all__ = ["Library", "Validation"]
